//! From a request template to the bytes that are sent. The rules for what values do to a path stand in [`mod@path`], bodies in
//! [`mod@body`].

mod body;
mod path;
mod redirect;

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue,
};
use url::{Origin, Url, form_urlencoded};

use self::body::{RenderedBody, body};
use self::path::{Path, Start};
pub(super) use self::redirect::Redirect;
use super::principals::{Credentials, Principal, Sessions};
use crate::expr::{Draws, EvalError, LONGEST, Lookup, Template};
use crate::model::{Request, RequestTemplate};
use crate::secret::is_secret_header;
use serde_json::Value;

/// A request that is ready to be sent, and its record.
#[derive(Debug)]
pub(super) struct Rendered {
    /// What is sent.
    pub(super) wire: reqwest::Request,
    /// What reports show of it.
    pub(super) record: Request,
    /// Whether its cookies come from the jar, and not from the spec.
    pub(super) has_jar_cookies: bool,
    /// What whoever sends it is known by.
    pub(super) credentials: Vec<String>,
}

/// Why a request cannot be sent.
#[derive(Debug)]
pub(super) struct Unsendable {
    /// What is wrong, in words that continue the name of the request.
    pub(super) why: String,
    /// What to do about it.
    pub(super) help: Option<String>,
    /// Whether a value is at fault, for which no URL is sent.
    pub(super) is_value: bool,
}

impl From<String> for Unsendable {
    fn from(why: String) -> Self {
        Self {
            why,
            help: None,
            is_value: false,
        }
    }
}

/// Where requests go, and what each of them carries.
#[derive(Debug)]
pub(super) struct Target {
    /// `base_url` without a slash at its end.
    base: String,
    /// Length of its part before the path.
    origin: usize,
    url: Url,
    /// Other origins to which a value may lead a request.
    origins: Vec<Origin>,
    headers: Vec<(HeaderName, String, Template)>,
    follow_redirects: u32,
    /// The header that holds the id of a request, and its name as the spec has it.
    request_id: Option<(HeaderName, String)>,
    principals: Arc<[Principal]>,
}

impl Target {
    /// Checks `base_url` and the names of the headers. An error is a sentence about what is wrong.
    pub(super) fn new(base_url: &str, headers: &[(String, Template)]) -> Result<Self, String> {
        let url = Url::parse(base_url).map_err(|error| {
            format!("`http.base_url` is `{base_url}`, which is no URL: {error}")
        })?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(format!(
                "`http.base_url` is `{base_url}`, but only `http://` and `https://` URLs can be reached"
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "`http.base_url` has a user name or password; send it as a header instead (`http.headers`)"
                    .to_owned(),
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!(
                "`http.base_url` is `{base_url}`; it may have a path, but no `?` or `#`"
            ));
        }
        let headers = headers
            .iter()
            .map(|(name, template)| Ok((header_name(name)?, name.clone(), template.clone())))
            .collect::<Result<_, String>>()?;
        Ok(Self {
            origin: url[..url::Position::BeforePath].len(),
            base: url.as_str().trim_end_matches('/').to_owned(),
            url,
            origins: Vec::new(),
            headers,
            follow_redirects: 0,
            request_id: None,
            principals: Arc::default(),
        })
    }

    /// The same, where values may also lead requests to these origins.
    pub(super) fn with_origins(mut self, origins: &[String]) -> Result<Self, String> {
        for origin in origins {
            let url = Url::parse(origin).map_err(|error| {
                format!("`http.origins` has `{origin}`, which is no URL: {error}")
            })?;
            self.origins.push(url.origin());
        }
        Ok(self)
    }

    /// The same, where so many redirects in a row are followed.
    pub(super) fn following(mut self, redirects: u32) -> Self {
        self.follow_redirects = redirects;
        self
    }

    /// The same, where each request to the service has an id in a header of this name.
    pub(super) fn naming_requests(mut self, header: Option<&str>) -> Result<Self, String> {
        self.request_id = header
            .map(|name| Ok::<_, String>((header_name(name)?, name.to_owned())))
            .transpose()?;
        Ok(self)
    }

