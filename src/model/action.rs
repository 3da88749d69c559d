//! An action, lowered: one per parameter value, every expression compiled, every name a number.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;

use super::context::VariableId;
use super::expectation::Expectation;
use super::facts::FactId;
use super::pool::Chosen;
use super::principal::Forbidden;
use super::request::{Parameter, RequestTemplate};
use super::{Ensure, Names, Response};
use crate::expr::{Condition, JsonPath};

/// Number of an action: its position in [`Model::actions`](super::Model::actions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(pub u32);

/// One thing that can be done in a state.
#[derive(Clone, Debug)]
pub struct Action {
    /// Name with its parameters and who acts: `refund_order(n=50, as=anna)`.
    pub name: String,
    /// Name as the spec declares it: `refund_order`.
    pub base_name: String,
    /// The parameter values of this action.
    pub parameters: Arc<Vec<Parameter>>,
    /// On which object of a pool it acts, where that is not the newest.
    pub chosen: Option<Chosen>,
    /// All of these must be true of the path for the action to be enabled.
    pub preconditions: Vec<Precondition>,
    /// How often it may be accepted and change something on one path: the fact that counts, and the limit.
    pub max_calls: Option<(FactId, u16)>,
    /// Context variables that the request cannot do without; the action is enabled only where all are defined.
    pub requires: Vec<VariableId>,
    /// Facts that may count when the action runs.
    pub counts: Vec<FactId>,
    /// How likely `weighted` and others take it, relative to the rest. Positive; 1 unless the spec sets it.
    pub weight: f64,
    /// What is sent.
    pub request: RequestTemplate,
    /// What a good answer looks like.
    pub expect: ExpectedResponse,
    /// What an accepted answer leaves in the context.
    pub accepted: OnAnswer,
    /// What answers with these statuses leave there instead.
    pub on: Vec<(StatusPattern, OnAnswer)>,
    /// What an accepted call must have done.
    pub ensure: Vec<Ensure>,
    /// Set where whoever sends it may not do this.
    pub forbidden: Option<Forbidden>,
    /// The flag that keeps it from running, if one does.
    pub switched_off: Option<SwitchedOff>,
}

/// A flag of the command line that keeps an action from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchedOff {
    /// `--only` names others.
    Only,
    /// `--skip` names it.
    Skip,
}

impl std::fmt::Display for SwitchedOff {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Only => "--only",
            Self::Skip => "--skip",
        })
    }
}

impl Action {
    /// Whether it never runs, because the spec says so (`max_calls: 0`), or the command line.
    pub fn is_switched_off(&self) -> bool {
        self.switched_off.is_some() || matches!(self.max_calls, Some((_, 0)))
    }

    /// Whether it counts for coverage: it can run, and needs no second object of a kind.
    pub fn counts_for_coverage(&self) -> bool {
        !self.is_switched_off() && self.chosen.is_none()
    }

