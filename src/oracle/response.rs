//! The answer of a step against the `expect` of its action.

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
    let json = match record.response.body.read_json() {
        Ok(json) => json,
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
    let mut failures = 0_usize;
    let mut first = None;
    for (path, expectation) in &expect.body {
        let source = if path.is_singular() {
            Source::Node
        } else {
            Source::Nodes
        };
        let owner = format!("`expect` of `{action}`");
        let references = sql::references(world, expectation, context, &owner).await?;
        let nodes = path.query(json).map_err(|why| {
            let message = format!("`{}` of {owner} was not tried: {why}", path.source());
            WorldError::new(WorldErrorKind::Request, message)
        })?;
        let found = Found::nodes(nodes, source);
        let Some(failure) = found.judge(expectation, &references) else {
            continue;
        };
        failures += 1;
        first.get_or_insert_with(|| Objection {
            kind: path.source().to_owned(),
            message: format!(
                "`{}` in the answer to `{action}`: expected {}, but {}",
                path.source(),
                failure.expected,
                failure.actual
            ),
            evidence: Evidence::Values {
                expected: format!("`{}`: {}", path.source(), failure.expected),
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
