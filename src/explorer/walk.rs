//! The one loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::interrupt::Interrupt;
use crate::model::{
    ActionId, Context, Digest, Finding, Model, OracleId, Regression, RegressionOutcome, StepRecord,
};
use crate::oracle::{Judge, Judged};
use crate::random::Random;
use crate::world::{Warning, World, WorldError, WorldErrorKind};

use super::budget::Limits;
use super::determinism;
use super::event::{Event, Progress, RunInfo, StepInfo, StopReason, Summary, TimeSpent};
use super::graph::{Graph, StateId, TransitionId};
use super::strategy::{self, Move, Strategy};
use super::summary::stop_reason;
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
    let mut run = Walk {
        model,
        world,
        judge,
        options,
        observer,
        random: Random::new(options.seed),
        initial: Digest::default(),
        steps: 0,
        covered: 0,
        checkpoints: Vec::new(),
        records: Vec::new(),
        broken: FxHashMap::default(),
        violations: Violations::default(),
        regressions: Vec::new(),
        warnings: Vec::new(),
        warned_conditions: 0,
        restores: 0,
        oracle_time: Duration::ZERO,
        started: Instant::now(),
    };
    run.run().await
}

/// Tells of a run whose world did not even start, as if it had ended before its first step.
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

/// A run under way.
pub(super) struct Walk<'r, W: World, J> {
    pub(super) model: &'r Model,
    pub(super) world: &'r mut W,
    pub(super) judge: &'r mut J,
    pub(super) options: &'r Options,
    pub(super) observer: &'r mut dyn FnMut(Event<'_>),
    random: Random,
    /// What the initial state looks like to the world.
    pub(super) initial: Digest,
    pub(super) steps: u64,
    /// Actions that ran at least once.
    covered: usize,
    /// The way back to each state, by [`StateId`].
    pub(super) checkpoints: Vec<W::Checkpoint>,
    /// What each transition looked like, by [`TransitionId`]; stays empty in worlds that record nothing.
    pub(super) records: Vec<Option<Arc<StepRecord>>>,
    /// State oracles that say no, for the few states where one does.
    pub(super) broken: FxHashMap<StateId, Vec<OracleId>>,
    pub(super) violations: Violations,
    /// Whether the violations that earlier runs found still happen.
    pub(super) regressions: Vec<RegressionOutcome>,
    pub(super) warnings: Vec<Warning>,
    warned_conditions: usize,
    pub(super) restores: u64,
    pub(super) oracle_time: Duration,
    pub(super) started: Instant,
}

/// Why the loop ended without a limit being reached: an error, and where it happened.
struct Failure {
    error: WorldError,
    at: Option<Move>,
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

impl From<WorldError> for Failure {
    fn from(error: WorldError) -> Self {
        Self { error, at: None }
    }
}

impl<W: World, J: Judge<W>> Walk<'_, W, J> {
    async fn run(&mut self) -> Summary {
        (self.observer)(Event::Started(RunInfo::of(self.model, self.options)));
        match self.begin().await {
            Ok(mut graph) => {
                let clock = Instant::now();
                let tried = self.try_regressions(&graph).await;
                let for_regressions = clock.elapsed();
                self.started = Instant::now();
                let world_time = self.world.time();
                let mut stop = match tried {
                    Ok(()) => self.walk(&mut graph).await,
                    Err(error) => stop_reason(&error, None),
                };
                if !matches!(stop, StopReason::Failed { .. } | StopReason::Interrupted)
                    && let Err(error) = self.world.conclude().await
                {
                    stop = stop_reason(&error, None);
                }
                let mut time = self.time_since(world_time);
                time.confirm = for_regressions;
                self.finish(&graph, stop, time).await
            }
            Err(error) => {
                // No state is known; the graph of a world in which nothing happened says as much.
                let nowhere = Context::empty(self.model.identity_variables.len());
                let graph = Graph::new(self.model, 0, false, &nowhere, Digest::default());
                let stop = stop_reason(&error, None);
                self.finish(&graph, stop, TimeSpent::default()).await
            }
        }
    }

