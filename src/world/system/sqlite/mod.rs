//! SQLite: a journal in the same file, restores of the rows that differ.
//!
//! The service keeps its own connections, in any process and either journal mode; everything here goes through SQLite,
//! never to the file, because a server that keeps its connection open serves its page cache.
//!
//! - `catalog` reads the schema, `journal` generates the triggers, `session` walks from state to state, `apply`
//!   writes rows, `sequence` looks after `AUTOINCREMENT`, `query` after the queries of the spec, `verify` proves
//!   restores, `recover` undoes a run, `image` copies whole databases where a table cannot be journalled.
//! - Durability: with a rollback journal venomqa's connection syncs as SQLite does by default (`synchronous=FULL`); with
//!   a write-ahead log `NORMAL` is enough, because a power cut then loses the end of the log, changes and journal alike,
//!   never one without the other. The journal mode of a database is never changed.
//! - What it cannot see: changes made with `sqlite3_blob_write`, or on a connection on which the application has
//!   switched triggers off. [`System::verify`] finds them.
//! - What the application can see: `total_changes()` counts what the triggers write, too; `changes()` and
//!   `last_insert_rowid()` do not.

mod apply;
mod catalog;
mod failure;
mod image;
mod journal;
mod lock;
mod query;
mod recover;
mod schema;
mod sequence;
mod session;
mod shadows;
mod sql;
#[cfg(test)]
pub(super) mod tests;
mod verify;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::{Engine, LocationKind, QueryRows, Reading, System, SystemState};
use crate::model::{RowDelta, SqlQuery, Table};
use crate::world::config::SystemConfig;
use crate::world::{Warning, WarningCode, WorldError, WorldErrorKind};

use apply::{Scope, number};
use catalog::Catalog;
use failure::{LOCK_WAIT, failed, is_locked, patiently};
use image::KeepError;
use lock::RunLock;
use schema::Schema;
use session::{Look, SqliteSession};

/// Entries after which a read empties the journal, where nothing is ever restored.
const PRUNE_WITH_READ: i64 = 1_000;

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
        let path = Path::new(location);
        let mut connection = connect(path)?;
        let _lock = RunLock::acquire(path)?;
        Ok(recover::recover(&mut connection, path)?.map(|recovered| recovered.describe(path)))
    }
}

/// A SQLite database that is watched and put back.
pub struct SqliteSystem {
    path: PathBuf,
    config: SystemConfig,
    connection: Connection,
    /// The file that the connection is open on.
    file: FileId,
    session: Option<SqliteSession>,
    /// How long a lock of another connection is waited for.
    patience: Duration,
}

impl SqliteSystem {
    /// Opens the database in a file. It must exist; nothing is written to it.
    pub fn open(config: &SystemConfig, path: &Path) -> Result<Self, WorldError> {
        Ok(Self {
            connection: connect(path)?,
            file: file_id(path),
            path: path.to_owned(),
            config: config.clone(),
            session: None,
            patience: LOCK_WAIT,
        })
    }

    fn start(&mut self) -> Result<Option<String>, WorldError> {
        if self.session.is_some() {
            return Ok(None);
        }
        let lock = RunLock::acquire(&self.path)?;
        let recovered = recover::recover(&mut self.connection, &self.path)?
            .map(|recovered| recovered.describe(&self.path));
        self.refuse_our_names()?;
        let session = self.create(lock).map_err(|error| match error {
            KeepError::Sql(error) => failed(&self.path, "install the journal", &error),
            error @ KeepError::File(_) => {
                recover::keep_failed(&self.path, "keep the content", &error)
            }
        })?;
        self.session = Some(session);
        Ok(recovered)
    }

