//! From where secrets are learned: everything that one exchange shows, whatever is shown of it later.

use serde_json::Value;

use super::Secrets;
use super::names::{is_secret_field, is_secret_header, is_secret_name, is_secret_number};
use super::values::Scope;
use crate::model::{Body, Cell, Request, Response, RowChange, StepRecord};

/// Values of headers are learned without being named; `en` or `true` must not become secrets that way.
const LEAST_OF_HEADER: usize = 8;
/// So are values whose names only look like those of secrets.
const LEAST_LIKELY: usize = 6;

impl Secrets {
    /// Learns everything that a step shows of secrets.
    pub fn learn_record(&mut self, record: &StepRecord) {
        self.learn_request(&record.request);
        self.learn_response(&record.response);
        for (name, value) in &record.extracted {
            self.learn_variable(name, value);
        }
        record.rows.rows().for_each(|row| self.learn_row(row));
    }

    /// Learns what a request holds of secrets.
    pub(crate) fn learn_request(&mut self, request: &Request) {
        self.learn_target(&request.target);
        for (name, value) in &request.headers {
            self.learn_header(name, value);
        }
        if let Some(bytes) = &request.body {
            self.learn_body(&request.headers, &Body::new(bytes.clone()));
        }
    }

    /// Learns what an answer holds of secrets.
    pub(crate) fn learn_response(&mut self, response: &Response) {
        for (name, value) in &response.headers {
            self.learn_header(name, value);
        }
        self.learn_body(&response.headers, &response.body);
    }

    /// Learns the value of a variable, if its name says that it is secret.
    pub(crate) fn learn_variable(&mut self, name: &str, value: &Value) {
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
    pub(crate) fn learn_likely(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(text) if text.len() >= LEAST_LIKELY => self.learn(value),
            Value::String(text) => self.values.add(text, Scope::Place),
            Value::Number(number) if is_secret_number(name) => {
                self.values.add(&number.to_string(), Scope::Place);
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_likely(name, item)),
            Value::Object(_) => self.learn_fields(value),
            Value::Number(_) | Value::Null | Value::Bool(_) => {}
        }
    }

    /// Learns what stands under a secret name in this value, or under one that looks like it.
    pub(crate) fn learn_fields(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    self.learn_field(name, field);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_fields(item)),
            _ => {}
        }
    }

    fn learn_field(&mut self, name: &str, value: &Value) {
        if self.has_name(name) {
            self.learn(value);
        } else if is_secret_field(name) {
            self.learn_likely(name, value);
        } else {
            self.learn_fields(value);
        }
    }

    fn learn_row(&mut self, change: &RowChange) {
        let columns = &change.table.columns;
        for row in [&change.before, &change.after].into_iter().flatten() {
            for (name, cell) in columns.iter().zip(row.iter()) {
                if self.has_name(name) || is_secret_field(name) {
                    self.learn_field(name, &Cell::to_json(cell));
                }
            }
        }
    }

    fn learn_body(&mut self, headers: &[(String, String)], body: &Body) {
        let is_form = headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("content-type")
                && value.starts_with("application/x-www-form-urlencoded")
        });
        if is_form {
            self.learn_parameters(&body.bytes);
        } else if let Some(value) = body.json() {
            self.learn_fields(value);
        }
    }

    /// Learns the query of a URL.
    pub(crate) fn learn_target(&mut self, url: &str) {
        if let Some((_, query)) = url.split_once('?') {
            let query = query.split('#').next().unwrap_or_default();
            self.learn_parameters(query.as_bytes());
        }
    }

    /// Learns the parameters of a query or a form.
    fn learn_parameters(&mut self, parameters: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(parameters) {
            self.learn_field(&name, &Value::String(value.into_owned()));
        }
    }

    /// Learns what a header holds, if its name says that it is secret: the token behind `Bearer`, the value of each cookie.
    pub(crate) fn learn_header(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        if self.has_name(&name) {
            self.learn(&Value::from(value));
        }
        // Behind a scheme (`Bearer`) stands the secret.
        let token = value
            .split_once(' ')
            .map_or(value, |(_, token)| token.trim());
        match name.as_str() {
            "authorization" | "proxy-authorization" => self.learn_long(token),
            "x-api-key" => self.learn_long(value),
            "cookie" => value
                .split(';')
                .for_each(|cookie| self.learn_cookie(cookie)),
            // Behind the first `;` stand attributes.
            "set-cookie" => self.learn_cookie(value.split(';').next().unwrap_or_default()),
            "location" | "content-location" | "referer" => self.learn_target(value),
            _ if is_secret_header(&name) => {
                self.learn_likely(&name, &Value::from(value));
                self.learn_long(token);
            }
            _ => {}
        }
    }

    fn learn_cookie(&mut self, cookie: &str) {
        if let Some((_, value)) = cookie.split_once('=') {
            self.learn_long(value.trim());
        }
    }

    fn learn_long(&mut self, text: &str) {
        if text.len() >= LEAST_OF_HEADER {
            self.values.add(text, Scope::Everywhere);
        }
    }
}
