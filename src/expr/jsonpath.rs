//! JSONPath.
use super::ParseError;
use serde_json::Value;
/// A JSONPath query (RFC 9535).
#[derive(Clone, Debug)]
pub struct JsonPath {}
impl JsonPath {
    /// Compiles.
    pub fn parse(_source: &str) -> Result<Self, ParseError> {
        todo!()
    }
    /// Its text.
    pub fn source(&self) -> &str {
        todo!()
    }
    /// Whether it can find at most one node.
    pub fn is_singular(&self) -> bool {
        todo!()
    }
    /// The nodes found, in order.
    pub fn query<'v>(&self, _value: &'v Value) -> Vec<&'v Value> {
        todo!()
    }
}
