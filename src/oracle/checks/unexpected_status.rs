//! `unexpected-status`: the status of the answer is not among those that the action expects, or that its `retry` waits for.

use crate::model::{Action, Evidence, Severity, StepRecord};

use super::{Check, Evaluate, Objection};

pub(super) const CHECK: Check = Check {
    name: "unexpected-status",
    severity: Some(Severity::High),
    yields_to: &["server-error"],
    evaluate: Evaluate::Step(judge),
};

fn judge(action: &Action, record: &StepRecord) -> Option<Objection> {
    let status = record.response.status;
    // What may not be done has a check of its own.
    if action.forbidden.is_some() {
        return None;
    }
    // Without a list of its own the action leaves the status to `server-error`.
    let unmet = action
        .expected()
        .find(|expect| !expect.status.is_empty() && !expect.is_legal(status))?;
    let expected: Vec<String> = unmet.status.iter().map(ToString::to_string).collect();
    let expected = expected.join(" or ");
    Some(Objection {
        kind: status.to_string(),
        message: format!(
            "`{}` was answered with {status} instead of {expected}",
            action.name
        ),
        evidence: Evidence::Values {
            expected: format!("status {expected}"),
            actual: record.response.excerpt(),
        },
    })
}
