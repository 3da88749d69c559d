//! Now and then, after a restore, take again a step whose outcome is known: a service that answers differently from
//! the same state is not deterministic, and the user must know.

use std::sync::Arc;

use crate::evidence::differences;
use crate::model::{ActionId, Model, StepRecord};
use crate::oracle::Judge;
use crate::world::{Warning, World, WorldError};

use super::graph::{Graph, StateId};
use super::walk::Walk;

/// Whether this restore is followed by a step taken again: the first ones, then one in 64, so that a long run pays
/// little and a short one is still checked.
pub(super) fn is_due(restores: u64) -> bool {
    restores.is_power_of_two() && restores <= 64 || restores.is_multiple_of(64)
}

impl<W: World, J: Judge<W>> Walk<'_, W, J> {
    /// Takes again the newest step from `from`, where the world must stand, and comes back.
    pub(super) async fn retrace(
        &mut self,
        graph: &Graph,
        from: StateId,
    ) -> Result<Option<Warning>, WorldError> {
        let Some(id) = graph.outgoing(from).next() else {
            return Ok(None);
        };
        let transition = graph.transition(id);
        let arrival = self
            .world
            .act(transition.action, graph.context(from))
            .await?;
        let led_to = graph.lookup(
            self.model,
            from,
            transition.action,
            &arrival.context,
            arrival.identity,
        );
        let same = led_to == Some(transition.to) && arrival.status == transition.status;
        let warning = (!same).then(|| {
            non_determinism(
                self.model,
                transition.action,
                self.record(id),
                arrival.record.as_ref(),
            )
        });
        self.restore(from).await?;
        Ok(warning)
    }
}

/// The same action from the same state led elsewhere.
pub(super) fn non_determinism(
    model: &Model,
    action: ActionId,
    before: Option<&Arc<StepRecord>>,
    now: Option<&Arc<StepRecord>>,
) -> Warning {
    let name = &model.action(action).name;
    let differences = before
        .zip(now)
        .map(|(before, now)| differences(before, now))
        .unwrap_or_default();
    let what = if differences.is_empty() {
        "another state".to_owned()
    } else {
        differences.into_iter().collect::<Vec<_>>().join(", ")
    };
    Warning {
        code: "non-deterministic",
        message: format!("`{name}` was run twice from the same state, and differed in: {what}"),
        help: Some(
            "a service that writes after it has answered: give it time with `settle: 20ms`; otherwise name generated columns in `ignore_columns`, and variables that only pass through in `state_from_context`"
                .to_owned(),
        ),
        untrusted: false,
    }
}
