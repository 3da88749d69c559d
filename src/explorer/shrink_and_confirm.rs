//! After the walk: every violation is made as short as it can be, then run again.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use crate::evidence::{self, Claim, Confirmed, Stop, Trial as _};
use crate::model::{ActionId, Confirmation, Finding, PathStep, ShrinkResult, Violation};
use crate::oracle::Judge;
use crate::world::{World, WorldError};

use super::event::{StopReason, TimeSpent};
use super::graph::{Graph, TransitionId};
use super::path_replay::{Allowance, Memory, Trials};
use super::summary::stop_reason;
use super::walk::Walk;

/// Requests that shrinking one violation may take.
const REQUESTS: u64 = 1_000;

/// What shrinking all of them may take, where the walk did not take longer.
const LEAST_TIME: Duration = Duration::from_secs(10);

/// A violation on its way to the report.
struct Found {
    violation: Violation,
    /// What was said when it was found, and the path of that.
    finding: Finding,
    path: Vec<PathStep>,
}

impl<W: World, J: Judge<W>> Walk<'_, W, J> {
    /// Shrinks what was found while the service still runs as it did, then runs it again on one that is started anew; the
    /// worst first. An error ends that, and the run with it: what cannot be run again cannot be trusted. Violations that
    /// did not happen again come last.
    pub(super) async fn prove(
        &mut self,
        graph: &Graph,
        stop: &mut StopReason,
        time: &mut TimeSpent,
    ) -> Vec<Violation> {
        let mut all: Vec<Found> = (0..self.violations.len())
            .map(|index| self.found_on(graph, index))
            .collect();
        all.sort_by_key(|found| {
            let violation = &found.violation;
            (Reverse(violation.finding.severity), violation.number)
        });
        let clock = Instant::now();
        self.shrink_all(graph, &mut all, stop, time.total.max(LEAST_TIME))
            .await;
        time.shrink = clock.elapsed();
        let clock = Instant::now();
        self.confirm_all(&mut all, stop).await;
        time.confirm += clock.elapsed();
        all.sort_by_key(|found| {
            matches!(
                found.violation.confirmation,
                Confirmation::Unconfirmed { .. }
            )
        });
        all.into_iter().map(|found| found.violation).collect()
    }

    /// A violation with the shortest path known, and what was seen when that was walked.
    fn found_on(&self, graph: &Graph, index: usize) -> Found {
        let mut violation = self.violations.violation(index, graph);
        // What an earlier run found brings its records along.
        if violation.path.iter().all(|step| step.record.is_none())
            && let Some(last) = self.violations.get(index).shortest(graph)
        {
            self.attach_records(graph, &mut violation, last);
        }
        Found {
            finding: violation.finding.clone(),
            path: violation.path.clone(),
            violation,
        }
    }

    /// What was seen when the path was found; confirming replaces it.
    fn attach_records(&self, graph: &Graph, violation: &mut Violation, last: TransitionId) {
        let path = graph.path_to(graph.transition(last).from);
        for (step, id) in violation.path.iter_mut().zip(path.iter().chain([&last])) {
            step.record = self.record(*id).cloned();
        }
    }

    /// Why nothing can be run any more, if so.
    fn not_tried(&self, stop: &mut StopReason) -> Option<&'static str> {
        if self.options.interrupt.is_requested() && !matches!(stop, StopReason::Failed { .. }) {
            *stop = StopReason::Interrupted;
        }
        match stop {
            StopReason::Interrupted => Some("the run was interrupted"),
            StopReason::Failed { .. } => Some("the run could not go on"),
            _ if !self.world.can_restore() => {
                Some("the service cannot be put back (`restore: none`)")
            }
            _ => None,
        }
    }

    async fn shrink_all(
        &mut self,
        graph: &Graph,
        all: &mut [Found],
        stop: &mut StopReason,
        mut left: Duration,
    ) {
        let mut memory = Memory::new(self.model);
        let count = all.len();
        for (position, found) in all.iter_mut().enumerate() {
            if let Some(reason) = self.not_tried(stop) {
                found.violation.shrink.result = ShrinkResult::NotTried(reason.to_owned());
                continue;
            }
            // What one does not use up the others may.
            let began = Instant::now();
            let allowance = Allowance {
                requests: REQUESTS,
                deadline: began + left / (count - position) as u32,
            };
            let error = self
                .shrink(graph, &mut memory, found, allowance)
                .await
                .err();
            left = left.saturating_sub(began.elapsed());
            if let Some(error) = error {
                *stop = stop_reason(&error, None);
            }
        }
    }

    async fn shrink(
        &mut self,
        graph: &Graph,
        memory: &mut Memory<W::Checkpoint>,
        found: &mut Found,
        allowance: Allowance,
    ) -> Result<(), WorldError> {
        let violation = &mut found.violation;
        if found.path.is_empty() {
            violation.shrink.result = ShrinkResult::Minimal;
            return Ok(());
        }
        let model = self.model;
        let sent_before = self.world.requests();
        let mut trials = Trials {
            model,
            world: &mut *self.world,
            judge: &mut *self.judge,
            graph,
            checkpoints: &self.checkpoints,
            records: &self.records,
            broken: &self.broken,
            interrupt: &self.options.interrupt,
            memory,
            wanted: &found.finding,
            allowance,
            sent_before,
            shown: None,
            standing: None,
        };
        let path: Vec<ActionId> = found.path.iter().map(|step| step.action).collect();
        // What does not happen when its last step is taken again cannot be compared with anything.
        let (best, ended) = match trials.fails(&path).await {
            Ok(true) => {
                let guesses = evidence::guesses(model, &found.path);
                let simpler = |action| evidence::simpler(model, action);
                evidence::shrink(&mut trials, path, &guesses, &simpler).await
            }
            Ok(false) => {
                let why = "it did not happen again when its last step was taken again";
                violation.shrink.result = ShrinkResult::NotTried(why.to_owned());
                violation.shrink.requests = trials.requests();
                return Ok(());
            }
            Err(ended) => (path, Some(ended)),
        };
        if let Some(shown) = trials.shown.take() {
            violation.finding = shown;
            violation.path = trials.steps(&best);
            violation.action = best.last().copied();
        }
        violation.shrink.requests = trials.requests();
        let (result, error) = match ended {
            None => (ShrinkResult::Minimal, Ok(())),
            Some(Stop::Budget(why)) => (ShrinkResult::Unfinished(why), Ok(())),
            Some(Stop::Error(error)) => (
                ShrinkResult::Unfinished(format!("it ended with an error: {error}")),
                Err(error),
            ),
        };
        violation.shrink.result = result;
        error
    }

    async fn confirm_all(&mut self, all: &mut [Found], stop: &mut StopReason) {
        for found in all {
            found.violation.confirmation = if let Some(reason) = self.not_tried(stop) {
                Confirmation::NotTried(reason.to_owned())
            } else {
                match self.confirm(found).await {
                    Ok(confirmation) => confirmation,
                    Err(error) => {
                        *stop = stop_reason(&error, None);
                        Confirmation::NotTried(format!("running it again failed: {error}"))
                    }
                }
            };
        }
    }

    /// Runs a violation again; one whose short path does not happen again every time, on the path on which it was found.
    async fn confirm(&mut self, found: &mut Found) -> Result<Confirmation, WorldError> {
        let violation = &mut found.violation;
        let short = Claim {
            finding: &violation.finding,
            path: &violation.path,
            initial: self.initial,
        };
        let confirmed = evidence::confirm(self.model, self.world, self.judge, short).await?;
        let is_same = |(a, b): (&PathStep, &PathStep)| a.action == b.action;
        let was_shrunk = violation.path.len() != found.path.len()
            || !violation.path.iter().zip(&found.path).all(is_same);
        if let Confirmation::Unconfirmed { times, reason, .. } = &confirmed.confirmation
            && was_shrunk
        {
            let whole = Claim {
                finding: &found.finding,
                path: &found.path,
                initial: self.initial,
            };
            let again = evidence::confirm(self.model, self.world, self.judge, whole).await?;
            if again.confirmation.times() >= *times {
                violation.shrink.result = ShrinkResult::TakenBack(reason.clone());
                violation.finding = found.finding.clone();
                violation.path.clone_from(&found.path);
                violation.action = violation.path.last().map(|step| step.action);
                return Ok(take(violation, again));
            }
        }
        Ok(take(violation, confirmed))
    }
}

