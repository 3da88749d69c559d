//! `server-error`: the service answered with a 5xx status that the action does not expect, or with an error of GraphQL that says
//! the same.

use crate::model::{Action, Evidence, Severity, StepRecord};

use super::{Check, Evaluate, Objection};

pub(super) const CHECK: Check = Check {
    name: "server-error",
    severity: Some(Severity::Critical),
    yields_to: &[],
    evaluate: Evaluate::Step(judge),
};

fn judge(action: &Action, record: &StepRecord) -> Option<Objection> {
    let response = &record.response;
    let (kind, expected) = if response.status >= 500 {
        let listed = action.expect.status.iter();
        let is_listed = listed
            .copied()
            .any(|listed| listed.matches(response.status));
        let kind = (!is_listed).then(|| response.status.to_string())?;
        (kind, "a status below 500")
    } else {
        (response.internal_error()?, "no internal error")
    };
    Some(Objection {
        message: format!("`{}` was answered with {kind}", action.name),
        kind,
        evidence: Evidence::Values {
            expected: expected.to_owned(),
            actual: response.excerpt(),
        },
    })
}
