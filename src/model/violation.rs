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
    /// Tables and columns that offend, sorted, where they are known: those that an invariant reads, by name; those that changed and
    /// should not have: `orders.status`, or `orders` where whole rows came or went.
    pub offends: Vec<String>,
    /// What is wrong, one sentence without a closing period.
    pub message: String,
    /// What proves it.
    pub evidence: Evidence,
}

impl Finding {
    /// Whether both report the same bug: the same oracle and the same kind, and something that offends in both, where that is
    /// known of both. Rows, values and messages may differ, because ids differ.
    pub fn same_kind(&self, other: &Self) -> bool {
        let mut offends = self.offends.iter();
        self.oracle == other.oracle
            && self.kind == other.kind
            && (self.offends.is_empty()
                || other.offends.is_empty()
                || offends.any(|it| other.offends.contains(it)))
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

/// One step of a path.
#[derive(Clone, Debug)]
pub struct PathStep {
    /// What was done.
    pub action: ActionId,
    /// What was seen; `None` in worlds that record nothing.
    pub record: Option<Arc<StepRecord>>,
}
