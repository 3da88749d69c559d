//! The facts that guards read: which actions were accepted on the path, and how often.

use std::sync::Arc;

/// Number of a fact: its position in [`Model::facts`](super::Model::facts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactId(pub u32);

/// What a fact counts. Only what some guard reads is counted, and only as far as that guard distinguishes counts: two paths
/// with the same possible futures are the same state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactRule {
    /// The action as messages name it.
    pub action: String,
    /// The count at which it stops: 1 for "was accepted", `max_calls` for a limit.
    pub cap: u16,
    /// What a step must have come to in order to count.
    pub counts: Effect,
}

/// What a step came to, as far as guards care. Ordered: what counts an acceptance counts a change as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The request was not accepted: refused, answered against `expect`, or not answered at all.
    None,
    /// It was accepted, and rows, context and cookies are as they were.
    Accepted,
    /// It was accepted and changed something.
    Changed,
}

/// The counts at one state, one for each [`FactRule`]. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Facts(Arc<[u16]>);

impl Facts {
    /// Nothing was accepted yet.
    pub fn none(count: usize) -> Self {
        Self(vec![0; count].into())
    }

    /// The count of a fact.
    pub fn count(&self, fact: FactId) -> u16 {
        self.0[fact.0 as usize]
    }

    /// The facts after a step that came to this, where it may count these facts.
    #[must_use]
    pub fn counted(&self, facts: &[FactId], rules: &[FactRule], effect: Effect) -> Self {
        let moves = |id: &FactId| {
            let rule = &rules[id.0 as usize];
            effect >= rule.counts && self.0[id.0 as usize] < rule.cap
        };
        if !facts.iter().any(moves) {
            return self.clone();
        }
        let mut counts = self.0.to_vec();
        for id in facts.iter().filter(|id| moves(id)) {
            counts[id.0 as usize] += 1;
        }
        Self(counts.into())
    }

    /// All counts, by fact.
    pub fn counts(&self) -> &[u16] {
        &self.0
    }
}
