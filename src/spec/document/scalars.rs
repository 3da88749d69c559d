//! Scalars with a form of their own: durations, sizes, severities, texts that may be written as numbers.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use crate::model::Severity;

/// Why a scalar is refused.
pub(in crate::spec) enum Wrong {
    /// It is of a kind that does not belong there.
    Type,
    /// Its kind belongs there, its value does not.
    Value,
}

/// Reads text, a whole number or a boolean. `expected` says, for messages, what belongs there.
pub(in crate::spec) fn scalar<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
    read: fn(Unexpected<'_>) -> Result<T, Wrong>,
) -> Result<T, D::Error> {
    deserializer.deserialize_any(ScalarVisitor { expected, read })
}

struct ScalarVisitor<T> {
    expected: &'static str,
    read: fn(Unexpected<'_>) -> Result<T, Wrong>,
}

impl<T> ScalarVisitor<T> {
    fn take<E: Error>(self, found: Unexpected<'_>) -> Result<T, E> {
        (self.read)(found).map_err(|wrong| match wrong {
            Wrong::Type => E::invalid_type(found, &self),
            Wrong::Value => E::invalid_value(found, &self),
        })
    }
}

impl<T> Visitor<'_> for ScalarVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        self.take(Unexpected::Str(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        self.take(Unexpected::Unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        self.take(Unexpected::Signed(value))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        self.take(Unexpected::Bool(value))
    }
}

/// Any JSON value.
// Not `transparent`: by the name of the struct a reader knows that the whole value is wanted, with every digit of its numbers.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, JsonSchema)]
pub(in crate::spec) struct Json(pub serde_json::Value);

/// Distinguishes `equals: null` from an absent `equals`.
pub(super) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// The URL of a proxy; `null` says that there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::spec) struct ProxyText(pub Option<String>);

impl<'de> Deserialize<'de> for ProxyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Json(value) = Json::deserialize(deserializer)?;
        match value {
            serde_json::Value::Null => Ok(Self(None)),
            serde_json::Value::String(url) => Ok(Self(Some(url))),
            _ => Err(serde::de::Error::custom(
                "expected the URL of a proxy such as `http://127.0.0.1:8888`, or `null`",
            )),
        }
    }
}

impl JsonSchema for ProxyText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ProxyText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "null"] })
    }
}

/// Text. A whole number or a boolean is taken as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::spec) struct ScalarText(pub String);

impl<'de> Deserialize<'de> for ScalarText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A float would lose digits (`1.10`), so it must be quoted.
        let expected = "text, a whole number or a boolean (anything else in quotes)";
        scalar(deserializer, expected, |found| match found {
            Unexpected::Str(text) => Ok(Self(text.to_owned())),
            Unexpected::Unsigned(number) => Ok(Self(number.to_string())),
            Unexpected::Signed(number) => Ok(Self(number.to_string())),
            Unexpected::Bool(value) => Ok(Self(value.to_string())),
            _ => Err(Wrong::Type),
        })
    }
}

impl JsonSchema for ScalarText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ScalarText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer", "boolean"] })
    }
}

/// A duration as people write it: `250ms`, `30s`, `1m30s`, `1.5h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spec) struct DurationText(pub Duration);

/// Reads a duration in the form of specs and flags: `250ms`, `30s`, `1m30s`, `1.5h`. `None` where the text is none.
pub fn duration(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        total += number
            * match rest[..letters].trim() {
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" | "sec" => 1.0,
                "m" | "min" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &rest[letters..];
    }
    Duration::try_from_secs_f64(total).ok()
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a duration such as `250ms`, `30s` or `1m30s`";
        scalar(deserializer, expected, |found| match found {
            Unexpected::Str(text) => duration(text).map(Self).ok_or(Wrong::Value),
            _ => Err(Wrong::Type),
        })
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration such as `250ms`, `30s` or `1m30s`.",
            "type": "string",
            "examples": ["250ms", "30s", "1m30s"]
        })
    }
}

/// How often something may happen, as people write it: `50/s`, `600/m`; kept as the time between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spec) struct RateText(pub Duration);

/// The time between two, or `None` where the text is no rate.
fn rate(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_once('/')?;
    let number: f64 = number.trim().parse().ok()?;
    let seconds = match unit.trim() {
        "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let between = Duration::try_from_secs_f64(seconds / number).ok()?;
    (number > 0.0 && !between.is_zero()).then_some(between)
}

impl<'de> Deserialize<'de> for RateText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a rate such as `50/s` or `600/m`";
        scalar(deserializer, expected, |found| match found {
            Unexpected::Str(text) => rate(text).map(Self).ok_or(Wrong::Value),
            _ => Err(Wrong::Type),
        })
    }
}

impl JsonSchema for RateText {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A rate such as `50/s` or `600/m`.",
            "type": "string",
            "pattern": "^ *[0-9.]+ */ *(s|sec|m|min|h) *$",
            "examples": ["50/s", "600/m"]
        })
    }
}

