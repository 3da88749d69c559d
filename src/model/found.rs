//! Judging an [`Expectation`]: what a list of values must be. The meaning of each assertion stands at [`Assertion`].

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::Value;

use super::{Assertion, Expectation, brief};
use crate::number::compare;

/// The values an expectation is about.
pub(crate) struct Found<'v> {
    values: Vec<Cow<'v, Value>>,
    source: Source,
}

/// Where the values come from, which decides what it means that there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Rows of a query; none is an empty list.
    Rows,
    /// Nodes of a JSONPath that may find any number; none is an empty list.
    Nodes,
    /// The node of a singular JSONPath in a body that should have it; none is a failure.
    Node,
    /// Nodes in the answer of any action; where there is none, the assertion holds.
    AnyAnswer,
}

/// An assertion that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What is expected; reads on after "expects".
    pub(crate) expected: String,
    /// What was there instead, a clause.
    pub(crate) actual: String,
}

impl Failure {
    /// What was there instead, as it reads after "found".
    pub(crate) fn found(&self) -> &str {
        if self.actual == NOTHING {
            return "nothing";
        }
        let verbs = ["it is ", "there is ", "there are ", "the query returned "];
        let mut after = verbs
            .iter()
            .filter_map(|verb| self.actual.strip_prefix(verb));
        after.next().unwrap_or(&self.actual)
    }
}

/// Of a clause.
const NOTHING: &str = "nothing was found";

/// The result of the query of an [`Assertion::EqualsSql`]; `None` where a value that it needs is not defined.
pub(crate) type Reference = Option<Vec<Value>>;

/// Rows as a list of values: the values of the only column, or one list for each row.
pub(crate) fn values_of(columns: usize, rows: Vec<Vec<Value>>) -> Vec<Value> {
    let single = columns == 1;
    rows.into_iter()
        .map(|mut row| match row.pop() {
            Some(value) if single => value,
            Some(value) => {
                row.push(value);
                Value::Array(row)
            }
            None => Value::Array(row),
        })
        .collect()
}

impl<'v> Found<'v> {
    /// The rows of a query, each of so many columns.
    pub(crate) fn rows(columns: usize, rows: &'v [Vec<Value>]) -> Self {
        let single = columns == 1;
        Self {
            values: rows
                .iter()
                .map(|row| match row.as_slice() {
                    [value] if single => Cow::Borrowed(value),
                    values => Cow::Owned(Value::Array(values.to_vec())),
                })
                .collect(),
            source: Source::Rows,
        }
    }

    /// The nodes of a JSONPath.
    pub(crate) fn nodes(nodes: Vec<&'v Value>, source: Source) -> Self {
        Self {
            values: nodes.into_iter().map(Cow::Borrowed).collect(),
            source,
        }
    }

    /// Whether none of the assertions says anything about what was found: there is no value in an answer that may have one, or
    /// the query to compare with needs a value that is not defined.
    pub(crate) fn is_vacuous(&self, expectation: &Expectation, references: &[Reference]) -> bool {
        let mut assertions = expectation.assertions.iter().enumerate();
        !expectation.assertions.is_empty()
            && assertions.all(|(index, assertion)| match assertion {
                Assertion::Empty | Assertion::NotEmpty | Assertion::Count(_) => false,
                Assertion::EqualsSql(_) if !matches!(references.get(index), Some(Some(_))) => true,
                _ => self.values.is_empty() && self.source == Source::AnyAnswer,
            })
    }

    /// The first assertion that does not hold. `references` has one entry for each assertion, in order.
    pub(crate) fn judge(
        &self,
        expectation: &Expectation,
        references: &[Reference],
    ) -> Option<Failure> {
        if expectation.assertions.is_empty() {
            return self.failure(&Assertion::Empty, None);
        }
        expectation
            .assertions
            .iter()
            .enumerate()
            .find_map(|(index, assertion)| {
                let reference = references.get(index).and_then(Option::as_deref);
                self.failure(assertion, reference)
            })
    }

