//! Does the service keep state in its process? Then a restore does not bring all of it back, and no verdict can be relied on.
//!
//! A walk does not show that by itself: what is remembered for good makes the service answer alike wherever it is put. So
//! after the walk some of its steps (`samples.rs`) are taken again, each on its whole path. Two comparisons are made:
//!
//! - *Warm and cold.* On the service as it runs, and on one that was started again. Only steps that the running service answers as
//!   it did in the walk; one that it does not is left to the other comparison.
//! - *Before and after.* On one that was started again, first all of them, then all of them once more. In between everything
//!   was restored, so what differs is due to the requests in between.
//!
//! What differs may also be due to time, to chance, or to a counter. So only what differs each time counts, and *before and
//! after* only where a service that was started again and has idled for as long answers as before.

use std::time::{Duration, Instant};

use crate::evidence::{self, Claim, Rerun};
use crate::model::{ActionId, Effect, Finding, Model, PathStep, Response};
use crate::oracle::Judge;
use crate::world::{Arrival, Warning, WarningCode, World, WorldError};

use super::explored::Explored;
use super::graph::StateId;
use super::path_replay::PathReplay;
use super::samples::{self, Sample, Seen};

/// The part of the time of the walk, as its divisor, that taking all samples again may take, on the service as it runs. It is done
/// twice more on a service that was started again: a fifth of the walk in all.
const PART: u32 = 15;

/// The shortest and the longest time for it, however short or long the walk was.
const TIME: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// How long a service idles at most, to find out what time alone does.
const IDLE: Duration = Duration::from_secs(20);

/// Reads that must not change their own answer.
const READS: u32 = 3;

/// Steps of the walk, which took so long, and whether they are answered as they were when they are taken again, on the service as it
/// runs. One that is not may be remembered by its process for good: only a service that was started again answers it anew.
pub(super) async fn sample<W: World, J: Judge<W>>(
    replay: &mut PathReplay<'_, W, J>,
    walk: Duration,
) -> Result<Vec<Sample>, WorldError> {
    let model = replay.model();
    let time = (walk / PART).clamp(TIME.0, TIME.1);
    let time = (replay.time_left()).map_or(time, |left| time.min(left / 8));
    let began = Instant::now();
    let (world, _, explored) = replay.leave();
    let mut taken = Vec::new();
    let initial = initial(explored);
    for mut sample in samples::choose(explored.graph()) {
        if began.elapsed() > time {
            break;
        }
        let (seen, _) = take(model, world, &initial, &sample.path, false).await?;
        let statuses = seen.iter().map(|seen| seen.status);
        sample.is_steady = statuses.eq(sample.statuses.iter().copied());
        taken.push(sample);
    }
    Ok(taken)
}

/// A warning if the service surely keeps state in its process.
pub(super) async fn find<W: World, J: Judge<W>>(
    replay: &mut PathReplay<'_, W, J>,
    samples: &[Sample],
) -> Result<Option<Warning>, WorldError> {
    let model = replay.model();
    let (world, _, explored) = replay.leave();
    let schedule = Schedule::new(explored, samples);
    if schedule.paths.is_empty() {
        return Ok(None);
    }
    let with_rows = !world.has_late_rows();
    let mut trial = Trial {
        with_rows,
        model,
        world,
        explored,
        schedule: &schedule,
    };
    let Some(first) = trial.run(schedule.paths.len()).await? else {
        return Ok(None);
    };
    if schedule.differences(&first).next().is_none() {
        return Ok(None);
    }
    // Once may be chance.
    let Some(second) = trial.run(schedule.paths.len()).await? else {
        return Ok(None);
    };
    for difference in schedule.differences(&first) {
        let is_steady = difference
            .runs()
            .all(|run| first[run].seen == second[run].seen);
        if !is_steady {
            continue;
        }
        if let Difference::InBetween {
            before,
            after,
            step,
        } = difference
        {
            let between = first[after].at.saturating_sub(first[before].at);
            if !trial
                .needs_requests(before, step, &first[before].seen, between)
                .await?
            {
                continue;
            }
        }
        return Ok(Some(schedule.warning(model, &first, &difference)));
    }
    Ok(None)
}

