//! Invariants whose subject is the rows of a query.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{
    Assertion, Context, Evidence, Expectation, Found, Invariant, Model, Reference, RowChange,
    RowDelta, SqlParameter, SqlQuery, Table, VariableId, values_of,
};
use crate::world::system::QueryRows;
use crate::world::{Observe, WorldError};

use super::{Objection, Verdict, message};

/// What is known of the queries of an invariant, so that they are only run where their result can have changed.
#[derive(Clone, Debug, Default)]
pub(super) enum Reads {
    /// Not looked up yet.
    #[default]
    Undetermined,
    /// The world cannot know.
    Unknown,
    /// These tables.
    Tables(Vec<Arc<Table>>),
}

impl Reads {
    /// The names of the tables among so many systems, sorted; none where they are not known.
    pub(super) fn names(&self, systems: usize) -> Vec<String> {
        let Self::Tables(tables) = self else {
            return Vec::new();
        };
        let names = tables.iter().map(|table| table.name_among(systems));
        names.collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// Whether the result may differ from that before the step: the step changed a row of a table that is read, or a context
    /// value that is bound, or it is not known which tables are read.
    pub(super) async fn changed<W: Observe>(
        &mut self,
        world: &mut W,
        invariant: &Invariant,
        rows: Option<&RowDelta>,
        (before, after): (&Context, &Context),
    ) -> Result<bool, WorldError> {
        if matches!(self, Self::Undetermined) {
            let mut all = Some(Vec::new());
            for query in invariant.queries() {
                let tables = world
                    .tables_read(query)
                    .await
                    .map_err(|error| error.of_query(&owner(invariant), query))?;
                all = all.zip(tables).map(|(mut all, tables)| {
                    all.extend(tables);
                    all
                });
            }
            *self = all.map_or(Self::Unknown, Self::Tables);
        }
        let (Self::Tables(tables), Some(rows)) = (&*self, rows) else {
            return Ok(true);
        };
        Ok(is_rebound(invariant, (before, after), |_| true)
            || rows.changes().iter().any(|change| reads(tables, change)))
    }

    /// The same, but only for what the identity of a state leaves out.
    pub(super) fn changed_unseen(
        &self,
        model: &Model,
        invariant: &Invariant,
        rows: &RowDelta,
        contexts: (&Context, &Context),
    ) -> bool {
        let is_left_out = |variable: VariableId| {
            model.identity_variables.get(variable.0 as usize).copied() != Some(true)
        };
        is_rebound(invariant, contexts, is_left_out)
            || rows.rows().any(|change| {
                change.has_unseen_part()
                    && match self {
                        Self::Tables(tables) => reads(tables, change),
                        Self::Undetermined | Self::Unknown => true,
                    }
            })
    }
}

/// Whether a bound context value that counts differs from before.
fn is_rebound(
    invariant: &Invariant,
    (before, after): (&Context, &Context),
    counts: impl Fn(VariableId) -> bool,
) -> bool {
    let is_other = |parameter: &SqlParameter| match parameter {
        SqlParameter::Variable(variable) => {
            counts(*variable) && before.get(*variable) != after.get(*variable)
        }
        SqlParameter::Constant(_) => false,
    };
    !before.same_allocation(after)
        && invariant
            .queries()
            .any(|query| query.parameters.iter().any(|(_, value)| is_other(value)))
}

/// Whether a change is in one of these tables.
fn reads(tables: &[Arc<Table>], change: &RowChange) -> bool {
    tables.iter().any(|table| {
        Arc::ptr_eq(table, &change.table)
            || (table.id == change.table.id && table.system == change.table.system)
    })
}

/// Runs the query of an invariant and judges its rows. Where a context value that it needs is not defined, it holds.
pub(super) async fn judge<W: Observe>(
    world: &mut W,
    invariant: &Invariant,
    query: &SqlQuery,
    context: &Context,
) -> Result<Verdict, WorldError> {
    let owner = owner(invariant);
    let Some(rows) = run(world, query, context, &owner).await? else {
        return Ok(Verdict::Vacuous);
    };
    let references = references(world, &invariant.expectation, context, &owner).await?;
    let found = Found::rows(rows.columns.len(), &rows.rows);
    let is_vacuous = found.is_vacuous(&invariant.expectation, &references);
    let failure = found.judge(&invariant.expectation, &references);
    if failure.is_none() && is_vacuous {
        return Ok(Verdict::Vacuous);
    }
    let objection = failure.map(|failure| Objection {
        kind: "rows".to_owned(),
        message: message(invariant, &failure),
        evidence: evidence(rows, failure.expected),
    });
    Ok(objection.into())
}

/// The values that assertions compare with, for each assertion in order.
pub(super) async fn references<W: Observe>(
    world: &mut W,
    expectation: &Expectation,
    context: &Context,
    owner: &str,
) -> Result<Vec<Reference>, WorldError> {
    let mut references = Vec::new();
    for assertion in &expectation.assertions {
        references.push(match assertion {
            Assertion::EqualsSql(query) => run(world, query, context, owner)
                .await?
                .map(|rows| values_of(rows.columns.len(), rows.rows)),
            _ => None,
        });
    }
    Ok(references)
}

/// How errors name an invariant.
pub(super) fn owner(invariant: &Invariant) -> String {
    format!("invariant `{}`", invariant.name)
}

pub(super) async fn run<W: Observe>(
    world: &mut W,
    query: &SqlQuery,
    context: &Context,
    owner: &str,
) -> Result<Option<QueryRows>, WorldError> {
    world
        .query(query, context)
        .await
        .map_err(|error| error.of_query(owner, query))
}

pub(super) fn evidence(rows: QueryRows, expected: String) -> Evidence {
    let total = rows.rows.len();
    let mut shown = rows.rows;
    shown.truncate(Evidence::SHOWN_ROWS);
    Evidence::Rows {
        columns: rows.columns,
        rows: shown,
        total,
        expected,
    }
}
