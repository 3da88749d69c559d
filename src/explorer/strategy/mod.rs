//! Which (state, action) pair to try next.
//!
//! A strategy does no I/O and sees nothing but the graph and the seeded generator. It only ever chooses pairs that have
//! not been tried, so every strategy visits the whole of a finite graph, and none takes the same step twice. (Without
//! restore there is no choice of state, and a pair may have to be taken again; only walks can do that.)
//!
//! A new strategy is one new file and one line in [`REGISTRY`].

mod bfs;
mod coverage;
mod dfs;
mod mcts;
mod random;
mod random_walk;
mod weighted;

use crate::model::{ActionId, Model};
use crate::random::Random;

use super::graph::{Graph, Recorded, StateId};

/// Chooses the next step. Costs per choice must not grow with the number of steps taken.
pub trait Strategy {
    /// The next step; `None` when there is nothing left that it could try.
    fn next(&mut self, graph: &Graph, random: &mut Random) -> Option<Move>;

    /// Learns what the step led to. Called after every step, before the next choice.
    fn learn(&mut self, _graph: &Graph, _recorded: &Recorded) {}
}

/// A step to take: an enabled action, and the state to take it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where to begin.
    pub from: StateId,
    /// What to do.
    pub action: ActionId,
}

/// A strategy as users know it.
struct Entry {
    name: &'static str,
    create: fn(&Model) -> Box<dyn Strategy>,
    /// Whether it can do without going back (`restore: none`).
    walks: bool,
}

const REGISTRY: [Entry; 6] = [
    Entry {
        name: "dfs",
        create: |_| Box::<dfs::Dfs>::default(),
        walks: false,
    },
    Entry {
        name: "bfs",
        create: |_| Box::<bfs::Bfs>::default(),
        walks: false,
    },
    Entry {
        name: "coverage",
        create: |model| Box::new(coverage::Coverage::new(model)),
        walks: false,
    },
    Entry {
        name: "random",
        create: |_| Box::new(random::Random),
        walks: true,
    },
    Entry {
        name: "mcts",
        create: |_| Box::<mcts::Mcts>::default(),
        walks: false,
    },
    Entry {
        name: "weighted",
        create: |model| Box::new(weighted::Weighted::new(model)),
        walks: true,
    },
];

/// The names of all strategies, as `--strategy` takes them.
pub const NAMES: &[&str] = &{
    let mut names = [""; REGISTRY.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = REGISTRY[index].name;
        index += 1;
    }
    names
};

/// The strategy of that name.
pub fn create(name: &str, model: &Model) -> Option<Box<dyn Strategy>> {
    let entry = REGISTRY.iter().find(|entry| entry.name == name)?;
    Some((entry.create)(model))
}

/// Whether the strategy of that name can explore a service that cannot be put back.
pub fn can_do_without_restore(name: &str) -> bool {
    REGISTRY
        .iter()
        .any(|entry| entry.name == name && entry.walks)
}

#[cfg(test)]
mod tests;
