//! A bug as reports show it.

use serde::{Deserialize, Serialize};

use super::PathStep;
use crate::model::{Evidence, OracleId, OracleName, Severity};

/// A bug.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// In the order found, from 1.
    pub number: u32,
    /// Who said no.
    pub oracle: OracleKind,
    /// Its name.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub name: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The action whose step broke it; `None` where the initial state is broken already.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub action: Option<String>,
    /// At which step of the run it was first seen.
    pub first_step: u64,
    /// In how many transitions it was seen, whichever action showed it.
    pub occurrences: u64,
    /// Which of the things that the oracle looks at it was: the status, the name of an extraction, a JSONPath.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub kind: String,
    /// How the path was made short.
    pub shrink: Shrink,
    /// Whether it happened again.
    pub confirmation: Confirmation,
    /// What proves it.
    pub evidence: Evidence,
    /// The shortest path known, the breaking step last.
    pub path: Vec<PathStep>,
    /// The command that runs the path again, where there is a file with it. In a log it stands in the last entry.
    #[serde(default)]
    #[serde(serialize_with = "crate::secret::as_format")]
    pub replay: Option<String>,
    /// What makes findings this violation, the same in every run: `check/server-error/500/refund_order`.
    #[serde(default)]
    #[serde(serialize_with = "crate::secret::as_format")]
    pub cause: String,
    /// Other actions that showed it.
    #[serde(default)]
    pub also_by: Vec<AlsoBy>,
    /// Number of the violation without which this one was never seen.
    #[serde(default)]
    pub consequence_of: Option<u32>,
    /// Whether the baseline of the run accepts it.
    #[serde(default)]
    pub known: bool,
    /// In a merged run: the runs that found it, as the numbers of their parts, from 1.
    #[serde(default)]
    pub runs: Vec<u32>,
}

/// An action that showed a violation as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlsoBy {
    /// Without its parameters.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub action: String,
    /// In how many transitions.
    pub occurrences: u64,
    /// Steps of the shortest path that it ends.
    pub steps: u32,
}

/// What an oracle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OracleKind {
    /// Declared in the spec.
    Invariant,
    /// Built in.
    Check,
}

/// How a path was made short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shrink {
    /// What came of it.
    pub result: ShrinkResult,
    /// Steps of the shortest path that the walk had found.
    pub found_length: u32,
    /// Requests that the search sent.
    pub requests: u64,
    /// For all but `minimal`: why.
    pub reason: Option<String>,
}

/// What came of making a path short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShrinkResult {
    /// Not tried.
    NotTried,
    /// Without any one of its steps it does not happen.
    Minimal,
    /// The shortest found until something ended the search.
    Unfinished,
    /// A shorter path did not happen again from the initial state: this is the one that the walk found.
    TakenBack,
}

/// Whether a violation happened again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// In a word.
    pub result: ConfirmationResult,
    /// In how many attempts it happened again; `None` where nobody tried.
    pub times: Option<u32>,
    /// How many attempts there were; `None` where nobody tried.
    pub of: Option<u32>,
    /// For the last two results: what happened instead, or why it was not tried.
    pub reason: Option<String>,
}

/// Whether a violation happened again, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfirmationResult {
    /// It did, each time.
    Confirmed,
    /// It did not, or not each time.
    Unconfirmed,
    /// Nobody tried.
    NotTried,
}

impl Violation {
    /// The oracle that said no, by its name.
    pub fn oracle_name(&self) -> OracleName {
        match self.oracle {
            OracleKind::Invariant => OracleName::Invariant(self.name.clone()),
            OracleKind::Check => OracleName::Check(self.name.clone()),
        }
    }
}

impl From<OracleId> for OracleKind {
    fn from(oracle: OracleId) -> Self {
        match oracle {
            OracleId::Invariant(_) => Self::Invariant,
            OracleId::Check(_) => Self::Check,
        }
    }
}

impl Shrink {
    /// What came of it, and why: see [`Shrink::reason`].
    pub(crate) fn ended(&mut self, result: ShrinkResult, reason: impl Into<Option<String>>) {
        self.result = result;
        self.reason = reason.into();
    }
}

impl Confirmation {
    /// Nobody tried, for this reason.
    pub fn not_tried(why: impl Into<String>) -> Self {
        Self {
            result: ConfirmationResult::NotTried,
            times: None,
            of: None,
            reason: Some(why.into()),
        }
    }

    /// It happened again in so many attempts out of so many. `reason` is what happened instead where it did not.
    pub fn tried(times: u32, of: u32, reason: Option<String>) -> Self {
        Self {
            result: match reason {
                None => ConfirmationResult::Confirmed,
                Some(_) => ConfirmationResult::Unconfirmed,
            },
            times: Some(times),
            of: Some(of),
            reason,
        }
    }
}
