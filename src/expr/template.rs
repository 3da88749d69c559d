//! Templates.
use super::{EvalError, Lookup, ParseError};
use serde_json::Value;
use std::sync::Arc;
/// A template.
#[derive(Clone, Debug)]
pub struct Template {
    source: String,
}
impl Template {
    /// Compiles.
    pub fn parse(_source: &str) -> Result<Self, ParseError> {
        todo!()
    }
    /// A template without holes, whatever its text.
    pub fn literal(text: &str) -> Self {
        Self {
            source: text.to_owned(),
        }
    }
    /// Its text.
    pub fn source(&self) -> &str {
        &self.source
    }
    /// Names it reads.
    pub fn reads(&self) -> &[String] {
        todo!()
    }
    /// Names without which it cannot be rendered.
    pub fn requires(&self) -> &[String] {
        todo!()
    }
    /// As text.
    pub fn render(&self, _values: &Arc<dyn Lookup>) -> Result<String, EvalError> {
        todo!()
    }
    /// With its type: a template that is nothing but `{{ expr }}` yields the value of the expression.
    pub fn evaluate(&self, _values: &Arc<dyn Lookup>) -> Result<Value, EvalError> {
        todo!()
    }
}
/// A JSON tree with templates.
#[derive(Clone, Debug)]
pub struct JsonTemplate {}
impl JsonTemplate {
    /// Compiles every string in the tree; all errors, each with the JSON pointer-like path of the string.
    pub fn parse(_value: &Value) -> Result<Self, Vec<(Vec<String>, ParseError)>> {
        todo!()
    }
    /// Its templates.
    pub fn templates(&self) -> Vec<&Template> {
        todo!()
    }
    /// The filled tree.
    pub fn evaluate(&self, _values: &Arc<dyn Lookup>) -> Result<Value, EvalError> {
        todo!()
    }
}
