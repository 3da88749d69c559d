//! `expect:` of an invariant: what a list of values must be.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::sql_query::SqlQuery;

/// One or more assertions on what a query or a JSONPath yielded; all must hold. None given: [`Assertion::Empty`].
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    /// The assertions, in the order of the spec.
    pub assertions: Vec<Assertion>,
}

/// One assertion on a list of values: the nodes that a JSONPath found, or the rows of a query. A row of one column is
/// the value in it, a longer row is the list of its values.
///
/// Numbers are compared by value (`1` equals `1.0`), text by its bytes, lists in order, objects without regard to the
/// order of their keys. Text never equals a number. Where one side comes from a database, 0 and 1 also equal false and
/// true, because SQLite stores booleans so; between two JSON values they do not.
///
/// When nothing was found, the assertions about *every value* hold. There are two exceptions: a JSONPath that names one
/// place (`$.total`) in a body that must have it (`expect` of an action, a probe) must find something there; and an
/// invariant on the answers of all actions is judged by `empty`, `not_empty` and `count` only, where it finds nothing.
#[derive(Clone, Debug)]
pub enum Assertion {
    /// The only value is this; or the list of all values is this list.
    Equals(Value),
    /// It is not so that [`Assertion::Equals`] holds.
    NotEquals(Value),
    /// Every value is a number (or text, in the order of its bytes) not below this. A value that cannot be compared
    /// with it, null too, is a failure.
    AtLeast(Value),
    /// ... not above this.
    AtMost(Value),
    /// Nothing was found.
    Empty,
    /// Something was found.
    NotEmpty,
    /// So many values were found, the ends of the range included.
    Count(RangeInclusive<u64>),
    /// One of the values is this; or the only value is a text that has this text in it, or a list that has it as an
    /// element.
    Contains(Value),
    /// Every value is a text in which this regular expression matches somewhere.
    Matches(regex::Regex),
    /// The values, or the elements of the only value, are those of this query: in its order where it has an `ORDER BY`, else in
    /// any. Holds where a context
    /// value that the query needs is not defined.
    EqualsSql(SqlQuery),
}
