//! After the walk: every violation gets the shortest path that shows it, and that path is run again.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use crate::event::{self, Confirmation, ConfirmationResult, Phase, ShrinkResult, Time};
use crate::evidence::{self, Confirmed, Stop, Trial as _};
use crate::model::{ActionId, Finding, PathStep};
use crate::oracle::Judge;
use crate::world::{Warning, WarningCode, World, WorldError};

use super::emitter::Emitter;
use super::late_hints;
use super::path_replay::{Allowance, PathReplay};
use super::process_state;
use super::proving_time::Pace;
use super::samples::Sample;
use super::violations::{Violation, Violations};

/// Requests that shrinking one violation may take.
const REQUESTS: u64 = 1_000;

/// Time that shrinking all violations may take, where the walk did not take longer.
const LEAST_TIME: Duration = Duration::from_secs(10);

/// Trials of the whole path that shrinking one violation has time for, however slow the service is.
const TRIALS: u32 = 15;

/// Time that shrinking takes at most for a slow service.
const MOST_TIME: Duration = Duration::from_secs(120);

/// Whole paths that are run where the time was over before any shorter one was found.
const WHOLE_PATHS: usize = 2;

/// How often a path is run again on the service as it runs.
const LASTING: u32 = 2;

/// How often it is run again on one that was started again, where there is time for that.
const CONFIRMED: u32 = 3;

/// What comes of it.
pub(super) struct Proved {
    /// Those that did not happen again come last.
    pub(super) violations: Vec<Violation>,
    pub(super) warnings: Vec<Warning>,
    /// See [`event::Finished::process_unknown`].
    pub(super) process_unknown: Option<&'static str>,
}

/// A violation on its way to the report.
struct Candidate {
    violation: Violation,
    /// The finding and the path of the walk, before any shrinking.
    finding: Finding,
    path: Vec<PathStep>,
    /// Whether the path as it was shrunk shows it again and again, as long as the service runs.
    is_lasting: bool,
}

/// Shrinks the violations while the service still runs as it did, then confirms them on a service that is started anew; the
/// worst first. An error ends both, and the run: violations that cannot be run again cannot be trusted. Violations that did
/// not happen again come last. In between it is found out whether the service keeps state in its process, which the warnings say.
pub(super) async fn shrink_and_confirm<W: World, J: Judge<W>>(
    mut replay: PathReplay<'_, W, J>,
    violations: &Violations,
    emitter: &mut Emitter<'_>,
    (time_limit, pace): (Option<Duration>, Pace),
    stop: &mut event::Stop,
    time: &mut Time,
) -> Proved {
    let all = violations.all(replay.explored()).into_iter();
    let mut all: Vec<_> = all.map(Candidate::new).collect();
    all.sort_by_key(|Candidate { violation, .. }| {
        (Reverse(violation.finding.severity), violation.number)
    });
    let clock = Instant::now();
    // Whoever limits the time of the walk does not want to wait for much longer.
    let least = LEAST_TIME.max(time_of_trials(&all, pace));
    let least = time_limit.map_or(least, |limit| limit.min(least));
    let allowed = time.total.max(least);
    // Half of the time that is left is for running the paths again, and more where each could not be run even once.
    let allowed = (replay.time_left()).map_or(allowed, |left| {
        let once = time_to_run(&all, pace);
        allowed.min(left / 2).min(left.saturating_sub(once))
    });
    shrink_all(&mut replay, &mut all, emitter, stop, allowed).await;
    time.shrink = clock.elapsed();
    let clock = Instant::now();
    // Where the time is short it is for confirming.
    let for_all = time_to_run(&all, pace) * (LASTING + CONFIRMED);
    let is_short = replay.time_left().is_some_and(|left| left < for_all);
    let warm = if is_short {
        Ok(Vec::new())
    } else {
        run_warm(&mut replay, &mut all, emitter, stop, time.total).await
    };
    let samples = warm.unwrap_or_else(|error| {
        *stop = event::Stop::of_error(&error, Vec::new());
        Vec::new()
    });
    let mut warnings = confirm_all(&mut replay, &mut all, emitter, stop).await;
    if !is_short && replay.leave().0.starts_anew() {
        emitter.proving(Phase::Process, 1, 2);
    }
    let process_unknown = match run_cold(&mut replay, &samples, stop).await {
        Ok(warning) => {
            let is_unknown = is_short && warning.is_none();
            warnings.extend(warning);
            is_unknown.then_some(
                "the time of the run (`time_limit`) was needed to confirm what was found",
            )
        }
        Err(why) => Some(why),
    };
    let blames_process = |it: &Warning| it.code == WarningCode::StateOutsideSystems;
    let is_hint = warnings.iter().any(blames_process)
        || late_hints::are_there(all.iter().map(|it| &it.violation));
    if is_hint && !is_short && !matches!(stop, event::Stop::Failed { .. } | event::Stop::LoginLost)
    {
        match Box::pin(late_hints::listen(&mut replay)).await {
            // With them a process without a memory looks as if it had one.
            Ok(true) => warnings.retain(|it| !blames_process(it)),
            Ok(false) => {}
            Err(error) if error.is_ending() => *stop = event::Stop::of_error(&error, Vec::new()),
            Err(error) => warnings.push(not_started_again(&error)),
        }
    }
    let (world, ..) = replay.leave();
    let process_unknown = process_unknown.filter(|_| world.leaves_process());
    time.confirm += clock.elapsed();
    let mut all: Vec<_> = all
        .into_iter()
        .map(|candidate| candidate.violation)
        .collect();
    all.sort_by_key(|violation| violation.confirmation.result == ConfirmationResult::Unconfirmed);
    Proved {
        violations: all,
        warnings,
        process_unknown,
    }
}

