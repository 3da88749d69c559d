//! The requests of a reproduction as a program in another language sends them: what is constant is filled in, what comes
//! from an answer or from the environment stays a name.

mod verdict;

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use super::CompiledReproduction;
use crate::expr::Template;
use crate::model::{Bindings, Context, Names, OracleName, Parameter, StatusPattern};
use crate::spec::document::status_key;
use crate::spec::yaml::{Entry, Node};

pub use verdict::{Holds, Values, Verdict};

/// Everything that is sent, in order.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Where the service answers; `None` where venomqa chose the port.
    pub base_url: Option<Vec<Part>>,
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
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// `setup 1`, or the action with its parameters.
    pub title: String,
    /// What cannot be said in another language, for readers.
    pub notes: Vec<String>,
    /// `GET`, `POST`, ...
    pub method: String,
    /// Path below the base URL.
    pub path: Vec<Part>,
    /// Whether `path` is a whole URL.
    pub is_absolute: bool,
    /// Query parameters.
    pub query: Vec<(String, Vec<Part>)>,
    /// Headers, the content type among them.
    pub headers: Vec<(String, Vec<Part>)>,
    /// The body.
    pub body: SentBody,
    /// What is taken from the answer.
    pub captures: Vec<Capture>,
    /// The status that is expected; `None` stands for any 2xx.
    pub status: Option<u16>,
    /// How many redirects in a row are followed.
    pub follow_redirects: u32,
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
    /// An object.
    Object(Vec<(String, Self)>),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    Text(String),
    /// A value that was taken from an earlier answer, or an input.
    Name(String),
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
    /// Whether the value, as far as it was seen, can stand in a URL as it is.
    pub is_plain: bool,
    /// Whether it seems to be a link, with a query perhaps.
    pub is_link: bool,
}

/// Where a value is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The body; the first node found.
    JsonPath(String),
    /// A header.
    Header(String),
}

/// The requests of a reproduction. An error is a sentence that says which template no other language can fill in.
pub fn outline(case: &CompiledReproduction) -> Result<Outline, String> {
    let mut writer = Writer::new(case);
    let written = &case.spec.written;
    let mut requests = Vec::new();
    for (position, step) in items(written.section("setup")).iter().enumerate() {
        let title = format!("setup {}", position + 1);
        requests.push(writer.sent(title, step, &[], None)?);
    }
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
        requests.push(writer.sent(title, node, &action.parameters, Some(position))?);
    }
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
        verdict.probe = Some(writer.sent(format!("invariant {name}"), node, &[], None)?);
    }
    let base_url = written
        .base_url
        .clone()
        .or_else(|| {
            let http = written.section("http")?;
            text_of(http.field("base_url")).map(str::to_owned)
        })
        .filter(|url| !url.contains("${port}"))
        .map(|url| references(&url));
    Ok(Outline {
        base_url,
        inputs: writer.inputs(),
        requests,
        verdict,
    })
}

struct Writer<'c> {
    case: &'c CompiledReproduction,
    /// Constants whose text has references to the environment.
    open: IndexMap<&'c str, &'c Node>,
    /// Names that have a value by now.
    defined: IndexSet<String>,
    /// What was extracted when the file was written, as far as it is in there.
    recorded: IndexMap<String, Value>,
    /// What of a request was not understood by anybody but venomqa.
    notes: Vec<String>,
}

impl<'c> Writer<'c> {
    fn new(case: &'c CompiledReproduction) -> Self {
        let variables = case.spec.written.section("variables");
        let open: IndexMap<&str, &Node> = entries(variables)
            .iter()
            .filter(|entry| is_open(&entry.node))
            .map(|entry| (entry.key.as_str(), &entry.node))
            .collect();
        Self {
            case,
            defined: open.keys().map(|name| (*name).to_owned()).collect(),
            open,
            recorded: IndexMap::new(),
            notes: Vec::new(),
        }
    }

    fn inputs(&self) -> Vec<Input> {
        self.open
            .iter()
            .map(|(name, node)| {
                let (text, typed) = match node {
                    Node::Bare(text) => (text.as_str(), true),
                    Node::Scalar(Value::String(text)) => (text.as_str(), false),
                    _ => ("", false),
                };
                Input {
                    name: (*name).to_owned(),
                    parts: references(text),
                    typed,
                }
            })
            .collect()
    }

