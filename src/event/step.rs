//! One step as reports show it: where it led, what was sent, what came back, which rows changed.

use std::time::Duration;

use serde::ser::{SerializeStruct as _, Serializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::model::{self, Cell, Row, StepRecord, Table};
use crate::secret::Format;

/// One step as it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// From 1.
    pub step: u64,
    /// Number of the state where it began; 0 is the initial one.
    pub from: u32,
    /// Position in [`Started::actions`](super::Started::actions).
    pub action: u32,
    /// Number of the state where it led.
    pub to: u32,
    /// Whether nobody had been there before.
    pub new_state: bool,
    /// What identifies the state where it led, in hexadecimal: the same on every run over the same spec and data.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub fingerprint: String,
    /// Status of the answer; 0 in worlds without HTTP.
    pub status: u16,
    /// Names of the oracles that were evaluated, in the order of the spec.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub judged: Vec<String>,
    /// Names of those that said no.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub broken: Vec<String>,
    /// What was seen. Left out where no report asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "FlatStep")]
pub struct PathStep {
    /// Name of the action, with its parameters.
    pub action: String,
    /// What was seen; absent in worlds that record nothing. Its fields are written beside the name.
    pub exchange: Option<Exchange>,
}

impl Serialize for PathStep {
    // `flatten` would write a map, whose keys are taken for names from outside where secrets are hidden.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut step = serializer.serialize_struct("PathStep", 6)?;
        step.serialize_field("action", &Format(&self.action))?;
        if let Some(seen) = &self.exchange {
            step.serialize_field("request", &seen.request)?;
            step.serialize_field("response", &seen.response)?;
            step.serialize_field("extracted", &seen.extracted)?;
            step.serialize_field("extract_failures", &seen.extract_failures)?;
            step.serialize_field("rows", &seen.rows)?;
        }
        step.end()
    }
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
    #[serde(serialize_with = "crate::secret::as_format")]
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
    /// Status code; 0 where there is no complete answer.
    pub status: u16,
    /// Headers in the order received, without `date`, which says nothing and differs on every run.
    pub headers: Vec<Header>,
    /// The body, if it was not empty.
    pub body: Option<Body>,
    /// From sending the request until the last byte of the answer.
    #[serde(rename = "duration_ms", with = "super::milliseconds")]
    pub duration: Duration,
    /// Why there is no complete answer; absent where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_answer: Option<model::NoAnswer>,
    /// How often the request was sent again, as its `retry` says, until this answer came; absent where it was sent once.
    #[serde(default, skip_serializing_if = "is_none")]
    pub retries: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_none(retries: &u32) -> bool {
    *retries == 0
}

/// One header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value; `[redacted]` where it would let somebody act as the user.
    pub value: String,
}

impl Header {
    /// Names of headers that servers and clients send with everything, and that say nothing about a bug.
    const BOILERPLATE: [&str; 24] = [
        "accept",
        "accept-encoding",
        "age",
        "alt-svc",
        "connection",
        "content-length",
        "content-security-policy",
        "cross-origin-opener-policy",
        "date",
        "host",
        "keep-alive",
        "origin-agent-cluster",
        "permissions-policy",
        "referrer-policy",
        "server",
        "strict-transport-security",
        "transfer-encoding",
        "user-agent",
        "vary",
        "via",
        "x-content-type-options",
        "x-frame-options",
        "x-powered-by",
        "x-xss-protection",
    ];

    /// Whether it stands in every message and says nothing about a bug.
    pub fn is_boilerplate(&self) -> bool {
        let mut names = Self::BOILERPLATE.iter();
        names.any(|name| self.name.eq_ignore_ascii_case(name))
    }
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
        serialize_with = "crate::secret::as_data",
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
    #[serde(serialize_with = "crate::secret::as_format")]
    pub system: String,
    /// Name of the table.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub table: String,
    /// What identifies the row.
    pub key: Vec<Value>,
    /// The row as it was, by column; `None` before an insert.
    pub before: Option<Map<String, Value>>,
    /// The row as it is; `None` after a delete.
    pub after: Option<Map<String, Value>>,
    /// Columns that tell no states apart (`ignore_columns`).
    #[serde(
        default,
        serialize_with = "crate::secret::as_format",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub ignored: Vec<String>,
}

impl Exchange {
    /// What was seen of a step, without the `date` header.
    pub fn of(record: &StepRecord) -> Self {
        let headers = |headers: &[(String, String)]| {
            headers
                .iter()
                .filter(|(name, _)| !name.eq_ignore_ascii_case("date"))
                .map(|(name, value)| Header {
                    name: name.clone(),
                    value: value.clone(),
                })
                .collect()
        };
        let (sent, received) = (&record.request, &record.response);
        Self {
            request: Request {
                method: sent.method.clone(),
                target: sent.target.clone(),
                headers: headers(&sent.headers),
                body: sent
                    .body
                    .as_ref()
                    .and_then(|bytes| Body::of(&model::Body::new(bytes.clone()))),
            },
            response: Response {
                status: received.status,
                headers: headers(&received.headers),
                body: Body::of(&received.body),
                duration: received.duration,
                no_answer: received.no_answer.clone(),
                retries: received.retries,
            },
            extracted: record.extracted.iter().cloned().collect(),
            extract_failures: record.extract_failures.clone(),
            rows: record.rows.rows().map(RowChange::of).collect(),
        }
    }
}

impl Body {
    /// A body as reports show it; `None` where it is empty.
    pub fn of(body: &model::Body) -> Option<Self> {
        if body.length == 0 {
            return None;
        }
        let json = body.json().map(|value| Value::clone(value));
        Some(Self {
            length: body.length,
            cut: body.is_cut(),
            text: json.is_none().then(|| body.text().into_owned()),
            json,
        })
    }
}

impl RowChange {
    fn of(change: &model::RowChange) -> Self {
        let table = &change.table;
        Self {
            system: table.system.to_string(),
            table: table.name.clone(),
            key: change.key.iter().map(Cell::to_json).collect(),
            before: change.before.as_ref().map(|cells| row(table, cells)),
            after: change.after.as_ref().map(|cells| row(table, cells)),
            ignored: table
                .columns
                .iter()
                .zip(&table.ignored_columns)
                .filter(|(_, ignored)| **ignored)
                .map(|(name, _)| name.clone())
                .collect(),
        }
    }
}

fn row(table: &Table, cells: &Row) -> Map<String, Value> {
    table
        .columns
        .iter()
        .zip(cells.iter())
        .map(|(column, cell)| (column.clone(), cell.to_json()))
        .collect()
}