    /// An action that is always enabled and sends `GET /`; for models that never reach a network.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            base_name: name.to_owned(),
            parameters: Arc::default(),
            chosen: None,
            preconditions: Vec::new(),
            max_calls: None,
            requires: Vec::new(),
            counts: Vec::new(),
            weight: 1.0,
            request: RequestTemplate::get("/"),
            expect: ExpectedResponse::default(),
            accepted: OnAnswer::default(),
            on: Vec::new(),
            ensure: Vec::new(),
            forbidden: None,
            switched_off: None,
        }
    }

    /// The variable that a name means to it.
    pub fn variable(&self, names: &Names, name: &str) -> Option<VariableId> {
        match &self.chosen {
            Some(chosen) if chosen.name == name => Some(chosen.variable),
            _ => names.variable(name),
        }
    }

    /// What this answer leaves in the context. A code comes before its class.
    pub fn on_answer(&self, response: &Response) -> Option<&OnAnswer> {
        let status = response.status;
        let matching = |wanted: fn(&StatusPattern) -> bool| {
            let mut entries = self.on.iter();
            entries.find(|(pattern, _)| wanted(pattern) && pattern.matches(status))
        };
        let code = matching(|pattern| matches!(pattern, StatusPattern::Code(_)));
        let entry = code.or_else(|| matching(|pattern| matches!(pattern, StatusPattern::Class(_))));
        match entry {
            Some((_, on_answer)) => Some(on_answer),
            None => self.accepts(response).then_some(&self.accepted),
        }
    }

    /// Whether this answer is an acceptance.
    pub fn accepts(&self, response: &Response) -> bool {
        self.expect.accepts(response.status) && !response.has_errors && !response.is_unready
    }

    /// Whether this answer is a refusal.
    pub fn refuses(&self, response: &Response) -> bool {
        self.expect.is_legal(response.status) && !self.accepts(response)
    }

    /// What its answer must be: `expect`, and what its `retry` waits for.
    pub fn expected(&self) -> impl Iterator<Item = &ExpectedResponse> {
        let awaited = self.request.retry.iter().map(|retry| &retry.until);
        std::iter::once(&self.expect).chain(awaited)
    }

    /// Everything that some answer leaves in the context.
    pub fn extractions(&self) -> impl Iterator<Item = &Extraction> {
        let others = self.on.iter().map(|(_, on_answer)| on_answer);
        let all = std::iter::once(&self.accepted).chain(others);
        all.flat_map(|on_answer| &on_answer.extract)
    }
}

/// What an answer leaves in the context.
#[derive(Clone, Debug, Default)]
pub struct OnAnswer {
    /// Values that are remembered.
    pub extract: Vec<Extraction>,
    /// Values that are forgotten.
    pub clear: Vec<VariableId>,
}

/// Something that must be true of the path.
#[derive(Clone, Debug)]
pub enum Precondition {
    /// The named action (with any of its parameter values) was accepted on this path.
    Accepted(FactId),
    /// An expression over the context that yields true.
    Holds(Condition),
}

/// `expect:` of an action. Without a status, every status below 500 is legal.
#[derive(Clone, Debug, Default)]
pub struct ExpectedResponse {
    /// Statuses that are legal; empty when the spec does not say.
    pub status: Vec<StatusPattern>,
    /// Assertions on the headers of a legal answer, by name.
    pub headers: Vec<(String, Expectation)>,
    /// The longest that a legal answer may take.
    pub duration: Option<Duration>,
    /// Assertions on the body of a legal answer: on what a JSONPath finds in it, or on its text.
    pub body: Vec<(Option<JsonPath>, Expectation)>,
}

impl ExpectedResponse {
    /// Whether the status is legal.
    pub fn is_legal(&self, status: u16) -> bool {
        if self.status.is_empty() {
            status < 500
        } else {
            self.status.iter().any(|pattern| pattern.matches(status))
        }
    }

    /// Whether an answer with this status is an acceptance: it is legal and 2xx. A 3xx is one only where `expect` lists it,
    /// for a redirect to a login page accepts nothing. Whatever else is legal is a refusal.
    pub fn accepts(&self, status: u16) -> bool {
        match status {
            200..300 => self.is_legal(status),
            300..400 => self.status.iter().any(|pattern| pattern.matches(status)),
            _ => false,
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
    /// What is looked for in the text that is there: the first group, or where the expression has none, the whole match.
    pub pattern: Option<Regex>,
    /// Whether everything that is found is taken, as a list, and not the first alone.
    pub all: bool,
    /// Whether finding nothing is fine; the variable is then left as it was.
    pub optional: bool,
    /// Whether it is a link that paths follow: one that is relative is made complete, from where the answer came.
    pub is_link: bool,
}

/// Where an extracted value comes from.
#[derive(Clone, Debug)]
pub enum ExtractSource {
    /// The nodes that are found in the JSON body.
    JsonPath(JsonPath),
    /// The response headers of this name, without regard to case.
    Header(String),
    /// The cookie of this name that the answer sets.
    Cookie(String),
    /// The body as text.
    Body,
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
