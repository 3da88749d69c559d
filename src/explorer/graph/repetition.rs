//! Which untried pairs are put off, because they would repeat what is known.
//!
//! Half of all steps of a walk leave the state as it was. Two signs say that a pair would do so, too:
//!
//! - The action has run from the *very same rows* (the same canonical form of the connected components that its request names) and
//!   changed nothing. So areas of an API that never touch each other add up instead of multiplying.
//! - It has run from *like rows* (the same neighbourhood: every value and every number of rows taken roughly) twice, or once if it
//!   only reads, and has never changed anything there. This is a bet, which a strategy makes or not, and one pair in eight is not put off.
//!
//! What an answer depends on besides those rows (quotas, uniqueness, a clock) nobody knows, so a postponed pair is never dropped: it
//! comes after everything else, a sample of them in between, and one that changes something after all brings all pairs of its kind back.

use rustc_hash::FxHashMap;

use crate::model::{ActionId, Model, Situation};
use crate::random::Random;

use super::StateId;

/// One pair in so many is not put off for like rows alone.
const KEPT: u32 = 8;

/// What is known of actions that ran from the same or from like rows, and the pairs that are postponed.
#[derive(Debug)]
pub(super) struct Repetition {
    /// By action: whether it writes and names no rows. What such a request does may depend on any row, so it is never postponed.
    is_exempt: Vec<bool>,
    /// Whether like rows are a sign.
    bets: bool,
    /// By action: how many runs from like rows, none of which changed anything, are enough. `None` for one that names no rows: to it
    /// all states are alike.
    enough: Vec<Option<u8>>,
    /// The states with a sign, by the set of variables that it is a sign of.
    met: FxHashMap<(u32, Sign), Vec<StateId>>,
    /// What is known of an action where it ran in a state with a sign.
    kinds: FxHashMap<(ActionId, Sign), Kind>,
    /// Postponed pairs, and some that are not postponed any more.
    queue: Vec<(StateId, ActionId)>,
}

/// What pairs of one kind have in common. Digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sign {
    /// The very same rows.
    Same(u64),
    /// Like rows.
    Like(u64),
}

/// What is known of the pairs of one action that have a sign in common.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// So many of them ran and changed nothing, which is not enough.
    Unknown(u8),
    /// Those that ran changed nothing; the others are postponed.
    Idle,
    /// One of them changed something.
    Lively,
}

impl Repetition {
    pub(super) fn new(model: &Model) -> Self {
        let safe = |method: &str| matches!(method, "GET" | "HEAD" | "OPTIONS");
        let actions = model.actions.iter();
        let (is_exempt, enough) = actions
            .map(|action| {
                let is_safe = safe(action.request.method.as_str());
                let is_exempt = !is_safe && action.requires.is_empty();
                let names_rows = !action.requires.is_empty();
                (is_exempt, names_rows.then_some(if is_safe { 1 } else { 2 }))
            })
            .unzip();
        Self {
            is_exempt,
            bets: false,
            enough,
            met: FxHashMap::default(),
            kinds: FxHashMap::default(),
            queue: Vec::new(),
        }
    }

    /// Like rows are a sign from now on.
    pub(super) fn bet_on_likeness(&mut self) {
        self.bets = true;
    }

    /// Takes note of what the requests that name a set of variables meet in a new state.
    pub(super) fn meet(&mut self, state: StateId, set: u32, situation: Situation) {
        for sign in signs(situation) {
            self.met.entry((set, sign)).or_default().push(state);
        }
    }

    /// Whether an untried pair is to be postponed.
    pub(super) fn is_idle(&self, state: StateId, action: ActionId, situation: Situation) -> bool {
        let is_idle = |sign| matches!(self.kinds.get(&(action, sign)), Some(Kind::Idle));
        let mut signs = signs(situation).into_iter();
        signs.any(|sign| is_idle(sign) && !is_kept(sign, state, action))
    }

    /// Takes note of a step; its request names this set of variables.
    pub(super) fn learn(
        &mut self,
        (action, set): (ActionId, u32),
        situation: Situation,
        changed: bool,
    ) -> Consequence {
        let mut consequence = Consequence::default();
        if self.is_exempt[action.0 as usize] {
            return consequence;
        }
        for sign in signs(situation) {
            let Some(enough) = self.enough(sign, action) else {
                continue;
            };
            let kind = self.kinds.entry((action, sign)).or_insert(Kind::Unknown(0));
            let (next, consequence) = match (*kind, changed) {
                (Kind::Unknown(runs), false) if runs + 1 < enough => {
                    *kind = Kind::Unknown(runs + 1);
                    continue;
                }
                (Kind::Unknown(_), false) => (Kind::Idle, &mut consequence.postpone),
                (Kind::Idle, true) => (Kind::Lively, &mut consequence.bring_back),
                (Kind::Unknown(_), true) => {
                    *kind = Kind::Lively;
                    continue;
                }
                (Kind::Idle, false) | (Kind::Lively, _) => continue,
            };
            *kind = next;
            let states = self.met.get(&(set, sign)).into_iter().flatten();
            consequence.extend(states.filter(|state| !is_kept(sign, **state, action)));
        }
        consequence
    }

    /// How many runs of pairs with this sign, none of which changed anything, put off the others.
    fn enough(&self, sign: Sign, action: ActionId) -> Option<u8> {
        match sign {
            Sign::Same(_) => Some(1),
            Sign::Like(_) => self.enough[action.0 as usize].filter(|_| self.bets),
        }
    }

    /// Puts a postponed pair into the queue.
    pub(super) fn queue(&mut self, state: StateId, action: ActionId) {
        self.queue.push((state, action));
    }

    /// Any pair of the queue. It may have been brought back, or lie too deep.
    pub(super) fn draw(&mut self, random: &mut Random) -> Option<(StateId, ActionId)> {
        let drawn = (!self.queue.is_empty()).then(|| random.below(self.queue.len()))?;
        Some(self.queue.swap_remove(drawn))
    }
}

/// What a step means for other pairs of its kinds.
#[derive(Debug, Default)]
pub(super) struct Consequence {
    /// In these states the pair is to be postponed, where it is untried.
    pub(super) postpone: Vec<StateId>,
    /// In these states the pair is not to be postponed any longer.
    pub(super) bring_back: Vec<StateId>,
}

/// The signs that a pair has in this situation.
fn signs(situation: Situation) -> [Sign; 2] {
    [
        Sign::Same(situation.components),
        Sign::Like(situation.neighbourhood),
    ]
}

/// Whether a pair is one of those that are not put off for like rows. Decided by its numbers alone, so that a pair that was brought
/// back is judged as before.
fn is_kept(sign: Sign, state: StateId, action: ActionId) -> bool {
    let mixed = (state.0.wrapping_mul(0x9E37_79B9) ^ action.0.wrapping_mul(0x85EB_CA6B))
        .wrapping_mul(0xC2B2_AE35)
        >> 16;
    matches!(sign, Sign::Like(_)) && mixed.is_multiple_of(KEPT)
}
