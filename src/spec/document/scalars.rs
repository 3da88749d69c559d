//! Scalars with a form of their own: durations, sizes, severities, texts that may be written as numbers.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Unexpected, Visitor};

use crate::model::Severity;

/// Any JSON value.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(transparent)]
pub(in crate::spec) struct Json(pub serde_json::Value);

/// Distinguishes `equals: null` from an absent `equals`.
pub(super) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// Text. A whole number or a boolean is taken as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::spec) struct ScalarText(pub String);

impl<'de> Deserialize<'de> for ScalarText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = ScalarText;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                // A float would lose digits (`1.10`), so it must be quoted.
                formatter.write_str("text, a whole number or a boolean (anything else in quotes)")
            }

            fn visit_str<E>(self, value: &str) -> Result<ScalarText, E> {
                Ok(ScalarText(value.to_owned()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<ScalarText, E> {
                Ok(ScalarText(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<ScalarText, E> {
                Ok(ScalarText(value.to_string()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<ScalarText, E> {
                Ok(ScalarText(value.to_string()))
            }
        }
        deserializer.deserialize_any(Scalar)
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

const DURATION: &str = "a duration such as `250ms`, `30s` or `1m30s`";

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
        struct Text;
        impl Visitor<'_> for Text {
            type Value = DurationText;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(DURATION)
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<DurationText, E> {
                duration(value)
                    .map(DurationText)
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(value), &self))
            }
        }
        deserializer.deserialize_any(Text)
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
        struct Text;
        impl Visitor<'_> for Text {
            type Value = SizeText;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a size such as `16MB` or `512KiB`, or a number of bytes")
            }

            fn visit_u64<E>(self, value: u64) -> Result<SizeText, E> {
                Ok(SizeText(value))
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<SizeText, E> {
                size(value)
                    .map(SizeText)
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(value), &self))
            }
        }
        deserializer.deserialize_any(Text)
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
    /// Reset the service and replay the path.
    Replay,
    /// Never go back; only for the strategies `random` and `weighted`.
    None,
}

/// Whether to stop at the first violation, and how bad it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spec) struct FailFast(pub Option<Severity>);

impl<'de> Deserialize<'de> for FailFast {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = FailFast;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("`true`, `false`, `critical`, `high`, `medium` or `low`")
            }

            fn visit_bool<E>(self, value: bool) -> Result<FailFast, E> {
                Ok(FailFast(value.then_some(Severity::Low)))
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<FailFast, E> {
                Severity::ALL
                    .into_iter()
                    .find(|severity| severity.name() == value)
                    .map(|severity| FailFast(Some(severity)))
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(value), &self))
            }
        }
        deserializer.deserialize_any(Either)
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
