//! How a run ends: what was found is proved, and everything is summed up.

use std::time::Duration;

use crate::model::ActionId;
use crate::oracle::Judge;
use crate::world::{World, WorldError, WorldErrorKind, WorldTime};

use super::enabled;
use super::event::{ActionSummary, Event, StopReason, Summary, TimeSpent};
use super::graph::Graph;
use super::strategy::Move;
use super::walk::Walk;

/// While states are left to try, an action that changed nothing in fewer runs than this may just have been tried too early.
const TELLING_RUNS: u64 = 3;

/// The reason to stop that an error is; `at` is the step that failed, if it was one.
pub(super) fn stop_reason(error: &WorldError, at: Option<(&Graph, Move)>) -> StopReason {
    if error.kind == WorldErrorKind::Interrupted {
        return StopReason::Interrupted;
    }
    let path = at.map_or_else(Vec::new, |(graph, Move { from, action })| {
        graph
            .path_to(from)
            .into_iter()
            .map(|id| graph.transition(id).action)
            .chain([action])
            .collect()
    });
    StopReason::Failed {
        kind: error.kind,
        message: error.message.clone(),
        details: error.details.clone(),
        help: error.help.clone(),
        path,
    }
}

impl<W: World, J: Judge<W>> Walk<'_, W, J> {
    pub(super) fn time_since(&self, before: WorldTime) -> TimeSpent {
        let world = self.world.time().since(before);
        TimeSpent {
            total: self.started.elapsed(),
            http: world.http,
            journal: world.journal,
            restore: world.restore,
            oracles: self.oracle_time,
            shrink: Duration::ZERO,
            confirm: Duration::ZERO,
        }
    }

    /// Proves what was found and sums up.
    pub(super) async fn finish(
        &mut self,
        graph: &Graph,
        mut stop: StopReason,
        mut time: TimeSpent,
    ) -> Summary {
        let violations = self.prove(graph, &mut stop, &mut time).await;
        self.pass_on_warnings(graph);
        let progress = self.progress(graph);
        let every = self.options.limits.progress_every;
        if self.steps == 0 || !self.steps.is_multiple_of(every) {
            (self.observer)(Event::Progress(progress));
        }
        let complete = matches!(stop, StopReason::Complete { .. });
        let ids = || self.model.action_ids();
        let summary = Summary {
            progress,
            stop,
            transitions: graph.transition_count() as u64,
            untried: graph.untried_count(),
            deepest: graph.deepest(),
            unchanged_steps: ids().map(|id| graph.tally(id).unchanged).sum(),
            actions: ids()
                .map(|id| self.action_summary(graph, id, complete))
                .collect(),
            violations,
            regressions: std::mem::take(&mut self.regressions),
            warnings: std::mem::take(&mut self.warnings),
            time,
        };
        (self.observer)(Event::Finished(&summary));
        summary
    }

    fn action_summary(&self, graph: &Graph, id: ActionId, complete: bool) -> ActionSummary {
        let tally = graph.tally(id).clone();
        let action = self.model.action(id);
        let mut statuses = tally.statuses;
        statuses.sort_unstable();
        let never_ran = (tally.runs == 0).then(|| {
            enabled::explain(self.model, id, graph.guard_states().iter()).unwrap_or_else(|| {
                "it was enabled, but the run ended before its turn came".to_owned()
            })
        });
        let told = if complete { 1 } else { TELLING_RUNS };
        let idle = tally.runs >= told && tally.unchanged == tally.runs && !action.request.is_safe();
        let advice = idle.then(|| {
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
}
