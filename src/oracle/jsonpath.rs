//! Invariants whose subject is what a JSONPath finds: in the answer of every step, or in the answer to a request of
//! their own (a probe).

use crate::expr::{JsonPath, TooMuchWork};
use crate::model::{
    Context, Evidence, Failure, Found, Invariant, NoJson, RequestTemplate, Source, StepRecord,
};
use crate::world::{Observe, WorldError};

use super::sql;
use super::{Objection, Verdict, message};

/// Judges the answer of a step. The invariant does not speak of answers without a body, or with one that is not meant to be
/// JSON.
pub(super) async fn judge_answer<W: Observe>(
    world: &mut W,
    invariant: &Invariant,
    path: &JsonPath,
    record: &StepRecord,
    context: &Context,
) -> Result<Verdict, WorldError> {
    let json = match record.response.body.read_json() {
        Ok(json) => json,
        Err(NoJson::Empty | NoJson::Other) => return Ok(Verdict::Vacuous),
        Err(why @ NoJson::Unreadable(_)) => return Ok(Verdict::Unjudged(why.in_words())),
    };
    let found = match path.query(json) {
        Ok(nodes) => Found::nodes(nodes, Source::AnyAnswer),
        Err(why) => return Ok(not_tried(path, why)),
    };
    judge_nodes(world, invariant, path, record, context, &found).await
}

/// Judges what the JSONPath found.
async fn judge_nodes<W: Observe>(
    world: &mut W,
    invariant: &Invariant,
    path: &JsonPath,
    record: &StepRecord,
    context: &Context,
    found: &Found<'_>,
) -> Result<Verdict, WorldError> {
    let owner = sql::owner(invariant);
    let references = sql::references(world, &invariant.expectation, context, &owner).await?;
    let failure = found.judge(&invariant.expectation, &references);
    Ok(match failure {
        Some(failure) => Verdict::Broken(objection(invariant, path, record, &failure)),
        None if found.is_vacuous(&invariant.expectation, &references) => Verdict::Vacuous,
        None => Verdict::Holds,
    })
}

fn not_tried(path: &JsonPath, why: TooMuchWork) -> Verdict {
    Verdict::Unjudged(format!("`{}` was not tried: {why}", path.source()))
}

/// What came of a probe.
#[derive(Debug)]
pub(super) struct Probed {
    /// What the answer says of the invariant.
    pub(super) verdict: Verdict,
    /// Which request changed rows of which tables, as a clause; `None` when it changed none.
    pub(super) wrote: Option<String>,
    /// The request, where it was not answered.
    pub(super) unanswered: Option<StepRecord>,
}

/// Sends the request of an invariant and judges the answer. Where a value that the request needs is not defined, the
/// invariant holds.
pub(super) async fn probe<W: Observe>(
    world: &mut W,
    invariant: &Invariant,
    request: &RequestTemplate,
    path: &JsonPath,
    context: &Context,
) -> Result<Probed, WorldError> {
    let owner = sql::owner(invariant);
    let answer = world.probe(request, context).await.map_err(|error| {
        if error.is_ending() {
            return error;
        }
        WorldError {
            message: format!("the request of {owner} failed: {}", error.message),
            ..error
        }
    })?;
    let Some(record) = answer else {
        return Ok(Probed {
            verdict: Verdict::Vacuous,
            wrote: None,
            unanswered: None,
        });
    };
    if let Some(no_answer) = &record.response.no_answer {
        return Ok(Probed {
            verdict: Verdict::Unjudged(format!("its request was not answered: {}", no_answer.why)),
            wrote: None,
            unanswered: Some(record),
        });
    }
    let wrote = wrote(&record);
    let refused = |what: String| {
        let expected = "a JSON body with a status of 2xx".to_owned();
        Verdict::Broken(Objection {
            kind: format!("{}, no answer to look at", record.response.status),
            ..objection(
                invariant,
                path,
                &record,
                &Failure {
                    expected,
                    actual: what,
                },
            )
        })
    };
    let status = record.response.status;
    if record.response.is_rate_limit {
        let why = "the service asked to come back later (429)".to_owned();
        return Ok(Probed {
            verdict: Verdict::Unjudged(why),
            wrote,
            unanswered: None,
        });
    }
    if !(200..300).contains(&status) {
        // An error's body has nothing to do with the assertion, which would hold of it by accident.
        let verdict = refused(format!("the answer was {}", record.response.excerpt()));
        return Ok(Probed {
            verdict,
            wrote,
            unanswered: None,
        });
    }
    let verdict = match record.response.body.read_json() {
        Ok(json) => {
            let source = if path.is_singular() {
                Source::Node
            } else {
                Source::Nodes
            };
            match path.query(json) {
                Ok(nodes) => {
                    let found = Found::nodes(nodes, source);
                    judge_nodes(world, invariant, path, &record, context, &found).await?
                }
                Err(why) => not_tried(path, why),
            }
        }
        Err(why) => refused(format!("{}: {}", why.in_words(), record.response.excerpt())),
    };
    Ok(Probed {
        verdict,
        wrote,
        unanswered: None,
    })
}

fn objection(
    invariant: &Invariant,
    path: &JsonPath,
    record: &StepRecord,
    failure: &Failure,
) -> Objection {
    Objection {
        kind: "value".to_owned(),
        message: message(invariant, failure),
        evidence: Evidence::Values {
            expected: format!(
                "`{}` of `{} {}`: {}",
                path.source(),
                record.request.method,
                record.request.target,
                failure.expected
            ),
            actual: failure.found().to_owned(),
        },
    }
}

fn wrote(record: &StepRecord) -> Option<String> {
    let mut tables: Vec<(&str, usize)> = Vec::new();
    for change in record.rows.rows().filter(|change| change.is_observed()) {
        match tables
            .iter_mut()
            .find(|(name, _)| *name == change.table.name)
        {
            Some((_, count)) => *count += 1,
            None => tables.push((&change.table.name, 1)),
        }
    }
    if tables.is_empty() {
        return None;
    }
    let tables: Vec<String> = tables
        .into_iter()
        .map(|(name, count)| {
            let noun = if count == 1 { "row" } else { "rows" };
            format!("{count} {noun} of `{name}`")
        })
        .collect();
    Some(format!(
        "`{} {}` changed {}",
        record.request.method,
        record.request.target,
        tables.join(", ")
    ))
}