/// A size in bytes as people write it: `16MB`, `512KiB`, `1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spec) struct SizeText(pub u64);

/// The size in bytes, or `None` where the text is none.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        _ => return None,
    };
    Some((number * unit) as u64)
}

impl<'de> Deserialize<'de> for SizeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a size such as `16MB` or `512KiB`, or a number of bytes";
        scalar(deserializer, expected, |found| match found {
            Unexpected::Unsigned(bytes) => Ok(Self(bytes)),
            Unexpected::Str(text) => size(text).map(Self).ok_or(Wrong::Value),
            _ => Err(Wrong::Type),
        })
    }
}

impl JsonSchema for SizeText {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A size such as `16MB` or `512KiB`, or a number of bytes.",
            "type": ["string", "integer"],
            "examples": ["16MB", "512KiB"]
        })
    }
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Severity")]
pub(in crate::spec) enum Level {
    /// Money, data or access is lost.
    Critical,
    /// Wrong for users.
    High,
    /// The default of an invariant.
    Medium,
    /// Cosmetic.
    Low,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Critical => Self::Critical,
            Level::High => Self::High,
            Level::Medium => Self::Medium,
            Level::Low => Self::Low,
        }
    }
}

/// The severity of a built-in check, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::spec) enum CheckLevel {
    /// Money, data or access is lost.
    Critical,
    /// Wrong for users.
    High,
    /// Worth knowing.
    Medium,
    /// Cosmetic.
    Low,
    /// The check does not run.
    Off,
}

impl CheckLevel {
    /// The severity; `None` when the check is off.
    pub(in crate::spec) fn severity(self) -> Option<Severity> {
        match self {
            Self::Critical => Some(Severity::Critical),
            Self::High => Some(Severity::High),
            Self::Medium => Some(Severity::Medium),
            Self::Low => Some(Severity::Low),
            Self::Off => None,
        }
    }
}

/// How to get back to an earlier state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Restore")]
pub(in crate::spec) enum RestoreWord {
    /// Write back the rows that differ, in every system.
    Database,
    /// Write them back and start the service again each time, for services that keep state in their process.
    Full,
    /// Reset the service and replay the path.
    Replay,
    /// Never go back; only for the strategies `random` and `weighted`.
    None,
}

/// When two states are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Identity")]
pub(in crate::spec) enum IdentityWord {
    /// Their rows and values are equal, ids included.
    Exact,
    /// They are equal but for ids that are generated, and for what differs each time.
    Canonical,
}

/// Whether a copy of the content before the run is kept beside a database file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "SafetyCopy")]
pub(in crate::spec) enum SafetyCopyWord {
    /// Of a file up to 64 MB.
    #[default]
    Auto,
    /// However large it is.
    Always,
    /// Not at all, unless no journal can watch a table of it.
    Never,
}

/// Whether to stop at the first violation, and how bad it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spec) struct FailFast(pub Option<Severity>);

impl<'de> Deserialize<'de> for FailFast {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "`true`, `false`, `critical`, `high`, `medium` or `low`";
        scalar(deserializer, expected, |found| match found {
            Unexpected::Bool(value) => Ok(Self(value.then_some(Severity::Low))),
            Unexpected::Str(word) => Severity::ALL
                .into_iter()
                .find(|severity| severity.name() == word)
                .map(|severity| Self(Some(severity)))
                .ok_or(Wrong::Value),
            _ => Err(Wrong::Type),
        })
    }
}

impl JsonSchema for FailFast {
    fn schema_name() -> Cow<'static, str> {
        "FailFast".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`true`, `false`, or the mildest severity that counts.",
            "enum": [true, false, "critical", "high", "medium", "low"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_the_time_between_two() {
        for (text, between) in [
            ("50/s", Some(20)),
            ("600/m", Some(100)),
            ("0.5/s", Some(2000)),
            ("36 / h", Some(100_000)),
            ("0/s", None),
            ("-1/s", None),
            ("inf/s", None),
            ("NaN/s", None),
            ("50", None),
            ("50/d", None),
        ] {
            assert_eq!(rate(text), between.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, expected) in [
            ("250ms", Some(250)),
            ("30s", Some(30_000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("0s", Some(0)),
            ("30", None),
            ("s", None),
            ("", None),
            ("5 parsecs", None),
            ("1e9d", None),
            ("99999999999999999999999999d", None),
        ] {
            assert_eq!(
                duration(text),
                expected.map(Duration::from_millis),
                "{text}"
            );
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, expected) in [
            ("16MB", Some(16_000_000)),
            ("512KiB", Some(524_288)),
            ("1.5 kb", Some(1500)),
            ("100", Some(100)),
            ("16 bananas", None),
            ("MB", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
    }
}
