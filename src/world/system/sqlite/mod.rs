//! SQLite: a journal in the same file, restores of the rows that differ.
//!
//! The service keeps its own connections, in any process and either journal mode; everything here goes through SQLite,
//! never to the file, because a server that keeps its connection open serves its page cache.
//!
//! - `catalog` reads the schema, `triggers` tell the `journal`, `begin` installs them; `session` walks from state to state,
//!   `apply` writes rows, `counters` looks after numbers that belong to no row, `query` after the queries of the spec, `verify`
//!   proves restores, `image` copies whole databases where a table cannot be journalled.
//! - `recover` undoes a run, with `kept_rows` from the journal, or else with `safety_copy` (`copy_note` says of what); `set_aside` saves
//!   what others may have written since. `end` calls it when the run is over.
//!   `file_watch` and `schema` notice that the database is no longer what the journal was made for.
//! - Durability: with a rollback journal venomqa's connection syncs as SQLite does by default (`synchronous=FULL`); with
//!   a write-ahead log `NORMAL` is enough, because a power cut then loses the end of the log, changes and journal alike,
//!   never one without the other. The journal mode of a database is changed to what it was before the run, and only then (`form`).
//! - What it cannot see: changes made with `sqlite3_blob_write`, or on a connection on which the application has
//!   switched triggers off. [`System::verify`] finds them.
//! - What the application can see: `total_changes()` counts what the triggers write, too; `changes()` and
//!   `last_insert_rowid()` do not.

mod apply;
mod begin;
mod catalog;
mod connect;
mod copy_note;
mod counters;
mod end;
mod failure;
mod file_watch;
mod form;
mod ignored;
mod image;
mod journal;
mod kept_rows;
mod listing;
mod lock;
mod query;
mod recover;
mod safety_copy;
mod schema;
mod session;
mod set_aside;
mod shadows;
mod shapes;
mod spared;
mod sql;
mod statistics;
#[cfg(test)]
pub(super) mod tests;
mod triggers;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use serde_json::Value;

use super::query_limit::QueryLimit;
use super::{Engine, LocationKind, QueryRows, Reading, System, SystemState};
use crate::expr::Dialect;
use crate::identity::TableShape;
use crate::interrupt::Interrupt;
use crate::model::{RowDelta, SqlQuery, Table};
use crate::own_files;
use crate::world::config::SystemConfig;
use crate::world::{Warning, WorldError, WorldErrorKind};

use connect::connect;
use failure::{LOCK_WAIT, failed, is_locked, patiently};
use file_watch::{FileWatch, Found, Trouble};
use form::Form;
use lock::RunLock;
use session::{Look, SqliteSession};

/// Entries after which a read empties the journal, where nothing is ever restored.
const PRUNE_WITH_READ: i64 = 1_000;

/// How long a lock is waited for at first when the user wants to stop.
const HURRY: Duration = Duration::from_secs(1);

/// SQLite as a kind of database.
#[derive(Debug)]
pub struct Sqlite;

#[async_trait(?Send)]
impl Engine for Sqlite {
    fn key(&self) -> &'static str {
        "sqlite"
    }

    fn description(&self) -> &'static str {
        "Path of a SQLite database file; relative to the folder of the spec."
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["sqlite"]
    }

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn location_kind(&self) -> LocationKind {
        LocationKind::File
    }

    fn example(&self) -> &'static str {
        "path/to/file.db"
    }

    fn open(&self, config: &SystemConfig, location: &str) -> Result<Box<dyn System>, WorldError> {
        Ok(Box::new(SqliteSystem::open(config, Path::new(location))?))
    }

    async fn recover(&self, location: &str, _: bool) -> Result<Option<String>, WorldError> {
        end::recover(Path::new(location))
    }
}

/// A SQLite database that is watched and put back.
pub struct SqliteSystem {
    /// What the user calls the file.
    path: PathBuf,
    /// Where it is, links followed.
    place: PathBuf,
    config: SystemConfig,
    connection: Connection,
    /// The file that the connection is open on.
    file: FileWatch,
    session: Option<SqliteSession>,
    lock: Option<RunLock>,
    /// The form of the file before the run, and what the end has to say, until both are dealt with.
    form: Option<Form>,
    end_warnings: Vec<Warning>,
    /// How long a lock of another connection is waited for.
    patience: Duration,
    interrupt: Interrupt,
    /// Whether SQLite found a part of it gone.
    is_cut_off: bool,
    /// Whether locks were waited for in a hurry already when the run had to end.
    hurried: bool,
}