    /// Gives a request this id, unless it has one of the spec, or goes elsewhere.
    pub(super) fn name_request(&self, request: &mut Rendered, number: u64) {
        let Some((header, written)) = &self.request_id else {
            return;
        };
        let Rendered { wire, record, .. } = request;
        if wire.url().origin() != self.url.origin() || wire.headers().contains_key(header) {
            return;
        }
        let id = format!("venomqa-{number}");
        if let Ok(value) = HeaderValue::from_str(&id) {
            wire.headers_mut().insert(header.clone(), value);
            record.headers.push((written.clone(), id));
        }
    }

    /// The same, where requests may be sent as these principals. An error where a name of their headers is none.
    pub(super) fn acting_as(mut self, principals: Arc<[Principal]>) -> Result<Self, String> {
        for (name, _) in principals.iter().flat_map(|principal| &principal.headers) {
            header_name(name)?;
        }
        self.principals = principals;
        Ok(self)
    }

    /// `base_url`, checked.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Fills the templates. An error says which template could not be filled, and why.
    pub(super) fn render(
        &self,
        template: &RequestTemplate,
        values: &Arc<dyn Lookup>,
        sessions: &Sessions,
    ) -> Result<Rendered, Unsendable> {
        let method = Method::from_bytes(template.method.as_bytes())
            .map_err(|_| format!("`{}` is no HTTP method", template.method))?;
        let filler = &mut Filler::new(values);
        let mut url = self.request_url(template, filler)?;
        let audience = self.audience(&url, template)?;
        let credentials = match audience {
            Audience::Service => self.credentials(template, sessions, values.draws())?,
            Audience::OfSpec | Audience::OfValue => Credentials::default(),
        };
        if !credentials.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&credentials.query);
        }
        let (mut headers, mut shown) = self.headers(template, filler, audience, &credentials)?;
        let body = body(&template.body, filler)?.map(
            |RenderedBody {
                 bytes,
                 content_type,
             }| {
                let missing = !headers.contains_key(CONTENT_TYPE);
                (bytes, missing.then_some(content_type))
            },
        );
        if let Some((_, Some(content_type))) = &body {
            headers.insert(CONTENT_TYPE, header_value("content-type", content_type)?);
            shown.push(("content-type".to_owned(), content_type.to_string()));
        }
        let body = body.map(|(bytes, _)| bytes);
        // RFC 9110, 8.6: some servers refuse such a request without a length.
        let is_empty = body.as_ref().is_none_or(Vec::is_empty);
        if is_empty && matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            let entry = headers.entry(CONTENT_LENGTH);
            entry.or_insert(HeaderValue::from_static("0"));
        }
        let mut has_jar_cookies = false;
        if audience == Audience::Service
            && !headers.contains_key(COOKIE)
            && let Some(cookie) = sessions.cookies(template.principal).header(&url)
        {
            headers.insert(COOKIE, header_value("cookie", &cookie)?);
            shown.push(("cookie".to_owned(), cookie));
            has_jar_cookies = true;
        }
        let record = Request {
            method: template.method.clone(),
            target: self.shown_target(&url),
            headers: shown,
            body: body.as_deref().map(Arc::from),
        };
        let mut wire = reqwest::Request::new(method, url);
        *wire.headers_mut() = headers;
        *wire.body_mut() = body.map(reqwest::Body::from);
        Ok(Rendered {
            wire,
            record,
            has_jar_cookies,
            credentials: credentials.secrets(),
        })
    }

    /// What the principal of a request carries.
    fn credentials(
        &self,
        template: &RequestTemplate,
        sessions: &Sessions,
        draws: Option<&Arc<Draws>>,
    ) -> Result<Credentials, String> {
        let Some(id) = template.principal else {
            return Ok(Credentials::default());
        };
        match (self.principals.get(id.0 as usize), sessions.of(id)) {
            (Some(principal), Some(session)) => principal.credentials(session, draws),
            _ => Ok(Credentials::default()),
        }
    }

    fn request_url(
        &self,
        template: &RequestTemplate,
        filler: &mut Filler<'_>,
    ) -> Result<Url, Unsendable> {
        let pieces = template
            .path
            .pieces(filler.values)
            .map_err(|error| unfilled_text("path", &template.path, &error))?;
        let path = Path::of(&pieces);
        filler.count("path", path.text.len())?;
        let mut text = match path.start {
            Start::Base => self.base.clone(),
            Start::Root => self.url[..url::Position::BeforePath].to_owned(),
            Start::Scheme => format!("{}:", self.url.scheme()),
            Start::Nothing => String::new(),
        };
        let is_here = matches!(path.start, Start::Base | Start::Root);
        if is_here && !path.text.starts_with('/') {
            text.push('/');
        }
        text.push_str(&path.text);
        if !template.query.is_empty() {
            text.push(if text.contains('?') { '&' } else { '?' });
            let mut pairs = form_urlencoded::Serializer::new(String::new());
            for (name, value) in &template.query {
                for value in filler.fill_each("query", value)? {
                    pairs.append_pair(name, &value);
                }
            }
            text.push_str(&pairs.finish());
        }
        let url = Url::parse(&text).map_err(|error| {
            format!(
                "the path renders to `{}`, which is no URL: {error}",
                path.text
            )
        })?;
        let wanted = text.get(self.origin..).unwrap_or_default();
        let sent = &url[url::Position::BeforePath..];
        if is_here && sent != wanted {
            let rendered = &path.text;
            return Err(Unsendable {
                why: format!(
                    "the path renders to `{rendered}`, but `{sent}` would be sent: `.` and `..` segments are resolved before a request is sent, so a value must not bring them in"
                ),
                help: Some(
                    "if the service made this value, no client can ask for what it names; a precondition such as `id not in ['.', '..']` keeps the action away from it".to_owned(),
                ),
                is_value: true,
            });
        }
        Ok(url)
    }

    /// Whom a request reaches. What an answer says cannot send requests, and what they carry, to just anybody.
    fn audience(&self, url: &Url, template: &RequestTemplate) -> Result<Audience, Unsendable> {
        let origin = url.origin();
        if origin == self.url.origin() {
            Ok(Audience::Service)
        } else if writes_origin(template.path.source()) {
            Ok(Audience::OfSpec)
        } else if self.origins.contains(&origin) {
            Ok(Audience::OfValue)
        } else {
            let (origin, own) = (origin.ascii_serialization(), self.url.origin());
            Err(Unsendable {
                why: format!(
                    "the path renders to `{url}`, but a value may not lead a request away from the service at `{}`",
                    own.ascii_serialization()
                ),
                help: Some(format!(
                    "if the service means to lead there, allow it: `http: {{ origins: [\"{origin}\"] }}`; `http.headers`, cookies and other credentials stay behind"
                )),
                is_value: false,
            })
        }
    }

    /// Path and query; the whole URL where the request leaves the service.
    fn shown_target(&self, url: &Url) -> String {
        if url.origin() == self.url.origin() {
            url[url::Position::BeforePath..].to_owned()
        } else {
            url.as_str().to_owned()
        }
    }

    /// The headers of the spec: those of the request in place of those of its principal with the same name, and these in place of
    /// those of `http.headers`. Credentials go to nobody but the service.
    fn headers(
        &self,
        template: &RequestTemplate,
        filler: &mut Filler<'_>,
        audience: Audience,
        credentials: &Credentials,
    ) -> Result<(HeaderMap, Vec<(String, String)>), String> {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + template.headers.len() + 2);
        let mut shown = Vec::with_capacity(headers.capacity());
        for (name, written, value) in &self.headers {
            let replaced = has(&template.headers, written) || has(&credentials.headers, written);
            // `Authorization: Bearer {{ token }}` has no value yet when the request that fetches the token is sent: the
            // header is then left out rather than making the first request impossible.
            let open = value
                .requires()
                .iter()
                .any(|needed| filler.values.lookup(needed).is_none());
            if audience == Audience::Service && !replaced && !open {
                let text = filler.fill(written, value)?;
                headers.append(name.clone(), header_value(written, &text)?);
                shown.push((written.clone(), text));
            }
        }
        let own = &template.headers;
        for (written, text) in credentials
            .headers
            .iter()
            .filter(|(name, _)| !has(own, name))
        {
            headers.append(header_name(written)?, header_value(written, text)?);
            shown.push((written.clone(), text.clone()));
        }
        if let Some((user, password)) = &template.basic
            && audience != Audience::OfValue
        {
            let (user, password) = (
                filler.fill("user", user)?,
                filler.fill("password", password)?,
            );
            let digits = BASE64_STANDARD.encode(format!("{user}:{password}"));
            let text = format!("Basic {digits}");
            // It takes the place of the header that every request has.
            headers.insert(AUTHORIZATION, header_value("Authorization", &text)?);
            shown.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
            shown.push(("Authorization".to_owned(), text));
        }
        for (written, value) in &template.headers {
            if audience == Audience::OfValue && is_secret_header(written) {
                continue;
            }
            let text = filler.fill(written, value)?;
            headers.append(header_name(written)?, header_value(written, &text)?);
            shown.push((written.clone(), text));
        }
        Ok((headers, shown))
    }
}

