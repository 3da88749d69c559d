//! Writes YAML as a person would: block style, keys in the order given, quotes only where they are needed.
//!
//! `serde_yaml`'s serializer has no lists on one line, no empty lines between sections, and leaves out the quotes that keep
//! `${NAME}` and YAML 1.1's `yes` text. It serves here as the second reader that a text without quotes must satisfy.

use std::fmt::Write as _;

use serde_json::Value;
use serde_yaml::Value as Yaml;

use super::node::{Entry, Node};

/// Lists of short scalars up to this width stand on one line.
const FLOW_WIDTH: usize = 60;

/// The document; an empty line stands between its sections.
pub(in crate::spec) fn document(sections: &[Entry]) -> String {
    let mut text = String::new();
    let mut was_block = false;
    for (position, entry) in sections.iter().enumerate() {
        let is_block = inline(&entry.node).is_none();
        if position > 0 && (is_block || was_block) {
            text.push('\n');
        }
        entry_lines(entry, 0, &mut text);
        was_block = is_block;
    }
    text
}

fn indent(depth: usize, text: &mut String) {
    text.extend(std::iter::repeat_n("  ", depth));
}

/// The key and its value; the cursor stands at the beginning of a line.
fn entry_lines(entry: &Entry, depth: usize, text: &mut String) {
    indent(depth, text);
    after_indent(entry, depth, text);
}

/// The key and its value; the cursor stands where the key begins.
fn after_indent(entry: &Entry, depth: usize, text: &mut String) {
    text.push_str(&scalar(&Value::String(entry.key.clone()), false));
    text.push(':');
    value(&entry.node, depth, text);
}

/// The value behind a colon, its lines one level deeper than `depth`.
fn value(node: &Node, depth: usize, text: &mut String) {
    if let Some(line) = inline(node) {
        let _ = writeln!(text, " {line}");
        return;
    }
    match node {
        Node::Scalar(Value::String(block)) => literal(block, depth + 1, text),
        Node::Map(entries) => {
            text.push('\n');
            for entry in entries {
                entry_lines(entry, depth + 1, text);
            }
        }
        Node::List(items) => {
            text.push('\n');
            for item in items {
                list_item(item, depth + 1, text);
            }
        }
        Node::Scalar(_) | Node::Bare(_) => {}
    }
}

fn list_item(item: &Node, depth: usize, text: &mut String) {
    indent(depth, text);
    text.push('-');
    match item {
        Node::Map(entries) if !entries.is_empty() => {
            text.push(' ');
            for (position, entry) in entries.iter().enumerate() {
                if position > 0 {
                    indent(depth + 1, text);
                }
                after_indent(entry, depth + 1, text);
            }
        }
        _ => value(item, depth, text),
    }
}

/// The value where it fits behind its key.
fn inline(node: &Node) -> Option<String> {
    match node {
        Node::Bare(text) => Some(text.clone()),
        Node::Scalar(Value::String(text)) if is_block(text) => None,
        Node::Scalar(value) => Some(scalar(value, false)),
        Node::List(items) if items.is_empty() => Some("[]".to_owned()),
        Node::Map(entries) if entries.is_empty() => Some("{}".to_owned()),
        Node::List(items) => {
            let parts: Option<Vec<String>> = items
                .iter()
                .map(|item| match item {
                    Node::Scalar(Value::String(text)) if text.contains('\n') => None,
                    Node::Scalar(value) => Some(scalar(value, true)),
                    _ => None,
                })
                .collect();
            let line = format!("[{}]", parts?.join(", "));
            (line.chars().count() <= FLOW_WIDTH).then_some(line)
        }
        Node::Map(_) => None,
    }
}

/// Whether a text is better written over several lines.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && text
            .chars()
            .all(|character| character == '\n' || character == '\t' || is_printable(character))
        && !text.lines().any(|line| line.ends_with([' ', '\t']))
}

/// A literal block scalar.
fn literal(content: &str, depth: usize, text: &mut String) {
    let chomping = match content.len() - content.trim_end_matches('\n').len() {
        0 => "-",
        1 => "",
        _ => "+",
    };
    let _ = writeln!(text, " |{chomping}");
    for line in content.strip_suffix('\n').unwrap_or(content).split('\n') {
        if !line.is_empty() {
            indent(depth, text);
            text.push_str(line);
        }
        text.push('\n');
    }
}

