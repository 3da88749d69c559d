//! A POSIX shell script: curl sends, jq takes values out of answers and puts them into bodies. Values that were taken are
//! kept as JSON, so that a number stays a number.

use std::fmt::Write as _;

use serde_json::Value;

use super::{about, comment, environment, in_form, in_path, one_line};
use crate::model::Reproduction;
use crate::spec::reproduction::outline::{
    Capture, Input, Outline, Part, Sent, SentBody, Source, Tree,
};

const FUNCTIONS: &str = r#"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Sends a request, keeps the answer, and wants this status: NAME STATUS ARGUMENT...
request() {
    name=$1 expected=$2
    shift 2
    status=$(curl --silent --show-error --output "$folder/body" --dump-header "$folder/head" \
        --cookie "$folder/cookies" --cookie-jar "$folder/cookies" --write-out '%{http_code}' "$@")
    echo "$name: $status"
    case $status in
    $expected) ;;
    *)
        echo "$expected was expected; the answer is" >&2
        cat "$folder/body" >&2
        exit 1
        ;;
    esac
}
"#;

const VALUE: &str = r#"
# A value of the last answer, as JSON: FILTER
value() { jq -c "$1" "$folder/body"; }
"#;

const HEADER: &str = r#"
# A header of the last answer, as JSON: NAME
header() {
    tr -d '\r' <"$folder/head" | awk -v name="$1" -F ': *' 'tolower($1) == tolower(name) { sub(/^[^:]*: */, ""); print; exit }' |
        jq -R .
}
"#;

const TEXT: &str = r#"
# A JSON value as text, in a path, and in a query
text() { printf '%s' "$1" | jq -r 'if type == "string" then . else tojson end'; }
path() { printf '%s' "$1" | jq -r 'if type == "string" then . else tojson end | @uri | gsub("%2F"; "/")'; }
query() { printf '%s' "$1" | jq -r 'if type == "string" then . else tojson end | @uri'; }
"#;

const INPUT: &str = r#"
# A text as JSON; a number or a boolean where it looks like one
string() { jq -nc --arg text "$1" '$text'; }
scalar() { jq -nc --arg text "$1" '$text | try (fromjson | if type == "number" or type == "boolean" then . else $text end) catch $text'; }
"#;

pub(super) fn script(reproduction: &Reproduction, outline: &Outline) -> Result<String, String> {
    let mut body = String::new();
    for input in &outline.inputs {
        body.push_str(&assigned_input(input));
    }
    for sent in &outline.requests {
        body.push('\n');
        body.push_str(&request(sent)?);
    }
    let mut script = String::from("#!/bin/sh\n");
    script.push_str(&header(reproduction, outline));
    script.push_str("set -eu\n");
    script.push_str(&base_url(outline));
    script.push_str(FUNCTIONS);
    // Only what is called.
    for (functions, calls) in [
        (VALUE, &["$(value "][..]),
        (HEADER, &["$(header "]),
        (TEXT, &["$(text ", "$(path ", "$(query "]),
        (INPUT, &["$(string ", "$(scalar "]),
    ] {
        if calls.iter().any(|call| body.contains(call)) {
            script.push_str(functions);
        }
    }
    script.push('\n');
    script.push_str(body.trim_start_matches('\n'));
    Ok(script)
}

fn header(reproduction: &Reproduction, outline: &Outline) -> String {
    let mut lines = about(reproduction);
    lines.extend([
        String::new(),
        "Needs curl and jq, and the service in its initial state. Ends with 0 when every request was answered as when the"
            .to_owned(),
        "violation was found, with 1 at the first one that was not.".to_owned(),
    ]);
    let mut settings = Vec::new();
    if outline.base_url.is_none() {
        settings.push("BASE_URL=http://127.0.0.1:8080".to_owned());
    }
    settings.extend(
        environment(outline)
            .iter()
            .filter(|(_, default)| default.is_none())
            .map(|(name, _)| format!("{name}=...")),
    );
    if !settings.is_empty() {
        lines.push(String::new());
        lines.push(format!("  {} sh THIS_FILE", settings.join(" ")));
    }
    comment(&lines)
}

