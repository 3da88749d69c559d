//! The journal: tables and triggers in the database itself, so that an entry commits with the change that it tells of.
//!
//! - `venomqa_run`: the format of the journal. Its presence says that a run is under way, or was killed.
//! - `venomqa_tables`: names and columns of the watched tables, for a recovery that knows nothing else. The same is true of
//!   `venomqa_schema`, the schema before the run, `venomqa_header` and `venomqa_sequence`, the [counters],
//!   `venomqa_form`, the [form](Form) of the file, and `venomqa_sqlite_stat1`, the [statistics].
//! - `venomqa_journal`: the keys that were touched, in order, each with the row as it was just before the touch
//!   (`existed` is 0 where there was none). The row as it is now is looked up when the journal is read. Telling a key
//!   too often is harmless, so replacing inserts, recursive triggers and cascades need no care beyond telling every
//!   key that they *may* have touched. The first entry of a key says what the row was before the run.
//! - `venomqa_before_N`: those first entries of table N, [folded](fold) in when the journal is emptied; they come
//!   before all that is in the journal then. Columns here and there have no type, so every value keeps its storage
//!   class.
//! - `venomqa_rows` tells whether row numbers are what they were; see [`rows_are_where_they_were`].
//!
//! The triggers are in [`triggers`].

use std::path::Path;

use rusqlite::Connection;

use super::apply::{cells, execute};
use super::catalog::{Catalog, Key, Watched, comma};
use super::copy_note::place;
use super::form::Form;
use super::listing::{PREFIX, is_ours};
use super::schema::Schema;
use super::sql::{literal, quoted};
use super::{counters, statistics, triggers};
use crate::model::{RowKey, TableId};
use crate::world::config::SystemConfig;

/// The table whose presence says that there is a journal.
pub(super) const RUN: &str = "venomqa_run";

/// Changes when the journal's tables do.
pub(super) const FORMAT: i64 = 4;

/// The table that holds the rows of a watched table as they were before the run.
pub(super) fn before_table(id: TableId) -> String {
    format!("{PREFIX}before_{}", id.0)
}

/// Creates the journal, and returns the schema with it. To be called within a transaction.
pub(super) fn create(
    connection: &Connection,
    catalog: &Catalog,
    config: &SystemConfig,
    run: &Run,
) -> rusqlite::Result<Schema> {
    counters::keep(connection, &catalog.counters)?;
    statistics::keep(connection)?;
    Form::read(connection)?.keep(connection)?;
    connection.execute_batch(&format!(
        "CREATE TABLE {RUN} (format INTEGER, process INTEGER, version TEXT, started TEXT, whole INTEGER, ignored TEXT,
            id TEXT, file TEXT);
         CREATE TABLE {PREFIX}rows (number INTEGER);
         INSERT INTO {PREFIX}rows (rowid, number) VALUES ({SOME_ROW}, {SOME_ROW});
         {};
         CREATE TABLE {PREFIX}tables (id INTEGER PRIMARY KEY, name TEXT, key TEXT, columns TEXT);
         CREATE TABLE {PREFIX}journal (seq INTEGER PRIMARY KEY, tbl, {}, existed, {});",
        pin("rows", &format!("{PREFIX}rows")),
        key_columns(key_width(catalog)),
        row_columns(row_width(catalog))
    ))?;
    connection.execute(
        &format!("INSERT INTO {RUN} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"),
        (
            FORMAT,
            std::process::id(),
            env!("CARGO_PKG_VERSION"),
            &run.started,
            run.whole,
            names_as_json(&run.ignored),
            &run.id,
            &run.file,
        ),
    )?;
    for watched in &catalog.tables {
        let columns = &watched.table.columns;
        connection.execute(
            &format!("INSERT INTO {PREFIX}tables VALUES (?1, ?2, ?3, ?4)"),
            (
                watched.table.id.0,
                &watched.table.name,
                names_as_json(&watched.key.names(columns)),
                names_as_json(columns),
            ),
        )?;
        connection.execute_batch(&before_definition(watched))?;
    }
    for watched in &catalog.tables {
        connection.execute_batch(&triggers::of(watched))?;
        if watched.is_renumbered {
            let pin = pin(&watched.table.id.0.to_string(), &watched.table.name);
            connection.execute_batch(&pin)?;
        }
    }
    let schema = Schema::read(connection, config)?;
    schema.keep(connection)?;
    Ok(schema)
}