    /// `position` is that of the step on the path; setup has none.
    fn sent(
        &mut self,
        title: String,
        node: &Node,
        parameters: &[Parameter],
        position: Option<usize>,
    ) -> Result<Sent, String> {
        let seen = position.and_then(|position| self.case.reproduction.path.get(position));
        let request = node
            .field("request")
            .ok_or_else(|| format!("`{title}` sends nothing"))?;
        let method = text_of(request.field("method"))
            .unwrap_or("GET")
            .to_ascii_uppercase();
        let template = text_of(request.field("path")).unwrap_or("/");
        let mut path = self.text(template, parameters, &title)?;
        let is_absolute = match path.first() {
            Some(Part::Text(text)) => text.starts_with("http://") || text.starts_with("https://"),
            Some(Part::Name(name)) => self
                .recorded
                .get(name)
                .and_then(Value::as_str)
                .is_some_and(|value| value.starts_with("http")),
            _ => false,
        };
        if !is_absolute && !template.contains('?') {
            // A question mark that came in a value begins no query.
            for part in &mut path {
                if let Part::Text(text) = part {
                    *text = text.replace('?', "%3F");
                }
            }
        }
        let query = self.pairs(request.field("query"), parameters, &title)?;
        let sent_json = seen
            .and_then(|seen| seen.body.as_deref())
            .and_then(|body| serde_json::from_str::<Value>(body).ok());
        let (body, content_type) = if let Some(json) = request.field("json") {
            let tree = self.tree(json, sent_json.as_ref(), parameters, &title)?;
            (SentBody::Json(tree), Some("application/json"))
        } else if let Some(form) = request.field("form") {
            let fields = self.pairs(Some(form), parameters, &title)?;
            (
                SentBody::Form(fields),
                Some("application/x-www-form-urlencoded"),
            )
        } else if let Some(text) = text_of(request.field("text")) {
            (
                SentBody::Text(self.text(text, parameters, &title)?),
                Some("text/plain"),
            )
        } else {
            (SentBody::None, None)
        };
        let headers = self.headers(request, content_type, parameters, &title)?;
        let captures = self.captures(node, position);
        for cleared in items(node.field("clear")) {
            self.defined
                .shift_remove(cleared.as_text().unwrap_or_default());
        }
        Ok(Sent {
            title,
            notes: std::mem::take(&mut self.notes),
            method,
            path,
            is_absolute,
            query,
            headers,
            body,
            captures,
            status: match seen {
                Some(seen) => Some(seen.status).filter(|status| *status > 0),
                None => expected_status(node),
            },
            follow_redirects: self.follow_redirects(node),
        })
    }

    /// A redirect that the spec lists is the answer itself.
    fn follow_redirects(&self, node: &Node) -> u32 {
        let listed = node.field("expect").and_then(|it| it.field("status"));
        let is_redirect =
            |node: &Node| status_code(node).is_some_and(|code| (300..400).contains(&code));
        let stops =
            listed.is_some_and(|node| is_redirect(node) || node.items().iter().any(is_redirect));
        if stops {
            return 0;
        }
        self.case.spec.world.http.follow_redirects
    }

    /// What the answer gives: of a step what it gave when it was seen.
    fn captures(&mut self, node: &Node, position: Option<usize>) -> Vec<Capture> {
        let seen = position.map(|position| &self.case.reproduction.path[position]);
        let mut captures = Vec::new();
        let on = seen.and_then(|seen| {
            let entries = entries(node.field("on"));
            let listed = |pattern: StatusPattern| pattern.matches(seen.status);
            let mut listed = entries
                .iter()
                .filter(|entry| status_key(&entry.key).is_some_and(listed));
            listed.next()
        });
        for entry in entries(on.map_or(node, |entry| &entry.node).field("extract")) {
            let source = match &entry.node {
                Node::Scalar(Value::String(path)) => Source::JsonPath(path.clone()),
                long => match (
                    text_of(long.field("jsonpath")),
                    text_of(long.field("header")),
                ) {
                    (Some(path), _) => Source::JsonPath(path.to_owned()),
                    (None, Some(header)) => Source::Header(header.to_owned()),
                    (None, None) => continue,
                },
            };
            let is_optional = matches!(
                entry.node.field("optional"),
                Some(Node::Scalar(Value::Bool(true)))
            );
            let was_there = match seen {
                Some(seen) => {
                    let value = seen.extracted.iter().find(|(name, _)| *name == entry.key);
                    if let Some((name, value)) = value {
                        self.recorded.insert(name.clone(), value.clone());
                    }
                    value.is_some()
                }
                None => !is_optional,
            };
            if was_there {
                self.defined.insert(entry.key.clone());
                let value = self.recorded.get(&entry.key).map(plain).unwrap_or_default();
                let stays =
                    |letter: char| letter.is_ascii_alphanumeric() || "-_.~/".contains(letter);
                captures.push(Capture {
                    name: entry.key.clone(),
                    source,
                    is_plain: value.chars().all(stays),
                    is_link: value.starts_with('/') || value.starts_with("http"),
                });
            }
        }
        captures
    }

