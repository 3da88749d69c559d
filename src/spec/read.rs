//! From a JSON tree to document types, all mistakes at once.
//!
//! serde stops at the first mistake. Here a value that does not fit is recorded and hidden, and the item (one action, one
//! invariant, the rest of the document) is read again without it, until no mistake is left. Unknown keys are recorded and
//! skipped in the same pass.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde_json::Value;

use crate::diagnostic::{Path, Segment};

/// What was read, and what was wrong with it.
pub(super) struct Read<T> {
    /// The value; `None` where a required part of it is wrong.
    pub value: Option<T>,
    /// What is wrong.
    pub mistakes: Vec<Mistake>,
}

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// Where.
    pub at: Path,
    /// What.
    pub kind: MistakeKind,
}

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MistakeKind {
    /// The key at the path does not exist; these do.
    UnknownKey(&'static [&'static str]),
    /// The mapping at the path lacks this key.
    MissingKey(&'static str),
    /// Expected, found.
    WrongType(String, String),
    /// The kind is right, the value is not: expected, found.
    BadValue(String, String),
    /// The word is none of these: found.
    UnknownWord(&'static [&'static str], String),
    /// Anything else.
    Other(String),
}

/// Reads the value at `at`; the keys in `hide` are not looked at.
pub(super) fn read<T: DeserializeOwned>(value: &Value, at: &Path, hide: &[&str]) -> Read<T> {
    let state = State {
        hidden: RefCell::new(hide.iter().map(|key| at.key(key)).collect()),
        mistakes: RefCell::default(),
    };
    let asked = state.hidden.borrow().clone();
    let value = loop {
        let reader = Reader {
            value,
            trail: Trail::Base(at),
            state: &state,
        };
        match T::deserialize(reader) {
            Ok(value) => break Some(value),
            Err(error) => {
                let place = error.at.unwrap_or_else(|| at.clone());
                let is_consequence = matches!(error.kind, MistakeKind::MissingKey(key) if {
                    let path = place.key(key);
                    state.hidden.borrow().contains(&path) && !asked.contains(&path)
                });
                if !is_consequence {
                    state.note(place.clone(), error.kind);
                }
                // This ends: each turn hides one more of finitely many places.
                if place == *at || !state.hidden.borrow_mut().insert(place) {
                    break None;
                }
            }
        }
    };
    Read {
        value,
        mistakes: state.mistakes.into_inner(),
    }
}

struct State {
    hidden: RefCell<HashSet<Path>>,
    mistakes: RefCell<Vec<Mistake>>,
}

impl State {
    fn note(&self, at: Path, kind: MistakeKind) {
        let mistake = Mistake { at, kind };
        let mut mistakes = self.mistakes.borrow_mut();
        if !mistakes.contains(&mistake) {
            mistakes.push(mistake);
        }
    }
}

/// The path to a value, as a linked list on the stack: only a mistake needs it as a [`Path`].
#[derive(Clone, Copy)]
enum Trail<'t> {
    Base(&'t Path),
    Key(&'t Self, &'t str),
    Index(&'t Self, usize),
}

impl Trail<'_> {
    fn path(&self) -> Path {
        let mut segments = Vec::new();
        let mut trail = self;
        loop {
            match trail {
                Self::Base(base) => {
                    let mut all = base.segments().to_vec();
                    all.extend(segments.into_iter().rev());
                    return all.into();
                }
                Self::Key(parent, key) => {
                    segments.push(Segment::Key((*key).to_owned()));
                    trail = parent;
                }
                Self::Index(parent, index) => {
                    segments.push(Segment::Index(*index));
                    trail = parent;
                }
            }
        }
    }
}

#[derive(Debug)]
struct ReadError {
    at: Option<Path>,
    kind: MistakeKind,
}

impl ReadError {
    fn at(mut self, trail: &Trail<'_>) -> Self {
        if self.at.is_none() {
            let path = trail.path();
            self.at = Some(path);
        }
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.kind)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        MistakeKind::Other(message.to_string()).into()
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        MistakeKind::WrongType(in_words(&expected.to_string()), found_in_words(found)).into()
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        MistakeKind::BadValue(in_words(&expected.to_string()), found_in_words(found)).into()
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        MistakeKind::UnknownWord(expected, variant.to_owned()).into()
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        // The mapping that is read knows the key and completes the place.
        let _ = field;
        MistakeKind::UnknownKey(expected).into()
    }

    fn missing_field(field: &'static str) -> Self {
        MistakeKind::MissingKey(field).into()
    }
}

