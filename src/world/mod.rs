//! The system under test. All I/O is below this line.
//!
//! [`World`] is the seam: the engine walks any world. [`LiveWorld`] is a service reached over HTTP with its databases;
//! [`mock`] holds worlds in memory with exactly known state spaces.

mod answer;
mod checkpoint;
pub mod config;
mod cookies;
mod databases;
mod deployment;
mod error;
mod extract;
mod fresh_start;
mod guard;
mod http;
mod live_values;
mod live_world;
pub mod mock;
mod observations;
mod offspring;
mod path;
mod patience;
mod patterns;
mod principals;
mod process;
mod render;
mod restore_check;
mod run_names;
mod send;
mod service;
mod settle;
mod setup;
mod setup_again;
mod state_identity;
pub mod system;
#[cfg(test)]
mod test_support;
pub mod toy;
mod turns;
mod united;
mod warning;
mod way_back;

use std::sync::Arc;
use std::time::Duration;

use crate::identity::LeftOut;
use crate::model::{
    ActionId, Context, Digest, Effect, RequestTemplate, Situation, SqlQuery, StepRecord, Table,
    VariableId,
};

pub use checkpoint::Checkpoint;
pub use error::{WorldError, WorldErrorKind};
pub use live_world::LiveWorld;
pub use offspring::{Orphan, orphans};
pub(crate) use patterns::{is_match, unmatched_secrets};
pub(crate) use united::About;
pub use warning::{Warning, WarningCode};

use system::QueryRows;

/// What the engine needs of the system under test.
#[expect(
    async_fn_in_trait,
    reason = "a walk is sequential on one thread, so no future has to be Send"
)]
pub trait World {
    /// Everything that is needed to restore a state. Cheap to clone: it shares everything but the changes of one step with
    /// the checkpoint of the parent state.
    type Checkpoint: Clone;

    /// Makes the world ready and returns the initial state.
    async fn begin(&mut self) -> Result<Arrival<Self::Checkpoint>, WorldError>;

    /// Executes one action in the state that the world is in.
    async fn act(
        &mut self,
        action: ActionId,
        context: &Context,
    ) -> Result<Arrival<Self::Checkpoint>, WorldError>;

    /// Restores a state exactly: every system, the cookies, and whatever else the world remembers. Costs nothing where the
    /// world is in this state already.
    async fn restore(&mut self, to: &Self::Checkpoint) -> Result<(), WorldError>;

    /// Restores the initial state as a new run would find it: nothing is left of this run, not even in the memory of a
    /// service that can be restarted. Values that `setup` extracts may differ from those at the beginning, so what is known
    /// of other states does not hold for paths that begin here.
    async fn renew(&mut self) -> Result<Arrival<Self::Checkpoint>, WorldError>;

    /// Logs whoever sends this action in again, in the state that the world is in, if a refusal with this status asks for that. What
    /// the login writes is no part of the state's identity. Says whether that was done.
    async fn renew_login(&mut self, action: ActionId, status: u16) -> Result<bool, WorldError> {
        let _ = (action, status);
        Ok(false)
    }

    /// How often somebody was logged in again so far.
    fn logins(&self) -> u64 {
        0
    }

    /// Whether the world wants to see actions run twice from the same states before the walk, by way of [`World::compare`], to learn
    /// what is another value each time.
    fn is_calibrating(&self) -> bool {
        false
    }

    /// Two runs of one action from the same state.
    fn compare(&mut self, before: &StepRecord, now: &StepRecord) {
        let _ = (before, now);
    }

    /// What was learned counts from now on: the identity of a state is another one.
    fn end_calibration(&mut self) {}

    /// The identity of a state as it is now, where that may have changed since it was arrived at.
    fn identity(&mut self, at: &Self::Checkpoint) -> Option<Digest> {
        let _ = at;
        None
    }

    /// What tells two states apart that have one identity; `None` where nothing does.
    fn left_out(&mut self, a: &Self::Checkpoint, b: &Self::Checkpoint) -> Option<LeftOut> {
        let _ = (a, b);
        None
    }

    /// Two states that differ in this had one identity and behave differently, as `why` says: it counts from now on.
    fn count_again(&mut self, left_out: &LeftOut, why: &str) {
        let _ = (left_out, why);
    }

    /// What counts again since the last call; `None` where every state has the identity that it had. An empty one means that
    /// identities have changed, but no state was taken for another one.
    fn take_counted_again(&mut self) -> Option<LeftOut> {
        None
    }

    /// The variables that the identity of [`Arrival`] covers, once the world has begun: which rows they name is part of it, and
    /// not what the ids are.
    fn row_variables(&self) -> Vec<VariableId> {
        Vec::new()
    }

