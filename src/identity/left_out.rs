//! What tells two states apart that are taken for one.

use std::collections::{BTreeMap, BTreeSet};

use super::schema::{ColumnRole, Schema, TableNumber};
use crate::model::{Cell, Row};

/// What two states differ in, although the identity takes them for one: ids, and values that are another one each time.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Tables whose rows have other ids, or stand in another order.
    pub keys: BTreeSet<TableNumber>,
    /// Columns that are taken for volatile and hold something else.
    pub columns: BTreeSet<(TableNumber, usize)>,
}

/// A row that the run has touched: its table, its key, and what it holds now.
pub type Touched<'r> = (TableNumber, Vec<Cell>, Option<&'r Row>);

impl LeftOut {
    /// What these rows of two states, taken for one, differ in.
    pub fn between<'r>(
        schema: &Schema,
        these: impl IntoIterator<Item = Touched<'r>>,
        those: impl IntoIterator<Item = Touched<'r>>,
    ) -> Self {
        let mut left_out = Self::default();
        let mut these: BTreeMap<(TableNumber, Vec<Cell>), Option<&Row>> = (these.into_iter())
            .map(|(table, key, row)| ((table, key), row))
            .collect();
        for (table, key, row) in those {
            match (these.remove(&(table, key)), row) {
                (Some(Some(this)), Some(that)) => left_out.compare(schema, table, this, that),
                (Some(None), None) => {}
                _ => drop(left_out.keys.insert(table)),
            }
        }
        left_out.keys.extend(these.keys().map(|(table, _)| *table));
        left_out
    }

    fn compare(&mut self, schema: &Schema, table: TableNumber, this: &Row, that: &Row) {
        let roles = &schema.tables[table.0 as usize];
        let cells = this.iter().zip(that.iter()).enumerate();
        for (position, _) in cells.filter(|(_, (a, b))| a != b) {
            match roles.role(position) {
                ColumnRole::Ignored => {}
                ColumnRole::Volatile => drop(self.columns.insert((table, position))),
                ColumnRole::Key | ColumnRole::Reference(_) | ColumnRole::Value => {
                    self.keys.insert(table);
                }
            }
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.columns.is_empty()
    }

    /// Whether both have something in common.
    pub fn meets(&self, other: &Self) -> bool {
        !self.keys.is_disjoint(&other.keys) || !self.columns.is_disjoint(&other.columns)
    }

    /// Takes in what the other has.
    pub fn add(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.columns.extend(other.columns);
    }
}
