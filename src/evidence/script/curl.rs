//! A POSIX shell script: curl sends, and where a value is passed on, jq takes it out of an answer. Such values are kept as
//! JSON, so that a number stays a number.

use std::fmt::Write as _;

use super::{about, comment, environment, in_form, in_path, one_line};
use crate::expr::JsonPath;
use crate::model::Reproduction;
use crate::spec::reproduction::outline::{Capture, Outline, Part, Sent, SentBody, Source, Tree};

const REQUEST: &str = r#"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Sends a request, keeps the answer, and wants this status: NAME STATUS ARGUMENT...
request() (
    name=$1 expected=$2
    shift 2
    status=$(curl --silent --show-error --globoff --output "$folder/body" --dump-header "$folder/head" \
        --cookie "$folder/cookies" --cookie-jar "$folder/cookies" --write-out '%{http_code}' "$@")
    printf '%s: %s\n' "$name" "$status"
    case $status in
    $expected) ;;
    *)
        echo "$expected was expected; the answer is" >&2
        cat "$folder/body" >&2
        exit 1
        ;;
    esac
)
"#;

/// Functions of the script, and the calls that need them.
const FUNCTIONS: [(&[&str], &str); 4] = [
    (
        &["$(value "],
        r#"
# A value of the last answer, as JSON: FILTER
value() { jq -c "$1" "$folder/body"; }
"#,
    ),
    (
        &["$(header "],
        r#"
# A header of the last answer, as JSON: NAME
header() {
    tr -d '\r' <"$folder/head" | awk -v name="$1" -F ': *' 'tolower($1) == tolower(name) { sub(/^[^:]*: */, ""); print; exit }' |
        jq -R .
}
"#,
    ),
    (
        &["text \"$", "$(inside ", "$(query ", "$(path "],
        r#"
# A JSON value as text; within a JSON string, in a query, and in a path
text() { printf '%s' "$1" | jq -j 'if type == "string" then . else tojson end'; }
inside() { text "$1" | jq -sRr 'tojson[1:-1]'; }
query() { text "$1" | jq -sRr @uri; }
path() { query "$1" | sed 's|%2F|/|g'; }
"#,
    ),
    (
        &["$(string ", "$(scalar "],
        r#"
# A text as JSON; a number or a boolean where it looks like one
string() { jq -nc --arg text "$1" '$text'; }
scalar() { jq -nc --arg text "$1" '$text | try (fromjson | if type == "number" or type == "boolean" then . else $text end) catch $text'; }
"#,
    ),
];

pub(super) fn script(reproduction: &Reproduction, outline: &Outline) -> Result<String, String> {
    let mut body = String::new();
    for (name, default) in environment(outline) {
        let _ = writeln!(body, "{name}=\"{}\"", reference(name, default));
    }
    for input in &outline.inputs {
        let function = if input.typed { "scalar" } else { "string" };
        let text = word(&pieces(&input.parts, str::to_owned, "text"));
        let _ = writeln!(body, "{}=$({function} {text})", variable(&input.name));
    }
    for sent in &outline.requests {
        body.push('\n');
        body.push_str(&request(sent)?);
    }
    let mut script = String::from("#!/bin/sh\n");
    script.push_str(&header(reproduction, outline));
    script.push_str("set -eu\n");
    script.push_str(&base_url(outline));
    script.push_str(REQUEST);
    for (calls, functions) in FUNCTIONS {
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
    let reference = match &outline.base_url {
        Some(parts) => {
            let default: String = parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) | Part::Name(text) => defaulted(text),
                    Part::Environment(name, default) => reference(name, default.as_deref()),
                })
                .collect();
            format!("${{BASE_URL:-{default}}}")
        }
        None => "${BASE_URL:?say where the service answers}".to_owned(),
    };
    format!("base_url=\"{reference}\"\nbase_url=${{base_url%/}}\n")
}

/// A variable of the environment, to stand in double quotes.
fn reference(name: &str, default: Option<&str>) -> String {
    match default {
        Some(default) => format!("${{{name}:-{}}}", defaulted(default)),
        None => format!("${{{name}:?}}"),
    }
}

fn defaulted(text: &str) -> String {
    escaped(text, "\"\\$`}")
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
        let mut header = pieces(parts, str::to_owned, "text");
        // curl sends an empty header only for `Name;`, and none for `Name:`.
        let separator = if header.is_empty() { ";" } else { ": " };
        header.insert(0, Piece::Text(format!("{name}{separator}")));
        arguments.push(format!("--header {}", word(&header)));
    }
    let body = match &sent.body {
        SentBody::None => None,
        SentBody::Json(tree) => Some(json(tree)),
        SentBody::Form(fields) => Some(form(fields)),
        SentBody::Text(parts) => Some(pieces(parts, str::to_owned, "text")),
    };
    let (mut before, mut behind) = (String::new(), String::new());
    if let Some(body) = &body {
        let is_constant = body.iter().all(|piece| matches!(piece, Piece::Text(_)));
        arguments.push(match sent.body {
            // `--data @-` leaves out the line break at the end.
            SentBody::Json(_) if !is_constant => {
                behind = format!(" <<JSON\n{}\nJSON", inner(body, "\\$`"));
                "--data @-".to_owned()
            }
            // A value in a word would lose the line breaks at its end.
            SentBody::Text(_) if !is_constant => {
                before = format!("{} |\n    ", printed(body));
                "--data-binary @-".to_owned()
            }
            _ => format!("--data-raw {}", word(body)),
        });
    }
    let _ = writeln!(
        text,
        "{before}request {} {status} {}{behind}",
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
            let filter = JsonPath::parse(path)
                .ok()
                .and_then(|path| path.to_jq())
                .ok_or_else(|| {
                    format!("jq cannot take `{path}` out of an answer; `--to hurl` can")
                })?;
            format!("value {}", quoted(&filter))
        }
        Source::Header(name) => format!("header {}", quoted(name)),
    };
    Ok(format!("{}=$({call})\n", variable(&capture.name)))
}

