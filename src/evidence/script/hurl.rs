//! A Hurl file.

use std::fmt::Write as _;

use serde_json::Value;

use super::{about, comment, environment, in_path, one_line};
use crate::model::Reproduction;
use crate::spec::reproduction::outline::{Capture, Outline, Part, Sent, SentBody, Source, Tree};

pub(super) fn script(reproduction: &Reproduction, outline: &Outline) -> String {
    let mut script = header(reproduction, outline);
    for sent in &outline.requests {
        script.push('\n');
        script.push_str(&entry(sent, outline));
    }
    script
}

fn header(reproduction: &Reproduction, outline: &Outline) -> String {
    let mut lines = about(reproduction);
    lines.extend([
        String::new(),
        "Needs the service in its initial state. Succeeds when every request was answered as when the violation was found."
            .to_owned(),
        String::new(),
    ]);
    let base_url = match &outline.base_url {
        Some(parts) => parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Environment(_, Some(default)) => default,
                Part::Environment(..) | Part::Name(_) => "...",
            })
            .collect(),
        None => "http://127.0.0.1:8080".to_owned(),
    };
    let mut command = format!("  hurl --test --variable base_url={base_url}");
    for (name, default) in environment(outline) {
        let _ = write!(command, " --variable {name}={}", default.unwrap_or("..."));
    }
    lines.push(format!("{command} THIS_FILE"));
    comment(&lines)
}

fn entry(sent: &Sent, outline: &Outline) -> String {
    let mut lines = vec![one_line(&sent.title)];
    lines.extend(sent.notes.iter().map(|note| one_line(note)));
    let mut entry = comment(&lines);
    let base = if sent.is_absolute { "" } else { "{{base_url}}" };
    let path = text(&sent.path, outline, &|text| value(&in_path(text)));
    let _ = writeln!(entry, "{} {base}{path}", sent.method);
    for (name, parts) in &sent.headers {
        // Sections that say so themselves send these.
        let is_implied = name.eq_ignore_ascii_case("content-type")
            && matches!(sent.body, SentBody::Form(_))
            && *parts == [Part::Text("application/x-www-form-urlencoded".to_owned())];
        if !is_implied {
            let _ = writeln!(entry, "{}: {}", value(name), text(parts, outline, &value));
        }
    }
    if !sent.query.is_empty() {
        entry.push_str("[Query]\n");
        entry.push_str(&pairs(&sent.query, outline));
    }
    match &sent.body {
        SentBody::None => {}
        SentBody::Form(fields) => {
            entry.push_str("[Form]\n");
            entry.push_str(&pairs(fields, outline));
        }
        SentBody::Json(tree) => {
            entry.push_str(&json(tree, outline, 0));
            entry.push('\n');
        }
        SentBody::Text(parts) => {
            let body = text(parts, outline, &|text| {
                value(text).replace("\\#", "#").replace('`', "\\`")
            });
            let _ = writeln!(entry, "`{body}`");
        }
    }
    match sent.status {
        Some(status) => {
            let _ = writeln!(entry, "HTTP {status}");
        }
        None => entry.push_str("HTTP *\n"),
    }
    if !sent.captures.is_empty() {
        entry.push_str("[Captures]\n");
        for capture in &sent.captures {
            entry.push_str(&captured(capture));
        }
    }
    if sent.status.is_none() {
        entry.push_str("[Asserts]\nstatus >= 200\nstatus < 300\n");
    }
    entry
}

fn pairs(fields: &[(String, Vec<Part>)], outline: &Outline) -> String {
    let mut lines = String::new();
    for (name, parts) in fields {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{}: {}", value(name), text(parts, outline, &value));
    }
    lines
}

fn captured(capture: &Capture) -> String {
    let name = variable(&capture.name);
    match &capture.source {
        Source::JsonPath(path) => {
            let query = Value::from(path.as_str());
            // A path that may find several values yields a list; the first one counts.
            let first = if is_singular(path) { "" } else { " nth 0" };
            format!("{name}: jsonpath {query}{first}\n")
        }
        Source::Header(header) => format!("{name}: header {}\n", Value::from(header.as_str())),
    }
}

fn is_singular(path: &str) -> bool {
    crate::expr::JsonPath::parse(path).is_ok_and(|path| path.is_singular())
}

/// A text with its names in braces; `constant` writes what lies between them.
fn text(parts: &[Part], outline: &Outline, constant: &dyn Fn(&str) -> String) -> String {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => constant(text),
            Part::Name(name) => match outline.inputs.iter().find(|input| input.name == *name) {
                Some(input) => text(&input.parts, outline, constant),
                None => format!("{{{{{}}}}}", variable(name)),
            },
            Part::Environment(name, _) => format!("{{{{{}}}}}", variable(name)),
        })
        .collect()
}

/// A text where `#` begins a comment and `\` escapes.
fn value(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '#' => escaped.push_str("\\#"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A name as Hurl has it.
fn variable(name: &str) -> String {
    name.chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || letter == '_' || letter == '-' {
                letter
            } else {
                '_'
            }
        })
        .collect()
}

/// A body over several lines; lists and objects of constants stay on one.
fn json(tree: &Tree, outline: &Outline, depth: usize) -> String {
    let inner = "  ".repeat(depth + 1);
    let outer = "  ".repeat(depth);
    match tree {
        Tree::Value(constant) => pretty(constant, depth),
        Tree::Name(name, was_text) => {
            let input = outline.inputs.iter().find(|input| input.name == *name);
            let shown = text(&[Part::Name(name.clone())], outline, &|text| {
                text.to_owned()
            });
            let is_text = match input {
                Some(input) => !input.typed,
                None => was_text.unwrap_or(false),
            };
            if is_text {
                format!("\"{shown}\"")
            } else {
                shown
            }
        }
        Tree::Text(parts) => {
            let content = text(parts, outline, &|text| {
                let text = Value::from(text).to_string();
                text[1..text.len() - 1].to_owned()
            });
            format!("\"{content}\"")
        }
        Tree::List(items) if items.is_empty() => "[]".to_owned(),
        Tree::List(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| format!("{inner}{}", json(item, outline, depth + 1)))
                .collect();
            format!("[\n{}\n{outer}]", items.join(",\n"))
        }
        Tree::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Tree::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, field)| {
                    let name = Value::from(name.as_str());
                    format!("{inner}{name}: {}", json(field, outline, depth + 1))
                })
                .collect();
            format!("{{\n{}\n{outer}}}", fields.join(",\n"))
        }
    }
}

fn pretty(value: &Value, depth: usize) -> String {
    let text = format!("{value:#}");
    text.replace('\n', &format!("\n{}", "  ".repeat(depth)))
}
