//! How long it takes to prove what was found, by what the walk took.

use std::time::Duration;

use crate::model::PathStep;

/// Longer paths are made short before they are run again.
const LONG: u32 = 12;

/// What steps and starts of the service take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    a_step: Duration,
    a_start: Duration,
}

impl Pace {
    /// The pace of a walk that took so long for so many steps, of a service that was ready after `a_start`.
    pub(super) fn of(walk: Duration, steps: u64, a_start: Duration) -> Self {
        Self {
            a_step: walk.div_f64(steps.max(1) as f64),
            a_start,
        }
    }

    /// What a step takes.
    pub(super) fn a_step(self) -> Duration {
        self.a_step
    }

    /// The time for running paths of so many steps once on a service that is started for that.
    pub(super) fn to_run(self, lengths: impl Iterator<Item = u32>) -> Duration {
        let steps: u32 = lengths.map(|steps| steps.min(LONG)).sum();
        self.a_start + self.a_step.saturating_mul(steps)
    }

    /// The same for paths whose steps have been seen: one may take longer than others do, and one that is not answered makes the
    /// service start again.
    pub(super) fn to_run_seen<'p>(self, paths: impl Iterator<Item = &'p [PathStep]>) -> Duration {
        let step = |step: &PathStep| {
            let Some(record) = &step.record else {
                return self.a_step;
            };
            let took = record.response.duration.max(self.a_step);
            match record.response.no_answer {
                Some(_) => took + self.a_start,
                None => took,
            }
        };
        let last = |path: &'p [PathStep]| path.iter().rev().take(LONG as usize);
        self.a_start + paths.flat_map(last).map(step).sum::<Duration>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_counts_as_one_that_was_made_short() {
        let second = Duration::from_secs(1);
        let pace = Pace::of(10 * second, 10, 3 * second);
        assert_eq!(pace.to_run([2, 3].into_iter()), 8 * second);
        assert_eq!(pace.to_run([1_000].into_iter()), (3 + LONG) * second);
    }
}