impl SqliteSystem {
    /// Opens the database in a file. It must exist; nothing is written to it.
    pub fn open(config: &SystemConfig, path: &Path) -> Result<Self, WorldError> {
        let place = own_files::resolved(path);
        Ok(Self {
            connection: connect(path)?,
            file: FileWatch::begin(path, &place),
            path: path.to_owned(),
            place,
            config: config.clone(),
            session: None,
            lock: None,
            form: None,
            end_warnings: Vec::new(),
            patience: LOCK_WAIT,
            interrupt: Interrupt::default(),
            is_cut_off: false,
            hurried: false,
        })
    }

    /// An error where the file is no longer the one that is watched. One system call, unless a part of it is gone.
    fn look_at_the_file(&mut self) -> Result<(), WorldError> {
        let found = self.file.look().map_err(|error| {
            WorldError::new(
                WorldErrorKind::System,
                format!("cannot look at `{}`: {error}", self.path.display()),
            )
        })?;
        match found {
            Found::Same => Ok(()),
            Found::Lost(trouble) => Err(lost(&self.path, trouble)),
            Found::Shorter => {
                let check: rusqlite::Result<String> =
                    self.connection
                        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
                match check {
                    Ok(answer) if answer != "ok" => {
                        self.is_cut_off = true;
                        Err(WorldError::new(
                            WorldErrorKind::System,
                            format!(
                                "`{}` was cut off or damaged during the run: {answer}",
                                self.path.display()
                            ),
                        ))
                    }
                    Err(error) if !is_locked(&error) => Err(failed(
                        &self.path,
                        "look at it after it got shorter",
                        &error,
                    )),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Waits until nobody reads or writes, which what follows could not do without blocking the thread.
    async fn wait_until_free(&mut self, doing: &str) -> Result<(), WorldError> {
        let free =
            |connection: &mut Connection| connection.execute_batch("BEGIN EXCLUSIVE; ROLLBACK");
        // The user is waiting, and the service may be about to be stopped, its locks with it.
        let patience = if self.interrupt.is_requested() && !self.hurried {
            self.hurried = true;
            HURRY
        } else {
            self.patience
        };
        // What has to be put back is put back, however urgent the end is.
        let never = Interrupt::default();
        match patiently(&mut self.connection, patience, &never, free).await {
            Err(error) if is_locked(&error) => Err(failed(&self.path, doing, &error)),
            // Whatever else is wrong, the operation that follows will say.
            _ => Ok(()),
        }
    }

    /// Does something in the session of the run, as soon as no lock is in the way.
    async fn in_session<T>(
        &mut self,
        doing: &str,
        mut operation: impl FnMut(&mut SqliteSession, &mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, WorldError> {
        let (patience, interrupt) = (self.patience, self.interrupt.clone());
        let (connection, path, session) = self.session()?;
        patiently(connection, patience, &interrupt, |connection| {
            operation(session, connection)
        })
        .await
        .map_err(|error| failed(path, doing, &error))
    }

    fn session(&mut self) -> Result<(&mut Connection, &Path, &mut SqliteSession), WorldError> {
        match &mut self.session {
            Some(session) => Ok((&mut self.connection, &self.path, session)),
            None => Err(WorldError::new(
                WorldErrorKind::System,
                format!("the journal is not installed in `{}`", self.path.display()),
            )),
        }
    }
}

#[async_trait(?Send)]
impl System for SqliteSystem {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn end_with(&mut self, interrupt: &Interrupt) {
        self.interrupt = interrupt.clone();
    }

    async fn install(&mut self) -> Result<Option<String>, WorldError> {
        self.wait_until_free("install the journal").await?;
        self.start()
    }

    async fn mark_initial(&mut self) -> Result<(), WorldError> {
        self.in_session("read the initial state", |session, connection| {
            session.mark_initial(connection)
        })
        .await
    }

    async fn read(&mut self, known: &SystemState) -> Result<Reading, WorldError> {
        self.look_at_the_file()?;
        let look = self
            .in_session("read the journal", |session, connection| {
                session.look(connection, &known.delta)
            })
            .await?;
        let path = &self.path;
        let delta = match look {
            Look::Unchanged => RowDelta::default(),
            Look::Changes(changes) => RowDelta::new(changes),
            Look::OtherSchema(differences) => return Err(schema_changed(path, differences)),
            Look::NoJournal => return Err(lost(path, Trouble::Overwritten)),
            Look::PastTheJournal(differences) => {
                return Err(past_the_journal(
                    format!(
                        "rows of `{}` changed without an entry in the journal",
                        path.display()
                    ),
                    differences,
                ));
            }
        };
        let (_, _, session) = self.session()?;
        if session.last_entry > PRUNE_WITH_READ && session.images.is_none() {
            self.in_session("empty the journal", |session, connection| {
                session.prune(connection)
            })
            .await?;
        }
        let (_, _, session) = self.session()?;
        Ok(Reading {
            delta,
            image: session.images.as_ref().map(|images| images.now.clone()),
            warnings: std::mem::take(&mut session.warnings),
        })
    }

    async fn restore(&mut self, from: &SystemState, to: &SystemState) -> Result<bool, WorldError> {
        let path = self.path.clone();
        self.in_session("restore a state", |session, connection| {
            if session.images.is_some() {
                session.put_image(connection, &path, to)
            } else {
                session.restore(connection, &from.delta, &to.delta)
            }
        })
        .await?;
        // To look costs next to nothing here, so it is left to the next reading.
        Ok(false)
    }

    async fn verify(&mut self, state: &SystemState) -> Result<(), WorldError> {
        let differences = self
            .in_session("compare a restored state", |session, connection| {
                session.verify(connection, &state.delta)
            })
            .await?;
        if differences.is_empty() {
            return Ok(());
        }
        Err(past_the_journal(
            format!(
                "`{}` is not in the state it was restored to",
                self.path.display()
            ),
            differences,
        ))
    }

    async fn shapes(&mut self) -> Result<Vec<TableShape>, WorldError> {
        self.in_session("read the schema", |session, connection| {
            let tables = session.catalog.tables.iter();
            tables
                .map(|watched| shapes::shape(connection, watched))
                .collect()
        })
        .await
    }

    async fn still_there(&mut self) -> Result<(), WorldError> {
        self.look_at_the_file()
    }

    async fn prepare(&mut self, query: &SqlQuery) -> Result<Option<Vec<Arc<Table>>>, WorldError> {
        let (_, path, session) = self.session()?;
        let (inspector, catalog) = session.inspector(path)?;
        inspector.check(path, catalog, query)
    }

    async fn query(
        &mut self,
        query: &SqlQuery,
        parameters: &[Value],
    ) -> Result<QueryRows, WorldError> {
        self.prepare(query).await?;
        let limit = QueryLimit::begin(self.config.query_timeout, &self.interrupt);
        let read = |connection: &mut Connection| query::run(connection, query, parameters, &limit);
        let (connection, interrupt) = (&mut self.connection, &self.interrupt);
        match patiently(connection, self.patience, interrupt, read).await {
            Ok(rows) => rows.finish(),
            Err(error) if query::was_ended(&error) => Err(limit.error()),
            Err(error) => Err(query::explain(&self.path, query, &error)),
        }
    }

    async fn uninstall(&mut self) -> Result<Vec<Warning>, WorldError> {
        if self.session.is_some() {
            self.wait_until_free("put the content before the run back")
                .await?;
        }
        self.stop()
    }
}

/// The file is no longer the database that is watched.
fn lost(path: &Path, trouble: Trouble) -> WorldError {
    WorldError::new(
        WorldErrorKind::System,
        format!("`{}` {}", path.display(), trouble.describe()),
    )
    .with_help(
        "a journal watches one file: keep actions that delete, replace or restore the database file, or that drop every \
         table of it, out of the spec",
    )
}

/// Rows are not what the journal makes them: nothing that was seen can be relied on.
fn past_the_journal(message: String, differences: Vec<String>) -> WorldError {
    WorldError::new(WorldErrorKind::Restore, message)
        .with_details(differences)
        .with_help(
            "rows were written past the journal: by a connection that has triggers switched off, by \
             `sqlite3_blob_write`, or by a program that replaced the file",
        )
}

fn schema_changed(path: &Path, differences: Vec<String>) -> WorldError {
    WorldError::new(
        WorldErrorKind::System,
        format!("the schema of `{}` changed during the run", path.display()),
    )
    .with_details(differences)
    .with_help(
        "what a journal watches is decided when the run begins: let migrations finish before, and keep actions that \
         create or alter tables out of the spec",
    )
}

impl std::fmt::Debug for SqliteSystem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SqliteSystem")
            .field("path", &self.path)
            .field("installed", &self.session.is_some())
            .finish_non_exhaustive()
    }
}
