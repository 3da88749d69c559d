//! Writes the requests of an outline, one after the other: what an answer yields has a name from then on.

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use super::pools::Pools;
use super::text::{is_hole, plain, references, whole_hole};
use super::{
    Capture, Input, Part, Sent, SentBody, SentPart, Source, Start, Tree, entries, items, text_of,
};
use crate::expr::{Draws, Template};
use crate::model::{Action, Parameter, RequestTemplate, StatusPattern};
use crate::spec::document::status_key;
use crate::spec::reproduction::CompiledReproduction;
use crate::spec::yaml::Node;

pub(super) struct Writer<'c> {
    pub(super) case: &'c CompiledReproduction,
    /// Constants whose text has references to the environment.
    pub(super) open: IndexMap<&'c str, &'c Node>,
    /// Names that have a value by now.
    pub(super) defined: IndexSet<String>,
    /// What was extracted when the file was written, as far as it is in there.
    pub(super) recorded: IndexMap<String, Value>,
    /// Lists of all that was found in an answer, which have no value here.
    pub(super) lists: IndexSet<String>,
    /// What of a request was not understood by anybody but venomqa.
    pub(super) notes: Vec<String>,
    /// Who has logged in.
    pub(super) logged_in: Vec<String>,
    /// Whose values names mean first.
    pub(super) scope: Option<&'c str>,
    /// What makes values up in the request that is written.
    pub(super) draws: Option<Arc<Draws>>,
    /// The objects of each kind.
    pub(super) pools: Pools,
}

