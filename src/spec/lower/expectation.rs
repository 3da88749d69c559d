//! What values must be.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::Lowering;
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::model::{Assertion, Expectation};
use crate::spec::document::{Assertions, Count, Json, Written};

impl Lowering<'_> {
    /// The assertions of a mapping, `equals_sql` left out.
    pub(super) fn assertions(&mut self, at: &Path, written: Written<'_>) -> Vec<Assertion> {
        let mut assertions = Vec::new();
        let value = |lowering: &mut Self, key: &str, json: Option<&Json>| {
            json.map(|json| lowering.compiler.constant_json(&at.key(key), &json.0))
        };
        if let Some(value) = value(self, "equals", written.equals) {
            assertions.push(Assertion::Equals(value));
        }
        if let Some(value) = value(self, "not_equals", written.not_equals) {
            assertions.push(Assertion::NotEquals(value));
        }
        if let Some(value) = value(self, "at_least", written.at_least) {
            self.comparable(&at.key("at_least"), &value);
            assertions.push(Assertion::AtLeast(value));
        }
        if let Some(value) = value(self, "at_most", written.at_most) {
            self.comparable(&at.key("at_most"), &value);
            assertions.push(Assertion::AtMost(value));
        }
        match (written.empty, written.not_empty) {
            (Some(true), None) | (None, Some(false)) => assertions.push(Assertion::Empty),
            (None, Some(true)) | (Some(false), None) => assertions.push(Assertion::NotEmpty),
            (Some(_), Some(_)) => self.at_key(
                &at.key("not_empty"),
                "",
                Diagnostic::error(
                    Code::Contradiction,
                    "`empty` and `not_empty` exclude each other",
                )
                .help("keep one of the two"),
            ),
            (None, None) => {}
        }
        if let Some(count) = written.count {
            let count = self.count_range(&at.key("count"), *count);
            assertions.push(Assertion::Count(count));
        }
        if let Some(value) = value(self, "contains", written.contains) {
            assertions.push(Assertion::Contains(value));
        }
        if let Some(text) = written.matches
            && let Some(regex) = self.compiler.regex(&at.key("matches"), text)
        {
            assertions.push(Assertion::Matches(regex));
        }
        assertions
    }

    /// The counts that are written at a path.
    pub(super) fn count_range(&mut self, at: &Path, Count(range): Count) -> RangeInclusive<u64> {
        if range.at_least.is_none() && range.at_most.is_none() {
            self.asks_for_nothing(at, "`at_least` or `at_most`");
        }
        let (least, most) = (range.at_least, range.at_most);
        let count = least.unwrap_or(0)..=most.unwrap_or(u64::MAX);
        if count.is_empty() {
            self.at_value(
                at,
                "",
                Diagnostic::error(
                    Code::Contradiction,
                    "no count is at least the one and at most the other",
                ),
            );
        }
        count
    }

    /// The expectation of an invariant.
    pub(super) fn expectation(
        &mut self,
        at: &Path,
        written: &Assertions,
        system: Option<(&str, &Path)>,
    ) -> Expectation {
        let mut assertions = self.assertions(at, written.assertions());
        if let Some(text) = &written.equals_sql {
            let at = at.key("equals_sql");
            let system = self.system(system, &at);
            assertions.push(Assertion::EqualsSql(self.compiler.sql(&at, text, system)));
        }
        self.not_nothing(at, written.assertions(), written.equals_sql.is_some());
        Expectation { assertions }
    }

    /// Reports an expectation without an assertion.
    pub(super) fn not_nothing(&mut self, at: &Path, written: Written<'_>, equals_sql: bool) {
        if written.is_nothing() && !equals_sql {
            self.asks_for_nothing(
                at,
                "an assertion: `equals`, `at_least`, `at_most`, `empty`, `not_empty`, `count`, `contains` or `matches`",
            );
        }
    }

    fn asks_for_nothing(&mut self, at: &Path, what: &str) {
        if !self.compiler.problems.is_broken(at) {
            self.at_key(
                at,
                "always true",
                Diagnostic::error(Code::MissingKey, format!("`{at}` asks for nothing"))
                    .help(format!("add {what}")),
            );
        }
    }

    fn comparable(&mut self, at: &Path, value: &Value) {
        if !value.is_number() && !value.is_string() {
            self.at_value(
                at,
                "expected a number or text",
                Diagnostic::error(
                    Code::WrongType,
                    format!("`{at}` must be a number or text, which alone have an order"),
                ),
            );
        }
    }
}
