//! What a run reports of each action: how often it ran, why it never ran, and advice.

use crate::event::{ActionTally, Stop};
use crate::model::{ActionId, Model, Response};

use super::enabled;
use super::explored::Explored;

/// While states are left to try, an action that changed nothing in fewer runs than this may just have run too early.
const ENOUGH_RUNS: u64 = 3;

/// What is known of all actions, by [`ActionId`], once the walk has ended like this. `writes_late` says of which of them rows came
/// after the answer.
pub(super) fn action_tallies<C: Clone>(
    model: &Model,
    explored: &Explored<C>,
    stop: &Stop,
    mut writes_late: impl FnMut(ActionId) -> bool,
) -> Vec<ActionTally> {
    let tally = |id| tally(model, explored, id, stop, writes_late(id));
    model.action_ids().map(tally).collect()
}

/// Why an action did not run that was enabled somewhere.
fn not_reached(stop: &Stop) -> String {
    match stop {
        Stop::Complete { .. } | Stop::RateLimited => {
            "it was enabled only in states as deep as `--max-depth`, where no step begins: allow a greater depth"
        }
        Stop::MaxSteps => "it was enabled, but `--max-steps` was reached before its turn came",
        Stop::TimeLimit => "it was enabled, but `--time-limit` was reached before its turn came",
        Stop::CoverageTarget => {
            "it was enabled, but `--coverage-target` was reached before its turn came"
        }
        Stop::FailFast { .. } => "it was enabled, but `--fail-fast` ended the run before its turn came",
        _ => "it was enabled, but the run ended before its turn came",
    }
    .to_owned()
}

fn tally<C: Clone>(
    model: &Model,
    explored: &Explored<C>,
    id: ActionId,
    stop: &Stop,
    writes_late: bool,
) -> ActionTally {
    // Where nothing is left to try, one run says as much as many.
    let enough_runs = match stop {
        Stop::Complete { .. } | Stop::RateLimited => 1,
        _ => ENOUGH_RUNS,
    };
    let graph = explored.graph();
    let tally = graph.tally(id).clone();
    let action = model.action(id);
    let mut statuses = tally.statuses;
    statuses.sort_unstable();
    let never_ran = (tally.runs == 0).then(|| {
        enabled::why_not(model, id, graph.guard_states()).unwrap_or_else(|| not_reached(stop))
    });
    // What fails would perhaps change something, and what is refused is told as that.
    let fails = |status: u16| status == Response::NO_ANSWER || status >= 500;
    let is_idle = tally.runs >= enough_runs
        && tally.accepted > 0
        && tally.changed == 0
        && tally.unchanged == tally.runs
        && !statuses.iter().any(|(status, _)| fails(*status))
        && !writes_late
        && !action.request.is_safe();
    let advice = is_idle.then(|| {
        format!(
            "`{}` never changed any state in {} {}; a precondition could save those steps",
            action.name,
            tally.runs,
            if tally.runs == 1 { "run" } else { "runs" }
        )
    });
    // A refusal that the spec lists is what it wants to see, and so is that of somebody who may not. A success that it does not list is a violation, and no refusal.
    let is_refusal = |status: u16| {
        let mut listed = action.expect.status.iter();
        let is_success = (200..300).contains(&status);
        status != Response::NO_ANSWER
            && !is_success
            && !listed.any(|pattern| pattern.matches(status))
    };
    let always_refused = action.forbidden.is_none()
        && !statuses.is_empty()
        && tally.accepted == 0
        && statuses.iter().all(|(status, _)| is_refusal(*status));
    let advice = advice.or_else(|| {
        let answer = always_refused.then(|| explored.last_answer(id)).flatten()?;
        Some(format!(
            "`{}` was refused every time; the last answer was {answer}",
            action.name
        ))
    });
    ActionTally {
        runs: tally.runs,
        always_refused,
        statuses,
        new_states: tally.new_states,
        unchanged: tally.unchanged,
        never_ran,
        advice,
    }
}
