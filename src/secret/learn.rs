//! From where secrets are learned: everything that one exchange shows, whatever is shown of it later.

use serde_json::Value;

use super::Secrets;
use super::decoded::readings;
use super::encoded::encoded_words;
use super::names::{
    is_password, is_secret_field, is_secret_header, is_secret_name, is_secret_number,
};
use super::values::Scope;
use crate::model::{Body, Cell, Request, Response, RowChange, RowDelta};

/// Values of headers are learned without being named; `en` or `true` must not become secrets that way.
const LEAST_OF_HEADER: usize = 8;
/// Schemes of `Authorization` that stand before a credential (the registry of RFC 9110, 16.4, and two of common use).
const SCHEMES: [&str; 9] = [
    "apikey",
    "basic",
    "bearer",
    "digest",
    "dpop",
    "hoba",
    "mutual",
    "negotiate",
    "token",
];
/// So are values whose names only look like those of secrets.
const LEAST_LIKELY: usize = 6;
/// A shorter text of nothing but lower-case letters may be a word (`refresh`) that stands openly elsewhere.
const LEAST_OF_LETTERS: usize = 12;

impl Secrets {
    /// Learns what a step extracted.
    pub(crate) fn learn_extracted(&self, found: &[(String, Value)]) {
        for (name, value) in found {
            self.learn_variable(name, value);
        }
    }

    /// Learns a value by which somebody is known to the service: the token behind a scheme (`Bearer`), or the whole.
    pub(crate) fn learn_credential(&self, value: &Value) {
        let token = value.as_str().and_then(|text| text.split_once(' '));
        match token {
            Some((scheme, token)) if SCHEMES.iter().any(|it| it.eq_ignore_ascii_case(scheme)) => {
                self.learn_likely("token", &token.trim().into());
                self.learn_basic(token.trim());
            }
            _ => self.learn_likely("token", value),
        }
    }

    /// Learns what the rows that changed hold of secrets.
    pub(crate) fn learn_rows(&self, rows: &RowDelta) {
        rows.rows().for_each(|row| self.learn_row(row));
    }

    /// Learns what the rows that a query found hold of secrets.
    pub(crate) fn learn_found(&self, columns: &[String], rows: &[Vec<Value>]) {
        for (position, name) in columns.iter().enumerate() {
            if self.has_name(name) || is_secret_field(name) {
                let cells = rows.iter().filter_map(|row| row.get(position));
                cells.for_each(|cell| self.learn_field(name, cell));
            }
        }
    }

    /// Learns what a request holds of secrets.
    pub(crate) fn learn_request(&self, request: &Request) {
        self.learn_target(&request.target);
        for (name, value) in &request.headers {
            self.learn_header(name, value);
        }
        if let Some(bytes) = &request.body {
            self.learn_body(&request.headers, &Body::new(bytes.clone()));
        }
    }

    /// Learns what an answer holds of secrets.
    pub(crate) fn learn_response(&self, response: &Response) {
        for (name, value) in &response.headers {
            self.learn_header(name, value);
        }
        self.learn_body(&response.headers, &response.body);
    }

    /// Learns the value of a variable, if its name says that it is secret.
    pub(crate) fn learn_variable(&self, name: &str, value: &Value) {
        self.meet(name);
        if self.has_name(name) {
            self.learn(value);
        } else if is_secret_name(name) {
            self.learn_likely(name, value);
        } else {
            self.learn_fields(value);
        }
    }

    /// Learns a value whose name only looks like that of a secret. A short text may be any word and a number any count:
    /// they are hidden behind such a name and nowhere else.
    pub(crate) fn learn_likely(&self, name: &str, value: &Value) {
        match value {
            Value::String(text) => {
                let may_be_a_word = !is_password(name);
                let scope = if self.is_telling(text, may_be_a_word, LEAST_LIKELY) {
                    Scope::Everywhere
                } else {
                    Scope::Place
                };
                self.add(text, scope);
            }
            Value::Number(number) if is_secret_number(name) => {
                self.values().add(&number.to_string(), Scope::Place);
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_likely(name, item)),
            Value::Object(fields) => fields.iter().for_each(|(field, part)| {
                let name = if is_secret_field(field) { field } else { name };
                self.learn_likely(name, part);
            }),
            Value::Number(_) | Value::Null | Value::Bool(_) => {}
        }
    }

