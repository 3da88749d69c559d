//! A reproduction: a violation with everything needed to make it happen again, and what was seen when it did.

use serde_json::Value;

use super::invariant::Severity;

/// The minimal path of a violation as a file keeps it: names and texts, no numbers of a model, so that it can be read
/// without the spec it was found with. Secrets have been taken out.
#[derive(Clone, Debug, PartialEq)]
pub struct Reproduction {
    /// Who said no.
    pub oracle: OracleName,
    /// Which of the things that the oracle looks at it was; empty where it looks at one.
    pub kind: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, one sentence.
    pub message: String,
    /// What should have been found, in words.
    pub expected: String,
    /// What was found instead: a text, or a list of rows by column.
    pub found: Value,
    /// In how many attempts it happened again, and how many there were.
    pub confirmed: (u32, u32),
    /// How it was found.
    pub origin: Origin,
    /// The steps from the initial state, the breaking one last; empty where the initial state is broken already.
    pub path: Vec<SeenStep>,
}

/// An oracle by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OracleName {
    /// An invariant of the spec.
    Invariant(String),
    /// A built-in check.
    Check(String),
}

impl OracleName {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Invariant(name) | Self::Check(name) => name,
        }
    }
}

/// How a violation was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// File name of the spec.
    pub spec: String,
    /// Name of the strategy.
    pub strategy: String,
    /// The seed of every random choice.
    pub seed: u64,
}

/// One step of a reproduction, and what was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeenStep {
    /// The action with its parameters: `refund_order(n=50)`.
    pub action: String,
    /// Method and target as sent: `POST /orders/1/refund`.
    pub request: String,
    /// The body as sent, if there was one.
    pub body: Option<String>,
    /// Status of the answer.
    pub status: u16,
    /// What the action extracted, by name.
    pub extracted: Vec<(String, Value)>,
    /// The rows that changed.
    pub rows: Vec<SeenRow>,
}

/// One row that a step changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRow {
    /// Table and key: `orders[1]`.
    pub row: String,
    /// How it changed: `refunded 0 -> 100`.
    pub change: String,
}
