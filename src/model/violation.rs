//! What an oracle found, and the path that shows it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::action::ActionId;
use super::exchange::StepRecord;
use super::invariant::{InvariantId, Severity};

/// The number of an oracle. Ordered as reports list oracles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OracleId {
    /// An invariant of the spec.
    Invariant(InvariantId),
    /// A built-in check, by its position in the registry of `oracle::checks`.
    Check(u32),
}

/// What an oracle reports about one step or the state it led to.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The oracle that reports it.
    pub oracle: OracleId,
    /// Name as the spec or the registry has it: `no_over_refund`, `server-error`.
    pub name: Arc<str>,
    /// How bad it is.
    pub severity: Severity,
    /// What the oracle objects to: the status, the name of an extraction, the JSONPath of an assertion. Two findings of one
    /// oracle with different kinds are two bugs.
    pub kind: String,
    /// What is wrong, one sentence without a closing period.
    pub message: String,
    /// What proves it.
    pub evidence: Evidence,
}

impl Finding {
    /// Whether both report the same bug: the same oracle and the same kind. Rows, values and messages may differ, because
    /// ids differ.
    pub fn same_kind(&self, other: &Self) -> bool {
        self.oracle == other.oracle && self.kind == other.kind
    }
}

/// What proves a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Evidence {
    /// Rows of a query that should have returned none, or other ones.
    Rows {
        /// Column names.
        #[serde(serialize_with = "crate::secret::as_format")]
        columns: Vec<String>,
        /// The rows, at most [`Evidence::SHOWN_ROWS`].
        rows: Vec<Vec<Value>>,
        /// How many there were.
        total: usize,
        /// What the spec expects, in words.
        expected: String,
    },
    /// A value that should have been another.
    Values {
        /// What was expected, in words.
        expected: String,
        /// What was found.
        actual: String,
    },
}

impl Evidence {
    /// Rows kept as evidence.
    pub const SHOWN_ROWS: usize = 20;
}

/// A bug: equal findings grouped, with the shortest path known.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Number in the order found, from 1.
    pub number: u32,
    /// The finding on the shortest path.
    pub finding: Finding,
    /// The action whose step broke it; `None` where the initial state is broken already.
    pub action: Option<ActionId>,
    /// At which step of the run it was first seen.
    pub first_step: u64,
    /// In how many transitions the same action broke the same thing.
    pub occurrences: u64,
    /// The shortest path known, the breaking step last. Records are from the last attempt in which it happened again,
    /// where there was one.
    pub path: Vec<PathStep>,
    /// How that path was made short.
    pub shrink: Shrink,
    /// Whether it happened again when the path was run from the initial state.
    pub confirmation: Confirmation,
}

/// One step of a path.
#[derive(Clone, Debug)]
pub struct PathStep {
    /// What was done.
    pub action: ActionId,
    /// What was seen; `None` in worlds that record nothing.
    pub record: Option<Arc<StepRecord>>,
}

/// How the path of a violation was made short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrink {
    /// Steps of the shortest path that the walk had found.
    pub found_length: u32,
    /// Requests that were sent to find a shorter one: steps of trials, and what going back to states took.
    pub requests: u64,
    /// The result.
    pub result: ShrinkResult,
}

/// The result of shrinking a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShrinkResult {
    /// Not tried; the text says why.
    NotTried(String),
    /// Without any one of its steps the path no longer breaks the same thing.
    Minimal,
    /// The best that was found until something ended the search; the text says what.
    Unfinished(String),
    /// A shorter path was found, but it did not happen again from the initial state: the path is the one that the walk
    /// had found. The text says what happened instead of the violation.
    TakenBack(String),
}

/// Whether a violation happened again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Not tried: the run was interrupted or broke before.
    NotTried(String),
    /// It did, each time.
    Confirmed {
        /// In how many attempts it happened again.
        times: u32,
        /// How many attempts there were; the same number.
        of: u32,
    },
    /// It did not, or not each time.
    Unconfirmed {
        /// In how many attempts it happened again.
        times: u32,
        /// How many attempts there were.
        of: u32,
        /// What happened instead.
        reason: String,
    },
}

impl Confirmation {
    /// In how many attempts it happened again.
    pub fn times(&self) -> u32 {
        match self {
            Self::NotTried(_) => 0,
            Self::Confirmed { times, .. } | Self::Unconfirmed { times, .. } => *times,
        }
    }

    /// Whether it happened again in every attempt.
    pub fn is_confirmed(&self) -> bool {
        matches!(self, Self::Confirmed { .. })
    }
}