/// A row number that is not the first.
const SOME_ROW: i64 = 7;

/// An index of no rows, which costs nothing. `VACUUM` numbers the rows of a table anew where it has neither an `INTEGER PRIMARY
/// KEY` nor any index; so it leaves the numbers as they are, and rows are found by them.
fn pin(name: &str, table: &str) -> String {
    format!(
        "CREATE INDEX {PREFIX}pin_{name} ON {} (1) WHERE 0",
        quoted(table)
    )
}

/// Whether rows still have the numbers by which the journal knows them. They do not where the content was written anew, as
/// from a dump.
pub(super) fn rows_are_where_they_were(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        &format!(
            "SELECT count(*) = 1 FROM {PREFIX}rows WHERE rowid = {SOME_ROW} AND number = {SOME_ROW}"
        ),
        [],
        |row| row.get(0),
    )
}

/// The trigger that follows a table when it is renamed.
pub(super) fn insert_trigger(id: TableId) -> String {
    format!("{PREFIX}{}_insert", id.0)
}

/// Removes the triggers, and what else stands on the tables of the application. To be called within a transaction.
pub(super) fn stop_watching(connection: &Connection) -> rusqlite::Result<()> {
    drop_ours(connection, "type IN ('trigger', 'index')")?;
    // That they are gone says nothing from here on.
    connection.execute_batch(&format!(
        "DELETE FROM {PREFIX}schema WHERE name LIKE 'venomqa\\_%' ESCAPE '\\'"
    ))
}

/// Removes everything that [`create`] made, whatever of it is still there. To be called within a transaction.
pub(super) fn drop_all(connection: &Connection) -> rusqlite::Result<()> {
    drop_ours(connection, "true")
}

fn drop_ours(connection: &Connection, which: &str) -> rusqlite::Result<()> {
    let ours: Vec<(String, String)> = connection
        .prepare(&format!(
            "SELECT type, name FROM sqlite_schema WHERE sql IS NOT NULL AND {which} ORDER BY type DESC"
        ))?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (kind, name) in ours.iter().filter(|(_, name)| is_ours(name)) {
        // An index goes with its table.
        connection.execute_batch(&format!("DROP {kind} IF EXISTS {}", quoted(name)))?;
    }
    Ok(())
}

/// How many columns the widest key has.
pub(super) fn key_width(catalog: &Catalog) -> usize {
    catalog
        .tables
        .iter()
        .map(|watched| watched.key.width())
        .max()
        .unwrap_or(1)
}

fn row_width(catalog: &Catalog) -> usize {
    let widths = catalog.tables.iter();
    widths
        .map(|watched| watched.table.columns.len())
        .max()
        .unwrap_or(1)
}

/// Reads the entries after a number: number, table, key, whether there was a row, the row.
pub(super) fn entries(catalog: &Catalog) -> String {
    format!(
        "SELECT seq, tbl, {}, existed, {} FROM {PREFIX}journal WHERE seq > ?1 ORDER BY seq",
        key_columns(key_width(catalog)),
        row_columns(row_width(catalog))
    )
}

/// The keys of every row of a table that was touched since the run began, some more than once.
pub(super) fn keys_before(
    connection: &Connection,
    watched: &Watched,
) -> rusqlite::Result<Vec<RowKey>> {
    let width = watched.key.width();
    let id = watched.table.id;
    connection
        .prepare(&format!(
            "SELECT {keys} FROM {before} UNION ALL SELECT {keys} FROM {PREFIX}journal WHERE tbl = {}",
            id.0,
            keys = key_columns(width),
            before = before_table(id),
        ))?
        .query_map([], |row| cells(row, 0, width))?
        .collect()
}

/// The number of the last entry, 0 where there is none.
pub(super) const LAST: &str = "SELECT coalesce(max(seq), 0) FROM venomqa_journal";