/// Whether a header of this name is among these.
fn has<T>(headers: &[(String, T)], name: &str) -> bool {
    headers
        .iter()
        .any(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// Whom a request reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    /// The origin of `base_url`.
    Service,
    /// Another origin, which the spec itself writes out: it gets what the request itself carries.
    OfSpec,
    /// Another origin, to which a value leads.
    OfValue,
}

/// Whether a path begins with an origin in which nothing is filled in.
fn writes_origin(path: &str) -> bool {
    let written = path.split("{{").next().unwrap_or_default();
    let behind_scheme = written.split_once("://").map(|(_, rest)| rest);
    behind_scheme.is_some_and(|rest| written.len() == path.len() || rest.contains(['/', '?']))
}

/// Fills the templates of one request, which are bounded together.
struct Filler<'v> {
    values: &'v Arc<dyn Lookup>,
    /// Bytes that may still come.
    left: usize,
}

impl<'v> Filler<'v> {
    fn new(values: &'v Arc<dyn Lookup>) -> Self {
        Self {
            values,
            left: LONGEST,
        }
    }

    fn fill(&mut self, part: &str, template: &Template) -> Result<String, String> {
        let text = template
            .render(self.values)
            .map_err(|error| unfilled_text(part, template, &error))?;
        self.count(part, text.len())?;
        Ok(text)
    }

