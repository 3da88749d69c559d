//! What is still to be tried: the untried pairs, those of them that are put off, and the states that can be expanded.

use crate::model::ActionId;

use super::{NONE, StateId};

/// The (state, action) pairs that are enabled and were not tried.
#[derive(Debug)]
pub(super) struct Frontier {
    /// Untried actions: `words` words of bits for each state.
    untried: Vec<u64>,
    /// Untried pairs that are put off, in the same form; states behind its end have none.
    postponed: Vec<u64>,
    words: usize,
    /// States that can be expanded: something untried, and not too deep.
    open: Vec<StateId>,
    /// Where a state stands in `open`.
    open_position: Vec<u32>,
    untried_total: u64,
    postponed_total: u64,
    max_depth: u32,
}

impl Frontier {
    pub(super) fn new(actions: usize, max_depth: u32) -> Self {
        Self {
            untried: Vec::new(),
            postponed: Vec::new(),
            words: actions.div_ceil(64),
            open: Vec::new(),
            open_position: Vec::new(),
            untried_total: 0,
            postponed_total: 0,
            max_depth,
        }
    }

    /// Adds the newest state and what is enabled in it.
    pub(super) fn add_state(&mut self, state: StateId, depth: u32, enabled: &[u64]) {
        self.untried_total += u64::from(enabled.iter().map(|word| word.count_ones()).sum::<u32>());
        self.untried.extend_from_slice(enabled);
        self.open_position.push(NONE);
        self.refresh(state, depth);
    }

    pub(super) fn max_depth(&self) -> u32 {
        self.max_depth
    }

    /// How many pairs are untried, those put off and those too deep included.
    pub(super) fn untried_count(&self) -> u64 {
        self.untried_total
    }

    pub(super) fn postponed_count(&self) -> u64 {
        self.postponed_total
    }

    pub(super) fn open(&self) -> &[StateId] {
        &self.open
    }

    pub(super) fn is_open(&self, state: StateId) -> bool {
        self.open_position[state.index()] != NONE
    }

    pub(super) fn is_untried(&self, state: StateId, action: ActionId) -> bool {
        let (word, bit) = self.place(state, action);
        self.untried[word] & bit != 0
    }

    pub(super) fn untried(&self, state: StateId) -> impl Iterator<Item = ActionId> + Clone + '_ {
        bits(self.untried_words(state))
    }

    /// The actions that are put off in a state.
    pub(super) fn postponed(&self, state: StateId) -> impl Iterator<Item = ActionId> + Clone + '_ {
        let start = (state.index() * self.words).min(self.postponed.len());
        let end = (start + self.words).min(self.postponed.len());
        bits(&self.postponed[start..end])
    }

    pub(super) fn mark_tried(&mut self, state: StateId, depth: u32, action: ActionId) {
        let (word, bit) = self.place(state, action);
        self.untried[word] &= !bit;
        self.untried_total -= 1;
        self.refresh(state, depth);
    }

    /// A pair that was tried is to be tried again.
    pub(super) fn mark_untried(&mut self, state: StateId, depth: u32, action: ActionId) {
        let (word, bit) = self.place(state, action);
        self.untried_total += u64::from(self.untried[word] & bit == 0);
        self.untried[word] |= bit;
        self.refresh(state, depth);
    }

    /// Puts an untried pair off. Says whether it was untried.
    pub(super) fn postpone(&mut self, state: StateId, depth: u32, action: ActionId) -> bool {
        if !self.is_untried(state, action) {
            return false;
        }
        let (word, bit) = self.place(state, action);
        self.untried[word] &= !bit;
        if self.postponed.len() <= word {
            self.postponed.resize(self.untried.len(), 0);
        }
        self.postponed[word] |= bit;
        self.postponed_total += 1;
        self.refresh(state, depth);
        true
    }

    /// Says whether the pair was put off.
    pub(super) fn bring_back(&mut self, state: StateId, depth: u32, action: ActionId) -> bool {
        let (word, bit) = self.place(state, action);
        match self.postponed.get_mut(word) {
            Some(postponed) if *postponed & bit != 0 => *postponed &= !bit,
            _ => return false,
        }
        self.untried[word] |= bit;
        self.postponed_total -= 1;
        self.refresh(state, depth);
        true
    }

    /// Decides anew whether a state can be expanded.
    pub(super) fn refresh(&mut self, state: StateId, depth: u32) {
        let should =
            depth < self.max_depth && self.untried_words(state).iter().any(|word| *word != 0);
        let position = self.open_position[state.index()];
        if should && position == NONE {
            self.open_position[state.index()] = self.open.len() as u32;
            self.open.push(state);
        } else if !should && position != NONE {
            self.open.swap_remove(position as usize);
            self.open_position[state.index()] = NONE;
            if let Some(moved) = self.open.get(position as usize) {
                self.open_position[moved.index()] = position;
            }
        }
    }

    fn untried_words(&self, state: StateId) -> &[u64] {
        let start = state.index() * self.words;
        &self.untried[start..start + self.words]
    }

    /// Where the bit of a pair is.
    fn place(&self, state: StateId, action: ActionId) -> (usize, u64) {
        let word = state.index() * self.words + action.0 as usize / 64;
        (word, 1 << (action.0 % 64))
    }
}

/// The actions whose bits are set.
pub(super) fn bits(words: &[u64]) -> impl Iterator<Item = ActionId> + Clone + '_ {
    words.iter().enumerate().flat_map(|(index, word)| {
        let mut left = *word;
        std::iter::from_fn(move || {
            (left != 0).then(|| {
                let bit = left.trailing_zeros();
                left &= left - 1;
                ActionId(index as u32 * 64 + bit)
            })
        })
    })
}
