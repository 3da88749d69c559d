//! Where the time of a run goes.

use std::time::{Duration, Instant};

use crate::event::Time;
use crate::world::WorldTime;

/// Measures a walk.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    world_before: WorldTime,
    oracles: Duration,
    /// What the world did for the oracles.
    for_oracles: WorldTime,
}

impl Clock {
    /// A clock that starts now; `world` is the time that the world has spent so far.
    pub(super) fn start(world: WorldTime) -> Self {
        Self {
            started: Instant::now(),
            world_before: world,
            oracles: Duration::ZERO,
            for_oracles: WorldTime::default(),
        }
    }

    /// The time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Adds a judgement that took this long, `world` of it in the world: the probes of invariants are the oracles' time.
    pub(super) fn add_judgement(&mut self, took: Duration, world: WorldTime) {
        self.oracles += took.max(world.sum());
        self.for_oracles = self.for_oracles.plus(world);
    }

    /// What the walk took; `world` is the time that the world has spent so far.
    pub(super) fn spent(&self, world: WorldTime) -> Time {
        let total = self.elapsed();
        let world = world.since(self.world_before.plus(self.for_oracles));
        Time {
            total,
            http: world.http,
            journal: world.journal,
            restore: world.restore,
            settle: world.settle,
            start: world.start,
            oracles: self.oracles,
            engine: total.saturating_sub(world.sum() + self.oracles),
            shrink: Duration::ZERO,
            confirm: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probes_of_invariants_are_the_time_of_oracles() {
        let of_http = |milliseconds| WorldTime {
            http: Duration::from_millis(milliseconds),
            ..WorldTime::default()
        };
        let mut clock = Clock::start(of_http(5));
        clock.add_judgement(Duration::from_millis(40), of_http(30));
        let spent = clock.spent(of_http(5 + 30 + 7));
        assert_eq!(spent.oracles, Duration::from_millis(40));
        assert_eq!(spent.http, Duration::from_millis(7));
    }
}
