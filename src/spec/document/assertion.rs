//! What a value must be: the assertions of invariants and of response bodies.

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Unexpected, Visitor};

use super::scalars::{Json, ScalarText, present};

/// Defines a struct with the assertion keys and further ones. `flatten` would be shorter but lose the places of mistakes.
macro_rules! with_assertions {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, serde::Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(in crate::spec) struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            /// The value, or the list of values, is this.
            #[serde(default, deserialize_with = "present")]
            pub equals: Option<Json>,
            /// The value, or the list of values, is not this.
            #[serde(default, deserialize_with = "present")]
            pub not_equals: Option<Json>,
            /// Every value is at least this.
            #[serde(default, deserialize_with = "present")]
            pub at_least: Option<Json>,
            /// Every value is at most this.
            #[serde(default, deserialize_with = "present")]
            pub at_most: Option<Json>,
            /// Nothing was found (`false`: something was).
            pub empty: Option<bool>,
            /// Something was found (`false`: nothing was).
            pub not_empty: Option<bool>,
            /// So many values were found: a number, or a mapping of `at_least` and `at_most`.
            pub count: Option<Count>,
            /// One of the values is this; or the only value is a text or a list that has this in it.
            #[serde(default, deserialize_with = "present")]
            pub contains: Option<Json>,
            /// Every value is a text in which this regular expression matches.
            pub matches: Option<String>,
        }

        impl $name {
            /// The assertions alone, those that need no database.
            pub(in crate::spec) fn assertions(&self) -> Written<'_> {
                Written {
                    equals: self.equals.as_ref(),
                    not_equals: self.not_equals.as_ref(),
                    at_least: self.at_least.as_ref(),
                    at_most: self.at_most.as_ref(),
                    empty: self.empty,
                    not_empty: self.not_empty,
                    count: self.count.as_ref(),
                    contains: self.contains.as_ref(),
                    matches: self.matches.as_deref(),
                }
            }
        }
    };
}

/// The assertions of either struct.
#[derive(Clone, Copy)]
pub(in crate::spec) struct Written<'d> {
    pub equals: Option<&'d Json>,
    pub not_equals: Option<&'d Json>,
    pub at_least: Option<&'d Json>,
    pub at_most: Option<&'d Json>,
    pub empty: Option<bool>,
    pub not_empty: Option<bool>,
    pub count: Option<&'d Count>,
    pub contains: Option<&'d Json>,
    pub matches: Option<&'d str>,
}

impl Written<'_> {
    /// Whether no assertion was written at all.
    pub(in crate::spec) fn is_nothing(&self) -> bool {
        let values = [
            self.equals,
            self.not_equals,
            self.at_least,
            self.at_most,
            self.contains,
        ];
        values.iter().all(Option::is_none)
            && self.empty.is_none()
            && self.not_empty.is_none()
            && self.count.is_none()
            && self.matches.is_none()
    }
}

with_assertions! {
    /// What a result must be; all of the keys must hold.
    Assertions {
        /// The values are those of this query, in its order.
        equals_sql: Option<String>,
    }
}

with_assertions! {
    /// What a part of a body must be; all of the keys must hold.
    BodyAssertion {
        /// What is taken from the body. Default: the whole body, as text.
        jsonpath: Option<String>,
    }
}

with_assertions! {
    /// A post-condition of an accepted call: what a query must find, or which rows the call may change.
    Ensure {
        /// A query; `:name` binds a value of the context or a parameter. Without an assertion it must find no row.
        sql: Option<String>,
        /// Which system `sql` runs on; needed only where there are several.
        system: Option<String>,
        /// Which rows the call may change, by table; `*` in a name matches anything.
        changes: Option<IndexMap<String, Changes>>,
        /// What it means when it does not hold.
        message: Option<String>,
    }
}

with_assertions! {
    /// What a header must be; all of the keys must hold.
    HeaderAssertions {}
}

/// What a header must be: its text, or a mapping of assertions.
#[derive(Debug)]
pub(in crate::spec) enum HeaderExpect {
    /// This text.
    Text(ScalarText),
    /// What the assertions say.
    Assertions(Box<HeaderAssertions>),
}

