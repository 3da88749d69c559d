//! Rows and variables in memory, to be brought into canonical form.

use std::collections::{BTreeMap, BTreeSet};

use super::super::*;
use crate::model::{Cell, Row};

/// A schema in short: each table with its columns, of which the first is the key.
pub(super) fn schema(tables: &[(&str, &[ColumnRole])]) -> Schema {
    let tables = tables.iter().map(|(name, roles)| TableRoles {
        name: (*name).to_owned(),
        keys_are_generated: true,
        columns: (0..=roles.len()).map(|at| format!("c{at}")).collect(),
        roles: std::iter::once(ColumnRole::Key)
            .chain(roles.iter().copied())
            .collect(),
    });
    Schema {
        tables: tables.collect(),
    }
}

/// The rows of all tables, by table and key, and which row each variable names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SmallWorld {
    pub(super) rows: BTreeMap<(u32, i64), Vec<Cell>>,
    pub(super) names: BTreeMap<u32, (u32, i64)>,
}

impl SmallWorld {
    /// The same with one row more, or another row of that key.
    pub(super) fn with<const N: usize>(&self, table: u32, id: i64, cells: [Cell; N]) -> Self {
        let mut next = self.clone();
        next.rows.insert((table, id), cells.into());
        next
    }

    pub(super) fn without(&self, table: u32, id: i64) -> Self {
        let mut next = self.clone();
        next.rows.remove(&(table, id));
        next
    }

    /// The same where a variable names this row.
    pub(super) fn naming(&self, variable: u32, table: u32, id: i64) -> Self {
        let mut next = self.clone();
        next.names.insert(variable, (table, id));
        next
    }

    fn row(&self, table: u32, id: i64) -> Option<Row> {
        let cells = self.rows.get(&(table, id))?;
        Some(
            std::iter::once(Cell::Integer(id))
                .chain(cells.iter().cloned())
                .collect(),
        )
    }
}

/// A state and its canonical form.
#[derive(Clone, Debug, Default)]
pub(super) struct At {
    pub(super) world: SmallWorld,
    pub(super) canonical: Canonical,
}

/// Goes from one state to another, as a step does.
pub(super) fn go(identity: &mut Identity, from: &At, to: SmallWorld) -> At {
    let places: BTreeSet<_> = from
        .world
        .rows
        .keys()
        .chain(to.rows.keys())
        .copied()
        .collect();
    let rows: Vec<_> = places
        .into_iter()
        .map(|(table, id)| {
            let key = [Cell::Integer(id)];
            (table, key, from.world.row(table, id), to.row(table, id))
        })
        .filter(|(.., before, after)| before != after)
        .collect();
    let changes = rows.iter().map(|(table, key, before, after)| Change {
        table: TableNumber(*table),
        key,
        before: before.as_ref(),
        after: after.as_ref(),
    });
    let names: Vec<_> = (to.names.iter())
        .map(|(variable, (table, id))| (*variable, *table, id.to_string()))
        .collect();
    let names =
        (names.iter()).map(|(variable, table, id)| (*variable, TableNumber(*table), id.as_bytes()));
    let canonical = identity.after(&from.canonical, changes, names);
    At {
        world: to,
        canonical,
    }
}

/// The digest of a state to which one step leads from nothing.
pub(super) fn digest(identity: &mut Identity, world: &SmallWorld) -> u128 {
    go(identity, &At::default(), world.clone())
        .canonical
        .digest()
        .0
}