    fn failure(&self, assertion: &Assertion, reference: Option<&[Value]>) -> Option<Failure> {
        let counts = matches!(
            assertion,
            Assertion::Empty | Assertion::NotEmpty | Assertion::Count(_)
        );
        let actual = match (counts, self.values.is_empty(), self.source) {
            (false, true, Source::AnyAnswer) => None,
            (false, true, Source::Node) if !matches!(assertion, Assertion::NotEquals(_)) => {
                Some(NOTHING.to_owned())
            }
            _ => self.problem(assertion, reference),
        }?;
        Some(Failure {
            expected: self.words(assertion, reference),
            actual,
        })
    }

    /// What is wrong, as a clause.
    fn problem(&self, assertion: &Assertion, reference: Option<&[Value]>) -> Option<String> {
        let between = match self.source {
            Source::Rows => Between::RowAndSpec,
            _ => Between::AnswerAndSpec,
        };
        match assertion {
            Assertion::Equals(value) => (!self.is(value, between)).then(|| self.description()),
            Assertion::NotEquals(value) => self.is(value, between).then(|| self.description()),
            Assertion::AtLeast(bound) => {
                self.first_that(|value| beyond(value, bound, Ordering::Less, between))
            }
            Assertion::AtMost(bound) => {
                self.first_that(|value| beyond(value, bound, Ordering::Greater, between))
            }
            Assertion::Empty => (!self.values.is_empty()).then(|| self.counted()),
            Assertion::NotEmpty => self.values.is_empty().then(|| self.counted()),
            Assertion::Count(range) => {
                (!range.contains(&(self.values.len() as u64))).then(|| self.counted())
            }
            Assertion::Contains(value) => {
                (!self.contains(value, between)).then(|| self.description())
            }
            Assertion::Matches(pattern) => self.first_that(|value| match value {
                Value::String(text) if pattern.is_match(text) => None,
                Value::String(_) => Some("does not match".to_owned()),
                other => Some(format!("is {}, not text", kind(other))),
            }),
            Assertion::EqualsSql(query) => self.difference(reference?, query.is_ordered),
        }
    }

    fn is(&self, expected: &Value, between: Between) -> bool {
        match self.values.as_slice() {
            [only] if same(only, expected, between) => true,
            _ => expected
                .as_array()
                .is_some_and(|list| self.equal_items(list, between)),
        }
    }

    fn equal_items(&self, expected: &[Value], between: Between) -> bool {
        self.values.len() == expected.len()
            && self
                .values
                .iter()
                .zip(expected)
                .all(|(a, b)| same(a, b, between))
    }

    fn only_list(&self) -> Option<&Vec<Value>> {
        match self.values.as_slice() {
            [only] => only.as_array(),
            _ => None,
        }
    }

    fn contains(&self, expected: &Value, between: Between) -> bool {
        if self
            .values
            .iter()
            .any(|value| same(value, expected, between))
        {
            return true;
        }
        match (self.values.as_slice(), expected) {
            ([only], _) if only.is_array() => self
                .only_list()
                .is_some_and(|list| list.iter().any(|item| same(item, expected, between))),
            ([only], Value::String(part)) => only
                .as_str()
                .is_some_and(|text| text.contains(part.as_str())),
            _ => false,
        }
    }

    /// The first value with a problem, and the problem.
    fn first_that(&self, problem: impl Fn(&Value) -> Option<String>) -> Option<String> {
        self.values.iter().enumerate().find_map(|(index, value)| {
            let problem = problem(value)?;
            let shown = brief(value);
            Some(if self.values.len() == 1 {
                format!("`{shown}` {problem}")
            } else {
                format!("{} {}, `{shown}`, {problem}", self.noun(1), index + 1)
            })
        })
    }

