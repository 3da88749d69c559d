//! Now and then, after a restore, a step whose outcome is known is taken again. A service that answers differently from
//! the same state is not deterministic, and the user must know.

use std::sync::Arc;

use crate::model::{ActionId, Differences, Model, Response, StepRecord};
use crate::world::{About, Warning, World, WorldError};

use super::explored::Explored;
use super::graph::{StateId, TransitionId};
use super::lost_login::is_denial;

/// Whether a known step is taken again after this restore: after the 1st, 2nd, 4th, ... 64th, then after one in 64, so
/// that a long run pays little and a short one is still checked.
pub(super) fn is_due(restores: u64) -> bool {
    restores.is_power_of_two() && restores <= 64 || restores.is_multiple_of(64)
}

/// What came of taking a step again.
#[derive(Debug)]
pub(super) enum Again {
    /// The same, or there was no step to take.
    Same,
    /// Something else.
    Otherwise(Warning),
    /// A step of this action had been accepted, and was refused with 401 or 403.
    Denied(ActionId),
}

/// Takes again the newest step from `from`, where the world must stand, and restores `from`.
pub(super) async fn take_again<W: World>(
    model: &Model,
    world: &mut W,
    explored: &Explored<W::Checkpoint>,
    from: StateId,
) -> Result<Again, WorldError> {
    let graph = explored.graph();
    // A request that is not answered costs a restart of the service.
    let is_answered = |id: &TransitionId| graph.transition(*id).status != Response::NO_ANSWER;
    let Some(id) = graph.outgoing(from).find(is_answered) else {
        return Ok(Again::Same);
    };
    let before = graph.transition(id);
    let arrival = world.act(before.action, graph.context(from)).await?;
    let (effect, context) = (arrival.effect, &arrival.context);
    let led_to = graph.lookup(
        model,
        from,
        before.action,
        effect,
        context,
        arrival.identity,
    );
    let same = led_to == Some(before.to) && arrival.status == before.status;
    let had_been_accepted = model.action(before.action).expect.accepts(before.status);
    let is_rate_limit = (arrival.record.as_ref()).is_some_and(|it| it.response.is_rate_limit);
    let again = if same || is_rate_limit {
        Again::Same
    } else if had_been_accepted && is_denial(arrival.status) {
        Again::Denied(before.action)
    } else {
        let record = explored.step_record(id);
        let records = (record.as_ref(), arrival.record.as_ref());
        Again::Otherwise(non_determinism(model, before.action, records))
    };
    world.restore(explored.checkpoint(from)).await?;
    Ok(again)
}

/// The warning that the same action from the same state led to another outcome: the records of both steps, where there are any.
pub(super) fn non_determinism(
    model: &Model,
    action: ActionId,
    (before, now): (Option<&Arc<StepRecord>>, Option<&Arc<StepRecord>>),
) -> Warning {
    let differences = (before.zip(now))
        .map(|(before, now)| Differences::between(before, now))
        .unwrap_or_default();
    let name = &model.action(action).name;
    Warning::about(About::unsteady(model, name, differences))
}
