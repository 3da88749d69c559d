//! Requests, and what is expected and taken from their answers.

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};

use super::assertion::BodyAssertion;
use super::scalars::{Json, ScalarText, Wrong, present, scalar};
use crate::model::StatusPattern;

/// A request. At most one of `json`, `form` and `text`.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct Request {
    /// The method. Default: `GET`.
    pub method: Option<String>,
    /// Path below `http.base_url`, or an absolute URL. A template.
    pub path: String,
    /// Query parameters; templates, percent-encoded when sent.
    #[serde(default)]
    pub query: IndexMap<String, ScalarText>,
    /// Headers; templates. They replace those of `http.headers` with the same name.
    #[serde(default)]
    pub headers: IndexMap<String, ScalarText>,
    /// A JSON body. Every text in it is a template; one that is only `{{ expression }}` keeps the type of its value.
    #[serde(default, deserialize_with = "present")]
    pub json: Option<Json>,
    /// A form body; templates.
    pub form: Option<IndexMap<String, ScalarText>>,
    /// A text body; a template.
    pub text: Option<String>,
}

/// What a good answer looks like.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct ActionExpect {
    /// Legal statuses: `201`, `2xx`, or a list of these.
    pub status: Option<Status>,
    /// What the body of a legal answer must hold.
    #[serde(default)]
    pub body: Vec<BodyAssertion>,
}

/// `201`, `2xx`, or a list of these.
#[derive(Debug)]
pub(in crate::spec) struct Status(pub Vec<StatusPattern>);

struct OneStatus(StatusPattern);

pub(in crate::spec) const STATUS: &str = "a status from 100 to 599, or a class such as `2xx`";

/// `2xx`.
fn status_class(text: &str) -> Option<StatusPattern> {
    match text.as_bytes() {
        [class @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => Some(StatusPattern::Class(class - b'0')),
        _ => None,
    }
}

/// `404` or `4xx`, as a key.
pub(in crate::spec) fn status_key(text: &str) -> Option<StatusPattern> {
    status_class(text).or_else(|| match text.parse() {
        Ok(code @ 100..=599) => Some(StatusPattern::Code(code)),
        _ => None,
    })
}

impl<'de> Deserialize<'de> for OneStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, STATUS, |found| match found {
            Unexpected::Unsigned(code @ 100..=599) => Ok(Self(StatusPattern::Code(code as u16))),
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => Err(Wrong::Value),
            Unexpected::Str(text) => status_class(text).map(Self).ok_or(Wrong::Value),
            _ => Err(Wrong::Type),
        })
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Many;
        impl<'de> Visitor<'de> for Many {
            type Value = Status;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{STATUS}, or a list of these")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Status, E> {
                one(serde::de::value::U64Deserializer::new(value))
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Status, E> {
                one(serde::de::value::I64Deserializer::new(value))
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Status, E> {
                one(serde::de::value::StrDeserializer::new(value))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Status, A::Error> {
                let mut statuses = Vec::new();
                while let Some(OneStatus(status)) = list.next_element()? {
                    statuses.push(status);
                }
                Ok(Status(statuses))
            }
        }

        fn one<'de, D: Deserializer<'de>>(value: D) -> Result<Status, D::Error> {
            OneStatus::deserialize(value).map(|OneStatus(status)| Status(vec![status]))
        }
        deserializer.deserialize_any(Many)
    }
}

impl JsonSchema for Status {
    fn schema_name() -> Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = serde_json::json!([
            { "type": "integer", "minimum": 100, "maximum": 599 },
            { "type": "string", "pattern": "^[1-5][xX]{2}$" }
        ]);
        let mut any = one.as_array().cloned().unwrap_or_default();
        any.push(serde_json::json!({ "type": "array", "items": { "anyOf": one }, "minItems": 1 }));
        json_schema!({
            "description": "`201`, `2xx`, or a list of these.",
            "anyOf": any
        })
    }
}

/// A value to remember: a JSONPath, or a mapping that says where it comes from.
#[derive(Debug)]
pub(in crate::spec) struct Extract {
    /// JSONPath into the body; the first node found is taken.
    pub jsonpath: Option<String>,
    /// Name of a response header.
    pub header: Option<String>,
    /// Whether finding nothing is fine.
    pub optional: bool,
    /// Whether it was written as a JSONPath alone.
    pub short: bool,
}

/// Where a value comes from: `jsonpath` or `header`.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongExtract {
    /// JSONPath into the body; the first node found is taken.
    jsonpath: Option<String>,
    /// Name of a response header.
    header: Option<String>,
    /// Whether finding nothing is fine. Default: `false`.
    #[serde(default)]
    optional: bool,
}

impl<'de> Deserialize<'de> for Extract {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Extract;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter
                    .write_str("a JSONPath, or a mapping with `jsonpath` or `header`, `optional`")
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Extract, E> {
                Ok(Extract {
                    jsonpath: Some(value.to_owned()),
                    header: None,
                    optional: false,
                    short: true,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Extract, A::Error> {
                let long = LongExtract::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Extract {
                    jsonpath: long.jsonpath,
                    header: long.header,
                    optional: long.optional,
                    short: false,
                })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Extract {
    fn schema_name() -> Cow<'static, str> {
        "Extract".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<LongExtract>();
        json_schema!({
            "description": "A JSONPath into the body, or a mapping that says where the value comes from.",
            "anyOf": [{ "type": "string" }, long]
        })
    }
}
