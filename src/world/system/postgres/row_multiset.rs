//! A multiset of rows that were added and removed. An added and a removed row that are equal cancel; the rest is the
//! difference between two moments.

use std::collections::{BTreeMap, HashMap};

use super::catalog::{Catalog, Watched};
use crate::model::{Cell, NetDelta, Row, RowChange, RowKey, TableId, row_key};

/// For each row, the number of additions minus the number of removals.
#[derive(Debug, Default)]
pub(super) struct RowMultiset(BTreeMap<TableId, HashMap<Row, i64>>);

/// Two rows of one table claim the same key at the same moment: the journal cannot be right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contradiction {
    /// `schema.table`.
    pub(super) table: String,
    /// The key.
    pub(super) key: RowKey,
}

impl RowMultiset {
    /// Counts a row that was added.
    pub(super) fn add(&mut self, table: TableId, row: Row) {
        self.count(table, row, 1);
    }

    /// Counts a row that was removed.
    pub(super) fn remove(&mut self, table: TableId, row: Row) {
        self.count(table, row, -1);
    }

    fn count(&mut self, table: TableId, row: Row, by: i64) {
        *self.0.entry(table).or_default().entry(row).or_default() += by;
    }

    /// Whether the multiset is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.rows().next().is_none()
    }

    /// Every row with its count.
    pub(super) fn rows(&self) -> impl Iterator<Item = (TableId, &Row, i64)> {
        self.0.iter().flat_map(|(table, rows)| {
            rows.iter()
                .filter(|(_, count)| **count != 0)
                .map(|(row, count)| (*table, row, *count))
        })
    }

    /// The rows that differ. `known` is the net delta before them: in a table without a key it says how many copies of a row
    /// have been reported.
    pub(super) fn changes(
        &self,
        catalog: &Catalog,
        known: &NetDelta,
    ) -> Result<Vec<RowChange>, Contradiction> {
        let mut changes = Vec::new();
        for (id, rows) in &self.0 {
            let Some(watched) = catalog.watched(*id) else {
                continue;
            };
            let rows = rows.iter().filter(|(_, count)| **count != 0);
            if watched.key.is_some() {
                changes.extend(keyed(watched, rows)?);
            } else {
                for (row, count) in rows {
                    changes.extend(keyless(watched, row, *count, known));
                }
            }
        }
        Ok(changes)
    }
}

fn keyed<'a>(
    watched: &Watched,
    rows: impl Iterator<Item = (&'a Row, &'a i64)>,
) -> Result<Vec<RowChange>, Contradiction> {
    let mut changes: HashMap<RowKey, RowChange> = HashMap::new();
    for (row, count) in rows {
        let key = watched.key_of(row).unwrap_or_default();
        let change = changes.entry(key.clone()).or_insert_with(|| RowChange {
            table: watched.table.clone(),
            key: key.clone(),
            before: None,
            after: None,
        });
        let side = match count {
            1 => &mut change.after,
            -1 => &mut change.before,
            _ => return Err(contradiction(watched, key)),
        };
        if side.replace(row.clone()).is_some() {
            return Err(contradiction(watched, key));
        }
    }
    Ok(changes.into_values().collect())
}

fn contradiction(watched: &Watched, key: RowKey) -> Contradiction {
    Contradiction {
        table: watched.full_name.clone(),
        key,
    }
}

/// Equal rows of a table without a key are numbered: the change from n to n + 1 copies more than in the initial state has the
/// number n, and the change back has the same number. So an added copy and a removed copy cancel.
fn keyless(watched: &Watched, row: &Row, count: i64, known: &NetDelta) -> Vec<RowChange> {
    let numbered = |number: i64| row_key(row.iter().cloned().chain([Cell::Integer(number)]));
    let id = watched.table.id;
    let mut surplus = 0;
    while matches!(known.current(id, &numbered(surplus)), Some(Some(_))) {
        surplus += 1;
    }
    while surplus <= 0 && matches!(known.current(id, &numbered(surplus - 1)), Some(None)) {
        surplus -= 1;
    }
    (0..count.abs())
        .map(|step| {
            let comes = count > 0;
            let number = if comes {
                surplus + step
            } else {
                surplus - step - 1
            };
            RowChange {
                table: watched.table.clone(),
                key: numbered(number),
                before: (!comes).then(|| row.clone()),
                after: comes.then(|| row.clone()),
            }
        })
        .collect()
}
