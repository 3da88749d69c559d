//! The run log: everything that happened during a run, as plain data, one [`Entry`] after another.
//!
//! This is what reports read, and all that they read: a run that is going on and a run that was written down are one and
//! the same to them. [`Recorder`] makes entries of the explorer's events and is the one place where secrets are taken
//! out; [`writer`](mod@write) puts entries into a file, one JSON object a line; [`read`](fn@read) gets them back.
//! `docs/log.md` describes the format.

mod entry;
mod exchange;
mod read;
mod record;
mod redact;
mod write;

pub use entry::{
    Action, ActionTally, Closed, Confirmation, ConfirmationResult, Entry, Failure, Figures,
    Finished, Initial, Invariant, Limits, OracleKind, Part, Regression, RegressionOutcome, Shrink,
    ShrinkResult, SpecName, Started, Step, Stop, Time, Violation, Warning,
};
pub use exchange::{Body, Exchange, Header, PathStep, Request, Response, RowChange};
pub use read::{LogError, read};
pub use record::{Detail, Recorder, Subject};
pub use write::Log;

/// Version of the format. It grows when a field changes its meaning or goes away; new fields may come without notice.
pub const VERSION: u32 = 1;

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

#[cfg(test)]
mod tests;
