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
    // The name comes first, then why.
    let name = |failure: &String| failure.split(':').next().unwrap_or(failure).to_owned();
    let names: Vec<String> = failures.iter().map(name).collect();
    failures.first().map(|first| Objection {
        // An empty body and another body are one bug.
        kind: name(first),
        message: format!(
            "the answer to `{}` lacks what should be extracted from it: {}",
            action.name,
            failures.join("; ")
        ),
        evidence: Evidence::Values {
            expected: format!("a value for {}", names.join(", ")),
            actual: record.response.excerpt(),
        },
    })
}
