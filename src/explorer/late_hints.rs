//! Rows that come late make a run look as if the service kept state in its process: what a path shows depends on how fast it is
//! walked. So where something did not happen again, late rows are looked for before the process is blamed.

use crate::event::ConfirmationResult;
use crate::evidence::Rerun;
use crate::model::ActionId;
use crate::oracle::Judge;
use crate::world::{World, WorldError};

use super::graph::{Graph, TransitionId};
use super::path_replay::PathReplay;
use super::violations::Violation;

/// Whether something was seen that did not happen again.
pub(super) fn are_there<'v>(mut violations: impl Iterator<Item = &'v Violation>) -> bool {
    violations.any(|it| it.confirmation.result == ConfirmationResult::Unconfirmed)
}

/// Takes each action that may write once more, where it was accepted, while the world listens for rows that come late. Says whether
/// there are any.
pub(super) async fn listen<W: World, J: Judge<W>>(
    replay: &mut PathReplay<'_, W, J>,
) -> Result<bool, WorldError> {
    let model = replay.model();
    if replay.is_interrupted() || replay.is_time_over() || replay.cannot_run().is_some() {
        return Ok(false);
    }
    let (world, _, explored) = replay.leave();
    if world.has_late_rows() || !world.can_restore() {
        return Ok(false);
    }
    world.listen();
    let initial = world.renew().await?;
    for action in model.action_ids() {
        if model.action(action).request.is_safe() {
            continue;
        }
        let accepts = |status| model.action(action).expect.accepts(status);
        let Some(path) = path_to(explored.graph(), action, accepts) else {
            continue;
        };
        world.restore(&initial.checkpoint).await?;
        let mut rerun = Rerun::new(initial.clone());
        for action in path {
            if rerun.undefined(model, action).is_some() {
                break;
            }
            rerun.step(world, action).await?;
        }
    }
    Ok(world.has_late_rows())
}

/// The first path on which an action was accepted.
fn path_to(
    graph: &Graph,
    action: ActionId,
    accepts: impl Fn(u16) -> bool,
) -> Option<Vec<ActionId>> {
    let mut all = (0..graph.transition_count() as u32).map(TransitionId);
    let last = all.find(|id| {
        let step = graph.transition(*id);
        step.action == action && accepts(step.status)
    })?;
    let mut path = graph.actions_to(graph.transition(last).from);
    path.push(action);
    Some(path)
}