fn url(sent: &Sent) -> String {
    let (mut url, function) = if sent.is_absolute {
        (Vec::new(), "text")
    } else {
        (vec![Piece::Variable("base_url".to_owned())], "path")
    };
    url.extend(pieces(&sent.path, in_path, function));
    if !sent.query.is_empty() {
        let has_query = matches!(sent.path.last(), Some(Part::Text(text)) if text.contains('?'));
        url.push(Piece::Text(if has_query { "&" } else { "?" }.to_owned()));
        url.extend(form(&sent.query));
    }
    word(&url)
}

/// A piece of a word of the shell.
enum Piece {
    /// As it is.
    Text(String),
    /// What a variable holds.
    Variable(String),
    /// What a command prints.
    Command(String),
}

impl Piece {
    /// Whether the shell would take the beginning of this text for the rest of a name before it.
    fn continues_name(&self) -> bool {
        let is_part = |first: char| first.is_ascii_alphanumeric() || first == '_';
        matches!(self, Self::Text(text) if text.starts_with(is_part))
    }
}

/// A text, its constants encoded in this way, its values by this function of the script.
fn pieces(parts: &[Part], encode: impl Fn(&str) -> String, function: &str) -> Vec<Piece> {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => Piece::Text(encode(text)),
            Part::Name(name) => Piece::Command(format!("{function} \"${}\"", variable(name))),
            Part::Environment(name, _) if function == "text" => Piece::Variable(name.clone()),
            Part::Environment(name, _) => {
                Piece::Command(format!("{function} \"$(string \"${name}\")\""))
            }
        })
        .collect()
}

/// `a=1&b=2`
fn form(fields: &[(String, Vec<Part>)]) -> Vec<Piece> {
    let mut all = Vec::new();
    for (position, (name, value)) in fields.iter().enumerate() {
        let and = if position == 0 { "" } else { "&" };
        all.push(Piece::Text(format!("{and}{}=", in_form(name))));
        all.extend(pieces(value, in_form, "query"));
    }
    all
}

fn json(tree: &Tree) -> Vec<Piece> {
    let text = |text: &str| vec![Piece::Text(text.to_owned())];
    let string = |text: &str| serde_json::Value::from(text).to_string();
    let within = |open: &str, items: Vec<Vec<Piece>>, close: &str| {
        let mut all = text(open);
        for (position, item) in items.into_iter().enumerate() {
            all.extend(text(if position == 0 { "" } else { "," }));
            all.extend(item);
        }
        all.extend(text(close));
        all
    };
    match tree {
        Tree::Value(value) => text(&value.to_string()),
        Tree::Name(name, _) => vec![Piece::Variable(variable(name))],
        Tree::Text(parts) => {
            let unquoted = |text: &str| {
                let quoted = string(text);
                quoted[1..quoted.len() - 1].to_owned()
            };
            within("\"", vec![pieces(parts, unquoted, "inside")], "\"")
        }
        Tree::List(items) => within("[", items.iter().map(json).collect(), "]"),
        Tree::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| {
                let mut all = text(&format!("{}:", string(name)));
                all.extend(json(field));
                all
            });
            within("{", fields.collect(), "}")
        }
    }
}

/// Pieces as one word of the shell.
fn word(pieces: &[Piece]) -> String {
    let constant: Option<String> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    constant.map_or_else(
        || format!("\"{}\"", inner(pieces, "\"\\$`")),
        |constant| quoted(&constant),
    )
}

/// Pieces between quotes, or in the lines below a command, where these characters mean something else.
fn inner(pieces: &[Piece], special: &str) -> String {
    let mut text = String::new();
    for (position, piece) in pieces.iter().enumerate() {
        let next = pieces.get(position + 1);
        let _ = match piece {
            Piece::Text(constant) => write!(text, "{}", escaped(constant, special)),
            Piece::Variable(name) if next.is_some_and(Piece::continues_name) => {
                write!(text, "${{{name}}}")
            }
            Piece::Variable(name) => write!(text, "${name}"),
            Piece::Command(command) => write!(text, "$({command})"),
        };
    }
    text
}

/// Commands that print pieces one after the other.
fn printed(pieces: &[Piece]) -> String {
    let commands: Vec<String> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => format!("printf %s {}", quoted(text)),
            Piece::Variable(name) => format!("printf %s \"${name}\""),
            Piece::Command(command) => command.clone(),
        })
        .collect();
    match &commands[..] {
        [command] => command.clone(),
        commands => format!("{{ {}; }}", commands.join("; ")),
    }
}

fn escaped(text: &str, special: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if special.contains(letter) {
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

/// A name as the script has it: names of the shell and of the environment begin with a capital, two are the script's own.
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
    let is_own = ["base_url", "folder"].contains(&sane.as_str());
    if is_own || !sane.starts_with(|first: char| first.is_ascii_lowercase()) {
        format!("its_{sane}")
    } else {
        sane
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_taken_for_a_command() {
        assert_eq!(quoted("it's $(rm -rf /)"), r"'it'\''s $(rm -rf /)'");
        let text = [
            Part::Text("a\"`$x\\".to_owned()),
            Part::Name("id".to_owned()),
        ];
        assert_eq!(
            word(&pieces(&text, str::to_owned, "text")),
            r#""a\"\`\$x\\$(text "$id")""#
        );
        assert_eq!(reference("A", Some("}\"$b")), r#"${A:-\}\"\$b}"#);
    }
}
