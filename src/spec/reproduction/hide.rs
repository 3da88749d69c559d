//! Takes secrets out of what is copied from a spec. Where a value stood, the file asks the environment for it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use indexmap::IndexMap;
use serde_json::Value;

use crate::secret;
use crate::spec::yaml::{Entry, Node};

/// What was taken out: names of environment variables, and the values that they must have.
pub(super) type Hidden = IndexMap<String, Taken>;

/// A value that was taken out.
#[derive(Debug)]
pub(super) struct Taken {
    value: String,
    /// Whether it is a word that stands openly elsewhere, so that it is a secret only where it stands as a password.
    only_in_place: bool,
}

impl Taken {
    /// A shorter value, taken out wherever it turns up, would leave holes in innocent words.
    const LEAST: usize = 4;

    /// A text with something else for the value, wherever it is a secret.
    pub(super) fn replaced(&self, text: &str, by: &str) -> String {
        if self.only_in_place || self.value.len() < Self::LEAST {
            secret::replace_password(text, &self.value, by).into_owned()
        } else {
            text.replace(&self.value, by)
        }
    }
}

/// How the URL of a database begins. Whatever password a part of this is, nobody could read a URL in which it is missing.
const SCHEME: &str = "postgresql://";

/// Takes every secret out of these sections: values under secret names, passwords in URLs, and whatever was found
/// that way wherever else it stands. `is_secret` knows the names that the spec itself calls secret.
pub(super) fn hide(sections: &mut [Entry], is_secret: &dyn Fn(&str) -> bool) -> Hidden {
    let mut hider = Hider {
        is_secret,
        hidden: IndexMap::new(),
        open: BTreeSet::new(),
    };
    for entry in &mut *sections {
        hider.entry(entry, Under::Section, None);
    }
    let Hider { hidden, open, .. } = hider;
    let hidden: Hidden = hidden
        .into_iter()
        .map(|(name, value)| {
            let only_in_place = open.contains(&value) || SCHEME.contains(&value);
            let taken = Taken {
                value,
                only_in_place,
            };
            (name, taken)
        })
        .collect();
    if !hidden.is_empty() {
        for entry in sections {
            replace(&mut entry.node, &hidden);
        }
    }
    hidden
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
    is_secret: &'a dyn Fn(&str) -> bool,
    hidden: IndexMap<String, String>,
    /// Passwords that stand elsewhere in their URLs too, as the name of the user or of the database.
    open: BTreeSet<String>,
}

