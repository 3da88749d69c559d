//! What was taken out of a reproduction, found again in the spec that it was made from.

use indexmap::IndexMap;
use serde_json::Value;

use super::hide::{Hidden, TAKEN_OUT};
use crate::spec::yaml::{Entry, Node};

/// The values for the references in the sections of a reproduction: what stands in the same places of the spec.
pub(super) fn values(written: &[Entry], spec: &[Entry]) -> Hidden {
    let mut found = IndexMap::new();
    for Entry { key, node } in written {
        let same = spec.iter().find(|entry| entry.key == *key);
        if let Some(same) = same {
            compare(node, &same.node, &mut found);
        }
    }
    found
}

fn compare(written: &Node, spec: &Node, found: &mut Hidden) {
    match (written, spec) {
        (Node::Map(_), Node::Map(_)) => {
            for Entry { key, node } in written.entries() {
                if let Some(same) = spec.field(key) {
                    compare(node, same, found);
                }
            }
        }
        (Node::List(written), Node::List(spec)) => {
            for (written, spec) in written.iter().zip(spec) {
                compare(written, spec, found);
            }
        }
        (written, Node::Scalar(Value::Number(number))) => {
            let written = written.as_text().unwrap_or_default();
            found.extend(fitted(written, &number.to_string()));
        }
        (written, spec) => {
            let (written, spec) = (written.as_text(), spec.as_text());
            found.extend(fitted(
                written.unwrap_or_default(),
                spec.unwrap_or_default(),
            ));
        }
    }
}

/// What stands in a text in place of the references of another that is the same otherwise; nothing where it is not.
fn fitted(written: &str, spec: &str) -> Vec<(String, String)> {
    // Each reference with the text behind it.
    let mut parts = Vec::new();
    let mut pieces = written.split("${");
    let mut before = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let reference = piece
            .split_once('}')
            .filter(|(name, _)| name.starts_with(TAKEN_OUT));
        let behind = match (reference, parts.last_mut()) {
            (Some((name, behind)), _) => {
                parts.push((name.to_owned(), behind.to_owned()));
                continue;
            }
            (None, Some((_, behind))) => behind,
            (None, None) => &mut before,
        };
        behind.push_str("${");
        behind.push_str(piece);
    }
    let Some(mut rest) = spec.strip_prefix(before.as_str()) else {
        return Vec::new();
    };
    let mut found = Vec::with_capacity(parts.len());
    let last = parts.len().saturating_sub(1);
    for (position, (name, behind)) in parts.into_iter().enumerate() {
        let end = if position == last {
            rest.len().checked_sub(behind.len())
        } else {
            rest.find(behind.as_str())
        };
        let Some(end) =
            end.filter(|end| rest.get(*end..).is_some_and(|end| end.starts_with(&behind)))
        else {
            return Vec::new();
        };
        found.push((name, rest[..end].to_owned()));
        rest = &rest[end + behind.len()..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_place_of_a_reference_is_found_and_nothing_where_the_texts_differ() {
        for (written, spec, values) in [
            ("${VENOMQA_A}", "s3cret", &["s3cret"][..]),
            ("${VENOMQA_A}", "", &[""]),
            ("Bearer ${VENOMQA_A}", "Bearer s3cret", &["s3cret"]),
            (
                "{{ user }}:${VENOMQA_A}@${HOST}",
                "{{ user }}:p w@${HOST}",
                &["p w"],
            ),
            ("a=${VENOMQA_A}&b=${VENOMQA_B}", "a=1&b=2", &["1", "2"]),
            ("Bearer ${VENOMQA_A}", "Basic s3cret", &[]),
            ("${VENOMQA_A}!", "s3cret", &[]),
            ("${HOST}", "localhost", &[]),
        ] {
            let found = fitted(written, spec);
            let found: Vec<&str> = found.iter().map(|(_, value)| value.as_str()).collect();
            assert_eq!(found, values, "{written}");
        }
    }
}
