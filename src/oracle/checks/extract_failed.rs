//! `extract-failed`: a good answer lacks a value that the action extracts.

use crate::model::{Action, Evidence, Severity, StepRecord};

use super::{Check, Evaluate, Objection};

pub(super) const CHECK: Check = Check {
    name: "extract-failed",
    severity: Some(Severity::Medium),
    yields_to: &[],
    evaluate: Evaluate::Step(judge),
};

fn judge(action: &Action, record: &StepRecord) -> Option<Objection> {
    let failures = &record.extract_failures;
    failures.first().map(|first| Objection {
        // The name comes first, then why; an empty body and another body are one bug.
        kind: first.split(':').next().unwrap_or(first).to_owned(),
        message: format!(
            "the answer to `{}` lacks what should be extracted from it: {}",
            action.name,
            failures.join("; ")
        ),
        evidence: Evidence::Values {
            expected: failures.join("; "),
            actual: record.response.excerpt(),
        },
    })
}
