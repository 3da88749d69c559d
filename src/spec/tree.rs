//! From YAML to a JSON tree: merge keys, the environment, `--set`. After this nothing is YAML any more.

use std::fmt;

use serde::de::{
    Deserialize, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_json::Value;
use serde_yaml::Value as Yaml;

use super::Environment;
use super::document::location_keys;
use super::environment::{self, LATE, Unfilled, Why};
use super::problems::Problems;
use super::read::one_of;
use super::written;
use super::yaml::Entry;
use crate::diagnostic::{Code, Diagnostic, Path, Segment, did_you_mean};

/// Reads the text as a tree, and as it was written. `None` when there is nothing to go on with.
pub(super) fn tree(
    text: &str,
    problems: &mut Problems,
    environment: &Environment<'_>,
) -> Option<(Value, Vec<Entry>)> {
    // The parser takes a byte order mark for a document of its own.
    let mark = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut yaml = match serde_yaml::from_str::<Loose>(&text[mark..]) {
        Ok(Loose(yaml)) => yaml,
        Err(error) => {
            let at = error
                .location()
                .map_or(0, |location| mark + location.index())
                .min(text.len());
            let message = without_place(&error);
            let message = if message.ends_with(TOO_LARGE) {
                message
            } else {
                format!("not YAML: {message}")
            };
            let diagnostic = Diagnostic::error(Code::SyntaxError, message);
            problems.add(diagnostic.at(problems.map().source(), at..at + 1, ""));
            return None;
        }
    };
    check_merges(&yaml, &mut Path::root(), problems);
    // One turn merges one level: what is merged may itself have been waiting for a merge.
    for _ in 0..MAX_MERGES {
        if !has_merge(&yaml) {
            break;
        }
        if let Err(error) = yaml.apply_merge() {
            // Said with its place by `check_merges` already, unless the two disagree.
            if !problems.has_errors() {
                problems.at_value(
                    &Path::root(),
                    "",
                    Diagnostic::error(Code::SyntaxError, format!("`<<` cannot be merged: {error}")),
                );
            }
            return None;
        }
    }
    let written = written::sections(&yaml, problems.map());
    let mut converter = Converter {
        problems,
        environment,
        path: Path::root(),
    };
    Some((converter.value(yaml), written))
}

/// What the parser says, without the line and column that are shown anyway.
fn without_place(error: &serde_yaml::Error) -> String {
    let message = error.to_string();
    match message.split_once(" at line ") {
        Some((message, _)) => message.to_owned(),
        None => message,
    }
}

const MAX_MERGES: usize = 100;

fn has_merge(yaml: &Yaml) -> bool {
    match yaml {
        Yaml::Mapping(mapping) => mapping.contains_key("<<") || mapping.values().any(has_merge),
        Yaml::Sequence(items) => items.iter().any(has_merge),
        _ => false,
    }
}

/// Says where a `<<` has something behind it that cannot be merged.
fn check_merges(yaml: &Yaml, path: &mut Path, problems: &mut Problems) {
    match yaml {
        Yaml::Mapping(mapping) => {
            for (key, value) in mapping {
                let Yaml::String(key) = key else { continue };
                path.push(Segment::Key(key.clone()));
                let mergeable = match value {
                    Yaml::Mapping(_) => true,
                    Yaml::Sequence(items) => {
                        items.iter().all(|item| matches!(item, Yaml::Mapping(_)))
                    }
                    _ => false,
                };
                if key == "<<" && !mergeable {
                    problems.at_value(
                        path,
                        "expected a mapping or a list of mappings",
                        Diagnostic::error(Code::WrongType, "`<<` has nothing that can be merged")
                            .help("write an alias: `<<: *name`"),
                    );
                }
                check_merges(value, path, problems);
                path.pop();
            }
        }
        Yaml::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Segment::Index(index));
                check_merges(item, path, problems);
                path.pop();
            }
        }
        _ => {}
    }
}

