//! The form of a database file: what its header says beside the [counters](super::counters). Only writing the whole file anew, or
//! having it alone, changes it.

use std::time::Duration;

use rusqlite::Connection;

use super::apply::number;
use super::failure::{LOCK_WAIT, is_locked};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Whether there is a write-ahead log. The other journal modes are matters of a connection.
    has_log: bool,
    page_size: i64,
    auto_vacuum: i64,
}

/// How long the file is waited for to be alone with it.
const ALONE_WAIT: Duration = Duration::from_millis(200);

impl Form {
    /// Reads it.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        Ok(Self {
            has_log: mode == "wal",
            page_size: number(connection, "PRAGMA page_size")?,
            auto_vacuum: number(connection, "PRAGMA auto_vacuum")?,
        })
    }

    /// Keeps it in the journal, as what it was before the run. To be called within a transaction.
    pub(super) fn keep(self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch(&format!(
            "CREATE TABLE venomqa_form (has_log INTEGER, page_size INTEGER, auto_vacuum INTEGER);
             INSERT INTO venomqa_form VALUES ({}, {}, {})",
            self.has_log, self.page_size, self.auto_vacuum
        ))
    }

    /// What it was before the run, from the journal.
    pub(super) fn kept(connection: &Connection) -> rusqlite::Result<Self> {
        connection.query_row(
            "SELECT has_log, page_size, auto_vacuum FROM venomqa_form",
            [],
            |row| {
                Ok(Self {
                    has_log: row.get(0)?,
                    page_size: row.get(1)?,
                    auto_vacuum: row.get(2)?,
                })
            },
        )
    }

    /// Writes the file anew where its pages are not what they were. The journal must be in it still: its indexes keep `VACUUM` from
    /// numbering rows anew.
    pub(super) fn rewrite(self, connection: &Connection) -> rusqlite::Result<()> {
        let now = Self::read(connection)?;
        if (now.page_size, now.auto_vacuum) == (self.page_size, self.auto_vacuum) {
            return Ok(());
        }
        self.make_way(connection)?;
        connection.execute_batch(&format!(
            "PRAGMA page_size = {}; PRAGMA auto_vacuum = {}; VACUUM",
            self.page_size, self.auto_vacuum
        ))
    }

    /// Sees to it that a file of this form can be copied over the one of a connection: with a write-ahead log, pages keep their size.
    pub(super) fn make_way(self, connection: &Connection) -> rusqlite::Result<()> {
        match Self::read(connection) {
            Ok(now) if now.has_log && now.page_size != self.page_size => {
                let without = Self {
                    has_log: false,
                    ..now
                };
                match without.set_mode(connection)? {
                    None => Ok(()),
                    Some(what) => Err(rusqlite::Error::SqliteFailure(
                        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                        Some(what),
                    )),
                }
            }
            // Whatever else is wrong with it goes with its content.
            _ => Ok(()),
        }
    }

    /// Gives the file its write-ahead log back, or takes it away. Says what stays where somebody else has the file open.
    pub(super) fn set_mode(self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let mode = |log: bool| if log { "wal" } else { "delete" };
        let now = Self::read(connection)?;
        if now.has_log == self.has_log {
            return Ok(None);
        }
        connection.busy_timeout(ALONE_WAIT)?;
        let set = connection.query_row(
            &format!("PRAGMA journal_mode = {}", mode(self.has_log)),
            [],
            |row| row.get::<_, String>(0),
        );
        connection.busy_timeout(LOCK_WAIT)?;
        match set {
            Ok(found) if found == mode(self.has_log) => return Ok(None),
            Err(error) if !is_locked(&error) => return Err(error),
            _ => {}
        }
        Ok(Some(format!(
            "`journal_mode` was `{}` and is `{}` now: while other connections are open it cannot be changed",
            mode(self.has_log),
            mode(now.has_log)
        )))
    }
}
