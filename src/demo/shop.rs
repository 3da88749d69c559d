//! The shop's one connection, and the transactions that requests run in.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::bugs::Bugs;
use super::errors::Refusal;
use super::schema;

/// What every handler is given.
///
/// One connection behind a lock, because SQLite has one writer at a time anyway and each request takes microseconds.
pub(super) struct Shop {
    connection: Mutex<Connection>,
    /// What is wrong with this shop.
    pub(super) bugs: Bugs,
}

impl Shop {
    /// Opens the file, and creates the tables where they are missing.
    pub(super) fn open(path: &Path, bugs: Bugs) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(64);
        schema::prepare(&connection)?;
        Ok(Self {
            connection: Mutex::new(connection),
            bugs,
        })
    }

    /// Runs a request that changes nothing.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.run(TransactionBehavior::Deferred, work)
    }

    /// Runs a request as one transaction: committed when it succeeds, rolled back when it is refused.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        // Immediate: taking the write lock first means waiting for another process here, where the busy timeout
        // applies, and never in the middle of the work.
        self.run(TransactionBehavior::Immediate, work)
    }

    fn run<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(behavior)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A handler that panicked has dropped, and so rolled back, its transaction: the connection is fine.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