    /// How the values, or the elements of the only value, differ from the rows of a query.
    fn difference(&self, expected: &[Value], is_ordered: bool) -> Option<String> {
        if self.equal_items(expected, Between::AnswerAndRow) {
            return None;
        }
        let actual: Vec<&Value> = match self.only_list() {
            Some(list) => list.iter().collect(),
            None => self.values.iter().map(|value| &**value).collect(),
        };
        let differing = actual
            .iter()
            .zip(expected)
            .position(|(a, b)| !same(a, b, Between::AnswerAndRow));
        if differing.is_none() && actual.len() == expected.len() {
            return None;
        }
        let (more, missing) = unmatched(&actual, expected);
        let are_same = more.is_empty() && missing.is_empty();
        if are_same && !is_ordered {
            return None;
        }
        let shown = brief(&actual.iter().map(|value| (*value).clone()).collect());
        let what = match differing {
            None => format!("{} instead of {}", items(actual.len()), expected.len()),
            Some(at) if is_ordered => {
                let (is, not) = (brief(actual[at]), brief(&expected[at]));
                let order = if are_same {
                    "the same values in another order: "
                } else {
                    ""
                };
                return Some(format!(
                    "it is `{shown}`; {order}item {} is `{is}`, not `{not}`",
                    at + 1
                ));
            }
            Some(_) => {
                let more = more
                    .first()
                    .map(|value| format!("`{}` has no row of its own", brief(value)));
                let missing = missing
                    .first()
                    .map(|value| format!("`{}` is missing", brief(value)));
                let parts: Vec<String> = more.into_iter().chain(missing).collect();
                return Some(format!("it is `{shown}`; {}", parts.join(", ")));
            }
        };
        Some(format!("it is `{shown}`, {what}"))
    }

    fn description(&self) -> String {
        match self.values.as_slice() {
            [] => self.counted(),
            [only] => format!("it is `{}`", brief(only)),
            several => format!(
                "it is `{}`",
                brief(&several.iter().map(|value| (**value).clone()).collect())
            ),
        }
    }

    fn counted(&self) -> String {
        let count = self.values.len();
        match (self.source, count) {
            (Source::Rows, 0) => "the query returned no row".to_owned(),
            (Source::Rows, _) => format!("the query returned {count} {}", self.noun(count)),
            (_, 0) => NOTHING.to_owned(),
            (_, 1) => format!("there is `{}`", brief(&self.values[0])),
            _ => format!(
                "there are {count} values, the first is `{}`",
                brief(&self.values[0])
            ),
        }
    }

    fn noun(&self, count: usize) -> &'static str {
        match (self.source, count) {
            (Source::Rows, 1) => "row",
            (Source::Rows, _) => "rows",
            (_, 1) => "value",
            _ => "values",
        }
    }

    /// What an assertion expects, in words that read on after "expects".
    fn words(&self, assertion: &Assertion, reference: Option<&[Value]>) -> String {
        match assertion {
            Assertion::Equals(value) => format!("`{}`", brief(value)),
            Assertion::NotEquals(value) => format!("anything but `{}`", brief(value)),
            Assertion::AtLeast(value) => format!("at least `{}`", brief(value)),
            Assertion::AtMost(value) => format!("at most `{}`", brief(value)),
            Assertion::Empty => format!("no {}", self.noun(1)),
            Assertion::NotEmpty => format!("at least one {}", self.noun(1)),
            Assertion::Count(range) => {
                let (least, most) = (*range.start(), *range.end());
                let noun = |count: u64| self.noun(usize::try_from(count).unwrap_or(2));
                match (least, most) {
                    (least, u64::MAX) => format!("at least {least} {}", noun(least)),
                    (0, most) => format!("at most {most} {}", noun(most)),
                    (least, most) if least == most => format!("exactly {least} {}", noun(least)),
                    (least, most) => format!("{least} to {most} {}", noun(most)),
                }
            }
            Assertion::Contains(value) => format!("something that contains `{}`", brief(value)),
            Assertion::Matches(pattern) => format!("text that matches `{pattern}`"),
            Assertion::EqualsSql(query) => format!(
                "what `{}` returns{}, `{}`",
                one_line(&query.text),
                if query.is_ordered {
                    ""
                } else {
                    " in any order"
                },
                brief(&Value::from(reference.unwrap_or_default().to_vec()))
            ),
        }
    }
}

