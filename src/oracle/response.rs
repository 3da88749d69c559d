//! The answer of a step against the `expect` of its action.

use serde_json::Value;

use crate::model::{Context, Evidence, ExpectedResponse, StepRecord};
use crate::world::{Observe, WorldError, WorldErrorKind};

use super::Objection;
use super::expectation::{Found, Source};
use super::sql;

/// The first assertion on the body of a legal answer that does not hold, as the check `unexpected-body` reports it.
pub(super) async fn judge_body<W: Observe>(
    world: &mut W,
    action: &str,
    expect: &ExpectedResponse,
    record: &StepRecord,
    context: &Context,
) -> Result<Option<Objection>, WorldError> {
    if expect.body.is_empty() || !expect.is_legal(record.response.status) {
        return Ok(None);
    }
    let body = &record.response.body;
    let wants_json = expect.body.iter().any(|(path, _)| path.is_some());
    let json = match body.read_json() {
        Ok(json) => Some(json),
        Err(_) if !wants_json => None,
        Err(why) => {
            return Ok(Some(Objection {
                kind: "not JSON".to_owned(),
                message: format!("the answer to `{action}` is not JSON"),
                evidence: Evidence::Values {
                    expected: "a JSON body".to_owned(),
                    actual: format!("{}: {}", why.in_words(), record.response.excerpt()),
                },
            }));
        }
    };
    let text = Value::from(body.text());
    let mut failures = 0_usize;
    let mut first = None;
    for (path, expectation) in &expect.body {
        let owner = format!("`expect` of `{action}`");
        let references = sql::references(world, expectation, context, &owner).await?;
        let (found, what) = match (path, json) {
            (Some(path), Some(json)) => {
                let nodes = path.query(json).map_err(|why| {
                    let message = format!("`{}` of {owner} was not tried: {why}", path.source());
                    WorldError::new(WorldErrorKind::Request, message)
                })?;
                let source = if path.is_singular() {
                    Source::Node
                } else {
                    Source::Nodes
                };
                (Found::nodes(nodes, source), path.source())
            }
            _ => (Found::nodes(vec![&text], Source::Node), "body"),
        };
        let Some(failure) = found.judge(expectation, &references) else {
            continue;
        };
        failures += 1;
        first.get_or_insert_with(|| Objection {
            kind: what.to_owned(),
            message: format!(
                "`{what}` in the answer to `{action}`: expected {}, but {}",
                failure.expected, failure.actual
            ),
            evidence: Evidence::Values {
                expected: format!("`{what}`: {}", failure.expected),
                actual: failure.actual,
            },
        });
    }
    Ok(first.map(|objection| match failures {
        1 => objection,
        _ => Objection {
            message: format!("{} (and {} more)", objection.message, failures - 1),
            ..objection
        },
    }))
}
