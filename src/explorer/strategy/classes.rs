//! Choosing the class of pairs that was tried least.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::ActionId;
use crate::random::Random;

use super::{Graph, Move, StateId};

/// Untried (state, action) pairs in classes, each with a score. The next move is one of the class with the least score.
///
/// States come in *groups*, and a class is one action in the states of one group. So a state costs one number for each group that it
/// is in, not one for each pair. A choice costs a logarithm of the number of classes.
#[derive(Debug, Default)]
pub(super) struct Classes {
    /// The states of each group, in the order met.
    groups: Vec<Vec<StateId>>,
    all: Vec<Class>,
    /// Classes in which an untried pair may exist, by the score that they had when they were queued. Of equals those come first
    /// whose action had never run, the others by chance.
    queue: BinaryHeap<Reverse<(u32, Tie, ClassId)>>,
}

/// Decides between classes with equal scores: whether the action has run, then chance.
type Tie = (bool, u64);

/// Number of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GroupId(u32);

/// Number of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ClassId(u32);

#[derive(Debug)]
struct Class {
    group: GroupId,
    action: ActionId,
    score: u32,
    /// How many of the states of the group, from the front, have been looked at for good.
    seen: u32,
    is_queued: bool,
}

/// So many states of a class are drawn by chance before the first one that is left is taken.
const DRAWS: u32 = 4;

impl Classes {
    /// A new group of states, and in it a class for each of these actions. The numbers of the classes follow each other, from the
    /// one that is returned.
    pub(super) fn add_group(
        &mut self,
        actions: impl Iterator<Item = ActionId>,
    ) -> (GroupId, ClassId) {
        let group = GroupId(self.groups.len() as u32);
        let first = ClassId(self.all.len() as u32);
        self.groups.push(Vec::new());
        self.all.extend(actions.map(|action| Class {
            group,
            action,
            score: 0,
            seen: 0,
            is_queued: false,
        }));
        (group, first)
    }

    /// Adds a state to a group. Each class in which it has an untried pair has to be queued.
    pub(super) fn add_state(&mut self, group: GroupId, state: StateId) {
        self.groups[group.0 as usize].push(state);
    }

    /// Lets a class be chosen.
    pub(super) fn queue(&mut self, graph: &Graph, id: ClassId, random: &mut Random) {
        let class = &mut self.all[id.0 as usize];
        if !class.is_queued {
            class.is_queued = true;
            let tie = (graph.runs(class.action) > 0, random.tie());
            self.queue.push(Reverse((class.score, tie, id)));
        }
    }

    /// Adds to the score of a class.
    pub(super) fn add_score(&mut self, id: ClassId, score: u32) {
        self.all[id.0 as usize].score += score;
    }

    /// A pair of the class with the least score.
    pub(super) fn least(&mut self, graph: &Graph, random: &mut Random) -> Option<Move> {
        while let Some(Reverse((score, (had_run, _), id))) = self.queue.peek().copied() {
            let Class {
                score: now, action, ..
            } = self.all[id.0 as usize];
            let has_run = graph.runs(action) > 0;
            if (score, had_run) != (now, has_run) {
                self.queue.pop();
                self.queue.push(Reverse((now, (has_run, random.tie()), id)));
            } else if let Some(found) = self.draw(id, graph, random) {
                return Some(found);
            } else {
                self.queue.pop();
                self.all[id.0 as usize].is_queued = false;
            }
        }
        None
    }

    /// A pair of this class that is left.
    fn draw(&mut self, id: ClassId, graph: &Graph, random: &mut Random) -> Option<Move> {
        let class = &mut self.all[id.0 as usize];
        let action = class.action;
        let states = &self.groups[class.group.0 as usize];
        let is_left = |state: StateId| graph.is_open(state) && graph.is_untried(state, action);
        for _ in 0..DRAWS {
            let left = states.len() - class.seen as usize;
            if left == 0 {
                return None;
            }
            let from = states[class.seen as usize + random.below(left)];
            if is_left(from) {
                return Some(Move { from, action });
            }
        }
        while let Some(from) = states.get(class.seen as usize).copied() {
            if is_left(from) {
                return Some(Move { from, action });
            }
            class.seen += 1;
        }
        None
    }
}

impl ClassId {
    /// The class so many places behind this one.
    pub(super) fn plus(self, offset: u32) -> Self {
        Self(self.0 + offset)
    }
}