    /// What requests meet in a state: for each of these sets of variables, what the rows look like that they name. `None` where the
    /// world cannot say. What a set means in which a variable is not defined does not matter: nothing is asked with it.
    fn situations(
        &mut self,
        at: &Self::Checkpoint,
        context: &Context,
        named: &[&[VariableId]],
    ) -> Option<Vec<Situation>> {
        let _ = (at, context, named);
        None
    }

    /// Requests sent so far, for whatever purpose.
    fn requests(&self) -> u64;

    /// Checks, once the walk is over, what is too expensive to check after every step. An error means that the states of the
    /// walk were not what they should have been.
    async fn conclude(&mut self) -> Result<(), WorldError> {
        Ok(())
    }

    /// Whether [`World::restore`] can be called at all (`restore: none` cannot).
    fn can_restore(&self) -> bool {
        true
    }

    /// Whether [`World::renew`] starts the service again, so that nothing is left in its memory.
    fn starts_anew(&self) -> bool {
        false
    }

    /// Whether a restore leaves the process of the service as it is, with whatever it keeps in its memory.
    fn leaves_process(&self) -> bool {
        false
    }

    /// Actions that answered otherwise after a restore, since the last call: the service may keep state in its process, or a
    /// clock may have moved on.
    fn take_suspects(&mut self) -> Vec<ActionId> {
        Vec::new()
    }

    /// Whether rows change while no request runs, or later than the answer: then nobody knows whose rows those of a step are.
    fn has_late_rows(&mut self) -> bool {
        false
    }

    /// Whether this action is known to write after it has answered.
    fn writes_late(&mut self, _action: ActionId) -> bool {
        false
    }

    /// Something hints at rows that come later than the answer: from now on they are looked for with more patience.
    fn listen(&mut self) {}

    /// Time spent so far, by what it was spent on.
    fn time(&self) -> WorldTime {
        WorldTime::default()
    }

    /// The warnings since the last call, each text once.
    fn take_warnings(&mut self) -> Vec<Warning> {
        Vec::new()
    }

    /// Whether answers never came, because the service limits how many requests it takes.
    fn has_lost_answers(&self) -> bool {
        false
    }

    /// What there is to say of the whole run once it is over.
    fn sum_up(&self) -> Vec<Warning> {
        Vec::new()
    }
}

/// What a world spent its time on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorldTime {
    /// Waiting for answers of the service.
    pub http: Duration,
    /// Reading what a step changed.
    pub journal: Duration,
    /// Restoring states, and checking restores.
    pub restore: Duration,
    /// Waiting for what the service writes after it has answered.
    pub settle: Duration,
    /// Starting the service again, until it was ready.
    pub start: Duration,
}

impl WorldTime {
    /// The time spent since an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            http: self.http.saturating_sub(earlier.http),
            journal: self.journal.saturating_sub(earlier.journal),
            restore: self.restore.saturating_sub(earlier.restore),
            settle: self.settle.saturating_sub(earlier.settle),
            start: self.start.saturating_sub(earlier.start),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            http: self.http + other.http,
            journal: self.journal + other.journal,
            restore: self.restore + other.restore,
            settle: self.settle + other.settle,
            start: self.start + other.start,
        }
    }

    /// The total.
    pub fn sum(self) -> Duration {
        self.http + self.journal + self.restore + self.settle + self.start
    }
}

/// What oracles find out from a world, beyond what a step recorded. The state stays as it was.
#[expect(
    async_fn_in_trait,
    reason = "a walk is sequential on one thread, so no future has to be Send"
)]
pub trait Observe {
    /// The tables a query reads; `None` when that cannot be known, so that the query must always be run.
    async fn tables_read(
        &mut self,
        query: &SqlQuery,
    ) -> Result<Option<Vec<Arc<Table>>>, WorldError>;

    /// Runs a query with the values of this context; `None` when one that it needs is not defined there.
    async fn query(
        &mut self,
        query: &SqlQuery,
        context: &Context,
    ) -> Result<Option<QueryRows>, WorldError>;

    /// Sends the request of an invariant; `None` when a value that it needs is not defined in this context. The record
    /// holds the rows that the request changed; they are restored.
    async fn probe(
        &mut self,
        request: &RequestTemplate,
        context: &Context,
    ) -> Result<Option<StepRecord>, WorldError>;
}

/// The state that a step led to.
#[derive(Clone, Debug)]
pub struct Arrival<C> {
    /// The context after extraction.
    pub context: Context,
    /// What the identity of the state takes from the world: observed rows and observation queries.
    pub identity: Digest,
    /// For coming back to the state.
    pub checkpoint: C,
    /// Status of the answer; 0 in the initial state, and where there was no complete answer.
    pub status: u16,
    /// What the step came to; [`Effect::None`] in the initial state.
    pub effect: Effect,
    /// Whether any row changed, observed or not.
    pub wrote: bool,
    /// What was seen. `None` in the initial state and in worlds that record nothing.
    pub record: Option<Arc<StepRecord>>,
}
