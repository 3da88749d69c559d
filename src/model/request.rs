//! A request as the spec describes it: templates, compiled once.

use std::sync::Arc;

use serde_json::Value;

use super::Retry;
use super::principal::PrincipalId;
use crate::expr::{JsonTemplate, Place, Template};

/// A request with holes, filled from the context when it is sent.
#[derive(Clone, Debug)]
pub struct RequestTemplate {
    /// `GET`, `POST`, ... in upper case.
    pub method: String,
    /// Path below `http.base_url`, or an absolute URL.
    pub path: Template,
    /// Query parameters, appended to the path percent-encoded, in order.
    pub query: Vec<(String, Template)>,
    /// Headers of this request; they replace those of `http.headers` with the same name.
    pub headers: Vec<(String, Template)>,
    /// User and password of basic authentication.
    pub basic: Option<(Template, Template)>,
    /// The body.
    pub body: BodyTemplate,
    /// Who sends it; `None` where the spec names nobody.
    pub principal: Option<PrincipalId>,
    /// What it is sent again for.
    pub retry: Option<Arc<Retry>>,
    /// Where values come from that are made up for it; `None` where there are none.
    pub place: Option<Arc<Place>>,
    /// What it does, where it is an operation of GraphQL.
    pub operation: Option<Operation>,
}

/// An operation of GraphQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It promises to change nothing.
    Query,
    /// Anything else.
    Mutation,
}

/// A body with holes.
#[derive(Clone, Debug, Default)]
pub enum BodyTemplate {
    /// No body.
    #[default]
    None,
    /// `json:`, sent as `application/json`.
    Json(JsonTemplate),
    /// `form:`, sent as `application/x-www-form-urlencoded`.
    Form(Vec<(String, Template)>),
    /// `text:`, sent as it is; `text/plain` unless a header says otherwise.
    Text(Template),
    /// `multipart:`, sent as `multipart/form-data`.
    Multipart(Vec<Part>),
    /// `file:` and `base64:`, sent as they are.
    Bytes(Bytes),
}

/// A part of a `multipart/form-data` body.
#[derive(Clone, Debug)]
pub struct Part {
    /// Name of the field.
    pub name: String,
    /// The name of a file as which it is sent.
    pub filename: Option<String>,
    /// What it holds.
    pub content: PartContent,
}

/// What a part holds.
#[derive(Clone, Debug)]
pub enum PartContent {
    /// A text, and its content type where it has one.
    Text(Template, Option<String>),
    /// A file.
    File(Bytes),
}

/// Bytes that are sent as they are.
#[derive(Clone, Debug)]
pub struct Bytes {
    /// The bytes.
    pub bytes: Arc<[u8]>,
    /// What they are.
    pub content_type: String,
}

impl RequestTemplate {
    /// `GET` without parameters; for models that never reach a network.
    pub fn get(path: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            path: Template::literal(path),
            query: Vec::new(),
            headers: Vec::new(),
            basic: None,
            body: BodyTemplate::None,
            principal: None,
            retry: None,
            place: None,
            operation: None,
        }
    }

    /// Whether the method promises to change nothing (RFC 9110, section 9.2.1), or the operation of GraphQL is a query.
    pub fn is_safe(&self) -> bool {
        self.operation == Some(Operation::Query)
            || matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE")
    }

    /// Every template of the request.
    pub fn templates(&self) -> Vec<&Template> {
        let mut templates = vec![&self.path];
        templates.extend(
            self.query
                .iter()
                .chain(&self.headers)
                .map(|(_, template)| template),
        );
        templates.extend(
            self.basic
                .iter()
                .flat_map(|(user, password)| [user, password]),
        );
        match &self.body {
            BodyTemplate::None | BodyTemplate::Bytes(_) => {}
            BodyTemplate::Multipart(parts) => {
                templates.extend(parts.iter().filter_map(|part| match &part.content {
                    PartContent::Text(text, _) => Some(text),
                    PartContent::File(_) => None,
                }));
            }
            BodyTemplate::Json(json) => templates.extend(json.templates()),
            BodyTemplate::Form(fields) => {
                templates.extend(fields.iter().map(|(_, template)| template));
            }
            BodyTemplate::Text(text) => templates.push(text),
        }
        templates
    }
}

/// A named value of a parametrised action: `n=50`.
pub type Parameter = (String, Value);
