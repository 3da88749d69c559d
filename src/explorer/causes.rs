//! When findings are one bug, and when one bug follows from another.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rustc_hash::FxHashSet;

use super::graph::{Graph, StateId, TransitionId};
use super::violations::Violation;
use crate::event::{ConfirmationResult, OracleKind, ShrinkResult};
use crate::model::{ActionId, Finding, Model, OracleId};
use crate::oracle::checks;

/// What makes findings one violation, whichever action showed it: the oracle, what it objects to, and the tables and columns
/// that offend. Of an answer nobody can say what offends in the database, so there the action is part of the cause.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cause {
    oracle: OracleId,
    name: String,
    kind: String,
    /// For checks of answers: the action, without its parameters. For what somebody was not allowed to do: with who did it.
    action: Option<String>,
    /// For checks of rows: see [`Finding::offends`].
    offends: Vec<String>,
}

impl Cause {
    /// The cause of a finding that this action showed; `None` is the initial state.
    pub(super) fn of(model: &Model, action: Option<ActionId>, finding: &Finding) -> Self {
        let is_invariant = matches!(finding.oracle, OracleId::Invariant(_));
        // What one may do who should not is no news of another.
        let by_somebody = *finding.name == *checks::ACCESS_CONTROL;
        let name_of = |id| {
            let action = model.action(id);
            match action.forbidden.as_ref().filter(|_| by_somebody) {
                Some(forbidden) => format!("{}(as={})", action.base_name, forbidden.principal),
                None => action.base_name.clone(),
            }
        };
        let has_action =
            by_somebody && matches!(finding.oracle, OracleId::Check(_)) || is_of_answer(finding);
        Self {
            oracle: finding.oracle,
            name: finding.name.to_string(),
            kind: finding.kind.clone(),
            action: action.filter(|_| has_action).map(name_of),
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

/// Whether a check objects to an answer, and not to rows.
fn is_of_answer(finding: &Finding) -> bool {
    matches!(finding.oracle, OracleId::Check(_))
        && finding.offends.is_empty()
        && *finding.name != *checks::PROBE_WROTE
}

/// What the steps of a walk showed.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// Positions of violations. Steps that showed none are not in it.
    shown: BTreeMap<TransitionId, Box<[usize]>>,
}

impl Damage {
    /// Takes note of what a step showed: positions of violations.
    pub(super) fn note(&mut self, transition: TransitionId, shown: Vec<usize>) {
        if !shown.is_empty() {
            self.shown.insert(transition, shown.into());
        }
    }

    fn shown(&self, transition: TransitionId) -> &[usize] {
        self.shown.get(&transition).map_or(&[], |shown| shown)
    }
}

/// Which violations were there before. It is known only when the walk is over: a way without any may be found at last to a state
/// that had long led on to others.
struct Spread<'s> {
    damage: &'s Damage,
    graph: &'s Graph,
    /// By state: the violations on every known path to it, ascending.
    before: Vec<Rc<[usize]>>,
    /// Actions that showed nothing in a state without any.
    sound: FxHashSet<ActionId>,
}

impl<'s> Spread<'s> {
    fn new(graph: &'s Graph, damage: &'s Damage) -> Self {
        let mut before: Vec<Option<Rc<[usize]>>> = vec![None; graph.state_count()];
        before[StateId::INITIAL.0 as usize] = Some(Rc::default());
        let mut changed = vec![StateId::INITIAL];
        while let Some(from) = changed.pop() {
            let here = before[from.0 as usize].clone().unwrap_or_default();
            for id in graph.outgoing(from) {
                let to = graph.transition(id).to;
                let place = &mut before[to.0 as usize];
                let there = united(&here, damage.shown(id));
                let common = match place {
                    Some(known) => common(known, &there),
                    None => Some(there),
                };
                if let Some(less) = common {
                    *place = Some(less);
                    changed.push(to);
                }
            }
        }
        let before: Vec<Rc<[usize]>> = before.into_iter().map(Option::unwrap_or_default).collect();
        let transitions = (0..graph.transition_count() as u32).map(TransitionId);
        let is_sound = |id: &TransitionId| {
            let from = graph.transition(*id).from;
            damage.shown(*id).is_empty() && before[from.0 as usize].is_empty()
        };
        let sound = transitions.filter(is_sound);
        let sound = sound.map(|id| graph.transition(id).action).collect();
        Self {
            damage,
            graph,
            before,
            sound,
        }
    }

