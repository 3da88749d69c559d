//! Takes secrets out of what is copied from a spec. Where a value stood, the file asks the environment for it.

use std::fmt::Write as _;

use indexmap::IndexMap;
use serde_json::Value;

use crate::secret;
use crate::spec::yaml::{Entry, Node};

/// What was taken out: names of environment variables, and the values that they must have.
pub(super) type Hidden = IndexMap<String, String>;

/// A shorter value, taken out wherever it turns up, would leave holes in innocent words.
const LEAST: usize = 4;

/// Takes every secret out of these sections: values under secret names, passwords in URLs, and whatever was found
/// that way wherever else it stands. `is_secret` knows the names that the spec itself calls secret.
pub(super) fn hide(sections: &mut [Entry], is_secret: &dyn Fn(&str) -> bool) -> Hidden {
    let mut hider = Hider {
        is_secret,
        hidden: Hidden::new(),
    };
    for entry in &mut *sections {
        hider.entry(entry, Under::Section, None);
    }
    let hidden = hider.hidden;
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
                let reference = self.take_out(&format!("{key}_password"), password);
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
                    format!("{name}={}", self.take_out(&format!("{key}_{name}"), value))
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
            for (name, value) in hidden {
                if value.len() >= LEAST && text.contains(value.as_str()) {
                    *text = text.replace(value.as_str(), &format!("${{{name}}}"));
                }
            }
        }
        Node::Scalar(_) | Node::Bare(_) => {}
        Node::List(items) => items.iter_mut().for_each(|item| replace(item, hidden)),
        Node::Map(entries) => entries
            .iter_mut()
            .for_each(|entry| replace(&mut entry.node, hidden)),
    }
}
