//! An action, lowered: one per parameter value, every expression compiled, every name a number.

use serde_json::Value;
use std::sync::Arc;

use super::context::VariableId;
use super::expectation::Expectation;
use super::facts::FactId;
use super::request::{Parameter, RequestTemplate};
use crate::expr::{Condition, JsonPath};

/// Number of an action: its position in [`Model::actions`](super::Model::actions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(pub u32);

/// One thing that can be done in a state.
#[derive(Clone, Debug)]
pub struct Action {
    /// Name with its parameters: `refund_order(n=50)`.
    pub name: String,
    /// Name as the spec declares it: `refund_order`.
    pub base_name: String,
    /// The parameter values of this action.
    pub parameters: Arc<Vec<Parameter>>,
    /// All of these must be true of the path for the action to be enabled.
    pub preconditions: Vec<Precondition>,
    /// The limit on how often it runs on one path: the fact that counts, and the limit.
    pub max_calls: Option<(FactId, u16)>,
    /// Context variables that the request cannot do without; the action is enabled only where all are defined.
    pub requires: Vec<VariableId>,
    /// Facts that count when the action runs.
    pub counts: Vec<FactId>,
    /// How likely `weighted` and others take it, relative to the rest. Positive; 1 unless the spec sets it.
    pub weight: f64,
    /// What is sent.
    pub request: RequestTemplate,
    /// What a good answer looks like.
    pub expect: ExpectedResponse,
    /// What is remembered from a good answer.
    pub extract: Vec<Extraction>,
    /// What is forgotten after a good answer.
    pub clear: Vec<VariableId>,
}

impl Action {
    /// An action that is always enabled and sends `GET /`; for models that never reach a network.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            base_name: name.to_owned(),
            parameters: Arc::default(),
            preconditions: Vec::new(),
            max_calls: None,
            requires: Vec::new(),
            counts: Vec::new(),
            weight: 1.0,
            request: RequestTemplate::get("/"),
            expect: ExpectedResponse::default(),
            extract: Vec::new(),
            clear: Vec::new(),
        }
    }
}

/// Something that must be true of the path.
#[derive(Clone, Debug)]
pub enum Precondition {
    /// The named action (any of its parameter values) has run on this path.
    HasRun(FactId),
    /// An expression over the context that yields true.
    Holds(Condition),
}

/// `expect:` of an action. Without a status, every status below 500 is a legal answer, and values are extracted on 2xx.
#[derive(Clone, Debug, Default)]
pub struct ExpectedResponse {
    /// Statuses that are legal; empty when the spec does not say.
    pub status: Vec<StatusPattern>,
    /// Assertions on the body of a legal answer.
    pub body: Vec<(JsonPath, Expectation)>,
}

impl ExpectedResponse {
    /// Whether the status is legal.
    pub fn allows(&self, status: u16) -> bool {
        if self.status.is_empty() {
            status < 500
        } else {
            self.status.iter().any(|pattern| pattern.matches(status))
        }
    }

    /// Whether values are extracted (and cleared) from an answer with this status.
    pub fn extracts_from(&self, status: u16) -> bool {
        if self.status.is_empty() {
            (200..300).contains(&status)
        } else {
            self.allows(status)
        }
    }
}

/// `201`, or `2xx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusPattern {
    /// One code.
    Code(u16),
    /// All codes with this first digit.
    Class(u8),
}

impl StatusPattern {
    /// Whether the status is one of these.
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Code(code) => code == status,
            Self::Class(class) => u16::from(class) == status / 100,
        }
    }
}

impl std::fmt::Display for StatusPattern {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "{code}"),
            Self::Class(class) => write!(formatter, "{class}xx"),
        }
    }
}

/// A value to remember from an answer.
#[derive(Clone, Debug)]
pub struct Extraction {
    /// Where it goes.
    pub variable: VariableId,
    /// Its name, for messages.
    pub name: String,
    /// Where it comes from.
    pub source: ExtractSource,
    /// Whether finding nothing is fine; the variable is then left as it was.
    pub optional: bool,
}

/// Where an extracted value comes from.
#[derive(Clone, Debug)]
pub enum ExtractSource {
    /// The JSON body; the first node found.
    JsonPath(JsonPath),
    /// A response header, by name without regard to case.
    Header(String),
}

/// A JSON value in a message: strings in quotes, at most some eighty characters.
pub fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 80 {
        return text;
    }
    let mut cut: String = text.chars().take(77).collect();
    cut.push_str("...");
    cut
}
