//! Counters, that is numbers which belong to no row: `sqlite_sequence`, the counters behind `AUTOINCREMENT`, and the numbers in
//! the file's header that the application may set (`PRAGMA user_version`). No trigger can watch counters, so all are read and
//! compared.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::apply::{Bound, cells, execute, number};
use super::catalog::Counters;
use super::sql::literal;
use crate::model::{Cell, NetDelta, Row, RowChange, RowKey, row_key};

/// The numbers in the header, as pragmas call them, with the statement that reads each.
const HEADER: [(&str, &str); 2] = [
    ("user_version", "PRAGMA user_version"),
    ("application_id", "PRAGMA application_id"),
];

/// Values of counters: of tables by the rowid in `sqlite_sequence`, of the header by name.
pub(super) type Values = BTreeMap<RowKey, Row>;

/// The values of all counters in the initial state, and at the last read or restore.
#[derive(Debug, Default)]
pub(super) struct CounterValues {
    /// In the initial state.
    initial: Values,
    /// At the last read or restore.
    pub(super) now: Values,
    /// Every key that there ever was.
    keys: BTreeSet<RowKey>,
}

impl CounterValues {
    /// Marks these values as those of the initial state.
    pub(super) fn begin(&mut self, values: Values) {
        self.see(&values);
        self.initial = values.clone();
        self.now = values;
    }

    /// Notes the values in the database now. Returns those that differ from the last ones.
    pub(super) fn moved_to(
        &mut self,
        counters: &Counters,
        values: Values,
        changes: &mut Vec<RowChange>,
    ) {
        if values == self.now {
            return;
        }
        self.see(&values);
        for key in &self.keys {
            let (before, after) = (self.now.get(key), values.get(key));
            if before != after {
                changes.push(RowChange {
                    table: counters.table.clone(),
                    key: key.clone(),
                    before: before.cloned(),
                    after: after.cloned(),
                });
            }
        }
        self.now = values;
    }

    /// The counters in a state.
    pub(super) fn at(&self, counters: &Counters, delta: &NetDelta) -> Values {
        self.keys
            .iter()
            .filter_map(|key| {
                let row = match delta.current(counters.table.id, key) {
                    Some(row) => row.as_ref(),
                    None => self.initial.get(key),
                };
                Some((key.clone(), row?.clone()))
            })
            .collect()
    }

    fn see(&mut self, values: &Values) {
        for key in values.keys() {
            if !self.keys.contains(key) {
                self.keys.insert(key.clone());
            }
        }
    }
}

/// Reads all counters.
pub(super) fn read(connection: &Connection, counters: &Counters) -> rusqlite::Result<Values> {
    let mut values = Values::new();
    for (name, statement) in HEADER {
        let name = Cell::Text(name.as_bytes().into());
        let number = Cell::Integer(number(connection, statement)?);
        values.insert(row_key([name.clone()]), [name, number].into());
    }
    if counters.of_tables {
        let mut statement =
            connection.prepare_cached("SELECT rowid, name, seq FROM sqlite_sequence")?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let counter = cells(row, 1, 2)?;
            if !is_ignored(counters, &counter) {
                values.insert(row_key([Cell::Integer(row.get(0)?)]), counter);
            }
        }
    }
    Ok(values)
}

/// Sets the counters to these values. Rows that were written before may have moved counters, so all are compared once more.
pub(super) fn write(
    connection: &Connection,
    counters: &Counters,
    wanted: &Values,
) -> rusqlite::Result<()> {
    let found = read(connection, counters)?;
    if found == *wanted {
        return Ok(());
    }
    let (of_header, of_tables) = differing(wanted, &found);
    for (_, row) in of_header {
        if let [Cell::Text(name), Cell::Integer(number)] = &row[..]
            && let Ok(name) = std::str::from_utf8(name)
        {
            connection.execute_batch(&format!("PRAGMA {name} = {number}"))?;
        }
    }
    for (key, _) in differing(&found, wanted).1 {
        let mut statement =
            connection.prepare_cached("DELETE FROM sqlite_sequence WHERE rowid = ?1")?;
        statement.raw_bind_parameter(1, Bound(&key[0]))?;
        statement.raw_execute()?;
    }
    for (key, row) in of_tables {
        // VACUUM may have moved the counter of an ignored table there.
        let mut statement = connection.prepare_cached(
            "UPDATE sqlite_sequence SET rowid = (SELECT max(rowid) + 1 FROM sqlite_sequence) WHERE rowid = ?1",
        )?;
        statement.raw_bind_parameter(1, Bound(&key[0]))?;
        statement.raw_execute()?;
        let mut statement = connection
            .prepare_cached("INSERT INTO sqlite_sequence (rowid, name, seq) VALUES (?1, ?2, ?3)")?;
        for (position, cell) in key.iter().chain(row.iter()).enumerate() {
            statement.raw_bind_parameter(position + 1, Bound(cell))?;
        }
        statement.raw_execute()?;
    }
    Ok(())
}

