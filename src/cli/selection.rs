//! `--only` and `--skip`: which actions of a spec may run.

use std::sync::Arc;

use super::args::ExploreFlags;
use super::{Problem, Session};
use crate::diagnostic::did_you_mean;
use crate::model::{Action, Model, SwitchedOff};
use crate::spec::Spec;
use crate::world::is_match;

/// Switches off in these specs what the command line leaves out, and says which of them have anything left. An error where a
/// pattern matches no action of any spec.
pub(super) fn select<'s>(
    session: &Session<'_>,
    flags: &ExploreFlags,
    specs: impl IntoIterator<Item = &'s mut Spec>,
) -> Result<Vec<bool>, Problem> {
    let mut specs: Vec<&mut Spec> = specs.into_iter().collect();
    for (flag, pattern) in flagged(flags) {
        let mut actions = specs.iter().flat_map(|spec| &spec.model.actions);
        if !actions.any(|action| names(pattern, action)) {
            return Err(unknown(flag, pattern, &specs));
        }
    }
    let mut have_any = Vec::new();
    for spec in &mut specs {
        let model: &mut Model = Arc::make_mut(&mut spec.model);
        for action in &mut model.actions {
            if !flags.only.is_empty() && !flags.only.iter().any(|it| names(it, action)) {
                action.switched_off = Some(SwitchedOff::Only);
            } else if flags.skip.iter().any(|it| names(it, action)) {
                action.switched_off = Some(SwitchedOff::Skip);
            }
        }
        have_any.push(!model.actions.iter().all(Action::is_switched_off));
    }
    if !flags.only.is_empty() || !flags.skip.is_empty() {
        if !have_any.contains(&true) {
            return Err(Problem::usage(
                "`--only` and `--skip` leave no action that may run",
            ));
        }
        for (spec, _) in specs.iter().zip(&have_any).filter(|(_, any)| !**any) {
            session.note(&format!(
                "  not explored: {}: `--only` and `--skip` leave none of its actions",
                spec.path.display()
            ));
        }
    }
    Ok(have_any)
}

/// The patterns with the flags that they came with.
fn flagged(flags: &ExploreFlags) -> impl Iterator<Item = (SwitchedOff, &str)> {
    let only = flags.only.iter().map(|it| (SwitchedOff::Only, &**it));
    only.chain(flags.skip.iter().map(|it| (SwitchedOff::Skip, &**it)))
}

/// Whether a pattern means an action: by its name in the spec, or with its parameters and who acts.
fn names(pattern: &str, action: &Action) -> bool {
    is_match(pattern, &action.base_name) || is_match(pattern, &action.name)
}

fn unknown(flag: SwitchedOff, pattern: &str, specs: &[&mut Spec]) -> Problem {
    let actions = specs.iter().flat_map(|spec| &spec.model.actions);
    let mut known: Vec<&str> = actions.map(|action| &*action.base_name).collect();
    known.dedup();
    let problem = Problem::usage(format!("`{flag} {pattern}`: there is no such action"));
    match did_you_mean(pattern, known.iter().copied()) {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => problem.help(format!("the actions are: {}", known.join(", "))),
    }
}
