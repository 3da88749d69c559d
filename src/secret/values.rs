//! The values that are known to be secret. Finding them in a text costs the same however many there are.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};

use rustc_hash::FxHashSet;

use super::password::is_place;

/// Where a secret is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// Where it stands as a password and nowhere else, because it is a word that stands openly elsewhere.
    Place,
    /// Wherever it turns up.
    Everywhere,
}

/// A set of values.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    /// Sorted, so that those with which a text begins are found in a few steps.
    known: BTreeMap<String, Scope>,
    /// How the values begin that are hidden wherever they turn up: four bytes tell at once of most places in a text that
    /// no value is there.
    beginnings: FxHashSet<u32>,
    /// The first bytes of all others.
    first_bytes: FxHashSet<u8>,
    has_spaces: bool,
    /// Length of the longest value in bytes.
    longest: usize,
}

impl Values {
    /// A shorter value, hidden wherever it turns up, would leave holes in innocent words. It is hidden only where it is
    /// the whole of a text, and where it stands as a password.
    const LEAST: usize = 4;

    pub(super) fn add(&mut self, text: &str, scope: Scope) {
        if text.is_empty() || self.known.get(text).is_some_and(|known| *known >= scope) {
            return;
        }
        match (text.as_bytes().first_chunk(), scope) {
            (Some(beginning), Scope::Everywhere) => {
                self.beginnings.insert(u32::from_ne_bytes(*beginning));
            }
            _ => self.first_bytes.extend(text.as_bytes().first()),
        }
        self.has_spaces |= text.contains(' ');
        self.longest = self.longest.max(text.len());
        self.known.insert(text.to_owned(), scope);
    }

    /// Where this very text is hidden, if it is a secret.
    pub(super) fn scope(&self, text: &str) -> Option<Scope> {
        self.known.get(text).copied()
    }

    /// Whether a `+` may stand for the space of a value.
    pub(super) fn have_spaces(&self) -> bool {
        self.has_spaces
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Where values stand in a text as they are, in no order.
    pub(super) fn find(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if !self.known.is_empty() {
            self.find_as_written(text, |place| found.push(place));
            for (at, _) in text.match_indices("...").chain(text.match_indices('…')) {
                found.extend(self.find_cut_off(&text[..at]));
            }
        }
        found
    }

    fn find_as_written(&self, text: &str, mut found: impl FnMut(Range<usize>)) {
        let bytes = text.as_bytes();
        for (start, byte) in bytes.iter().enumerate() {
            let may_begin = bytes[start..]
                .first_chunk()
                .is_some_and(|beginning| self.beginnings.contains(&u32::from_ne_bytes(*beginning)))
                || self.first_bytes.contains(byte);
            if !may_begin || !text.is_char_boundary(start) {
                continue;
            }
            let place = self
                .beginnings_of(&text[start..])
                .map(|(value, scope)| (start..start + value.len(), scope))
                .find(|(place, scope)| {
                    (*scope == Scope::Everywhere && place.len() >= Self::LEAST)
                        || is_place(&text[..place.start], &text[place.end..])
                });
            if let Some((place, _)) = place {
                found(place);
            }
        }
    }

    /// Where the beginning of a value stands at the end of a text that was cut off there: before `...` or `…`.
    fn find_cut_off(&self, kept: &str) -> Option<Range<usize>> {
        // Half an escape is no letter of the value.
        let end = match kept.rfind('%') {
            Some(percent) if kept.len() - percent < 3 => percent,
            _ => kept.len(),
        };
        let start = end.saturating_sub(self.longest);
        let mut starts = kept[..end].char_indices().map(|(at, _)| at);
        let begins_a_value = |at: &usize| {
            let rest = &kept[*at..end];
            let from: (Bound<&str>, Bound<&str>) = (Bound::Included(rest), Bound::Unbounded);
            let next = self.known.range::<str, _>(from).next();
            next.is_some_and(|(value, scope)| {
                *scope == Scope::Everywhere && value.starts_with(rest)
            })
        };
        let start =
            starts.find(|at| *at >= start && *at + Self::LEAST <= end && begins_a_value(at))?;
        Some(start..kept.len())
    }

    /// The values with which a text begins, the longest first.
    fn beginnings_of<'s>(&'s self, text: &'s str) -> impl Iterator<Item = (&'s str, Scope)> {
        let mut bound = text;
        std::iter::from_fn(move || {
            while !bound.is_empty() {
                let up_to: (Bound<&str>, Bound<&str>) = (Bound::Unbounded, Bound::Included(bound));
                let (value, scope) = self.known.range::<str, _>(up_to).next_back()?;
                let common = common(value, bound);
                // Every other value with which the text begins is shorter than what this one has in common with it.
                if common == value.len() {
                    bound = &bound[..whole_letters(bound, common - 1)];
                    return Some((value.as_str(), *scope));
                }
                bound = &bound[..whole_letters(bound, common)];
            }
            None
        })
    }
}

/// How many bytes both begin with.
fn common(one: &str, other: &str) -> usize {
    one.bytes()
        .zip(other.bytes())
        .take_while(|(one, other)| one == other)
        .count()
}

/// The end of the last letter that lies within so many bytes.
fn whole_letters(text: &str, bytes: usize) -> usize {
    (0..=bytes)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against the plain way: every value, wherever it stands.
        #[test]
        fn every_value_is_found_wherever_it_stands(
            values in prop::collection::vec("[abé]{4,7}", 0..12),
            text in "[abé]{0,40}",
        ) {
            let mut known = Values::default();
            for value in &values {
                known.add(value, Scope::Everywhere);
            }
            let mut hidden = vec![false; text.len()];
            for value in &values {
                for start in text.char_indices().map(|(at, _)| at) {
                    if text[start..].starts_with(value.as_str()) {
                        hidden[start..start + value.len()].fill(true);
                    }
                }
            }
            let mut found = vec![false; text.len()];
            for place in known.find(&text) {
                found[place].fill(true);
            }
            prop_assert_eq!(hidden, found);
        }
    }
}
