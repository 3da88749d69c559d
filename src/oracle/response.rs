//! The answer of a step against the `expect` of its action, and what its `retry` waits for.

use crate::model::{Action, Evidence, StepRecord, WrongBody};
use crate::world::{WorldError, WorldErrorKind};

use super::Objection;

/// The first assertion on the body of a legal answer that does not hold, as the check `unexpected-body` reports it.
pub(super) fn judge_body(
    action: &Action,
    record: &StepRecord,
) -> Result<Option<Objection>, WorldError> {
    let (name, response) = (&action.name, &record.response);
    let wrong = action
        .expected()
        .filter(|expect| expect.is_legal(response.status))
        .find_map(|expect| expect.wrong_body(response));
    Ok(match wrong {
        None => None,
        Some(WrongBody::NotJson(why)) => Some(Objection {
            kind: "not JSON".to_owned(),
            message: format!("the answer to `{name}` is not JSON"),
            evidence: Evidence::Values {
                expected: "a JSON body".to_owned(),
                actual: format!("{}: {}", why.in_words(), response.excerpt()),
            },
        }),
        Some(WrongBody::NotTried(path, why)) => {
            let path = path.source();
            let message = format!("`{path}` of `expect` of `{name}` was not tried: {why}");
            return Err(WorldError::new(WorldErrorKind::Request, message));
        }
        Some(WrongBody::Fails((what, failure), failures)) => {
            let (expected, actual) = (&failure.expected, &failure.actual);
            let more = match failures {
                1 => String::new(),
                _ => format!(" (and {} more)", failures - 1),
            };
            Some(Objection {
                kind: what.to_owned(),
                message: format!(
                    "`{what}` in the answer to `{name}`: expected {expected}, but {actual}{more}"
                ),
                evidence: Evidence::Values {
                    expected: format!("`{what}`: {expected}"),
                    actual: failure.found().to_owned(),
                },
            })
        }
    })
}