/// Whether a path, run in one piece from the initial state of the walk, shows a finding each of so many times, on the service as it
/// runs.
pub(super) async fn happens<W: World, J: Judge<W>>(
    replay: &mut PathReplay<'_, W, J>,
    finding: &Finding,
    path: &[PathStep],
    times: u32,
) -> Result<bool, WorldError> {
    let model = replay.model();
    let (world, judge, explored) = replay.leave();
    let claim = Claim {
        finding,
        path,
        initial: explored.initial(),
    };
    let initial = initial(explored);
    for _ in 0..times {
        let shown = evidence::run_once(model, world, judge, claim, &initial).await?;
        if shown.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The warning; `what` says how it shows.
pub(super) fn warning(what: &str) -> Warning {
    Warning::new(
        WarningCode::StateOutsideSystems,
        format!("{what}: this service keeps state in its process, which a restore does not reach"),
    )
    .with_help(
        "write `restore: full`, which starts the service again for each restore; or empty what it keeps with a request under `after_restore`, which is faster",
    )
    .untrusted()
}

/// The initial state of the walk.
pub(super) fn initial<C: Clone>(explored: &Explored<C>) -> Arrival<C> {
    Arrival {
        context: explored.graph().context(StateId::INITIAL).clone(),
        identity: explored.initial(),
        checkpoint: explored.checkpoint(StateId::INITIAL).clone(),
        status: 0,
        effect: Effect::None,
        wrote: false,
        record: None,
    }
}

/// What is run on a service that was started again, one path after the other.
struct Schedule<'s> {
    paths: Vec<Vec<ActionId>>,
    /// The runs of the same path that are compared.
    pairs: Vec<(usize, usize)>,
    /// The run of each sample, with how it was answered on the service as it ran.
    warm: Vec<(usize, &'s Sample)>,
}

/// A path that was run.
struct Run {
    seen: Vec<Seen>,
    /// The time since the service was started.
    at: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Difference<'s> {
    Warm {
        run: usize,
        sample: &'s Sample,
        step: usize,
    },
    InBetween {
        before: usize,
        after: usize,
        step: usize,
    },
}

impl Difference<'_> {
    /// The runs that show it.
    fn runs(&self) -> impl Iterator<Item = usize> + use<> {
        let (first, second) = match *self {
            Self::Warm { run, .. } => (run, None),
            Self::InBetween { before, after, .. } => (before, Some(after)),
        };
        std::iter::once(first).chain(second)
    }
}

impl<'s> Schedule<'s> {
    fn new<C: Clone>(explored: &Explored<C>, samples: &'s [Sample]) -> Self {
        let mut schedule = Self {
            paths: Vec::new(),
            pairs: Vec::new(),
            warm: Vec::new(),
        };
        for suspect in explored.suspects() {
            let first = schedule.paths.len();
            let graph = explored.graph();
            let (path, between) = (suspect.path(graph), suspect.path_between(graph));
            schedule.paths.extend([path.clone(), between, path]);
            schedule.pairs.push((first, first + 2));
        }
        let first = schedule.paths.len();
        for (position, sample) in samples.iter().enumerate() {
            let run = first + position;
            if sample.is_steady {
                schedule.warm.push((run, sample));
            }
            schedule.pairs.push((run, run + samples.len()));
        }
        let twice = samples.iter().chain(samples);
        schedule
            .paths
            .extend(twice.map(|sample| sample.path.clone()));
        schedule
    }

    /// Where two runs of a path differ, the plainest first.
    fn differences<'a>(&'a self, runs: &'a [Run]) -> impl Iterator<Item = Difference<'s>> + 'a {
        let warm = self.warm.iter().filter_map(|(run, sample)| {
            let now = runs[*run].seen.iter().map(|seen| seen.status);
            let step = sample.statuses.iter().copied().zip(now);
            let step = step.enumerate().find(|(_, (was, is))| was != is)?.0;
            let (run, sample) = (*run, *sample);
            Some(Difference::Warm { run, sample, step })
        });
        let between = self.pairs.iter().filter_map(|(before, after)| {
            let (before, after) = (*before, *after);
            let mut steps = runs[before].seen.iter().zip(&runs[after].seen);
            let step = steps.position(|(a, b)| a != b)?;
            Some(Difference::InBetween {
                before,
                after,
                step,
            })
        });
        let is_telling = |difference: &Difference<'_>| !is_denied(runs, difference);
        warm.chain(between).filter(is_telling)
    }

    fn warning(&self, model: &Model, runs: &[Run], difference: &Difference<'_>) -> Warning {
        let name = |run: usize, step: usize| &model.action(self.paths[run][step]).name;
        warning(&match *difference {
            Difference::Warm { run, sample, step } => format!(
                "`{}` is answered {} as long as the service runs, and {} once it has been started again",
                name(run, step),
                Response::status_in_words(sample.statuses[step]),
                Response::status_in_words(runs[run].seen[step].status)
            ),
            Difference::InBetween {
                before,
                after,
                step,
            } => {
                let (was, is) = (&runs[before].seen[step], &runs[after].seen[step]);
                let name = name(before, step);
                match was.in_words(is).zip(is.in_words(was)) {
                    Some((was, is)) => format!(
                        "on a service that has just been started `{name}` {was}, and after other requests, with its state restored, it {is}"
                    ),
                    None => format!(
                        "`{name}` is answered with another body after other requests, with its state restored, than on a service that has just been started"
                    ),
                }
            }
        })
    }
}

