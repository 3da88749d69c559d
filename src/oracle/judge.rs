//! The seam between the explorer and the oracles.

use crate::model::{ActionId, Context, Finding, OracleId};
use crate::world::{Arrival, World, WorldError};

/// Who judges steps and states. The engine knows no oracle by name.
#[expect(
    async_fn_in_trait,
    reason = "a walk is sequential on one thread, so no future has to be Send"
)]
pub trait Judge<W: World> {
    /// Judges one step and, where it led to a new state, that state. May query the world's systems and send probes; what
    /// it leaves behind must be what it found.
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
    /// Whether nobody had been there before: then all state oracles are asked. In a known state only those are that look at
    /// what the identity leaves out, for there the state may hold other rows than when it was judged.
    pub new_state: bool,
    /// State oracles that already said no in the state where the step began, ascending.
    pub broken_before: &'a [OracleId],
    /// Where only this oracle matters: others need not be asked, and what they have to say is of no account.
    pub only: Option<OracleId>,
}

/// What the oracles said.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// Each `no` that is news: oracles about the response, and state oracles that said yes before the step.
    pub findings: Vec<Finding>,
    /// For a new state: all state oracles that say no there, old and new, ascending.
    pub broken: Vec<OracleId>,
    /// The invariants that were asked, ascending. Of the others what they said before holds.
    pub asked: Vec<OracleId>,
}

/// Finds nothing wrong with anything; for models that are explored for their states only.
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
