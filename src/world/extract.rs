//! What an answer leaves in the context.

use serde_json::Value;

use crate::model::{Action, Context, ExtractSource, Extraction, NoJson, Response, VariableId};

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
    /// What an action extracts and clears after this answer.
    pub(super) fn by_action(action: &Action, response: &Response) -> Self {
        let Some(on_answer) = action.on_answer(response.status) else {
            return Self::default();
        };
        let mut extracted = Self::by(&on_answer.extract, response);
        let cleared = on_answer.clear.iter().map(|variable| (*variable, None));
        extracted.changes.extend(cleared);
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
                Err(Missing::NotThere(_)) if extraction.optional => {}
                // What could not be looked at is not known to be missing.
                Err(Missing::NotThere(why) | Missing::Unread(why)) => extracted
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

/// Why there is no value, as a clause.
enum Missing {
    /// The answer does not hold one.
    NotThere(String),
    /// Nobody could look.
    Unread(String),
}

fn find(source: &ExtractSource, response: &Response) -> Result<Value, Missing> {
    match source {
        ExtractSource::JsonPath(path) => {
            let path_source = path.source();
            let body = response.body.read_json().map_err(|why| {
                let said = format!("`{path_source}` finds nothing, {}", why.in_words());
                match why {
                    NoJson::Unreadable(_) => Missing::Unread(said),
                    NoJson::Empty | NoJson::Other => Missing::NotThere(said),
                }
            })?;
            path.query(body)
                .map_err(|why| Missing::Unread(format!("`{path_source}` was not tried: {why}")))?
                .first()
                .map(|value| (*value).clone())
                .ok_or_else(|| {
                    Missing::NotThere(format!("`{path_source}` finds nothing in the body"))
                })
        }
        ExtractSource::Header(name) => response
            .headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| Value::String(value.clone()))
            .ok_or_else(|| Missing::NotThere(format!("the answer has no header `{name}`"))),
    }
}
