//! `coverage`: the least covered pair of actions.

use crate::model::{ActionId, Model};
use crate::random::Random;

use super::classes::{ClassId, Classes, GroupId};
use super::{Graph, Move, Recorded, StateId, Strategy};

/// Evens out how often each *pair* of consecutive actions has run: a bug of sequences shows when an action meets the
/// traces of one particular other action. Every step takes a pair that ran least often so far, and runs its second action
/// in a state to which the first one led.
///
/// Promises: actions that never ran come first, then pairs that never ran; rare actions and rare orders get as many steps as common ones. Costs: a logarithm of
/// the number of pairs per step; each (state, action) pair is looked at once.
#[derive(Debug)]
pub(super) struct Coverage {
    pairs: Classes,
    /// By the action that led to a state; those of the initial state under the last index.
    groups: Vec<(GroupId, ClassId)>,
    started: bool,
}

impl Coverage {
    pub(super) fn new(model: &Model) -> Self {
        let mut pairs = Classes::default();
        let arrivals = 0..=model.actions.len();
        let groups = arrivals.map(|_| pairs.add_group(model.action_ids()));
        Self {
            groups: groups.collect(),
            pairs,
            started: false,
        }
    }

    /// The group of the states to which the same action led, and the first of its classes.
    fn group(&self, graph: &Graph, state: StateId) -> (GroupId, ClassId) {
        let by = graph.parent(state).map_or(self.groups.len() - 1, |id| {
            graph.transition(id).action.0 as usize
        });
        self.groups[by]
    }

    fn arrive(&mut self, graph: &Graph, state: StateId, random: &mut Random) {
        let (group, first) = self.group(graph, state);
        self.pairs.add_state(group, state);
        for ActionId(action) in graph.untried(state) {
            self.pairs.queue(graph, first.plus(action), random);
        }
    }
}

impl Strategy for Coverage {
    fn next(&mut self, graph: &Graph, random: &mut Random) -> Option<Move> {
        if !self.started {
            self.started = true;
            self.arrive(graph, StateId::INITIAL, random);
        }
        self.pairs.least(graph, random)
    }

    fn learn(&mut self, graph: &Graph, recorded: &Recorded, random: &mut Random) {
        let transition = graph.transition(recorded.transition);
        let (_, first) = self.group(graph, transition.from);
        self.pairs.add_score(first.plus(transition.action.0), 1);
        if recorded.new_state {
            self.arrive(graph, transition.to, random);
        }
        for state in &recorded.reopened {
            self.arrive(graph, *state, random);
        }
    }
}
