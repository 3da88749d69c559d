//! A Hurl file.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    about, classes_of_an_end, comment, environment, in_form, in_path, needs_origin, not_dealt_with,
    one_line,
};
use crate::model::{Assertion, Reproduction, StatusPattern};
use crate::shell;
use crate::spec::reproduction::outline::{
    Capture, Holds, Outline, Part, Sent, SentBody, SentPart, Source, Start, Tree, Values,
};
use crate::visible::{self, Guard};

pub(super) fn script(reproduction: &Reproduction, outline: &Outline) -> Result<String, String> {
    let mut all = outline.requests.iter().chain(&outline.verdict.probe);
    if let Some((sent, status)) = all.find_map(failed_for_good) {
        return Err(format!(
            "`{}` was answered with {status}, which ends its `retry`, but Hurl would ask again until it works; `--to curl` ends there",
            sent.title
        ));
    }
    let verdict = Asserts::of(outline);
    let mut script = header(reproduction, outline, &verdict);
    let last = outline.requests.len();
    for (position, sent) in outline.requests.iter().enumerate() {
        script.push('\n');
        let asserts = (position + 1 == last && !verdict.of_probe).then_some(&verdict);
        script.push_str(&entry(sent, outline, asserts));
    }
    if let Some(probe) = &outline.verdict.probe {
        script.push('\n');
        if verdict.of_probe {
            script.push_str(&entry(probe, outline, Some(&verdict)));
        } else {
            let entry = entry(probe, outline, None);
            let lines: Vec<String> = entry.lines().map(str::to_owned).collect();
            script.push_str(&comment(&lines));
        }
    }
    Ok(script)
}

/// A request that was not sent again because the server had failed, and the status that said so.
fn failed_for_good(sent: &Sent) -> Option<(&Sent, u16)> {
    let (retry, status) = (sent.retry.as_ref()?, sent.status?);
    retry.ends_at_failure(status).then_some((sent, status))
}

/// What hurl can assert of an answer.
struct Asserts {
    lines: Vec<String>,
    /// Whether the answer is that of the invariant's request.
    of_probe: bool,
    /// Whether the status that was seen must be there as well.
    wants_status: bool,
    /// Whether they say that the bug is not there; otherwise only the database can tell.
    is_judged: bool,
}

impl Asserts {
    fn of(outline: &Outline) -> Self {
        let verdict = &outline.verdict;
        let seen = outline.requests.last().and_then(|sent| sent.status);
        // First what makes an answer one that says something; the last line is about the bug.
        match asserts(&verdict.holds) {
            Some(lines) => {
                let of_probe = verdict.probe.is_some();
                let first = match (&verdict.holds, of_probe) {
                    (Holds::Status(patterns), _) => dealt_with(patterns, seen),
                    (_, true) => went_through(),
                    _ => Vec::new(),
                };
                Self {
                    lines: [first, lines].concat(),
                    of_probe,
                    wants_status: !of_probe && !matches!(verdict.holds, Holds::Status(_)),
                    is_judged: true,
                }
            }
            None => Self {
                lines: seen.map(another_answer).unwrap_or_default(),
                of_probe: false,
                wants_status: false,
                is_judged: false,
            },
        }
    }
}

/// Any 2xx.
fn went_through() -> Vec<String> {
    vec!["status >= 200".to_owned(), "status < 300".to_owned()]
}

/// A status that says something of the bug, or that was seen with it.
fn dealt_with(expected: &[StatusPattern], seen: Option<u16>) -> Vec<String> {
    not_dealt_with(expected)
        .filter(|status| Some(*status) != seen)
        .map(|status| format!("status != {status}"))
        .collect()
}

/// An answer with which it does not happen any more.
fn another_answer(seen: u16) -> Vec<String> {
    let classes = classes_of_an_end(seen).iter();
    let told: Vec<String> = std::iter::once(seen.to_string())
        .chain(classes.map(|class| format!("{class}..")))
        .collect();
    let mut lines = dealt_with(&[], Some(seen));
    lines.push(format!(
        "status toString matches \"^({})$\"",
        told.join("|")
    ));
    lines.push(format!("status != {seen}"));
    lines
}

