//! A reproduction as a program of another language, for whoever has no venomqa.

mod curl;
mod hurl;
mod words;

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::model::{Reproduction, StatusPattern};
use crate::spec::reproduction::outline::{Outline, Part, Sent, SentBody, SentPart, Start, Tree};
use crate::visible;

/// The languages there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// A POSIX shell script that needs `curl` and `jq`.
    Curl,
    /// A Hurl file.
    Hurl,
}

/// The requests, and what shows that the bug is there, as a program that fails while it is. An error is a sentence that says
/// what the language cannot do.
pub fn script(
    language: Language,
    reproduction: &Reproduction,
    outline: &Outline,
) -> Result<String, String> {
    let outline = without_unused(outline);
    match language {
        Language::Curl => curl::script(reproduction, &outline),
        Language::Hurl => hurl::script(reproduction, &outline),
    }
}

/// Statuses of a request that was not dealt with: the one who asks is not known any more, or is to ask again later. They say
/// nothing of the bug.
const NOT_DEALT_WITH: [u16; 5] = [401, 407, 408, 425, 429];

/// Those of them that are not expected by their number.
fn not_dealt_with(expected: &[StatusPattern]) -> impl Iterator<Item = u16> {
    NOT_DEALT_WITH
        .into_iter()
        .filter(move |status| !expected.contains(&StatusPattern::Code(*status)))
}

/// The statuses, as classes, that are an end of the bug where only the database could tell that it is there: a request that went
/// through is refused, or one that was refused goes through.
fn classes_of_an_end(seen: u16) -> &'static [u16] {
    match seen / 100 {
        2 => &[4],
        4 => &[2, 4],
        _ => &[],
    }
}

/// Without the values that no request needs.
fn without_unused(outline: &Outline) -> Outline {
    let mut outline = outline.clone();
    let mut used: HashSet<String> = HashSet::new();
    let Outline {
        inputs,
        requests,
        verdict,
        ..
    } = &mut outline;
    for sent in verdict.probe.iter_mut().chain(requests.iter_mut().rev()) {
        sent.captures.retain(|capture| used.contains(&capture.name));
        used.extend(needs(sent).1.into_iter().map(str::to_owned));
    }
    inputs.retain(|input| used.contains(&input.name));
    outline
}

/// The variables of the environment that the requests take something from, beside where they go; each once, with what
/// stands for it.
fn environment(outline: &Outline) -> Vec<(&str, Option<&str>)> {
    let mut names: Vec<(&str, Option<&str>)> = Vec::new();
    for part in parts(outline) {
        if let Part::Environment(name, default) = part
            && !names.iter().any(|(known, _)| known == name)
        {
            names.push((name, default.as_deref()));
        }
    }
    names
}

/// Every part of every text of the requests.
fn parts(outline: &Outline) -> Vec<&Part> {
    let inputs = outline.inputs.iter().flat_map(|input| &input.parts);
    let requests = outline.requests.iter().chain(&outline.verdict.probe);
    inputs
        .chain(requests.flat_map(|sent| needs(sent).0))
        .collect()
}

/// Every part of every text of a request, and the names of the values that it needs.
fn needs(sent: &Sent) -> (Vec<&Part>, Vec<&str>) {
    fn of_tree<'t>(tree: &'t Tree, parts: &mut Vec<&'t Part>, names: &mut Vec<&'t str>) {
        match tree {
            Tree::Value(_) => {}
            Tree::Name(name, _) => names.push(name),
            Tree::Text(text) => parts.extend(text),
            Tree::List(items) => {
                for item in items {
                    of_tree(item, parts, names);
                }
            }
            Tree::Object(fields) => {
                for (key, field) in fields {
                    parts.extend(key);
                    of_tree(field, parts, names);
                }
            }
        }
    }
    let pairs = sent.query.iter().chain(&sent.headers);
    let mut parts: Vec<&Part> = sent.path.iter().collect();
    parts.extend(pairs.flat_map(|(_, parts)| parts));
    if let Some((user, password)) = &sent.basic {
        parts.extend(user.iter().chain(password));
    }
    let mut names = Vec::new();
    match &sent.body {
        SentBody::Json(tree) => of_tree(tree, &mut parts, &mut names),
        SentBody::Form(fields) => parts.extend(fields.iter().flat_map(|(_, parts)| parts)),
        SentBody::Text(text) => parts.extend(text),
        SentBody::Multipart(fields) => {
            parts.extend(fields.iter().flat_map(|(_, part)| match part {
                SentPart::Text(parts, ..) => parts.as_slice(),
                SentPart::File { .. } => &[],
            }));
        }
        SentBody::None | SentBody::File(_) | SentBody::Base64(_) => {}
    }
    for part in &parts {
        if let Part::Name(name) | Part::Segment(name) = *part {
            names.push(name);
        }
    }
    (parts, names)
}

/// Whether a path starts from the root of the host, and that is not the base URL.
fn needs_origin(outline: &Outline) -> bool {
    let mut sent = outline.requests.iter().chain(&outline.verdict.probe);
    outline.base_has_path && sent.any(|sent| sent.start == Start::Root)
}

/// A text as it may stand in the path of a URL: what cannot stand there is percent-encoded.
fn in_path(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A text as it may stand in a query or a form.
fn in_form(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Comment lines that say what this is, and what shows that the bug is there.
fn about(reproduction: &Reproduction, outline: &Outline) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{}: {}",
            reproduction.severity.name().to_uppercase(),
            one_line(&reproduction.message)
        ),
        format!(
            "Found by venomqa; `{}` does not hold after the last request.",
            one_line(reproduction.oracle.name())
        ),
    ];
    let oracle = outline.verdict.about.iter();
    lines.extend(oracle.map(|line| visible::line(line)));
    lines
}

/// A text of others as a part of one line.
fn one_line(text: &str) -> String {
    visible::line(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn comment(lines: &[String]) -> String {
    let lines: String = lines
        .iter()
        .map(|line| format!("# {line}").trim_end().to_owned() + "\n")
        .collect();
    visible::lines(&lines, false)
}
