//! Comparisons of filters, exact: the crate behind JSONPath compares numbers as doubles, where 2^53 is 2^53 + 1, and takes what lies
//! closer together than 2e-16 for equal.

use std::cmp::Ordering;

use jsonpath_rust::parser::model::{
    Comparable, Comparison as Parsed, Literal, SingularQuery, SingularQuerySegment,
};
use serde_json::{Number, Value};

use crate::number::compare;

/// A comparison of two values (RFC 9535, 2.3.5.2.2).
#[derive(Debug)]
pub(super) struct Comparison {
    left: Side,
    operator: Operator,
    right: Side,
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

#[derive(Debug)]
enum Side {
    Literal(Value),
    /// Below the node that the filter looks at.
    Current(Vec<SingularQuerySegment>),
    /// Below the root.
    Root(Vec<SingularQuerySegment>),
}

impl Comparison {
    /// The comparison as it was parsed; `None` where a function stands in it.
    pub(super) fn new(parsed: &Parsed) -> Option<Self> {
        let operator = match parsed {
            Parsed::Eq(..) => Operator::Equal,
            Parsed::Ne(..) => Operator::NotEqual,
            Parsed::Lt(..) => Operator::Less,
            Parsed::Lte(..) => Operator::AtMost,
            Parsed::Gt(..) => Operator::Greater,
            Parsed::Gte(..) => Operator::AtLeast,
        };
        let (left, right) = parsed.vals();
        Some(Self {
            left: Side::new(left)?,
            operator,
            right: Side::new(right)?,
        })
    }

    /// Whether it is true of a node.
    pub(super) fn holds(&self, root: &Value, node: &Value) -> bool {
        let (left, right) = (self.left.value(root, node), self.right.value(root, node));
        match self.operator {
            Operator::Equal => equal(left, right),
            Operator::NotEqual => !equal(left, right),
            Operator::Less => order(left, right) == Some(Ordering::Less),
            Operator::Greater => order(left, right) == Some(Ordering::Greater),
            Operator::AtMost => order(left, right) == Some(Ordering::Less) || equal(left, right),
            Operator::AtLeast => {
                order(left, right) == Some(Ordering::Greater) || equal(left, right)
            }
        }
    }
}

impl Side {
    fn new(parsed: &Comparable) -> Option<Self> {
        Some(match parsed {
            Comparable::Literal(literal) => Self::Literal(match literal {
                Literal::Int(number) => Value::from(*number),
                // The shortest text that is read as this double.
                Literal::Float(number) => {
                    Value::Number(format!("{number:e}").parse::<Number>().ok()?)
                }
                Literal::String(text) => Value::from(text.as_str()),
                Literal::Bool(truth) => Value::from(*truth),
                Literal::Null => Value::Null,
            }),
            Comparable::SingularQuery(SingularQuery::Current(path)) => Self::Current(path.clone()),
            Comparable::SingularQuery(SingularQuery::Root(path)) => Self::Root(path.clone()),
            Comparable::Function(_) => return None,
        })
    }

    fn value<'v>(&'v self, root: &'v Value, node: &'v Value) -> Option<&'v Value> {
        let (start, path) = match self {
            Self::Literal(value) => return Some(value),
            Self::Current(path) => (node, path),
            Self::Root(path) => (root, path),
        };
        path.iter().try_fold(start, |value, segment| match segment {
            SingularQuerySegment::Name(name) => value.as_object()?.get(name),
            SingularQuerySegment::Index(index) => {
                let items = value.as_array()?;
                let from_end = || usize::try_from(index.unsigned_abs()).ok();
                let position = match usize::try_from(*index) {
                    Ok(position) => position,
                    Err(_) => items.len().checked_sub(from_end()?)?,
                };
                items.get(position)
            }
        })
    }
}

/// Whether both are there and the same value, or neither is there.
fn equal(left: Option<&Value>, right: Option<&Value>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => same(left, right),
        (left, right) => left.is_none() && right.is_none(),
    }
}

fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => compare(left, right) == Ordering::Equal,
        (Value::Array(left), Value::Array(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len() && pairs.all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let is_same = |(name, value): (&String, &Value)| {
                right.get(name).is_some_and(|other| same(value, other))
            };
            left.len() == right.len() && left.iter().all(is_same)
        }
        (left, right) => left == right,
    }
}

/// Only numbers and texts have an order, each among themselves.
fn order(left: Option<&Value>, right: Option<&Value>) -> Option<Ordering> {
    match (left?, right?) {
        (Value::Number(left), Value::Number(right)) => Some(compare(left, right)),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::JsonPath;

    /// The names of what a filter finds.
    fn found(filter: &str, items: &str) -> Vec<String> {
        let body: serde_json::Value = serde_json::from_str(items).unwrap();
        let path = JsonPath::parse(filter).unwrap();
        let nodes = path.query(&body).unwrap();
        nodes
            .iter()
            .map(|node| node["name"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_filter_within_a_filter_looks_at_its_own_node() {
        let lists = serde_json::json!([[1, 2], [0]]);
        let path = JsonPath::parse("$[?@[?@>1]]").unwrap();
        assert_eq!(path.query(&lists).unwrap(), [&serde_json::json!([1, 2])]);
    }

    #[test]
    fn numbers_of_any_size_are_compared_by_their_value() {
        let items = r#"{ "limit": 9007199254740992, "odd": 9007199254740993, "items": [
            { "name": "even", "n": 9007199254740992, "inner": [{ "m": 1e-20 }] },
            { "name": "odd", "n": 9007199254740993, "inner": [{ "m": 0 }] },
            { "name": "huge", "n": 1e999 },
            { "name": "deep", "n": -1e400 },
            { "name": "tiny", "n": -1e-400 },
            { "name": "text", "n": "9007199254740993" },
            { "name": "none" }
        ] }"#;
        for (filter, expected) in [
            ("$.items[?@.n == $.odd]", vec!["odd"]),
            ("$.items[?@.n > $.limit]", vec!["odd", "huge"]),
            (
                "$.items[?@.n >= $.limit && @.n < 1e30]",
                vec!["even", "odd"],
            ),
            ("$..[?@.n > 1000000 && @.n != $.limit]", vec!["odd", "huge"]),
            ("$.items[?@.n < 0]", vec!["deep", "tiny"]),
            ("$.items[?!(@.n <= 0 || @.n > 0)]", vec!["text", "none"]),
            ("$.items[?@.n == @.missing]", vec!["none"]),
            ("$.items[?@.inner[?@.m > 0]]", vec!["even"]),
            ("$.items[?@.inner[-1].m == 0.0]", vec!["odd"]),
            (
                "$.items[?@.n < -5, ?@.n == '9007199254740993']",
                vec!["deep", "text"],
            ),
        ] {
            assert_eq!(found(filter, items), expected, "{filter}");
        }
    }
}
