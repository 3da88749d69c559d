//! Ids, wherever they may stand.

use std::borrow::Cow;

use serde_json::Value;

use crate::identity::looks_random;
use crate::model::{Cell, Model};

/// The names in front of ids that the spec itself writes into paths: `items` of `/items/7`. What they name means something to
/// the spec.
pub(super) fn written_ids(model: &Model) -> impl Iterator<Item = String> + '_ {
    model.actions.iter().flat_map(|action| {
        let is_parameter = |segment: &str| {
            let name = segment
                .strip_prefix("{{")
                .and_then(|rest| rest.strip_suffix("}}"));
            let name = name.map(str::trim);
            action
                .parameters
                .iter()
                .any(|(parameter, _)| Some(&**parameter) == name)
        };
        let is_id = move |segment: &str| {
            is_parameter(segment)
                || looks_random(segment.as_bytes())
                || (!segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let path = action.request.path.source();
        let path = path.split('?').next().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').collect();
        let pairs = segments.windows(2).filter(|pair| is_id(pair[1]));
        pairs.map(|pair| pair[0].to_owned()).collect::<Vec<_>>()
    })
}

/// A value of the context as an id.
pub(super) fn id_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(id) => id.into(),
        other => other.to_string().into(),
    }
}

/// Calls `met` with everything in a cell that may be an id: the whole of it, scalars of a document, and what looks random.
pub(super) fn for_each_id(cell: &Cell, met: &mut dyn FnMut(&[u8])) {
    let bytes = match cell {
        Cell::Text(bytes) => bytes,
        Cell::Integer(number) => return met(number.to_string().as_bytes()),
        Cell::Null | Cell::Real(_) | Cell::Blob(_) => return,
    };
    met(bytes);
    let is_document = matches!(bytes.first(), Some(b'{' | b'['));
    match serde_json::from_slice(bytes) {
        Ok(document) if is_document => scalars(&document, met),
        _ => {
            let is_apart =
                |byte: &u8| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_');
            let words = bytes.split(is_apart);
            words
                .filter(|word| word.len() < bytes.len() && looks_random(word))
                .for_each(met);
        }
    }
}

fn scalars(document: &Value, met: &mut dyn FnMut(&[u8])) {
    match document {
        Value::Array(items) => items.iter().for_each(|item| scalars(item, met)),
        Value::Object(members) => {
            for (name, value) in members {
                met(name.as_bytes());
                scalars(value, met);
            }
        }
        scalar => met(id_of(scalar).as_bytes()),
    }
}
