//! Requests, and what is expected and taken from their answers.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{
    Deserialize, Deserializer, IntoDeserializer as _, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::assertion::{BodyAssertion, HeaderExpect};
use super::scalars::{DurationText, Json, ScalarText, Wrong, present, scalar};
use crate::diagnostic::Path;
use crate::model::StatusPattern;

/// A request. At most one of `json`, `form`, `multipart`, `text`, `file`, `base64` and `graphql`.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct Request {
    /// The method. Default: `GET`; with `graphql`, `POST`.
    pub method: Option<String>,
    /// Path below `http.base_url`, or an absolute URL. A template.
    pub path: String,
    /// Query parameters; templates, percent-encoded when sent. A list repeats the name.
    #[serde(default)]
    pub query: IndexMap<String, Texts>,
    /// Headers; templates. They replace those of `http.headers` with the same name.
    #[serde(default)]
    pub headers: IndexMap<String, ScalarText>,
    /// User and password, sent as `Authorization: Basic ...`.
    pub basic: Option<Basic>,
    /// A JSON body. Every text in it is a template; one that is only `{{ expression }}` keeps the type of its value.
    #[serde(default, deserialize_with = "present")]
    pub json: Option<Json>,
    /// A form body; templates. A list repeats the name.
    pub form: Option<IndexMap<String, Texts>>,
    /// A body of several parts (`multipart/form-data`), by name: texts, which are templates, and files.
    pub multipart: Option<IndexMap<String, Parts>>,
    /// A text body; a template.
    pub text: Option<String>,
    /// A file that is sent as it is; its path starts at the folder of the spec.
    pub file: Option<String>,
    /// Bytes in base64 that are sent as they are.
    pub base64: Option<String>,
    /// An operation of GraphQL, sent over `POST`.
    pub graphql: Option<GraphQl>,
}

/// An operation of GraphQL.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct GraphQl {
    /// The document, sent as it is; or a mapping with its `file`. Values go into `variables`.
    pub query: GraphQlQuery,
    /// Values of its variables. Every text in them is a template, as in `json`.
    #[serde(default, deserialize_with = "present")]
    pub variables: Option<Json>,
    /// The operation that is meant, where the document has several.
    pub operation_name: Option<String>,
}

/// A text, or a mapping with the `file` that holds it.
#[derive(Debug)]
pub(in crate::spec) enum GraphQlQuery {
    /// The text.
    Text(String),
    /// Path of a file, from the folder of the spec.
    File(String),
}

/// Where the text stands.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InFile {
    /// Path of a file, from the folder of the spec.
    file: String,
}