/// The time that some trials of each path take.
fn time_of_trials(all: &[Candidate], pace: Pace) -> Duration {
    let lengths = all.iter().map(|candidate| candidate.path.len() as u32);
    let whole = pace.a_step().saturating_mul(lengths.sum::<u32>());
    whole.saturating_mul(TRIALS).min(MOST_TIME)
}

/// The time that running each path once takes, on a service that was started again.
fn time_to_run(all: &[Candidate], pace: Pace) -> Duration {
    pace.to_run_seen(all.iter().map(|candidate| &*candidate.violation.path))
}

/// While the service still has in its memory what it had during the walk: runs again what was found, and steps of the walk. Returns
/// those that are answered as they were.
async fn run_warm<W: World, J: Judge<W>>(
    replay: &mut PathReplay<'_, W, J>,
    all: &mut [Candidate],
    emitter: &mut Emitter<'_>,
    stop: &mut event::Stop,
    walk: Duration,
) -> Result<Vec<Sample>, WorldError> {
    if !replay.leave().0.starts_anew() || not_tried(replay, stop).is_some() {
        return Ok(Vec::new());
    }
    for candidate in all.iter_mut() {
        let (finding, path) = (&candidate.violation.finding, &candidate.violation.path);
        // A request without an answer costs a time out each time, and starts the service again anyway.
        let is_silent = |step: &PathStep| {
            let record = step.record.as_ref();
            record.is_some_and(|record| record.response.no_answer.is_some())
        };
        if path.iter().any(is_silent) {
            continue;
        }
        candidate.is_lasting = process_state::happens(replay, finding, path, LASTING).await?;
    }
    if *stop == event::Stop::LoginLost {
        return Ok(Vec::new());
    }
    emitter.proving(Phase::Process, 0, 2);
    process_state::sample(replay, walk).await
}

/// Whether these steps are answered otherwise by a service that was started again. Where that cannot be tried, why; but not of a run
/// that proves nothing anyway.
async fn run_cold<W: World, J: Judge<W>>(
    replay: &mut PathReplay<'_, W, J>,
    samples: &[Sample],
    stop: &mut event::Stop,
) -> Result<Option<Warning>, &'static str> {
    if matches!(stop, event::Stop::Failed { .. } | event::Stop::LoginLost) {
        return Ok(None);
    }
    if let Some(why) = not_tried(replay, stop) {
        return Err(why);
    }
    match process_state::find(replay, samples).await {
        Ok(None) if !replay.leave().0.starts_anew() => Err(
            "it is not venomqa's to start again (`service.command` lets venomqa start it, `restart: false` forbids it)",
        ),
        Ok(warning) => Ok(warning),
        Err(error) if error.is_ending() => {
            *stop = event::Stop::of_error(&error, Vec::new());
            Err("the run ended before that was found out")
        }
        Err(error) => Ok(Some(not_started_again(&error))),
    }
}

