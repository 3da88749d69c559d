//! Which actions a guard state enables, and what keeps the others from being enabled.

use std::sync::Arc;

use crate::expr::{Condition, Lookup};
use crate::model::{
    Action, ActionId, Bindings, Context, Effect, Facts, Model, Precondition, SwitchedOff,
    VariableId,
};

/// The actions that a guard state enables.
#[derive(Debug)]
pub(super) struct Enabled {
    /// Bits of the enabled actions.
    pub(super) actions: Box<[u64]>,
    /// Conditions that could not be evaluated although every value that they read is defined: a mistake of the spec that
    /// would otherwise look like a precondition that is never true.
    pub(super) errors: Vec<(ActionId, String)>,
}

/// The actions that a guard state enables.
pub(super) fn enabled(model: &Model, context: &Context, facts: &Facts) -> Enabled {
    let mut words = vec![0_u64; model.actions.len().div_ceil(64)];
    let mut errors = Vec::new();
    for (index, action) in model.actions.iter().enumerate() {
        match obstacles(model, action, context, facts).next() {
            None => words[index / 64] |= 1 << (index % 64),
            Some(Obstacle::Condition {
                condition,
                error: Some(error),
            }) => {
                let id = ActionId(index as u32);
                let bindings = model.action_bindings(id, context);
                let is_defined = |name: &String| bindings.lookup(name).is_some();
                if condition.reads().iter().all(is_defined) {
                    errors.push((id, error));
                }
            }
            Some(_) => {}
        }
    }
    Enabled {
        actions: words.into(),
        errors,
    }
}

/// Something that keeps an action from being enabled.
#[derive(Debug)]
enum Obstacle<'m> {
    /// The command line keeps it from running.
    SwitchedOff(SwitchedOff),
    /// An action that was not accepted on the path, and the flag that keeps it from running, if that is why.
    NotAccepted(&'m str, Option<SwitchedOff>),
    /// It was accepted and changed something as often as `max_calls` allows.
    Exhausted(u16),
    /// A value that its request needs is not defined; also the action that would have extracted it, where a flag keeps that from
    /// running.
    Undefined(&'m str, Option<(&'m str, SwitchedOff)>),
    /// A condition does not hold, or cannot be evaluated.
    Condition {
        condition: &'m Condition,
        error: Option<String>,
    },
}

impl std::fmt::Display for Obstacle<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SwitchedOff(flag) => write!(formatter, "`{flag}` switches it off"),
            Self::NotAccepted(action, None) => {
                write!(formatter, "`{action}` had not been accepted before it")
            }
            Self::NotAccepted(action, Some(flag)) => write!(
                formatter,
                "`{action}` must be accepted before it, and `{flag}` switches that off"
            ),
            Self::Exhausted(0) => write!(formatter, "`max_calls: 0` switches it off"),
            Self::Exhausted(limit) => write!(formatter, "its `max_calls: {limit}` was used up"),
            Self::Undefined(name, None) => write!(formatter, "`{name}` was not defined"),
            Self::Undefined(name, Some((action, flag))) => write!(
                formatter,
                "`{name}` was not defined: `{action}` yields it, and `{flag}` switches that off"
            ),
            Self::Condition {
                condition,
                error: None,
            } => {
                write!(formatter, "`{}` was not true", condition.source())
            }
            Self::Condition {
                condition,
                error: Some(error),
            } => {
                write!(
                    formatter,
                    "`{}` could not be judged: {error}",
                    condition.source()
                )
            }
        }
    }
}