fn base_url(outline: &Outline) -> String {
    match &outline.base_url {
        Some(parts) => {
            let default = double_quoted(parts, Place::Plain);
            let default = default.trim_matches('"');
            format!("base_url=\"${{BASE_URL:-{default}}}\"\nbase_url=${{base_url%/}}\n")
        }
        None => "base_url=${BASE_URL:?say where the service answers}\nbase_url=${base_url%/}\n"
            .to_owned(),
    }
}

fn assigned_input(input: &Input) -> String {
    let function = if input.typed { "scalar" } else { "string" };
    format!(
        "{}=$({function} {})\n",
        variable(&input.name),
        double_quoted(&input.parts, Place::Plain)
    )
}

fn request(sent: &Sent) -> Result<String, String> {
    let mut text = String::new();
    for note in &sent.notes {
        text.push_str(&comment(&[one_line(note)]));
    }
    let status = match sent.status {
        Some(status) => status.to_string(),
        None => "'2??'".to_owned(),
    };
    let mut arguments = vec![url(sent)];
    match sent.method.as_str() {
        "HEAD" => arguments.push("--head".to_owned()),
        "GET" if sent.body == SentBody::None => {}
        method => arguments.push(format!("--request {}", quoted(method))),
    }
    for (name, parts) in &sent.headers {
        let mut parts = parts.clone();
        parts.insert(0, Part::Text(format!("{name}: ")));
        arguments.push(format!("--header {}", shell(&parts, Place::Plain)));
    }
    match &sent.body {
        SentBody::None => {}
        SentBody::Json(tree) => arguments.push(format!("--data-binary {}", json(tree))),
        SentBody::Text(parts) => {
            arguments.push(format!("--data-binary {}", shell(parts, Place::Plain)));
        }
        SentBody::Form(fields) => {
            let body = fields_of(fields);
            arguments.push(format!("--data-binary {}", shell(&body, Place::Query)));
        }
    }
    let _ = writeln!(
        text,
        "request {} {status} {}",
        quoted(&sent.title),
        arguments.join(" \\\n    ")
    );
    for capture in &sent.captures {
        text.push_str(&captured(capture)?);
    }
    Ok(text)
}

fn captured(capture: &Capture) -> Result<String, String> {
    let call = match &capture.source {
        Source::JsonPath(path) => {
            let filter = filter(path).ok_or_else(|| {
                format!("jq cannot take `{path}` out of an answer; `--to hurl` can")
            })?;
            format!("value {}", quoted(&filter))
        }
        Source::Header(name) => format!("header {}", quoted(name)),
    };
    Ok(format!("{}=$({call})\n", variable(&capture.name)))
}

/// `a=1&b=2`, names and constant values encoded.
fn fields_of(fields: &[(String, Vec<Part>)]) -> Vec<Part> {
    let mut parts = Vec::new();
    for (position, (name, value)) in fields.iter().enumerate() {
        let and = if position == 0 { "" } else { "&" };
        parts.push(Part::Text(format!("{and}{}=", in_form(name))));
        parts.extend(value.iter().map(|part| match part {
            Part::Text(text) => Part::Text(in_form(text)),
            other => other.clone(),
        }));
    }
    parts
}

fn url(sent: &Sent) -> String {
    let mut inner = String::new();
    if !sent.is_absolute {
        inner.push_str("$base_url");
    }
    let path: Vec<Part> = sent
        .path
        .iter()
        .map(|part| match part {
            Part::Text(text) => Part::Text(in_path(text)),
            other => other.clone(),
        })
        .collect();
    let place = if sent.is_absolute {
        Place::Plain
    } else {
        Place::Path
    };
    inner.push_str(double_quoted(&path, place).trim_matches('"'));
    if !sent.query.is_empty() {
        let has_query = matches!(sent.path.last(), Some(Part::Text(text)) if text.contains('?'));
        inner.push(if has_query { '&' } else { '?' });
        inner.push_str(double_quoted(&fields_of(&sent.query), Place::Query).trim_matches('"'));
    }
    format!("\"{inner}\"")
}

/// Where a text stands, and so how a value in it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Plain,
    Path,
    Query,
}

/// A text as one word of the shell.
fn shell(parts: &[Part], place: Place) -> String {
    match parts {
        [] => "''".to_owned(),
        [Part::Text(text)] => quoted(text),
        parts => {
            let all: String = parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.as_str(),
                    _ => "",
                })
                .collect();
            if parts.iter().all(|part| matches!(part, Part::Text(_))) {
                quoted(&all)
            } else {
                double_quoted(parts, place)
            }
        }
    }
}

