//! A reproduction as a program of another language, for whoever has no venomqa.

mod curl;
mod hurl;
mod words;

use std::fmt::Write as _;

use crate::model::Reproduction;
use crate::spec::reproduction::outline::{Outline, Part, SentBody, SentPart, Start, Tree};
use crate::visible;

/// The languages there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// A POSIX shell script that needs `curl` and `jq`.
    Curl,
    /// A Hurl file.
    Hurl,
}

/// The requests, and what shows that the bug is there, as a program that fails while it is. An error is a sentence that says
/// what the language cannot do.
pub(crate) fn script(
    language: Language,
    reproduction: &Reproduction,
    outline: &Outline,
) -> Result<String, String> {
    match language {
        Language::Curl => curl::script(reproduction, outline),
        Language::Hurl => Ok(hurl::script(reproduction, outline)),
    }
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
    fn of_tree<'t>(tree: &'t Tree, all: &mut Vec<&'t Part>) {
        match tree {
            Tree::Value(_) | Tree::Name(..) => {}
            Tree::Text(parts) => all.extend(parts),
            Tree::List(items) => items.iter().for_each(|item| of_tree(item, all)),
            Tree::Object(fields) => fields.iter().for_each(|(_, field)| of_tree(field, all)),
        }
    }
    let mut all: Vec<&Part> = outline
        .inputs
        .iter()
        .flat_map(|input| &input.parts)
        .collect();
    for sent in outline.requests.iter().chain(&outline.verdict.probe) {
        all.extend(&sent.path);
        let pairs = sent.query.iter().chain(&sent.headers);
        all.extend(pairs.flat_map(|(_, parts)| parts));
        if let Some((user, password)) = &sent.basic {
            all.extend(user.iter().chain(password));
        }
        match &sent.body {
            SentBody::Json(tree) => of_tree(tree, &mut all),
            SentBody::Form(fields) => all.extend(fields.iter().flat_map(|(_, parts)| parts)),
            SentBody::Text(parts) => all.extend(parts),
            SentBody::Multipart(fields) => {
                all.extend(fields.iter().flat_map(|(_, part)| match part {
                    SentPart::Text(parts, _) => parts.as_slice(),
                    SentPart::File { .. } => &[],
                }));
            }
            SentBody::None | SentBody::File(_) | SentBody::Base64(_) => {}
        }
    }
    all
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
