//! What no message, no report and no reproduction shows.

mod password;

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use password::passwords;
pub(crate) use password::{replace_password, settings_of_database, without_password};

/// What stands in place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// What is known to be secret during one run: names that the spec gives under `secrets:`, and every value that was seen
/// under such a name or in a header that lets somebody act as the user. A value is hidden wherever it turns up.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// In lower case.
    names: BTreeSet<String>,
    /// The longest first, so that a secret that is part of another leaves nothing of it behind.
    values: Vec<Known>,
}

/// A text that is secret.
#[derive(Clone, Debug)]
struct Known {
    text: String,
    scope: Scope,
}

/// Where a secret is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Wherever it turns up.
    Everywhere,
    /// Where it stands as a password and nowhere else, because it is a word that stands openly elsewhere.
    Place,
}

/// Headers whose values let somebody act as the user.
const SECRET_HEADERS: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
];

impl Secrets {
    /// A shorter value, taken out wherever it turns up, would leave holes in innocent words; it is hidden only where it
    /// is the whole of a text, and where it stands as a password.
    const LEAST: usize = 4;
    /// Values of headers are learned without being asked; `en` or `true` must not become secrets that way.
    const LEAST_LEARNED: usize = 8;
    /// So are values whose names only look like those of secrets.
    const LEAST_LIKELY: usize = 6;

    /// Nothing but these names; they are those of variables, headers, fields of JSON objects and columns.
    pub fn named(names: impl IntoIterator<Item = String>) -> Self {
        Self {
            names: names
                .into_iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
            values: Vec::new(),
        }
    }

    /// Whether the spec calls something of this name secret.
    pub fn has_name(&self, name: &str) -> bool {
        !self.names.is_empty() && self.names.contains(&name.to_ascii_lowercase())
    }

    /// Learns a value that is secret: its texts, and how they look in a URL.
    pub fn learn(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.learn_forms(text, Scope::Everywhere),
            Value::Number(number) => self.add(number.to_string(), Scope::Everywhere),
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.learn(field)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Learns a text, and how it looks in a URL.
    fn learn_forms(&mut self, text: &str, scope: Scope) {
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        self.add(encoded.replace('+', "%20"), scope);
        self.add(encoded, scope);
        self.add(text.to_owned(), scope);
    }

    /// Learns everything that is known there.
    pub fn learn_all(&mut self, other: &Self) {
        self.names.extend(other.names.iter().cloned());
        for known in &other.values {
            self.add(known.text.clone(), known.scope);
        }
    }

    /// Learns a value whose name only looks like that of a secret: a short text, or a number, may be anything.
    pub(crate) fn learn_likely(&mut self, value: &Value) {
        if let Value::String(text) = value
            && text.len() >= Self::LEAST_LIKELY
        {
            self.learn(value);
        }
    }

    /// Learns the password in a URL or in settings as libpq takes them, if there is one. One that stands openly elsewhere in
    /// the same text (`postgres:postgres@`) is hidden in its place only: taken out everywhere, it would be told by the holes.
    pub(crate) fn learn_url(&mut self, text: &str) {
        let open = without_password(text).replace(REDACTED, "");
        for value in passwords(text) {
            // As it stands there, and as the server sees it.
            let pairs = format!("p={}", value.replace('+', "%2B"));
            let decoded = url::form_urlencoded::parse(pairs.as_bytes())
                .next()
                .map_or_else(|| value.clone(), |(_, decoded)| decoded.into_owned());
            let scope = if open.contains(&value) || open.contains(&decoded) {
                Scope::Place
            } else {
                Scope::Everywhere
            };
            self.learn_forms(&decoded, scope);
            self.learn_forms(&value, scope);
        }
    }

    /// Learns what stands under a secret name in this value, or under one that looks like it.
    pub fn learn_fields(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    if self.has_name(name) {
                        self.learn(field);
                    } else if field.is_string() && is_secret_field(name) {
                        self.learn_likely(field);
                    } else {
                        self.learn_fields(field);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_fields(item)),
            _ => {}
        }
    }

    /// Learns what a header holds, if it is one of those that let somebody act as the user: the token behind `Bearer`,
    /// the value of each cookie.
    pub fn learn_header(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        if self.has_name(&name) {
            self.learn(&Value::String(value.to_owned()));
        }
        match name.as_str() {
            "authorization" | "proxy-authorization" => {
                self.learn_text(
                    value
                        .split_once(' ')
                        .map_or(value, |(_, token)| token.trim()),
                );
            }
            "x-api-key" => self.learn_text(value),
            "cookie" => value
                .split(';')
                .for_each(|cookie| self.learn_cookie(cookie)),
            // Behind the first `;` stand attributes.
            "set-cookie" => self.learn_cookie(value.split(';').next().unwrap_or_default()),
            _ => {}
        }
    }

    fn learn_cookie(&mut self, cookie: &str) {
        if let Some((_, value)) = cookie.split_once('=') {
            self.learn_text(value.trim());
        }
    }

