//! Whether an answer is as expected: its status, its headers, its body.

use serde_json::{Number, Value};

use super::found::{Failure, Found, Source};
use super::{Assertion, Expectation, ExpectedResponse, NoJson, Response};
use crate::expr::{JsonPath, TooMuchWork};

/// What is wrong with a body.
pub(crate) enum WrongBody<'e> {
    /// It had to be JSON.
    NotJson(&'e NoJson),
    /// This JSONPath was not tried.
    NotTried(&'e JsonPath, TooMuchWork),
    /// These do not hold, by what they are about; there is at least one.
    Fails((&'e str, Failure), usize),
}

impl ExpectedResponse {
    /// Whether an answer is all that is expected, how long it took aside.
    pub(crate) fn is_met_by(&self, response: &Response) -> bool {
        response.no_answer.is_none()
            && self.is_legal(response.status)
            && self.wrong_header(response).is_none()
            && self.wrong_body(response).is_none()
    }

    /// The first header that is not as expected, and why. The status is not looked at.
    pub(crate) fn wrong_header(&self, response: &Response) -> Option<(&str, Failure)> {
        self.headers.iter().find_map(|(name, expectation)| {
            let headers = response.headers.iter();
            let values: Vec<Value> = headers
                .filter(|(header, _)| header.eq_ignore_ascii_case(name))
                .map(|(_, value)| header_value(value, expectation))
                .collect();
            let found = Found::nodes(values.iter().collect(), Source::Node);
            let mut failure = found.judge(expectation, &[])?;
            if values.is_empty() {
                "the answer has no such header".clone_into(&mut failure.actual);
            }
            Some((name.as_str(), failure))
        })
    }

    /// What is wrong with the body. The status is not looked at.
    pub(crate) fn wrong_body<'e>(&'e self, response: &'e Response) -> Option<WrongBody<'e>> {
        let body = &response.body;
        let json = body.read_json();
        let text = Value::from(body.text());
        let mut failures = 0_usize;
        let mut first = None;
        for (path, expectation) in &self.body {
            let (found, what) = match path {
                Some(path) => {
                    let nodes = match json {
                        Ok(json) => path.query(json),
                        Err(why) => return Some(WrongBody::NotJson(why)),
                    };
                    let nodes = match nodes {
                        Ok(nodes) => nodes,
                        Err(why) => return Some(WrongBody::NotTried(path, why)),
                    };
                    let source = if path.is_singular() {
                        Source::Node
                    } else {
                        Source::Nodes
                    };
                    (Found::nodes(nodes, source), path.source())
                }
                None => (Found::nodes(vec![&text], Source::Node), "body"),
            };
            // What compares with a query cannot stand here.
            if let Some(failure) = found.judge(expectation, &[]) {
                failures += 1;
                first.get_or_insert((what, failure));
            }
        }
        first.map(|first| WrongBody::Fails(first, failures))
    }
}

/// A header is text; a number where it is compared with numbers.
fn header_value(text: &str, expectation: &Expectation) -> Value {
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
    let number = wants_number.then(|| text.trim().parse::<Number>().ok());
    match number.flatten() {
        Some(number) => Value::Number(number),
        None => Value::from(text),
    }
}
