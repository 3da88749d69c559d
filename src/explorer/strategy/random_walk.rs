//! What `random` and `weighted` share: a walk that goes on from the current state.

use crate::model::ActionId;
use crate::random::Random;

use super::{Graph, Move, StateId};

/// The next step of a walk: an untried action of the current state, chosen by `choose`; where there is none, of another
/// open state. In a world that cannot be restored, any enabled action of the current state.
pub(super) fn step(
    graph: &Graph,
    random: &mut Random,
    choose: impl Fn(&mut Random, &mut dyn Iterator<Item = ActionId>) -> Option<ActionId>,
) -> Option<Move> {
    let here = graph.current();
    let from = if graph.is_open(here) {
        here
    } else if graph.can_restore() {
        jump(graph, random)?
    } else if graph.untried(here).next().is_some() {
        // Too deep for the limit, but there is no other place to go on from.
        here
    } else {
        let action = choose(random, &mut graph.enabled(here))?;
        return Some(Move { from: here, action });
    };
    let action = choose(random, &mut graph.untried(from))?;
    Some(Move { from, action })
}

/// The next step of a walk in which each untried action has the same chance.
pub(super) fn uniform(graph: &Graph, random: &mut Random) -> Option<Move> {
    step(graph, random, |random, actions| {
        let actions: Vec<_> = actions.collect();
        (!actions.is_empty()).then(|| actions[random.below(actions.len())])
    })
}

/// Any open state, each with the same chance.
fn jump(graph: &Graph, random: &mut Random) -> Option<StateId> {
    let open = graph.open();
    (!open.is_empty()).then(|| open[random.below(open.len())])
}
