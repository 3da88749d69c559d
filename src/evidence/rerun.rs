//! Runs a path once more, step by step.

use crate::model::{ActionId, Finding, Model, OracleId, PathStep, StepRecord};
use crate::oracle::{Judge, Judged};
use crate::world::{Arrival, World, WorldError};

/// A path that is run again. The world must stand where it begins.
#[derive(Debug)]
pub(crate) struct Rerun<C> {
    /// Where the last step began; where the path begins, if none was taken.
    pub(crate) before: Arrival<C>,
    /// Where the world stands.
    pub(crate) here: Arrival<C>,
    /// What was done and seen so far.
    pub(crate) path: Vec<PathStep>,
}

impl<C: Clone> Rerun<C> {
    /// A path that begins in this state.
    pub(crate) fn new(initial: Arrival<C>) -> Self {
        Self {
            before: initial.clone(),
            here: initial,
            path: Vec::new(),
        }
    }

    /// A value that the request of an action needs, and that nobody has bound on the path: it cannot be sent.
    pub(crate) fn undefined<'m>(&self, model: &'m Model, action: ActionId) -> Option<&'m str> {
        let mut needed = model.action(action).requires.iter();
        let missing = needed.find(|variable| self.here.context.get(**variable).is_none())?;
        let name = model.names.variables.get_index(missing.0 as usize)?;
        Some(name)
    }

    /// Takes the next step.
    pub(crate) async fn step<W: World<Checkpoint = C>>(
        &mut self,
        world: &mut W,
        action: ActionId,
    ) -> Result<(), WorldError> {
        let arrival = world.act(action, &self.here.context).await?;
        self.path.push(PathStep {
            action,
            record: arrival.record.clone().map(StepRecord::compact),
        });
        self.before = std::mem::replace(&mut self.here, arrival);
        Ok(())
    }

    /// What oracles have to say about the last step and the state it led to: all, or only this one. Nothing where no step
    /// was taken.
    pub(crate) async fn judge_last<W: World<Checkpoint = C>, J: Judge<W>>(
        &self,
        world: &mut W,
        judge: &mut J,
        only: Option<OracleId>,
    ) -> Result<Vec<Finding>, WorldError> {
        let Some(last) = self.path.last() else {
            return Ok(Vec::new());
        };
        let judged = Judged {
            action: Some(last.action),
            context_before: &self.before.context,
            arrival: &self.here,
            new_state: true,
            broken_before: &[],
            only,
        };
        Ok(judge.judge(world, judged).await?.findings)
    }
}
