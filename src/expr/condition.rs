//! Conditions.
use super::{EvalError, Lookup, ParseError};
use std::sync::Arc;
/// A minijinja expression that yields a boolean.
#[derive(Clone, Debug)]
pub struct Condition {}
impl Condition {
    /// Compiles.
    pub fn parse(_source: &str) -> Result<Self, ParseError> {
        todo!()
    }
    /// Its text.
    pub fn source(&self) -> &str {
        todo!()
    }
    /// Names it reads.
    pub fn reads(&self) -> &[String] {
        todo!()
    }
    /// Whether it holds.
    pub fn holds(&self, _values: &Arc<dyn Lookup>) -> Result<bool, EvalError> {
        todo!()
    }
}