    fn learn_text(&mut self, text: &str) {
        if text.len() >= Self::LEAST_LEARNED {
            self.learn(&Value::String(text.to_owned()));
        }
    }

    fn add(&mut self, text: String, scope: Scope) {
        if text.is_empty() {
            return;
        }
        if let Some(known) = self.values.iter_mut().find(|known| known.text == text) {
            if scope == Scope::Everywhere {
                known.scope = scope;
            }
            return;
        }
        let place = self
            .values
            .partition_point(|known| known.text.len() >= text.len());
        self.values.insert(place, Known { text, scope });
    }

    /// The text without any secret; borrowed where there was none in it.
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut shown = Cow::Borrowed(text);
        for Known { text: value, scope } in &self.values {
            let everywhere = *scope == Scope::Everywhere;
            if everywhere && *shown == **value {
                return REDACTED.to_owned().into();
            }
            if everywhere && value.len() >= Self::LEAST {
                if shown.contains(value.as_str()) {
                    shown = shown.replace(value.as_str(), REDACTED).into();
                }
            } else if let Cow::Owned(hidden) = replace_password(&shown, value, REDACTED) {
                shown = hidden.into();
            }
        }
        shown
    }

    fn is_known(&self, text: &str, scope: Scope) -> bool {
        self.values
            .iter()
            .any(|known| known.scope == scope && known.text == text)
    }

    /// The value of a header as it is shown.
    pub fn hide_header<'t>(&self, name: &str, value: &'t str) -> Cow<'t, str> {
        let is_secret = SECRET_HEADERS
            .iter()
            .any(|secret| name.eq_ignore_ascii_case(secret));
        if is_secret || self.has_name(name) {
            REDACTED.into()
        } else {
            self.hide(value)
        }
    }

    /// Takes every secret out of a value, its keys included.
    pub fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(shown) = self.hide(text) {
                    *text = shown;
                }
            }
            // A number is secret as a whole or not at all.
            Value::Number(number) if self.is_known(&number.to_string(), Scope::Everywhere) => {
                *value = REDACTED.into();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide_in(item)),
            Value::Object(fields) => {
                let renamed = fields.keys().any(|name| self.hide(name) != *name);
                if renamed {
                    *fields = std::mem::take(fields)
                        .into_iter()
                        .map(|(name, field)| (self.hide(&name).into_owned(), field))
                        .collect();
                }
                for (name, field) in fields {
                    let is_password = field.as_str().is_some_and(|text| {
                        self.is_known(text, Scope::Place) && is_secret_field(name)
                    });
                    if is_password || (self.has_name(name) && !field.is_null()) {
                        *field = REDACTED.into();
                    } else {
                        self.hide_in(field);
                    }
                }
            }
        }
    }
}

/// Whether something of that name is likely to hold what nobody may see.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "token",
        "secret",
        "password",
        "passwd",
        "key",
        "auth",
        "cookie",
        "credential",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// Whether a field of a body or a column of that name holds what nobody may see. Stricter than [`is_secret_name`]: `key`
