//! SQLite: a journal in the same file, restores of the rows that differ.
//!
//! The service keeps its own connections, in any process and either journal mode; everything here goes through SQLite,
//! never to the file, because a server that keeps its connection open serves its page cache.
//!
//! - [`catalog`] reads the schema, [`journal`] generates the triggers, [`apply`] writes rows, [`sequence`] looks after
//!   `AUTOINCREMENT`, [`query`] after the queries of the spec, [`verify`] proves restores, [`mod@recover`] undoes a run,
//!   [`image`] copies whole databases where a table cannot be journalled.
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
mod sequence;
mod sql;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::{QueryRows, Reading, System, SystemState};
use crate::model::{NetDelta, Row, RowChange, RowDelta, RowKey, SqlQuery, Table, TableId};
use crate::world::config::SystemConfig;
use crate::world::{Warning, WorldError, WorldErrorKind};

use apply::{Scope, Write, fetch, fetch_before, number};
use catalog::{Catalog, Watched};
use failure::{LOCK_WAIT, failed};
use image::KeepError;
use lock::RunLock;
use query::Inspector;

/// Entries after which the journal is emptied when a restore writes anyway.
const PRUNE_WITH_RESTORE: i64 = 256;

/// Entries after which a read empties the journal, where nothing is ever restored.
const PRUNE_WITH_READ: i64 = 20_000;

/// A SQLite database that is watched and put back.
pub struct SqliteSystem {
    path: PathBuf,
    config: SystemConfig,
    connection: Connection,
    run: Option<Run>,
}

/// What is known while the journal is installed.
struct Run {
    catalog: Catalog,
    schema: Schema,
    /// Reads the new entries of the journal.
    entries: String,
    /// The last entry that was read.
    last_entry: i64,
    /// `PRAGMA data_version` at the last read or restore.
    data_version: i64,
    /// How often the file had changed without an entry in the journal.
    silent_changes: u64,
    /// Rows of the initial state, of keys touched during setup or since: `None` where there was none. Rows of other keys
    /// are as they were before the run.
    initial: HashMap<TableId, HashMap<RowKey, Option<Row>>>,
    counters: sequence::Known,
    snapshot: verify::Snapshot,
    /// Which tables the run has written to.
    touched: Vec<bool>,
    /// What the last restore wrote.
    written: Vec<(TableId, RowKey)>,
    /// Said at the next read.
    warnings: Vec<Warning>,
    /// Where a table cannot be journalled.
    images: Option<image::Images>,
    inspector: Option<Inspector>,
    _lock: RunLock,
}

/// The schema as the installation left it.
struct Schema {
    version: i64,
    /// Type, name and text of each object, but for SQLite's own statistics.
    objects: Vec<(String, String, Option<String>)>,
}

impl SqliteSystem {
    /// Opens the database in a file. It must exist; nothing is written to it.
    pub fn open(config: &SystemConfig, path: &Path) -> Result<Self, WorldError> {
        Ok(Self {
            connection: connect(path)?,
            path: path.to_owned(),
            config: config.clone(),
            run: None,
        })
    }

