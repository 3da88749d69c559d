//! Invariants whose subject is the rows of a query.

use std::sync::Arc;

use crate::model::{
    Assertion, Context, Evidence, Expectation, Invariant, RowDelta, SqlParameter, SqlQuery, Table,
};
use crate::world::system::QueryRows;
use crate::world::{Observe, WorldError, WorldErrorKind};

use super::expectation::{self, Found, Reference, one_line};
use super::{No, say};

/// What is known of the queries of an invariant, so that they are only run where their result can have changed.
#[derive(Clone, Debug, Default)]
pub(super) enum Reads {
    /// Nobody has asked yet.
    #[default]
    NotAsked,
    /// That cannot be known.
    Unknown,
    /// These tables.
    Tables(Vec<Arc<Table>>),
}

impl Reads {
    /// Whether the result may be another than before the step: it changed a row of a table that is read, or a context
    /// value that is bound, or it is not known which.
    pub(super) async fn changed<W: Observe>(
        &mut self,
        world: &mut W,
        invariant: &Invariant,
        query: &SqlQuery,
        rows: Option<&RowDelta>,
        (before, after): (&Context, &Context),
    ) -> Result<bool, WorldError> {
        let queries = || std::iter::once(query).chain(compared_with(&invariant.expectation));
        if matches!(self, Self::NotAsked) {
            let mut all = Some(Vec::new());
            for query in queries() {
                let tables = world
                    .tables_read(query)
                    .await
                    .map_err(|error| name(error, &owner(invariant), query))?;
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
        let bound = |parameter: &SqlParameter| match parameter {
            SqlParameter::Variable(variable) => before.get(*variable) != after.get(*variable),
            SqlParameter::Constant(_) => false,
        };
        let rebound = !before.same_allocation(after)
            && queries().any(|query| query.parameters.iter().any(|(_, value)| bound(value)));
        Ok(rebound
            || rows.changes().iter().any(|change| {
                tables.iter().any(|table| {
                    Arc::ptr_eq(table, &change.table)
                        || (table.id == change.table.id && table.system == change.table.system)
                })
            }))
    }
}

/// Runs the query of an invariant and judges its rows. Where a context value that it needs is not defined, it holds.
pub(super) async fn judge<W: Observe>(
    world: &mut W,
    invariant: &Invariant,
    query: &SqlQuery,
    context: &Context,
) -> Result<Option<No>, WorldError> {
    let owner = owner(invariant);
    let Some(rows) = run(world, query, context, &owner).await? else {
        return Ok(None);
    };
    let references = references(world, &invariant.expectation, context, &owner).await?;
    let failure = Found::rows(&rows).judge(&invariant.expectation, &references);
    Ok(failure.map(|failure| No {
        message: say(invariant, &failure),
        evidence: evidence(rows, failure.expected),
    }))
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
                .map(expectation::values_of),
            _ => None,
        });
    }
    Ok(references)
}

/// How errors name an invariant.
pub(super) fn owner(invariant: &Invariant) -> String {
    format!("invariant `{}`", invariant.name)
}

fn compared_with(expectation: &Expectation) -> impl Iterator<Item = &SqlQuery> {
    expectation
        .assertions
        .iter()
        .filter_map(|assertion| match assertion {
            Assertion::EqualsSql(query) => Some(query),
            _ => None,
        })
}

async fn run<W: Observe>(
    world: &mut W,
    query: &SqlQuery,
    context: &Context,
    owner: &str,
) -> Result<Option<QueryRows>, WorldError> {
    world
        .query(query, context)
        .await
        .map_err(|error| name(error, owner, query))
}

/// An error that says whose query it was: a query that fails must never look like one that found nothing.
fn name(error: WorldError, owner: &str, query: &SqlQuery) -> WorldError {
    if error.kind == WorldErrorKind::Interrupted {
        return error;
    }
    let message = format!("the SQL of {owner} failed: {}", error.message);
    let help = error.help.clone().unwrap_or_else(|| {
        "run the query in the database's own shell, against the tables of the service".to_owned()
    });
    let text = format!("SQL: {}", one_line(&query.text));
    WorldError { message, ..error }
        .with_details([text])
        .with_help(help)
}

fn evidence(rows: QueryRows, expected: String) -> Evidence {
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
