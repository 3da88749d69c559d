//! Runs a path once more, step by step.

use crate::model::{ActionId, Context, Finding, OracleId, PathStep, StepRecord};
use crate::oracle::{Judge, Judged};
use crate::world::{Arrival, World, WorldError};

/// A path that is run again. The world must stand where it begins.
#[derive(Debug)]
pub(crate) struct Rerun<C> {
    context: Context,
    last: Option<Last<C>>,
    /// What was done and seen so far.
    pub(crate) path: Vec<PathStep>,
}

/// The last step that was taken.
#[derive(Debug)]
struct Last<C> {
    action: ActionId,
    context_before: Context,
    arrival: Arrival<C>,
}

impl<C: Clone> Rerun<C> {
    /// A path that begins with this context.
    pub(crate) fn new(context: Context) -> Self {
        Self {
            context,
            last: None,
            path: Vec::new(),
        }
    }

    /// Takes the next step.
    pub(crate) async fn step<W: World<Checkpoint = C>>(
        &mut self,
        world: &mut W,
        action: ActionId,
    ) -> Result<&Arrival<C>, WorldError> {
        let arrival = world.act(action, &self.context).await?;
        self.path.push(PathStep {
            action,
            record: arrival.record.clone().map(StepRecord::compact),
        });
        let context_before = std::mem::replace(&mut self.context, arrival.context.clone());
        let last = self.last.insert(Last {
            action,
            context_before,
            arrival,
        });
        Ok(&last.arrival)
    }

    /// What oracles have to say about the last step and the state it led to: all, or only this one. Nothing where no step
    /// was taken.
    pub(crate) async fn judge_last<W: World<Checkpoint = C>, J: Judge<W>>(
        &self,
        world: &mut W,
        judge: &mut J,
        only: Option<OracleId>,
    ) -> Result<Vec<Finding>, WorldError> {
        let Some(last) = &self.last else {
            return Ok(Vec::new());
        };
        let judged = Judged {
            action: Some(last.action),
            context_before: &last.context_before,
            arrival: &last.arrival,
            new_state: true,
            broken_before: &[],
            only,
        };
        Ok(judge.judge(world, judged).await?.findings)
    }
}
