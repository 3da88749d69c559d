//! `dfs`: go on from the newest state.

use crate::random::Random;

use super::{Graph, Move, Recorded, StateId, Strategy};

/// Depth first. Among the untried actions of the newest state it takes the one that ran least often so far, so an
/// action that is always enabled and always makes a new state starves nothing.
///
/// Promises: few restores, because most steps go on from the current state. Does not promise short paths.
/// Costs: one look at the actions of one state per step; memory for the states on the stack.
#[derive(Debug, Default)]
pub(super) struct Dfs {
    started: bool,
    stack: Vec<StateId>,
}

impl Strategy for Dfs {
    fn next(&mut self, graph: &Graph, random: &mut Random) -> Option<Move> {
        if !self.started {
            self.started = true;
            self.stack.push(StateId::INITIAL);
        }
        while let Some(from) = self.stack.last().copied() {
            if graph.is_open(from) {
                let action = graph
                    .untried(from)
                    .min_by_key(|action| (graph.runs(*action), random.rank(action.0)))?;
                return Some(Move { from, action });
            }
            self.stack.pop();
        }
        None
    }

    fn learn(&mut self, graph: &Graph, recorded: &Recorded) {
        self.stack.extend(&recorded.reopened);
        if recorded.new_state {
            self.stack.push(graph.transition(recorded.transition).to);
        }
    }
}