/// What holds once the bug is not there; `None` where hurl cannot say that.
fn asserts(holds: &Holds) -> Option<Vec<String>> {
    Some(match holds {
        Holds::Status(patterns) => {
            let codes: Vec<String> = patterns
                .iter()
                .map(|pattern| match pattern {
                    StatusPattern::Code(code) => code.to_string(),
                    StatusPattern::Class(class) => format!("{class}.."),
                })
                .collect();
            match &codes[..] {
                [code] if !code.ends_with('.') => vec![format!("status == {code}")],
                codes if codes == ["1..", "2..", "3..", "4.."] => vec!["status < 500".to_owned()],
                codes => vec![format!(
                    "status toString matches \"^({})$\"",
                    codes.join("|")
                )],
            }
        }
        Holds::Values(values) => {
            let lines: Option<Vec<Vec<String>>> = values.iter().map(value_asserts).collect();
            lines?.concat()
        }
        Holds::Header(name) => vec![format!("header {} exists", quoted(name))],
        Holds::Otherwise(_) => return None,
    })
}

fn value_asserts(values: &Values) -> Option<Vec<String>> {
    let query = format!("jsonpath {}", quoted(values.path.source()));
    let one = values.path.is_singular();
    let literal = |value: &Value| match value {
        Value::String(text) => Some(quoted(text)),
        Value::Array(_) | Value::Object(_) => None,
        scalar => Some(scalar.to_string()),
    };
    let assert = |assertion: &Assertion| {
        let predicate = match assertion {
            Assertion::Empty => "not exists".to_owned(),
            Assertion::NotEmpty => "exists".to_owned(),
            Assertion::Count(range) => match (*range.start(), *range.end()) {
                (0, 0) => "not exists".to_owned(),
                (1, 1) if one => "exists".to_owned(),
                (least, most) if least == most && !one => format!("count == {least}"),
                (least, u64::MAX) if !one => format!("count >= {least}"),
                (0, most) if !one => format!("count <= {most}"),
                _ => return None,
            },
            Assertion::Equals(value) if one => format!("== {}", literal(value)?),
            Assertion::NotEquals(value) if one => format!("!= {}", literal(value)?),
            Assertion::AtLeast(value) if one => format!(">= {}", literal(value)?),
            Assertion::AtMost(value) if one => format!("<= {}", literal(value)?),
            Assertion::Contains(value) => format!("contains {}", literal(value)?),
            Assertion::Matches(pattern) if one => format!("matches {}", quoted(pattern.as_str())),
            _ => return None,
        };
        Some(format!("{query} {predicate}"))
    };
    values.assertions.iter().map(assert).collect()
}

fn header(reproduction: &Reproduction, outline: &Outline, verdict: &Asserts) -> String {
    let mut lines = about(reproduction, outline);
    lines.extend([
        String::new(),
        if verdict.is_judged {
            "Needs the service in its initial state. Fails at the last assertion while the bug is there, at another where an answer does not tell."
        } else {
            "Needs the service in its initial state. Fails at the last assertion where every request is answered as when the violation was found: only the database can tell more."
        }
        .to_owned(),
        String::new(),
    ]);
    let base_url = match &outline.base_url {
        Some(parts) => parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Environment(_, Some(default)) => default,
                Part::Environment(..) | Part::Name(_) | Part::Segment(_) => "...",
            })
            .collect(),
        None => "http://127.0.0.1:8080".to_owned(),
    };
    let mut command = format!(
        "  hurl --test --variable {}",
        shell::quoted(format!("base_url={base_url}"))
    );
    if needs_origin(outline) {
        command.push_str(" --variable origin=SCHEME://HOST:PORT");
    }
    for (name, default) in environment(outline) {
        let setting = format!("{name}={}", default.unwrap_or("..."));
        let _ = write!(command, " --variable {}", shell::quoted(setting));
    }
    let mut actors = outline.requests.iter().chain(&outline.verdict.probe);
    if actors.any(|sent| sent.principal.is_some()) {
        lines.push(
            "Hurl keeps the cookies of all in one jar: where logins set cookies, take `--to curl`."
                .to_owned(),
        );
        lines.push(String::new());
    }
    lines.push(format!("{command} THIS_FILE"));
    comment(&lines)
}

