//! What happens during a run, as plain data: the entries of the run log, which `docs/log.md` describes.
//!
//! Every report reads these and nothing else, so a run that goes on and a run that was written down are one and the same to it.
//! An event refers to nothing: numbers of the model have become names. The explorer emits events, and secrets are taken out before a
//! report sees them.

mod finished;
mod row;
mod started;
mod step;
mod violation;

use serde::{Deserialize, Serialize};

pub use finished::{
    ActionTally, Closed, Failure, Figures, Finished, InvariantTally, Merges, Phase, Proving,
    Regression, RegressionOutcome, Stop, Time, Warning,
};
pub(crate) use row::{RowText, several_systems};
pub use started::{Action, Initial, Invariant, Limits, Part, SpecName, Started};
pub use step::{Body, Exchange, Header, PathStep, Request, Response, RowChange, Step};
pub use violation::{
    AlsoBy, Confirmation, ConfirmationResult, OracleKind, Shrink, ShrinkResult, Violation,
};

/// How much somebody wants to know of each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Nothing.
    #[default]
    None,
    /// Where it led.
    Brief,
    /// Request, answer and rows too.
    Whole,
}

/// Version of the format. It grows when a field changes its meaning or goes away; new fields may come without notice.
pub const VERSION: u32 = 1;

/// One line of a run log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A run begins. Always the first.
    Started(Box<Started>),
    /// The initial state is reached: setup went well.
    Initial(Initial),
    /// A step was taken and judged.
    Step(Box<Step>),
    /// An oracle said no for the first time about an action.
    ///
    /// The violation is complete except for what is known only at the end of the run: its path has no requests, and nobody has tried
    /// to make it happen again.
    Violation(Box<Violation>),
    /// How far the run is.
    Progress(Figures),
    /// What was found is being made short, or run again.
    Proving(Proving),
    /// Something the user should know.
    Warning(Warning),
    /// The walk is over.
    Finished(Box<Finished>),
    /// What the run had touched has been put back. Always the last; a log without it is that of a run that was killed.
    Closed(Closed),
}

/// Durations as milliseconds with microseconds behind the point.
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(time.as_micros() as f64 / 1000.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let milliseconds = f64::deserialize(deserializer)?;
        // A float's `as` saturates: nonsense in a file becomes nothing, or very long.
        Ok(Duration::from_micros((milliseconds * 1000.0).round() as u64))
    }
}