impl From<MistakeKind> for ReadError {
    fn from(kind: MistakeKind) -> Self {
        Self { at: None, kind }
    }
}

/// Translates serde's names of types into those that people who write YAML know.
fn in_words(expected: &str) -> String {
    match expected {
        "a string" => "text".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" => "a whole number, 0 or more".to_owned(),
        "f64" => "a number".to_owned(),
        other if other.starts_with("struct ") || other.starts_with("a map") => {
            "a mapping".to_owned()
        }
        other => other.to_owned(),
    }
}

fn found_in_words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("the number `{value}`"),
        Unexpected::Signed(value) => format!("the number `{value}`"),
        Unexpected::Float(value) => format!("the number `{value}`"),
        Unexpected::Str("") => "an empty text".to_owned(),
        Unexpected::Str(value) => format!("the text `{}`", short(value)),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// The first line of a text, at most some forty characters of it.
pub(super) fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= 40 && line.len() == text.trim_end().len() {
        return line.to_owned();
    }
    let mut cut: String = line.chars().take(40).collect();
    cut.push_str("...");
    cut
}

#[derive(Clone, Copy)]
struct Reader<'r> {
    value: &'r Value,
    trail: Trail<'r>,
    state: &'r State,
}

impl Reader<'_> {
    fn unexpected(&self) -> Unexpected<'_> {
        match self.value {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => Unexpected::Unsigned(value),
                (None, Some(value)) => Unexpected::Signed(value),
                (None, None) => Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(value) => Unexpected::Str(value),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        }
    }

    fn wrong_type(&self, expected: &dyn Expected) -> ReadError {
        <ReadError as de::Error>::invalid_type(self.unexpected(), expected).at(&self.trail)
    }

    fn is_hidden(&self, trail: &Trail<'_>) -> bool {
        let hidden = self.state.hidden.borrow();
        !hidden.is_empty() && hidden.contains(&trail.path())
    }

    fn map<'de, V: Visitor<'de>>(
        self,
        object: &serde_json::Map<String, Value>,
        fields: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor
            .visit_map(MapReader {
                entries: object.iter(),
                current: None,
                fields,
                reader: self,
            })
            .map_err(|error| error.at(&self.trail))
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let result = match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (None, Some(value), _) => visitor.visit_i64(value),
                (None, None, Some(value)) => visitor.visit_f64(value),
                (None, None, None) => Err(self.wrong_type(&"a number")),
            },
            Value::String(value) => visitor.visit_str(value),
            Value::Array(items) => visitor.visit_seq(SeqReader {
                items: items.iter().enumerate(),
                reader: self,
            }),
            Value::Object(object) => self.map(object, None, visitor),
        };
        result.map_err(|error| error.at(&self.trail))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        // `key:` with nothing behind it is not the same as no key. The type inside the option reports what belongs there.
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match name {
            "Json" => visitor.visit_newtype_struct(Whole(self.value)),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.value {
            Value::Object(object) => self.map(object, Some(fields), visitor),
            _ => Err(self.wrong_type(&"a mapping")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.value {
            Value::String(word) => visitor
                .visit_enum(word.as_str().into_deserializer())
                .map_err(|error: ReadError| error.at(&self.trail)),
            _ => Err(self.wrong_type(&OneOf(variants))),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// A value that may be anything. `serde_json` hands on the digits of its numbers, in a way that only it can read.
struct Whole<'r>(&'r Value);

impl<'de> Deserializer<'de> for Whole<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let whole = self.0.clone().deserialize_any(visitor);
        whole.map_err(|error| MistakeKind::Other(error.to_string()).into())
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any option newtype_struct struct enum
    }
}

struct OneOf(&'static [&'static str]);

impl Expected for OneOf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&one_of(self.0))
    }
}

/// `a`, `b` or `c`, in backticks.
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