/// Whether a login or a rate limit is what differs, which are told otherwise; or an answer is missing.
fn is_denied(runs: &[Run], difference: &Difference<'_>) -> bool {
    let is_denial = |status: u16| matches!(status, Response::NO_ANSWER | 401 | 429);
    match *difference {
        Difference::Warm { .. } => false,
        Difference::InBetween {
            before,
            after,
            step,
        } => [before, after]
            .iter()
            .any(|run| is_denial(runs[*run].seen[step].status)),
    }
}

/// Runs a schedule.
struct Trial<'t, W: World> {
    model: &'t Model,
    world: &'t mut W,
    explored: &'t Explored<W::Checkpoint>,
    schedule: &'t Schedule<'t>,
    /// Whether the rows that a step changes are surely its own.
    with_rows: bool,
}

impl<W: World> Trial<'_, W> {
    /// Runs the first paths on a service that is started again. `None` where it begins in another state than the walk.
    async fn run(&mut self, count: usize) -> Result<Option<Vec<Run>>, WorldError> {
        let initial = self.world.renew().await?;
        self.run_from(&initial, count).await
    }

    async fn run_from(
        &mut self,
        initial: &Arrival<W::Checkpoint>,
        count: usize,
    ) -> Result<Option<Vec<Run>>, WorldError> {
        if initial.identity != self.explored.initial() {
            return Ok(None);
        }
        let began = Instant::now();
        let mut runs = Vec::new();
        for path in &self.schedule.paths[..count] {
            let (seen, _) = take(self.model, self.world, initial, path, self.with_rows).await?;
            let at = began.elapsed();
            runs.push(Run { seen, at });
        }
        Ok(Some(runs))
    }

    /// Whether a step is answered as it was `before` also when the service has idled for this long, and when nothing but the same
    /// read was sent. So what differed later was due to the requests in between.
    async fn needs_requests(
        &mut self,
        before: usize,
        step: usize,
        seen: &[Seen],
        between: Duration,
    ) -> Result<bool, WorldError> {
        let initial = self.world.renew().await?;
        tokio::time::sleep(between.min(IDLE)).await;
        if self.run_from(&initial, before).await?.is_none() {
            return Ok(false);
        }
        let path = &self.schedule.paths[before][..=step];
        let (aged, mut rerun) =
            take(self.model, self.world, &initial, path, self.with_rows).await?;
        if aged != seen[..=step] {
            return Ok(false);
        }
        if !self.model.action(path[step]).request.is_safe() {
            return Ok(true);
        }
        for _ in 0..READS {
            rerun.step(self.world, path[step]).await?;
            let now = Seen::of(self.model, path[step], &rerun.here, self.with_rows);
            if now != seen[step] {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Takes the steps of a path in one piece, as far as they can be sent.
async fn take<W: World>(
    model: &Model,
    world: &mut W,
    initial: &Arrival<W::Checkpoint>,
    path: &[ActionId],
    with_rows: bool,
) -> Result<(Vec<Seen>, Rerun<W::Checkpoint>), WorldError> {
    world.restore(&initial.checkpoint).await?;
    let mut rerun = Rerun::new(initial.clone());
    let mut seen = Vec::new();
    for action in path {
        if rerun.undefined(model, *action).is_some() {
            break;
        }
        rerun.step(world, *action).await?;
        seen.push(Seen::of(model, *action, &rerun.here, with_rows));
    }
    Ok((seen, rerun))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use crate::event::{Event, Finished};
    use crate::explorer::Options;
    use crate::explorer::budget::Limits;
    use crate::explorer::testing::{self, Forbid};
    use crate::interrupt::Interrupt;
    use crate::model::ActionId;
    use crate::world::mock::MockWorld;

    /// 0 at first, 1 after `a0`, and back after `a1`; `a2` leads to 9, but to a member only.
    fn honest(state: &u128, action: ActionId) -> u128 {
        match (state, action.0) {
            (_, 0) => 1,
            (_, 1) => 0,
            (1, 2) => 9,
            (state, _) => *state,
        }
    }

    fn run(
        mut world: MockWorld<u128, impl FnMut(&u128, ActionId) -> u128>,
        strategy: &str,
    ) -> Finished {
        let options = Options {
            strategy: strategy.to_owned(),
            limits: Limits::default(),
            seed: 1,
            postpone: true,
            interrupt: Interrupt::default(),
            regressions: Vec::new(),
            known: std::collections::BTreeSet::new(),
        };
        let mut judge = Forbid(|state: &u128| *state == 7);
        let model = testing::actions(3);
        testing::run(&model, &mut world, &mut judge, &options, &mut |_: Event| {})
    }

    /// Whoever is not a member is told so.
    fn answer(before: &u128, action: ActionId, after: &u128) -> u16 {
        if action.0 == 2 && before == after {
            409
        } else {
            200
        }
    }

    /// A service that denies for good whom it has denied once.
    fn denies_for_good(denied: Rc<Cell<bool>>) -> impl FnMut(&u128, ActionId) -> u128 {
        move |state, action| {
            if action.0 != 2 {
                return honest(state, action);
            }
            denied.set(denied.get() || *state == 0);
            if denied.get() {
                *state
            } else {
                honest(state, action)
            }
        }
    }

    #[test]
    fn what_a_process_remembers_for_good_is_found_by_every_strategy() {
        for strategy in ["bfs", "mcts", "dfs", "coverage", "random", "weighted"] {
            let denied = Rc::new(Cell::new(false));
            let restarted = denied.clone();
            let world = MockWorld::new(0, denies_for_good(denied))
                .answering(answer)
                .starting_anew(move || restarted.set(false));
            let found = run(world, strategy);
            if found.figures.states == 3 {
                continue; // A member came first, so the walk has missed nothing.
            }
            let mut warnings = found.warnings.iter();
            let warning = warnings.find(|warning| warning.code == "state-outside-systems");
            let warning = warning.expect(strategy);
            assert!(warning.untrusted);
            let message = &warning.message;
            let what = "`a2` is answered 409 as long as the service runs, and 200 once";
            assert!(message.contains(what), "{message}");
        }
    }

    #[test]
    fn an_honest_service_is_trusted() {
        for strategy in ["bfs", "mcts", "dfs"] {
            let world = MockWorld::new(0, honest as fn(&u128, ActionId) -> u128)
                .answering(answer)
                .starting_anew(|| {});
            assert!(run(world, strategy).warnings.is_empty(), "{strategy}");
        }
    }

    #[test]
    fn a_violation_that_only_the_running_process_shows_is_told_as_that() {
        // Whoever has been a member once is let in for good, where nobody should be.
        let member = Rc::new(Cell::new(false));
        let restarted = member.clone();
        let world = MockWorld::new(0, move |state: &u128, action: ActionId| {
            member.set(member.get() || action.0 == 0);
            match (state, action.0) {
                (0, 2) if member.get() => 7,
                _ => honest(state, action),
            }
        })
        .starting_anew(move || restarted.set(false));
        let found = run(world, "bfs");
        assert!(
            found
                .warnings
                .iter()
                .any(|warning| warning.message.contains("`forbidden`")
                    && warning
                        .message
                        .contains("this service keeps state in its process")),
            "{found:?}"
        );
    }
}
