//! Invariants: what the user says must hold in every state.

use serde::{Deserialize, Serialize};

use super::expectation::{Assertion, Expectation};
use super::request::RequestTemplate;
use super::sql_query::SqlQuery;
use crate::expr::JsonPath;

/// Number of an invariant: its position in [`Model::invariants`](super::Model::invariants).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvariantId(pub u32);

/// An assertion that must hold.
#[derive(Clone, Debug)]
pub struct Invariant {
    /// Its name in the spec.
    pub name: String,
    /// How bad it is when it does not hold.
    pub severity: Severity,
    /// What it means when it does not hold, in the user's words.
    pub message: Option<String>,
    /// What is looked at.
    pub subject: Subject,
    /// What it must be.
    pub expectation: Expectation,
}

impl Invariant {
    /// The query whose rows it looks at, then those that it compares them with.
    pub fn queries(&self) -> impl Iterator<Item = &SqlQuery> {
        let subject = match &self.subject {
            Subject::Sql(query) => Some(query),
            Subject::Probe { .. } | Subject::Response { .. } => None,
        };
        let assertions = self.expectation.assertions.iter();
        subject
            .into_iter()
            .chain(assertions.filter_map(|assertion| match assertion {
                Assertion::EqualsSql(query) => Some(query),
                _ => None,
            }))
    }
}

/// What an invariant looks at.
#[derive(Clone, Debug)]
pub enum Subject {
    /// The rows of a query, in every state.
    Sql(SqlQuery),
    /// The answer to a request of its own, in every state. The request must leave no row delta.
    Probe {
        /// The request.
        request: Box<RequestTemplate>,
        /// What is taken from its answer; the whole body where the spec does not say.
        jsonpath: JsonPath,
    },
    /// The answer of every step that has a JSON body.
    Response {
        /// What is taken from the answer.
        jsonpath: JsonPath,
    },
}

/// How bad a violation is. Ordered: `Low < Critical`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Cosmetic.
    Low,
    /// The default of an invariant.
    Medium,
    /// Wrong for users.
    High,
    /// Money, data or access is lost.
    Critical,
}

impl Severity {
    /// All, the mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word used in the spec and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}
