//! `unexpected-header`: an assertion of the action's `expect` on a header does not hold.

use serde_json::Value;

use crate::model::{Action, Assertion, Evidence, Expectation, Severity, StepRecord};
use crate::oracle::expectation::{Found, Source};

use super::{Check, Evaluate, Objection};

pub(super) const CHECK: Check = Check {
    name: "unexpected-header",
    severity: Some(Severity::Medium),
    yields_to: &["server-error", "unexpected-status"],
    evaluate: Evaluate::Step(judge),
};

fn judge(action: &Action, record: &StepRecord) -> Option<Objection> {
    if !action.expect.is_legal(record.response.status) {
        return None;
    }
    action
        .expect
        .headers
        .iter()
        .find_map(|(name, expectation)| {
            let headers = record.response.headers.iter();
            let values: Vec<Value> = headers
                .filter(|(header, _)| header.eq_ignore_ascii_case(name))
                .map(|(_, value)| value_of(value, expectation))
                .collect();
            let failure =
                Found::nodes(values.iter().collect(), Source::Node).judge(expectation, &[])?;
            let actual = match values.as_slice() {
                [] => "the answer has no such header".to_owned(),
                _ => failure.actual,
            };
            Some(Objection {
                kind: name.clone(),
                message: format!(
                    "the header `{name}` in the answer to `{}`: expected {}, but {actual}",
                    action.name, failure.expected
                ),
                evidence: Evidence::Values {
                    expected: format!("`{name}`: {}", failure.expected),
                    actual,
                },
            })
        })
}

/// A header is text; a number where it is compared with numbers.
fn value_of(text: &str, expectation: &Expectation) -> Value {
    let wants_number = expectation
        .assertions
        .iter()
        .any(|assertion| match assertion {
            Assertion::Equals(value)
            | Assertion::NotEquals(value)
            | Assertion::AtLeast(value)
            | Assertion::AtMost(value) => value.is_number(),
            _ => false,
        });
    let number = wants_number.then(|| text.trim().parse::<serde_json::Number>().ok());
    match number.flatten() {
        Some(number) => Value::Number(number),
        None => Value::from(text),
    }
}