struct SeqReader<'r> {
    items: std::iter::Enumerate<std::slice::Iter<'r, Value>>,
    reader: Reader<'r>,
}

impl<'de> SeqAccess<'de> for SeqReader<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        for (index, value) in self.items.by_ref() {
            let trail = Trail::Index(&self.reader.trail, index);
            if self.reader.is_hidden(&trail) {
                continue;
            }
            let state = self.reader.state;
            return seed
                .deserialize(Reader {
                    value,
                    trail,
                    state,
                })
                .map(Some);
        }
        Ok(None)
    }
}

struct MapReader<'r> {
    entries: serde_json::map::Iter<'r>,
    current: Option<(&'r str, &'r Value)>,
    /// The keys of a struct; `None` where any key goes.
    fields: Option<&'static [&'static str]>,
    reader: Reader<'r>,
}

impl<'de> MapAccess<'de> for MapReader<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        for (key, value) in self.entries.by_ref() {
            let trail = Trail::Key(&self.reader.trail, key);
            if self.reader.is_hidden(&trail) {
                continue;
            }
            if let Some(fields) = self.fields
                && !fields.contains(&key.as_str())
            {
                self.reader
                    .state
                    .note(trail.path(), MistakeKind::UnknownKey(fields));
                continue;
            }
            self.current = Some((key, value));
            return seed
                .deserialize(key.as_str().into_deserializer())
                .map(Some)
                .map_err(|error: ReadError| error.at(&trail));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some((key, value)) = self.current.take() else {
            return Err(MistakeKind::Other("a value without a key".to_owned()).into());
        };
        let trail = Trail::Key(&self.reader.trail, key);
        let state = self.reader.state;
        seed.deserialize(Reader {
            value,
            trail,
            state,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Item {
        name: String,
        #[serde(default)]
        count: Option<u16>,
        #[serde(default)]
        words: Vec<String>,
    }

    fn read_item(json: &serde_json::Value) -> (Option<Item>, Vec<String>) {
        let read = read::<Item>(json, &Path::root().key("item"), &[]);
        let mistakes = read
            .mistakes
            .iter()
            .map(|mistake| format!("{}: {:?}", mistake.at, mistake.kind))
            .collect();
        (read.value, mistakes)
    }

    #[test]
    fn every_mistake_of_an_item_is_found_in_one_reading() {
        let (item, mistakes) = read_item(&serde_json::json!({
            "name": "a", "count": "three", "conut": 1, "words": ["x", 1, "y", false], "more": 2
        }));
        assert_eq!(item.unwrap().words, ["x", "y"]);
        let expected = [
            r#"item.count: WrongType("a whole number from 0 to 65535", "the text `three`")"#,
            r#"item.conut: UnknownKey(["name", "count", "words"])"#,
            r#"item.words[1]: WrongType("text", "the number `1`")"#,
            r#"item.words[3]: WrongType("text", "`false`")"#,
            r#"item.more: UnknownKey(["name", "count", "words"])"#,
        ];
        assert_eq!(mistakes, expected);
    }

    #[test]
    fn a_number_that_may_be_anything_keeps_its_digits() {
        let text = r#"{"a":[0.10,12345.678901234567890123],"b":1e+400,"c":123456789012345678901}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        let read = read::<crate::spec::document::Json>(&value, &Path::root(), &[]);
        assert_eq!(read.value.unwrap().0.to_string(), text);
    }

    #[test]
    fn a_key_that_has_the_wrong_type_is_not_also_called_missing() {
        let (item, mistakes) = read_item(&serde_json::json!({ "name": 7 }));
        assert_eq!(item, None);
        assert_eq!(
            mistakes,
            [r#"item.name: WrongType("text", "the number `7`")"#]
        );
    }

    #[test]
    fn a_missing_key_and_a_key_with_nothing_behind_it_are_named() {
        let (item, mistakes) = read_item(&serde_json::json!({ "count": null }));
        assert_eq!(item, None);
        assert_eq!(
            mistakes,
            [
                r#"item.count: WrongType("a whole number from 0 to 65535", "nothing")"#,
                r#"item: MissingKey("name")"#
            ]
        );
    }
}
