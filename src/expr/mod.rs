//! The small languages of the spec, compiled once when it is loaded: templates, conditions, JSONPath, the parameters of SQL.
//!
//! Templates and conditions are minijinja with strict undefined: reading a name without a value is an error, except in a
//! test or filter that accepts an undefined value (`x is defined`, `x | default(1)`). Nothing is escaped,
//! what is random follows from a seed, and evaluation is bounded (no endless loops). Values keep their JSON types; a value in a text is written as
//! JSON, a string without its quotes.
//!
//! Nothing here knows the model: values come in through [`Lookup`].

mod analysis;
mod condition;
mod depth;
mod draws;
mod engine;
mod json;
mod jsonpath;
mod now;
mod sql;
mod template;

use std::ops::Range;
use std::sync::Arc;

pub use analysis::Calls;
pub use condition::Condition;
pub use draws::{Draws, Place};
pub use json::JsonTemplate;
pub use jsonpath::{JsonPath, TooMuchWork};
pub use sql::{Dialect, SqlName, SqlTemplate, SqlText};
pub(crate) use template::LONGEST;
pub use template::{Filled, Template, TextPiece};

/// Where an expression finds its values.
pub trait Lookup: std::fmt::Debug + Send + Sync + 'static {
    /// The value of a name, if it is defined.
    fn lookup(&self, name: &str) -> Option<&serde_json::Value>;

    /// What makes values up, where they are for a request.
    fn draws(&self) -> Option<&Arc<Draws>> {
        None
    }

    /// Whether the value was known before the first request: the spec says it, no answer does.
    fn is_constant(&self, _name: &str) -> bool {
        false
    }
}

/// An expression that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// What is wrong, in lower case, without a closing period.
    pub message: String,
    /// Where in the expression's text, in bytes.
    pub range: Range<usize>,
    /// What to do about it.
    pub help: Option<String>,
}

/// An expression that could not be evaluated with the values at hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// What is wrong, with the expression's text.
    pub message: String,
}

#[cfg(test)]
mod tests;
