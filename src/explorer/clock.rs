//! Where the time of a run goes.

use std::time::{Duration, Instant};

use crate::world::WorldTime;

/// Where the time of a run went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeSpent {
    /// From the first step until the last one: the next four, and the engine itself.
    pub total: Duration,
    /// Waiting for answers of the service.
    pub http: Duration,
    /// Reading journals.
    pub journal: Duration,
    /// Writing rows back, and proving that they are as they were.
    pub restore: Duration,
    /// Judging.
    pub oracles: Duration,
    /// Looking for shorter paths, after the walk: not part of `total`.
    pub shrink: Duration,
    /// Running regressions before the walk and violations after it: not part of `total`.
    pub confirm: Duration,
}

impl TimeSpent {
    /// What is left of `total` for the engine itself: choosing, hashing, recording.
    pub fn engine(&self) -> Duration {
        self.total
            .saturating_sub(self.http + self.journal + self.restore + self.oracles)
    }
}

/// Measures a walk.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    world_before: WorldTime,
    oracles: Duration,
}

impl Clock {
    /// A clock that starts now; `world` is the time that the world has spent so far.
    pub(super) fn start(world: WorldTime) -> Self {
        Self {
            started: Instant::now(),
            world_before: world,
            oracles: Duration::ZERO,
        }
    }

    /// The time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Adds a judgement that took this long, without the time that the world spent on it.
    pub(super) fn add_judgement(&mut self, took: Duration, world: WorldTime) {
        self.oracles += took.saturating_sub(world.sum());
    }

    /// What the walk took; `world` is the time that the world has spent so far.
    pub(super) fn spent(&self, world: WorldTime) -> TimeSpent {
        let world = world.since(self.world_before);
        TimeSpent {
            total: self.elapsed(),
            http: world.http,
            journal: world.journal,
            restore: world.restore,
            oracles: self.oracles,
            shrink: Duration::ZERO,
            confirm: Duration::ZERO,
        }
    }
}
