//! A violation is reported as confirmed only when its path, run again from the initial state, breaks the same thing, and
//! does so every time.

use crate::model::{Confirmation, Digest, Finding, Model, PathStep};
use crate::oracle::Judge;
use crate::world::{Arrival, World, WorldError};

use super::again;
use super::difference::first_difference;
use super::rerun::Rerun;

/// How often a path is run again.
const ATTEMPTS: u32 = 3;

/// What is to happen again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    /// What the oracle said.
    pub(crate) finding: &'a Finding,
    /// The path that showed it, with what was seen then.
    pub(crate) path: &'a [PathStep],
    /// What the initial state of the walk looked like to the world.
    pub(crate) initial: Digest,
}

/// What running a path again came to.
#[derive(Clone, Debug)]
pub(crate) struct Confirmed {
    /// Whether it happened again.
    pub(crate) confirmation: Confirmation,
    /// What the last attempt showed in which it did, and the records of its path, so that they belong together.
    pub(crate) seen: Option<(Finding, Vec<PathStep>)>,
}

/// One attempt.
struct Attempt {
    path: Vec<PathStep>,
    /// The finding, or why there is none.
    outcome: Result<Finding, String>,
}

/// Runs a path again: first from the initial state as a new run would find it, then from that same state restored.
pub(crate) async fn confirm<W: World, J: Judge<W>>(
    model: &Model,
    world: &mut W,
    judge: &mut J,
    claim: Claim<'_>,
) -> Result<Confirmed, WorldError> {
    let mut seen = None;
    let mut failed = None;
    let mut times = 0;
    let initial = world.renew().await?;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            world.restore(&initial.checkpoint).await?;
        }
        let attempt = run(model, world, judge, claim, &initial).await?;
        match attempt.outcome {
            Ok(finding) => {
                times += 1;
                seen = Some((finding, attempt.path));
            }
            Err(why) => {
                failed.get_or_insert((why, attempt.path));
            }
        }
    }
    let confirmation = match failed {
        None => Confirmation::Confirmed {
            times,
            of: ATTEMPTS,
        },
        Some((mut reason, path)) => {
            let shown = seen.as_ref().map_or(claim.path, |(_, path)| path);
            if let Some(difference) = first_difference(model, shown, &path) {
                reason = format!("{reason}; {difference}");
            }
            if initial.identity != claim.initial {
                reason.push_str("; the service began in another state when it was started again");
            }
            Confirmation::Unconfirmed {
                times,
                of: ATTEMPTS,
                reason,
            }
        }
    };
    Ok(Confirmed { confirmation, seen })
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
    let said = again::ask(world, judge, claim.finding, last, &before.context, &here).await?;
    let name = &claim.finding.name;
    let outcome = match (said.same, said.other) {
        (Some(_), _)
            if said.of_state
                && last.is_some()
                && again::is_broken(world, judge, claim.finding.oracle, &before).await? =>
        {
            Err(format!("`{name}` did not hold before the last step either"))
        }
        (Some(finding), _) => Ok(finding),
        (None, Some(other)) => Err(format!("`{name}` said something else: {}", other.message)),
        (None, None) => Err(format!("`{name}` had nothing to object to")),
    };
    Ok(Attempt { path, outcome })
}