/// What was found has been run again by now, so the run stands.
fn not_started_again(error: &WorldError) -> Warning {
    let message = format!(
        "the service could not be started again, so nobody knows whether it keeps state in its process: {error}"
    );
    Warning::new(WarningCode::NotStartedAgain, message)
        .with_help("where it cannot be started twice, say `restart: false` under `service`")
}

/// Why nothing can be run any more, if so.
fn not_tried<W: World, J: Judge<W>>(
    replay: &PathReplay<'_, W, J>,
    stop: &mut event::Stop,
) -> Option<&'static str> {
    if replay.is_interrupted() && !matches!(stop, event::Stop::Failed { .. }) {
        *stop = event::Stop::Interrupted;
    }
    match stop {
        event::Stop::Interrupted => Some("the run was interrupted"),
        event::Stop::Failed { .. } => Some("the run could not go on"),
        _ if replay.is_time_over() => Some("the time of the run (`time_limit`) was over"),
        _ => replay.cannot_run(),
    }
}

async fn shrink_all<W: World, J: Judge<W>>(
    replay: &mut PathReplay<'_, W, J>,
    all: &mut [Candidate],
    emitter: &mut Emitter<'_>,
    stop: &mut event::Stop,
    mut left: Duration,
) {
    let count = all.len();
    let is_limited = replay.time_left().is_some();
    let over = is_limited.then(|| Instant::now() + left);
    for (position, candidate) in all.iter_mut().enumerate() {
        if let Some(reason) = not_tried(replay, stop) {
            let shrink = &mut candidate.violation.shrink;
            shrink.ended(ShrinkResult::NotTried, reason.to_owned());
            continue;
        }
        emitter.proving(Phase::Shrinking, position, count);
        // Time that one violation leaves over is shared by those that follow.
        let began = Instant::now();
        let allowance = Allowance {
            requests: REQUESTS,
            deadline: began + left / (count - position) as u32,
        };
        if let Err(error) = candidate.shrink(replay, allowance, over).await {
            *stop = event::Stop::of_error(&error, Vec::new());
        }
        left = left.saturating_sub(began.elapsed());
    }
}

async fn confirm_all<W: World, J: Judge<W>>(
    replay: &mut PathReplay<'_, W, J>,
    all: &mut [Candidate],
    emitter: &mut Emitter<'_>,
    stop: &mut event::Stop,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let count = all.len();
    for (position, candidate) in all.iter_mut().enumerate() {
        candidate.violation.confirmation = if let Some(reason) = not_tried(replay, stop) {
            let doubt = if candidate.was_shrunk() {
                "; its path was made short on the running service, which may remember more than its databases hold"
            } else {
                ""
            };
            Confirmation::not_tried(format!("{reason}{doubt}"))
        } else {
            emitter.proving(Phase::Confirming, position, count);
            let left = replay.time_left();
            // What one violation leaves over is shared by those that follow.
            let until = left.map(|left| Instant::now() + left / (count - position) as u32);
            match candidate.confirm(replay, until).await {
                Ok((confirmation, is_forgotten)) => {
                    if candidate.is_lasting && is_forgotten {
                        let name = &candidate.finding.name;
                        warnings.push(process_state::warning(&format!(
                            "the violation of `{name}` happens again and again as long as the service runs, and not once it has been started again"
                        )));
                    }
                    confirmation
                }
                Err(error) => {
                    let why = format!("running it again failed: {error}");
                    *stop = event::Stop::of_error(&error, Vec::new());
                    Confirmation::not_tried(why)
                }
            }
        };
    }
    warnings
}

impl Candidate {
    fn new(violation: Violation) -> Self {
        Self {
            finding: violation.finding.clone(),
            path: violation.path.clone(),
            violation,
            is_lasting: false,
        }
    }

