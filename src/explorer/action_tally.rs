//! What a run reports of each action: how often it ran, why it never ran, and advice.

use crate::event::ActionTally;
use crate::model::{ActionId, Model, Response};

use super::enabled;
use super::explored::Explored;

/// While states are left to try, an action that changed nothing in fewer runs than this may just have run too early.
const ENOUGH_RUNS: u64 = 3;

/// What is known of all actions, by [`ActionId`]. `is_complete` says whether nothing was left to try.
pub(super) fn action_tallies<C: Clone>(
    model: &Model,
    explored: &Explored<C>,
    is_complete: bool,
) -> Vec<ActionTally> {
    let enough_runs = if is_complete { 1 } else { ENOUGH_RUNS };
    let tally = |id| tally(model, explored, id, enough_runs);
    model.action_ids().map(tally).collect()
}

fn tally<C: Clone>(
    model: &Model,
    explored: &Explored<C>,
    id: ActionId,
    enough_runs: u64,
) -> ActionTally {
    let graph = explored.graph();
    let tally = graph.tally(id).clone();
    let action = model.action(id);
    let mut statuses = tally.statuses;
    statuses.sort_unstable();
    let never_ran = (tally.runs == 0).then(|| {
        enabled::why_not(model, id, graph.guard_states())
            .unwrap_or_else(|| "it was enabled, but the run ended before its turn came".to_owned())
    });
    // What fails would perhaps change something, and what is refused is told as that.
    let fails = |status: u16| status == Response::NO_ANSWER || status >= 500;
    let is_idle = tally.runs >= enough_runs
        && tally.accepted > 0
        && tally.changed == 0
        && tally.unchanged == tally.runs
        && !statuses.iter().any(|(status, _)| fails(*status))
        && !action.request.is_safe();
    let advice = is_idle.then(|| {
        format!(
            "`{}` never changed any state in {} {}; a precondition could save those steps",
            action.name,
            tally.runs,
            if tally.runs == 1 { "run" } else { "runs" }
        )
    });
    // A refusal that the spec lists is what it wants to see.
    let is_refusal = |status: u16| {
        let mut listed = action.expect.status.iter();
        status != Response::NO_ANSWER && !listed.any(|pattern| pattern.matches(status))
    };
    let always_refused = !statuses.is_empty()
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
