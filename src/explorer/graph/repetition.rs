//! Which untried pairs are put off, because they would repeat what is known.
//!
//! Half of all steps of a walk leave the state as it was. Where an action has run from the very same rows before (the same
//! canonical form of the connected components that its request names) and changed nothing, it will most likely change nothing
//! again: the pair is *postponed*. So areas of an API that never touch each other add up instead of multiplying. What an answer
//! depends on besides those rows (quotas, uniqueness, a clock) nobody knows, so a postponed pair is never dropped: it comes after
//! everything else, a sample of them in between, and one that changes something after all brings all pairs of its kind back.

use rustc_hash::FxHashMap;

use crate::model::{ActionId, Model, Situation};
use crate::random::Random;

use super::StateId;

/// What is known of actions that ran from the same rows, and the pairs that are postponed.
#[derive(Debug)]
pub(super) struct Repetition {
    /// By action: whether it writes and names no rows. What such a request does may depend on any row, so it is never postponed.
    is_exempt: Vec<bool>,
    kinds: FxHashMap<(u64, ActionId), Kind>,
    /// Postponed pairs, and some that are not postponed any more.
    queue: Vec<(StateId, ActionId)>,
}

/// The pairs of one action from the same rows.
#[derive(Debug)]
enum Kind {
    /// None of them has run.
    Unknown(Vec<StateId>),
    /// Those that ran changed nothing; the others, in these states, are postponed.
    Idle(Vec<StateId>),
    /// One of them changed something.
    Lively,
}

impl Repetition {
    pub(super) fn new(model: &Model) -> Self {
        let actions = model.actions.iter();
        let is_exempt = actions
            .map(|action| {
                let is_safe = matches!(action.request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
                !is_safe && action.requires.is_empty()
            })
            .collect();
        Self {
            is_exempt,
            kinds: FxHashMap::default(),
            queue: Vec::new(),
        }
    }

    /// Takes note of an untried pair. Says whether it is postponed.
    pub(super) fn meet(&mut self, state: StateId, action: ActionId, situation: Situation) -> bool {
        if self.is_exempt[action.0 as usize] {
            return false;
        }
        let unknown = || Kind::Unknown(Vec::new());
        let kind = self.kinds.entry((situation.components, action));
        match kind.or_insert_with(unknown) {
            Kind::Unknown(states) => {
                states.push(state);
                false
            }
            Kind::Idle(states) => {
                states.push(state);
                self.queue.push((state, action));
                true
            }
            Kind::Lively => false,
        }
    }

    /// Takes note of a step.
    pub(super) fn learn(
        &mut self,
        action: ActionId,
        situation: Situation,
        changed: bool,
    ) -> Consequence {
        let Some(kind) = self.kinds.get_mut(&(situation.components, action)) else {
            return Consequence::None;
        };
        match (&mut *kind, changed) {
            (Kind::Unknown(states), false) => {
                let states = std::mem::take(states);
                self.queue
                    .extend(states.iter().map(|state| (*state, action)));
                *kind = Kind::Idle(states.clone());
                Consequence::Postpone(states)
            }
            (Kind::Unknown(_), true) => {
                *kind = Kind::Lively;
                Consequence::None
            }
            (Kind::Idle(states), true) => {
                let states = std::mem::take(states);
                *kind = Kind::Lively;
                Consequence::BringBack(states)
            }
            (Kind::Idle(_), false) | (Kind::Lively, _) => Consequence::None,
        }
    }

    /// Puts a postponed pair into the queue once more.
    pub(super) fn queue_again(&mut self, state: StateId, action: ActionId) {
        self.queue.push((state, action));
    }

    /// Any pair of the queue. It may have been brought back, or lie too deep.
    pub(super) fn draw(&mut self, random: &mut Random) -> Option<(StateId, ActionId)> {
        let drawn = (!self.queue.is_empty()).then(|| random.below(self.queue.len()))?;
        Some(self.queue.swap_remove(drawn))
    }
}

/// What a step means for other pairs of its kind.
#[derive(Debug)]
pub(super) enum Consequence {
    /// Nothing.
    None,
    /// In these states the pair is to be postponed, where it is untried.
    Postpone(Vec<StateId>),
    /// In these states the pair is not to be postponed any longer.
    BringBack(Vec<StateId>),
}