impl<'c> Writer<'c> {
    pub(super) fn new(case: &'c CompiledReproduction) -> Self {
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
            lists: IndexSet::new(),
            notes: Vec::new(),
            logged_in: Vec::new(),
            scope: None,
            draws: None,
            pools: Pools::default(),
        }
    }

    /// The next request makes values up as this one does, after so many effects.
    pub(super) fn draw_for(&mut self, request: Option<&RequestTemplate>, turn: u32) {
        let seed = self.case.reproduction.origin.seed;
        let place = request.and_then(|request| request.place.as_ref());
        self.draws = place.map(|place| Arc::new(Draws::new(seed, place, turn)));
    }

    pub(super) fn inputs(&self) -> Vec<Input> {
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
    pub(super) fn sent(
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
            .unwrap_or(if request.field("graphql").is_some() {
                "POST"
            } else {
                "GET"
            })
            .to_ascii_uppercase();
        let template = text_of(request.field("path")).unwrap_or("/");
        let path = self.path(template, parameters, &title)?;
        let is_url = |text: &str| text.starts_with("http://") || text.starts_with("https://");
        let start = match path.first() {
            Some(Part::Text(text)) if is_url(text) => Start::Nothing,
            Some(Part::Name(name)) => match self.recorded.get(name).and_then(Value::as_str) {
                Some(link) if is_url(link) => Start::Nothing,
                Some(link) if !link.starts_with('/') => Start::Base,
                _ => Start::Root,
            },
            _ => Start::Base,
        };
        let actor = self.actor(node, position);
        let carried = self.carried(actor, &title)?;
        let mut query = self.pairs(request.field("query"), parameters, &title)?;
        query.extend(carried.query);
        let sent_json = seen
            .and_then(|seen| seen.body.as_deref())
            .and_then(|body| serde_json::from_str::<Value>(body).ok());
        let (body, content_type) = if let Some(graphql) = request.field("graphql") {
            let tree = self.graphql(graphql, sent_json.as_ref(), parameters, &title)?;
            (SentBody::Json(tree), Some("application/json"))
        } else if let Some(json) = request.field("json") {
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
        } else if let Some(parts) = request.field("multipart") {
            let parts = self.multipart(parts, parameters, &title)?;
            (SentBody::Multipart(parts), None)
        } else if let Some(file) = text_of(request.field("file")) {
            let kind = mime_guess::from_path(file).first_raw();
            let kind = kind.unwrap_or("application/octet-stream");
            (SentBody::File(file.to_owned()), Some(kind))
        } else if let Some(digits) = text_of(request.field("base64")) {
            let digits = digits.split_whitespace().collect();
            (SentBody::Base64(digits), Some("application/octet-stream"))
        } else {
            (SentBody::None, None)
        };
        let basic = match request.field("basic") {
            Some(basic) => Some((
                self.text(&scalar(basic.field("user")), parameters, &title)?,
                self.text(&scalar(basic.field("password")), parameters, &title)?,
            )),
            None => carried.basic,
        };
        let headers = (carried.headers, basic.is_some());
        let headers = self.headers(request, headers, content_type, parameters, &title)?;
        let captures = self.captures(node, position);
        for cleared in items(node.field("clear")) {
            let name = cleared.as_text().unwrap_or_default();
            self.defined.shift_remove(&self.named(name));
            self.pools.clear(name);
        }
        Ok(Sent {
            title,
            notes: std::mem::take(&mut self.notes),
            method,
            path,
            start,
            query,
            headers,
            basic,
            body,
            captures,
            status: match seen {
                Some(seen) => Some(seen.status).filter(|status| *status > 0),
                None => expected_status(node),
            },
            follow_redirects: self.follow_redirects(node),
            principal: actor.map(|entry| entry.key.clone()),
            retry: None,
        })
    }

    /// An operation of GraphQL as the JSON that is sent.
    fn graphql(
        &mut self,
        node: &Node,
        sent: Option<&Value>,
        parameters: &[Parameter],
        title: &str,
    ) -> Result<Tree, String> {
        let query = node.field("query");
        let text = match query.and_then(|query| text_of(query.field("file"))) {
            None => references(&scalar(query)),
            Some(file) => {
                let path = self.case.spec.world.base_dir.join(file);
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("`{title}` sends `{file}`: {error}"))?;
                vec![Part::Text(text)]
            }
        };
        let query = match text.as_slice() {
            [Part::Text(text)] => Tree::Value(text.as_str().into()),
            _ => Tree::Text(text),
        };
        let named = |name: &str| vec![Part::Text(name.to_owned())];
        let mut fields = vec![(named("query"), query)];
        if let Some(name) = text_of(node.field("operation_name")) {
            fields.push((named("operationName"), Tree::Value(name.into())));
        }
        if let Some(variables) = node.field("variables") {
            let sent = sent.and_then(|sent| sent.get("variables"));
            let tree = self.tree(variables, sent, parameters, title)?;
            fields.push((named("variables"), tree));
        }
        Ok(Tree::Object(fields))
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
            let Some((source, pattern)) = source(&entry.node) else {
                self.notes.push(format!(
                    "`{}` is a list of all that was found, which only venomqa takes out of an answer",
                    entry.key
                ));
                self.lists.insert(entry.key.clone());
                continue;
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
                let value = self.recorded.get(&entry.key).cloned();
                let name = match self.scope {
                    Some(principal) => format!("{principal}_{}", entry.key),
                    None => (self.pools)
                        .extract(
                            &self.case.spec.model,
                            &entry.key,
                            value.as_ref(),
                            &self.defined,
                        )
                        .unwrap_or_else(|| entry.key.clone()),
                };
                self.defined.insert(name.clone());
                if let Some(value) = &value {
                    self.recorded.insert(name.clone(), value.clone());
                }
                let value = value.as_ref().map(plain).unwrap_or_default();
                let is_link = value.starts_with('/') || value.starts_with("http");
                let stays = |letter: char| {
                    letter.is_ascii_alphanumeric()
                        || "-_.~".contains(letter)
                        || is_link && letter == '/'
                };
                captures.push(Capture {
                    name,
                    source,
                    pattern,
                    is_plain: value.chars().all(stays),
                    is_link,
                    is_relative: self.is_relative(&entry.key),
                });
            }
        }
        captures
    }

    /// Whether a value of this name is a link that may be relative.
    fn is_relative(&self, name: &str) -> bool {
        let spec = &self.case.spec;
        let of_actions = spec.model.actions.iter().flat_map(Action::extractions);
        let of_principals = spec
            .world
            .principals
            .iter()
            .filter(|it| Some(it.name.as_str()) == self.scope);
        let of_logins = of_principals.flat_map(|it| &it.login);
        let own = of_logins.flat_map(|step| &step.extract);
        let of_setup = spec.world.setup.iter().flat_map(|step| &step.extract);
        let mut links = own.chain(of_setup.chain(of_actions).filter(|_| self.scope.is_none()));
        links.any(|extraction| extraction.is_link && extraction.name == name)
    }

    /// Those of every request, unless the request or its principal has its own; one that reads a value that is not there yet is left
    /// out. `has_basic` says that there is basic authentication.
    fn headers(
        &mut self,
        request: &Node,
        (carried, has_basic): (Vec<(String, Vec<Part>)>, bool),
        content_type: Option<&str>,
        parameters: &[Parameter],
        title: &str,
    ) -> Result<Vec<(String, Vec<Part>)>, String> {
        let mut own = self.pairs(request.field("headers"), parameters, title)?;
        let has = |headers: &[(String, Vec<Part>)], name: &str| {
            let mut names = headers.iter();
            names.any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let carried = carried.into_iter();
        let carried: Vec<_> = carried.filter(|(name, _)| !has(&own, name)).collect();
        own.splice(0..0, carried);
        let is_own =
            |name: &str| has_basic && name.eq_ignore_ascii_case("authorization") || has(&own, name);
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

    pub(super) fn is_defined(&self, text: &str) -> bool {
        Template::parse(text).is_ok_and(|template| {
            template.requires().iter().all(|name| {
                self.defined.contains(&self.named(name))
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
        let mut pairs = Vec::new();
        for entry in entries(node) {
            let several = match &entry.node {
                Node::List(items) => items.as_slice(),
                one => std::slice::from_ref(one),
            };
            for node in several {
                let text = scalar(Some(node));
                if let Some(items) = self.list(&text, parameters) {
                    let items = items.iter().map(|item| vec![Part::Text(plain(item))]);
                    pairs.extend(items.map(|item| (entry.key.clone(), item)));
                    continue;
                }
                let text = self.text(&text, parameters, title)?;
                pairs.push((entry.key.clone(), text));
            }
        }
        Ok(pairs)
    }

    /// The items of the list that a text names, which repeat a field: of one from an answer those that were seen.
    fn list(&mut self, text: &str, parameters: &[Parameter]) -> Option<Vec<Value>> {
        let name = self.named(whole_hole(text)?);
        if let Some(known) = self.known(&name, parameters) {
            return known.as_array().cloned();
        }
        let seen = self.recorded.get(&name)?.as_array()?.clone();
        let shown = Value::from(seen.as_slice());
        self.notes
            .push(format!("`{name}` was `{shown}` when this was written"));
        Some(seen)
    }

    fn multipart(
        &mut self,
        node: &Node,
        parameters: &[Parameter],
        title: &str,
    ) -> Result<Vec<(String, SentPart)>, String> {
        let mut parts = Vec::new();
        for entry in node.entries() {
            let several = match &entry.node {
                Node::List(items) => items.as_slice(),
                one => std::slice::from_ref(one),
            };
            for node in several {
                let field = |name: &str| text_of(node.field(name)).map(str::to_owned);
                let part = match (field("file"), node.field("text")) {
                    (Some(path), _) => SentPart::File {
                        path,
                        filename: field("filename"),
                        content_type: field("type"),
                    },
                    (None, text) => {
                        let text = scalar(text.or(Some(node)));
                        SentPart::Text(
                            self.text(&text, parameters, title)?,
                            field("type"),
                            field("filename"),
                        )
                    }
                };
                parts.push((entry.key.clone(), part));
            }
        }
        Ok(parts)
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
                    && let Some(value) = self.known(&self.named(name), parameters)
                {
                    return Ok(Tree::Value(value));
                }
                if is_hole(text) && whole_hole(text).is_none() {
                    return Ok(Tree::Value(self.computed(text, parameters, title)?));
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
                        Ok((self.text(&entry.key, parameters, title)?, tree))
                    })
                    .collect::<Result<_, String>>()?,
            ),
        })
    }
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

/// A scalar as text.
pub(super) fn scalar(node: Option<&Node>) -> String {
    match node {
        Some(Node::Scalar(Value::String(text)) | Node::Bare(text)) => text.clone(),
        Some(Node::Scalar(value)) => value.to_string(),
        _ => String::new(),
    }
}

/// Where a value is taken from, and with which regular expression; `None` for a list of all that is found.
fn source(extract: &Node) -> Option<(Source, Option<String>)> {
    if let Node::Scalar(Value::String(path)) = extract {
        return Some((Source::JsonPath(path.clone()), None));
    }
    if matches!(extract.field("all"), Some(Node::Scalar(Value::Bool(true)))) {
        return None;
    }
    let field = |name: &str| text_of(extract.field(name)).map(str::to_owned);
    let of_body = extract.field("body").and_then(|body| body.field("regex"));
    let pattern = field("regex").or_else(|| text_of(of_body).map(str::to_owned));
    let place = field("jsonpath")
        .map(Source::JsonPath)
        .or(field("header").map(Source::Header))
        .or(field("cookie").map(Source::Cookie))
        .unwrap_or(Source::Body);
    Some((place, pattern))
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
