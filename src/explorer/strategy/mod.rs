//! Which (state, action) pair to try next.
//!
//! A strategy does no I/O and sees nothing but the graph and the seeded generator. It only chooses pairs that have not been
//! tried, so every strategy exhausts a finite graph, and none takes the same step twice. (Without restores there is no choice
//! of state, and a pair may have to be taken again; only random walks can do that.)
//!
//! A new strategy is one new file, with its `mod` line and its entry in [`REGISTRY`].

mod auto;
mod bfs;
mod classes;
mod coverage;
mod dfs;
mod mcts;
mod neighbourhoods;
mod random;
mod random_walk;
mod weighted;

use crate::model::{ActionId, Model};
use crate::random::Random;
use crate::world::Warning;

use super::graph::{Graph, Recorded, StateId};

/// Chooses the next step. The cost of a choice must not grow with the number of steps taken.
pub trait Strategy {
    /// The next step; `None` when there is nothing left to try.
    fn next(&mut self, graph: &Graph, random: &mut Random) -> Option<Move>;

    /// Whether steps are put off that like rows let expect to change nothing, too. A walk that would come to such a step only once in
    /// its course may miss what it does.
    fn bets_on_likeness(&self) -> bool {
        false
    }

    /// What the user should know of this strategy on this model.
    fn remark(&self) -> Option<Warning> {
        None
    }

    /// Learns from a recorded step. Called after every step, before the next choice.
    fn learn(&mut self, _graph: &Graph, _recorded: &Recorded, _random: &mut Random) {}
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
    /// Whether it needs restores; otherwise it can also explore with `restore: none`.
    restores: bool,
}

/// The first one is the default.
const REGISTRY: &[Entry] = &[
    Entry {
        name: "auto",
        create: |model| Box::new(auto::Auto::new(model)),
        restores: false,
    },
    Entry {
        name: "dfs",
        create: |_| Box::new(dfs::Dfs::new()),
        restores: true,
    },
    Entry {
        name: "bfs",
        create: |_| Box::<bfs::Bfs>::default(),
        restores: true,
    },
    Entry {
        name: "coverage",
        create: |model| Box::new(coverage::Coverage::new(model)),
        restores: true,
    },
    Entry {
        name: "random",
        create: |_| Box::new(random::Random),
        restores: false,
    },
    Entry {
        name: "mcts",
        create: |_| Box::<mcts::Mcts>::default(),
        restores: true,
    },
    Entry {
        name: "weighted",
        create: |model| Box::new(weighted::Weighted::new(model)),
        restores: false,
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

/// The strategy of a run that names none.
pub const DEFAULT: &str = NAMES[0];

/// The strategy of that name.
pub fn create(name: &str, model: &Model) -> Option<Box<dyn Strategy>> {
    let entry = REGISTRY.iter().find(|entry| entry.name == name)?;
    Some((entry.create)(model))
}

/// The names of the strategies that can explore a service that cannot be restored (`restore: none`).
pub fn without_restore() -> Vec<&'static str> {
    let entries = REGISTRY.iter().filter(|entry| !entry.restores);
    entries.map(|entry| entry.name).collect()
}

#[cfg(test)]
mod tests;
