//! The one loop: choose, restore, act, observe, judge, record.

mod audit;
mod finish;
mod quiet;
mod refusals;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::event::{self, Detail, Event, Exchange, Figures, Finished, Initial, Step, Stop, Time};
use crate::interrupt::Interrupt;
use crate::model::{ActionId, Finding, InvariantId, Model, OracleId, Regression, Response};
use crate::oracle::{Judge, Judged, Judgement};
use crate::random::Random;
use crate::world::{Arrival, Warning, WarningCode, World, WorldError, WorldErrorKind};

use super::budget::Limits;
use super::calibration::calibrate;
use super::causes::{Damage, tell_consequences};
use super::clock::Clock;
use super::determinism::{self, Again};
use super::emitter::Emitter;
use super::explored::Explored;
use super::graph::{StateId, TransitionId};
use super::invariant_tallies::InvariantTallies;
use super::lost_login::LostLogin;
use super::merges::Merges;
use super::observer::Observer;
use super::path_replay::PathReplay;
use super::proving_time::Pace;
use super::regressions;
use super::shrink_and_confirm::{Proved, shrink_and_confirm};
use super::silence::{self, Silence};
use super::strategy::{self, Move, Strategy};
use super::violations::Violations;

pub use finish::not_started;

/// How to explore.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the strategy, one of [`strategy::NAMES`].
    pub strategy: String,
    /// When to stop.
    pub limits: Limits,
    /// Seed of every random choice.
    pub seed: u64,
    /// Whether steps that would most likely repeat what is known come last.
    pub postpone: bool,
    /// The user's wish to stop.
    pub interrupt: Interrupt,
    /// Violations that earlier runs found, to be run again before the walk.
    pub regressions: Vec<Regression>,
    /// Causes of violations that are accepted, see [`event::Violation::cause`].
    pub known: BTreeSet<String>,
}

/// Walks the graph of a world until a limit is reached, nothing is left, or the run cannot go on. Whatever happens, the
/// result says what is known, and the last event carries it.
pub async fn explore<W: World, J: Judge<W>>(
    model: &Model,
    world: &mut W,
    judge: &mut J,
    options: &Options,
    observer: &mut dyn Observer,
) -> Finished {
    let mut walk = Walk {
        model,
        world,
        judge,
        options,
        emitter: Emitter::new(model, observer),
        explored: Explored::nothing(model),
        violations: Violations::new(options.known.clone()),
        damage: Damage::default(),
        invariants: InvariantTallies::new(model),
        login: LostLogin::new(model),
        silence: Silence::default(),
        initial: Judgement::default(),
        regressions: Vec::new(),
        steps: 0,
        repetitions: 0,
        restores: 0,
        a_start: Duration::ZERO,
        merges: Merges::default(),
        audit_choices: Random::new(options.seed),
        reopened: Vec::new(),
    };
    walk.run().await
}

/// A request that is not answered is sent so often to prove that.
const PROOF: u32 = 10;

/// One step of so many is one that was put off, if there is any: that it would repeat what is known is likely, not certain.
const SAMPLED: u64 = 32;

/// So many states are gone back to at the end of a walk.
const LOOKS_BACK: usize = 8;

/// A walk under way.
struct Walk<'r, W: World, J> {
    model: &'r Model,
    world: &'r mut W,
    judge: &'r mut J,
    options: &'r Options,
    emitter: Emitter<'r>,
    explored: Explored<W::Checkpoint>,
    violations: Violations,
    damage: Damage,
    invariants: InvariantTallies,
    login: LostLogin,
    silence: Silence,
    /// What was said of the initial state.
    initial: Judgement,
    /// Whether the violations that earlier runs found still happen.
    regressions: Vec<event::Regression>,
    steps: u64,
    /// How many of them had been put off.
    repetitions: u64,
    restores: u64,
    /// What it took until the service was ready, where the time is limited.
    a_start: Duration,
    merges: Merges,
    /// Decides by what merges are looked into, so that the walk itself is the same as without that.
    audit_choices: Random,
    /// States in which there is more to try, because merges were taken back. The strategy is told with the next step.
    reopened: Vec<StateId>,
}

