//! Stateful things under the service that venomqa can watch and put back.
//!
//! A system never proxies and never uses savepoints: the service keeps its own connections and commits as it likes. Row
//! triggers (the *journal*) tell which rows a step touched; a restore writes exactly the rows that differ.
//! A new kind of database is a folder here and one line in [`ENGINES`].

#[cfg(test)]
mod contract;
mod engine;
mod left_alone;
pub mod postgres;
mod query_excerpt;
mod query_limit;
pub mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::{Warning, WorldError};
use crate::identity::TableShape;
use crate::interrupt::Interrupt;
use crate::model::{NetDelta, RowDelta, SqlQuery, Table};

pub use engine::{ENGINES, Engine, Location, LocationKind, open};

/// One database under the service.
#[async_trait(?Send)]
pub trait System {
    /// Its key in the spec.
    fn name(&self) -> &str;

    /// From now on, queries and waits end soon after the user wants to stop or the time of the run is over.
    fn end_with(&mut self, interrupt: &Interrupt);

    /// Installs the journal and remembers the content as it is now: the content before the run. If a killed run left
    /// its journal behind, puts the database back first and says so in the returned text.
    async fn install(&mut self) -> Result<Option<String>, WorldError>;

    /// The content from here on is the initial state: called once, after `setup`. From now on deltas are relative to
    /// this point, and [`System::uninstall`] still goes back to the content before the run.
    async fn mark_initial(&mut self) -> Result<(), WorldError>;

    /// What the schema says of keys and references of the watched tables, once the initial state is marked. Empty where that
    /// cannot be known: then states are told apart by every id.
    async fn shapes(&mut self) -> Result<Vec<TableShape>, WorldError> {
        Ok(Vec::new())
    }

    /// The rows that changed since the last call (or the last restore), relative to `known`, the net delta of the state
    /// the system was in then.
    async fn read(&mut self, known: &SystemState) -> Result<Reading, WorldError>;

    /// Writes the rows in which `from`, the content now, and `to` differ, in one transaction, without firing triggers
    /// or foreign keys. Says whether it looked when it had written, and nobody else had written anything since the last
    /// reading; otherwise the next reading tells.
    async fn restore(&mut self, from: &SystemState, to: &SystemState) -> Result<bool, WorldError>;

    /// Whether a restore notices rows in its way that somebody else has written since the last reading. Where it does not,
    /// there has to be a reading right before.
    fn restores_over_strays(&self) -> bool {
        false
    }

    /// The walk is over: a last look at what is too dear to look at after every step.
    async fn conclude(&mut self) -> Result<(), WorldError> {
        Ok(())
    }

    /// Compares the database with what `state` says it must hold: every row of the touched tables where they are small,
    /// the touched rows where they are large. An error names the table and the rows.
    async fn verify(&mut self, state: &SystemState) -> Result<(), WorldError>;

    /// Called when the service has been started again. An error where it has replaced what is watched, so that the
    /// journal would never tell of its writes.
    async fn still_there(&mut self) -> Result<(), WorldError> {
        Ok(())
    }

    /// The transactions that hold locks right now, each in words: why a request may hang. Empty where there is none, or where
    /// that cannot be known.
    async fn lock_holders(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Prepares a query of the spec and says which tables it reads; `None` when that cannot be known.
    async fn prepare(&mut self, query: &SqlQuery) -> Result<Option<Vec<Arc<Table>>>, WorldError>;

    /// Runs a query in a read-only way. `parameters` are in the order of [`SqlQuery::parameters`].
    async fn query(
        &mut self,
        query: &SqlQuery,
        parameters: &[Value],
    ) -> Result<QueryRows, WorldError>;

    /// Puts the content before the run back and removes the journal. Returns what there is to say of that: what was left as
    /// it is on purpose, and what had happened to the database.
    async fn uninstall(&mut self) -> Result<Vec<Warning>, WorldError>;
}

/// The content of a system in one state.
#[derive(Clone, Debug, Default)]
pub struct SystemState {
    /// How it differs from the initial state.
    pub delta: NetDelta,
    /// A copy of the whole database, where it has tables that a journal cannot watch (virtual tables).
    pub image: Option<Arc<[u8]>>,
}

/// What [`System::read`] found.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The rows that changed.
    pub delta: RowDelta,
    /// See [`SystemState::image`].
    pub image: Option<Arc<[u8]>>,
    /// What the user should know: a transaction still open after the answer, for example.
    pub warnings: Vec<Warning>,
}

/// The result of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryRows {
    /// Column names.
    pub columns: Vec<String>,
    /// Rows of values.
    pub rows: Vec<Vec<Value>>,
}
