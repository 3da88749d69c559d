//! Putting off what would repeat what is known, and taking it up again.

use crate::model::{ActionId, Model, Situation};
use crate::random::Random;

use super::repetition::Repetition;
use super::{Graph, StateId};

impl Graph {
    /// Puts repetitions off from now on.
    pub(in crate::explorer) fn postpone_repetitions(&mut self, model: &Model) {
        self.repetition = Some(Repetition::new(model));
    }

    /// Puts off from now on what like rows let expect, too; nothing, where nothing is put off.
    pub(in crate::explorer) fn bet_on_likeness(&mut self) {
        if let Some(repetition) = &mut self.repetition {
            repetition.bet_on_likeness();
        }
    }

    /// Notes what requests meet in the newest state, by the sets of [`Graph::named`].
    pub(in crate::explorer) fn situate(&mut self, situations: &[Situation]) {
        let state = StateId(self.states.len() as u32 - 1);
        self.situations.add(situations);
        let Some(mut repetition) = self.repetition.take() else {
            return;
        };
        for (set, situation) in (0..).zip(situations) {
            repetition.meet(state, set, *situation);
        }
        let untried: Vec<ActionId> = self.untried(state).collect();
        for action in untried {
            let situation = self.situations.of(state, action);
            if situation.is_some_and(|situation| repetition.is_idle(state, action, situation)) {
                self.frontier.postpone(state, self.depth(state), action);
                repetition.queue(state, action);
            }
        }
        self.repetition = Some(repetition);
    }

    /// Takes up a pair that was put off, chosen by chance: it is untried as any other from now on.
    pub(in crate::explorer) fn take_up(
        &mut self,
        random: &mut Random,
    ) -> Option<(StateId, ActionId)> {
        let mut repetition = self.repetition.take()?;
        let mut found = None;
        while let Some((state, action)) = repetition.draw(random) {
            // What lies too deep is queued again where a shorter path is found.
            if self.depth(state) < self.max_depth() && self.bring_back(state, action) {
                found = Some((state, action));
                break;
            }
        }
        self.repetition = Some(repetition);
        found
    }

    /// Says whether the pair was put off.
    fn bring_back(&mut self, state: StateId, action: ActionId) -> bool {
        self.frontier.bring_back(state, self.depth(state), action)
    }

    /// Learns from a step what to put off, and what no longer.
    pub(super) fn learn_repetition(
        &mut self,
        (from, action): (StateId, ActionId),
        changed: bool,
        reopened: &mut Vec<StateId>,
    ) {
        let Some(mut repetition) = self.repetition.take() else {
            return;
        };
        if let Some(situation) = self.situations.of(from, action) {
            let consequence = repetition.learn((action, self.named_by(action)), situation, changed);
            for state in consequence.postpone {
                if (self.frontier).postpone(state, self.depth(state), action) {
                    repetition.queue(state, action);
                }
            }
            for state in consequence.bring_back {
                if self.bring_back(state, action) && self.is_open(state) {
                    reopened.push(state);
                }
            }
        }
        self.repetition = Some(repetition);
    }

    /// Queues again what is put off in a state that is no longer too deep.
    pub(super) fn queue_postponed(&mut self, state: StateId) {
        let Some(repetition) = &mut self.repetition else {
            return;
        };
        for action in self.frontier.postponed(state) {
            repetition.queue(state, action);
        }
    }
}
