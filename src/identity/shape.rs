//! What a database says of its tables.

use std::sync::Arc;

use crate::model::Table;

/// A table as its database declares it.
#[derive(Clone, Debug)]
pub struct TableShape {
    /// The table.
    pub table: Arc<Table>,
    /// Positions of the columns of its primary key. Empty where there is none, and rows are known by what no column shows.
    pub key: Vec<usize>,
    /// Its columns, in the order of [`Table::columns`].
    pub columns: Vec<ColumnShape>,
}

/// A column as its database declares it.
#[derive(Clone, Debug, Default)]
pub struct ColumnShape {
    /// What it holds.
    pub kind: ValueKind,
    /// Whether the database fills it by itself, from a sequence or at random.
    pub is_generated: bool,
    /// The table whose key it holds, where a foreign key of one column says so.
    pub references: Option<String>,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueKind {
    /// Whole numbers.
    Integer,
    /// A moment, a date or a time of day.
    Time,
    /// Ids that are random by their type.
    Uuid,
    /// Texts and documents.
    Text,
    /// Anything else.
    #[default]
    Other,
}
