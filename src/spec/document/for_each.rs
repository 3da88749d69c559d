//! `for_each`: the objects on which an action acts.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::StrDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// The variable whose objects an action acts on, and how many of them at most.
#[derive(Debug)]
pub(in crate::spec) struct ForEach {
    /// The variable.
    pub name: String,
    /// How many of the newest objects; `None` leaves that to us.
    pub most: Option<u16>,
}

impl<'de> Deserialize<'de> for ForEach {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = ForEach;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter
                    .write_str("the name of a variable, or a name with how many: `{ order_id: 4 }`")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<ForEach, E> {
                let name = String::deserialize(StrDeserializer::new(name))?;
                Ok(ForEach { name, most: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ForEach, A::Error> {
                let Some((name, most)) = map.next_entry::<String, u16>()? else {
                    return Err(A::Error::custom("expected the name of one variable"));
                };
                if map.next_key::<String>()?.is_some() {
                    return Err(A::Error::custom(
                        "expected the name of one variable, not of several",
                    ));
                }
                let most = Some(most);
                Ok(ForEach { name, most })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for ForEach {
    fn schema_name() -> Cow<'static, str> {
        "ForEach".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The name of a variable that some action extracts, or a mapping of the name to how many of its newest objects.",
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "additionalProperties": { "type": "integer", "minimum": 1, "maximum": 100 },
                    "minProperties": 1,
                    "maxProperties": 1
                }
            ]
        })
    }
}