/// One request. `asserts` are for its answer, in the place of the status that was seen.
fn entry(sent: &Sent, outline: &Outline, asserts: Option<&Asserts>) -> String {
    let mut lines = vec![one_line(&sent.title)];
    lines.extend(sent.notes.iter().map(|note| one_line(note)));
    lines.extend(unsaid(sent));
    let mut entry = comment(&lines);
    let base = match sent.start {
        Start::Nothing => "",
        Start::Root if needs_origin(outline) => "{{origin}}",
        Start::Root | Start::Base => "{{base_url}}",
    };
    let constant = |text: &str| {
        let path = in_path(text);
        // libcurl takes brackets for those of an address.
        if sent.start == Start::Nothing {
            path
        } else {
            path.replace('[', "%5B").replace(']', "%5D")
        }
    };
    let path = text(&sent.path, outline, &constant, &|name| {
        in_url(name, outline)
    });
    let _ = writeln!(entry, "{} {base}{path}", sent.method);
    for (name, parts) in &sent.headers {
        // Sections that say so themselves send these.
        let is_implied = name.eq_ignore_ascii_case("content-type")
            && matches!(sent.body, SentBody::Form(_))
            && *parts == [Part::Text("application/x-www-form-urlencoded".to_owned())];
        if !is_implied {
            let value = filled(parts, outline, &escaped);
            let _ = writeln!(entry, "{}: {}", key(name), outer_blanks(&value));
        }
    }
    let options = options(sent);
    if !options.is_empty() {
        let _ = write!(entry, "[Options]\n{options}");
    }
    if let Some((user, password)) = &sent.basic {
        let of = |parts| outer_blanks(&filled(parts, outline, &escaped));
        let _ = writeln!(entry, "[BasicAuth]\n{}: {}", of(user), of(password));
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
        SentBody::Multipart(parts) => {
            entry.push_str("[Multipart]\n");
            for (name, part) in parts {
                let _ = writeln!(entry, "{}: {}", key(name), part_of_form(part, outline));
            }
        }
        SentBody::File(path) => {
            let _ = writeln!(entry, "file,{};", file_name(path));
        }
        SentBody::Base64(digits) => {
            let _ = writeln!(entry, "base64,{digits};");
        }
        SentBody::Json(tree) => {
            entry.push_str(&json(tree, outline, 0));
            entry.push('\n');
        }
        SentBody::Text(parts) => {
            let body = filled(parts, outline, &|text| {
                escaped(text).replace("\\#", "#").replace('`', "\\`")
            });
            let _ = writeln!(entry, "`{body}`");
        }
    }
    match sent.status {
        Some(status) if asserts.is_none_or(|asserts| asserts.wants_status) => {
            let _ = writeln!(entry, "HTTP {status}");
        }
        _ => entry.push_str("HTTP *\n"),
    }
    if !sent.captures.is_empty() {
        entry.push_str("[Captures]\n");
        for capture in &sent.captures {
            entry.push_str(&captured(capture));
        }
    }
    let lines = match asserts {
        Some(asserts) => asserts.lines.clone(),
        None if sent.status.is_none() => went_through(),
        None => Vec::new(),
    };
    let awaited = sent.retry.iter().flat_map(|retry| &retry.values);
    let awaited: Vec<String> = awaited.filter_map(value_asserts).flatten().collect();
    let lines = [awaited, lines].concat();
    if !lines.is_empty() {
        let _ = writeln!(entry, "[Asserts]\n{}", lines.join("\n"));
    }
    entry
}

/// What Hurl cannot say of a request.
fn unsaid(sent: &Sent) -> Vec<String> {
    let SentBody::Multipart(parts) = &sent.body else {
        return Vec::new();
    };
    let named = parts.iter().filter_map(|(name, part)| match part {
        SentPart::Text(_, _, Some(filename)) => Some(format!(
            "`{}` goes without its filename `{}`, which Hurl cannot give to a text; curl can",
            one_line(name),
            one_line(filename)
        )),
        _ => None,
    });
    named.collect()
}

