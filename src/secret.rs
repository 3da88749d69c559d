//! What no message, no report and no reproduction shows.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

/// What stands in place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// What is known to be secret during one run: names that the spec gives under `secrets:`, and every value that was seen
/// under such a name or in a header that lets somebody act as the user. A value is hidden wherever it turns up.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// In lower case.
    names: BTreeSet<String>,
    /// The longest first, so that a secret that is part of another leaves nothing of it behind.
    values: Vec<String>,
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
    /// is the whole of a text.
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
            Value::String(text) => {
                let encoded: String =
                    url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
                self.add(encoded.replace('+', "%20"));
                self.add(encoded);
                self.add(text.clone());
            }
            Value::Number(number) => self.add(number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.learn(field)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Learns everything that is known there.
    pub fn learn_all(&mut self, other: &Self) {
        self.names.extend(other.names.iter().cloned());
        for value in &other.values {
            self.add(value.clone());
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

    /// Learns the password in a URL, if there is one. One that stands openly elsewhere in the same URL (`postgres:postgres@`)
    /// is hidden in its place only: taken out everywhere, it would be told by the holes.
    pub(crate) fn learn_url(&mut self, text: &str) {
        let Ok(url) = url::Url::parse(text) else {
            return;
        };
        let options = url
            .query_pairs()
            .filter(|(name, _)| is_secret_field(name))
            .map(|(_, value)| value.into_owned());
        let open = without_password(text).replace(REDACTED, "");
        for value in url.password().map(str::to_owned).into_iter().chain(options) {
            if open.contains(&value) {
                continue;
            }
            // As it stands in the URL, and as the server sees it.
            let pairs = format!("p={}", value.replace('+', "%2B"));
            for (_, decoded) in url::form_urlencoded::parse(pairs.as_bytes()) {
                self.learn(&Value::String(decoded.into_owned()));
            }
            self.learn(&Value::String(value));
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

    fn add(&mut self, value: String) {
        if value.is_empty() || self.values.contains(&value) {
            return;
        }
        let place = self
            .values
            .partition_point(|known| known.len() >= value.len());
        self.values.insert(place, value);
    }

    /// The text without any secret; borrowed where there was none in it.
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut shown = Cow::Borrowed(text);
        for value in &self.values {
            if *shown == **value {
                return REDACTED.to_owned().into();
            }
            if value.len() >= Self::LEAST && shown.contains(value.as_str()) {
                shown = shown.replace(value.as_str(), REDACTED).into();
            }
        }
        shown
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
            Value::Number(number)
                if self.values.iter().any(|known| *known == number.to_string()) =>
            {
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
                    if self.has_name(name) && !field.is_null() {
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

/// A text that may be or end in a URL, without the password in it: `--db=postgres://user:[redacted]@host/database`.
/// A URL whose scheme was forgotten (`user:password@host`) is one as well.
pub(crate) fn without_password(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let (place, options) = match rest.split_once('?') {
        Some((place, options)) => (place, Some(options)),
        None => (rest, None),
    };
    // A password may hold anything, an unescaped slash too: better to hide too much than too little.
    let user_and_host = place
        .rsplit_once('@')
        .and_then(|(user, host)| Some((user.split_once(':')?.0, host)));
    let place = user_and_host.map_or_else(
        || place.to_owned(),
        |(user, host)| format!("{user}:{REDACTED}@{host}"),
    );
    let options = options.map_or_else(String::new, |options| {
        let shown = options
            .split('&')
            .map(|option| match option.split_once('=') {
                Some((name, _)) if is_secret_name(name) => format!("{name}={REDACTED}"),
                _ => option.to_owned(),
            });
        format!("?{}", shown.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}{place}{options}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            (
                "postgres://qa:s3c@ret@127.0.0.1/shop?password=s3cret&sslmode=require",
                "postgres://qa:[redacted]@127.0.0.1/shop?password=[redacted]&sslmode=require",
            ),
            (
                "--db=postgres://qa:s3cret@127.0.0.1/shop",
                "--db=postgres://qa:[redacted]@127.0.0.1/shop",
            ),
            (
                "postgres://qa@127.0.0.1/shop",
                "postgres://qa@127.0.0.1/shop",
            ),
            (
                "http://127.0.0.1:8000/a@b:c",
                "http://127.0.0.1:[redacted]@b:c",
            ),
            ("sqlite:a.db", "sqlite:a.db"),
            ("10:30@noon", "10:[redacted]@noon"),
            ("qa:s3cret@host", "qa:[redacted]@host"),
            ("a sentence: nothing to hide", "a sentence: nothing to hide"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

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
