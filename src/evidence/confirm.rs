//! A violation is reported as confirmed only when its path, run again from the initial state, breaks the same thing.

use std::fmt::Write as _;

use crate::model::{Confirmation, Context, Model, OracleId, PathStep, StepRecord, Violation};
use crate::oracle::{Judge, Judged};
use crate::world::{World, WorldError};

/// Where to begin, and what to compare with.
#[derive(Debug)]
pub(crate) struct Attempt<'a, C> {
    /// The way back to the initial state.
    pub(crate) initial: &'a C,
    /// The context of the initial state.
    pub(crate) context: &'a Context,
    /// State oracles that already said no before the last step.
    pub(crate) broken_before: &'a [OracleId],
}

/// Runs the path of a violation again from the initial state. Where it happens again, its finding and the records of
/// its path become those of the second time, so that request, answer and rows belong together.
pub(crate) async fn confirm<W: World, J: Judge<W>>(
    model: &Model,
    world: &mut W,
    judge: &mut J,
    attempt: &Attempt<'_, W::Checkpoint>,
    violation: &mut Violation,
) -> Result<Confirmation, WorldError> {
    world.restore(attempt.initial).await?;
    let mut context = attempt.context.clone();
    let mut path = Vec::with_capacity(violation.path.len());
    let mut findings = Vec::new();
    for (index, step) in violation.path.iter().enumerate() {
        let arrival = world.act(step.action, &context).await?;
        path.push(PathStep {
            action: step.action,
            record: arrival.record.clone().map(StepRecord::compact),
        });
        if index + 1 == violation.path.len() {
            let judged = Judged {
                action: Some(step.action),
                context_before: &context,
                arrival: &arrival,
                new_state: true,
                broken_before: attempt.broken_before,
            };
            findings = judge.judge(world, judged).await?.findings;
        }
        context = arrival.context;
    }
    let again = findings
        .into_iter()
        .find(|finding| finding.same_kind(&violation.finding));
    let Some(again) = again else {
        let mut reason = format!("`{}` had nothing to object to", violation.finding.name);
        if let Some(difference) = first_difference(model, &violation.path, &path) {
            // Writing to a string cannot fail.
            let _ = write!(reason, "; {difference}");
        }
        return Ok(Confirmation::Unconfirmed {
            times: 0,
            of: 1,
            reason,
        });
    };
    violation.finding = again;
    violation.path = path;
    Ok(Confirmation::Confirmed { times: 1, of: 1 })
}

/// In words, the first step whose answer had another status than the first time.
fn first_difference(model: &Model, first: &[PathStep], second: &[PathStep]) -> Option<String> {
    let status = |step: &PathStep| Some(step.record.as_ref()?.response.status);
    first
        .iter()
        .zip(second)
        .enumerate()
        .find_map(|(index, (first, second))| {
            let (was, is) = (status(first)?, status(second)?);
            let name = &model.action(first.action).name;
            (was != is).then(|| {
                format!(
                    "step {} (`{name}`) was answered {was} the first time and {is} the second",
                    index + 1
                )
            })
        })
}
