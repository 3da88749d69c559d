//! `too-slow`: a legal answer took longer than the action's `expect.duration` allows.

use crate::model::{Action, Evidence, Severity, StepRecord};

use super::{Check, Evaluate, Objection};

pub(super) const CHECK: Check = Check {
    name: "too-slow",
    severity: Some(Severity::Medium),
    yields_to: &["server-error", "unexpected-status"],
    evaluate: Evaluate::Step(judge),
};

fn judge(action: &Action, record: &StepRecord) -> Option<Objection> {
    let at_most = action.expect.duration?;
    let took = record.response.duration;
    if took <= at_most || !action.expect.is_legal(record.response.status) {
        return None;
    }
    Some(Objection {
        kind: String::new(),
        message: format!(
            "the answer to `{}` took longer than {at_most:?}",
            action.name
        ),
        evidence: Evidence::Values {
            expected: format!("at most {at_most:?}"),
            actual: format!("{} ms", took.as_millis()),
        },
    })
}
