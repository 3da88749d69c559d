//! Whether a step shows what is looked for: asked of paths that are tried and of paths that are run again.

use crate::model::{ActionId, Context, Finding, OracleId};
use crate::oracle::{Judge, Judged};
use crate::world::{Arrival, World, WorldError};

/// What an oracle said about a step.
#[derive(Debug)]
pub(crate) struct Said {
    /// The finding that was looked for, as this step shows it.
    pub(crate) same: Option<Finding>,
    /// What the same oracle had to say that is another bug.
    pub(crate) other: Option<Finding>,
    /// Whether it spoke of the state that the step led to. Then it is only news where it did not say so before.
    pub(crate) of_state: bool,
}

/// What the oracle of a finding says about the step that led to `arrival`; `None` for the initial state.
pub(crate) async fn ask<W: World, J: Judge<W>>(
    world: &mut W,
    judge: &mut J,
    wanted: &Finding,
    action: Option<ActionId>,
    context_before: &Context,
    arrival: &Arrival<W::Checkpoint>,
) -> Result<Said, WorldError> {
    let step = Judged {
        action,
        context_before,
        arrival,
        new_state: true,
        broken_before: &[],
        only: Some(wanted.oracle),
    };
    let judgement = judge.judge(world, step).await?;
    let of_state = judgement.broken.contains(&wanted.oracle);
    let (same, other): (Vec<Finding>, Vec<Finding>) = judgement
        .findings
        .into_iter()
        .filter(|finding| finding.oracle == wanted.oracle)
        .partition(|finding| finding.same_kind(wanted));
    Ok(Said {
        same: same.into_iter().next(),
        other: other.into_iter().next(),
        of_state,
    })
}

/// Whether a state oracle says no in a state. The world stands there afterwards.
pub(crate) async fn is_broken<W: World, J: Judge<W>>(
    world: &mut W,
    judge: &mut J,
    oracle: OracleId,
    state: &Arrival<W::Checkpoint>,
) -> Result<bool, WorldError> {
    world.restore(&state.checkpoint).await?;
    let looked_at = Arrival {
        record: None,
        ..state.clone()
    };
    let judged = Judged {
        action: None,
        context_before: &state.context,
        arrival: &looked_at,
        new_state: true,
        broken_before: &[],
        only: Some(oracle),
    };
    let judgement = judge.judge(world, judged).await?;
    Ok(judgement.broken.contains(&oracle))
}