    fn start(&mut self) -> Result<Option<String>, WorldError> {
        if self.run.is_some() {
            return Ok(None);
        }
        let lock = RunLock::acquire(&self.path)?;
        let recovered = recover::recover(&mut self.connection, &self.path)?
            .map(|recovered| recovered.describe(&self.path));
        self.refuse_our_names()?;
        let run = self.create(lock).map_err(|error| match error {
            KeepError::Sql(error) => failed(&self.path, "install the journal", &error),
            error @ KeepError::File(_) => {
                recover::keep_failed(&self.path, "keep the content", &error)
            }
        })?;
        self.run = Some(run);
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

    fn create(&self, lock: RunLock) -> Result<Run, KeepError> {
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
        Ok(Run {
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
            code: "whole-copies",
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
        // The lock goes with the run, after the journal.
        let Some(run) = self.run.take() else {
            return Ok(());
        };
        self.connection.flush_prepared_statement_cache();
        let recovered = recover::recover(&mut self.connection, &self.path);
        drop(run);
        recovered.map(drop)
    }

    fn run(&mut self) -> Result<(&mut Connection, &Path, &mut Run), WorldError> {
        match &mut self.run {
            Some(run) => Ok((&mut self.connection, &self.path, run)),
            None => Err(WorldError::new(
                WorldErrorKind::System,
                format!("the journal is not installed in `{}`", self.path.display()),
            )),
        }
    }
}

/// Puts the database in a file back to its content before a run that was killed. `None` where no run has left anything.
pub(super) fn recover(path: &Path) -> Result<Option<String>, WorldError> {
    let mut connection = connect(path)?;
    let _lock = RunLock::acquire(path)?;
    Ok(recover::recover(&mut connection, path)?.map(|recovered| recovered.describe(path)))
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

impl Schema {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            version: number(connection, "PRAGMA schema_version")?,
            objects: connection
                .prepare(
                    "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' \
                     ORDER BY type, name",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<rusqlite::Result<_>>()?,
        })
    }

    /// What differs, in words.
    fn differences(&self, now: &Self) -> Vec<String> {
        let describe = |what: &str, (kind, name, _): &(String, String, Option<String>)| {
            format!("{kind} `{name}` was {what}")
        };
        let same = |a: &(String, String, Option<String>), b: &(String, String, Option<String>)| {
            a.0 == b.0 && a.1 == b.1
        };
        let gone = self
            .objects
            .iter()
            .filter(|object| !now.objects.iter().any(|other| same(object, other)))
            .map(|object| describe("dropped", object));
        let new_or_altered = now.objects.iter().filter_map(|object| {
            match self.objects.iter().find(|other| same(object, other)) {
                None => Some(describe("created", object)),
                Some(other) if other.2 != object.2 => Some(describe("altered", object)),
                Some(_) => None,
            }
        });
        gone.chain(new_or_altered).collect()
    }
}

/// What a look at the journal found.
enum Look {
    /// Nobody has written since the last read or restore.
    Unchanged,
    /// Rows changed, perhaps.
    Changes(Vec<RowChange>),
    /// The schema is no longer the one that is journalled.
    OtherSchema(Vec<String>),
    /// Rows changed, and the journal has no entry of it.
    PastTheJournal(Vec<String>),
}

impl Run {
    fn look(&mut self, connection: &Connection, known: &NetDelta) -> rusqlite::Result<Look> {
        let scope = Scope::reading(connection)?;
        let version = number(connection, "PRAGMA data_version")?;
        if version == self.data_version {
            scope.commit()?;
            return Ok(Look::Unchanged);
        }
        if number(connection, "PRAGMA schema_version")? != self.schema.version {
            let now = Schema::read(connection)?;
            let differences = self.schema.differences(&now);
            if !differences.is_empty() {
                return Ok(Look::OtherSchema(differences));
            }
            // Statistics were gathered, or the file was vacuumed: both leave every row where it was.
            self.schema = now;
        }
        let (last, keys) = self.new_keys(connection)?;
        let mut changes = Vec::with_capacity(keys.len());
        for (id, key) in keys {
            let Some(watched) = self.catalog.tables.get(id.0 as usize) else {
                continue;
            };
            let after = fetch(connection, watched, &key)?;
            let before = match known.current(id, &key) {
                Some(row) => row.clone(),
                None => initial_row(&mut self.initial, connection, watched, &key)?,
            };
            self.touched[id.0 as usize] = true;
            changes.push(RowChange {
                table: watched.table.clone(),
                key,
                before,
                after,
            });
        }
        if let Some(sequence) = &self.catalog.sequence {
            let counters = sequence::read(connection, sequence)?;
            self.counters.moved_to(sequence, counters, &mut changes);
        }
        if let Some(images) = &mut self.images {
            images.look(connection, &mut changes)?;
        }
        if changes.is_empty() {
            // Somebody wrote, and no trigger told of it: to an ignored table, or a pragma, or past the journal. Every
            // table is compared to find out, and less and less often, since it costs a look at each row.
            self.silent_changes += 1;
            if self.silent_changes.is_power_of_two() {
                let every = vec![true; self.touched.len()];
                let differences = self.differences(connection, known, &every)?;
                if !differences.is_empty() {
                    return Ok(Look::PastTheJournal(differences));
                }
            }
        }
        scope.commit()?;
        self.last_entry = last;
        self.data_version = version;
        Ok(Look::Changes(changes))
    }

    /// Reads what the journal has got since the last time: each key once.
    fn new_keys(&self, connection: &Connection) -> rusqlite::Result<(i64, Vec<(TableId, RowKey)>)> {
        let mut statement = connection.prepare_cached(&self.entries)?;
        statement.raw_bind_parameter(1, self.last_entry)?;
        let mut rows = statement.raw_query();
        let mut last = self.last_entry;
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            last = row.get(0)?;
            let id = TableId(row.get(1)?);
            let width = self
                .catalog
                .watched(id)
                .map_or(0, |watched| watched.key.width());
            keys.push((id, apply::cells(row, 2, width)?));
        }
        keys.sort_unstable();
        keys.dedup();
        Ok((last, keys))
    }

    fn mark_initial(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let scope = Scope::reading(connection)?;
        self.initial.clear();
        for watched in &self.catalog.tables {
            let keys = journal::keys_before(connection, watched)?;
            self.touched[watched.table.id.0 as usize] = !keys.is_empty();
            let mut rows = HashMap::with_capacity(keys.len());
            for key in keys {
                // The row may be there under a key that is equal but not the same, and unknown to the journal.
                if let Some(row) = apply::fetch_equal(connection, watched, &key)? {
                    rows.insert(watched.key.of(&key, &row), Some(row));
                }
                rows.entry(key).or_insert(None);
            }
            self.initial.insert(watched.table.id, rows);
        }
        if let Some(sequence) = &self.catalog.sequence {
            self.counters.begin(sequence::read(connection, sequence)?);
        }
        self.last_entry = self.new_keys(connection)?.0;
        self.data_version = number(connection, "PRAGMA data_version")?;
        self.snapshot = verify::Snapshot::take(connection, &self.catalog)?;
        self.written.clear();
        if let Some(images) = &mut self.images {
            images.mark_initial(connection)?;
        }
        scope.commit()
    }

    fn restore(
        &mut self,
        connection: &Connection,
        from: &NetDelta,
        to: &NetDelta,
    ) -> rusqlite::Result<()> {
        let way = from.way_to(to);
        let scope = Scope::writing(connection)?;
        let version = number(connection, "PRAGMA data_version")?;
        let mut last = self.last_entry;
        let mut strays = Vec::new();
        if version != self.data_version {
            let keys;
            (last, keys) = self.new_keys(connection)?;
            strays = self.strays(connection, keys, from, to)?;
        }
        let mut writes = Vec::with_capacity(way.changes().len() + strays.len());
        for change in way.changes() {
            // Counters are written last, all together.
            let Some(watched) = self.catalog.tables.get(change.table.id.0 as usize) else {
                continue;
            };
            writes.push(Write {
                watched,
                key: &change.key,
                // A row that somebody wrote in between may be there although `from` does not know it.
                remove: change.before.is_some() || !strays.is_empty(),
                insert: change.after.as_ref(),
            });
        }
        for (id, key, row) in &strays {
            let Some(watched) = self.catalog.tables.get(id.0 as usize) else {
                continue;
            };
            if !way
                .changes()
                .iter()
                .any(|change| change.table.id == *id && change.key == *key)
            {
                writes.push(Write {
                    watched,
                    key,
                    remove: true,
                    insert: row.as_ref(),
                });
            }
        }
        apply::write(connection, &writes)?;
        self.written.clear();
        self.written.extend(
            writes
                .iter()
                .map(|write| (write.watched.table.id, write.key.clone())),
        );
        let mut counters = None;
        if let Some(sequence) = &self.catalog.sequence {
            let wanted = self.counters.at(sequence, to);
            sequence::write(connection, sequence, &wanted)?;
            counters = Some(wanted);
        }
        let prune = last >= PRUNE_WITH_RESTORE;
        if prune {
            apply::execute(connection, journal::EMPTY)?;
        }
        scope.commit()?;
        // Only what is committed counts as seen.
        self.last_entry = if prune { 0 } else { last };
        self.data_version = version;
        if let Some(counters) = counters {
            self.counters.now = counters;
        }
        Ok(())
    }

    /// [`Run::restore`] where a state is a copy of the whole database. The copy holds the journal of its time.
    fn put_image(&mut self, connection: &mut Connection, to: &SystemState) -> rusqlite::Result<()> {
        let Some(images) = &mut self.images else {
            return Ok(());
        };
        let image = to.image.clone().unwrap_or_else(|| images.initial.clone());
        image::put(connection, &image)?;
        images.moved_to(image, &to.delta);
        if let Some(sequence) = &self.catalog.sequence {
            self.counters.now = self.counters.at(sequence, &to.delta);
        }
        self.written.clear();
        let scope = Scope::reading(connection)?;
        self.last_entry = number(connection, journal::LAST)?;
        self.data_version = number(connection, "PRAGMA data_version")?;
        self.schema.version = number(connection, "PRAGMA schema_version")?;
        scope.commit()
    }

    /// Rows that somebody wrote since the last read, with what they have to be in `to`. They are put back like the
    /// others, and reported.
    fn strays(
        &mut self,
        connection: &Connection,
        keys: Vec<(TableId, RowKey)>,
        from: &NetDelta,
        to: &NetDelta,
    ) -> rusqlite::Result<Vec<(TableId, RowKey, Option<Row>)>> {
        let mut strays = Vec::new();
        for (id, key) in keys {
            let Some(watched) = self.catalog.tables.get(id.0 as usize) else {
                continue;
            };
            self.touched[id.0 as usize] = true;
            let initial = initial_row(&mut self.initial, connection, watched, &key)?;
            let expected = from.current(id, &key).unwrap_or(&initial);
            if fetch(connection, watched, &key)? != *expected {
                self.warnings.push(Warning {
                    code: "background-write",
                    message: format!(
                        "rows of `{}` (system `{}`) changed while no request ran; they have been put back",
                        watched.table.name, watched.table.system
                    ),
                    help: Some(
                        "a job that writes by itself: name its tables under `ignore_tables`; a service that writes \
                         after it has answered: give it time with `settle: 20ms`"
                            .to_owned(),
                    ),
                    untrusted: false,
                });
            }
            let row = to.current(id, &key).cloned().unwrap_or(initial);
            strays.push((id, key, row));
        }
        Ok(strays)
    }

    fn verify(&self, connection: &Connection, delta: &NetDelta) -> rusqlite::Result<Vec<String>> {
        let scope = Scope::reading(connection)?;
        // Where somebody has written since the restore the next read will find it, and say so. Those tables prove
        // nothing until then.
        let unread = self.new_keys(connection)?.1;
        let mut tables = self.touched.clone();
        for (id, _) in &unread {
            if let Some(table) = tables.get_mut(id.0 as usize) {
                *table = false;
            }
        }
        let mut differences = self.differences(connection, delta, &tables)?;
        if let Some(sequence) = &self.catalog.sequence
            && unread.is_empty()
            && sequence::read(connection, sequence)? != self.counters.at(sequence, delta)
        {
            differences.push("the counters in `sqlite_sequence` differ".to_owned());
        }
        if let Some(images) = &self.images {
            differences.extend(images.compare(connection, delta)?);
        }
        scope.commit()?;
        Ok(differences)
    }

    /// How these tables differ from what a state says they hold. To be called within a transaction.
    fn differences(
        &self,
        connection: &Connection,
        delta: &NetDelta,
        tables: &[bool],
    ) -> rusqlite::Result<Vec<String>> {
        let initial = |watched: &Watched, key: &RowKey| match self
            .initial
            .get(&watched.table.id)
            .and_then(|rows| rows.get(key))
        {
            Some(row) => Ok(row.clone()),
            None => fetch_before(connection, watched, key),
        };
        self.snapshot.compare(
            connection,
            &self.catalog,
            tables,
            &self.written,
            delta,
            &initial,
        )
    }

    /// The connection that checks queries, opened when the first one comes.
    fn inspector(&mut self, path: &Path) -> Result<(&mut Inspector, &Catalog), WorldError> {
        let inspector = match self.inspector.take() {
            Some(inspector) => inspector,
            None => Inspector::open(path)
                .map_err(|error| failed(path, "open it for queries", &error))?,
        };
        Ok((self.inspector.insert(inspector), &self.catalog))
    }

    /// Empties a journal that has grown long without a restore.
    fn prune(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let scope = Scope::writing(connection)?;
        // Somebody may have written since the read: those entries are still needed.
        if self.new_keys(connection)?.0 != self.last_entry {
            return Ok(());
        }
        apply::execute(connection, journal::EMPTY)?;
        scope.commit()?;
        self.last_entry = 0;
        Ok(())
    }
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

/// The row under a key in the initial state. What the journal says is remembered.
fn initial_row(
    initial: &mut HashMap<TableId, HashMap<RowKey, Option<Row>>>,
    connection: &Connection,
    watched: &Watched,
    key: &RowKey,
) -> rusqlite::Result<Option<Row>> {
    let rows = initial.entry(watched.table.id).or_default();
    if let Some(row) = rows.get(key) {
        return Ok(row.clone());
    }
    let row = fetch_before(connection, watched, key)?;
    rows.insert(key.clone(), row.clone());
    Ok(row)
}

#[async_trait(?Send)]
impl System for SqliteSystem {
    fn name(&self) -> &str {
        &self.config.name
    }

    async fn install(&mut self) -> Result<Option<String>, WorldError> {
        self.start()
    }

    async fn mark_initial(&mut self) -> Result<(), WorldError> {
        let (connection, path, run) = self.run()?;
        run.mark_initial(connection)
            .map_err(|error| failed(path, "read the initial state", &error))
    }

    async fn read(&mut self, known: &SystemState) -> Result<Reading, WorldError> {
        let (connection, path, run) = self.run()?;
        let look = run
            .look(connection, &known.delta)
            .map_err(|error| failed(path, "read the journal", &error))?;
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
        if run.last_entry > PRUNE_WITH_READ && run.images.is_none() {
            run.prune(connection)
                .map_err(|error| failed(path, "empty the journal", &error))?;
        }
        Ok(Reading {
            delta,
            image: run.images.as_ref().map(|images| images.now.clone()),
            warnings: std::mem::take(&mut run.warnings),
        })
    }

    async fn restore(&mut self, from: &SystemState, to: &SystemState) -> Result<(), WorldError> {
        let (connection, path, run) = self.run()?;
        let done = if run.images.is_some() {
            run.put_image(connection, to)
        } else {
            run.restore(connection, &from.delta, &to.delta)
        };
        done.map_err(|error| failed(path, "restore a state", &error))
    }

    async fn verify(&mut self, state: &SystemState) -> Result<(), WorldError> {
        let (connection, path, run) = self.run()?;
        let differences = run
            .verify(connection, &state.delta)
            .map_err(|error| failed(path, "compare a restored state", &error))?;
        if differences.is_empty() {
            return Ok(());
        }
        Err(past_the_journal(
            format!(
                "`{}` is not in the state it was restored to",
                path.display()
            ),
            differences,
        ))
    }

    async fn prepare(&mut self, query: &SqlQuery) -> Result<Option<Vec<Arc<Table>>>, WorldError> {
        let (_, path, run) = self.run()?;
        let (inspector, catalog) = run.inspector(path)?;
        inspector.check(path, catalog, query)
    }

    async fn query(
        &mut self,
        query: &SqlQuery,
        parameters: &[Value],
    ) -> Result<QueryRows, WorldError> {
        self.prepare(query).await?;
        query::run(&self.connection, &self.path, query, parameters)
    }

    async fn uninstall(&mut self) -> Result<(), WorldError> {
        self.stop()
    }
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
            .field("installed", &self.run.is_some())
            .finish_non_exhaustive()
    }
}