    /// The values of a field: each item, where the template is the name of a list.
    fn fill_each(&mut self, part: &str, template: &Template) -> Result<Vec<String>, String> {
        if template.is_name()
            && let Ok(Value::Array(items)) = template.evaluate(self.values)
        {
            let texts = items.into_iter().map(|item| match item {
                Value::String(text) => text,
                other => other.to_string(),
            });
            let texts: Vec<String> = texts.collect();
            self.count(part, texts.iter().map(String::len).sum())?;
            return Ok(texts);
        }
        self.fill(part, template).map(|text| vec![text])
    }

    /// Counts bytes of this part of the request.
    fn count(&mut self, part: &str, length: usize) -> Result<(), String> {
        self.left = self.left.checked_sub(length).ok_or_else(|| {
            format!(
                "with `{part}`, the request is larger than {} MB",
                LONGEST >> 20
            )
        })?;
        Ok(())
    }
}

fn unfilled_text(part: &str, template: &Template, error: &EvalError) -> String {
    format!("cannot fill `{part}: {}`: {error}", template.source())
}

fn unfilled(part: &str, error: &EvalError) -> String {
    format!("cannot fill `{part}`: {error}")
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("`{name}` is no name of a header"))?;
    if parsed == "content-length" || parsed == "transfer-encoding" {
        return Err(format!(
            "the header `{name}` follows from the body and cannot be set"
        ));
    }
    Ok(parsed)
}

fn header_value(name: &str, text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
        format!(
            "the header `{name}` renders to {text:?}; a line break or another control character cannot stand there"
        )
    })
}

#[cfg(test)]
mod tests;