impl<'de> Deserialize<'de> for GraphQlQuery {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = GraphQlQuery;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a document of GraphQL, or a mapping with its `file`")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let InFile { file } = InFile::deserialize(MapAccessDeserializer::new(map))?;
                Ok(GraphQlQuery::File(file))
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Self::Value, E> {
                Ok(GraphQlQuery::Text(value.to_owned()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for GraphQlQuery {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "GraphQlQuery".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<String>();
        let file = generator.subschema_for::<InFile>();
        json_schema!({ "anyOf": [text, file] })
    }
}

/// User and password; templates.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct Basic {
    /// The user.
    pub user: ScalarText,
    /// The password.
    pub password: ScalarText,
}

/// A part of a `multipart` body: a text, or a mapping.
#[derive(Debug)]
pub(in crate::spec) struct Part {
    /// The text; a template.
    pub text: Option<ScalarText>,
    /// Path of a file, from the folder of the spec.
    pub file: Option<String>,
    /// Content type. Default: that of the file's name.
    pub content_type: Option<String>,
    /// Name of the file as the service gets it. Default: its own.
    pub filename: Option<String>,
    /// Whether it was written as a text alone.
    pub short: bool,
}

/// What a part holds: `text` or `file`.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongPart {
    /// A text; a template.
    text: Option<ScalarText>,
    /// Path of a file, from the folder of the spec.
    file: Option<String>,
    /// Content type. Default: that of the file's name.
    #[serde(rename = "type")]
    content_type: Option<String>,
    /// Name of the file as the service gets it. Default: its own.
    filename: Option<String>,
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Part;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter
                    .write_str("a text, or a mapping with `text` or `file`, `type`, `filename`")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Part, A::Error> {
                let long = LongPart::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Part {
                    text: long.text,
                    file: long.file,
                    content_type: long.content_type,
                    filename: long.filename,
                    short: false,
                })
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Part, E> {
                short(value.into_deserializer())
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Part, E> {
                short(value.into_deserializer())
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Part, E> {
                short(value.into_deserializer())
            }

            fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Part, E> {
                short(value.into_deserializer())
            }
        }

        fn short<'de, D: Deserializer<'de>>(value: D) -> Result<Part, D::Error> {
            Ok(Part {
                text: Some(ScalarText::deserialize(value)?),
                file: None,
                content_type: None,
                filename: None,
                short: true,
            })
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Part {
    fn schema_name() -> Cow<'static, str> {
        "Part".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let short = generator.subschema_for::<ScalarText>();
        let long = generator.subschema_for::<LongPart>();
        json_schema!({ "description": "A text, or a mapping with `text` or `file`.", "anyOf": [short, long] })
    }
}

/// One value, or a list of them.
#[derive(Debug)]
pub(in crate::spec) enum OneOrMany<T> {
    /// One.
    One(T),
    /// A list.
    Many(Vec<T>),
}

/// One text, or a list of texts.
pub(in crate::spec) type Texts = OneOrMany<ScalarText>;

/// One part, or a list of parts of one name.
pub(in crate::spec) type Parts = OneOrMany<Part>;

impl<T> OneOrMany<T> {
    /// Each value, and where it stands.
    pub(in crate::spec) fn at(&self, at: &Path) -> Vec<(Path, &T)> {
        match self {
            Self::One(value) => vec![(at.clone(), value)],
            Self::Many(values) => {
                let values = values.iter().enumerate();
                values
                    .map(|(index, value)| (at.index(index), value))
                    .collect()
            }
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("text, a whole number or a boolean (anything else in quotes), or a list of these")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany::Many)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(OneOrMany::One)
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Self::Value, E> {
                T::deserialize(value.into_deserializer()).map(OneOrMany::One)
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
                T::deserialize(value.into_deserializer()).map(OneOrMany::One)
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Self::Value, E> {
                T::deserialize(value.into_deserializer()).map(OneOrMany::One)
            }

            fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Self::Value, E> {
                T::deserialize(value.into_deserializer()).map(OneOrMany::One)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}s", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// What a good answer looks like.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct ActionExpect {
    /// Legal statuses: `201`, `2xx`, or a list of these.
    pub status: Option<Status>,
    /// What the headers of a legal answer must be, by name: a text, or a mapping of assertions.
    #[serde(default)]
    pub headers: IndexMap<String, HeaderExpect>,
    /// How long a legal answer may take.
    pub duration: Option<DurationExpect>,
    /// What the body of a legal answer must hold: without `jsonpath`, its text.
    #[serde(default)]
    pub body: Vec<BodyAssertion>,
}

/// Asking again until something is ready.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct Retry {
    /// The answer that is waited for; what `expect` can say.
    pub until: ActionExpect,
    /// How long it is asked for. Default: `5s`.
    pub at_most: Option<DurationText>,
    /// The pause between an answer and the next request. Default: `100ms`.
    pub every: Option<DurationText>,
}

/// How long an answer may take.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct DurationExpect {
    /// From sending the request to the last byte of the answer.
    pub at_most: DurationText,
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
    /// Where it comes from.
    pub from: LongExtract,
    /// Whether it was written as a JSONPath alone.
    pub short: bool,
}

/// Where a value comes from: `jsonpath`, `header`, `cookie` or `body`; of the last three, what a `regex` finds in it.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct LongExtract {
    /// JSONPath into the body; the first node found is taken.
    pub jsonpath: Option<String>,
    /// Name of a response header.
    pub header: Option<String>,
    /// Name of a cookie that the answer sets.
    pub cookie: Option<String>,
    /// The body as text.
    pub body: Option<BodyText>,
    /// A regular expression for the text that is there: its first group, or where it has none, all that it matches. Alone, it
    /// looks at the body.
    pub regex: Option<String>,
    /// Whether everything that is found is taken, as a list. Default: `false`, the first alone.
    #[serde(default)]
    pub all: bool,
    /// Whether finding nothing is fine. Default: `false`.
    #[serde(default)]
    pub optional: bool,
}

/// The body as text, or what a regular expression finds in it.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct BodyText {
    /// A regular expression: its first group, or where it has none, all that it matches. Without it, the whole body.
    pub regex: Option<String>,
}

impl<'de> Deserialize<'de> for Extract {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Extract;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(
                    "a JSONPath, or a mapping with `jsonpath`, `header`, `cookie` or `body`, `regex`, `all`, `optional`",
                )
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Extract, E> {
                let jsonpath = Some(value.to_owned());
                Ok(Extract {
                    from: LongExtract {
                        jsonpath,
                        ..LongExtract::default()
                    },
                    short: true,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Extract, A::Error> {
                LongExtract::deserialize(MapAccessDeserializer::new(map))
                    .map(|from| Extract { from, short: false })
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
