//! One step as it was seen from outside: the request, the answer, the rows that changed.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::action::brief;
use super::body::Body;
use super::delta::RowDelta;

/// Everything that reports and oracles read of one step.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// What was sent.
    pub request: Request,
    /// What came back.
    pub response: Response,
    /// What the action extracted from the answer: variable names and values.
    pub extracted: Vec<(String, Value)>,
    /// Extractions that found nothing although they were due, in words.
    pub extract_failures: Vec<String>,
    /// The rows that changed, all systems together.
    pub rows: RowDelta,
}

impl StepRecord {
    /// Bytes of a body that are kept for reports once the oracles have judged the whole.
    pub const KEPT_BODY: usize = 16 * 1024;

    /// The record as it is remembered: bodies cut to [`Self::KEPT_BODY`], so that a run over megabyte answers does not
    /// hold them all.
    #[must_use]
    pub fn compact(self: Arc<Self>) -> Arc<Self> {
        if self.response.body.bytes.len() <= Self::KEPT_BODY
            && self
                .request
                .body
                .as_ref()
                .is_none_or(|body| body.len() <= Self::KEPT_BODY)
        {
            return self;
        }
        let mut record = Self::clone(&self);
        record.response.body = record.response.body.cut(Self::KEPT_BODY);
        if let Some(body) = &mut record.request.body {
            *body = body[..body.len().min(Self::KEPT_BODY)].into();
        }
        Arc::new(record)
    }
}

/// A request as it was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Path and query as sent, without scheme and host: the same on every run, whatever the port.
    pub target: String,
    /// Headers that the spec sets, in its order, and cookies.
    pub headers: Vec<(String, String)>,
    /// The body, if there was one.
    pub body: Option<Arc<[u8]>>,
}

/// What came back: an answer, complete and well-formed as HTTP, or none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Response {
    /// Status code; 0 where there is no complete answer.
    pub status: u16,
    /// Headers in the order received.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed.
    pub body: Body,
    /// From sending the request until the last byte of the answer.
    pub duration: Duration,
    /// Why there is no complete answer; `None` where there is one.
    pub no_answer: Option<NoAnswer>,
    /// Whether this is a 429 that stands in the place of the answer, which did not come however long it was waited for.
    #[serde(default)]
    pub is_rate_limit: bool,
    /// Whether it is an answer of GraphQL with errors: a refusal, whatever the status.
    #[serde(default)]
    pub has_errors: bool,
    /// Whether its `retry` waited for another one in vain: then it accepts nothing.
    #[serde(default)]
    pub is_unready: bool,
    /// How often the request was sent again until this answer came, or the time of its `retry` was over.
    #[serde(default)]
    pub retries: u32,
    /// The [target](Request::target) that gave it: where redirects were followed, another than that of the request. Known only
    /// to the one who asked.
    #[serde(skip)]
    pub target: String,
}

/// Why there is no complete answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoAnswer {
    /// What happened, as a clause.
    pub why: String,
    /// Lines that help to understand it: the end of the service's log, who holds locks.
    pub details: Vec<String>,
}

impl Response {
    /// The status where there is no complete answer.
    pub const NO_ANSWER: u16 = 0;

    /// Status and the beginning of the body, on one line.
    pub fn excerpt(&self) -> String {
        const SHOWN: usize = 200;
        if let Some(no_answer) = &self.no_answer {
            return format!("no answer: {}", no_answer.why);
        }
        if let Some(json) = self.body.json() {
            return format!("{}: {}", self.status, brief(json));
        }
        let text = self.body.text();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return format!("{} without a body", self.status);
        }
        let cut: String = text.chars().take(SHOWN).collect();
        let dots = if cut.len() < text.len() { "..." } else { "" };
        format!("{}: {cut}{dots}", self.status)
    }

    /// No complete answer.
    pub fn none(why: NoAnswer, duration: Duration) -> Self {
        Self {
            status: Self::NO_ANSWER,
            duration,
            no_answer: Some(why),
            ..Self::default()
        }
    }

    /// A status in words.
    pub fn status_in_words(status: u16) -> String {
        match status {
            Self::NO_ANSWER => "no answer".to_owned(),
            status => status.to_string(),
        }
    }

    /// The server error that this answer is, as a status or in the words of GraphQL. A gateway that waits for the service (502, 503,
    /// 504) does not say that it has failed.
    pub fn failure(&self) -> Option<String> {
        match self.status {
            502..=504 => None,
            500.. => Some(self.status.to_string()),
            _ => self.internal_error(),
        }
    }

    /// The code of an answer of GraphQL that says that the server has failed, as its libraries write it.
    pub fn internal_error(&self) -> Option<String> {
        const CODES: [&str; 2] = ["INTERNAL_SERVER_ERROR", "INTERNAL_ERROR"];
        let errors = self
            .body
            .json()
            .filter(|_| self.has_errors)?
            .get("errors")?;
        errors.as_array()?.iter().find_map(|error| {
            let extensions = error.get("extensions")?;
            let said = ["code", "classification"].map(|key| extensions.get(key));
            let mut said = said.into_iter().flatten().filter_map(Value::as_str);
            said.find(|code| CODES.contains(code)).map(str::to_owned)
        })
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}
