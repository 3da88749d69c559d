//! The system under test. All I/O is below this line.
//!
//! [`World`] is the seam: the engine walks any world. [`LiveWorld`] is a service reached over HTTP with its databases;
//! [`mock`] holds worlds in memory with exactly known state spaces.

mod checkpoint;
pub mod config;
mod cookies;
mod databases;
mod extract;
mod fresh_start;
mod http;
mod launch;
mod live_world;
pub mod mock;
mod render;
mod replay;
mod restore;
mod restore_check;
mod send;
mod service;
mod setup;
pub mod system;
#[cfg(test)]
mod test_support;

use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    ActionId, Cell, Context, Digest, RequestTemplate, RowChange, RowDelta, SqlQuery, StepRecord,
    Table, TableKind,
};
use crate::secret::Secrets;

pub use checkpoint::Checkpoint;
pub use live_world::LiveWorld;

use system::QueryRows;

/// What the engine needs of the system under test.
#[expect(
    async_fn_in_trait,
    reason = "a walk is sequential on one thread, so no future has to be Send"
)]
pub trait World {
    /// Everything needed to come back to a state. Cheap to clone: it shares with that of the parent state all but what
    /// one step changed.
    type Checkpoint: Clone;

    /// Makes the world ready and says what the initial state looks like.
    async fn begin(&mut self) -> Result<Arrival<Self::Checkpoint>, WorldError>;

    /// Executes one action from where the world stands.
    async fn act(
        &mut self,
        action: ActionId,
        context: &Context,
    ) -> Result<Arrival<Self::Checkpoint>, WorldError>;

    /// Puts every system, the cookies and whatever else the world remembers back to this state, exactly. Costs nothing
    /// where the world stands there already.
    async fn restore(&mut self, to: &Self::Checkpoint) -> Result<(), WorldError>;

    /// Brings the world to its initial state as a new run would find it: with nothing left of this run, not even in the
    /// memory of a service that can be started anew. Values that `setup` got may be other ones than at the beginning, and
    /// what is known of other states does not hold for paths that begin here.
    async fn renew(&mut self) -> Result<Arrival<Self::Checkpoint>, WorldError>;

    /// Requests sent so far, whatever for.
    fn requests(&self) -> u64;

    /// The walk is over: a last look at what is too dear to look at after every step. An error where what was walked was
    /// not what it should have been.
    async fn conclude(&mut self) -> Result<(), WorldError> {
        Ok(())
    }

    /// What must not be shown, as far as the world knows: what `setup` has sent and got is in it.
    fn secrets(&self) -> Option<&Secrets> {
        None
    }

    /// Whether [`World::restore`] can be called at all (`restore: none` cannot).
    fn can_restore(&self) -> bool {
        true
    }

    /// Time spent so far, by what it was spent on.
    fn time(&self) -> WorldTime {
        WorldTime::default()
    }

    /// What the world has to say that is no reason to stop, since the last call: each text once.
    fn take_warnings(&mut self) -> Vec<Warning> {
        Vec::new()
    }
}

/// Where the time of a world went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorldTime {
    /// Waiting for answers of the service.
    pub http: Duration,
    /// Reading what a step changed.
    pub journal: Duration,
    /// Going back, and proving it.
    pub restore: Duration,
}

impl WorldTime {
    /// The time spent since an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            http: self.http.saturating_sub(earlier.http),
            journal: self.journal.saturating_sub(earlier.journal),
            restore: self.restore.saturating_sub(earlier.restore),
        }
    }

    /// All of it.
    pub fn sum(self) -> Duration {
        self.http + self.journal + self.restore
    }
}

/// What oracles ask of a world, beside what a step recorded. Leaves the state as it was.
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

    /// Sends a request of an invariant; `None` when a value that it needs is not defined in this context. Rows that it
    /// changed stand in the record and have been put back.
    async fn probe(
        &mut self,
        request: &RequestTemplate,
        context: &Context,
    ) -> Result<Option<StepRecord>, WorldError>;
}

