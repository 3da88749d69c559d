//! When findings are one bug, and when one bug follows from another.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::graph::StateId;
use super::violations::Violation;
use crate::event::{ConfirmationResult, OracleKind};
use crate::model::{ActionId, Finding, Model, OracleId};
use crate::oracle::checks;

/// What makes findings one violation, whichever action showed it: the oracle, what it objects to, and the tables and columns
/// that offend. Of an answer nobody can say what offends in the database, so there the action is part of the cause.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cause {
    oracle: OracleId,
    name: String,
    kind: String,
    /// For checks of answers: the action, without its parameters.
    action: Option<String>,
    /// For checks of rows: see [`Finding::offends`].
    offends: Vec<String>,
}

impl Cause {
    /// The cause of a finding that this action showed; `None` is the initial state.
    pub(super) fn of(model: &Model, action: Option<ActionId>, finding: &Finding) -> Self {
        let is_invariant = matches!(finding.oracle, OracleId::Invariant(_));
        let is_of_answer =
            !is_invariant && finding.offends.is_empty() && *finding.name != *checks::PROBE_WROTE;
        let base_name = |id| model.action(id).base_name.clone();
        Self {
            oracle: finding.oracle,
            name: finding.name.to_string(),
            kind: finding.kind.clone(),
            action: action.filter(|_| is_of_answer).map(base_name),
            // An invariant reads the same tables each time.
            offends: if is_invariant {
                Vec::new()
            } else {
                finding.offends.clone()
            },
        }
    }

    /// The cause in words without any id, the same in every run: `check/server-error/500/refund_order`.
    pub(super) fn key(&self) -> String {
        let kind = match OracleKind::from(self.oracle) {
            OracleKind::Invariant => "invariant",
            OracleKind::Check => "check",
        };
        let mut parts = vec![kind.to_owned(), self.name.clone(), self.kind.clone()];
        parts.extend(self.action.clone());
        if !self.offends.is_empty() {
            parts.push(self.offends.join(","));
        }
        parts.join("/")
    }
}

/// Which violations lie on every known path to a state, and which actions go well where there are none.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// By state: positions of violations, shared by the states behind each other. States without any are not in it.
    of_states: FxHashMap<StateId, Arc<[usize]>>,
    /// Actions that showed nothing in a state without any.
    sound: FxHashSet<ActionId>,
}

impl Damage {
    /// The violations on every known path to a state.
    pub(super) fn before(&self, state: StateId) -> &[usize] {
        self.of_states.get(&state).map_or(&[], |known| known)
    }

    /// Learns from a step what it showed: positions of violations.
    pub(super) fn add(
        &mut self,
        (from, action, to): (StateId, ActionId, StateId),
        is_new: bool,
        shown: &[usize],
    ) {
        let before = self.before(from);
        if shown.is_empty() && before.is_empty() {
            self.sound.insert(action);
            self.of_states.remove(&to);
        } else if is_new {
            let all = match self.of_states.get(&from) {
                Some(before) if shown.is_empty() => before.clone(),
                _ => before.iter().chain(shown).copied().collect(),
            };
            self.of_states.insert(to, all);
        } else if let Some(known) = self.of_states.get(&to) {
            let kept = known.iter().copied();
            let kept = kept.filter(|it| before.contains(it) || shown.contains(it));
            let kept = kept.collect();
            self.of_states.insert(to, kept);
        }
    }

    fn is_sound(&self, model: &Model, base_name: &str) -> bool {
        let mut sound = self.sound.iter();
        sound.any(|id| model.action(*id).base_name == base_name)
    }
}

/// For each violation the number of that from which it follows: one that was there before wherever it was seen, whose whole
/// path is needed for it, that is as bad at least, and that has to do with it: both are about a table, or the
/// action that shows it goes well where nothing is broken.
pub(super) fn consequences(
    model: &Model,
    damage: &Damage,
    violations: &[Violation],
) -> Vec<Option<u32>> {
    let follows = |found: &Violation, cause: &Violation| {
        found.number != cause.number
            && found.after.contains(&(cause.number as usize - 1))
            && found.finding.severity <= cause.finding.severity
            && cause.confirmation.result != ConfirmationResult::Unconfirmed
            && !cause.path.is_empty()
            && needs(model, found, cause)
            && is_related(model, damage, found, cause)
    };
    let mut of: Vec<Option<u32>> = (violations.iter())
        .map(|found| {
            let causes = violations.iter().filter(|cause| follows(found, cause));
            causes.map(|cause| cause.number).min()
        })
        .collect();
    // What follows from a consequence follows from its cause.
    for position in 0..of.len() {
        while let Some(number) = of[position]
            && let Some(cause) = violations.iter().position(|it| it.number == number)
            && let Some(root) = of[cause]
        {
            of[position] = Some(root);
        }
    }
    of
}

/// Whether the path of the cause lies, step by step, on the path of the other before its last step.
fn needs(model: &Model, found: &Violation, cause: &Violation) -> bool {
    let name = |id| &model.action(id).base_name;
    let mut before = found.path[..found.path.len().saturating_sub(1)].iter();
    (cause.path.iter()).all(|step| before.any(|other| name(other.action) == name(step.action)))
}

fn is_related(model: &Model, damage: &Damage, found: &Violation, cause: &Violation) -> bool {
    let action = found
        .path
        .last()
        .map(|last| &model.action(last.action).base_name);
    if matches!(found.finding.oracle, OracleId::Check(_)) && found.finding.offends.is_empty() {
        return action.is_some_and(|action| damage.is_sound(model, action));
    }
    let tables = |of: &Violation| -> FxHashSet<String> {
        let offends = of.finding.offends.iter();
        offends
            .map(|name| name.split('.').next().unwrap_or_default().to_owned())
            .collect()
    };
    !tables(found).is_disjoint(&tables(cause))
}