    /// Learns what stands under a secret name in this value, or under one that looks like it.
    pub(crate) fn learn_fields(&self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    self.learn_field(name, field);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_fields(item)),
            Value::String(text) => self.learn_text(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Learns what stands behind secret names in a text: JSON that is kept as text, a page, a URL. What stands openly in the
    /// same text as well is hidden in its place only.
    fn learn_text(&self, text: &str) {
        let found = self.labelled(text);
        let mut open = text.to_owned();
        for (_, place) in found.iter().rev() {
            open.replace_range(place.clone(), "");
        }
        for (name, place) in found {
            let value = &text[place];
            if open.contains(value) {
                self.values().add(value, Scope::Place);
            } else {
                self.learn_field(name, &value.into());
            }
        }
    }

    /// Learns a field or a parameter of this name, if that says that it is secret.
    pub(crate) fn learn_field(&self, name: &str, value: &Value) {
        self.meet(name);
        if self.has_name(name) {
            self.learn(value);
        } else if is_secret_field(name) {
            self.learn_likely(name, value);
            if let (true, Value::String(text)) = (name.eq_ignore_ascii_case("authorization"), value)
            {
                self.learn_header(name, text);
            }
        } else {
            self.learn_fields(value);
        }
    }

    fn learn_row(&self, change: &RowChange) {
        let columns = &change.table.columns;
        for row in [&change.before, &change.after].into_iter().flatten() {
            for (name, cell) in columns.iter().zip(row.iter()) {
                self.meet(name);
                if self.has_name(name) || is_secret_field(name) {
                    self.learn_field(name, &Cell::to_json(cell));
                }
            }
        }
    }

    fn learn_body(&self, headers: &[(String, String)], body: &Body) {
        let is_form = headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("content-type")
                && value.starts_with("application/x-www-form-urlencoded")
        });
        if is_form {
            self.learn_parameters(&body.bytes);
        } else if let Some(value) = body.json() {
            self.learn_fields(value);
        } else {
            self.learn_text(&body.text());
        }
    }

    /// Learns the query of a URL.
    pub(crate) fn learn_target(&self, url: &str) {
        if let Some((_, query)) = url.split_once('?') {
            let query = query.split('#').next().unwrap_or_default();
            self.learn_parameters(query.as_bytes());
        }
    }

    /// Learns the parameters of a query or a form.
    fn learn_parameters(&self, parameters: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(parameters) {
            self.learn_field(&name, &Value::String(value.into_owned()));
        }
    }

    /// Learns what a header holds, if its name says that it is secret: the token behind `Bearer`, the value of each cookie.
    pub(crate) fn learn_header(&self, name: &str, value: &str) {
        self.meet(name);
        let name = name.to_ascii_lowercase();
        if self.has_name(&name) {
            self.learn(&Value::from(value));
        }
        // Behind a scheme (`Bearer`) stands the secret.
        let token = value
            .split_once(' ')
            .map_or(value, |(_, token)| token.trim());
        match name.as_str() {
            "authorization" | "proxy-authorization" => {
                self.learn_long(token, false);
                self.learn_basic(token);
                // `ApiKey user:secret`, `Digest username="user", response="..."`
                token
                    .split([':', ',', ';', '=', '"', ' '])
                    .for_each(|part| self.learn_long(part, true));
            }
            "x-api-key" => self.learn_long(value, false),
            "cookie" => value
                .split(';')
                .for_each(|cookie| self.learn_cookie(cookie)),
            // Behind the first `;` stand attributes.
            "set-cookie" => self.learn_cookie(value.split(';').next().unwrap_or_default()),
            "location" | "content-location" | "referer" | "link" => {
                self.learn_target(value);
                self.learn_text(value);
            }
            _ if is_secret_header(&name) => {
                self.learn_likely(&name, &Value::from(value));
                self.learn_long(token, true);
            }
            _ => {}
        }
    }

    /// Learns the password in what basic authentication sends.
    fn learn_basic(&self, token: &str) {
        for (_, credentials) in encoded_words(token) {
            if let Some((_, password)) = credentials.split_once(':') {
                self.learn_likely("password", &password.into());
            }
        }
    }

    fn learn_cookie(&self, cookie: &str) {
        if let Some((_, value)) = cookie.split_once('=') {
            self.learn_long(value.trim(), true);
        }
    }

    fn learn_long(&self, text: &str, may_be_a_word: bool) {
        if self.is_telling(text, may_be_a_word, LEAST_OF_HEADER) {
            self.add(text, Scope::Everywhere);
        }
    }

    /// Learns a text as it is and as it reads: a header or a cookie holds it escaped as in a URL.
    fn add(&self, text: &str, scope: Scope) {
        self.values().add(text, scope);
        for reading in readings(text, false) {
            if self.is_telling(&reading.text, true, LEAST_LIKELY) {
                self.values().add(&reading.text, scope);
            }
        }
    }

    /// Whether a text that nobody called secret is hidden wherever it turns up: not where it is short, a word of the spec, or
    /// may be any word.
    fn is_telling(&self, text: &str, may_be_a_word: bool, least: usize) -> bool {
        text.len() >= least && !self.own_words.contains(text) && !(may_be_a_word && is_word(text))
    }
}

/// Whether a text may be a word of a language.
fn is_word(text: &str) -> bool {
    text.len() < LEAST_OF_LETTERS && text.bytes().all(|letter| letter.is_ascii_lowercase())
}
