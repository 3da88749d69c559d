//! What the columns of a table are to the identity of a state.

/// The tables that take part in the identity, all systems together.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// By [`TableNumber`].
    pub tables: Vec<TableRoles>,
}

/// Number of a table: its position in [`Schema::tables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableNumber(pub u32);

/// What the columns of one table are.
#[derive(Clone, Debug, Default)]
pub struct TableRoles {
    /// Name as people write it.
    pub name: String,
    /// Whether the database or the service makes its keys up, so that a key may be replaced by another. Only where every
    /// place that can hold one of these keys is known to be a reference.
    pub keys_are_generated: bool,
    /// Names of the columns, in the order of the cells of a row.
    pub columns: Vec<String>,
    /// Their roles, in the same order. What is missing is a value.
    pub roles: Vec<ColumnRole>,
}

/// What a column is to the identity of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnRole {
    /// The key of its row. It tells states apart only where keys are not generated.
    Key,
    /// The key of a row of this table.
    Reference(TableNumber),
    /// Told apart by what it holds.
    Value,
    /// Holds another value each time (the time of a step), so only whether there is one tells states apart.
    Volatile,
    /// Left out altogether.
    Ignored,
}

impl TableRoles {
    /// The role of the column at this position.
    pub fn role(&self, position: usize) -> ColumnRole {
        (self.roles.get(position).copied()).unwrap_or(ColumnRole::Value)
    }
}