impl<'de> Deserialize<'de> for HeaderExpect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = HeaderExpect;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(
                    "the text of a header, or a mapping of assertions such as `contains`",
                )
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<HeaderExpect, E> {
                Ok(HeaderExpect::Text(ScalarText(value.to_owned())))
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<HeaderExpect, E> {
                Ok(HeaderExpect::Text(ScalarText(value.to_string())))
            }

            fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<HeaderExpect, E> {
                Ok(HeaderExpect::Text(ScalarText(value.to_string())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeaderExpect, A::Error> {
                HeaderAssertions::deserialize(MapAccessDeserializer::new(map))
                    .map(|assertions| HeaderExpect::Assertions(Box::new(assertions)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for HeaderExpect {
    fn schema_name() -> Cow<'static, str> {
        "HeaderExpect".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<ScalarText>();
        let assertions = generator.subschema_for::<HeaderAssertions>();
        json_schema!({
            "description": "The text of a header, or a mapping of assertions.",
            "anyOf": [text, assertions]
        })
    }
}

/// Which rows of a table a call may change.
#[derive(Debug)]
pub(in crate::spec) enum Changes {
    /// Whichever it likes.
    Any,
    /// None.
    None,
    /// So many.
    Counts(RowCounts),
}

/// How many rows come, change and go; none where a key is left out.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct RowCounts {
    /// Rows that come.
    pub insert: Option<Count>,
    /// Rows that change.
    pub update: Option<Count>,
    /// Rows that go.
    pub delete: Option<Count>,
}

impl<'de> Deserialize<'de> for Changes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Changes;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("`any`, `none`, or a mapping with `insert`, `update`, `delete`")
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Changes, E> {
                match value {
                    "any" => Ok(Changes::Any),
                    "none" => Ok(Changes::None),
                    _ => Err(E::invalid_value(Unexpected::Str(value), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Changes, A::Error> {
                RowCounts::deserialize(MapAccessDeserializer::new(map)).map(Changes::Counts)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Changes {
    fn schema_name() -> Cow<'static, str> {
        "Changes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let counts = generator.subschema_for::<RowCounts>();
        json_schema!({
            "description": "`any`, `none`, or how many rows come, change and go.",
            "anyOf": [{ "enum": ["any", "none"] }, counts]
        })
    }
}

/// How many values were found: exactly so many, or a range.
#[derive(Clone, Copy, Debug)]
pub(in crate::spec) struct Count(pub CountRange);

/// A range of counts.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct CountRange {
    /// At least so many.
    pub at_least: Option<u64>,
    /// At most so many.
    pub at_most: Option<u64>,
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Count;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a count from 0 on, or a mapping with `at_least`, `at_most`")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Count, E> {
                Ok(Count(CountRange {
                    at_least: Some(value),
                    at_most: Some(value),
                }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Count, A::Error> {
                CountRange::deserialize(MapAccessDeserializer::new(map)).map(Count)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let range = generator.subschema_for::<CountRange>();
        json_schema!({
            "description": "So many, or a mapping with `at_least`, `at_most`.",
            "anyOf": [{ "type": "integer", "minimum": 0 }, range]
        })
    }
}

/// `expect:` of an invariant: a word, or a mapping of assertions.
#[derive(Debug)]
pub(in crate::spec) enum InvariantExpect {
    /// `empty`
    Empty,
    /// `not_empty`
    NotEmpty,
    /// Anything else.
    Assertions(Box<Assertions>),
}

impl<'de> Deserialize<'de> for InvariantExpect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = InvariantExpect;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(
                    "`empty`, `not_empty`, or a mapping of assertions such as `equals` or `at_most`",
                )
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<InvariantExpect, E> {
                match value {
                    "empty" => Ok(InvariantExpect::Empty),
                    "not_empty" => Ok(InvariantExpect::NotEmpty),
                    _ => Err(E::invalid_value(Unexpected::Str(value), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<InvariantExpect, A::Error> {
                Assertions::deserialize(MapAccessDeserializer::new(map))
                    .map(|assertions| InvariantExpect::Assertions(Box::new(assertions)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for InvariantExpect {
    fn schema_name() -> Cow<'static, str> {
        "InvariantExpect".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let assertions = generator.subschema_for::<Assertions>();
        json_schema!({
            "description": "`empty`, `not_empty`, or a mapping of assertions.",
            "anyOf": [{ "enum": ["empty", "not_empty"] }, assertions]
        })
    }
}