    /// Tables or triggers named as ours that no run has left.
    fn refuse_our_names(&self) -> Result<(), WorldError> {
        let names: Vec<String> = self
            .connection
            .prepare("SELECT name FROM sqlite_schema ORDER BY name")
            .and_then(|mut statement| {
                statement
                    .query_map([], |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()
            })
            .map_err(|error| failed(&self.path, "read the schema", &error))?;
        match names.iter().find(|name| journal::is_ours(name)) {
            None => Ok(()),
            Some(name) => Err(WorldError::new(
                WorldErrorKind::System,
                format!(
                    "`{}` holds `{name}`, a name that venomqa needs for its journal",
                    self.path.display()
                ),
            )
            .with_help("names that begin with `venomqa_` belong to venomqa: rename it")),
        }
    }

    fn create(&self, lock: RunLock) -> Result<SqliteSession, KeepError> {
        let (scope, catalog) = loop {
            let catalog = Catalog::read(&self.connection, &self.config)?;
            let version = number(&self.connection, "PRAGMA data_version")?;
            if !catalog.unwatchable.is_empty() {
                image::keep(&self.connection, &self.path)?;
            }
            // SQLite copies no database that is being written, so somebody may have come in between.
            let scope = Scope::writing(&self.connection)?;
            if number(&self.connection, "PRAGMA data_version")? == version {
                break (scope, catalog);
            }
        };
        journal::create(&self.connection, &catalog)?;
        let system: Arc<str> = self.config.name.as_str().into();
        let schema = Schema::read(&self.connection)?;
        let mut counters = sequence::Known::default();
        if let Some(sequence) = &catalog.sequence {
            counters.begin(sequence::read(&self.connection, sequence)?);
        }
        let data_version = number(&self.connection, "PRAGMA data_version")?;
        scope.commit()?;
        let images = image::Images::begin(&self.connection, &catalog, &system)?;
        let warnings = self.copies_whole(&catalog, images.as_ref());
        // Enough for every statement of the loop, the queries of the spec included.
        self.connection
            .set_prepared_statement_cache_capacity(catalog.tables.len() * 5 + 256);
        Ok(SqliteSession {
            entries: journal::entries(&catalog),
            touched: vec![false; catalog.tables.len()],
            catalog,
            schema,
            last_entry: 0,
            data_version,
            silent_changes: 0,
            initial: HashMap::new(),
            counters,
            snapshot: verify::Snapshot::default(),
            written: Vec::new(),
            warnings,
            images,
            inspector: None,
            _lock: lock,
        })
    }

    /// Says so where every state is a copy of the whole database.
    fn copies_whole(&self, catalog: &Catalog, images: Option<&image::Images>) -> Vec<Warning> {
        let Some(images) = images else {
            return Vec::new();
        };
        let why = |table: &catalog::Unwatchable| format!("`{}` ({})", table.name, table.reason);
        let tables: Vec<String> = catalog.unwatchable.iter().map(why).collect();
        vec![Warning {
            code: WarningCode::WholeCopies,
            message: format!(
                "no journal can watch the table {} of system `{}`: every state is a copy of the whole database, {} KiB",
                tables.join(", "),
                self.config.name,
                images.now.len() / 1024
            ),
            help: Some(
                "name the table under `ignore_tables` if it does not matter, or keep the database small".to_owned(),
            ),
            untrusted: false,
        }]
    }

    fn stop(&mut self) -> Result<(), WorldError> {
        if self.session.is_none() {
            return Ok(());
        }
        self.connection.flush_prepared_statement_cache();
        recover::recover(&mut self.connection, &self.path)?;
        // The lock goes with the run, after the journal. Where it could not be removed, that can be tried again.
        self.session = None;
        Ok(())
    }

    /// Waits until nobody reads or writes, which what follows could not do without blocking the thread.
    async fn wait_until_free(&mut self, doing: &str) -> Result<(), WorldError> {
        let free =
            |connection: &mut Connection| connection.execute_batch("BEGIN EXCLUSIVE; ROLLBACK");
        match patiently(&mut self.connection, self.patience, free).await {
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
        let patience = self.patience;
        let (connection, path, session) = self.session()?;
        patiently(connection, patience, |connection| {
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

/// A connection that writes what it is told and nothing else: no triggers, foreign keys or checks.
fn connect(path: &Path) -> Result<Connection, WorldError> {
    let broken = |error: rusqlite::Error| failed(path, "open it", &error);
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => {
            return Err(WorldError::new(
                WorldErrorKind::System,
                format!("`{}` is no file", path.display()),
            )
            .with_help("`sqlite:` takes the path of a database file"));
        }
        Err(error) => {
            return Err(WorldError::new(
                WorldErrorKind::System,
                format!("there is no database `{}`: {error}", path.display()),
            )
            .with_help(
                "check the path after `sqlite:`; a service that creates its database must have done so by the time it \
                 is ready",
            ));
        }
    }
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(broken)?;
    let prepare = || -> rusqlite::Result<()> {
        connection.busy_timeout(LOCK_WAIT)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.pragma_update(None, "ignore_check_constraints", true)?;
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        let synchronous = if mode == "wal" { "NORMAL" } else { "FULL" };
        connection.pragma_update(None, "synchronous", synchronous)
    };
    prepare().map_err(broken)?;
    Ok(connection)
}

#[async_trait(?Send)]
impl System for SqliteSystem {
    fn name(&self) -> &str {
        &self.config.name
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
        self.in_session("restore a state", |session, connection| {
            if session.images.is_some() {
                session.put_image(connection, to)
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

    async fn still_there(&mut self) -> Result<(), WorldError> {
        if file_id(&self.path) == self.file {
            return Ok(());
        }
        Err(WorldError::new(
            WorldErrorKind::System,
            format!(
                "`{}` has been replaced by another file since the run began",
                self.path.display()
            ),
        ))
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
        let read = |connection: &mut Connection| query::run(connection, query, parameters);
        patiently(&mut self.connection, self.patience, read)
            .await
            .map_err(|error| query::explain(&self.path, query, &error))
    }

    async fn uninstall(&mut self) -> Result<(), WorldError> {
        if self.session.is_some() {
            self.wait_until_free("put the content before the run back")
                .await?;
        }
        self.stop()
    }
}

/// What tells a file from another one that takes its name; `None` where nothing does, or where there is no file.
type FileId = Option<(u64, u64)>;

#[cfg(unix)]
fn file_id(path: &Path) -> FileId {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Elsewhere a file that somebody has open cannot be replaced.
#[cfg(not(unix))]
fn file_id(_path: &Path) -> FileId {
    None
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
