//! `expect:` of an invariant: what a list of values must be.

use serde_json::Value;

use super::invariant::SqlQuery;

/// One or more assertions on what a query or a JSONPath yielded; all must hold.
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    /// The assertions, in the order of the spec.
    pub assertions: Vec<Assertion>,
}

/// One assertion.
#[derive(Clone, Debug)]
pub enum Assertion {
    /// The value, or the list of values, is this.
    Equals(Value),
    /// ... is not this.
    NotEquals(Value),
    /// Every value is a number (or text) not below this.
    AtLeast(Value),
    /// ... not above this.
    AtMost(Value),
    /// Nothing was found.
    Empty,
    /// Something was found.
    NotEmpty,
    /// So many values were found.
    Count(u64),
    /// One of the values is this; or the only value is a text that has this in it, or a list that has it as an element.
    Contains(Value),
    /// Every value is a text in which this regular expression matches.
    Matches(regex::Regex),
    /// The values are those of this query, in its order.
    EqualsSql(SqlQuery),
}
