//! The requests of a reproduction as a program in another language sends them: what is constant is filled in, what comes
//! from an answer or from the environment stays a name.

mod pools;
mod principals;
mod retry;
mod text;
mod verdict;
mod writer;

use serde_json::Value;

use self::text::references;
use self::writer::Writer;
use super::CompiledReproduction;
use crate::model::{OracleName, Subject};
use crate::spec::yaml::{Entry, Node};

pub use retry::SentRetry;
pub use verdict::{Holds, Values, Verdict};

/// Everything that is sent, in order.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Where the service answers; `None` where venomqa chose the port.
    pub base_url: Option<Vec<Part>>,
    /// Whether the base URL has a path, so that the root of the host is another place.
    pub base_has_path: bool,
    /// Constants that come from the environment, by name.
    pub inputs: Vec<Input>,
    /// The requests: those of `setup`, then those of the path.
    pub requests: Vec<Sent>,
    /// What shows whether the bug is there.
    pub verdict: Verdict,
}

/// A constant that comes from the environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its text.
    pub parts: Vec<Part>,
    /// Whether it is a number or a boolean where its text looks like one.
    pub typed: bool,
}

/// One request, and what becomes of its answer.
#[derive(Clone, Debug)]
pub struct Sent {
    /// `setup 1`, or the action with its parameters.
    pub title: String,
    /// What cannot be said in another language, for readers.
    pub notes: Vec<String>,
    /// `GET`, `POST`, ...
    pub method: String,
    /// The path.
    pub path: Vec<Part>,
    /// What the path starts from.
    pub start: Start,
    /// Query parameters.
    pub query: Vec<(String, Vec<Part>)>,
    /// Headers, the content type among them.
    pub headers: Vec<(String, Vec<Part>)>,
    /// User and password of basic authentication.
    pub basic: Option<(Vec<Part>, Vec<Part>)>,
    /// The body.
    pub body: SentBody,
    /// What is taken from the answer.
    pub captures: Vec<Capture>,
    /// The status that is expected; `None` stands for any 2xx.
    pub status: Option<u16>,
    /// How many redirects in a row are followed.
    pub follow_redirects: u32,
    /// Who sends it: the cookies of each are apart.
    pub principal: Option<String>,
    /// What it is sent again for.
    pub retry: Option<SentRetry>,
}

/// A body.
#[derive(Clone, Debug, PartialEq)]
pub enum SentBody {
    /// None.
    None,
    /// JSON.
    Json(Tree),
    /// Fields of a form.
    Form(Vec<(String, Vec<Part>)>),
    /// Text.
    Text(Vec<Part>),
    /// Fields and files of a form, by name.
    Multipart(Vec<(String, SentPart)>),
    /// The bytes of a file, by its path from the folder of the spec.
    File(String),
    /// Bytes in base64.
    Base64(String),
}

/// A part of a form.
#[derive(Clone, Debug, PartialEq)]
pub enum SentPart {
    /// A text, and its content type and the name of a file where it has one.
    Text(Vec<Part>, Option<String>, Option<String>),
    /// A file: its path, and name and content type where the spec says them.
    File {
        /// Path from the folder of the spec.
        path: String,
        /// The name by which it is sent.
        filename: Option<String>,
        /// What it is.
        content_type: Option<String>,
    },
}

/// What a path starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The base URL.
    Base,
    /// The root of its host.
    Root,
    /// Nothing: it is a whole URL.
    Nothing,
}

/// JSON with names in it.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// A value without names.
    Value(Value),
    /// A value by its name, whatever its type; beside it whether it was a text when it was seen, where that is known.
    Name(String, Option<bool>),
    /// A text with names in it.
    Text(Vec<Part>),
    /// A list.
    List(Vec<Self>),
    /// An object. A key may have names in it, too.
    Object(Vec<(Vec<Part>, Self)>),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    Text(String),
    /// A value that was taken from an earlier answer, or an input.
    Name(String),
    /// Such a value as one segment of a path, or one value of a query.
    Segment(String),
    /// A variable of the environment, and what stands for it where it is not set.
    Environment(String, Option<String>),
}