/// and `author` are ordinary names there.
pub(crate) fn is_secret_field(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "password",
        "passwd",
        "secret",
        "token",
        "credential",
        "api_key",
        "apikey",
        "private_key",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// Whether the value of a header lets somebody act as the user.
pub(crate) fn is_secret_header(name: &str) -> bool {
    [
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "x-api-key",
    ]
    .iter()
    .any(|secret| name.eq_ignore_ascii_case(secret))
        || is_secret_field(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_learned_value_is_hidden_wherever_it_turns_up() {
        let mut secrets = Secrets::default();
        secrets.learn(&json!("p&ss word"));
        secrets.learn(&json!(123_456));
        assert_eq!(
            secrets.hide("the p&ss word is out"),
            "the [redacted] is out"
        );
        assert_eq!(
            secrets.hide("/login?pw=p%26ss%20word"),
            "/login?pw=[redacted]"
        );
        let mut value = json!({ "pin": 123_456, "code 123456": [1, "p&ss word"], "n": 1_234_567 });
        secrets.hide_in(&mut value);
        assert_eq!(
            value,
            json!({ "pin": REDACTED, "code [redacted]": [1, REDACTED], "n": 1_234_567 })
        );
    }

    #[test]
    fn a_password_that_is_the_name_of_the_user_too_leaves_that_name_readable() {
        let mut secrets = Secrets::default();
        let url = "postgres://postgres:postgres@127.0.0.1/shop";
        secrets.learn_url(url);
        let shown = without_password(url);
        assert_eq!(shown, "postgres://postgres:[redacted]@127.0.0.1/shop");
        assert_eq!(secrets.hide(&shown), shown);
        secrets.learn_url("postgres://postgres:s3cret@127.0.0.1/shop");
        assert_eq!(secrets.hide("s3cret"), REDACTED);
    }

    #[test]
    fn a_password_that_stands_openly_elsewhere_is_hidden_where_it_is_a_password() {
        for (url, password) in [
            ("postgres://app:app@127.0.0.1/db", "app"),
            ("postgres://qa:s10@127.0.0.1/s10", "s10"),
            ("postgres://qa:postgres@127.0.0.1/db", "postgres"),
            ("postgres://qa:qa@localhost:5432,127.0.0.1:5433/db", "qa"),
            ("postgres://a%40b:a%40b@127.0.0.1/db", "a%40b"),
            ("postgres://a%40b:a%40b@127.0.0.1/db", "a@b"),
            ("postgres:///shop?user=shop&password=shop", "shop"),
            ("host=127.0.0.1 user='a b' password='a b'", "a b"),
        ] {
            let mut secrets = Secrets::default();
            secrets.learn_url(url);
            for place in [
                "postgres://user:***@127.0.0.1/db",
                "postgres%3A%2F%2Fuser%3A***%40127.0.0.1%2Fdb",
                "postgres:///db?user=user&password=***&sslmode=disable",
                "host=127.0.0.1 PGPASSWORD=***",
                "Password = '***' host=127.0.0.1",
                r#"{"password":"***"}"#,
                r#"{\"db_password\": \"***\"}"#,
                "dsn=%3Fpassword%3D***%26sslmode%3Ddisable",
            ] {
                let text = format!("GRANT SET TO {password}; {place}");
                assert_eq!(
                    secrets.hide(&text.replace("***", password)),
                    text.replace("***", REDACTED),
                    "{url}"
                );
            }
            for innocent in [
                format!("{password} is the owner of {password}"),
                format!("password={password}s"),
                format!("{password}:5432@{password}"),
                format!("postgres://{password}@127.0.0.1/{password}"),
            ] {
                assert_eq!(secrets.hide(&innocent), innocent, "{url}");
            }
            let mut body = json!({ "owner": password, "password": password });
            secrets.hide_in(&mut body);
            assert_eq!(body, json!({ "owner": password, "password": REDACTED }));
        }
    }

    #[test]
    fn a_password_that_is_learned_from_another_url_is_hidden_everywhere_from_then_on() {
        let mut secrets = Secrets::default();
        secrets.learn_url("postgres://shop:shop@127.0.0.1/db");
        let mut others = Secrets::default();
        others.learn_all(&secrets);
        assert_eq!(others.hide("shop:shop@"), "shop:[redacted]@");
        others.learn_url("postgres://qa:shop@127.0.0.1/db");
        assert_eq!(others.hide("shop:shop@"), "[redacted]:[redacted]@");
        others.learn_all(&secrets);
        assert_eq!(others.hide("shop"), REDACTED);
    }

    #[test]
    fn passwords_in_settings_are_learned_from_nothing_but_settings() {
        let mut secrets = Secrets::default();
        secrets.learn_url(r"host=127.0.0.1 password = 'it\'s top secret' user=qa");
        assert_eq!(
            secrets.hide("with it's top secret of qa"),
            "with [redacted] of qa"
        );
        secrets.learn_url("SELECT id FROM users WHERE password = NULL");
        secrets.learn_url("reset_token_ttl=15 minutes");
        assert_eq!(secrets.hide("NULL"), "NULL");
        assert_eq!(secrets.hide("15"), "15");
    }

    #[test]
    fn a_short_secret_leaves_no_holes_in_other_words() {
        let mut secrets = Secrets::default();
        secrets.learn(&json!("qa"));
        assert_eq!(secrets.hide("qa"), REDACTED);
        assert_eq!(secrets.hide("quality and qa"), "quality and qa");
    }

    #[test]
    fn what_headers_let_somebody_do_is_hidden_in_bodies_too() {
        let mut secrets = Secrets::default();
        secrets.learn_header("Authorization", "Bearer abcdef-12345");
        secrets.learn_header("Set-Cookie", "sid=0123456789; Path=/; HttpOnly");
        secrets.learn_header("Cookie", "lang=en; sid=9876543210");
        let mut body = json!({ "token": "abcdef-12345", "lang": "en", "path": "/" });
        secrets.hide_in(&mut body);
        assert_eq!(
            body,
            json!({ "token": REDACTED, "lang": "en", "path": "/" })
        );
        assert_eq!(
            secrets.hide("0123456789 9876543210"),
            "[redacted] [redacted]"
        );
    }

    #[test]
    fn a_named_secret_hides_headers_fields_and_columns_of_that_name() {
        let secrets = Secrets::named(["Api_Token".to_owned(), "X-Session".to_owned()]);
        assert_eq!(secrets.hide_header("x-session", "s"), REDACTED);
        assert_eq!(secrets.hide_header("Cookie", "a=b"), REDACTED);
        assert_eq!(secrets.hide_header("Accept", "text/plain"), "text/plain");
        let mut row = json!({ "id": 1, "api_token": { "a": 1 }, "x": null });
        secrets.hide_in(&mut row);
        assert_eq!(row, json!({ "id": 1, "api_token": REDACTED, "x": null }));
    }
}
