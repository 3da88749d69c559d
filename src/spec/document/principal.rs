//! Who acts: principals, and the actions and requests that name them.

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::SetupExpect;
use super::request::{Basic, Extract, Request, Retry, Status};
use super::scalars::ScalarText;

/// Somebody who uses the service. `{}` is somebody without any credentials.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct Principal {
    /// The request that logs in, or several in order. Sent once, before the initial state, and again when the login is lost.
    pub login: Option<Login>,
    /// Headers of each of its requests; templates over constants and what its own login extracts. They replace those of
    /// `http.headers` with the same name.
    #[serde(default)]
    pub headers: IndexMap<String, ScalarText>,
    /// Query parameters of each of its requests; templates as in `headers`.
    #[serde(default)]
    pub query: IndexMap<String, ScalarText>,
    /// Basic authentication; templates over constants.
    pub basic: Option<Basic>,
    /// Statuses that say that the login is not good any more: it is then done again, once. Default: `401`.
    pub renew_on: Option<Status>,
}

/// A request of a login.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct LoginStep {
    /// What is sent; an answer that is not 2xx, and not listed under `expect`, ends the run.
    pub request: Request,
    /// Asks again until something is ready.
    pub retry: Option<Retry>,
    /// What a good answer looks like. Default: any 2xx.
    pub expect: Option<SetupExpect>,
    /// Values to remember from the answer, by name; only this principal reads them.
    #[serde(default)]
    pub extract: IndexMap<String, Extract>,
}

/// One request, or several.
#[derive(Debug)]
pub(in crate::spec) struct Login {
    /// In order.
    pub steps: Vec<LoginStep>,
    /// Whether it was written as a list.
    pub is_list: bool,
}

impl<'de> Deserialize<'de> for Login {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Login;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a mapping with `request`, or a list of these")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Login, A::Error> {
                let step = LoginStep::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Login {
                    steps: vec![step],
                    is_list: false,
                })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Login, A::Error> {
                let mut steps = Vec::new();
                while let Some(step) = list.next_element()? {
                    steps.push(step);
                }
                Ok(Login {
                    steps,
                    is_list: true,
                })
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl JsonSchema for Login {
    fn schema_name() -> Cow<'static, str> {
        "Login".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let step = generator.subschema_for::<LoginStep>();
        json_schema!({
            "description": "The request that logs in, or several in order.",
            "anyOf": [step, { "type": "array", "items": step, "minItems": 1 }]
        })
    }
}

/// Who sends a request: one principal, or a list of them.
#[derive(Debug)]
pub(in crate::spec) struct Actors {
    /// Their names.
    pub names: Vec<String>,
    /// Whether it was written as a list.
    pub is_list: bool,
}

impl<'de> Deserialize<'de> for Actors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Actors;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of a principal, or a list of names")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Actors, E> {
                let name = String::deserialize(StrDeserializer::new(name))?;
                Ok(Actors {
                    names: vec![name],
                    is_list: false,
                })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Actors, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(Actors {
                    names,
                    is_list: true,
                })
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl JsonSchema for Actors {
    fn schema_name() -> Cow<'static, str> {
        "Actors".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The name of a principal, or a list of names.",
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 }
            ]
        })
    }
}