/// What was seen last becomes the evidence.
fn take(violation: &mut Violation, confirmed: Confirmed) -> Confirmation {
    if let Some((finding, path)) = confirmed.seen {
        violation.finding = finding;
        violation.path = path;
    }
    confirmed.confirmation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explorer::budget::Limits;
    use crate::explorer::event::Summary;
    use crate::explorer::{Options, explore};
    use crate::interrupt::Interrupt;
    use crate::model::{Action, Evidence, InvariantId, Model, OracleId, Severity};
    use crate::oracle::{Judge, Judged, Judgement};
    use crate::world::mock::{MockCall, MockWorld};

    /// How far the three steps have come that break it, and what has nothing to do with them.
    type State = (u8, u64);

    /// Says no, as a state oracle does, where all three have been taken.
    struct AllThree;

    impl<W: World<Checkpoint = State>> Judge<W> for AllThree {
        async fn judge(
            &mut self,
            _world: &mut W,
            step: Judged<'_, State>,
        ) -> Result<Judgement, WorldError> {
            let oracle = OracleId::Invariant(InvariantId(0));
            if !step.new_state || step.arrival.checkpoint.0 < 3 {
                return Ok(Judgement::default());
            }
            let finding = Finding {
                oracle,
                name: "never_all_three".into(),
                severity: Severity::High,
                kind: "state".to_owned(),
                message: "all three were taken".to_owned(),
                evidence: Evidence::Values {
                    expected: "fewer".to_owned(),
                    actual: "three".to_owned(),
                },
            };
            let is_news = !step.broken_before.contains(&oracle);
            Ok(Judgement {
                findings: is_news.then_some(finding).into_iter().collect(),
                broken: vec![oracle],
                ..Judgement::default()
            })
        }
    }

    /// Actions 0, 1 and 2 break it one after the other; the other twenty always lead somewhere new.
    fn rule(state: &State, action: ActionId) -> State {
        match action.0 {
            next @ 0..=2 if u32::from(state.0) == next => (state.0 + 1, state.1),
            0..=2 => *state,
            other => (
                state.0,
                (state.1.wrapping_mul(31)).wrapping_add(u64::from(other)),
            ),
        }
    }

    fn run<F: FnMut(&State, ActionId) -> State>(
        world: &mut MockWorld<State, F>,
        seed: u64,
    ) -> Summary {
        let model = Model {
            actions: (0..23).map(|id| Action::named(&format!("a{id}"))).collect(),
            ..Model::default()
        };
        let options = Options {
            strategy: "random".to_owned(),
            limits: Limits {
                max_steps: 5_000,
                max_depth: 5_000,
                fail_fast: Some(Severity::Low),
                ..Limits::default()
            },
            seed,
            interrupt: Interrupt::default(),
            regressions: Vec::new(),
        };
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(explore(&model, world, &mut AllThree, &options, &mut |_| {}))
    }

    fn path(violation: &Violation) -> Vec<u32> {
        violation.path.iter().map(|step| step.action.0).collect()
    }

    #[test]
    fn a_long_walk_becomes_three_steps_and_what_that_took_is_what_is_told() {
        let mut longest = 0;
        for seed in 0..40 {
            let mut world = MockWorld::new((0, 1), rule as fn(&State, ActionId) -> State).logged();
            let summary = run(&mut world, seed);
            let violation = &summary.violations[0];
            assert_eq!(path(violation), [0, 1, 2], "seed {seed}");
            assert_eq!(violation.shrink.result, ShrinkResult::Minimal);
            assert_eq!(
                violation.confirmation,
                Confirmation::Confirmed { times: 3, of: 3 }
            );
            let acts = world
                .log
                .iter()
                .filter(|call| matches!(call, MockCall::Act(..)));
            let walked = summary.progress.step;
            // Nothing but the walk, the trials and the three attempts of three steps. Where the walk had to go back, a step
            // or two were taken again to see whether the world is deterministic.
            let told = walked + violation.shrink.requests + 9;
            let again = world
                .log
                .iter()
                .take_while(|call| **call != MockCall::Renew);
            let restores = again
                .filter(|call| matches!(call, MockCall::Restore(_)))
                .count() as u64;
            let acts = acts.count() as u64;
            assert!((told..=told + restores).contains(&acts), "{acts} {told}");
            assert!(
                violation.shrink.requests < 100,
                "{}",
                violation.shrink.requests
            );
            let renewals = world.log.iter().filter(|call| **call == MockCall::Renew);
            assert_eq!(renewals.count(), 1);
            longest = longest.max(violation.shrink.found_length);
        }
        assert!(longest > 100, "{longest}");
    }

    #[test]
    fn what_cannot_go_back_is_neither_shrunk_nor_confirmed() {
        let mut world =
            MockWorld::new((0, 1), rule as fn(&State, ActionId) -> State).without_restore();
        let summary = run(&mut world, 1);
        let violation = &summary.violations[0];
        assert!(matches!(violation.shrink.result, ShrinkResult::NotTried(_)));
        assert!(matches!(violation.confirmation, Confirmation::NotTried(_)));
        assert_eq!(violation.path.len(), violation.shrink.found_length as usize);
    }

    #[test]
    fn what_happens_only_once_is_not_confirmed() {
        let mut has_happened = false;
        let mut world = MockWorld::new((0, 1), move |state: &State, action| {
            let next = rule(state, action);
            if next.0 < 3 || !std::mem::replace(&mut has_happened, true) {
                return next;
            }
            *state
        });
        let summary = run(&mut world, 1);
        let violation = &summary.violations[0];
        assert!(matches!(violation.shrink.result, ShrinkResult::NotTried(_)));
        let Confirmation::Unconfirmed { times, of, reason } = &violation.confirmation else {
            panic!("{:?}", violation.confirmation);
        };
        assert_eq!((*times, *of), (0, 3));
        assert!(
            reason.contains("`never_all_three` had nothing to object to"),
            "{reason}"
        );
    }
}