fn double_quoted(parts: &[Part], place: Place) -> String {
    let mut word = String::from("\"");
    for part in parts {
        match part {
            Part::Text(text) => word.push_str(&escaped(text)),
            Part::Name(name) => {
                let function = match place {
                    Place::Plain => "text",
                    Place::Path => "path",
                    Place::Query => "query",
                };
                let _ = write!(word, "$({function} \"${}\")", variable(name));
            }
            Part::Environment(name, default) => {
                let reference = match default {
                    Some(default) => {
                        format!("${{{name}:-{}}}", escaped(default).replace('}', "\\}"))
                    }
                    None => format!("${{{name}:?}}"),
                };
                match place {
                    Place::Query => {
                        let _ = write!(word, "$(query \"$(string \"{reference}\")\")");
                    }
                    Place::Path => {
                        let _ = write!(word, "$(path \"$(string \"{reference}\")\")");
                    }
                    Place::Plain => word.push_str(&reference),
                }
            }
        }
    }
    word.push('"');
    word
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if ['"', '\\', '$', '`'].contains(&letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// A word of the shell in which nothing is filled in.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,%+@".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Names that the script or the shell uses itself.
const TAKEN: [&str; 9] = [
    "base_url", "folder", "name", "expected", "status", "IFS", "PATH", "HOME", "PWD",
];

/// A name as the shell has it.
fn variable(name: &str) -> String {
    let sane: String = name
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '_'
            }
        })
        .collect();
    if TAKEN.contains(&sane.as_str()) || sane.starts_with(|first: char| first.is_ascii_digit()) {
        format!("its_{sane}")
    } else {
        sane
    }
}

/// A body: text where it is constant, else made by jq.
fn json(tree: &Tree) -> String {
    let mut bound = Vec::new();
    let program = program(tree, &mut bound);
    if bound.is_empty() {
        return quoted(&program);
    }
    let mut arguments = String::new();
    for (name, word) in &bound {
        let _ = write!(arguments, "{} ", word.replace("NAME", name));
    }
    format!("\"$(jq -nc {arguments}{})\"", quoted(&program))
}

/// The JSON as a jq program; `bound` gets the variables that it reads and how each is passed.
fn program(tree: &Tree, bound: &mut Vec<(String, String)>) -> String {
    let mut bind = |name: String, word: String| {
        if !bound.iter().any(|(known, _)| *known == name) {
            bound.push((name, word));
        }
    };
    match tree {
        Tree::Value(value) => constant(value),
        Tree::Name(name, _) => {
            let name = variable(name);
            bind(name.clone(), format!("--argjson NAME \"${name}\""));
            format!("${name}")
        }
        Tree::Text(parts) => {
            let mut text = String::from("\"");
            for part in parts {
                match part {
                    Part::Text(literal) => {
                        let literal = Value::from(literal.as_str()).to_string();
                        text.push_str(&literal[1..literal.len() - 1]);
                    }
                    Part::Name(name) => {
                        let name = variable(name);
                        bind(name.clone(), format!("--argjson NAME \"${name}\""));
                        let _ = write!(text, "\\(${name})");
                    }
                    Part::Environment(name, default) => {
                        let reference = match default {
                            Some(default) => format!("${{{name}:-{}}}", escaped(default)),
                            None => format!("${{{name}:?}}"),
                        };
                        bind(format!("env_{name}"), format!("--arg NAME \"{reference}\""));
                        let _ = write!(text, "\\($env_{name})");
                    }
                }
            }
            text.push('"');
            text
        }
        Tree::List(items) => {
            let items: Vec<String> = items.iter().map(|item| program(item, bound)).collect();
            format!("[{}]", items.join(", "))
        }
        Tree::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, field)| {
                    format!("{}: {}", Value::from(name.as_str()), program(field, bound))
                })
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

