//! `server-error`: the service answered with a 5xx status that the action does not expect.

use crate::model::{Action, Evidence, Severity, StepRecord};

use super::{Check, Evaluate, Objection};

pub(super) const CHECK: Check = Check {
    name: "server-error",
    severity: Some(Severity::Critical),
    yields_to: &[],
    evaluate: Evaluate::Step(judge),
};

fn judge(action: &Action, record: &StepRecord) -> Option<Objection> {
    let status = record.response.status;
    let listed = action
        .expect
        .status
        .iter()
        .any(|pattern| pattern.matches(status));
    (status >= 500 && !listed).then(|| Objection {
        kind: status.to_string(),
        message: format!("`{}` was answered with {status}", action.name),
        evidence: Evidence::Values {
            expected: "a status below 500".to_owned(),
            actual: record.response.excerpt(),
        },
    })
}
