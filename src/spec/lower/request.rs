//! Requests and extractions.

use indexmap::IndexMap;
use regex::Regex;

use super::Lowering;
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::expr::{JsonTemplate, Template};
use crate::model::{BodyTemplate, ExtractSource, Extraction, RequestTemplate, VariableId};
use crate::spec::compile::is_name;
use crate::spec::document::{Extract, Request, ScalarText, Texts};
use crate::spec::names::Scope;

impl Lowering<'_> {
    pub(super) fn request(
        &mut self,
        at: &Path,
        request: &Request,
        scope: Scope<'_>,
    ) -> RequestTemplate {
        let graphql = request
            .graphql
            .as_ref()
            .and_then(|graphql| self.graphql(&at.key("graphql"), graphql, scope));
        let (graphql, operation) = graphql.unzip();
        let method = self.method(at, request);
        self.path_text(&at.key("path"), &request.path);
        self.placeholders(&at.key("path"), &request.path);
        RequestTemplate {
            method,
            path: self
                .compiler
                .template(&at.key("path"), &request.path, scope),
            query: self.fields(&at.key("query"), &request.query, scope),
            headers: self.headers(&at.key("headers"), &request.headers, scope),
            basic: request.basic.as_ref().map(|basic| {
                let at = at.key("basic");
                (
                    self.compiler
                        .template(&at.key("user"), &basic.user.0, scope),
                    self.compiler
                        .template(&at.key("password"), &basic.password.0, scope),
                )
            }),
            body: self.body(at, request, scope, graphql),
            principal: None,
            retry: None,
            place: None,
            operation,
        }
    }

    fn method(&mut self, at: &Path, request: &Request) -> String {
        let is_graphql = request.graphql.is_some();
        let Some(method) = &request.method else {
            let default = if is_graphql { "POST" } else { "GET" };
            return default.to_owned();
        };
        if is_graphql && !method.eq_ignore_ascii_case("POST") {
            self.at_value(
                &at.key("method"),
                "",
                Diagnostic::error(
                    Code::Contradiction,
                    "an operation of GraphQL is sent with `POST`",
                )
                .help("remove `method`"),
            );
        }
        if !is_token(method) {
            self.at_value(
                &at.key("method"),
                "",
                Diagnostic::error(Code::BadValue, format!("`{method}` is no HTTP method"))
                    .help("write one word, such as `GET` or `POST`"),
            );
        }
        method.to_ascii_uppercase()
    }

    /// Checks what a path begins with.
    fn path_text(&mut self, at: &Path, path: &str) {
        let begins = ["/", "{{", "{%", "http://", "https://"];
        if !begins.iter().any(|begin| path.starts_with(begin)) {
            self.at_value(
                at,
                "expected a `/` first",
                Diagnostic::error(
                    Code::BadValue,
                    format!("the path `{path}` does not start with `/`"),
                )
                .help(format!(
                    "write `/{path}` for a path below `http.base_url`, or a whole URL"
                )),
            );
        }
    }

    /// Warns about what is a placeholder in other notations, and is sent as it is here: `/orders/{id}`, `/orders/:id`.
    fn placeholders(&mut self, at: &Path, text: &str) {
        let path = text.split('?').next().unwrap_or_default();
        let mut start = 0;
        for segment in path.split('/') {
            let part = start..start + segment.len();
            start = part.end + 1;
            let within = |open: &str, close: &str| {
                let name = segment.strip_prefix(open)?.strip_suffix(close)?;
                is_name(name).then_some(name)
            };
            let Some(name) = within("{", "}").or_else(|| within(":", "")) else {
                continue;
            };
            let meant = self.known.meant(name).unwrap_or_else(|| name.to_owned());
            let name = if self.known.is_value(name) {
                name
            } else {
                &meant
            };
            let help = if self.known.is_value(name) {
                format!("write `{{{{ {name} }}}}`")
            } else {
                format!(
                    "write `{{{{ {name} }}}}`, and let an action extract it: `extract: {{ {name}: $.{name} }}`"
                )
            };
            let message = format!("`{segment}` is no placeholder: it is sent as it is");
            let diagnostic = Diagnostic::warning(Code::BadTemplate, message).help(help);
            self.compiler
                .problems
                .inside(at, text, &part, "", diagnostic);
        }
    }

    pub(super) fn headers(
        &mut self,
        at: &Path,
        headers: &IndexMap<String, ScalarText>,
        scope: Scope<'_>,
    ) -> Vec<(String, Template)> {
        for name in headers.keys() {
            self.header_name(&at.key(name), name);
        }
        self.templates(at, headers, scope)
    }

    pub(super) fn header_name(&mut self, at: &Path, name: &str) {
        if !is_token(name) {
            self.at_key(
                at,
                "",
                Diagnostic::error(Code::BadValue, format!("`{name}` is no header name"))
                    .help("letters, digits and `-` make a header name"),
            );
        }
    }

    pub(super) fn templates(
        &mut self,
        at: &Path,
        texts: &IndexMap<String, ScalarText>,
        scope: Scope<'_>,
    ) -> Vec<(String, Template)> {
        texts
            .iter()
            .map(|(name, text)| {
                let template = self.compiler.template(&at.key(name), &text.0, scope);
                (name.clone(), template)
            })
            .collect()
    }

    /// Fields whose names may stand several times.
    fn fields(
        &mut self,
        at: &Path,
        fields: &IndexMap<String, Texts>,
        scope: Scope<'_>,
    ) -> Vec<(String, Template)> {
        let mut all = Vec::new();
        for (name, texts) in fields {
            for (at, text) in texts.at(&at.key(name)) {
                all.push((name.clone(), self.compiler.template(&at, &text.0, scope)));
            }
        }
        all
    }

    fn body(
        &mut self,
        at: &Path,
        request: &Request,
        scope: Scope<'_>,
        graphql: Option<JsonTemplate>,
    ) -> BodyTemplate {
        let written: Vec<&str> = [
            ("json", request.json.is_some()),
            ("form", request.form.is_some()),
            ("multipart", request.multipart.is_some()),
            ("text", request.text.is_some()),
            ("file", request.file.is_some()),
            ("base64", request.base64.is_some()),
            ("graphql", request.graphql.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, there)| there.then_some(key))
        .collect();
        if let [first, second, ..] = written.as_slice() {
            let diagnostic = self.compiler.problems.beside(
                &at.key(first),
                "one body",
                Diagnostic::error(
                    Code::Contradiction,
                    format!("a request has one body, not `{first}` and `{second}`"),
                ),
            );
            self.at_key(&at.key(second), "another body", diagnostic);
        }
        // Each of them is compiled, so that every mistake is reported.
        let json = request
            .json
            .as_ref()
            .and_then(|json| self.compiler.json(&at.key("json"), &json.0, scope));
        let form = request
            .form
            .as_ref()
            .map(|form| self.fields(&at.key("form"), form, scope));
        let multipart = request
            .multipart
            .as_ref()
            .map(|parts| self.multipart(&at.key("multipart"), parts, scope));
        let file = request
            .file
            .as_ref()
            .and_then(|file| self.file(&at.key("file"), file));
        let base64 = request
            .base64
            .as_ref()
            .and_then(|text| self.base64(&at.key("base64"), text));
        let text = request
            .text
            .as_ref()
            .map(|text| self.compiler.template(&at.key("text"), text, scope));
        json.or(graphql)
            .map(BodyTemplate::Json)
            .or(form.map(BodyTemplate::Form))
            .or(multipart.map(BodyTemplate::Multipart))
            .or(text.map(BodyTemplate::Text))
            .or(file.or(base64).map(BodyTemplate::Bytes))
            .unwrap_or_default()
    }

    pub(super) fn extractions(
        &mut self,
        at: &Path,
        extract: &IndexMap<String, Extract>,
    ) -> Vec<Extraction> {
        let known = self.known;
        let number = |name: &str| {
            let position = known.variables.get_index_of(name)?;
            Some(VariableId(position as u32))
        };
        self.extractions_as(at, extract, &number)
    }

    /// The same, where the variables have these numbers.
    pub(super) fn extractions_as(
        &mut self,
        at: &Path,
        extract: &IndexMap<String, Extract>,
        number: &dyn Fn(&str) -> Option<VariableId>,
    ) -> Vec<Extraction> {
        let mut extractions = Vec::new();
        for (name, entry) in extract {
            let at = at.key(name);
            if !is_identifier(name) {
                self.at_key(
                    &at,
                    "",
                    Diagnostic::error(
                        Code::BadName,
                        format!("`{name}` cannot be read by a template or a condition"),
                    )
                    .help("a name is made of letters, digits and `_`, and starts with a letter"),
                );
            }
            let Some((source, pattern)) = self.extract_source(&at, entry) else {
                continue;
            };
            let Some(variable) = number(name) else {
                continue;
            };
            extractions.push(Extraction {
                variable,
                name: name.clone(),
                source,
                pattern,
                all: entry.from.all,
                optional: entry.from.optional,
                is_link: false,
            });
        }
        extractions
    }

    fn extract_source(
        &mut self,
        at: &Path,
        entry: &Extract,
    ) -> Option<(ExtractSource, Option<Regex>)> {
        let from = &entry.from;
        let places: Vec<&str> = [
            ("jsonpath", from.jsonpath.is_some()),
            ("header", from.header.is_some()),
            ("cookie", from.cookie.is_some()),
            ("body", from.body.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, there)| there.then_some(key))
        .collect();
        if let [one, other, ..] = places.as_slice() {
            let message = format!("a value comes from `{one}` or from `{other}`, not from both");
            self.at_key(at, "", Diagnostic::error(Code::Contradiction, message));
            return None;
        }
        let of_body = from.body.as_ref().and_then(|body| body.regex.as_ref());
        let pattern = match (&from.regex, of_body) {
            (Some(_), Some(_)) => {
                let message = "`regex` stands twice, here and in `body`";
                self.at_key(at, "", Diagnostic::error(Code::Contradiction, message));
                return None;
            }
            (Some(text), None) => Some(self.compiler.regex(&at.key("regex"), text)?),
            (None, Some(text)) => Some(self.compiler.regex(&at.key("body").key("regex"), text)?),
            (None, None) => None,
        };
        let source = if let Some(text) = &from.jsonpath {
            let at = if entry.short {
                at.clone()
            } else {
                at.key("jsonpath")
            };
            ExtractSource::JsonPath(self.compiler.jsonpath(&at, text)?)
        } else if let Some(header) = &from.header {
            self.header_name(&at.key("header"), header);
            ExtractSource::Header(header.clone())
        } else if let Some(cookie) = &from.cookie {
            ExtractSource::Cookie(cookie.clone())
        } else if from.body.is_some() || pattern.is_some() {
            ExtractSource::Body
        } else {
            if !self.compiler.problems.is_broken(at) {
                let message = format!("`{at}` lacks `jsonpath`, `header`, `cookie` or `body`");
                self.at_key(
                    at,
                    "from where?",
                    Diagnostic::error(Code::MissingKey, message),
                );
            }
            return None;
        };
        Some((source, pattern))
    }
}

/// Whether the text is a token of RFC 9110.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether expressions can read a name.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}
