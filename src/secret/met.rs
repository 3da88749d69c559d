//! Which names under `secrets:` nothing ever had, and which names there were.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::Secrets;

/// How many other names are remembered.
const REMEMBERED: usize = 1_000;

/// The names that were seen.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// Names under `secrets:`, in lower case.
    named: BTreeSet<String>,
    /// Others, as they were written.
    others: BTreeSet<String>,
}

impl Secrets {
    /// A variable, header, parameter, field or column of this name was seen.
    pub(super) fn meet(&self, name: &str) {
        if self.names.is_empty() {
            return;
        }
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if met.named.len() == self.names.len() {
            return;
        }
        if self.has_name(name) {
            met.named.insert(name.to_ascii_lowercase());
        } else if met.others.len() < REMEMBERED && !met.others.contains(name) {
            met.others.insert(name.to_owned());
        }
    }

    /// The names under `secrets:` that nothing had which was seen, in lower case, and all other names.
    pub(crate) fn unmet(&self) -> (Vec<String>, Vec<String>) {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let unmet = self.names.difference(&met.named).cloned().collect();
        (unmet, met.others.iter().cloned().collect())
    }
}
