//! What a run reports of each action: how often it ran, why it never ran, and advice.

use crate::model::{ActionId, Model};

use super::enabled;
use super::event::ActionSummary;
use super::graph::Graph;

/// While states are left to try, an action that changed nothing in fewer runs than this may just have run too early.
const ENOUGH_RUNS: u64 = 3;

/// Summaries of all actions, by [`ActionId`]. `is_complete` says whether nothing was left to try.
pub(super) fn action_summaries(
    model: &Model,
    graph: &Graph,
    is_complete: bool,
) -> Vec<ActionSummary> {
    let enough_runs = if is_complete { 1 } else { ENOUGH_RUNS };
    let summary = |id| summary(model, graph, id, enough_runs);
    model.action_ids().map(summary).collect()
}

fn summary(model: &Model, graph: &Graph, id: ActionId, enough_runs: u64) -> ActionSummary {
    let tally = graph.tally(id).clone();
    let action = model.action(id);
    let mut statuses = tally.statuses;
    statuses.sort_unstable();
    let never_ran = (tally.runs == 0).then(|| {
        enabled::why_not(model, id, graph.guard_states())
            .unwrap_or_else(|| "it was enabled, but the run ended before its turn came".to_owned())
    });
    let is_idle =
        tally.runs >= enough_runs && tally.unchanged == tally.runs && !action.request.is_safe();
    let advice = is_idle.then(|| {
        format!(
            "`{}` never changed any state in {} {}; a precondition could save those steps",
            action.name,
            tally.runs,
            if tally.runs == 1 { "run" } else { "runs" }
        )
    });
    ActionSummary {
        runs: tally.runs,
        statuses,
        new_states: tally.new_states,
        unchanged: tally.unchanged,
        never_ran,
        advice,
    }
}
