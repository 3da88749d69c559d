//! Now and then, after a restore, take again a step whose outcome is known: a service that answers differently from
//! the same state is not deterministic, and the user must know.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{ActionId, Model, RowChange, StepRecord};
use crate::oracle::Judge;
use crate::world::{Warning, World, WorldError};

use super::engine::Run;
use super::graph::{Graph, StateId};

/// Whether this restore is followed by a step taken again: the first ones, then one in 64, so that a long run pays
/// little and a short one is still checked.
pub(super) fn is_due(restores: u64) -> bool {
    restores.is_power_of_two() && restores <= 64 || restores.is_multiple_of(64)
}

impl<W: World, J: Judge<W>> Run<'_, W, J> {
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
            "name generated columns in `ignore_columns`, and variables that only pass through in `state_from_context`"
                .to_owned(),
        ),
        untrusted: false,
    }
}

/// Columns, extracted variables and statuses in which two runs of one action differ.
fn differences(before: &StepRecord, now: &StepRecord) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if before.response.status != now.response.status {
        names.insert(format!(
            "status ({} and {})",
            before.response.status, now.response.status
        ));
    }
    for (name, value) in &before.extracted {
        if now
            .extracted
            .iter()
            .any(|(other, again)| other == name && again != value)
        {
            names.insert(format!("extracted `{name}`"));
        }
    }
    let first: Vec<_> = before.rows.rows().collect();
    let second: Vec<_> = now.rows.rows().collect();
    let touched =
        |rows: &[&RowChange]| -> Vec<u32> { rows.iter().map(|change| change.table.id.0).collect() };
    if touched(&first) == touched(&second) {
        // The same rows in the same order, as far as tables go: name the columns.
        for (a, b) in first.iter().zip(&second) {
            if let (Some(x), Some(y)) = (&a.after, &b.after) {
                let columns = a.table.columns.iter().zip(x.iter().zip(y.iter()));
                for (index, (column, (x, y))) in columns.enumerate() {
                    let ignored = a.table.ignored_columns.get(index).copied();
                    if x != y && ignored != Some(true) && a.table.observed {
                        names.insert(format!("{}.{column}", a.table.name));
                    }
                }
            }
        }
    } else {
        for change in first.iter().chain(&second) {
            names.insert(format!("rows of {}", change.table.name));
        }
    }
    names
}