    /// Those of every request, unless the request has its own; one that reads a value that is not there yet is left out.
    fn headers(
        &mut self,
        request: &Node,
        content_type: Option<&str>,
        parameters: &[Parameter],
        title: &str,
    ) -> Result<Vec<(String, Vec<Part>)>, String> {
        let own = self.pairs(request.field("headers"), parameters, title)?;
        let is_own = |name: &str| {
            own.iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let http = self.case.spec.written.section("http");
        let mut headers = Vec::new();
        for entry in entries(http.and_then(|http| http.field("headers"))) {
            let Some(text) = text_of(Some(&entry.node)) else {
                continue;
            };
            if is_own(&entry.key) || !self.is_defined(text) {
                continue;
            }
            headers.push((entry.key.clone(), self.text(text, parameters, title)?));
        }
        headers.extend(own);
        let has_type = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if let Some(content_type) = content_type
            && !has_type
        {
            headers.push((
                "Content-Type".to_owned(),
                vec![Part::Text(content_type.to_owned())],
            ));
        }
        Ok(headers)
    }

    fn is_defined(&self, text: &str) -> bool {
        Template::parse(text).is_ok_and(|template| {
            template.requires().iter().all(|name| {
                self.defined.contains(name)
                    || self.case.spec.model.names.constants.contains_key(name)
            })
        })
    }

    fn pairs(
        &mut self,
        node: Option<&Node>,
        parameters: &[Parameter],
        title: &str,
    ) -> Result<Vec<(String, Vec<Part>)>, String> {
        entries(node)
            .iter()
            .map(|entry| {
                let text = match &entry.node {
                    Node::Scalar(Value::String(text)) | Node::Bare(text) => text.clone(),
                    Node::Scalar(value) => value.to_string(),
                    _ => String::new(),
                };
                Ok((entry.key.clone(), self.text(&text, parameters, title)?))
            })
            .collect()
    }

    /// `sent` is what stood there when it was seen.
    fn tree(
        &mut self,
        node: &Node,
        sent: Option<&Value>,
        parameters: &[Parameter],
        title: &str,
    ) -> Result<Tree, String> {
        Ok(match node {
            Node::Scalar(Value::String(text)) => {
                if let Some(name) = whole_hole(text)
                    && let Some(value) = self.known(name, parameters)
                {
                    return Ok(Tree::Value(value));
                }
                let parts = self.text(text, parameters, title)?;
                match parts.as_slice() {
                    [Part::Name(name)] if whole_hole(text).is_some() => {
                        let was_text = sent
                            .or_else(|| self.recorded.get(name))
                            .map(Value::is_string);
                        Tree::Name(name.clone(), was_text)
                    }
                    [Part::Text(text)] => Tree::Value(text.as_str().into()),
                    [] => Tree::Value("".into()),
                    _ => Tree::Text(parts),
                }
            }
            Node::Scalar(value) => Tree::Value(value.clone()),
            Node::Bare(text) => Tree::Text(references(text)),
            Node::List(items) => Tree::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| {
                        self.tree(
                            item,
                            sent.and_then(|sent| sent.get(index)),
                            parameters,
                            title,
                        )
                    })
                    .collect::<Result<_, _>>()?,
            ),
            Node::Map(fields) => Tree::Object(
                fields
                    .iter()
                    .map(|entry| {
                        let sent = sent.and_then(|sent| sent.get(&entry.key));
                        let tree = self.tree(&entry.node, sent, parameters, title)?;
                        Ok((entry.key.clone(), tree))
                    })
                    .collect::<Result<_, String>>()?,
            ),
        })
    }

    /// The value of a parameter or of a constant that does not come from the environment.
    fn known(&self, name: &str, parameters: &[Parameter]) -> Option<Value> {
        if let Some((_, value)) = parameters.iter().find(|(known, _)| known == name) {
            return Some(value.clone());
        }
        if self.defined.contains(name) {
            return None;
        }
        self.case.spec.model.names.constants.get(name).cloned()
    }

    /// A text with its holes: those that are names stay names, those that are constant are filled in.
    fn text(
        &mut self,
        text: &str,
        parameters: &[Parameter],
        title: &str,
    ) -> Result<Vec<Part>, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        if text.contains("{%") || text.contains("{#") {
            return Ok(vec![Part::Text(self.computed(text, parameters, title)?)]);
        }
        while let Some(start) = rest.find("{{") {
            let end = rest[start..]
                .find("}}")
                .map_or(rest.len(), |end| start + end + 2);
            parts.extend(references(&rest[..start]));
            let hole = &rest[start..end];
            let name = hole.trim_start_matches("{{").trim_end_matches("}}").trim();
            if self.defined.contains(name) && self.known(name, parameters).is_none() {
                parts.push(Part::Name(name.to_owned()));
            } else if let Some(value) = self.known(name, parameters) {
                parts.push(Part::Text(plain(&value)));
            } else {
                parts.push(Part::Text(self.computed(hole, parameters, title)?));
            }
            rest = &rest[end..];
        }
        parts.extend(references(rest));
        Ok(joined(parts))
    }

    /// The value of something that is computed: with what was seen when the file was written, if it needs that.
    fn computed(
        &mut self,
        source: &str,
        parameters: &[Parameter],
        title: &str,
    ) -> Result<String, String> {
        let cannot = |why: &str| {
            format!("`{source}` of `{title}` is computed, which only venomqa can do: {why}")
        };
        let template = Template::parse(source).map_err(|error| cannot(&error.message))?;
        if let Some(open) = template
            .reads()
            .iter()
            .find(|name| self.open.contains_key(name.as_str()))
        {
            return Err(cannot(&format!("`{open}` comes from the environment")));
        }
        let mut constants = self.case.spec.model.names.constants.clone();
        let mut is_recorded = false;
        for name in template.reads() {
            if let Some(value) = self.recorded.get(name)
                && value != crate::secret::REDACTED
            {
                is_recorded = true;
                constants.insert(name.clone(), value.clone());
            }
        }
        let values = Arc::new(Bindings {
            names: Arc::new(Names {
                constants,
                variables: IndexSet::new(),
            }),
            context: Context::empty(0),
            parameters: Arc::new(parameters.to_vec()),
        });
        let text = template
            .render(&(values as Arc<dyn crate::expr::Lookup>))
            .map_err(|error| cannot(&error.message))?;
        if is_recorded {
            self.notes
                .push(format!("`{source}` was `{text}` when this was written"));
        }
        Ok(text)
    }
}