impl<W: World, J: Judge<W>> Walk<'_, W, J> {
    /// The phases of a run: the initial state, regressions, the walk, then proving what was found.
    async fn run(&mut self) -> Finished {
        let (mut stop, mut time) = match self.begin().await {
            Ok(()) => self.walk().await,
            Err(error) => (Stop::of_error(&error, Vec::new()), Time::default()),
        };
        let pace = Pace::of(time.total, self.steps, self.a_start);
        let Proved {
            mut violations,
            warnings,
            process_unknown,
        } = shrink_and_confirm(
            PathReplay::new(
                self.model,
                self.world,
                self.judge,
                &self.explored,
                &self.options.interrupt,
            ),
            &self.violations,
            &mut self.emitter,
            (self.options.limits.time_limit, pace),
            &mut stop,
            &mut time,
        )
        .await;
        time.total += time.shrink + time.confirm;
        let graph = self.explored.graph();
        tell_consequences(self.model, graph, &self.damage, &mut violations);
        for warning in warnings {
            self.emitter.warn(warning);
        }
        self.finish(&violations, process_unknown, stop, time)
    }

    /// Makes the world ready and judges the initial state.
    async fn begin(&mut self) -> Result<(), WorldError> {
        let mut arrival = self.world.begin().await?;
        if self.world.is_calibrating() {
            calibrate(self.model, self.world, &arrival).await?;
            let identity = self.world.identity(&arrival.checkpoint);
            arrival.identity = identity.unwrap_or(arrival.identity);
        }
        let (max_depth, can_restore) = (self.options.limits.max_depth, self.world.can_restore());
        let rows = self.world.row_variables();
        let mut explored = Explored::new(self.model, max_depth, can_restore, &arrival, rows);
        if self.options.postpone && can_restore {
            explored.postpone_repetitions(self.model);
        }
        explored.situate(self.world);
        let fingerprint = explored.graph().fingerprint(StateId::INITIAL).to_string();
        self.emitter.emit(Event::Initial(Initial { fingerprint }));
        let initial = Judged::initial(&arrival);
        let judgement = self.judge.judge(self.world, initial).await?;
        self.explored = explored;
        self.count(None, &judgement);
        self.explored
            .set_broken(StateId::INITIAL, judgement.broken.clone());
        for finding in judgement.findings.clone() {
            self.found(None, finding);
        }
        self.initial = judgement;
        self.pass_on_warnings();
        Ok(())
    }

    /// Runs the regressions again, then walks.
    async fn walk(&mut self) -> (Stop, Time) {
        let limit = self.options.limits.time_limit.unwrap_or_default();
        let left = self.options.interrupt.time_left().unwrap_or(limit);
        self.a_start = limit.saturating_sub(left);
        let before = Instant::now();
        let regressions = regressions::run_again(
            &self.options.regressions,
            &self.initial,
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
            Err(error) => Stop::of_error(&error, Vec::new()),
        };
        if !matches!(
            stop,
            Stop::Failed { .. } | Stop::Interrupted | Stop::TimeLimit
        ) {
            let looked = match self.look_into_refusals().await {
                // Whoever wants to stop at the first violation does not want more requests.
                Ok(()) if !matches!(stop, Stop::FailFast { .. }) => match self.look_back().await {
                    Ok(()) => self.look_behind_quiet_steps(&clock).await,
                    failed => failed,
                },
                looked => looked,
            };
            if let Err(failed) = looked {
                stop = failed;
            }
        }
        if !matches!(stop, Stop::Failed { .. } | Stop::Interrupted)
            && let Err(error) = self.world.conclude().await
        {
            stop = Stop::of_error(&error, Vec::new());
        }
        let time = clock.spent(self.world.time());
        (stop, Time { confirm, ..time })
    }

    /// The one loop.
    async fn take_steps(&mut self, clock: &mut Clock) -> Stop {
        let name = &self.options.strategy;
        let Some(mut strategy) = strategy::create(name, self.model) else {
            let message = format!("there is no strategy `{name}`");
            let error = WorldError::new(WorldErrorKind::Request, message);
            return Stop::of_error(&error, Vec::new());
        };
        if strategy.bets_on_likeness() {
            self.explored.bet_on_likeness();
        }
        if let Some(remark) = strategy.remark() {
            self.emitter.warn(remark);
        }
        let mut random = Random::new(self.options.seed);
        // The state in which the world stands exactly, where that is known.
        let mut standing = Some(StateId::INITIAL);
        loop {
            if let Some(stop) = self.limit_reached(clock) {
                return stop;
            }
            let Some(next) = self.next(strategy.as_mut(), &mut random) else {
                if self.world.has_lost_answers() {
                    return Stop::RateLimited;
                }
                return Stop::Complete {
                    depth_limited: self.explored.graph().untried_count() > 0,
                };
            };
            if self.explored.graph().can_restore() && self.silence.skips(next.action) {
                self.explored.skip(next.from, next.action);
                continue;
            }
            match self
                .step((strategy.as_mut(), &mut random), next, standing, clock)
                .await
            {
                Ok(now) => standing = now,
                Err(stop) => return stop,
            }
            if self.is_progress_due() {
                self.emitter.emit(Event::Progress(self.figures()));
            }
        }
    }

    /// The next step: that of the strategy, now and then one that was put off, and once nothing else is left, each of those.
    fn next(&mut self, strategy: &mut dyn Strategy, random: &mut Random) -> Option<Move> {
        if self.steps % SAMPLED == SAMPLED - 1
            && let Some(sample) = self.take_up(random)
        {
            return Some(sample);
        }
        strategy
            .next(self.explored.graph(), random)
            .or_else(|| self.take_up(random))
    }

    fn take_up(&mut self, random: &mut Random) -> Option<Move> {
        let (from, action) = self.explored.take_up(random)?;
        self.repetitions += 1;
        Some(Move { from, action })
    }

    /// One step. Returns the state in which the world stands exactly afterwards, where that is known.
    async fn step(
        &mut self,
        (strategy, random): (&mut dyn Strategy, &mut Random),
        step: Move,
        standing: Option<StateId>,
        clock: &mut Clock,
    ) -> Result<Option<StateId>, Stop> {
        let Move { from, action } = step;
        if self.explored.graph().can_restore() && standing != Some(from) {
            self.restore(from).await?;
        }
        let context = self.explored.graph().context(from).clone();
        let asked = Instant::now();
        let arrival = self.world.act(action, &context).await;
        let mut arrival = match arrival {
            Ok(arrival) => arrival,
            // Nothing was sent: the world stands where it stood.
            Err(error) if is_unsendable(&error) && self.explored.graph().can_restore() => {
                self.explored.skip(from, action);
                let mut warning = Warning::new(WarningCode::Unsendable, error.message);
                warning.help = error.help;
                self.emitter.warn(warning);
                return Ok(Some(from));
            }
            Err(error) => {
                let name = &self.model.action(action).name;
                if let Some(warning) = silence::cut_off(name, asked, &error) {
                    self.emitter.warn(warning);
                }
                return Err(self.failed_at(step, &error));
            }
        };
        let is_answered = arrival.status != Response::NO_ANSWER;
        self.silence.note(action, asked, is_answered);
        arrival = self.see_through_refusal(step, &context, arrival).await?;
        self.steps += 1;
        if self.learn_identities() {
            let identity = self.world.identity(&arrival.checkpoint);
            arrival.identity = identity.unwrap_or(arrival.identity);
        }
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
        let judgement = judgement.map_err(|error| self.failed_at(step, &error))?;
        clock.add_judgement(began.elapsed(), self.world.time().since(world_before));
        self.count(Some(action), &judgement);

        self.compare_with_earlier(step, known, &arrival);
        let (status, record) = (arrival.status, arrival.record.clone());
        let findings = judgement.findings.len();
        let (there, context) = (arrival.checkpoint.clone(), arrival.context.clone());
        let facts = self.explored.graph().facts_of(identity).clone();
        let mut recorded = (self.explored).record(from, action, identity, arrival, findings);
        let graph = self.explored.graph();
        let to = graph.transition(recorded.transition).to;
        self.emitter.step(|detail| Step {
            step: self.steps,
            from: from.0,
            action: action.0,
            to: to.0,
            new_state: recorded.new_state,
            fingerprint: graph.fingerprint(to).to_string(),
            status,
            judged: invariants(self.model, &judgement.evaluated),
            broken: names(&judgement.findings),
            exchange: record
                .filter(|_| detail == Detail::Whole)
                .map(|record| Exchange::of(&record)),
        });
        let inherited = self.findings_of_known_state(from, known, &judgement);
        if recorded.new_state {
            self.explored.set_broken(to, judgement.broken);
        }
        let mut shown = Vec::new();
        for finding in judgement.findings.into_iter().chain(inherited) {
            shown.push(self.found(Some((from, action, recorded.transition)), finding));
        }
        self.damage.note(recorded.transition, shown);
        self.pass_on_warnings();
        if recorded.new_state {
            self.explored.situate(self.world);
        }
        let looked = self.look_into_merge(&recorded, (&there, &context), &facts);
        let looked = Box::pin(looked).await;
        looked.map_err(|error| self.failed_at(step, &error))?;
        self.learn_identities();
        self.pass_on_warnings();
        recorded.reopened.append(&mut self.reopened);
        strategy.learn(self.explored.graph(), &recorded, random);
        Ok(recorded.new_state.then_some(to))
    }

    /// Counts which invariants were judged, and warns of those that could not be.
    fn count(&mut self, action: Option<ActionId>, judgement: &Judgement) {
        for warning in self.invariants.add(self.model, action, judgement) {
            self.emitter.warn(warning);
        }
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
            let before = self.explored.step_record(before);
            let records = (before.as_ref(), arrival.record.as_ref());
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
    async fn restore(&mut self, to: StateId) -> Result<(), Stop> {
        let failed = |error| Stop::of_error(&error, Vec::new());
        let restored = self.world.restore(self.explored.checkpoint(to)).await;
        restored.map_err(failed)?;
        self.explored.suspect(to, self.world.take_suspects());
        self.restores += 1;
        if determinism::is_due(self.restores) {
            let again = determinism::take_again(self.model, self.world, &self.explored, to);
            match again.await.map_err(failed)? {
                Again::Same => {}
                Again::Otherwise(warning) => self.emitter.warn(warning),
                Again::Denied(action) => {
                    self.look_into_refusal(action).await?;
                    let restored = self.world.restore(self.explored.checkpoint(to)).await;
                    restored.map_err(failed)?;
                }
            }
        }
        Ok(())
    }

    /// Goes back to states in which something was read: the world compares what is read there then. A short walk may never have
    /// come back to one, and a cache in the service would not show.
    async fn look_back(&mut self) -> Result<(), Stop> {
        if !self.world.leaves_process() {
            return Ok(());
        }
        let graph = self.explored.graph();
        let reads = |id| {
            let action = graph.transition(id).action;
            self.model.action(action).request.is_safe()
        };
        let newest = (0..graph.state_count() as u32).rev().map(StateId);
        let read_in: Vec<StateId> = newest
            .filter(|state| graph.outgoing(*state).any(reads))
            .take(LOOKS_BACK)
            .collect();
        for state in read_in {
            let restored = self.world.restore(self.explored.checkpoint(state)).await;
            restored.map_err(|error| Stop::of_error(&error, Vec::new()))?;
            self.explored.suspect(state, self.world.take_suspects());
        }
        Ok(())
    }

    /// The end of a run at a step that failed.
    fn failed_at(&self, Move { from, action }: Move, error: &WorldError) -> Stop {
        let path = self.explored.graph().actions_to(from).into_iter();
        let name = |id| self.model.action(id).name.clone();
        Stop::of_error(error, path.chain([action]).map(name).collect())
    }

    /// Adds a finding of the walk; `at` is the step that showed it, `None` for the initial state. Returns the position of the
    /// violation.
    fn found(&mut self, at: Option<(StateId, ActionId, TransitionId)>, finding: Finding) -> usize {
        let graph = self.explored.graph();
        let at = at.map(|(from, action, id)| (action, id, graph.depth(from) + 1));
        let (position, is_new) = (self.violations).add(self.model, at, self.steps, finding);
        if is_new {
            let violation = self.violations.violation(position, graph);
            self.emitter.violation(&violation);
        }
        position
    }

    fn pass_on_warnings(&mut self) {
        let graph = self.explored.graph();
        self.emitter.pass_on_warnings(self.world, graph);
        for warning in self.explored.take_warnings() {
            self.emitter.warn(warning);
        }
    }

    fn limit_reached(&self, clock: &Clock) -> Option<Stop> {
        if self.options.interrupt.is_requested() {
            return Some(Stop::Interrupted);
        }
        let (coverage, worst) = (self.coverage(), self.violations.worst());
        if self.is_time_to_prove(worst.is_some(), clock) {
            return Some(Stop::TimeLimit);
        }
        (self.options.limits).reached(self.steps, coverage, worst, clock)
    }

    /// Whether the time that is left is needed to prove what was found. A fifth of the time of the run is kept for that, and more
    /// where a single request may take long, or the service is slow: then that much is kept that each path can be run once, and as much
    /// again to make them short.
    fn is_time_to_prove(&self, found: bool, clock: &Clock) -> bool {
        let Some(left) = self.options.interrupt.time_left() else {
            return false;
        };
        if !found {
            return left.is_zero();
        }
        let limit = self.options.limits.time_limit.unwrap_or_default();
        let pace = Pace::of(clock.elapsed(), self.steps, self.a_start);
        let paths = pace.to_run(self.violations.lengths(self.explored.graph()));
        let needed = (self.silence.longest() * PROOF).max(paths * 2);
        left <= (limit / 5).max(needed.min(limit * 3 / 4))
    }

    fn coverage(&self) -> f64 {
        let actions = self.model.actions.iter();
        match actions
            .filter(|action| action.counts_for_coverage())
            .count()
        {
            0 => 1.0,
            actions => self.explored.graph().actions_run() as f64 / actions as f64,
        }
    }

    fn figures(&self) -> Figures {
        Figures {
            step: self.steps,
            max_steps: self.options.limits.max_steps,
            states: self.explored.graph().state_count() as u64,
            coverage: self.coverage(),
            violations: self.violations.new_ones() as u64,
        }
    }

    fn is_progress_due(&self) -> bool {
        let every = self.options.limits.progress_every;
        self.steps.is_multiple_of(every)
    }
}

fn is_unsendable(error: &WorldError) -> bool {
    error.kind == WorldErrorKind::Unsendable
}

/// The names of the invariants among these oracles.
fn invariants(model: &Model, oracles: &[OracleId]) -> Vec<String> {
    let invariants = oracles.iter().filter_map(|oracle| match oracle {
        OracleId::Invariant(InvariantId(id)) => model.invariants.get(*id as usize),
        OracleId::Check(_) => None,
    });
    invariants.map(|invariant| invariant.name.clone()).collect()
}

/// The names of the oracles that these findings are of, each once.
fn names(findings: &[Finding]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for finding in findings {
        if !names.iter().any(|name| **name == *finding.name) {
            names.push(finding.name.to_string());
        }
    }
    names
}