fn obstacles<'m>(
    model: &'m Model,
    action: &'m Action,
    context: &'m Context,
    facts: &'m Facts,
) -> impl Iterator<Item = Obstacle<'m>> {
    let limit = action
        .max_calls
        .filter(|(fact, limit)| facts.count(*fact) >= *limit)
        .map(|(_, limit)| Obstacle::Exhausted(limit));
    let undefined = action
        .requires
        .iter()
        .filter(|variable| context.get(**variable).is_none())
        .map(|variable| {
            let name = &model.names.variables[variable.0 as usize];
            Obstacle::Undefined(name, source_off(model, *variable))
        });
    let preconditions =
        action
            .preconditions
            .iter()
            .filter_map(move |precondition| match precondition {
                Precondition::Accepted(fact) => (facts.count(*fact) == 0).then(|| {
                    let action = &model.facts[fact.0 as usize].action;
                    let is_it = |it: &&Action| it.base_name == *action || it.name == *action;
                    let all = model.actions.iter().filter(is_it);
                    Obstacle::NotAccepted(action, all_off(all).map(|(_, flag)| flag))
                }),
                Precondition::Holds(condition) => {
                    let bindings: Arc<dyn Lookup> = Arc::new(Bindings {
                        parameters: action.parameters.clone(),
                        chosen: action.chosen.clone(),
                        ..model.bindings(context)
                    });
                    let error = match condition.holds(&bindings) {
                        Ok(true) => return None,
                        Ok(false) => None,
                        Err(error) => Some(error.to_string()),
                    };
                    Some(Obstacle::Condition { condition, error })
                }
            });
    let off = action.switched_off.map(Obstacle::SwitchedOff);
    let others = limit.into_iter().chain(preconditions).chain(undefined);
    off.into_iter().chain(others)
}

/// The first of these actions and its flag, where flags keep all of them from running.
fn all_off<'m>(actions: impl Iterator<Item = &'m Action>) -> Option<(&'m str, SwitchedOff)> {
    let mut all = actions.map(|action| {
        let flag = action.switched_off?;
        Some((action.base_name.as_str(), flag))
    });
    let first = all.next()??;
    all.all(|it| it.is_some()).then_some(first)
}

/// The action that would define a variable, where flags keep all from running that would.
fn source_off(model: &Model, variable: VariableId) -> Option<(&str, SwitchedOff)> {
    let yields = |action: &&Action| {
        let mut extractions = action.extractions();
        extractions.any(|extraction| extraction.variable == variable)
    };
    all_off(model.actions.iter().filter(yields))
}

/// Whether one of these actions, run one after the other from a guard state, cannot be enabled when its turn comes, whichever
/// answers come: an action that must have been accepted before it is not on the way, `max_calls` was used up at the
/// beginning, or no action extracts a value that it needs.
pub(super) fn is_hopeless(
    model: &Model,
    context: &Context,
    facts: &Facts,
    actions: &[ActionId],
) -> bool {
    let mut facts = facts.clone();
    let mut defined: Vec<bool> = context.values().iter().map(Option::is_some).collect();
    actions.iter().any(|id| {
        let action = model.action(*id);
        let used_up = (action.max_calls).is_some_and(|(fact, limit)| facts.count(fact) >= limit);
        let not_run = action.preconditions.iter().any(|precondition| {
            matches!(precondition, Precondition::Accepted(fact) if facts.count(*fact) == 0)
        });
        let undefined = (action.requires.iter())
            .any(|variable| defined.get(variable.0 as usize) == Some(&false));
        facts = facts.counted(&action.counts, &model.facts, Effect::Accepted);
        for extraction in action.extractions() {
            for variable in model.pools.all_with(extraction.variable) {
                if let Some(defined) = defined.get_mut(variable.0 as usize) {
                    *defined = true;
                }
            }
        }
        used_up || not_run || undefined
    })
}

/// Guard states looked at to explain why an action never ran.
const EXPLAINED_GUARD_STATES: usize = 2_000;

/// Why an action was enabled in none of these guard states: what kept it from being enabled in the one with the fewest
/// obstacles. `None` where it was enabled in one of them.
pub(super) fn why_not<'m>(
    model: &'m Model,
    id: ActionId,
    guard_states: impl Iterator<Item = (&'m Context, &'m Facts)>,
) -> Option<String> {
    let action = model.action(id);
    let mut closest: Option<Vec<Obstacle<'m>>> = None;
    for (context, facts) in guard_states.take(EXPLAINED_GUARD_STATES) {
        let here: Vec<_> = obstacles(model, action, context, facts).collect();
        if here.is_empty() {
            return None;
        }
        if closest.as_ref().is_none_or(|best| here.len() < best.len()) {
            closest = Some(here);
        }
    }
    let reasons: Vec<_> = closest?.iter().map(ToString::to_string).collect();
    Some(reasons.join(", "))
}