/// The name in a text that is nothing but `{{ name }}`.
fn whole_hole(text: &str) -> Option<&str> {
    let name = text.strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let is_name = name
        .chars()
        .all(|letter| letter.is_alphanumeric() || letter == '_');
    (is_name && !name.is_empty()).then_some(name)
}

/// A value in a text: a string as it is, any other as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A text with its references to the environment.
fn references(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, reference) = rest.split_at(start);
        if let Some(before) = before.strip_suffix('$') {
            parts.push(Part::Text(format!("{before}${{")));
            rest = &reference[2..];
            continue;
        }
        let Some(end) = reference.find('}') else {
            break;
        };
        parts.push(Part::Text(before.to_owned()));
        let (name, default) = match reference[2..end].split_once(":-") {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (&reference[2..end], None),
        };
        parts.push(Part::Environment(name.to_owned(), default));
        rest = &reference[end + 1..];
    }
    parts.push(Part::Text(rest.to_owned()));
    joined(parts)
}

fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut all: Vec<Part> = Vec::new();
    for part in parts {
        match (all.last_mut(), part) {
            (_, Part::Text(text)) if text.is_empty() => {}
            (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
            (_, part) => all.push(part),
        }
    }
    all
}

fn is_open(node: &Node) -> bool {
    match node {
        Node::Bare(_) => true,
        Node::Scalar(Value::String(text)) => references(text)
            .iter()
            .any(|part| matches!(part, Part::Environment(..))),
        _ => false,
    }
}

/// The first status that a request of `setup` expects.
fn expected_status(node: &Node) -> Option<u16> {
    let status = node.field("expect")?.field("status")?;
    status_code(status.items().first().unwrap_or(status))
}

fn status_code(node: &Node) -> Option<u16> {
    match node {
        Node::Scalar(Value::Number(code)) => code.as_u64()?.try_into().ok(),
        _ => None,
    }
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
