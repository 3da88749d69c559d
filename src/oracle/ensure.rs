//! The post-conditions of an accepted call.

use crate::model::{
    Action, AllowedChanges, Context, Ensured, Evidence, Expectation, Found, SqlQuery, StepRecord,
    one_line,
};
use crate::world::{Observe, WorldError};

use super::{Objection, sql};

/// The first post-condition that does not hold after a step from `before` to `after`, as the check `ensure-failed` reports it.
pub(super) async fn judge<W: Observe>(
    world: &mut W,
    action: &Action,
    record: &StepRecord,
    (before, after): (&Context, &Context),
) -> Result<Option<Objection>, WorldError> {
    if action.ensure.is_empty() || !action.accepts(&record.response) {
        return Ok(None);
    }
    let context = with_cleared(action, record, (before, after));
    for ensure in &action.ensure {
        let objection = match &ensure.subject {
            Ensured::Rows(query, expectation) => {
                judge_rows(world, action, query, expectation, &context).await?
            }
            Ensured::Changes(allowed) => judge_changes(action, allowed, record),
        };
        if let Some(mut objection) = objection {
            if let Some(message) = &ensure.message {
                objection.message = format!("{message}: {}", objection.message);
            }
            return Ok(Some(objection));
        }
    }
    Ok(None)
}

/// The context after a call, with the values that it has cleared and the object on which it acted: its post-conditions may speak
/// of what it deleted. In a pool another object may stand there by now.
fn with_cleared(
    action: &Action,
    record: &StepRecord,
    (before, after): (&Context, &Context),
) -> Context {
    let on_answer = action.on_answer(&record.response);
    let cleared = on_answer
        .into_iter()
        .flat_map(|it| it.clear.iter().copied());
    let chosen = action.chosen.as_ref().map(|chosen| chosen.variable);
    cleared
        .chain(chosen)
        .fold(after.clone(), |context, variable| {
            match before.get(variable) {
                Some(value) => context.with(variable, Some(value.clone())),
                None => context,
            }
        })
}

async fn judge_rows<W: Observe>(
    world: &mut W,
    action: &Action,
    query: &SqlQuery,
    expectation: &Expectation,
    context: &Context,
) -> Result<Option<Objection>, WorldError> {
    let name = &action.name;
    let owner = format!("`ensure` of `{name}`");
    let Some(rows) = sql::run(world, query, context, &owner).await? else {
        return Ok(None);
    };
    let failure = Found::rows(rows.columns.len(), &rows.rows).judge(expectation, &[]);
    Ok(failure.map(|failure| Objection {
        kind: one_line(&query.text),
        message: format!(
            "after `{name}`, `ensure` expects {}, but {}",
            failure.expected, failure.actual
        ),
        evidence: sql::evidence(rows, failure.expected),
    }))
}

fn judge_changes(
    action: &Action,
    allowed: &[AllowedChanges],
    record: &StepRecord,
) -> Option<Objection> {
    let wrong = AllowedChanges::first_wrong(allowed, &record.rows)?;
    let (table, happened) = (&wrong.table, &wrong.happened);
    let rows = match wrong.rows.as_slice() {
        [] => String::new(),
        rows => format!(": {}", rows.join(", ")),
    };
    Some(Objection {
        kind: format!("changes of {table}"),
        message: format!(
            "`{}` changed other rows of `{table}` than `ensure` allows: {happened}",
            action.name
        ),
        evidence: Evidence::Values {
            expected: format!("`{table}`: {}", wrong.allowed),
            actual: format!("{happened}{rows}"),
        },
    })
}
