//! The two sections that a reproduction has and a spec has not, as they are written.

use std::fmt;

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Unexpected, Visitor};

use crate::spec::document::{Item, Json, Level, Wrong, scalar};

/// The section of its own. `path` is the other one, read step by step so that every step says all that is wrong with it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sections {
    pub reproduction: About,
}

/// `reproduction:`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    pub invariant: Option<String>,
    pub check: Option<String>,
    /// The kind of the finding, which the oracle names: the status, the extraction, the JSONPath.
    pub evidence: Option<String>,
    pub severity: Level,
    pub message: String,
    pub expected: Option<String>,
    pub found: Option<Json>,
    pub confirmed: Option<Times>,
    pub spec: Option<String>,
    pub strategy: Option<String>,
    pub seed: Option<u64>,
    /// Where relative paths start, seen from the folder of the file.
    pub folder: Option<String>,
    /// Names that something reads and that have no value on this path.
    #[serde(default)]
    pub undefined: Vec<String>,
    /// The calls of `counter()` in the spec, by their requests.
    #[serde(default)]
    pub counters: Vec<String>,
}

/// `3 of 3`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times(pub u32, pub u32);

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, "a count such as `3 of 3`", |found| {
            let Unexpected::Str(text) = found else {
                return Err(Wrong::Type);
            };
            text.split_once(" of ")
                .and_then(|(times, of)| Some(Self(times.parse().ok()?, of.parse().ok()?)))
                .ok_or(Wrong::Value)
        })
    }
}

/// One entry of `path:`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub action: String,
    pub request: Option<String>,
    pub body: Option<String>,
    pub status: Option<u16>,
    #[serde(default)]
    pub extracted: IndexMap<String, Json>,
    #[serde(default)]
    pub rows: Vec<Row>,
    #[serde(skip)]
    pub position: usize,
}

impl Item for Step {
    const SECTION: &'static str = super::KEYS[1];

    fn stands_at(&mut self, position: usize) {
        self.position = position;
    }
}

/// `orders[1]: refunded 0 -> 100`
#[derive(Debug)]
pub(super) struct Row {
    pub row: String,
    pub change: String,
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Row;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a row and how it changed, `orders[1]: refunded 0 -> 100`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let Some((row, change)) = map.next_entry()? else {
                    return Err(A::Error::custom("a row is missing here"));
                };
                if map.next_entry::<String, String>()?.is_some() {
                    return Err(A::Error::custom("one row at a time: begin each with a `-`"));
                }
                Ok(Row { row, change })
            }
        }
        deserializer.deserialize_any(One)
    }
}
