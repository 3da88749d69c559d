//! `no-answer`: the service gave no complete answer: it closed the connection, took too long, sent something that is no HTTP,
//! or died.

use crate::model::{Evidence, Severity, StepRecord};

use super::{Check, Evaluate, Objection};

pub(super) const CHECK: Check = Check {
    name: "no-answer",
    severity: Some(Severity::Critical),
    yields_to: &[],
    evaluate: Evaluate::NoAnswer(judge),
};

/// `what` was sent, as the message names it.
fn judge(what: &str, record: &StepRecord) -> Option<Objection> {
    let no_answer = record.response.no_answer.as_ref()?;
    let (method, target) = (&record.request.method, &record.request.target);
    let lines = std::iter::once(&no_answer.why).chain(&no_answer.details);
    Some(Objection {
        // What broke differs from time to time: the same crash may end in a reset, or in nothing.
        kind: "no answer".to_owned(),
        message: format!("{what} was not answered: {}", no_answer.why),
        evidence: Evidence::Values {
            expected: format!("a complete answer to `{method} {target}`"),
            actual: lines.cloned().collect::<Vec<_>>().join("\n"),
        },
    })
}
