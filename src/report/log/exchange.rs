//! One step as reports show it: what was sent, what came back, which rows changed.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "FlatStep")]
pub struct PathStep {
    /// Name of the action, with its parameters.
    pub action: String,
    /// What was seen; absent in worlds that record nothing.
    #[serde(flatten)]
    pub exchange: Option<Exchange>,
}

/// A [`PathStep`] as it is read: `flatten` alone would take an exchange that is wrong for one that is missing.
#[derive(Deserialize)]
struct FlatStep {
    action: String,
    request: Option<Request>,
    response: Option<Response>,
    #[serde(default)]
    extracted: Map<String, Value>,
    #[serde(default)]
    extract_failures: Vec<String>,
    #[serde(default)]
    rows: Vec<RowChange>,
}

impl TryFrom<FlatStep> for PathStep {
    type Error = &'static str;

    fn try_from(flat: FlatStep) -> Result<Self, Self::Error> {
        let exchange = match (flat.request, flat.response) {
            (None, None) => None,
            (Some(request), Some(response)) => Some(Exchange {
                request,
                response,
                extracted: flat.extracted,
                extract_failures: flat.extract_failures,
                rows: flat.rows,
            }),
            (Some(_), None) => return Err("a step with a request but without a response"),
            (None, Some(_)) => return Err("a step with a response but without a request"),
        };
        Ok(Self {
            action: flat.action,
            exchange,
        })
    }
}

/// What was seen of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// What was sent.
    pub request: Request,
    /// What came back.
    pub response: Response,
    /// Names and values that the action extracted.
    pub extracted: Map<String, Value>,
    /// Extractions that were due and found nothing, in words.
    pub extract_failures: Vec<String>,
    /// Rows that changed.
    pub rows: Vec<RowChange>,
}

/// A request as it was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers that the spec asked for, and cookies. A list, because names may repeat.
    pub headers: Vec<Header>,
    /// The body, if there was one.
    pub body: Option<Body>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers in the order received, without `date`, which says nothing and differs on every run.
    pub headers: Vec<Header>,
    /// The body, if it was not empty.
    pub body: Option<Body>,
    /// From sending the request until the last byte of the answer.
    #[serde(rename = "duration_ms", with = "super::milliseconds")]
    pub duration: Duration,
}

/// One header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value; `[redacted]` where it would let somebody act as the user.
    pub value: String,
}

/// A body that is not empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Bytes that there were.
    pub length: u64,
    /// Whether not all of them were kept.
    pub cut: bool,
    /// The body where it is whole and JSON; `null` is a value too.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub json: Option<Value>,
    /// The body where it is not, malformed UTF-8 replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A field that is there is a value, also where that is `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// One row before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowChange {
    /// Name of the system.
    pub system: String,
    /// Name of the table.
    pub table: String,
    /// What identifies the row.
    pub key: Vec<Value>,
    /// The row as it was, by column; `None` before an insert.
    pub before: Option<Map<String, Value>>,
    /// The row as it is; `None` after a delete.
    pub after: Option<Map<String, Value>>,
    /// Columns that tell no states apart (`ignore_columns`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
}