    /// Makes the world ready and judges the initial state.
    async fn begin(&mut self) -> Result<Graph, WorldError> {
        let arrival = self.world.begin().await?;
        let graph = Graph::new(
            self.model,
            self.options.limits.max_depth,
            self.world.can_restore(),
            &arrival.context,
            arrival.identity,
        );
        self.initial = arrival.identity;
        self.checkpoints.push(arrival.checkpoint.clone());
        (self.observer)(Event::Initial {
            fingerprint: graph.fingerprint(StateId::INITIAL),
            context: &arrival.context,
            secrets: self.world.secrets(),
        });
        let judgement = self
            .judge
            .judge(
                self.world,
                Judged {
                    action: None,
                    context_before: &arrival.context,
                    arrival: &arrival,
                    new_state: true,
                    broken_before: &[],
                    only: None,
                },
            )
            .await?;
        self.remember_broken(StateId::INITIAL, judgement.broken);
        for finding in judgement.findings {
            self.found(&graph, None, None, finding);
        }
        self.pass_on_warnings(&graph);
        Ok(graph)
    }

    /// The one loop: choose, restore, act, observe, judge, record.
    async fn walk(&mut self, graph: &mut Graph) -> StopReason {
        let name = &self.options.strategy;
        let Some(mut strategy) = strategy::create(name, self.model) else {
            let error = WorldError::new(
                WorldErrorKind::Request,
                format!("there is no strategy `{name}`"),
            );
            return stop_reason(&error, None);
        };
        // The state in which the world stands exactly, checkpoint and all.
        let mut standing = Some(StateId::INITIAL);
        loop {
            if let Some(stop) = self.limit_reached() {
                return stop;
            }
            let Some(step) = strategy.next(graph, &mut self.random) else {
                return StopReason::Complete {
                    depth_limited: graph.untried_count() > 0,
                };
            };
            match self.step(graph, strategy.as_mut(), step, standing).await {
                Ok(now) => standing = now,
                Err(Failure { error, at: None }) => return stop_reason(&error, None),
                Err(Failure {
                    error,
                    at: Some(at),
                }) => {
                    return stop_reason(&error, Some((graph, at)));
                }
            }
            if self
                .steps
                .is_multiple_of(self.options.limits.progress_every)
            {
                let progress = self.progress(graph);
                (self.observer)(Event::Progress(progress));
            }
        }
    }

    /// One step. Returns the state in which the world stands exactly afterwards, where that is known.
    async fn step(
        &mut self,
        graph: &mut Graph,
        strategy: &mut dyn Strategy,
        Move { from, action }: Move,
        standing: Option<StateId>,
    ) -> Result<Option<StateId>, Failure> {
        let at = Some(Move { from, action });
        if graph.can_go_back() && standing != Some(from) {
            self.go_back(graph, from).await?;
        }
        let context = graph.context(from).clone();
        let arrival = self
            .world
            .act(action, &context)
            .await
            .map_err(|error| Failure { error, at })?;
        self.steps += 1;
        let identity = graph.identify(self.model, from, action, &arrival.context, arrival.identity);
        let known = graph.find(identity);
        let broken_before = self.broken.get(&from).map_or(&[][..], Vec::as_slice);
        let clock = Instant::now();
        let world_time = self.world.time();
        let judgement = self
            .judge
            .judge(
                self.world,
                Judged {
                    action: Some(action),
                    context_before: &context,
                    arrival: &arrival,
                    new_state: known.is_none(),
                    broken_before,
                    only: None,
                },
            )
            .await
            .map_err(|error| Failure { error, at })?;
        self.oracle_time += clock
            .elapsed()
            .saturating_sub(self.world.time().since(world_time).sum());

        if let Some(before) = graph.tried(from, action).filter(|_| !graph.can_go_back())
            && known != Some(graph.transition(before).to)
        {
            let seen = self.records.get(before.0 as usize).and_then(Option::as_ref);
            let warning =
                determinism::non_determinism(self.model, action, seen, arrival.record.as_ref());
            self.warn(warning);
        }
        let news = graph.record(
            from,
            action,
            identity,
            arrival.status,
            judgement.findings.len(),
        );
        if graph.runs(action) == 1 {
            self.covered += 1;
        }
        let to = graph.transition(news.transition).to;
        (self.observer)(Event::Step(StepInfo {
            step: self.steps,
            from,
            action,
            to,
            new_state: news.new_state,
            fingerprint: graph.fingerprint(to),
            status: arrival.status,
            context_before: &context,
            asked: &judgement.asked,
            findings: &judgement.findings,
            record: arrival.record.as_deref(),
        }));
        if news.new_state {
            self.checkpoints.push(arrival.checkpoint);
            self.remember_broken(to, judgement.broken);
        }
        let findings = match known {
            Some(to) => self.broken_again(from, to, judgement.findings, &judgement.asked),
            None => judgement.findings,
        };
        for finding in findings {
            self.found(graph, Some(action), Some(news.transition), finding);
        }
        if let Some(record) = arrival.record {
            self.records.resize(graph.transition_count(), None);
            self.records[news.transition.0 as usize] = Some(record.compact());
        }
        self.pass_on_warnings(graph);
        strategy.learn(graph, &news);
        Ok(news.new_state.then_some(to))
    }

