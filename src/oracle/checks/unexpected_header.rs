//! `unexpected-header`: an assertion of the action's `expect` on a header does not hold.

use crate::model::{Action, Evidence, Severity, StepRecord};

use super::{Check, Evaluate, Objection};

pub(super) const CHECK: Check = Check {
    name: "unexpected-header",
    severity: Some(Severity::Medium),
    yields_to: &["server-error", "unexpected-status"],
    evaluate: Evaluate::Step(judge),
};

fn judge(action: &Action, record: &StepRecord) -> Option<Objection> {
    let response = &record.response;
    let (name, failure) = action
        .expected()
        .filter(|expect| expect.is_legal(response.status))
        .find_map(|expect| expect.wrong_header(response))?;
    let (expected, actual) = (failure.expected, failure.actual);
    Some(Objection {
        kind: name.to_owned(),
        message: format!(
            "the header `{name}` in the answer to `{}`: expected {expected}, but {actual}",
            action.name
        ),
        evidence: Evidence::Values {
            expected: format!("`{name}`: {expected}"),
            actual,
        },
    })
}
