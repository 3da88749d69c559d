//! What becomes of the graph when more is known of what makes states the same.

use std::collections::VecDeque;

use crate::model::{Digest, Facts};

use super::{Graph, Identity, NONE, StateId, TransitionId};

impl Graph {
    /// The world's part of every state's identity is another one by now, in the order of the states. States that are one state now
    /// stay two: whoever arrives there arrives in the first.
    pub(in crate::explorer) fn identify_anew(&mut self, worlds: &[Digest]) {
        self.by_fingerprint.clear();
        for (at, world) in worlds.iter().enumerate() {
            let fingerprint = self
                .guard_states
                .fingerprint(self.states[at].guards, *world);
            self.states[at].fingerprint = fingerprint;
            if self.with_fingerprint(fingerprint).is_none() {
                self.note_fingerprint(StateId(at as u32));
            }
        }
    }

    /// These steps led to states other than those for which they were taken: their pairs are untried again. None of them may be the
    /// one that found a state. Returns the states in which there is more to try than before.
    pub(in crate::explorer) fn forget(&mut self, transitions: &[TransitionId]) -> Vec<StateId> {
        let mut reopened = Vec::new();
        for id in transitions {
            let (from, action) = (self.transition(*id).from, self.transition(*id).action);
            self.unlink(*id);
            // Where it led nobody knows.
            self.transitions[id.0 as usize].to = from;
            (self.frontier).mark_untried(from, self.depth(from), action);
            reopened.push(from);
        }
        self.measure_anew();
        reopened.retain(|state| self.is_open(*state));
        reopened.sort_unstable();
        reopened.dedup();
        reopened
    }

    /// The facts that hold where a step has led.
    pub(in crate::explorer) fn facts_of(&self, identity: Identity) -> &Facts {
        self.guard_states.facts(identity.guard_state)
    }

    fn unlink(&mut self, id: TransitionId) {
        let Self {
            states,
            transitions,
            ..
        } = self;
        let next = transitions[id.0 as usize].next_out;
        let mut link = &mut states[transitions[id.0 as usize].from.index()].last_out;
        while *link != NONE && *link != id.0 {
            let at = *link as usize;
            link = &mut transitions[at].next_out;
        }
        if *link == id.0 {
            *link = next;
        }
    }

    /// Finds the shortest path to every state once more: some may have led by a step that is forgotten.
    fn measure_anew(&mut self) {
        let mut is_met = vec![false; self.states.len()];
        is_met[StateId::INITIAL.index()] = true;
        let mut waiting = VecDeque::from([StateId::INITIAL]);
        self.deepest = 0;
        while let Some(from) = waiting.pop_front() {
            let depth = self.depth(from);
            self.deepest = self.deepest.max(depth);
            self.frontier.refresh(from, depth);
            // The oldest first, as in the walk.
            let mut outgoing: Vec<TransitionId> = self.outgoing(from).collect();
            outgoing.reverse();
            for id in outgoing {
                let to = self.transition(id).to;
                if !std::mem::replace(&mut is_met[to.index()], true) {
                    let state = &mut self.states[to.index()];
                    state.depth = depth.saturating_add(1);
                    state.parent = id.0;
                    waiting.push_back(to);
                }
            }
        }
    }
}
