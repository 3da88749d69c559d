//! `sqlite_sequence`: the counters behind `AUTOINCREMENT`. It takes no trigger, so it is read as a whole (one row for
//! each such table) and compared.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::apply::{Bound, cells, execute};
use super::catalog::Sequence;
use crate::model::{Cell, NetDelta, Row, RowChange, RowKey, row_key};

/// The counters, by rowid.
pub(super) type Counters = BTreeMap<RowKey, Row>;

/// What is known of the counters.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// In the initial state.
    pub(super) initial: Counters,
    /// At the last read or restore.
    pub(super) now: Counters,
    /// Every key that there ever was.
    keys: BTreeSet<RowKey>,
}

impl Known {
    /// These counters are those of the initial state.
    pub(super) fn begin(&mut self, counters: Counters) {
        self.see(&counters);
        self.initial = counters.clone();
        self.now = counters;
    }

    /// These counters are in the database now: the ones that differ from what was there.
    pub(super) fn moved_to(
        &mut self,
        sequence: &Sequence,
        counters: Counters,
        changes: &mut Vec<RowChange>,
    ) {
        if counters == self.now {
            return;
        }
        self.see(&counters);
        for key in &self.keys {
            let (before, after) = (self.now.get(key), counters.get(key));
            if before != after {
                changes.push(RowChange {
                    table: sequence.table.clone(),
                    key: key.clone(),
                    before: before.cloned(),
                    after: after.cloned(),
                });
            }
        }
        self.now = counters;
    }

    /// The counters in a state.
    pub(super) fn at(&self, sequence: &Sequence, delta: &NetDelta) -> Counters {
        self.keys
            .iter()
            .filter_map(|key| {
                let row = match delta.current(sequence.table.id, key) {
                    Some(row) => row.as_ref(),
                    None => self.initial.get(key),
                };
                Some((key.clone(), row?.clone()))
            })
            .collect()
    }

    fn see(&mut self, counters: &Counters) {
        for key in counters.keys() {
            if !self.keys.contains(key) {
                self.keys.insert(key.clone());
            }
        }
    }
}

/// Reads the counters.
pub(super) fn read(connection: &Connection, sequence: &Sequence) -> rusqlite::Result<Counters> {
    let mut statement =
        connection.prepare_cached("SELECT rowid, name, seq FROM sqlite_sequence")?;
    let mut rows = statement.raw_query();
    let mut counters = Counters::new();
    while let Some(row) = rows.next()? {
        let counter = cells(row, 1, 2)?;
        if !is_ignored(sequence, &counter) {
            counters.insert(row_key([Cell::Integer(row.get(0)?)]), counter);
        }
    }
    Ok(counters)
}

/// Makes the counters what they must be. Rows written before may have moved them, so they are compared once more.
pub(super) fn write(
    connection: &Connection,
    sequence: &Sequence,
    wanted: &Counters,
) -> rusqlite::Result<()> {
    let found = read(connection, sequence)?;
    if found == *wanted {
        return Ok(());
    }
    for (key, _) in found
        .iter()
        .filter(|(key, row)| wanted.get(*key) != Some(row))
    {
        let mut statement =
            connection.prepare_cached("DELETE FROM sqlite_sequence WHERE rowid = ?1")?;
        statement.raw_bind_parameter(1, Bound(&key[0]))?;
        statement.raw_execute()?;
    }
    for (key, row) in wanted
        .iter()
        .filter(|(key, row)| found.get(*key) != Some(row))
    {
        let mut statement = connection
            .prepare_cached("INSERT INTO sqlite_sequence (rowid, name, seq) VALUES (?1, ?2, ?3)")?;
        for (position, cell) in key.iter().chain(row.iter()).enumerate() {
            statement.raw_bind_parameter(position + 1, Bound(cell))?;
        }
        statement.raw_execute()?;
    }
    Ok(())
}

/// Puts the counters of before the run back, from the journal, but for those of ignored tables.
pub(super) fn recover(connection: &Connection, ignored: &[String]) -> rusqlite::Result<()> {
    let spared = ignored
        .iter()
        .map(|name| super::sql::literal(name))
        .collect::<Vec<_>>()
        .join(", ");
    execute(
        connection,
        &format!("DELETE FROM sqlite_sequence WHERE name IS NULL OR name NOT IN ({spared})"),
    )?;
    execute(
        connection,
        &format!(
            "INSERT INTO sqlite_sequence (rowid, name, seq) SELECT k0, name, seq FROM venomqa_sequence \
             WHERE name IS NULL OR name NOT IN ({spared})"
        ),
    )
}

fn is_ignored(sequence: &Sequence, counter: &Row) -> bool {
    matches!(&counter[0], Cell::Text(name)
        if std::str::from_utf8(name).is_ok_and(|name| sequence.ignored.contains(name)))
}
