//! What an answer leaves in the context.

use serde_json::Value;

use crate::model::{Action, Context, ExtractSource, Extraction, Response, VariableId};

/// What extraction found.
#[derive(Debug, Default)]
pub(super) struct Extracted {
    /// New values in order; `None` forgets the variable.
    pub(super) changes: Vec<(VariableId, Option<Value>)>,
    /// Names and values, for the record.
    pub(super) found: Vec<(String, Value)>,
    /// What was due and not there, in words.
    pub(super) failures: Vec<String>,
}

impl Extracted {
    /// What an action extracts and clears, which it does only when the answer is a good one.
    pub(super) fn by_action(action: &Action, response: &Response) -> Self {
        if !action.expect.extracts_from(response.status) {
            return Self::default();
        }
        let mut extracted = Self::by(&action.extract, response);
        extracted
            .changes
            .extend(action.clear.iter().map(|variable| (*variable, None)));
        extracted
    }

    /// What these extractions find in an answer.
    pub(super) fn by(extractions: &[Extraction], response: &Response) -> Self {
        let mut extracted = Self::default();
        for extraction in extractions {
            match find(&extraction.source, response) {
                Ok(value) => {
                    extracted
                        .found
                        .push((extraction.name.clone(), value.clone()));
                    extracted.changes.push((extraction.variable, Some(value)));
                }
                Err(_) if extraction.optional => {}
                Err(why) => extracted
                    .failures
                    .push(format!("`{}`: {why}", extraction.name)),
            }
        }
        extracted
    }

    /// The context after the answer.
    pub(super) fn applied_to(&self, context: &Context) -> Context {
        let mut next = context.clone();
        for (variable, value) in &self.changes {
            next = next.with(*variable, value.clone());
        }
        next
    }
}

fn find(source: &ExtractSource, response: &Response) -> Result<Value, String> {
    match source {
        ExtractSource::JsonPath(path) => {
            let body = response
                .body
                .read_json()
                .map_err(|why| format!("`{}` finds nothing, {}", path.source(), why.in_words()))?;
            path.query(body)
                .map_err(|why| format!("`{}` was not tried: {why}", path.source()))?
                .first()
                .map(|value| (*value).clone())
                .ok_or_else(|| format!("`{}` finds nothing in the body", path.source()))
        }
        ExtractSource::Header(name) => response
            .headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| Value::String(value.clone()))
            .ok_or_else(|| format!("the answer has no header `{name}`")),
    }
}
