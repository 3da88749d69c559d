//! The one loop: choose, restore, act, observe, judge, record.

use std::time::Instant;

use crate::interrupt::Interrupt;
use crate::model::{ActionId, Finding, Model, OracleId, Regression, RegressionOutcome, Violation};
use crate::oracle::{Judge, Judged, Judgement};
use crate::random::Random;
use crate::world::{Arrival, World, WorldError, WorldErrorKind};

use super::action_summary::action_summaries;
use super::budget::Limits;
use super::clock::{Clock, TimeSpent};
use super::determinism;
use super::emitter::Emitter;
use super::event::{Event, Progress, RunInfo, StepInfo, Summary};
use super::explored::Explored;
use super::graph::{StateId, TransitionId};
use super::path_replay::PathReplay;
use super::regressions;
use super::shrink_and_confirm::shrink_and_confirm;
use super::stop::StopReason;
use super::strategy::{self, Move, Strategy};
use super::violations::Violations;

/// How to explore.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the strategy, one of [`strategy::NAMES`].
    pub strategy: String,
    /// When to stop.
    pub limits: Limits,
    /// Seed of every random choice.
    pub seed: u64,
    /// The user's wish to stop.
    pub interrupt: Interrupt,
    /// Violations that earlier runs found, to be run again before the walk.
    pub regressions: Vec<Regression>,
}