/// A value that is taken from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Where it goes.
    pub name: String,
    /// From where.
    pub source: Source,
    /// The regular expression whose first match it is there: its first group, or all of it.
    pub pattern: Option<String>,
    /// Whether the value, as far as it was seen, can stand in a URL as it is: as a link, or else as a segment.
    pub is_plain: bool,
    /// Whether it seems to be a link, with a query perhaps.
    pub is_link: bool,
    /// Whether it may be a link that is relative to the request that was answered.
    pub is_relative: bool,
}

/// Where a value is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The body; the first node found.
    JsonPath(String),
    /// A header.
    Header(String),
    /// A cookie that the answer sets.
    Cookie(String),
    /// The whole body, as text.
    Body,
}

/// The requests of a reproduction. An error is a sentence that says which template no other language can fill in.
pub fn outline(case: &CompiledReproduction) -> Result<Outline, String> {
    let mut writer = Writer::new(case);
    let written = &case.spec.written;
    let mut requests = Vec::new();
    for (position, step) in items(written.section("setup")).iter().enumerate() {
        requests.extend(writer.logins(text_of(step.field("as")).as_slice())?);
        let title = format!("setup {}", position + 1);
        let setup = case.spec.world.setup.get(position);
        let request = setup.map(|step| &step.request);
        writer.draw_for(request, 0);
        let mut sent = writer.sent(title, step, &[], None)?;
        sent.retry = setup.and_then(|step| SentRetry::of(case, &step.request, &step.status));
        requests.push(sent);
    }
    let everybody: Vec<&str> = entries(written.section("principals"))
        .iter()
        .map(|entry| entry.key.as_str())
        .collect();
    requests.extend(writer.logins(&everybody)?);
    let actions = items(written.section("actions"));
    for (position, id) in case.path.iter().enumerate() {
        let action = case.spec.model.action(*id);
        let found = actions
            .iter()
            .find(|node| text_of(node.field("name")) == Some(&action.base_name));
        let Some(node) = found else {
            return Err(format!("`{}` is not declared", action.name));
        };
        let title = action.name.clone();
        let before = case.path[..position].iter().filter(|other| *other == id);
        writer.draw_for(Some(&action.request), before.count() as u32);
        writer.pools.act_for(&case.spec.model, Some(action));
        let mut sent = writer.sent(title, node, &action.parameters, Some(position))?;
        sent.retry = SentRetry::of(case, &action.request, &action.expect.status);
        requests.push(sent);
    }
    writer.pools.act_for(&case.spec.model, None);
    let invariants = items(written.section("invariants"));
    let node = match &case.reproduction.oracle {
        OracleName::Invariant(name) => invariants
            .iter()
            .find(|node| text_of(node.field("name")) == Some(name)),
        OracleName::Check(_) => case.path.last().and_then(|id| {
            let name = &case.spec.model.action(*id).base_name;
            actions
                .iter()
                .find(|node| text_of(node.field("name")) == Some(name))
        }),
    };
    let mut verdict = verdict::verdict(case, node);
    if let (OracleName::Invariant(name), Some(node)) = (&case.reproduction.oracle, node)
        && node.field("request").is_some()
    {
        let invariants = &case.spec.model.invariants;
        let request = invariants.iter().find_map(|known| match &known.subject {
            Subject::Probe { request, .. } if known.name == *name => Some(&**request),
            _ => None,
        });
        writer.draw_for(request, 0);
        let mut probe = writer.sent(format!("invariant {name}"), node, &[], None)?;
        probe.retry = request.and_then(|request| SentRetry::of(case, request, &[]));
        verdict.probe = Some(probe);
    }
    let base_url = written.base_url.clone().or_else(|| {
        let http = written.section("http")?;
        text_of(http.field("base_url")).map(str::to_owned)
    });
    let base_has_path = base_url.as_deref().is_some_and(|url| {
        let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        behind_scheme.trim_end_matches('/').contains('/')
    });
    let base_url = base_url
        .filter(|url| !url.contains("${port}"))
        .map(|url| references(&url));
    Ok(Outline {
        base_url,
        base_has_path,
        inputs: writer.inputs(),
        requests,
        verdict,
    })
}

fn entries(node: Option<&Node>) -> &[Entry] {
    node.map_or(&[], Node::entries)
}

fn items(node: Option<&Node>) -> &[Node] {
    node.map_or(&[], Node::items)
}

fn text_of(node: Option<&Node>) -> Option<&str> {
    node?.as_text()
}