    /// For each of so many violations those that were there before, wherever the walk saw it.
    fn before_each(&self, count: usize) -> Vec<Rc<[usize]>> {
        let mut of: Vec<Option<Rc<[usize]>>> = vec![None; count];
        for (id, shown) in &self.damage.shown {
            let from = self.graph.transition(*id).from;
            let there = &self.before[from.0 as usize];
            for position in shown.iter().filter(|position| **position < count) {
                let known = &mut of[*position];
                match known {
                    Some(known) => {
                        if let Some(less) = common(known, there) {
                            *known = less;
                        }
                    }
                    None => *known = Some(there.clone()),
                }
            }
        }
        of.into_iter().map(Option::unwrap_or_default).collect()
    }

    /// Whether a violation can be due to damage: it is a wrong answer of an action that goes well where nothing is broken.
    fn is_of_damage(&self, model: &Model, found: &Violation) -> bool {
        let Some(last) = found.path.last() else {
            return false;
        };
        let is_same =
            |id: &ActionId| model.action(*id).base_name == model.action(last.action).base_name;
        is_of_answer(&found.finding) && self.sound.iter().any(is_same)
    }

    /// Whether the path of one violation shows the other one before its last step. A path that the walk has not taken whole shows it
    /// surely where it begins with the path of the other one.
    fn is_shown_before(&self, found: &Violation, cause: &Violation) -> bool {
        let Some((_, before)) = found.path.split_last() else {
            return false;
        };
        let mut at = StateId::INITIAL;
        for step in before {
            let Some(taken) = self.graph.tried(at, step.action) else {
                let begins = before.iter().map(|step| step.action);
                let mut begins = begins.zip(cause.path.iter().map(|step| step.action));
                return before.len() >= cause.path.len() && begins.all(|(one, other)| one == other);
            };
            if self.damage.shown(taken).contains(&position(cause)) {
                return true;
            }
            at = self.graph.transition(taken).to;
        }
        false
    }
}

fn united(some: &Rc<[usize]>, more: &[usize]) -> Rc<[usize]> {
    if more.is_empty() {
        return some.clone();
    }
    let all: BTreeSet<usize> = some.iter().chain(more).copied().collect();
    all.into_iter().collect()
}

/// What is in both, where that is less than `known`.
fn common(known: &Rc<[usize]>, other: &Rc<[usize]>) -> Option<Rc<[usize]>> {
    if Rc::ptr_eq(known, other) || known.iter().all(|it| other.contains(it)) {
        return None;
    }
    let both = known.iter().filter(|it| other.contains(it));
    Some(both.copied().collect())
}

/// Says of each violation from which one it follows. Where that one is accepted and this one is not, it stands for itself: nobody has
/// accepted it.
pub(super) fn tell_consequences(
    model: &Model,
    graph: &Graph,
    damage: &Damage,
    violations: &mut [Violation],
) {
    let causes = consequences(model, graph, damage, violations);
    let accepted: BTreeSet<u32> = (violations.iter())
        .filter(|violation| violation.is_known)
        .map(|violation| violation.number)
        .collect();
    for (violation, cause) in violations.iter_mut().zip(causes) {
        let is_told = |cause: &u32| violation.is_known || !accepted.contains(cause);
        violation.consequence_of = cause.filter(is_told);
    }
}

/// For each violation the number of that from which it follows: one that was there before wherever it was seen, also on the path
/// that is reported, and that is as bad at least. The violation is a wrong answer of an action that goes well where nothing is
/// broken. What is needed for it is known of a shortest path only; so where shrinking was not finished a violation stands for
/// itself. So does a broken invariant, and a request that wrote what it should not: the step that shows it has done that.
fn consequences(
    model: &Model,
    graph: &Graph,
    damage: &Damage,
    violations: &[Violation],
) -> Vec<Option<u32>> {
    if violations.len() < 2 {
        return vec![None; violations.len()];
    }
    let spread = Spread::new(graph, damage);
    let before = spread.before_each(violations.iter().map(position).max().unwrap_or(0) + 1);
    let follows = |found: &Violation, cause: &Violation| {
        found.number != cause.number
            && found.shrink.result == ShrinkResult::Minimal
            && before[position(found)].contains(&position(cause))
            && found.finding.severity <= cause.finding.severity
            && cause.confirmation.result != ConfirmationResult::Unconfirmed
            && !cause.path.is_empty()
            && spread.is_shown_before(found, cause)
    };
    let mut of: Vec<Option<u32>> = (violations.iter())
        .map(|found| {
            if !spread.is_of_damage(model, found) {
                return None;
            }
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

fn position(of: &Violation) -> usize {
    of.number as usize - 1
}