/// How a request is sent, line by line.
fn options(sent: &Sent) -> String {
    let mut options = String::new();
    if sent.follow_redirects > 0 {
        let redirects = sent.follow_redirects;
        let _ = writeln!(options, "location: true\nmax-redirs: {redirects}");
    }
    if let Some(retry) = &sent.retry {
        let (times, pause) = (retry.times, retry.every.as_millis());
        let _ = writeln!(options, "retry: {times}\nretry-interval: {pause}ms");
    }
    options
}

fn part_of_form(part: &SentPart, outline: &Outline) -> String {
    match part {
        // Hurl knows no content type of a text.
        SentPart::Text(parts, ..) => outer_blanks(&filled(parts, outline, &escaped)),
        SentPart::File {
            path, content_type, ..
        } => {
            let typed = content_type
                .as_ref()
                .map_or_else(String::new, |content_type| format!(" {content_type}"));
            format!("file,{};{typed}", file_name(path))
        }
    }
}

/// The path of a file, from the folder of the Hurl file.
fn file_name(path: &str) -> String {
    escaped(path).replace(';', "\\;").replace(' ', "\\ ")
}

fn pairs(fields: &[(String, Vec<Part>)], outline: &Outline) -> String {
    let mut lines = String::new();
    for (name, parts) in fields {
        let value = filled(parts, outline, &escaped);
        // Hurl encodes values, but no names. Writing to a string cannot fail.
        let _ = writeln!(lines, "{}: {}", key(&in_form(name)), outer_blanks(&value));
    }
    lines
}

