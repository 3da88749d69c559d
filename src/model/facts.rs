//! The facts that guards read: which actions have run on the path, and how often.

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
    /// The count at which it stops: 1 for "has run", `max_calls` for a limit.
    pub cap: u16,
}

/// The counts at one state, one for each [`FactRule`]. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Facts(Arc<[u16]>);

impl Facts {
    /// Nothing has run yet.
    pub fn none(count: usize) -> Self {
        Self(vec![0; count].into())
    }

    /// The count of a fact.
    pub fn count(&self, fact: FactId) -> u16 {
        self.0[fact.0 as usize]
    }

    /// The facts after these have each been counted once more.
    #[must_use]
    pub fn counted(&self, facts: &[FactId], rules: &[FactRule]) -> Self {
        let moves = |id: &FactId| self.0[id.0 as usize] < rules[id.0 as usize].cap;
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