type Entries<'v> = Vec<(&'v RowKey, &'v Row)>;

/// The counters in `values` whose value differs in `others`: of the header, and of tables.
fn differing<'v>(values: &'v Values, others: &Values) -> (Entries<'v>, Entries<'v>) {
    values
        .iter()
        .filter(|(key, row)| others.get(*key) != Some(row))
        .partition(|(key, _)| matches!(key[0], Cell::Text(_)))
}

/// Records in the journal the counters before the run. To be called within a transaction.
pub(super) fn keep(connection: &Connection, counters: &Counters) -> rusqlite::Result<()> {
    let header = HEADER
        .iter()
        .map(|(name, statement)| Ok(format!("('{name}', {})", number(connection, statement)?)))
        .collect::<rusqlite::Result<Vec<_>>>()?;
    connection.execute_batch(&format!(
        "CREATE TABLE venomqa_header (name TEXT, value INTEGER);
         INSERT INTO venomqa_header VALUES {}",
        header.join(", ")
    ))?;
    if counters.of_tables {
        connection.execute_batch(
            "CREATE TABLE venomqa_sequence (k0 INTEGER PRIMARY KEY, name, seq);
             INSERT INTO venomqa_sequence SELECT rowid, name, seq FROM sqlite_sequence",
        )?;
    }
    Ok(())
}

/// Restores the counters before the run from the journal; of `sqlite_sequence` only those of these tables.
pub(super) fn recover(connection: &Connection, watched: &[&str]) -> rusqlite::Result<()> {
    let kept: Vec<(String, i64)> = connection
        .prepare("SELECT name, value FROM venomqa_header")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (name, statement) in HEADER {
        if let Some((_, value)) = kept.iter().find(|(kept, _)| kept == name)
            && number(connection, statement)? != *value
        {
            connection.execute_batch(&format!("PRAGMA {name} = {value}"))?;
        }
    }
    let both: bool = connection.query_row(
        "SELECT count(*) = 2 FROM sqlite_schema WHERE name IN ('sqlite_sequence', 'venomqa_sequence')",
        [],
        |row| row.get(0),
    )?;
    if !both {
        return Ok(());
    }
    let names = watched
        .iter()
        .map(|name| literal(name))
        .collect::<Vec<_>>()
        .join(", ");
    let gone = "name NOT IN (SELECT name FROM sqlite_schema WHERE type = 'table')";
    let ours = format!("name IS NULL OR name IN ({names}) OR {gone}");
    execute(
        connection,
        &format!("DELETE FROM sqlite_sequence WHERE {ours}"),
    )?;
    let taken = format!(
        "SELECT rowid FROM sqlite_sequence INTERSECT SELECT k0 FROM venomqa_sequence WHERE {ours}"
    );
    execute(
        connection,
        &format!(
            "UPDATE sqlite_sequence SET rowid = rowid + (SELECT max(rowid) FROM (SELECT max(rowid) AS rowid FROM \
             sqlite_sequence UNION ALL SELECT max(k0) FROM venomqa_sequence)) WHERE rowid IN ({taken})"
        ),
    )?;
    execute(
        connection,
        &format!(
            "INSERT INTO sqlite_sequence (rowid, name, seq) SELECT k0, name, seq FROM venomqa_sequence WHERE {ours}"
        ),
    )
}

fn is_ignored(counters: &Counters, counter: &Row) -> bool {
    matches!(&counter[0], Cell::Text(name)
        if std::str::from_utf8(name).is_ok_and(|name| counters.ignored.contains(name)))
}
