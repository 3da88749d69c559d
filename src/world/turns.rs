//! How often requests that make values up had an effect on a path: with the seed, that is what their values follow from.

use std::sync::Arc;

use crate::model::{ActionId, Bindings, Context, Model, RequestTemplate};

/// The turns of each such action. They belong to a checkpoint and are no part of the identity of its state: whoever comes
/// back to a state sends from there what was sent before. A clone costs nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Option<Arc<[(ActionId, u32)]>>);

impl Turns {
    /// What fills the request of an action here.
    pub(super) fn bindings(&self, model: &Model, action: ActionId, context: &Context) -> Bindings {
        Bindings {
            turn: self.of(action),
            ..model.action_bindings(action, context)
        }
    }

    /// How often this action had an effect so far.
    fn of(&self, action: ActionId) -> u32 {
        let mut all = self.0.iter().flat_map(|all| all.iter());
        let found = all.find(|(known, _)| *known == action);
        found.map_or(0, |(_, turn)| *turn)
    }

    /// The turns after one more of this action, whose request is this.
    pub(super) fn after(&self, action: ActionId, request: &RequestTemplate) -> Self {
        if request.place.is_none() {
            return self.clone();
        }
        let others = self.0.iter().flat_map(|all| all.iter());
        let others = others.filter(|(known, _)| *known != action).copied();
        let turn = self.of(action) + 1;
        Self(Some(others.chain([(action, turn)]).collect()))
    }
}
