//! Row deltas: what one step changed, and the net delta between a state and the initial state.

use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
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

    fn moved_by(self, change: &RowChange) -> Self {
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

/// How the content of one system differs from its content in the initial state. A persistent map: a child state
/// shares with its parent all but what one step changed.
#[derive(Clone, Debug, Default)]
pub struct NetDelta {
    rows: OrdMap<(TableId, RowKey), RowChange>,
    digest: Digest,
}

impl NetDelta {
    /// The net delta after a step that changed these rows.
    #[must_use]
    pub fn after(&self, delta: &RowDelta) -> Self {
        let mut next = self.clone();
        for change in delta.changes() {
            next.digest = next.digest.moved_by(change);
            let key = (change.table.id, change.key.clone());
            let initial = match next.rows.get(&key) {
                Some(known) => known.before.clone(),
                None => change.before.clone(),
            };
            if initial == change.after {
                next.rows.remove(&key);
            } else {
                let mut net = change.clone();
                net.before = initial;
                next.rows.insert(key, net);
            }
        }
        next
    }

    /// The rows to write to get from the content of `self` to the content of `target`: exactly those that differ.
    /// `before` is the row as `self` has it, `after` as `target` has it.
    pub fn way_to(&self, target: &Self) -> RowDelta {
        RowDelta::new(
            self.rows
                .diff(&target.rows)
                .map(|item| match item {
                    // Only the target differs from the initial state here.
                    DiffItem::Add(_, there) => there.clone(),
                    DiffItem::Update {
                        old: (_, here),
                        new: (_, there),
                    } => RowChange {
                        before: here.after.clone(),
                        ..there.clone()
                    },
                    // Only we differ from the initial state: back to it.
                    DiffItem::Remove(_, here) => RowChange {
                        table: here.table.clone(),
                        key: here.key.clone(),
                        before: here.after.clone(),
                        after: here.before.clone(),
                    },
                })
                .collect(),
        )
    }

    /// What the identity of a state takes from this system: changes when an observed row changes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The row as this state has it: `None` when it is as in the initial state, `Some(None)` when it is deleted.
    pub fn current(&self, table: TableId, key: &RowKey) -> Option<&Option<Row>> {
        self.rows
            .get(&(table, key.clone()))
            .map(|change| &change.after)
    }

    /// Every row that differs from the initial state: `before` as it was there, `after` as it is here.
    pub fn changes(&self) -> impl Iterator<Item = &RowChange> {
        self.rows.values()
    }

    /// How many rows differ from the initial state.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the content is that of the initial state.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether both describe the same content, row for row, ignored columns included.
    pub fn same_content(&self, other: &Self) -> bool {
        self.rows.ptr_eq(&other.rows) || self.rows.diff(&other.rows).next().is_none()
    }
}

/// A cell list as a key.
pub fn row_key(cells: impl IntoIterator<Item = Cell>) -> RowKey {
    cells.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::random::Random;

    fn table() -> Arc<Table> {
        Arc::new(Table {
            id: TableId(1),
            system: "db".into(),
            name: "t".to_owned(),
            columns: vec!["id".to_owned(), "n".to_owned()],
            kind: TableKind::Rows,
            observed: true,
            ignored_columns: vec![false, false],
        })
    }

    /// The contents of a table, as a map that is compared row by row.
    type Content = BTreeMap<i64, i64>;

    fn change(table: &Arc<Table>, id: i64, before: Option<i64>, after: Option<i64>) -> RowChange {
        let row = |n: i64| Row::from([Cell::Integer(id), Cell::Integer(n)]);
        RowChange {
            table: table.clone(),
            key: row_key([Cell::Integer(id)]),
            before: before.map(row),
            after: after.map(row),
        }
    }

    /// What to write to get from one content to another.
    fn naive(table: &Arc<Table>, from: &Content, to: &Content) -> RowDelta {
        let ids = from.keys().chain(to.keys());
        let changes = ids.map(|id| change(table, *id, from.get(id).copied(), to.get(id).copied()));
        let mut delta = RowDelta::new(changes.collect());
        delta.0.dedup();
        delta
    }

    fn number(random: &mut Random, bound: usize) -> i64 {
        i64::try_from(random.below(bound)).expect("a small number")
    }

    #[test]
    fn each_row_among_thousands_is_found_when_it_alone_differs() {
        let table = table();
        let inserts = (0..5_000).map(|id| change(&table, id, None, Some(0)));
        let many = NetDelta::default().after(&RowDelta::new(inserts.collect()));
        for id in 0..5_000 {
            let step = RowDelta::new(vec![change(&table, id, Some(0), Some(1))]);
            let other = many.after(&step);
            assert_eq!(many.way_to(&other), step);
            assert_eq!(other.way_to(&many), step.inverse());
            assert!(!many.same_content(&other), "row {id}");
        }
    }

    #[test]
    fn the_way_between_any_two_states_is_the_rows_in_which_they_differ() {
        let table = table();
        let mut random = Random::new(1);
        for range in [5, 60, 150, 320, 550, 1_500] {
            let mut states = vec![(NetDelta::default(), Content::new())];
            for _ in 0..1_500 {
                let (net, content) = &states[random.below(states.len())];
                let mut next = content.clone();
                for _ in 0..=random.below(40) {
                    let id = number(&mut random, range);
                    if random.below(2) == 0 {
                        next.insert(id, number(&mut random, 6));
                    } else {
                        next.remove(&id);
                    }
                }
                let net = net.after(&naive(&table, content, &next));
                let (other, content) = &states[random.below(states.len())];
                let way = naive(&table, content, &next);
                assert_eq!(other.way_to(&net), way);
                assert_eq!(other.same_content(&net), way.is_empty());
                assert_eq!(other.after(&way).digest(), net.digest());
                if states.len() < 60 {
                    states.push((net, next));
                } else {
                    let place = random.below(states.len());
                    states[place] = (net, next);
                }
            }
        }
    }
}
