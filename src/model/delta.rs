//! Row deltas: what one step changed.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::value::{Cell, Row};

/// A table as venomqa watches it. Shared by every change of one of its rows, so a change can be hashed, restored and
/// printed without looking anything up.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Number of the table within its system; orders changes and keys the net delta.
    pub id: TableId,
    /// Name of the system in the spec (`db`).
    pub system: Arc<str>,
    /// Name as people write it (`orders`, or `billing.orders` outside the default schema).
    pub name: String,
    /// Names of the columns, in the order of the cells of a row.
    pub columns: Vec<String>,
    /// What its rows are.
    pub kind: TableKind,
    /// Whether the table takes part in the identity of a state (`observe_tables`). It is restored either way.
    pub observed: bool,
    /// Columns left out of the identity (`ignore_columns`), by position.
    pub ignored_columns: Vec<bool>,
}

/// Number of a table within its system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u32);

/// What the rows of a [`Table`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// Rows that the application wrote.
    Rows,
    /// Counters behind generated keys (`sqlite_sequence`, PostgreSQL sequences) shown as rows: restored exactly, but no
    /// part of a state's identity (a refused insert may burn a number without changing what the service can do) and
    /// not shown among the rows that a step changed.
    Sequence,
}

impl Table {
    /// Its name, with its system in front where there are several: `orders`, `billing:orders`.
    pub fn name_among(&self, systems: usize) -> String {
        match systems {
            0 | 1 => self.name.clone(),
            _ => format!("{}:{}", self.system, self.name),
        }
    }

    fn is_identity(&self) -> bool {
        self.observed && self.kind == TableKind::Rows
    }

    /// Hash of one row as the identity sees it.
    fn identity_hash(&self, row: &Row) -> u128 {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(self.system.as_bytes())
            .update(&[0])
            .update(&self.id.0.to_le_bytes());
        for (position, cell) in row.iter().enumerate() {
            if !self
                .ignored_columns
                .get(position)
                .copied()
                .unwrap_or_default()
            {
                hasher.update(&(position as u32).to_le_bytes());
                cell.hash_into(&mut hasher);
            }
        }
        Digest::from_hash(&hasher.finalize()).0
    }
}

/// What identifies a row within its table, found by the system (primary key, or the rowid).
pub type RowKey = Arc<[Cell]>;

/// One row before and after. `None` before: inserted; `None` after: deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// Where the row lives.
    pub table: Arc<Table>,
    /// Which row.
    pub key: RowKey,
    /// The row as it was.
    pub before: Option<Row>,
    /// The row as it is.
    pub after: Option<Row>,
}

impl RowChange {
    /// Whether the identity leaves some of it out: the table is not observed, or the value of an ignored column changed.
    pub fn has_unseen_part(&self) -> bool {
        let table = &self.table;
        let value = |row: &Option<Row>, column: usize| -> Option<Cell> {
            row.as_ref().and_then(|row| row.get(column)).cloned()
        };
        !table.is_identity()
            || table
                .ignored_columns
                .iter()
                .enumerate()
                .any(|(column, is_ignored)| {
                    *is_ignored && value(&self.before, column) != value(&self.after, column)
                })
    }

    /// Whether the identity sees it: a row of an observed table came or went, or a column changed that is not ignored.
    pub fn is_observed(&self) -> bool {
        Digest::default().moved_by(self) != Digest::default()
    }
}

/// An order-independent digest of a set of rows: hashes are added, so inserting and then deleting a row leaves no
/// trace, and the digest of a state follows from its parent's by the rows of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub u128);

impl Digest {
    /// The first 128 bits of a blake3 hash.
    pub fn from_hash(hash: &blake3::Hash) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        Self(u128::from_le_bytes(bytes))
    }

    /// The digest after a change.
    pub(super) fn moved_by(self, change: &RowChange) -> Self {
        if !change.table.is_identity() {
            return self;
        }
        let hash = |row: &Option<Row>| {
            row.as_ref()
                .map_or(0, |row| change.table.identity_hash(row))
        };
        Self(
            self.0
                .wrapping_add(hash(&change.after))
                .wrapping_sub(hash(&change.before)),
        )
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The rows that one step changed, each once, ordered by table and key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowDelta(Vec<RowChange>);

impl RowDelta {
    /// A delta of these changes. Rows that end as they began are left out.
    pub fn new(mut changes: Vec<RowChange>) -> Self {
        changes.retain(|change| change.before != change.after);
        changes.sort_by(|a, b| (a.table.id, &a.key).cmp(&(b.table.id, &b.key)));
        Self(changes)
    }

    /// The changes, ordered by table and key.
    pub fn changes(&self) -> &[RowChange] {
        &self.0
    }

    /// The inverse: every row as it was before.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let turned = |change: &RowChange| RowChange {
            before: change.after.clone(),
            after: change.before.clone(),
            ..change.clone()
        };
        Self(self.0.iter().map(turned).collect())
    }

    /// Whether nothing changed, not even a sequence.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The changes of rows that the application wrote, sequences left out.
    pub fn rows(&self) -> impl Iterator<Item = &RowChange> {
        self.0
            .iter()
            .filter(|change| change.table.kind == TableKind::Rows)
    }
}

/// A cell list as a key.
pub fn row_key(cells: impl IntoIterator<Item = Cell>) -> RowKey {
    cells.into_iter().collect()
}
