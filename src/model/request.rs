//! A request as the spec describes it: templates, compiled once.

use serde_json::Value;

use crate::expr::{JsonTemplate, Template};

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
    /// The body.
    pub body: BodyTemplate,
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
}

impl RequestTemplate {
    /// `GET` without parameters; for models that never reach a network.
    pub fn get(path: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            path: Template::literal(path),
            query: Vec::new(),
            headers: Vec::new(),
            body: BodyTemplate::None,
        }
    }

    /// Whether the method promises to change nothing (RFC 9110, section 9.2.1).
    pub fn is_safe(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE")
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
        match &self.body {
            BodyTemplate::None => {}
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