impl Hider<'_> {
    /// `secret` is the name under which everything here is secret.
    fn entry(&mut self, entry: &mut Entry, under: Under, secret: Option<&str>) {
        let key = entry.key.clone();
        let below = match (under, key.as_str()) {
            (Under::Section, "variables") => Under::Variables,
            (Under::Section, "headers") => Under::Headers,
            (Under::Section, "env") => Under::Env,
            (Under::Section, "json" | "form" | "query") => Under::Body,
            _ => under,
        };
        let says_so = match under {
            Under::Section => false,
            Under::Variables | Under::Env => secret::is_secret_name(&key) || (self.is_secret)(&key),
            Under::Headers => secret::is_secret_header(&key) || (self.is_secret)(&key),
            // `key`, `author` and the like are ordinary names of fields.
            Under::Body => secret::is_secret_field(&key) || (self.is_secret)(&key),
        };
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
                let shown = match secret {
                    Some(name) if !text.is_empty() && !is_open(text) => {
                        // `Bearer` and the like are no secret, and good to know.
                        let scheme = text.split_once(' ').filter(|_| under == Under::Headers);
                        let (scheme, value) = scheme
                            .map_or(("", text.as_str()), |(scheme, value)| {
                                (scheme, value.trim_start())
                            });
                        let reference = self.take_out(name, value);
                        format!("{scheme} {reference}").trim_start().to_owned()
                    }
                    Some(_) => text.clone(),
                    None => self.without_password(text, key),
                };
                *text = shown;
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
        let name: String = name
            .chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    letter.to_ascii_uppercase()
                } else {
                    '_'
                }
            })
            .collect();
        let names = std::iter::once(format!("VENOMQA_{name}"))
            .chain((2..).map(|number| format!("VENOMQA_{name}_{number}")));
        for name in names {
            let known = self
                .hidden
                .entry(name.clone())
                .or_insert_with(|| value.to_owned());
            if known == value {
                return format!("${{{name}}}");
            }
        }
        unreachable!("there is always another number")
    }

    /// A text without the password of the URL in it.
    fn without_password(&mut self, text: &str, key: &str) -> String {
        let mut taken = Vec::new();
        let shown = self.without_passwords(text, key, &mut taken);
        let open = taken.iter().fold(shown.clone(), |open, (reference, _)| {
            open.replace(reference.as_str(), "")
        });
        let stands_openly = taken
            .into_iter()
            .map(|(_, value)| value)
            .filter(|value| open.contains(value.as_str()));
        self.open.extend(stands_openly);
        shown
    }

    /// The same; `taken` gets what was taken out, behind the reference that stands for it.
    fn without_passwords(
        &mut self,
        text: &str,
        key: &str,
        taken: &mut Vec<(String, String)>,
    ) -> String {
        let mut take_out = |name: &str, value: &str| {
            let reference = self.take_out(&format!("{key}_{name}"), value);
            taken.push((reference.clone(), value.to_owned()));
            reference
        };
        let settings = secret::settings_of_database(text);
        if !settings.is_empty() {
            let mut shown = text.to_owned();
            for place in settings.into_iter().rev() {
                let value = &text[place.clone()];
                if !value.is_empty() && !is_open(value) {
                    shown.replace_range(place, &take_out("password", value));
                }
            }
            return shown;
        }
        let Some((before, rest)) = text.split_once("://") else {
            return text.to_owned();
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let is_database = before.ends_with("postgres") || before.ends_with("postgresql");
        // A password of a database may hold anything, an unescaped slash too.
        let at = rest[..end].rfind('@').or_else(|| {
            let place = rest.split('?').next().unwrap_or(rest);
            is_database.then(|| place.rfind('@')).flatten()
        });
        let mut shown = String::from(before);
        shown.push_str("://");
        let tail = match at.and_then(|at| Some((rest[..at].split_once(':')?, &rest[at..]))) {
            Some(((user, password), tail)) if !password.is_empty() && !is_open(password) => {
                let reference = take_out("password", password);
                let _ = write!(shown, "{user}:{reference}");
                tail
            }
            _ => rest,
        };
        let Some((place, options)) = tail.split_once('?').filter(|_| is_database) else {
            shown.push_str(tail);
            return shown;
        };
        let options: Vec<String> = options
            .split('&')
            .map(|option| match option.split_once('=') {
                Some((name, value))
                    if secret::is_secret_field(name) && !value.is_empty() && !is_open(value) =>
                {
                    format!("{name}={}", take_out(name, value))
                }
                _ => option.to_owned(),
            })
            .collect();
        format!("{shown}{place}?{}", options.join("&"))
    }
}

/// Whether a text is only filled in later, so that it holds no secret itself.
fn is_open(text: &str) -> bool {
    ["{{", "{%", "${"].iter().any(|open| text.contains(open))
}

fn replace(node: &mut Node, hidden: &Hidden) {
    match node {
        Node::Scalar(Value::String(text)) => {
            for (name, taken) in hidden {
                *text = taken.replaced(text, &format!("${{{name}}}"));
            }
        }
        Node::Scalar(_) | Node::Bare(_) => {}
        Node::List(items) => items.iter_mut().for_each(|item| replace(item, hidden)),
        Node::Map(entries) => entries
            .iter_mut()
            .for_each(|entry| replace(&mut entry.node, hidden)),
    }
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
        let hidden = hide(&mut sections, &|_| false);
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
            let words = "postgres, shop and s10 are words, no password=shops";
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
        assert_eq!(other, url);
    }
}