/// What the world looks like after a step.
#[derive(Clone, Debug)]
pub struct Arrival<C> {
    /// The context after extraction.
    pub context: Context,
    /// What the identity of the state takes from the world: observed rows and observation queries.
    pub identity: Digest,
    /// The way back.
    pub checkpoint: C,
    /// Status of the answer; 0 in the initial state and in worlds without HTTP.
    pub status: u16,
    /// Whether any row changed, observed or not.
    pub wrote: bool,
    /// What was seen. `None` in the initial state and in worlds that record nothing.
    pub record: Option<Arc<StepRecord>>,
}

/// Something the user should know although the run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Stable kebab-case code with an anchor in `docs/diagnostics.md`.
    pub code: &'static str,
    /// What was seen.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether verdicts can no longer be relied on; the run then ends with exit code 3 although it goes on.
    pub untrusted: bool,
}

impl Warning {
    /// What changed while no request ran: the tables, and where no row did, the sequences.
    pub(crate) fn background_writes(delta: &RowDelta) -> Vec<Self> {
        let rows: Vec<Self> = delta.rows().map(Self::background_write).collect();
        if !rows.is_empty() {
            return rows;
        }
        let sequences = delta.changes().iter();
        sequences.map(Self::background_write).collect()
    }

    fn background_write(change: &RowChange) -> Self {
        let table = &change.table;
        Self {
            code: "background-write",
            message: match table.kind {
                TableKind::Rows => format!(
                    "rows of `{}` (system `{}`) changed while no request ran; they have been put back",
                    table.name, table.system
                ),
                TableKind::Sequence => format!(
                    "the sequence `{}` (system `{}`) moved while no request ran; it has been put back",
                    change.key.first().map(Cell::to_string).unwrap_or_default(),
                    table.system
                ),
            },
            help: Some(
                "a job that writes by itself: name its tables under `ignore_tables`; a service that writes after it has answered: give it time with `settle: 20ms`"
                    .to_owned(),
            ),
            untrusted: false,
        }
    }
}

/// Why a run cannot go on. All of these end it with exit code 3.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct WorldError {
    /// Which part failed.
    pub kind: WorldErrorKind,
    /// What happened, with the names of things.
    pub message: String,
    /// Lines that help to understand it: the tail of the service's log, the rows that differ.
    pub details: Vec<String>,
    /// What to do next.
    pub help: Option<String>,
}

impl WorldError {
    /// The same error without what must not be shown.
    pub(crate) fn without(mut self, secrets: &Secrets) -> Self {
        let texts = [&mut self.message]
            .into_iter()
            .chain(&mut self.details)
            .chain(&mut self.help);
        for text in texts {
            *text = secrets.hide(text).into_owned();
        }
        self
    }
}

/// Which part of the world failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorldErrorKind {
    /// The service does not start, has died, or gives no complete HTTP answer.
    Service,
    /// A database cannot be opened, read or written, or changes its schema during the run.
    System,
    /// A restore was not exact.
    Restore,
    /// A request cannot be built from its templates.
    Request,
    /// The user asked to stop while something was under way.
    Interrupted,
}

impl WorldErrorKind {
    /// The word used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::System => "system",
            Self::Restore => "restore",
            Self::Request => "request",
            Self::Interrupted => "interrupted",
        }
    }
}

impl WorldError {
    /// An error with a message only.
    pub fn new(kind: WorldErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            details: Vec::new(),
            help: None,
        }
    }

    /// The same error, saying whose query it was: a query that fails must never look like one that found nothing.
    #[must_use]
    pub fn of_query(self, owner: &str, query: &SqlQuery) -> Self {
        if self.kind == WorldErrorKind::Interrupted {
            return self;
        }
        let help = self.help.clone().unwrap_or_else(|| {
            "run the query in the database's own shell, against the tables of the service"
                .to_owned()
        });
        let origin = query.origin.as_ref();
        let place = origin.map_or_else(String::new, |origin| format!(" at {}", origin.place(0)));
        let text: Vec<&str> = query.text.split_whitespace().collect();
        Self {
            message: format!("the SQL of {owner} failed: {}", self.message),
            ..self
        }
        .with_details([format!("SQL{place}: {}", text.join(" "))])
        .with_help(help)
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds lines that help to understand it.
    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }
}
