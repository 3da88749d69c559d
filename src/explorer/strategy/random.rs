//! `random`: any untried action.

use super::{Graph, Move, Strategy, random_walk};

/// A random walk over untried actions: goes on from the current state, and from a random open state where the current
/// state has no untried action.
///
/// Promises: no preference that could hide a bug. Costs: one look at the actions of one state per step.
#[derive(Debug)]
pub(super) struct Random;

impl Strategy for Random {
    fn next(&mut self, graph: &Graph, random: &mut crate::random::Random) -> Option<Move> {
        random_walk::uniform(graph, random)
    }
}
