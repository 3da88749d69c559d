//! Steps that led to a known state which differs from where they led in what the identity leaves out, and how far it is looked
//! into whether that was right.

use std::collections::BTreeMap;

use crate::event;
use crate::identity::{LeftOut, TableNumber};
use crate::model::ActionId;

use super::graph::TransitionId;

/// Of each table and each column that is left out, so many merges are looked into first, whatever that costs.
const FIRST: u32 = 3;

/// Then so many of each action that led to them, and so many that their square follows twice the number of merges: what is wrong
/// only deeper down is merged later.
const EACH: u32 = 2;

/// After that, one merge of so many.
const SAMPLED: u64 = 20;

/// What looking into merges may cost in requests, but for the first ones: so many, and one for every two steps.
const REQUESTS: u64 = 600;

/// The merges of a walk.
#[derive(Debug, Default)]
pub(super) struct Merges {
    by_left_out: BTreeMap<LeftOut, Vec<TransitionId>>,
    /// How often it was looked into what leaving this out means, in all and for each action.
    looked_into: BTreeMap<(Place, Option<ActionId>), u32>,
    /// Merges for the sake of each.
    merged: BTreeMap<Place, u64>,
    /// Requests that took.
    requests: u64,
    tally: event::Merges,
}

/// What is left out: a column by its position, the keys of a table without one.
type Place = (TableNumber, Option<usize>);

/// How thoroughly a merge is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Every action once, then several tails.
    Close,
    /// A few tails.
    Sample,
}

impl Merges {
    /// Takes note of a merge, to which this action led after so many steps of the walk. Says whether it is to be looked into, and
    /// how.
    pub(super) fn note(
        &mut self,
        (transition, action): (TransitionId, ActionId),
        left_out: LeftOut,
        steps: u64,
    ) -> Option<Look> {
        self.tally.steps += 1;
        let looks = |place: Place, action: Option<ActionId>| {
            let looks = self.looked_into.get(&(place, action));
            looks.copied().unwrap_or_default()
        };
        let is_new = places(&left_out).any(|place| looks(place, None) < FIRST);
        let mut is_due = false;
        for place in places(&left_out) {
            let merges = self.merged.entry(place).or_default();
            *merges += 1;
            let all = u64::from(looks(place, None));
            is_due |= looks(place, Some(action)) < EACH || all * all < 2 * *merges;
        }
        let may_cost = self.requests < REQUESTS + steps / 2;
        let merges = self.by_left_out.entry(left_out).or_default();
        merges.push(transition);
        if is_new || is_due && may_cost {
            return Some(Look::Close);
        }
        (may_cost && self.tally.steps.is_multiple_of(SAMPLED)).then_some(Look::Sample)
    }

    /// A merge to which this action led was looked into, with so many requests.
    pub(super) fn looked_into(&mut self, action: ActionId, left_out: &LeftOut, requests: u64) {
        self.tally.audited += 1;
        self.requests += requests;
        for place in places(left_out) {
            for action in [None, Some(action)] {
                *self.looked_into.entry((place, action)).or_default() += 1;
            }
        }
    }

    /// A merge turned out to be wrong.
    pub(super) fn count_mismatch(&mut self) {
        self.tally.wrong += 1;
    }

    /// The merges that nothing but this had justified, which are none any more. Ascending.
    pub(super) fn take(&mut self, again: &LeftOut) -> Vec<TransitionId> {
        let (mut taken, mut kept) = (Vec::new(), BTreeMap::new());
        for (left_out, merges) in std::mem::take(&mut self.by_left_out) {
            if left_out.meets(again) {
                taken.extend(merges);
            } else {
                kept.insert(left_out, merges);
            }
        }
        self.by_left_out = kept;
        taken.sort_unstable();
        self.tally.steps -= taken.len() as u64;
        taken
    }

    /// The figures.
    pub(super) fn tally(&self) -> event::Merges {
        self.tally
    }
}

fn places(left_out: &LeftOut) -> impl Iterator<Item = Place> + '_ {
    let keys = left_out.keys.iter().map(|table| (*table, None));
    let columns = left_out.columns.iter();
    keys.chain(columns.map(|(table, column)| (*table, Some(*column))))
}
