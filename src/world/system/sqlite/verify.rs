//! Proves that a restore was exact: small tables row for row, large ones by the rows that were touched.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use rusqlite::Connection;

use super::apply::{cell, cells, fetch};
use super::catalog::{Catalog, Key, Watched};
use crate::model::{NetDelta, Row, RowKey, TableId, brief, row_key};

/// Tables with more rows than this are compared only in the rows that were touched.
const SMALL: u32 = 2_000;

/// How many differing rows an error shows.
const SHOWN: usize = 10;

/// The small tables as they were in the initial state: a hash of each row.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    tables: HashMap<TableId, HashMap<RowKey, u64>>,
}

impl Snapshot {
    /// Records every small table. Reads at most a fixed number of rows of each.
    pub(super) fn take(connection: &Connection, catalog: &Catalog) -> rusqlite::Result<Self> {
        let mut snapshot = Self::default();
        for watched in &catalog.tables {
            let mut rows = HashMap::new();
            let complete = scan(connection, watched, SMALL, |key, row| {
                rows.insert(key, hash(&row));
            })?;
            if complete {
                snapshot.tables.insert(watched.table.id, rows);
            }
        }
        Ok(snapshot)
    }

    /// The rows that are not as this state says: empty where the restore was exact. `touched` are the tables that the
    /// run has written to, `written` the keys that the last restore wrote.
    pub(super) fn compare(
        &self,
        connection: &Connection,
        catalog: &Catalog,
        touched: &[bool],
        written: &[(TableId, RowKey)],
        delta: &NetDelta,
        initial: InitialRow<'_>,
    ) -> rusqlite::Result<Vec<String>> {
        let mut differences = Vec::new();
        let mut large = Vec::new();
        for watched in catalog
            .tables
            .iter()
            .filter(|watched| touched[watched.table.id.0 as usize])
        {
            let id = watched.table.id;
            let compared = match self.tables.get(&id) {
                Some(initial) => full(connection, watched, initial, delta, &mut differences)?,
                None => false,
            };
            if !compared {
                large.push(id);
            }
        }
        if !large.is_empty() {
            let of_large = |id: &TableId| large.contains(id);
            for change in delta.changes().filter(|change| of_large(&change.table.id)) {
                let Some(watched) = catalog.watched(change.table.id) else {
                    continue;
                };
                let found = fetch(connection, watched, &change.key)?;
                if found != change.after {
                    differences.push(difference(
                        watched,
                        &change.key,
                        found.as_ref(),
                        change.after.as_ref().into(),
                    ));
                }
            }
            differences.extend(resurrected(
                connection, catalog, &large, written, delta, initial,
            )?);
        }
        let more = differences.len().saturating_sub(SHOWN);
        differences.truncate(SHOWN);
        if more > 0 {
            differences.push(format!("and {more} more"));
        }
        Ok(differences)
    }
}

/// A row that was touched, as it was in the initial state; `None` where there was none.
pub(super) type InitialRow<'a> = &'a dyn Fn(TableId, &RowKey) -> Option<&'a Row>;

/// The expected content of a row.
#[derive(Clone, Copy)]
enum Expected<'a> {
    Row(&'a Row),
    Initial,
    Absent,
}

impl<'a> From<Option<&'a Row>> for Expected<'a> {
    fn from(row: Option<&'a Row>) -> Self {
        row.map_or(Self::Absent, Self::Row)
    }
}

