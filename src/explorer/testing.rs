//! What the tests of the explorer share: models without requests, and a judge that forbids states.

use crate::event::Finished;
use crate::model::{Action, Evidence, Finding, InvariantId, Model, OracleId, Severity};
use crate::oracle::{Judge, Judged, Judgement};
use crate::world::{World, WorldError};

use super::{Observer, Options, explore};

/// A model with `count` actions that are always enabled.
pub(super) fn actions(count: usize) -> Model {
    Model {
        actions: (0..count)
            .map(|index| Action::named(&format!("a{index}")))
            .collect(),
        ..Model::default()
    }
}

/// Explores to the end.
pub(super) fn run<W: World, J: Judge<W>>(
    model: &Model,
    world: &mut W,
    judge: &mut J,
    options: &Options,
    observer: &mut dyn Observer,
) -> Finished {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(explore(model, world, judge, options, observer))
}

/// A state oracle that does not hold in the states that the function accepts.
pub(super) struct Forbid<F>(pub(super) F);

impl<S, W: World<Checkpoint = S>, F: Fn(&S) -> bool> Judge<W> for Forbid<F> {
    async fn judge(
        &mut self,
        _world: &mut W,
        step: Judged<'_, S>,
    ) -> Result<Judgement, WorldError> {
        let oracle = OracleId::Invariant(InvariantId(0));
        if !step.new_state || !(self.0)(&step.arrival.checkpoint) {
            return Ok(Judgement::default());
        }
        let finding = Finding {
            oracle,
            name: "forbidden".into(),
            severity: Severity::High,
            kind: "state".to_owned(),
            offends: Vec::new(),
            message: "a forbidden state".to_owned(),
            evidence: Evidence::Values {
                expected: "another state".to_owned(),
                actual: "this one".to_owned(),
            },
        };
        let is_new = !step.broken_before.contains(&oracle);
        Ok(Judgement {
            findings: is_new.then_some(finding).into_iter().collect(),
            broken: vec![oracle],
            ..Judgement::default()
        })
    }
}
