//! The interface between the explorer and the oracles.

use crate::model::{ActionId, Context, Finding, InvariantId, OracleId};
use crate::world::{Arrival, World, WorldError};

/// Judges steps and states. The engine knows no oracle by name.
#[expect(
    async_fn_in_trait,
    reason = "a walk is sequential on one thread, so no future has to be Send"
)]
pub trait Judge<W: World> {
    /// Judges one step and, where the step led to a new state, that state. May query the world's systems and send probes,
    /// but must leave the state as it was.
    async fn judge(
        &mut self,
        world: &mut W,
        step: Judged<'_, W::Checkpoint>,
    ) -> Result<Judgement, WorldError>;
}

/// What is to be judged.
#[derive(Debug)]
pub struct Judged<'a, C> {
    /// The action; `None` for the initial state, which is judged as a new state.
    pub action: Option<ActionId>,
    /// The context before the step.
    pub context_before: &'a Context,
    /// Where it led.
    pub arrival: &'a Arrival<C>,
    /// Whether the step led to a new state: then all state oracles are evaluated. In a known state only those are evaluated
    /// that read what the identity leaves out: those rows may differ from the rows that were judged when the state was new.
    pub new_state: bool,
    /// State oracles that were broken in the state where the step began, ascending.
    pub broken_before: &'a [OracleId],
    /// The only oracle that has to be evaluated; findings of others are ignored. `None` where all count.
    pub only: Option<OracleId>,
}

impl<'a, C> Judged<'a, C> {
    /// The initial state.
    pub fn initial(arrival: &'a Arrival<C>) -> Self {
        Self {
            action: None,
            context_before: &arrival.context,
            arrival,
            new_state: true,
            broken_before: &[],
            only: None,
        }
    }
}

/// The verdict of the oracles.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// Each new finding: of oracles about the response, and of state oracles that held before the step.
    pub findings: Vec<Finding>,
    /// For a new state: all state oracles that are broken there, whether or not they held before, ascending.
    pub broken: Vec<OracleId>,
    /// The invariants that were evaluated, ascending. For the others the result of the state before holds.
    pub evaluated: Vec<OracleId>,
    /// Of the evaluated invariants those that found nothing here that they speak of: no value at their JSONPath, no value for a
    /// parameter of their query.
    pub vacuous: Vec<InvariantId>,
    /// The invariants that could not be evaluated, and why, as a clause.
    pub unjudged: Vec<(InvariantId, String)>,
}

impl Judgement {
    /// Why this oracle could not be evaluated, as a clause, if it could not.
    pub fn why_unjudged(&self, oracle: OracleId) -> Option<&str> {
        let mut unjudged = self.unjudged.iter();
        let (_, why) = unjudged.find(|(id, _)| OracleId::Invariant(*id) == oracle)?;
        Some(why)
    }
}

/// Reports nothing; for models that are explored for their states only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unjudged;

impl<W: World> Judge<W> for Unjudged {
    async fn judge(
        &mut self,
        _world: &mut W,
        _step: Judged<'_, W::Checkpoint>,
    ) -> Result<Judgement, WorldError> {
        Ok(Judgement::default())
    }
}
