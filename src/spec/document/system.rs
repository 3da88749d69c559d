//! An entry of `systems:`. The keys that say where a database is come from the registry of engines, so serde is helped by
//! hand: those keys are taken out on the way to the derived type of the others.

use std::fmt;
use std::sync::LazyLock;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer as _, MapAccess, Visitor};
use serde_json::json;

use super::SafetyCopyWord;
use super::scalars::DurationText;
use crate::world::system::ENGINES;

/// A database under the service.
#[derive(Debug)]
pub(in crate::spec) struct System {
    /// What stands below the keys of the engines and `url`, by key.
    pub locations: IndexMap<&'static str, String>,
    /// The other keys.
    pub settings: Settings,
}

/// The keys of a system that every engine has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct Settings {
    /// Tables whose rows tell states apart, `*` matches anything, `!name` leaves tables out. Default: all. Every table is restored either way.
    pub observe_tables: Option<Vec<String>>,
    /// Columns that do not tell states apart: `orders.etag`, `*.created_at`.
    #[serde(default)]
    pub ignore_columns: Vec<String>,
    /// Tables whose generated ids tell states apart, whatever `explore.identity` says.
    #[serde(default)]
    pub keep_ids: Vec<String>,
    /// Columns whose values are another one each time (`*.updated_at`): only whether there is one tells states apart. Default:
    /// they are looked for where `explore.identity` is `canonical`.
    pub volatile: Option<Vec<String>>,
    /// Tables that are left alone: not watched, not restored.
    #[serde(default)]
    pub ignore_tables: Vec<String>,
    /// Queries whose results tell states apart, by name.
    #[serde(default)]
    pub observation_queries: IndexMap<String, String>,
    /// When the service has written what it writes after it has answered: its rows are read then.
    pub settle: Option<Settle>,
    /// Longest time for one query of the spec. Default: `10s`.
    pub query_timeout: Option<DurationText>,
    /// Whether the database may be on another machine. Default: `false`.
    #[serde(default)]
    pub allow_remote: bool,
    /// Whether a copy of the content before the run is kept beside a SQLite file while the run lasts. Default: `auto`.
    #[serde(default)]
    pub safety_copy: SafetyCopyWord,
}

/// When a service has written everything.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::spec) struct Settle {
    /// A query that yields one true value (`true`, `t`, a number other than 0) once everything is written:
    /// `SELECT count(*) = 0 FROM outbox`.
    pub until: String,
    /// How long that may take; what is not written by then is said. Default: `2s`.
    pub at_most: Option<DurationText>,
}

/// A key that holds any location; its scheme names the engine.
const URL: (&str, &str) = (
    "url",
    "Either of the two, told by its scheme: `sqlite:path/to/file.db` or `postgres://...`. For a spec that runs on both.",
);

/// The keys that say where a database is, with what the schema says about them.
pub(in crate::spec) fn location_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    let engines = ENGINES.iter();
    engines
        .map(|engine| (engine.key(), engine.description()))
        .chain([URL])
}

impl<'de> Deserialize<'de> for System {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        static KEYS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
            let settings = [
                "observe_tables",
                "ignore_columns",
                "keep_ids",
                "volatile",
                "ignore_tables",
                "observation_queries",
                "settle",
                "query_timeout",
                "allow_remote",
                "safety_copy",
            ];
            location_keys()
                .map(|(key, _)| key)
                .chain(settings)
                .collect()
        });
        deserializer.deserialize_struct("System", &KEYS, SystemVisitor)
    }
}

struct SystemVisitor;

impl<'de> Visitor<'de> for SystemVisitor {
    type Value = System;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("struct System")
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<System, A::Error> {
        let mut locations = IndexMap::new();
        let others = WithoutLocations {
            entries,
            locations: &mut locations,
        };
        let settings = Settings::deserialize(MapAccessDeserializer::new(others))?;
        Ok(System {
            locations,
            settings,
        })
    }
}

/// The entries of a system without those that say where it is, which are put aside.
struct WithoutLocations<'l, A> {
    entries: A,
    locations: &'l mut IndexMap<&'static str, String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutLocations<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.entries.next_key::<String>()? {
            match location_keys().find(|(known, _)| *known == key) {
                Some((known, _)) => {
                    self.locations.insert(known, self.entries.next_value()?);
                }
                None => return seed.deserialize(key.into_deserializer()).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.entries.next_value_seed(seed)
    }
}

impl JsonSchema for System {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "System".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Settings::json_schema(generator);
        schema.insert(
            "description".to_owned(),
            json!("A database under the service."),
        );
        if let Some(properties) = schema
            .get_mut("properties")
            .and_then(|all| all.as_object_mut())
        {
            let settings = std::mem::take(properties);
            for (key, description) in location_keys() {
                let text = json!({ "type": "string", "description": description });
                properties.insert(key.to_owned(), text);
            }
            properties.extend(settings);
        }
        schema
    }
}