/// Keeps the rows of a table as they were before the run: the first entry of each key that is not kept yet. To be called
/// before the journal is emptied or used to put the content before the run back, in the same transaction.
pub(super) fn fold(
    connection: &Connection,
    id: TableId,
    key_width: usize,
    row_width: usize,
) -> rusqlite::Result<()> {
    let columns = format!(
        "{}, existed, {}",
        key_columns(key_width),
        row_columns(row_width)
    );
    execute(
        connection,
        &format!(
            "INSERT OR IGNORE INTO {} ({columns}) SELECT {columns} FROM {PREFIX}journal WHERE tbl = {} ORDER BY seq",
            before_table(id),
            id.0
        ),
    )
}

/// Empties the journal, but keeps what the rows of these tables were before the run. To be called within a transaction.
pub(super) fn empty<'a>(
    connection: &Connection,
    touched: impl Iterator<Item = &'a Watched>,
) -> rusqlite::Result<()> {
    for watched in touched {
        fold(
            connection,
            watched.table.id,
            watched.key.width(),
            watched.table.columns.len(),
        )?;
    }
    execute(connection, "DELETE FROM venomqa_journal")
}

fn names_as_json(names: &[String]) -> String {
    serde_json::Value::from(names).to_string()
}

/// Names as the journal keeps them; a text that is no such list yields none.
pub(super) fn names_from_json(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}

pub(super) fn key_columns(width: usize) -> String {
    comma((0..width).map(|position| format!("k{position}")))
}

pub(super) fn row_columns(width: usize) -> String {
    comma((0..width).map(|position| format!("c{position}")))
}

impl Key {
    /// How many columns it has.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Rowid { .. } => 1,
            Self::Primary(positions) => positions.len(),
        }
    }
}

fn before_definition(watched: &Watched) -> String {
    let columns = row_columns(watched.table.columns.len());
    let name = before_table(watched.table.id);
    match &watched.key {
        Key::Rowid { .. } => {
            format!("CREATE TABLE {name} (k0 INTEGER PRIMARY KEY, existed, {columns})")
        }
        Key::Primary(positions) => {
            let keys = key_columns(positions.len());
            format!(
                "CREATE TABLE {name} ({keys}, existed, {columns}, PRIMARY KEY ({keys})) WITHOUT ROWID"
            )
        }
    }
}

/// What the journal says of its run.
pub(super) struct Run {
    /// What tells it from every other run.
    pub(super) id: String,
    /// Where the database was, links followed: the safety copy is beside it.
    pub(super) file: String,
    /// When it began, in UTC.
    pub(super) started: String,
    /// Whether the content before it is only in the copy.
    pub(super) whole: bool,
    /// `ignore_tables`.
    pub(super) ignored: Vec<String>,
}

impl Run {
    /// One that begins now.
    pub(super) fn new(
        connection: &Connection,
        database: &Path,
        config: &SystemConfig,
        whole: bool,
    ) -> rusqlite::Result<Self> {
        let (id, started) = connection.query_row(
            "SELECT lower(hex(randomblob(16))), datetime('now')",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(Self {
            id,
            file: place(database),
            started,
            whole,
            ignored: (config.ignore_tables.iter())
                .map(|pattern| pattern.text.clone())
                .collect(),
        })
    }
}

/// Reads it.
pub(super) fn run(connection: &Connection) -> rusqlite::Result<Run> {
    connection.query_row(
        &format!("SELECT started, whole, ignored, id, file FROM {RUN}"),
        [],
        |row| {
            Ok(Run {
                started: row.get(0)?,
                whole: row.get(1)?,
                ignored: names_from_json(&row.get::<_, String>(2)?),
                id: row.get(3)?,
                file: row.get(4)?,
            })
        },
    )
}

/// Whether a journal is in the file: its format.
pub(super) fn format_found(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let present: i64 = connection.query_row(
        &format!(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = {}",
            literal(RUN)
        ),
        [],
        |row| row.get(0),
    )?;
    if present == 0 {
        return Ok(None);
    }
    connection
        .query_row(&format!("SELECT format FROM {RUN}"), [], |row| row.get(0))
        .map(Some)
}
