//! Takes secrets out of what is copied from a spec. Where a value stood, the file asks the environment for it.

use indexmap::IndexMap;
use serde_json::Value;

use crate::secret::{self, Secrets};
use crate::spec::yaml::{Entry, Node};

/// What was taken out: names of environment variables, and the values that they must have.
pub(super) type Hidden = IndexMap<String, String>;

/// How the names of those environment variables begin.
pub const TAKEN_OUT: &str = "VENOMQA_";

/// The environment variable for what stands under this name.
pub fn environment_name(name: &str) -> String {
    let letters = name.chars().map(|letter| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_uppercase()
        } else {
            '_'
        }
    });
    TAKEN_OUT.chars().chain(letters).collect()
}

/// Takes every secret out of these sections: what stands under secret names, and what the run knows to be secret wherever it
/// stands.
pub(super) fn hide(sections: &mut [Entry], secrets: &Secrets) -> Hidden {
    let mut hider = Hider {
        secrets,
        hidden: IndexMap::new(),
    };
    for entry in sections {
        hider.entry(entry, Under::Section, None);
    }
    hider.hidden
}

/// Where in a spec a key stands, and so what its name means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Under {
    Section,
    Variables,
    Headers,
    Env,
    Body,
}

struct Hider<'a> {
    secrets: &'a Secrets,
    hidden: Hidden,
}

impl Hider<'_> {
    /// `secret` is the name under which everything here is secret.
    fn entry(&mut self, entry: &mut Entry, under: Under, secret: Option<&str>) {
        let key = entry.key.clone();
        let below = match (under, key.as_str()) {
            (Under::Section, "variables") => Under::Variables,
            (Under::Section, "headers") => Under::Headers,
            (Under::Section, "env") => Under::Env,
            (Under::Section, "json" | "form" | "multipart" | "query" | "basic") => Under::Body,
            _ => under,
        };
        let says_so = match under {
            Under::Section => false,
            Under::Variables | Under::Env => secret::is_secret_name(&key),
            Under::Headers => secret::is_secret_header(&key),
            // `key`, `author` and the like are ordinary names of fields.
            Under::Body => secret::is_secret_field(&key),
        } || (under != Under::Section && self.secrets.has_name(&key));
        let name = match secret {
            Some(above) => Some(format!("{above}_{key}")),
            None => says_so.then_some(key.clone()),
        };
        self.node(&mut entry.node, below, &key, name.as_deref());
    }

    fn node(&mut self, node: &mut Node, under: Under, key: &str, secret: Option<&str>) {
        match node {
            Node::Map(entries) => {
                for entry in entries {
                    self.entry(entry, under, secret);
                }
            }
            Node::List(items) => {
                for (position, item) in items.iter_mut().enumerate() {
                    let name = secret.map(|name| format!("{name}_{}", position + 1));
                    self.node(item, under, key, name.as_deref());
                }
            }
            Node::Scalar(Value::String(text)) => {
                *text = match secret.filter(|_| !text.is_empty()) {
                    Some(name) if is_open(text) => self.without_literals(text, under, name),
                    Some(name) => {
                        let scheme = scheme(text, under);
                        let reference = self.take_out(name, &text[scheme..]);
                        format!("{}{reference}", &text[..scheme])
                    }
                    None => self.without_known(text, key),
                };
            }
            Node::Scalar(Value::Number(number)) => {
                if let Some(name) = secret {
                    let value = number.to_string();
                    *node = Node::Bare(self.take_out(name, &value));
                }
            }
            Node::Scalar(_) | Node::Bare(_) => {}
        }
    }

    /// The reference that stands for a value from now on.
    fn take_out(&mut self, name: &str, value: &str) -> String {
        if let Some((name, _)) = self.hidden.iter().find(|(_, known)| *known == value) {
            return format!("${{{name}}}");
        }
        let name = environment_name(name);
        let mut names =
            std::iter::once(name.clone()).chain((2..).map(|number| format!("{name}_{number}")));
        let free = names.find(|name| !self.hidden.contains_key(name));
        let name = free.unwrap_or_else(|| unreachable!("there is always another number"));
        self.hidden.insert(name.clone(), value.to_owned());
        format!("${{{name}}}")
    }

    /// A secret that is partly filled in later, without the words that stand in it as they are.
    fn without_literals(&mut self, text: &str, under: Under, name: &str) -> String {
        let scheme = scheme(text, under);
        let mut shown = text.to_owned();
        let words = secret::literal_words(text);
        for word in words.into_iter().rev().filter(|word| word.start >= scheme) {
            let reference = self.take_out(name, &text[word.clone()]);
            shown.replace_range(word, &reference);
        }
        shown
    }

    /// A text without what is known to be secret.
    fn without_known(&mut self, text: &str, key: &str) -> String {
        let secrets = self.secrets;
        let settings = secret::settings_of_database(text);
        let name = if text.contains("://") || !settings.is_empty() {
            format!("{key}_password")
        } else {
            key.to_owned()
        };
        let mut by = |value: &str| {
            if is_open(value) {
                value.to_owned()
            } else {
                self.take_out(&name, value)
            }
        };
        let mut shown = text.to_owned();
        for place in settings.into_iter().rev().filter(|place| !place.is_empty()) {
            let reference = by(&text[place.clone()]);
            shown.replace_range(place, &reference);
        }
        secrets.replace(&shown, by).into_owned()
    }
}