/// Compares every row of a table; `false` where it has grown too large for that.
fn full(
    connection: &Connection,
    watched: &Watched,
    initial: &HashMap<RowKey, u64>,
    delta: &NetDelta,
    differences: &mut Vec<String>,
) -> rusqlite::Result<bool> {
    let id = watched.table.id;
    let mut found_initial = 0;
    let mut found_changed = 0;
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    let complete = scan(connection, watched, SMALL * 4, |key, row| {
        match delta.current(id, &key) {
            Some(Some(expected)) => {
                found_changed += 1;
                if *expected != row {
                    wrong.push(difference(
                        watched,
                        &key,
                        Some(&row),
                        Expected::Row(expected),
                    ));
                }
            }
            Some(None) => wrong.push(difference(watched, &key, Some(&row), Expected::Absent)),
            None => match initial.get(&key) {
                Some(expected) => {
                    found_initial += 1;
                    if *expected != hash(&row) {
                        wrong.push(difference(watched, &key, Some(&row), Expected::Initial));
                    }
                }
                None => wrong.push(difference(watched, &key, Some(&row), Expected::Absent)),
            },
        }
        seen.push(key);
    })?;
    if !complete {
        return Ok(false);
    }
    differences.append(&mut wrong);
    let mut changed_here = 0;
    let mut initial_changed = 0;
    for change in delta.changes().filter(|change| change.table.id == id) {
        changed_here += usize::from(change.after.is_some());
        initial_changed += usize::from(change.before.is_some());
    }
    if found_changed != changed_here || found_initial != initial.len() - initial_changed {
        seen.sort_unstable();
        let is_missing = |key: &RowKey| seen.binary_search(key).is_err();
        let of_delta = delta
            .changes()
            .filter(|change| change.table.id == id && is_missing(&change.key))
            .filter_map(|change| Some((&change.key, Expected::Row(change.after.as_ref()?))));
        let of_initial = initial
            .keys()
            .filter(|key| delta.current(id, key).is_none() && is_missing(key))
            .map(|key| (key, Expected::Initial));
        let mut missing: Vec<_> = of_delta.chain(of_initial).collect();
        missing.sort_by_key(|(key, _)| (*key).clone());
        differences.extend(
            missing
                .into_iter()
                .map(|(key, expected)| difference(watched, key, None, expected)),
        );
    }
    Ok(true)
}

/// Rows that the last restore should have taken away from a large table.
fn resurrected(
    connection: &Connection,
    catalog: &Catalog,
    large: &[TableId],
    written: &[(TableId, RowKey)],
    delta: &NetDelta,
    initial: InitialRow<'_>,
) -> rusqlite::Result<Vec<String>> {
    let mut differences = Vec::new();
    for (id, key) in written.iter().filter(|(id, _)| large.contains(id)) {
        let Some(watched) = catalog.watched(*id) else {
            continue;
        };
        if delta.current(*id, key).is_some() {
            continue;
        }
        let before = initial(*id, key);
        let found = fetch(connection, watched, key)?;
        if found.as_ref() != before {
            differences.push(difference(watched, key, found.as_ref(), before.into()));
        }
    }
    Ok(differences)
}

/// Hands every row to `see`, unless there are more than `limit`: then `false`.
fn scan(
    connection: &Connection,
    watched: &Watched,
    limit: u32,
    mut see: impl FnMut(RowKey, Row),
) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(&watched.statements.scan)?;
    statement.raw_bind_parameter(1, limit + 1)?;
    let mut rows = statement.raw_query();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        if count > limit {
            return Ok(false);
        }
        let cells = cells(row, 1, watched.table.columns.len())?;
        let key = match &watched.key {
            Key::Rowid { .. } => row_key([cell(row.get_ref(0)?)]),
            Key::Primary(positions) => {
                row_key(positions.iter().map(|position| cells[*position].clone()))
            }
        };
        see(key, cells);
    }
    Ok(true)
}

fn hash(row: &Row) -> u64 {
    let mut hasher = DefaultHasher::new();
    row.hash(&mut hasher);
    hasher.finish()
}

fn difference(
    watched: &Watched,
    key: &RowKey,
    found: Option<&Row>,
    expected: Expected<'_>,
) -> String {
    let expected = match expected {
        Expected::Row(row) => show(row),
        Expected::Initial => "the row of the initial state".to_owned(),
        Expected::Absent => "no row".to_owned(),
    };
    format!(
        "table `{}`, row {}: expected {expected}, found {}",
        watched.table.name,
        show(key),
        found.map_or_else(|| "no row".to_owned(), show)
    )
}

/// The cells in parentheses, long ones cut.
fn show(cells: &Row) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| brief(&cell.to_json())).collect();
    format!("({})", cells.join(", "))
}
