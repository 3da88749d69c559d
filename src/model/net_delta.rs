//! The net delta between a state and the initial state.

use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use super::delta::{Digest, RowChange, RowDelta, RowKey, TableId};
use super::value::Row;

/// How the content of one system differs from its content in the initial state.
///
/// A run holds as many of these as it knows states. So a state shares with its parent all but what one step changed: a
/// persistent map, and in front of it a short list, which takes far less memory than the nodes of the map that are copied for
/// a few changes.
#[derive(Clone, Debug, Default)]
pub struct NetDelta {
    /// How an ancestor differed from the initial state.
    base: OrdMap<(TableId, RowKey), Arc<RowChange>>,
    /// The rows that changed since, by table and key: as they were in the initial state, and as they are. A row that is as it
    /// was stands here only where `base` has it.
    recent: Arc<[Arc<RowChange>]>,
    digest: Digest,
}

impl NetDelta {
    /// Rows in the list at the most.
    const RECENT: usize = 64;

    /// The net delta after a step that changed these rows.
    #[must_use]
    pub fn after(&self, delta: &RowDelta) -> Self {
        let changes = delta.changes();
        let mut base = self.base.clone();
        let mut recent = self.recent.to_vec();
        if recent.len() + changes.len() <= Self::RECENT {
            for change in changes {
                match position(&recent, change.table.id, &change.key) {
                    Ok(at) => recent[at] = net_change(Some(&recent[at]), change),
                    Err(at) => recent.insert(at, net_change(base.get(&place(change)), change)),
                }
            }
            recent.retain(|change| differs(change) || base.contains_key(&place(change)));
        } else {
            for change in std::mem::take(&mut recent) {
                put(&mut base, change);
            }
            for change in changes {
                let change = net_change(base.get(&place(change)), change);
                put(&mut base, change);
            }
        }
        Self {
            base,
            recent: recent.into(),
            digest: changes.iter().fold(self.digest, Digest::moved_by),
        }
    }

    /// The rows to write to get from the content of `self` to the content of `target`: exactly those that differ.
    /// `before` is the row as `self` has it, `after` as `target` has it.
    pub fn way_to(&self, target: &Self) -> RowDelta {
        let of_base = self.base.diff(&target.base).map(|item| match item {
            DiffItem::Add(_, change)
            | DiffItem::Remove(_, change)
            | DiffItem::Update {
                new: (_, change), ..
            } => change,
        });
        // Rows in which the two may differ, as one of them has them.
        let mut rows: Vec<&Arc<RowChange>> = of_base
            .chain(&*self.recent)
            .chain(&*target.recent)
            .collect();
        rows.sort_by(|a, b| order(a).cmp(&order(b)));
        rows.dedup_by(|a, b| order(a) == order(b));
        let way = rows.into_iter().map(|row| {
            let (table, key) = (row.table.clone(), row.key.clone());
            // Where only one of them knows the row, the other has it as it is in the initial state.
            let here = self.find(table.id, &key);
            let there = target.find(table.id, &key);
            RowChange {
                before: here.map_or(&row.before, |here| &here.after).clone(),
                after: there.map_or(&row.before, |there| &there.after).clone(),
                table,
                key,
            }
        });
        RowDelta::new(way.collect())
    }

    /// What the identity of a state takes from this system: changes when an observed row changes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The row as this state has it: `None` when it is as in the initial state, `Some(None)` when it is deleted.
    pub fn current(&self, table: TableId, key: &RowKey) -> Option<&Option<Row>> {
        let change = self.find(table, key)?;
        differs(change).then_some(&change.after)
    }

    /// Every row that differs from the initial state: `before` as it was there, `after` as it is here. In no order.
    pub fn changes(&self) -> impl Iterator<Item = &RowChange> {
        let is_latest = |change: &&Arc<RowChange>| {
            position(&self.recent, change.table.id, &change.key).is_err()
        };
        let changes = self.base.values().filter(is_latest).chain(&*self.recent);
        changes
            .filter(|change| differs(change))
            .map(|change| &**change)
    }

    /// How many rows differ from the initial state.
    pub fn len(&self) -> usize {
        self.changes().count()
    }

    /// Whether the content is that of the initial state.
    pub fn is_empty(&self) -> bool {
        self.changes().next().is_none()
    }

    /// Whether both describe the same content, row for row, ignored columns included.
    pub fn same_content(&self, other: &Self) -> bool {
        let is_same = self.base.ptr_eq(&other.base) && Arc::ptr_eq(&self.recent, &other.recent);
        is_same || self.way_to(other).is_empty()
    }

    /// What is known of a row.
    fn find(&self, table: TableId, key: &RowKey) -> Option<&RowChange> {
        match position(&self.recent, table, key) {
            Ok(at) => self.recent.get(at),
            Err(_) => self.base.get(&(table, key.clone())),
        }
        .map(|change| &**change)
    }
}

/// What orders rows.
fn order(change: &RowChange) -> (TableId, &RowKey) {
    (change.table.id, &change.key)
}

fn place(change: &RowChange) -> (TableId, RowKey) {
    (change.table.id, change.key.clone())
}

fn position(recent: &[Arc<RowChange>], table: TableId, key: &RowKey) -> Result<usize, usize> {
    recent.binary_search_by(|change| order(change).cmp(&(table, key)))
}

/// Whether the row is another one than in the initial state.
fn differs(change: &RowChange) -> bool {
    change.before != change.after
}

fn put(base: &mut OrdMap<(TableId, RowKey), Arc<RowChange>>, change: Arc<RowChange>) {
    if differs(&change) {
        base.insert(place(&change), change);
    } else {
        base.remove(&place(&change));
    }
}

/// How a row differs from the initial state after a change, where `known` is how it differed before that. It shares what has
/// not changed.
fn net_change(known: Option<&Arc<RowChange>>, change: &RowChange) -> Arc<RowChange> {
    let (key, initial, last) = match known {
        Some(known) => (&known.key, &known.before, &known.after),
        None => (&change.key, &change.before, &change.before),
    };
    let after = match (&change.after, last) {
        (Some(row), Some(last)) if row.len() == last.len() => {
            let cells = row.iter().zip(&**last);
            Some(
                cells
                    .map(|(cell, last)| if cell == last { last } else { cell }.clone())
                    .collect(),
            )
        }
        (after, _) => after.clone(),
    };
    Arc::new(RowChange {
        table: change.table.clone(),
        key: key.clone(),
        before: initial.clone(),
        after,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::delta::{Table, TableKind, row_key};
    use super::super::value::Cell;
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
        let ids: BTreeSet<_> = from.keys().chain(to.keys()).collect();
        let changes = ids
            .into_iter()
            .map(|id| change(table, *id, from.get(id).copied(), to.get(id).copied()));
        RowDelta::new(changes.collect())
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