    async fn shrink<W: World, J: Judge<W>>(
        &mut self,
        replay: &mut PathReplay<'_, W, J>,
        allowance: Allowance,
        over: Option<Instant>,
    ) -> Result<(), WorldError> {
        let violation = &mut self.violation;
        if self.path.is_empty() {
            violation.shrink.ended(ShrinkResult::Minimal, None);
            return Ok(());
        }
        let model = replay.model();
        let mut trials = replay.trials(&self.finding, allowance);
        let path: Vec<ActionId> = self.path.iter().map(|step| step.action).collect();
        // A path that does not fail when its last step is taken again cannot be compared with shorter ones.
        let (best, ended) = match trials.fails(&path).await {
            Ok(true) => {
                let guesses = evidence::guesses(model, &self.path);
                let simpler = |action| evidence::simpler(model, action);
                evidence::shrink(&mut trials, path, &guesses, &simpler).await
            }
            Ok(false) => {
                let why = "it did not happen again when its last step was taken again";
                (violation.shrink).ended(ShrinkResult::NotTried, why.to_owned());
                violation.shrink.requests = trials.requests();
                return Ok(());
            }
            Err(ended) => (path, Some(ended)),
        };
        if let Some(shown) = trials.take_shown() {
            violation.finding = shown;
            violation.path = trials.steps(&best);
        }
        violation.shrink.requests = trials.requests();
        if matches!(ended, Some(Stop::Budget(_))) && best.len() == self.path.len() {
            self.try_whole(replay, &best, over).await?;
        }
        let shrink = &mut self.violation.shrink;
        match ended {
            None => shrink.ended(ShrinkResult::Minimal, None),
            Some(Stop::Budget(why)) => shrink.ended(ShrinkResult::Unfinished, why),
            Some(Stop::Error(error)) => {
                let why = format!("it ended with an error: {error}");
                shrink.ended(ShrinkResult::Unfinished, why);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether the path is another one than that of the walk.
    fn was_shrunk(&self) -> bool {
        let is_same = |(a, b): (&PathStep, &PathStep)| a.action == b.action;
        self.violation.path.len() != self.path.len()
            || !self.violation.path.iter().zip(&self.path).all(is_same)
    }

    /// Where the time was over before any shorter path was found: runs the most likely ones in one piece, which needs no
    /// restore but one; until the time for making all paths short is `over`.
    async fn try_whole<W: World, J: Judge<W>>(
        &mut self,
        replay: &mut PathReplay<'_, W, J>,
        best: &[ActionId],
        over: Option<Instant>,
    ) -> Result<(), WorldError> {
        let guesses = evidence::guesses(replay.model(), &self.path);
        let shorter = guesses.iter().filter(|guess| guess.len() < best.len());
        for guess in shorter.take(WHOLE_PATHS) {
            let is_over = over.is_some_and(|over| Instant::now() >= over);
            if replay.is_interrupted() || is_over {
                break;
            }
            if let Some((finding, path)) = replay.run_whole(&self.finding, guess).await? {
                self.violation.finding = finding;
                self.violation.path = path;
                break;
            }
        }
        Ok(())
    }

    /// Runs the shrunk path again; where that does not show the finding each time, also the path of the walk, and the better
    /// of both stays. Also says whether a service that was started again has forgotten what made the shrunk path show it.
    async fn confirm<W: World, J: Judge<W>>(
        &mut self,
        replay: &mut PathReplay<'_, W, J>,
        until: Option<Instant>,
    ) -> Result<(Confirmation, bool), WorldError> {
        let was_shrunk = self.was_shrunk();
        let violation = &mut self.violation;
        let (finding, path) = (&violation.finding, &violation.path);
        let confirmed = replay.confirm(finding, path, until).await?;
        let is_forgotten = confirmed.is_forgotten;
        let Confirmation { result, times, .. } = confirmed.confirmation;
        if result == ConfirmationResult::Unconfirmed && was_shrunk {
            let whole = replay.confirm(&self.finding, &self.path, until).await?;
            if whole.confirmation.times >= times {
                let reason = confirmed.confirmation.reason;
                violation.shrink.ended(ShrinkResult::TakenBack, reason);
                violation.finding = self.finding.clone();
                violation.path.clone_from(&self.path);
                return Ok((keep_evidence(violation, whole), is_forgotten));
            }
        }
        Ok((keep_evidence(violation, confirmed), is_forgotten))
    }
}

/// Keeps what was seen last as the evidence.
fn keep_evidence(violation: &mut Violation, confirmed: Confirmed) -> Confirmation {
    if let Some((finding, path)) = confirmed.seen {
        violation.finding = finding;
        violation.path = path;
    }
    confirmed.confirmation
}

#[cfg(test)]
mod tests;
