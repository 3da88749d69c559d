//! What no message, no report and no reproduction shows.
//!
//! [`Secrets`] learns values from what is sent and received (`learn.rs`, one function for each exchange) and hides them in
//! everything that leaves (`hide.rs`, over serialised values, so that no field can be forgotten).

mod decoded;
mod encoded;
mod hide;
mod labelled;
mod learn;
mod literals;
mod met;
mod names;
mod password;
mod source;
#[cfg(test)]
mod tests;
mod values;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

pub(crate) use hide::{Format, as_data, as_format};
pub(crate) use literals::{literal_words, literals};
pub(crate) use names::{is_secret_field, is_secret_header, is_secret_name};
pub(crate) use password::{settings_of_database, without_password};
pub(crate) use source::HiddenSource;

use decoded::readings;
use encoded::encoded_words;
use labelled::labelled;
use met::Met;
use password::passwords;
use values::{Scope, Values};

/// What stands in place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// What stands at the end of a text that was cut off.
const CUT_OFF: char = '…';

/// What is known to be secret during one run: names that the spec gives under `secrets:`, and every value that was seen
/// under such a name, under one that looks like it, or in a header that lets somebody act as the user. A value is hidden
/// wherever it turns up, also escaped as in a URL or in JSON.
///
/// A clone shares what is learned: a world learns from what it sends and receives, and whoever shows something knows it at
/// once.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// In lower case.
    names: Arc<BTreeSet<String>>,
    /// Words of the spec, which no guess makes secret.
    own_words: Arc<BTreeSet<String>>,
    values: Arc<Mutex<Values>>,
    met: Arc<Mutex<Met>>,
}

impl Secrets {
    /// Nothing but these names; they are those of variables, headers, parameters, fields of JSON objects and columns.
    pub fn named(names: impl IntoIterator<Item = String>) -> Self {
        Self {
            names: names
                .into_iter()
                .map(|name| name.to_ascii_lowercase())
                .collect::<BTreeSet<_>>()
                .into(),
            ..Self::default()
        }
    }

    /// The same, where these are words of the spec: they stand openly in every report, so a value that is equal to one is
    /// learned only where the spec calls its name secret.
    #[must_use]
    pub(crate) fn with_own_words(self, words: impl IntoIterator<Item = String>) -> Self {
        Self {
            own_words: Arc::new(words.into_iter().collect()),
            ..self
        }
    }

    fn values(&self) -> MutexGuard<'_, Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the spec calls something of this name secret.
    pub fn has_name(&self, name: &str) -> bool {
        let has = |name: &str| self.names.contains(&name.to_ascii_lowercase());
        !self.names.is_empty() && (has(name) || has(names::innermost(name)))
    }

    /// Learns a value that is secret: its texts and numbers.
    pub fn learn(&self, value: &Value) {
        match value {
            Value::String(text) => self.values().add(text, Scope::Everywhere),
            Value::Number(number) => self.values().add(&number.to_string(), Scope::Everywhere),
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.learn(field)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Learns the password in a URL or in settings as libpq takes them, if there is one. A password that stands openly
    /// elsewhere in the same text (`postgres:postgres@`) is hidden in its place only: the holes that it would leave in the
    /// user's name would say what it is.
    pub(crate) fn learn_url(&self, text: &str) {
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
            self.values().add(&decoded, scope);
            self.values().add(&value, scope);
        }
    }

    /// The text without any secret; borrowed where there was none in it.
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.replace(text, |_| REDACTED.to_owned())
    }

    /// The beginning of a text that was cut off, which may end within a secret.
    fn hide_beginning(&self, text: &str) -> String {
        let hidden = self.hide(&format!("{text}{CUT_OFF}")).into_owned();
        hidden
            .strip_suffix(CUT_OFF)
            .map(str::to_owned)
            .unwrap_or(hidden)
    }

    /// The text with something else for each secret in it, which is given as it is written there.
    pub(crate) fn replace<'t>(
        &self,
        text: &'t str,
        mut by: impl FnMut(&str) -> String,
    ) -> Cow<'t, str> {
        let mut shown = String::new();
        let mut done = 0;
        for place in self.places(text) {
            shown.push_str(&text[done..place.start]);
            shown.push_str(&by(&text[place.clone()]));
            done = place.end;
        }
        if done == 0 {
            return text.into();
        }
        shown.push_str(&text[done..]);
        shown.into()
    }

    fn labelled<'t>(&self, text: &'t str) -> Vec<(&'t str, Range<usize>)> {
        labelled(text, &|name| self.has_name(name) || is_secret_field(name))
    }

    /// Where secrets stand in a text, in order and without overlaps: as they are, and in every way in which texts are escaped
    /// and encoded to travel in others.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let values = self.values();
        if values.scope(text) == Some(Scope::Everywhere) {
            return std::iter::once(0..text.len()).collect();
        }
        let in_reading = |text: &str| {
            let mut found = values.find(text);
            found.extend(self.labelled(text).into_iter().map(|(_, place)| place));
            found
        };
        let in_words = |text: &str| {
            let mut found = in_reading(text);
            if !values.is_empty() {
                // What is encoded may be escaped or encoded itself.
                let is_secret = |says: &str| {
                    let in_one = |text: &str| !in_reading(text).is_empty();
                    let mut readings = readings(says, false).into_iter();
                    in_one(says) || readings.any(|reading| in_one(&reading.text))
                };
                let words = encoded_words(text).filter(|(_, says)| {
                    is_secret(says) || encoded_words(says).any(|(_, says)| is_secret(&says))
                });
                found.extend(words.map(|(place, _)| place));
            }
            found
        };
        let mut found = in_words(text);
        for reading in readings(text, values.have_spaces()) {
            let places = in_words(&reading.text);
            found.extend(places.iter().map(|place| reading.place(place)));
        }
        found.retain(|place| !is_scheme(&text[place.clone()], &text[place.end..]));
        found.sort_unstable_by_key(|place| place.start);
        let mut apart: Vec<Range<usize>> = Vec::new();
        for place in found {
            match apart.last_mut() {
                Some(last) if place.start < last.end => last.end = last.end.max(place.end),
                _ => apart.push(place),
            }
        }
        apart
    }
}

/// Whether a word is, or begins, the scheme of a URL that goes on like this. Nobody could read a URL in which it is missing.
fn is_scheme(word: &str, after: &str) -> bool {
    const SCHEMES: [&str; 8] = [
        "http",
        "https",
        "postgres",
        "postgresql",
        "sqlite",
        "file",
        "ws",
        "wss",
    ];
    let (rest, _) = after.split_once("://").unwrap_or(("/", ""));
    SCHEMES.contains(&format!("{word}{rest}").as_str())
}
