//! Reads and writes single rows, value for value.

use rusqlite::Connection;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use super::catalog::{Key, Watched};
use crate::model::{Cell, Row, RowKey};

/// The change to make to the row under a key.
pub(super) struct Write<'a> {
    /// The table of the row.
    pub(super) watched: &'a Watched,
    /// The key of the row.
    pub(super) key: &'a RowKey,
    /// Whether there is, or may be, a row now.
    pub(super) remove: bool,
    /// The row that must exist in the end.
    pub(super) insert: Option<&'a Row>,
}

/// Writes rows: first removes every one that goes or changes, then inserts. In between no unique value is taken by a
/// row that is yet to move out of the way, as when two rows swap theirs. Needs a connection without triggers and
/// foreign keys.
pub(super) fn write(connection: &Connection, writes: &[Write<'_>]) -> rusqlite::Result<()> {
    for write in writes.iter().filter(|write| write.remove) {
        let mut statement = connection.prepare_cached(&write.watched.statements.delete)?;
        for (position, cell) in write.key.iter().enumerate() {
            statement.raw_bind_parameter(position + 1, Bound(cell))?;
        }
        statement.raw_execute()?;
    }
    for write in writes {
        let Some(row) = write.insert else { continue };
        let mut statement = connection.prepare_cached(&write.watched.statements.insert)?;
        let apart = if write.watched.key.is_apart() {
            &write.key[..]
        } else {
            &[]
        };
        for (position, cell) in apart.iter().chain(row.iter()).enumerate() {
            statement.raw_bind_parameter(position + 1, Bound(cell))?;
        }
        statement.raw_execute()?;
    }
    Ok(())
}

/// The row under a key as it is now.
pub(super) fn fetch(
    connection: &Connection,
    watched: &Watched,
    key: &RowKey,
) -> rusqlite::Result<Option<Row>> {
    Ok(fetch_equal(connection, watched, key)?.filter(|row| has_key(watched, row, key)))
}

/// The row under a key that SQLite calls equal to this one.
pub(super) fn fetch_equal(
    connection: &Connection,
    watched: &Watched,
    key: &RowKey,
) -> rusqlite::Result<Option<Row>> {
    let mut statement = connection.prepare_cached(&watched.statements.fetch)?;
    one(&mut statement, key, |row| {
        cells(row, 0, watched.table.columns.len())
    })
}

fn one<T>(
    statement: &mut rusqlite::Statement<'_>,
    key: &RowKey,
    read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    for (position, cell) in key.iter().enumerate() {
        statement.raw_bind_parameter(position + 1, Bound(cell))?;
    }
    let mut rows = statement.raw_query();
    rows.next()?.map(read).transpose()
}

/// SQLite finds a row under keys that are equal to it, not only the same (`a` and `A` under `NOCASE`, 1 and 1.0). Here
/// these are different rows, because a change from one to the other would be lost otherwise.
fn has_key(watched: &Watched, row: &Row, key: &RowKey) -> bool {
    match &watched.key {
        Key::Rowid { .. } => true,
        Key::Primary(positions) => positions
            .iter()
            .zip(key.iter())
            .all(|(position, cell)| row[*position] == *cell),
    }
}

/// Cells of a result row.
pub(super) fn cells(row: &rusqlite::Row<'_>, from: usize, count: usize) -> rusqlite::Result<Row> {
    (from..from + count)
        .map(|position| row.get_ref(position).map(cell))
        .collect()
}

/// A value as SQLite holds it.
pub(super) fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(value) => Cell::Integer(value),
        ValueRef::Real(value) => Cell::real(value),
        ValueRef::Text(bytes) => Cell::Text(bytes.into()),
        ValueRef::Blob(bytes) => Cell::Blob(bytes.into()),
    }
}

/// A cell as a parameter.
pub(super) struct Bound<'a>(pub(super) &'a Cell);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Cell::Null => ValueRef::Null,
            Cell::Integer(value) => ValueRef::Integer(*value),
            Cell::Real(bits) => ValueRef::Real(f64::from_bits(*bits)),
            Cell::Text(bytes) => ValueRef::Text(bytes),
            Cell::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A transaction that is rolled back unless it is committed. Its statements come from the cache: these few microseconds
/// are spent twice in every step.
pub(super) struct Scope<'a> {
    connection: &'a Connection,
    open: bool,
}

impl<'a> Scope<'a> {
    /// Begins a transaction that reads.
    pub(super) fn reading(connection: &'a Connection) -> rusqlite::Result<Self> {
        Self::begin(connection, "BEGIN")
    }

    /// Begins a transaction that writes; waits for other writers.
    pub(super) fn writing(connection: &'a Connection) -> rusqlite::Result<Self> {
        Self::begin(connection, "BEGIN IMMEDIATE")
    }

    fn begin(connection: &'a Connection, sql: &str) -> rusqlite::Result<Self> {
        execute(connection, sql)?;
        Ok(Self {
            connection,
            open: true,
        })
    }

    /// Ends the transaction; what it wrote stays.
    pub(super) fn commit(mut self) -> rusqlite::Result<()> {
        execute(self.connection, "COMMIT")?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        if self.open {
            // SQLite rolls back by itself after the errors that make this fail.
            let _ = execute(self.connection, "ROLLBACK");
        }
    }
}

/// Runs a statement of the loop.
pub(super) fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.raw_execute().map(drop)
}

/// The single number that a statement of the loop yields.
pub(super) fn number(connection: &Connection, sql: &str) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.raw_query();
    match rows.next()? {
        Some(row) => row.get(0),
        None => Err(rusqlite::Error::QueryReturnedNoRows),
    }
}
