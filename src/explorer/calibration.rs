//! Before the walk: runs actions twice from the same states, so that the world learns what is another value each time.

use crate::model::{ActionId, Effect, Facts, Model};
use crate::world::{Arrival, World, WorldError};

use super::guard_state::GuardStates;

/// How often an action is looked at that changes something.
const LOOKS: u32 = 2;

/// Steps for each action at the most; each is taken twice.
const STEPS: u32 = 3;

/// Walks once through what the actions enable, takes each step twice, and hands both outcomes to the world. No step of the run: the
/// initial state is restored at the end.
pub(super) async fn calibrate<W: World>(
    model: &Model,
    world: &mut W,
    initial: &Arrival<W::Checkpoint>,
) -> Result<(), WorldError> {
    let mut guard_states = GuardStates::new(model, &[]);
    let facts = Facts::none(model.facts.len());
    let mut guards = guard_states.intern(model, &initial.context, &facts);
    let mut at = initial.checkpoint.clone();
    let mut looks = vec![0_u32; model.actions.len()];
    for _ in 0..STEPS * model.actions.len() as u32 {
        let enabled = |action: &ActionId| guard_states.enables(guards, *action);
        let next = model.action_ids().filter(enabled);
        let Some(action) = next.min_by_key(|action| looks[action.0 as usize]) else {
            break;
        };
        let look = &mut looks[action.0 as usize];
        if *look >= LOOKS {
            break;
        }
        let context = guard_states.context(guards).clone();
        let first = world.act(action, &context).await?;
        if first.effect != Effect::Changed || model.action(action).request.is_safe() {
            // Where it is refused it may be tried once more, from another state.
            *look += 1;
            world.restore(&at).await?;
            continue;
        }
        world.restore(&at).await?;
        let second = world.act(action, &context).await?;
        *look += 1;
        if let (Some(before), Some(now)) = (&first.record, &second.record) {
            world.compare(before, now);
        }
        guards = guard_states.after(model, guards, action, second.effect, &second.context);
        at = second.checkpoint;
        world.restore(&at).await?;
    }
    world.restore(&initial.checkpoint).await?;
    world.end_calibration();
    Ok(())
}
