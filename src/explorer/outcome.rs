//! How a run ends: what was found is confirmed, and everything is summed up.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use crate::evidence;
use crate::model::{ActionId, Confirmation, Violation};
use crate::oracle::Judge;
use crate::world::{World, WorldError, WorldErrorKind, WorldTime};

use super::engine::Run;
use super::event::{ActionSummary, Event, StopReason, Summary, TimeSpent};
use super::graph::{Graph, StateId, TransitionId};
use super::guard;
use super::strategy::Move;

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

impl<W: World, J: Judge<W>> Run<'_, W, J> {
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

    /// Confirms what was found and sums up.
    pub(super) async fn finish(
        &mut self,
        graph: &Graph,
        mut stop: StopReason,
        mut time: TimeSpent,
    ) -> Summary {
        let clock = Instant::now();
        let violations = self.confirm_all(graph, &mut stop).await;
        time.confirm = clock.elapsed();
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
            warnings: std::mem::take(&mut self.warnings),
            time,
        };
        (self.observer)(Event::Finished(&summary));
        summary
    }

    /// Runs every violation again, the worst first. An error ends that, and the run with it: what cannot be run again
    /// cannot be trusted.
    async fn confirm_all(&mut self, graph: &Graph, stop: &mut StopReason) -> Vec<Violation> {
        let mut all: Vec<_> = (0..self.violations.len())
            .map(|index| {
                let last = self.violations.get(index).shortest(graph);
                (self.violations.violation(index, graph), last)
            })
            .collect();
        all.sort_by_key(|(violation, _)| (Reverse(violation.finding.severity), violation.number));
        for (violation, last) in &mut all {
            let Some(last) = *last else {
                // The initial state was judged as it stands; there is no path to run again.
                violation.confirmation = Confirmation::Confirmed { times: 1, of: 1 };
                continue;
            };
            self.attach_records(graph, violation, last);
            if self.options.interrupt.is_requested() && !matches!(stop, StopReason::Failed { .. }) {
                *stop = StopReason::Interrupted;
            }
            let not_tried = match stop {
                StopReason::Interrupted => Some("the run was interrupted"),
                StopReason::Failed { .. } => Some("the run could not go on"),
                _ if !self.world.can_restore() => {
                    Some("the service cannot be put back (`restore: none`)")
                }
                _ => None,
            };
            violation.confirmation = if let Some(reason) = not_tried {
                Confirmation::NotTried(reason.to_owned())
            } else {
                match self.confirm(graph, violation, last).await {
                    Ok(confirmation) => confirmation,
                    Err(error) => {
                        *stop = stop_reason(&error, None);
                        Confirmation::NotTried(format!("running it again failed: {error}"))
                    }
                }
            };
        }
        all.into_iter().map(|(violation, _)| violation).collect()
    }

    /// What was seen when the path was found; confirming replaces it.
    fn attach_records(&self, graph: &Graph, violation: &mut Violation, last: TransitionId) {
        let path = graph.path_to(graph.transition(last).from);
        for (step, id) in violation.path.iter_mut().zip(path.iter().chain([&last])) {
            step.record = self.record(*id).cloned();
        }
    }

    async fn confirm(
        &mut self,
        graph: &Graph,
        violation: &mut Violation,
        last: TransitionId,
    ) -> Result<Confirmation, WorldError> {
        let attempt = evidence::Attempt {
            initial: &self.checkpoints[0],
            context: graph.context(StateId::INITIAL),
            broken_before: self
                .broken
                .get(&graph.transition(last).from)
                .map_or(&[][..], Vec::as_slice),
        };
        evidence::confirm(self.model, self.world, self.judge, &attempt, violation).await
    }

    fn action_summary(&self, graph: &Graph, id: ActionId, complete: bool) -> ActionSummary {
        let tally = graph.tally(id).clone();
        let action = self.model.action(id);
        let mut statuses = tally.statuses;
        statuses.sort_unstable();
        let never_ran = (tally.runs == 0).then(|| {
            guard::explain(self.model, id, graph.situations().iter()).unwrap_or_else(|| {
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