/// How long the scheme in front of a credential is: `Bearer` and the like are no secret, and good to know.
fn scheme(text: &str, under: Under) -> usize {
    let scheme = text.split_inclusive(' ').next().unwrap_or_default();
    let is_scheme = under == Under::Headers
        && scheme.len() < text.len()
        && scheme
            .trim_end()
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if is_scheme { scheme.len() } else { 0 }
}

/// Whether a text is only filled in later, so that it holds no secret itself.
fn is_open(text: &str) -> bool {
    !matches!(secret::literals(text).as_slice(), [all] if all.len() == text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of the value of one key of the section `variables`, and of another text in which it stands.
    fn hidden(key: &str, text: &str, other: &str) -> (Vec<String>, String, String) {
        let mut sections = [
            Entry::new("variables", Node::map([(key, Node::text(text))])),
            Entry::new("setup", Node::text(other)),
        ];
        let secrets = Secrets::default();
        secrets.learn_variable(key, &text.into());
        secrets.learn_url(text);
        let hidden = hide(&mut sections, &secrets);
        let text = |node: &Node| node.as_text().unwrap().to_owned();
        (
            hidden.keys().cloned().collect(),
            text(sections[0].node.field(key).unwrap()),
            text(&sections[1].node),
        )
    }

    #[test]
    fn only_the_password_is_taken_out_of_a_url_in_which_its_word_stands_elsewhere_too() {
        for (url, written) in [
            (
                "postgres://postgres:postgres@127.0.0.1/db",
                "postgres://postgres:${VENOMQA_DSN_PASSWORD}@127.0.0.1/db",
            ),
            (
                "postgres://shop:shop@127.0.0.1/shop?password=shop",
                "postgres://shop:${VENOMQA_DSN_PASSWORD}@127.0.0.1/shop?password=${VENOMQA_DSN_PASSWORD}",
            ),
            (
                "postgres://qa:s10@127.0.0.1/s10",
                "postgres://qa:${VENOMQA_DSN_PASSWORD}@127.0.0.1/s10",
            ),
            (
                "host=127.0.0.1 user=shop password='shop'",
                "host=127.0.0.1 user=shop password='${VENOMQA_DSN_PASSWORD}'",
            ),
        ] {
            let words = "postgres, shop and s10 are words, no word=shops";
            let (names, text, other) = hidden("dsn", url, words);
            assert_eq!(names, ["VENOMQA_DSN_PASSWORD"]);
            assert_eq!((text.as_str(), other.as_str()), (written, words));
        }
    }

    #[test]
    fn a_password_that_stands_nowhere_openly_is_taken_out_wherever_it_turns_up() {
        let url = "postgres://qa:s3cret@127.0.0.1/db";
        let (_, _, other) = hidden("dsn", url, "the s3cret is out");
        assert_eq!(other, "the ${VENOMQA_DSN_PASSWORD} is out");
    }

    #[test]
    fn a_url_stays_one_where_another_password_is_a_word_of_its_scheme() {
        let url = "postgres://postgres:${PGPASSWORD}@127.0.0.1/db";
        let (names, text, other) = hidden("postgres_password", "postgres", url);
        assert_eq!(names, ["VENOMQA_POSTGRES_PASSWORD"]);
        assert_eq!(text, "${VENOMQA_POSTGRES_PASSWORD}");
        let user = "${VENOMQA_POSTGRES_PASSWORD}";
        assert_eq!(
            other,
            format!("postgres://{user}:${{PGPASSWORD}}@127.0.0.1/db")
        );
    }

    #[test]
    fn every_cookie_of_a_header_is_taken_out_and_the_scheme_of_a_token_stays() {
        for (header, text, written) in [
            ("Cookie", "a=first; b=second", "${VENOMQA_COOKIE}"),
            (
                "Authorization",
                "ApiKey {{ user }}:abc",
                "ApiKey {{ user }}:${VENOMQA_AUTHORIZATION}",
            ),
            ("Authorization", "Bearer {{ a }}", "Bearer {{ a }}"),
            ("X-Api-Key", "{{ a }}-{{ b }}", "{{ a }}-{{ b }}"),
            (
                "Authorization",
                "Bearer abc",
                "Bearer ${VENOMQA_AUTHORIZATION}",
            ),
        ] {
            let headers = Node::map([(header, Node::text(text))]);
            let mut sections = [Entry::new("http", Node::map([("headers", headers)]))];
            hide(&mut sections, &Secrets::default());
            let headers = sections[0].node.field("headers").unwrap();
            assert_eq!(headers.field(header).unwrap().as_text(), Some(written));
        }
    }
}
