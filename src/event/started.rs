//! How a run begins.

use serde::{Deserialize, Serialize};

use super::{Failure, Stop};
use crate::diagnostic::Place;
use crate::model::{self, Severity};

/// What a run is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// [`VERSION`](super::VERSION) of the format.
    pub version: u32,
    /// Version of the program.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub venomqa: String,
    /// When, RFC 3339 in UTC.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub started_at: String,
    /// Which spec.
    pub spec: SpecName,
    /// Name of the strategy.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub strategy: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// The limits.
    pub limits: Limits,
    /// The command that does the same again.
    pub repeat: String,
    /// Everything that can be done, in the order of the spec.
    pub actions: Vec<Action>,
    /// Everything that must hold, in the order of the spec.
    pub invariants: Vec<Invariant>,
    /// Of what this run was merged; empty for a run that was run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<Part>,
}

/// A spec as it was named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecName {
    /// `name:` in the spec.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub name: String,
    /// As given on the command line.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub path: String,
}

/// The limits of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Steps to take at the most.
    pub max_steps: u64,
    /// Longest path.
    pub max_depth: u32,
    /// Stop once this share of the actions has run.
    pub coverage_target: Option<f64>,
    /// Stop after this time, in milliseconds.
    pub time_limit_ms: Option<f64>,
    /// Stop at a violation of this severity.
    pub fail_fast: Option<Severity>,
}

/// One action of the spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// With its parameters: `refund_order(n=50)`.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub name: String,
    /// As the spec declares it: `refund_order`.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub base_name: String,
    /// Of its request.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub method: String,
    /// The template of its path.
    pub path: String,
    /// Where it stands in the spec.
    pub place: Option<Place>,
    /// Whether it cannot run, because the spec says so (`max_calls: 0`) or the command line: then it counts for no coverage.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub switched_off: bool,
    /// Whether it acts on an older object of a pool (`for_each`). It counts for no coverage: that there is such an object is no duty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub older: bool,
}

/// One invariant of the spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invariant {
    /// Its name.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub name: String,
    /// How bad it is when it does not hold.
    pub severity: Severity,
    /// Where it stands in the spec.
    pub place: Option<Place>,
}

/// The state in which the walk begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Initial {
    /// What identifies it, in hexadecimal: see [`Step::fingerprint`](super::Step::fingerprint).
    #[serde(serialize_with = "crate::secret::as_format")]
    pub fingerprint: String,
}

/// One of the runs that a merged run was made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// When, RFC 3339 in UTC.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub started_at: String,
    /// Name of the strategy.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub strategy: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// The limits.
    pub limits: Limits,
    /// The command that does the same again.
    pub repeat: String,
    /// What identifies its initial state; `None` where it did not get that far.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub initial: Option<String>,
    /// Steps taken.
    pub steps: u64,
    /// States known, the initial one included.
    pub states: u64,
    /// Enabled (state, action) pairs that were left.
    pub untried: u64,
    /// Why it ended.
    pub stop: Stop,
    /// Why something could not be put back as it was before the run.
    pub cleanup: Option<Failure>,
}

impl Action {
    /// Whether it counts for coverage.
    pub fn counts(&self) -> bool {
        !self.switched_off && !self.older
    }

    /// An action of the model, and where it stands in the spec.
    pub fn of(action: &model::Action, place: Option<Place>) -> Self {
        Self {
            name: action.name.clone(),
            base_name: action.base_name.clone(),
            method: action.request.method.clone(),
            path: action.request.path.source().to_owned(),
            place,
            switched_off: action.is_switched_off(),
            older: action.chosen.is_some(),
        }
    }
}

impl Invariant {
    /// An invariant of the model, and where it stands in the spec.
    pub fn of(invariant: &model::Invariant, place: Option<Place>) -> Self {
        Self {
            name: invariant.name.clone(),
            severity: invariant.severity,
            place,
        }
    }
}
