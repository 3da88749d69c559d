//! `bfs`: nearest states first.

use std::collections::VecDeque;

use crate::random::Random;

use super::{Graph, Move, Recorded, StateId, Strategy};

/// Breadth first: tries every action of a state before it turns to the next one, in the order found. The seed decides in which order the
/// actions of a state come.
///
/// Promises: the first path to a state is a shortest one, and so is that of every violation. Restores before nearly
/// every step. Costs: constant per step with the default seed, else one look at the actions of one state; memory for the states in the queue.
#[derive(Debug, Default)]
pub(super) struct Bfs {
    started: bool,
    queue: VecDeque<StateId>,
}

impl Strategy for Bfs {
    fn next(&mut self, graph: &Graph, random: &mut Random) -> Option<Move> {
        if !self.started {
            self.started = true;
            self.queue.push_back(StateId::INITIAL);
        }
        while let Some(from) = self.queue.front().copied() {
            if graph.is_open(from) {
                let mut untried = graph.untried(from);
                let action = if random.keeps_order() {
                    untried.next()?
                } else {
                    untried.min_by_key(|action| random.rank(action.0))?
                };
                return Some(Move { from, action });
            }
            self.queue.pop_front();
        }
        None
    }

    fn learn(&mut self, graph: &Graph, recorded: &Recorded, _random: &mut Random) {
        if recorded.new_state {
            self.queue
                .push_back(graph.transition(recorded.transition).to);
        }
        // Never because of a shorter path, for the first one found is a shortest one already.
        self.queue.extend(&recorded.reopened);
    }
}
