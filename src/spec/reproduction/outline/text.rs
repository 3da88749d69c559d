//! Texts with holes: what is constant is filled in, the rest stays a name.

use std::fmt::Write as _;
use std::sync::Arc;

use indexmap::IndexSet;
use serde_json::Value;

use super::Part;
use super::writer::Writer;
use crate::expr::{Lookup, Template};
use crate::model::{Bindings, Context, Names, Parameter};

impl Writer<'_> {
    /// The value of a parameter or of a constant that does not come from the environment.
    pub(super) fn known(&self, name: &str, parameters: &[Parameter]) -> Option<Value> {
        if let Some((_, value)) = parameters.iter().find(|(known, _)| known == name) {
            return Some(value.clone());
        }
        if self.defined.contains(name) {
            return None;
        }
        self.case.spec.model.names.constants.get(name).cloned()
    }

    /// A path with its holes. A name at its beginning is a link, any other one segment, or one value of a query.
    pub(super) fn path(
        &mut self,
        text: &str,
        parameters: &[Parameter],
        title: &str,
    ) -> Result<Vec<Part>, String> {
        let mut parts = self.holes(text, parameters, title, true)?;
        let begins = match parts.first() {
            Some(Part::Name(name)) if parts.len() > 1 => {
                let recorded = self.recorded.get(name).and_then(Value::as_str);
                recorded.is_none_or(|value| value.starts_with('/') || value.starts_with("http"))
            }
            _ => true,
        };
        for part in parts.iter_mut().skip(usize::from(begins)) {
            if let Part::Name(name) = part {
                *part = Part::Segment(std::mem::take(name));
            }
        }
        Ok(parts)
    }

    /// A text with its holes: those that are names stay names, those that are constant are filled in.
    pub(super) fn text(
        &mut self,
        text: &str,
        parameters: &[Parameter],
        title: &str,
    ) -> Result<Vec<Part>, String> {
        self.holes(text, parameters, title, false)
    }

    fn holes(
        &mut self,
        text: &str,
        parameters: &[Parameter],
        title: &str,
        in_path: bool,
    ) -> Result<Vec<Part>, String> {
        // What fills a hole within a path is one segment of it.
        let filled = |text: String, is_first: bool| {
            let stays = !in_path || is_first;
            Part::Text(if stays { text } else { in_segment(&text) })
        };
        let mut parts = Vec::new();
        let mut rest = text;
        if text.contains("{%") || text.contains("{#") {
            return Ok(vec![Part::Text(plain(
                &self.computed(text, parameters, title)?,
            ))]);
        }
        while let Some(start) = rest.find("{{") {
            let end = rest[start..]
                .find("}}")
                .map_or(rest.len(), |end| start + end + 2);
            parts.extend(references(&rest[..start]));
            let hole = &rest[start..end];
            let name = hole.trim_start_matches("{{").trim_end_matches("}}").trim();
            let name = &*self.named(name);
            if self.defined.contains(name) && self.known(name, parameters).is_none() {
                parts.push(Part::Name(name.to_owned()));
            } else if let Some(value) = self.known(name, parameters) {
                parts.push(filled(plain(&value), hole.len() == text.len()));
            } else {
                let is_encoded = hole.contains("urlencode") || hole.contains("safe");
                let computed = plain(&self.computed(hole, parameters, title)?);
                parts.push(filled(computed, is_encoded || hole.len() == text.len()));
            }
            rest = &rest[end..];
        }
        parts.extend(references(rest));
        Ok(joined(parts))
    }

    /// The value of something that is computed: with what was seen when the file was written, if it needs that.
    pub(super) fn computed(
        &mut self,
        source: &str,
        parameters: &[Parameter],
        title: &str,
    ) -> Result<Value, String> {
        let cannot = |why: &str| {
            format!("`{source}` of `{title}` is computed, which only venomqa can do: {why}")
        };
        let template = Template::parse(source).map_err(|error| cannot(&error.message))?;
        let mut reads = template.reads().iter();
        if let Some(list) = reads.find(|name| self.lists.contains(name.as_str())) {
            return Err(format!(
                "`{source}` of `{title}` reads `{list}`, a list of all that was found in an answer (`all: true`): only venomqa can send that"
            ));
        }
        if let Some(open) = template
            .reads()
            .iter()
            .find(|name| self.open.contains_key(name.as_str()))
        {
            return Err(cannot(&format!("`{open}` comes from the environment")));
        }
        let mut constants = self.case.spec.model.names.constants.clone();
        let mut is_recorded = false;
        for name in template.reads() {
            if let Some(value) = self.recorded.get(name)
                && value != crate::secret::REDACTED
            {
                is_recorded = true;
                constants.insert(name.clone(), value.clone());
            }
        }
        let values = Arc::new(Bindings {
            names: Arc::new(Names {
                constants,
                variables: IndexSet::new(),
            }),
            context: Context::empty(0),
            parameters: Arc::new(parameters.to_vec()),
            chosen: None,
            draws: self.draws.clone(),
            turn: 0,
        });
        let value = template
            .evaluate(&(values as Arc<dyn Lookup>))
            .map_err(|error| cannot(&error.message))?;
        if is_recorded || template.calls().names.contains("now") {
            let text = plain(&value);
            self.notes
                .push(format!("`{source}` was `{text}` when this was written"));
        }
        Ok(value)
    }
}

/// Whether a text is nothing but one hole.
pub(super) fn is_hole(text: &str) -> bool {
    let inner = text
        .strip_prefix("{{")
        .and_then(|text| text.strip_suffix("}}"));
    inner.is_some_and(|inner| !inner.contains("{{") && !inner.contains("}}"))
}

/// The name in a text that is nothing but `{{ name }}`.
pub(super) fn whole_hole(text: &str) -> Option<&str> {
    let name = text.strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let is_name = name
        .chars()
        .all(|letter| letter.is_alphanumeric() || letter == '_');
    (is_name && !name.is_empty()).then_some(name)
}

/// A text as one segment of a path: encoded as browsers encode a component.
fn in_segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$()*,:@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A value in a text: a string as it is, any other as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A text with its references to the environment.
pub(super) fn references(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, reference) = rest.split_at(start);
        if let Some(before) = before.strip_suffix('$') {
            parts.push(Part::Text(format!("{before}${{")));
            rest = &reference[2..];
            continue;
        }
        let Some(end) = reference.find('}') else {
            break;
        };
        parts.push(Part::Text(before.to_owned()));
        let (name, default) = match reference[2..end].split_once(":-") {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (&reference[2..end], None),
        };
        parts.push(Part::Environment(name.to_owned(), default));
        rest = &reference[end + 1..];
    }
    parts.push(Part::Text(rest.to_owned()));
    joined(parts)
}

pub(super) fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut all: Vec<Part> = Vec::new();
    for part in parts {
        match (all.last_mut(), part) {
            (_, Part::Text(text)) if text.is_empty() => {}
            (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
            (_, part) => all.push(part),
        }
    }
    all
}