/// The values that are on one side only, whatever their order.
fn unmatched<'v>(actual: &[&'v Value], expected: &'v [Value]) -> (Vec<&'v Value>, Vec<&'v Value>) {
    // Most are written alike on both sides, and found by that; only the rest is compared one by one.
    let mut alike: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, value) in expected.iter().enumerate() {
        alike.entry(value.to_string()).or_default().push(at);
    }
    let mut is_found = vec![false; expected.len()];
    let mut more = Vec::new();
    for value in actual {
        match alike.get_mut(&value.to_string()).and_then(Vec::pop) {
            Some(at) => is_found[at] = true,
            None => more.push(*value),
        }
    }
    let mut missing: Vec<&Value> = expected
        .iter()
        .zip(is_found)
        .filter_map(|(value, is_found)| (!is_found).then_some(value))
        .collect();
    more.retain(|value| {
        let equal = missing
            .iter()
            .position(|other| same(value, other, Between::AnswerAndRow));
        equal.map(|at| missing.remove(at)).is_none()
    });
    (more, missing)
}

fn items(count: usize) -> String {
    format!("{count} item{}", if count == 1 { "" } else { "s" })
}

/// A text on one line, spaces and line breaks joined.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Why the value lies on the wrong side of the bound, or cannot be compared with it.
fn beyond(value: &Value, bound: &Value, wrong: Ordering, between: Between) -> Option<String> {
    let order = match (value, bound) {
        (Value::Number(value), Value::Number(bound)) => Some(compare(value, bound)),
        (Value::String(value), Value::String(bound)) => Some(value.cmp(bound)),
        _ => None,
    };
    match order {
        Some(order) if order == wrong => Some(if wrong == Ordering::Less {
            "is less".to_owned()
        } else {
            "is more".to_owned()
        }),
        Some(_) => None,
        None if value.is_null() => Some(format!(
            "cannot be compared with {}; where it is legal, {}",
            kind(bound),
            if between == Between::RowAndSpec {
                "use `coalesce` in the query"
            } else {
                "leave it out with a filter of the JSONPath: `[?@.name != null].name`"
            }
        )),
        None => Some(format!(
            "is {} and cannot be compared with {}",
            kind(value),
            kind(bound)
        )),
    }
}

/// Where two values that are compared come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    AnswerAndSpec,
    RowAndSpec,
    AnswerAndRow,
}

/// Equality of JSON values, numbers by value (`1` is `1.0`). Where one side comes from a database, which may have no booleans, 0
/// and 1 are also false and true. Many services answer decimals as text, lest a reader rounds them: beside a row such a text is
/// the number that it writes.
fn same(a: &Value, b: &Value, between: Between) -> bool {
    let has_row = between != Between::AnswerAndSpec;
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare(a, b) == Ordering::Equal,
        (Value::String(a), Value::String(b)) => a == b || has_row && same_time(a, b),
        (Value::Bool(truth), Value::Number(number))
        | (Value::Number(number), Value::Bool(truth)) => {
            has_row && number.as_u64() == Some(u64::from(*truth))
        }
        (Value::Number(number), Value::String(text))
        | (Value::String(text), Value::Number(number)) => {
            between == Between::AnswerAndRow
                && text
                    .parse()
                    .is_ok_and(|written| compare(number, &written) == Ordering::Equal)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, between))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b, between)))
        }
        _ => a == b,
    }
}

/// Whether two texts are the same moment, or the same local time: a database writes `2026-01-31 10:00:00+00`, an answer
/// `2026-01-31T10:00:00Z`.
fn same_time(a: &str, b: &str) -> bool {
    // Parsing is worth while only where a text begins with a year.
    let may_be =
        |text: &str| text.len() >= 16 && text.as_bytes()[..4].iter().all(u8::is_ascii_digit);
    if !may_be(a) || !may_be(b) {
        return false;
    }
    match (a.parse::<Timestamp>(), b.parse::<Timestamp>()) {
        (Ok(a), Ok(b)) => a == b,
        (Err(_), Err(_)) => {
            matches!((a.parse::<DateTime>(), b.parse::<DateTime>()), (Ok(a), Ok(b)) if a == b)
        }
        _ => false,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
