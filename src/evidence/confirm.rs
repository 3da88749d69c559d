//! A violation is reported as confirmed only when every run of its path from the initial state breaks the same oracle in the
//! same way.

use std::time::{Duration, Instant};

use crate::event::{Confirmation, ConfirmationResult};
use crate::model::{Digest, Finding, Model, PathStep};
use crate::oracle::Judge;
use crate::world::{Arrival, World, WorldError};

use super::difference::first_difference;
use super::reproduce::{Rerun, evaluate, is_broken};

/// How often a path is run again, where there is time for that.
const ATTEMPTS: u32 = 3;

/// The violation to confirm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    /// What the oracle found.
    pub(crate) finding: &'a Finding,
    /// The path that led to the finding, with the records of its steps.
    pub(crate) path: &'a [PathStep],
    /// Identity of the initial state in which the path was found.
    pub(crate) initial: Digest,
}

/// The result of running a path again.
#[derive(Clone, Debug)]
pub(crate) struct Confirmed {
    /// Whether the violation happened again.
    pub(crate) confirmation: Confirmation,
    /// The finding of the last attempt that reproduced the violation, with the path of that same attempt.
    pub(crate) seen: Option<(Finding, Vec<PathStep>)>,
    /// Whether a service that was started again did not show it at first, and then never or each time: it does not depend on
    /// chance, and not on what was put back. `false` where the service began in another state than the walk.
    pub(crate) is_forgotten: bool,
}

/// One attempt.
struct Attempt {
    path: Vec<PathStep>,
    /// The finding, or why there is none.
    outcome: Result<Finding, String>,
}

/// Runs a path again and again. Where another path has been run on a service that was started for that, `fresh` is the initial state
/// there, and it is tried first: only if the finding does not show there each time is the service started again, and the path
/// run from the initial state that a new run would find. Leaves in `fresh` the initial state of the service as it runs now. Where
/// the time is over by `until`, once has to do.
pub(crate) async fn confirm<W: World, J: Judge<W>>(
    model: &Model,
    world: &mut W,
    judge: &mut J,
    claim: Claim<'_>,
    fresh: &mut Option<Arrival<W::Checkpoint>>,
    until: Option<Instant>,
) -> Result<Confirmed, WorldError> {
    if let Some(initial) = fresh.take() {
        world.restore(&initial.checkpoint).await?;
        let (confirmed, initial) =
            attempts(model, world, judge, claim, (initial, true), until).await?;
        if confirmed.confirmation.result == ConfirmationResult::Confirmed {
            *fresh = initial;
            return Ok(confirmed);
        }
    }
    let initial = world.renew().await?;
    let (confirmed, initial) =
        attempts(model, world, judge, claim, (initial, false), until).await?;
    *fresh = initial;
    Ok(confirmed)
}

/// Runs a path from the initial state in which the world stands, then from that state restored. `each` ends that at the first time
/// that the finding does not show. Also returns the initial state, unless the service has died since.
async fn attempts<W: World, J: Judge<W>>(
    model: &Model,
    world: &mut W,
    judge: &mut J,
    claim: Claim<'_>,
    (mut initial, each): (Arrival<W::Checkpoint>, bool),
    until: Option<Instant>,
) -> Result<(Confirmed, Option<Arrival<W::Checkpoint>>), WorldError> {
    let mut seen = None;
    let mut failed = None;
    let mut times = 0;
    let mut was_first_seen = false;
    let mut was_answered = true;
    let mut tried = 0;
    let mut took = Duration::ZERO;
    for attempt_number in 0..ATTEMPTS {
        let began = Instant::now();
        if attempt_number > 0 && until.is_some_and(|until| began + took > until) {
            break;
        }
        if !was_answered {
            // The service was started again, and knows the sessions of `setup` no longer.
            initial = world.renew().await?;
        } else if attempt_number > 0 {
            world.restore(&initial.checkpoint).await?;
        }
        let attempt = run(model, world, judge, claim, &initial).await?;
        (tried, took) = (attempt_number + 1, began.elapsed());
        was_answered = attempt.path.iter().all(|step| {
            let record = step.record.as_ref();
            record.is_none_or(|record| record.response.no_answer.is_none())
        });
        match attempt.outcome {
            Ok(finding) => {
                times += 1;
                was_first_seen |= attempt_number == 0;
                seen = Some((finding, attempt.path));
            }
            Err(why) => {
                failed.get_or_insert((why, attempt.path));
                if each {
                    break;
                }
            }
        }
    }
    let reason = failed.map(|(mut reason, path)| {
        let shown = seen.as_ref().map_or(claim.path, |(_, path)| path);
        if let Some(difference) = first_difference(model, shown, &path) {
            reason = format!("{reason}; {difference}");
        }
        if initial.identity != claim.initial {
            reason.push_str("; the service began in another state when it was started again");
        }
        reason
    });
    let confirmed = Confirmed {
        confirmation: Confirmation::tried(times, tried, reason),
        seen,
        is_forgotten: tried == ATTEMPTS
            && !was_first_seen
            && (times == 0 || times == ATTEMPTS - 1)
            && initial.identity == claim.initial,
    };
    Ok((confirmed, was_answered.then_some(initial)))
}

/// Runs the path once from this initial state, on the service as it runs. The finding as it showed, with its path; `None` where it
/// did not.
pub(crate) async fn run_once<W: World, J: Judge<W>>(
    model: &Model,
    world: &mut W,
    judge: &mut J,
    claim: Claim<'_>,
    initial: &Arrival<W::Checkpoint>,
) -> Result<Option<(Finding, Vec<PathStep>)>, WorldError> {
    world.restore(&initial.checkpoint).await?;
    let attempt = run(model, world, judge, claim, initial).await?;
    Ok(attempt.outcome.ok().map(|finding| (finding, attempt.path)))
}

/// Runs the path from where the world stands: in its initial state.
async fn run<W: World, J: Judge<W>>(
    model: &Model,
    world: &mut W,
    judge: &mut J,
    claim: Claim<'_>,
    initial: &Arrival<W::Checkpoint>,
) -> Result<Attempt, WorldError> {
    let mut rerun = Rerun::new(initial.clone());
    for (index, step) in claim.path.iter().enumerate() {
        if let Some(name) = rerun.undefined(model, step.action) {
            let why = format!(
                "step {} (`{}`) could not be sent, because `{name}` was not defined",
                index + 1,
                model.action(step.action).name
            );
            return Ok(Attempt {
                path: rerun.path,
                outcome: Err(why),
            });
        }
        rerun.step(world, step.action).await?;
    }
    let Rerun { before, here, path } = rerun;
    let last = claim.path.last().map(|step| step.action);
    let evaluation = evaluate(world, judge, claim.finding, last, &before.context, &here).await?;
    let name = &claim.finding.name;
    let outcome = match (evaluation.same, evaluation.other, evaluation.unjudged) {
        (Some(_), ..)
            if evaluation.of_state
                && last.is_some()
                && is_broken(world, judge, claim.finding.oracle, &before).await? =>
        {
            Err(format!("`{name}` did not hold before the last step either"))
        }
        (Some(finding), ..) => Ok(finding),
        (None, Some(other), _) => Err(format!("`{name}` said something else: {}", other.message)),
        (None, None, Some(why)) => Err(format!("`{name}` could not be judged: {why}")),
        (None, None, None) => Err(format!("`{name}` had nothing to object to")),
    };
    Ok(Attempt { path, outcome })
}
