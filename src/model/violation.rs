//! What an oracle found, and the path that shows it.

use std::sync::Arc;

use serde_json::Value;

use super::action::ActionId;
use super::exchange::StepRecord;
use super::invariant::{InvariantId, Severity};

/// Who said no. Ordered as reports list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OracleId {
    /// An invariant of the spec.
    Invariant(InvariantId),
    /// A built-in check, by its position in the registry of `oracle::checks`.
    Check(u32),
}

/// One `no` of an oracle about one step or the state it led to.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Who said so.
    pub oracle: OracleId,
    /// Name as the spec or the registry has it: `no_over_refund`, `server-error`.
    pub name: Arc<str>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, one sentence without a closing period.
    pub message: String,
    /// What proves it.
    pub evidence: Evidence,
}

/// What proves a finding.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// Rows of a query that should have returned none, or other ones.
    Rows {
        /// Column names.
        columns: Vec<String>,
        /// The rows, at most [`Evidence::SHOWN_ROWS`].
        rows: Vec<Vec<Value>>,
        /// How many there were.
        total: usize,
        /// What the spec asked for, in words.
        expected: String,
    },
    /// A value that should have been another.
    Values {
        /// What was asked for, in words.
        expected: String,
        /// What was there.
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
    /// What the oracle said on the shortest path.
    pub finding: Finding,
    /// The action whose step broke it; `None` where the initial state is broken already.
    pub action: Option<ActionId>,
    /// At which step of the run it was first seen.
    pub first_step: u64,
    /// In how many transitions the same action broke the same thing.
    pub occurrences: u64,
    /// The shortest path known, the breaking step last. Records are from the confirmation where there was one.
    pub path: Vec<PathStep>,
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

/// Whether a violation happened again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Not tried: the run was interrupted or broke before.
    NotTried(String),
    /// It did.
    Confirmed,
    /// It did not; the text says what happened instead.
    Unconfirmed(String),
}