fn scalar(value: &Value, in_flow: bool) -> String {
    let Value::String(text) = value else {
        return value.to_string();
    };
    if is_plain(text, in_flow) {
        text.clone()
    } else if text.chars().all(is_printable) && text.contains(['"', '\\']) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        double_quoted(text)
    }
}

/// Whether every reader of YAML reads the text, without quotes, as that text.
fn is_plain(text: &str, in_flow: bool) -> bool {
    // YAML 1.1 reads these as booleans, and many tools still follow it.
    const WORDS: [&str; 8] = ["yes", "no", "on", "off", "y", "n", "true", "false"];
    let harmless = |character: char| {
        character.is_alphanumeric() || "_-./:=+ ()<>,'\"[]{}#!?&*@%$;|~^`".contains(character)
    };
    let begins_well = |first: char| first.is_alphanumeric() || "/_.$+(".contains(first);
    if !text.starts_with(begins_well) || !text.chars().all(harmless) || text.ends_with([' ', ':']) {
        return false;
    }
    if [": ", " #", "${"].iter().any(|part| text.contains(part)) {
        return false;
    }
    if in_flow && text.contains([',', '[', ']', '{', '}', ':', '#', '"', '\'']) {
        return false;
    }
    !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && matches!(serde_yaml::from_str::<Yaml>(text), Ok(Yaml::String(read)) if read == text)
}

fn is_printable(character: char) -> bool {
    !character.is_control() && !crate::visible::is_obeyed(character)
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            other if is_printable(other) => quoted.push(other),
            other => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(other));
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn written(value: &Value) -> String {
        match Node::from(value) {
            Node::Map(entries) => document(&entries),
            other => document(&[Entry::new("value", other)]),
        }
    }

    #[test]
    fn a_document_looks_as_if_somebody_had_written_it() {
        let value = json!({
            "venomqa": 1,
            "name": "shop",
            "actions": [{
                "name": "pay",
                "request": { "method": "POST", "path": "/orders/{{ id }}", "json": { "a": "{{ n }}", "b": [] } },
                "expect": { "status": [200, 409] },
            }],
            "rows": [{ "orders[1]": "refunded 0 -> 100" }],
            "sql": "SELECT id\nFROM orders\n",
        });
        assert_eq!(
            written(&value),
            r#"venomqa: 1
name: shop

actions:
  - name: pay
    request:
      method: POST
      path: /orders/{{ id }}
      json:
        a: "{{ n }}"
        b: []
    expect:
      status: [200, 409]

rows:
  - orders[1]: refunded 0 -> 100

sql: |
  SELECT id
  FROM orders
"#
        );
    }

    #[test]
    fn what_yaml_would_take_for_something_else_is_quoted() {
        for text in [
            "",
            " a",
            "a ",
            "yes",
            "No",
            "true",
            "~",
            "null",
            "1",
            "1e3",
            "0x10",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#a",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "'a'",
            "\"a\"",
            "[a",
            "{a",
            "a:",
            "${A}",
            "| a",
            "> a",
            "? a",
            ": a",
            "\u{7f}",
            "a\u{2028}b",
            "\u{feff}a",
            "2026-11-23",
            "=",
            "<<",
        ] {
            let line = written(&json!({ "a": text }));
            assert!(
                line.starts_with("a: \"") || line.starts_with("a: '") || text == "2026-11-23",
                "{line}"
            );
            let read: Value = serde_yaml::from_str(&line).unwrap();
            assert_eq!(read["a"], *text, "{line}");
        }
    }

    #[test]
    fn a_reference_that_stood_bare_stays_bare() {
        let node = Node::map([
            ("a", Node::Bare("${N:-5}".to_owned())),
            ("b", Node::text("${N:-5}")),
        ]);
        let Node::Map(entries) = node else {
            unreachable!()
        };
        assert_eq!(document(&entries), "a: ${N:-5}\nb: \"${N:-5}\"\n");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            "[ a:#\\-\"'\n{}\\[\\],~|>$!&*]{0,10}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[ a:#\\-\"'\n{}~?]{0,6}", inner), 0..4)
                    .prop_map(|fields| { Value::Object(fields.into_iter().collect()) }),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_as_it_was(value in any_json()) {
            let document = json!({ "value": value });
            let text = written(&document);
            let read: Value = serde_yaml::from_str(&text).map_err(|error| {
                TestCaseError::fail(format!("{error}\n{text}"))
            })?;
            prop_assert_eq!(read, document, "{}", text);
        }
    }
}