/// Walks the graph of a world until a limit is reached, nothing is left, or the run cannot go on. Whatever happens, the
/// summary says what is known, and the last event carries it.
pub async fn explore<W: World, J: Judge<W>>(
    model: &Model,
    world: &mut W,
    judge: &mut J,
    options: &Options,
    observer: &mut dyn FnMut(Event<'_>),
) -> Summary {
    let mut walk = Walk {
        model,
        world,
        judge,
        options,
        emitter: Emitter::new(observer),
        explored: Explored::nothing(model),
        violations: Violations::default(),
        regressions: Vec::new(),
        steps: 0,
        restores: 0,
    };
    walk.run().await
}

/// Emits the events of a run whose world did not even start, as if it had ended before its first step.
pub fn not_started(
    model: &Model,
    options: &Options,
    error: &WorldError,
    observer: &mut dyn FnMut(Event<'_>),
) {
    observer(Event::Started(RunInfo::of(model, options)));
    let summary = Summary::not_started(model, &options.limits, error);
    observer(Event::Finished(&summary));
}

impl<'a> RunInfo<'a> {
    fn of(model: &'a Model, options: &'a Options) -> Self {
        Self {
            model,
            strategy: &options.strategy,
            seed: options.seed,
            limits: &options.limits,
        }
    }
}

/// A walk under way.
struct Walk<'r, W: World, J> {
    model: &'r Model,
    world: &'r mut W,
    judge: &'r mut J,
    options: &'r Options,
    emitter: Emitter<'r>,
    explored: Explored<W::Checkpoint>,
    violations: Violations,
    /// Whether the violations that earlier runs found still happen.
    regressions: Vec<RegressionOutcome>,
    steps: u64,
    restores: u64,
}

impl<W: World, J: Judge<W>> Walk<'_, W, J> {
    /// The phases of a run: the initial state, regressions, the walk, then proving what was found.
    async fn run(&mut self) -> Summary {
        let started = RunInfo::of(self.model, self.options);
        self.emitter.emit(Event::Started(started));
        let (mut stop, mut time) = match self.begin().await {
            Ok(()) => self.walk().await,
            Err(error) => (
                StopReason::of_error(error, Vec::new()),
                TimeSpent::default(),
            ),
        };
        let violations = shrink_and_confirm(
            PathReplay::new(
                self.model,
                self.world,
                self.judge,
                &self.explored,
                &self.options.interrupt,
            ),
            &self.violations,
            &mut stop,
            &mut time,
        )
        .await;
        self.finish(violations, stop, time)
    }

    /// Makes the world ready and judges the initial state.
    async fn begin(&mut self) -> Result<(), WorldError> {
        let arrival = self.world.begin().await?;
        let (max_depth, can_restore) = (self.options.limits.max_depth, self.world.can_restore());
        let explored = Explored::new(self.model, max_depth, can_restore, &arrival);
        self.emitter.emit(Event::Initial {
            fingerprint: explored.graph().fingerprint(StateId::INITIAL),
        });
        let initial = Judged::initial(&arrival);
        let judgement = self.judge.judge(self.world, initial).await?;
        self.explored = explored;
        self.explored.set_broken(StateId::INITIAL, judgement.broken);
        for finding in judgement.findings {
            self.found(None, finding);
        }
        self.pass_on_warnings();
        Ok(())
    }

    /// Runs the regressions again, then walks.
    async fn walk(&mut self) -> (StopReason, TimeSpent) {
        let before = Instant::now();
        let regressions = regressions::run_again(
            &self.options.regressions,
            PathReplay::new(
                self.model,
                self.world,
                self.judge,
                &self.explored,
                &self.options.interrupt,
            ),
            &mut self.violations,
            &mut self.emitter,
            &mut self.regressions,
        )
        .await;
        let confirm = before.elapsed();
        let mut clock = Clock::start(self.world.time());
        let mut stop = match regressions {
            Ok(()) => self.take_steps(&mut clock).await,
            Err(error) => StopReason::of_error(error, Vec::new()),
        };
        if !matches!(stop, StopReason::Failed { .. } | StopReason::Interrupted)
            && let Err(error) = self.world.conclude().await
        {
            stop = StopReason::of_error(error, Vec::new());
        }
        let time = clock.spent(self.world.time());
        (stop, TimeSpent { confirm, ..time })
    }

    /// The one loop.
    async fn take_steps(&mut self, clock: &mut Clock) -> StopReason {
        let name = &self.options.strategy;
        let Some(mut strategy) = strategy::create(name, self.model) else {
            let message = format!("there is no strategy `{name}`");
            let error = WorldError::new(WorldErrorKind::Request, message);
            return StopReason::of_error(error, Vec::new());
        };
        let mut random = Random::new(self.options.seed);
        // The state in which the world stands exactly, where that is known.
        let mut standing = Some(StateId::INITIAL);
        loop {
            if let Some(stop) = self.limit_reached(clock) {
                return stop;
            }
            let graph = self.explored.graph();
            let Some(next) = strategy.next(graph, &mut random) else {
                return StopReason::Complete {
                    depth_limited: graph.untried_count() > 0,
                };
            };
            match self.step(strategy.as_mut(), next, standing, clock).await {
                Ok(now) => standing = now,
                Err(stop) => return stop,
            }
            if self.is_progress_due() {
                self.emitter.emit(Event::Progress(self.progress()));
            }
        }
    }

    /// One step. Returns the state in which the world stands exactly afterwards, where that is known.
    async fn step(
        &mut self,
        strategy: &mut dyn Strategy,
        step: Move,
        standing: Option<StateId>,
        clock: &mut Clock,
    ) -> Result<Option<StateId>, StopReason> {
        let Move { from, action } = step;
        if self.explored.graph().can_restore() && standing != Some(from) {
            let restored = self.restore(from).await;
            restored.map_err(|error| StopReason::of_error(error, Vec::new()))?;
        }
        let context = self.explored.graph().context(from).clone();
        let arrival = self.world.act(action, &context).await;
        let arrival = arrival.map_err(|error| self.failed_at(step, error))?;
        self.steps += 1;
        let identity = self.explored.identify(self.model, from, action, &arrival);
        let known = self.explored.graph().find(identity);
        let judged = Judged {
            action: Some(action),
            context_before: &context,
            arrival: &arrival,
            new_state: known.is_none(),
            broken_before: self.explored.broken(from),
            only: None,
        };
        let (began, world_before) = (Instant::now(), self.world.time());
        let judgement = self.judge.judge(self.world, judged).await;
        let judgement = judgement.map_err(|error| self.failed_at(step, error))?;
        clock.add_judgement(began.elapsed(), self.world.time().since(world_before));

        self.compare_with_earlier(step, known, &arrival);
        let (status, record) = (arrival.status, arrival.record.clone());
        let findings = judgement.findings.len();
        let recorded = (self.explored).record(from, action, identity, arrival, findings);
        let graph = self.explored.graph();
        let to = graph.transition(recorded.transition).to;
        self.emitter.emit(Event::Step(StepInfo {
            step: self.steps,
            from,
            action,
            to,
            new_state: recorded.new_state,
            fingerprint: graph.fingerprint(to),
            status,
            evaluated: &judgement.evaluated,
            findings: &judgement.findings,
            record: record.as_deref(),
        }));
        let inherited = self.findings_of_known_state(from, known, &judgement);
        if recorded.new_state {
            self.explored.set_broken(to, judgement.broken);
        }
        for finding in judgement.findings.into_iter().chain(inherited) {
            self.found(Some((action, recorded.transition)), finding);
        }
        self.pass_on_warnings();
        strategy.learn(self.explored.graph(), &recorded);
        Ok(recorded.new_state.then_some(to))
    }

    /// Without restores a step may be taken again: warns where it leads elsewhere than before.
    fn compare_with_earlier(
        &mut self,
        Move { from, action }: Move,
        to: Option<StateId>,
        arrival: &Arrival<W::Checkpoint>,
    ) {
        let graph = self.explored.graph();
        if !graph.can_restore()
            && let Some(before) = graph.tried(from, action)
            && to != Some(graph.transition(before).to)
        {
            let records = (self.explored.step_record(before), arrival.record.as_ref());
            let warning = determinism::non_determinism(self.model, action, records);
            self.emitter.warn(warning);
        }
    }

    /// The findings of state oracles that held in `from` and are known to be broken in the known state `to`. Most oracles are
    /// not evaluated again there; their first finding stands in until the violation is confirmed on its own path.
    fn findings_of_known_state(
        &self,
        from: StateId,
        to: Option<StateId>,
        judgement: &Judgement,
    ) -> Vec<Finding> {
        let Some(to) = to else { return Vec::new() };
        let before = self.explored.broken(from);
        let is_new =
            |oracle: &&OracleId| !before.contains(oracle) && !judgement.evaluated.contains(oracle);
        let broken = self.explored.broken(to).iter().filter(is_new);
        broken
            .filter_map(|oracle| self.violations.first_of(*oracle).cloned())
            .collect()
    }

    /// Restores a state, and now and then tests that the service behaves there as it did.
    async fn restore(&mut self, to: StateId) -> Result<(), WorldError> {
        self.world.restore(self.explored.checkpoint(to)).await?;
        self.restores += 1;
        if determinism::is_due(self.restores) {
            let warning = determinism::take_again(self.model, self.world, &self.explored, to);
            if let Some(warning) = warning.await? {
                self.emitter.warn(warning);
            }
        }
        Ok(())
    }

    /// The end of a run at a step that failed.
    fn failed_at(&self, Move { from, action }: Move, error: WorldError) -> StopReason {
        let mut path = self.explored.graph().actions_to(from);
        path.push(action);
        StopReason::of_error(error, path)
    }

    /// Adds a finding of the walk; `at` is the step that showed it, `None` for the initial state.
    fn found(&mut self, at: Option<(ActionId, TransitionId)>, finding: Finding) {
        if let Some(new) = self.violations.add(self.model, at, self.steps, finding) {
            let violation = self.violations.violation(new, self.explored.graph());
            self.emitter.violation(&violation);
        }
    }

    fn pass_on_warnings(&mut self) {
        let graph = self.explored.graph();
        self.emitter.pass_on_warnings(self.model, self.world, graph);
    }

    fn limit_reached(&self, clock: &Clock) -> Option<StopReason> {
        if self.options.interrupt.is_requested() {
            return Some(StopReason::Interrupted);
        }
        let (coverage, worst) = (self.coverage(), self.violations.worst());
        (self.options.limits).reached(self.steps, coverage, worst, clock)
    }

    fn coverage(&self) -> f64 {
        match self.model.actions.len() {
            0 => 1.0,
            actions => self.explored.graph().actions_run() as f64 / actions as f64,
        }
    }

    fn progress(&self) -> Progress {
        Progress {
            step: self.steps,
            max_steps: self.options.limits.max_steps,
            states: self.explored.graph().state_count() as u64,
            coverage: self.coverage(),
            violations: self.violations.len() as u64,
        }
    }

    fn is_progress_due(&self) -> bool {
        let every = self.options.limits.progress_every;
        self.steps.is_multiple_of(every)
    }

    /// Sums up.
    fn finish(&mut self, violations: Vec<Violation>, stop: StopReason, time: TimeSpent) -> Summary {
        self.pass_on_warnings();
        let progress = self.progress();
        if self.steps == 0 || !self.is_progress_due() {
            self.emitter.emit(Event::Progress(progress));
        }
        let is_complete = matches!(stop, StopReason::Complete { .. });
        let graph = self.explored.graph();
        let unchanged = |id| graph.tally(id).unchanged;
        let summary = Summary {
            progress,
            stop,
            transitions: graph.transition_count() as u64,
            untried: graph.untried_count(),
            deepest: graph.deepest(),
            unchanged_steps: self.model.action_ids().map(unchanged).sum(),
            actions: action_summaries(self.model, graph, is_complete),
            violations,
            regressions: std::mem::take(&mut self.regressions),
            warnings: self.emitter.take_warnings(),
            time,
        };
        self.emitter.emit(Event::Finished(&summary));
        summary
    }
}
