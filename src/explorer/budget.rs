//! When a walk has to end.

use std::time::Duration;

use crate::event::{self, Stop};
use crate::model::Severity;

use super::clock::Clock;

/// The limits of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Steps to take at the most.
    pub max_steps: u64,
    /// States deeper than this are not expanded: the longest path in steps.
    pub max_depth: u32,
    /// Stop once this share of the actions has run, 0 to 1.
    pub coverage_target: Option<f64>,
    /// Stop after this time.
    pub time_limit: Option<Duration>,
    /// Stop at the first violation of at least this severity.
    pub fail_fast: Option<Severity>,
    /// Steps between two progress events.
    pub progress_every: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_steps: 500,
            max_depth: 20,
            coverage_target: None,
            time_limit: None,
            fail_fast: None,
            progress_every: 50,
        }
    }
}

impl Limits {
    /// The limit that a walk has reached after `steps` steps, if any. `coverage` is the share of the actions that ran, `worst`
    /// the worst severity of a violation.
    pub(super) fn reached(
        &self,
        steps: u64,
        coverage: f64,
        worst: Option<Severity>,
        clock: &Clock,
    ) -> Option<Stop> {
        if let (Some(least), Some(worst)) = (self.fail_fast, worst)
            && worst >= least
        {
            return Some(Stop::FailFast { severity: worst });
        }
        if steps >= self.max_steps {
            return Some(Stop::MaxSteps);
        }
        if (self.time_limit).is_some_and(|limit| clock.elapsed() >= limit) {
            return Some(Stop::TimeLimit);
        }
        if (self.coverage_target).is_some_and(|target| coverage >= target) {
            return Some(Stop::CoverageTarget);
        }
        None
    }
}

impl From<&Limits> for event::Limits {
    fn from(limits: &Limits) -> Self {
        Self {
            max_steps: limits.max_steps,
            max_depth: limits.max_depth,
            coverage_target: limits.coverage_target,
            time_limit_ms: limits
                .time_limit
                .map(|limit| limit.as_micros() as f64 / 1000.0),
            fail_fast: limits.fail_fast,
        }
    }
}