    /// Adds what state oracles have to say about a step that led from a healthy state to one that is known to be broken.
    /// Most are not asked again; the first finding stands in until the violation is confirmed on its own path.
    fn broken_again(
        &self,
        from: StateId,
        to: StateId,
        mut findings: Vec<Finding>,
        asked: &[OracleId],
    ) -> Vec<Finding> {
        let before = self.broken.get(&from).map_or(&[][..], Vec::as_slice);
        let broken = self.broken.get(&to).into_iter().flatten();
        let news = broken.filter(|oracle| !before.contains(oracle) && !asked.contains(oracle));
        findings.extend(news.filter_map(|oracle| self.violations.said_by(*oracle).cloned()));
        findings
    }

    /// Restores a state and now and then proves that it behaves as it did.
    async fn go_back(&mut self, graph: &Graph, to: StateId) -> Result<(), WorldError> {
        self.restore(to).await?;
        self.restores += 1;
        if determinism::is_due(self.restores)
            && let Some(warning) = self.retrace(graph, to).await?
        {
            self.warn(warning);
        }
        Ok(())
    }

    pub(super) async fn restore(&mut self, to: StateId) -> Result<(), WorldError> {
        self.world.restore(&self.checkpoints[to.0 as usize]).await
    }

    pub(super) fn record(&self, transition: TransitionId) -> Option<&Arc<StepRecord>> {
        self.records.get(transition.0 as usize)?.as_ref()
    }

    fn remember_broken(&mut self, state: StateId, broken: Vec<OracleId>) {
        if !broken.is_empty() {
            self.broken.insert(state, broken);
        }
    }

    fn found(
        &mut self,
        graph: &Graph,
        action: Option<ActionId>,
        at: Option<TransitionId>,
        finding: Finding,
    ) {
        if let Some(index) = self
            .violations
            .add(self.model, action, at, self.steps, finding)
        {
            let violation = self.violations.violation(index, graph);
            (self.observer)(Event::Violation {
                violation: &violation,
            });
        }
    }

    pub(super) fn pass_on_warnings(&mut self, graph: &Graph) {
        for warning in self.world.take_warnings() {
            self.warn(warning);
        }
        let model = self.model;
        let errors = graph
            .guard_states()
            .condition_errors()
            .get(self.warned_conditions..)
            .unwrap_or_default()
            .to_vec();
        self.warned_conditions += errors.len();
        for (action, error) in errors {
            self.warn(Warning {
                code: "condition-failed",
                message: format!(
                    "a precondition of `{}` could not be judged: {error}",
                    model.action(action).name
                ),
                help: Some("the action was taken as not enabled there; write the condition so that it holds for every value".to_owned()),
                untrusted: false,
            });
        }
    }

    /// Passes a warning on, each once.
    fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            (self.observer)(Event::Warning(&warning));
            self.warnings.push(warning);
        }
    }

    fn limit_reached(&self) -> Option<StopReason> {
        let limits = &self.options.limits;
        if self.options.interrupt.is_requested() {
            return Some(StopReason::Interrupted);
        }
        if let (Some(least), Some(worst)) = (limits.fail_fast, self.violations.worst())
            && worst >= least
        {
            return Some(StopReason::FailFast(worst));
        }
        if self.steps >= limits.max_steps {
            return Some(StopReason::MaxSteps);
        }
        if limits
            .time_limit
            .is_some_and(|limit| self.started.elapsed() >= limit)
        {
            return Some(StopReason::TimeLimit);
        }
        if limits
            .coverage_target
            .is_some_and(|target| self.coverage() >= target)
        {
            return Some(StopReason::CoverageTarget);
        }
        None
    }

    fn coverage(&self) -> f64 {
        match self.model.actions.len() {
            0 => 1.0,
            actions => self.covered as f64 / actions as f64,
        }
    }

    pub(super) fn progress(&self, graph: &Graph) -> Progress {
        Progress {
            step: self.steps,
            max_steps: self.options.limits.max_steps,
            states: graph.state_count() as u64,
            coverage: self.coverage(),
            violations: self.violations.len() as u64,
        }
    }
}