/// A YAML value read without regard to duplicate keys and tags, which the source map has reported already.
struct Loose(Yaml);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Yaml;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("any YAML")
            }

            fn visit_unit<E>(self) -> Result<Yaml, E> {
                Ok(Yaml::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Yaml, E> {
                Ok(Yaml::Bool(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Yaml, E> {
                Ok(Yaml::Number(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Yaml, E> {
                Ok(Yaml::Number(value.into()))
            }

            // Beyond 64 bits. As a floating point number it would silently be another one.
            fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Yaml, E> {
                Err(too_large(value))
            }

            fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Yaml, E> {
                Err(too_large(value))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Yaml, E> {
                Ok(Yaml::Number(value.into()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Yaml, E> {
                Ok(Yaml::String(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Yaml, A::Error> {
                let mut items = Vec::new();
                while let Some(Loose(item)) = list.next_element()? {
                    items.push(item);
                }
                Ok(Yaml::Sequence(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Yaml, A::Error> {
                let mut mapping = serde_yaml::Mapping::new();
                while let Some((Loose(key), Loose(value))) = map.next_entry()? {
                    if !mapping.contains_key(&key) {
                        mapping.insert(key, value);
                    }
                }
                Ok(Yaml::Mapping(mapping))
            }

            fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Yaml, A::Error> {
                let (_, content): (String, _) = tagged.variant()?;
                content.newtype_variant().map(|Loose(value)| value)
            }
        }
        deserializer.deserialize_any(Any).map(Self)
    }
}

const TOO_LARGE: &str = "has more than 64 bits; in quotes it would be text";

fn too_large<E: serde::de::Error>(number: impl fmt::Display) -> E {
    E::custom(format_args!("the number `{number}` {TOO_LARGE}"))
}

struct Converter<'c> {
    problems: &'c mut Problems,
    environment: &'c Environment<'c>,
    path: Path,
}

impl Converter<'_> {
    fn value(&mut self, yaml: Yaml) -> Value {
        match yaml {
            Yaml::Null => Value::Null,
            Yaml::Bool(value) => Value::Bool(value),
            Yaml::Number(number) => self.number(&number),
            Yaml::String(text) => self.text(text),
            Yaml::Sequence(items) => Value::Array(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| self.below(Segment::Index(index), item))
                    .collect(),
            ),
            Yaml::Mapping(mapping) => {
                let mut object = serde_json::Map::with_capacity(mapping.len());
                for (key, value) in mapping {
                    if let Some(key) = self.key(key) {
                        let value = self.below(Segment::Key(key.clone()), value);
                        object.insert(key, value);
                    }
                }
                Value::Object(object)
            }
            Yaml::Tagged(tagged) => self.value(tagged.value),
        }
    }

    fn below(&mut self, segment: Segment, yaml: Yaml) -> Value {
        self.path.push(segment);
        let value = self.value(yaml);
        self.path.pop();
        value
    }

    fn number(&mut self, number: &serde_yaml::Number) -> Value {
        if let Some(value) = number.as_u64() {
            return value.into();
        }
        if let Some(value) = number.as_i64() {
            return value.into();
        }
        let value = number
            .as_f64()
            .and_then(serde_json::Number::from_f64)
            .map(Value::Number);
        value.unwrap_or_else(|| {
            self.problems.at_value(
                &self.path,
                "",
                Diagnostic::error(Code::BadValue, format!("`{number}` is no JSON number"))
                    .help("put it in quotes to make it text"),
            );
            self.problems.explain(&self.path);
            Value::Null
        })
    }

    fn key(&mut self, key: Yaml) -> Option<String> {
        let shown = match key {
            Yaml::String(key) => return Some(key),
            Yaml::Number(number) => number.to_string(),
            Yaml::Bool(value) => value.to_string(),
            Yaml::Null => "null".to_owned(),
            _ => "this".to_owned(),
        };
        self.problems.at_key(
            &self.path.key(&shown),
            "expected text",
            Diagnostic::error(Code::WrongType, format!("the key `{shown}` is not text"))
                .help(format!("put it in quotes: \"{shown}\"")),
        );
        None
    }

    fn text(&mut self, text: String) -> Value {
        if !text.contains("${") {
            return Value::String(text);
        }
        match environment::fill(&text, self.environment.variable, is_late(&self.path)) {
            Ok(filled) => {
                let written_bare = self.problems.map().value(&self.path).is_some_and(|range| {
                    self.problems
                        .map()
                        .slice(&range)
                        .is_some_and(|written| written == text)
                });
                // Quotes keep a number text, here as everywhere in YAML.
                if written_bare && environment::is_only_a_reference(&text) && !is_late(&self.path) {
                    scalar(&filled)
                } else {
                    Value::String(filled)
                }
            }
            Err(unfilled) => {
                for Unfilled { range, why } in unfilled {
                    self.unfilled(&text, &range, &why);
                }
                self.problems.explain(&self.path);
                Value::String(text)
            }
        }
    }

    fn unfilled(&mut self, text: &str, range: &std::ops::Range<usize>, why: &Why) {
        let (message, help) = match why {
            Why::NotSet(name) => (
                format!("the environment variable `{name}` is not set"),
                match did_you_mean(name, LATE) {
                    Some(late) if is_late(&self.path) => format!("did you mean `${{{late}}}`?"),
                    _ => format!("set it, or give a default: `${{{name}:-...}}`"),
                },
            ),
            Why::TooLate(name) => (
                format!("`${{{name}}}` is known only when the run starts and cannot be used here"),
                format!("it can be used in {}", late_places()),
            ),
            Why::CannotEscape(name) => (
                format!(
                    "`${{{name}}}` is filled in here when the run starts and cannot be escaped"
                ),
                "leave it out".to_owned(),
            ),
            Why::NotAName => (
                "`${` starts a reference to the environment, and no name follows".to_owned(),
                "write `${NAME}` or `${NAME:-default}`, or `$${` for the two characters themselves"
                    .to_owned(),
            ),
        };
        self.problems.inside(
            &self.path,
            text,
            range,
            "",
            Diagnostic::error(Code::Environment, message).help(help),
        );
    }
}

/// Where late names are filled in, for messages; [`is_late`] decides.
fn late_places() -> String {
    let systems = location_keys().map(|(key, _)| format!("`systems.*.{key}`, "));
    let systems: String = systems.collect();
    format!(
        "`service.command`, `service.env`, `service.cwd`, `http.base_url`, {systems}`reset.command`"
    )
}

fn is_late(path: &Path) -> bool {
    let keys: Vec<&str> = path
        .segments()
        .iter()
        .filter_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        })
        .collect();
    match keys.as_slice() {
        ["service", "command" | "cwd"]
        | ["service", "env", _]
        | ["http", "base_url"]
        | ["reset", "command"] => true,
        ["systems", _, key] => location_keys().any(|(known, _)| known == *key),
        _ => false,
    }
}

/// A text as YAML reads it where it stands bare: `5` is a number, `true` a boolean, `[` is text.
fn scalar(text: &str) -> Value {
    match serde_yaml::from_str::<Yaml>(text) {
        Ok(Yaml::Bool(value)) => Value::Bool(value),
        Ok(Yaml::Number(number)) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(value), _, _) => value.into(),
            (None, Some(value), _) => value.into(),
            (None, None, Some(value)) => serde_json::Number::from_f64(value)
                .map_or_else(|| Value::String(text.to_owned()), Value::Number),
            (None, None, None) => Value::String(text.to_owned()),
        },
        Ok(Yaml::Null) if !text.is_empty() => Value::Null,
        // Quotes around a value on the command line keep it text.
        Ok(Yaml::String(value)) => Value::String(value),
        _ => Value::String(text.to_owned()),
    }
}

/// `--set NAME=VALUE`: replaces entries of `variables:`.
pub(super) fn apply_overrides(
    tree: &mut Value,
    overrides: &[(String, String)],
    mut refuse: impl FnMut(&str, Diagnostic),
) {
    for (name, value) in overrides {
        let variables = tree.get_mut("variables").and_then(Value::as_object_mut);
        let names: Vec<String> = variables
            .as_ref()
            .map(|variables| variables.keys().cloned().collect())
            .unwrap_or_default();
        if let Some(slot) = variables.and_then(|variables| variables.get_mut(name)) {
            *slot = scalar(value);
            continue;
        }
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.is_empty() => "the spec has no `variables`".to_owned(),
            None => format!("the spec has {}", one_of(&known)),
        };
        refuse(
            &format!("{name}={value}"),
            Diagnostic::error(
                Code::BadOverride,
                format!("the spec has no variable `{name}` to set"),
            )
            .help(help),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_from_outside_is_a_scalar_and_never_yaml() {
        assert_eq!(scalar("5"), serde_json::json!(5));
        assert_eq!(scalar("true"), serde_json::json!(true));
        assert_eq!(scalar("yes"), serde_json::json!("yes"));
        assert_eq!(scalar("'5'"), serde_json::json!("5"));
        assert_eq!(scalar("[1, 2]"), serde_json::json!("[1, 2]"));
        assert_eq!(scalar("a: b"), serde_json::json!("a: b"));
        assert_eq!(scalar(""), serde_json::json!(""));
        assert_eq!(scalar("\"unclosed"), serde_json::json!("\"unclosed"));
    }
}