fn captured(capture: &Capture) -> String {
    let name = variable(&capture.name);
    let source = match &capture.source {
        Source::JsonPath(path) => {
            // A path that may find several values yields a list; the first one counts.
            let first = if is_singular(path) { "" } else { " nth 0" };
            format!("jsonpath {}{first}", quoted(path))
        }
        Source::Header(header) => format!("header {}", quoted(header)),
        Source::Cookie(cookie) => format!("cookie {}", quoted(cookie)),
        Source::Body => "body".to_owned(),
    };
    let source = match &capture.pattern {
        None => source,
        Some(pattern) => {
            // Hurl wants a group, and a number has to be a text before anything is found in it.
            let has_group = regex::Regex::new(pattern).is_ok_and(|it| it.captures_len() > 1);
            let pattern = if has_group {
                pattern.clone()
            } else {
                format!("({pattern})")
            };
            let text = if matches!(capture.source, Source::JsonPath(_)) {
                " toString"
            } else {
                ""
            };
            format!("{source}{text} regex {}", quoted(&pattern))
        }
    };
    let mut lines = String::new();
    let source = if capture.is_relative {
        // Where the answer came from: the path, and what of it stays before a relative one.
        let path = r#"url replaceRegex "[?#].*$" "" replaceRegex "^[^:]*://[^/]*" """#;
        // Writing to a string cannot fail.
        let _ = writeln!(
            lines,
            "{name}_path: {path}\n{name}_folder: {path} replaceRegex \"[^/]*$\" \"\""
        );
        let path = format!(r#"replaceRegex "^[?]" "{{{{{name}_path}}}}?""#);
        let folder = format!(r#"replaceRegex "^([^/?:]+([/?].*)?)$" "{{{{{name}_folder}}}}$1""#);
        format!(r##"{source} replaceRegex "#.*$" "" {path} {folder}"##)
    } else {
        source
    };
    let _ = writeln!(lines, "{name}: {source}");
    if !capture.is_plain {
        // As it stands in a URL: in a link, slashes and what is encoded already stay.
        let _ = writeln!(
            lines,
            "{name}_in_url: {source} toString urlEncode{}",
            if capture.is_link {
                r#" replaceRegex "%25([0-9A-Fa-f]{2})" "%$1" replace "%2F" "/" replace "%3F" "?" replace "%3D" "=" replace "%26" "&" replace "%3A" ":""#
            } else {
                r#" replace "/" "%2F""#
            }
        );
    }
    lines
}

/// The variable that holds a value as it stands in a URL.
fn in_url(name: &str, outline: &Outline) -> String {
    let mut captures = outline.requests.iter().flat_map(|sent| &sent.captures);
    let is_encoded = captures.any(|capture| capture.name == name && !capture.is_plain);
    let ending = if is_encoded { "_in_url" } else { "" };
    format!("{}{ending}", variable(name))
}

fn is_singular(path: &str) -> bool {
    crate::expr::JsonPath::parse(path).is_ok_and(|path| path.is_singular())
}

/// A text with its names in braces; `constant` writes what lies between them.
fn filled(parts: &[Part], outline: &Outline, constant: &dyn Fn(&str) -> String) -> String {
    text(parts, outline, constant, &variable)
}

/// The same; `named` says which variable holds a value.
fn text(
    parts: &[Part],
    outline: &Outline,
    constant: &dyn Fn(&str) -> String,
    named: &dyn Fn(&str) -> String,
) -> String {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => constant(text),
            Part::Name(name) | Part::Segment(name) => {
                match outline.inputs.iter().find(|input| input.name == *name) {
                    Some(input) => text(&input.parts, outline, constant, named),
                    None => format!("{{{{{}}}}}", named(name)),
                }
            }
            Part::Environment(name, _) => format!("{{{{{}}}}}", variable(name)),
        })
        .collect()
}

/// A text where `#` begins a comment, `{{` a name, and `\` escapes.
fn escaped(text: &str) -> String {
    let mut guard = Guard::within_line();
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        let is_stopped = guard.stops(letter);
        match letter {
            '\\' => shown.push_str("\\\\"),
            '#' => shown.push_str("\\#"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '{' => shown.push_str(&unicode('{')),
            other if is_stopped => shown.push_str(&unicode(other)),
            other => shown.push(other),
        }
    }
    shown
}

fn unicode(letter: char) -> String {
    format!("\\u{{{:x}}}", u32::from(letter))
}

/// A value whose blanks at both ends count.
fn outer_blanks(value: &str) -> String {
    let blank = |text: &str| text.chars().map(unicode).collect::<String>();
    let inner = value.trim_matches(char::is_whitespace);
    if inner.is_empty() {
        return blank(value);
    }
    let start = value.len() - value.trim_start_matches(char::is_whitespace).len();
    let end = start + inner.len();
    format!("{}{inner}{}", blank(&value[..start]), blank(&value[end..]))
}

/// The name of a header, a parameter or a field.
fn key(name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.[]@$".contains(letter);
    name.chars()
        .map(|letter| match letter {
            plain if is_plain(plain) => plain.to_string(),
            other => unicode(other),
        })
        .collect()
}

/// A text in double quotes.
fn quoted(text: &str) -> String {
    format!(
        "\"{}\"",
        escaped(text).replace("\\#", "#").replace('"', "\\\"")
    )
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
            let shown = filled(&[Part::Name(name.clone())], outline, &in_json);
            let is_text = match input {
                Some(input) => !input.typed,
                // Most values of unknown type are tokens and names.
                None => was_text.unwrap_or(true),
            };
            if is_text {
                format!("\"{shown}\"")
            } else {
                shown
            }
        }
        Tree::Text(parts) => {
            format!("\"{}\"", filled(parts, outline, &in_json))
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
                .map(|(key, field)| {
                    let key = filled(key, outline, &in_json);
                    format!("{inner}\"{key}\": {}", json(field, outline, depth + 1))
                })
                .collect();
            format!("{{\n{}\n{outer}}}", fields.join(",\n"))
        }
    }
}

fn pretty(value: &Value, depth: usize) -> String {
    let text = format!("{value:#}");
    guarded(&text.replace('\n', &format!("\n{}", "  ".repeat(depth))))
}

/// A text between the quotes of a JSON string.
fn in_json(text: &str) -> String {
    let text = Value::from(text).to_string();
    guarded(&text[1..text.len() - 1])
}

/// JSON in which `{{` begins no name, and nothing hides. Braces that stand outside of texts are followed by something else.
fn guarded(json: &str) -> String {
    visible::json(json).replace("{{", "\\u007b\\u007b")
}