/// A constant is JSON, and so a jq program, with room to breathe.
fn constant(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(constant).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, field)| format!("{}: {}", Value::from(name.as_str()), constant(field)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// A JSONPath as a filter of jq, where both can say it: names, positions, wildcards, descendants.
fn filter(path: &str) -> Option<String> {
    let mut rest = path.trim().strip_prefix('$')?;
    let mut filter = String::new();
    let mut is_singular = true;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("..") {
            is_singular = false;
            filter.push_str(" | ..");
            // What is no object has no such name, and is passed over.
            rest = after;
            if let Some(after) = rest.strip_prefix('*') {
                filter.push_str(" | .[]?");
                rest = after;
            } else if !rest.starts_with('[') {
                let (name, after) = name(rest)?;
                let _ = write!(filter, " | objects | select(has({name})) | .[{name}]");
                rest = after;
            }
        } else if let Some(after) = rest.strip_prefix('.') {
            if let Some(after) = after.strip_prefix('*') {
                is_singular = false;
                filter.push_str(" | .[]?");
                rest = after;
            } else {
                let (name, after) = name(after)?;
                let _ = write!(filter, " | .[{name}]");
                rest = after;
            }
        } else {
            let inner = rest.strip_prefix('[')?;
            let end = inner.find(']')?;
            let selector = inner[..end].trim();
            rest = &inner[end + 1..];
            if selector == "*" {
                is_singular = false;
                filter.push_str(" | .[]?");
            } else if let Ok(position) = selector.parse::<i64>() {
                let _ = write!(filter, " | .[{position}]");
            } else {
                let quote = selector
                    .chars()
                    .next()
                    .filter(|quote| ['\'', '"'].contains(quote))?;
                let name = selector.strip_prefix(quote)?.strip_suffix(quote)?;
                if name.contains(['\\', '\'', '"']) {
                    return None;
                }
                let _ = write!(filter, " | .[{}]", Value::from(name));
            }
        }
    }
    let filter = filter.strip_prefix(" | ").unwrap_or(".").to_owned();
    // `.["id"]` is `.id` to everybody who knows jq.
    let filter = simple(&filter);
    Some(if is_singular {
        filter
    } else {
        format!("first({filter})")
    })
}

/// A member name at the beginning of a text, in quotes, and what comes behind it.
fn name(text: &str) -> Option<(String, &str)> {
    let end = text
        .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .unwrap_or(text.len());
    (end > 0).then(|| (Value::from(&text[..end]).to_string(), &text[end..]))
}

/// `.["order"] | .["id"]` as `.order.id`.
fn simple(filter: &str) -> String {
    let mut shown = String::new();
    for part in filter.split(" | ") {
        let name = part
            .strip_prefix(".[\"")
            .and_then(|rest| rest.strip_suffix("\"]"));
        let is_word = |name: &&str| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
                && !name.starts_with(|first: char| first.is_ascii_digit())
        };
        match name.filter(is_word) {
            Some(name)
                if shown.is_empty()
                    || shown.ends_with(|last: char| {
                        last.is_ascii_alphanumeric() || "_]".contains(last)
                    }) =>
            {
                let _ = write!(shown, ".{name}");
            }
            Some(name) => {
                let _ = write!(shown, " | .{name}");
            }
            None if shown.is_empty() => shown.push_str(part),
            None if part.starts_with(".[") && !part.ends_with('?') => shown.push_str(&part[1..]),
            None => {
                let _ = write!(shown, " | {part}");
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jsonpath_becomes_a_filter_of_jq_where_jq_can_say_it() {
        for (path, expected) in [
            ("$", Some(".")),
            ("$.id", Some(".id")),
            ("$.order.id", Some(".order.id")),
            ("$.items[0].id", Some(".items[0].id")),
            ("$[-1]['a b']", Some(".[-1][\"a b\"]")),
            ("$.items[*].id", Some("first(.items | .[]? | .id)")),
            (
                "$..id",
                Some("first(.. | objects | select(has(\"id\")) | .id)"),
            ),
            ("$.items[?@.id > 1]", None),
            ("$.items[1:2]", None),
        ] {
            assert_eq!(filter(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn nothing_in_a_text_is_taken_for_a_command() {
        assert_eq!(quoted("it's $(rm -rf /)"), r"'it'\''s $(rm -rf /)'");
        assert_eq!(
            double_quoted(
                &[
                    Part::Text("a\"`$x\\".to_owned()),
                    Part::Name("id".to_owned())
                ],
                Place::Plain
            ),
            r#""a\"\`\$x\\$(text "$id")""#
        );
    }
}
