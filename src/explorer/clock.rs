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
    pub(super) fn spent(&self, world: WorldTime) -> Time {
        let total = self.elapsed();
        let world = world.since(self.world_before);
        Time {
            total,
            http: world.http,
            journal: world.journal,
            restore: world.restore,
            oracles: self.oracles,
            engine: total.saturating_sub(world.sum() + self.oracles),
            shrink: Duration::ZERO,
            confirm: Duration::ZERO,
        }
    }
}
