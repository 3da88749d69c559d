//! Finds out what the columns of tables are: what is declared, then what names say.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::schema::{ColumnRole, Schema, TableNumber, TableRoles};
use super::shape::{ColumnShape, TableShape, ValueKind};
use crate::model::{Cell, Row, RowChange, Table, TableKind};

/// The tables that take part in the identity, and how their rows are known.
#[derive(Debug, Default)]
pub struct Tables {
    shapes: Vec<TableShape>,
    key_kinds: Vec<KeyKind>,
    /// Roles that were found out, where they differ from what is declared.
    found: BTreeMap<(TableNumber, usize), ColumnRole>,
    /// By system, then by [`TableId`](crate::model::TableId).
    numbers: Vec<(Arc<str>, Vec<Option<TableNumber>>)>,
}

/// Whether keys of a table are generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// The database or the service makes them up.
    Generated,
    /// They mean something by themselves, or other places than references may hold them.
    Meaningful,
    /// The first row that the run inserts will tell.
    Undecided,
}

impl Tables {
    /// The observed ones among these tables.
    pub fn new(shapes: Vec<TableShape>) -> Self {
        let mut tables = Self::default();
        for shape in shapes {
            tables.add(shape);
        }
        tables
    }

    /// Adds a table that no schema tells of: its rows are told apart by everything in them and by their keys. Says whether it takes
    /// part.
    pub fn add_unknown(&mut self, table: &Arc<Table>) -> bool {
        if !is_part(table) {
            return false;
        }
        let added = self.add(TableShape {
            table: table.clone(),
            key: Vec::new(),
            columns: vec![ColumnShape::default(); table.columns.len()],
        });
        if let Some(number) = added {
            self.set_key_kind(number, KeyKind::Meaningful);
        }
        added.is_some()
    }

    fn add(&mut self, shape: TableShape) -> Option<TableNumber> {
        if !is_part(&shape.table) {
            return None;
        }
        let number = TableNumber(self.shapes.len() as u32);
        let (system, id) = (shape.table.system.clone(), shape.table.id.0 as usize);
        let known = self.numbers.iter().position(|(name, _)| *name == system);
        let position = known.unwrap_or_else(|| {
            self.numbers.push((system, Vec::new()));
            self.numbers.len() - 1
        });
        let numbers = &mut self.numbers[position].1;
        numbers.resize(numbers.len().max(id + 1), None);
        numbers[id] = Some(number);
        self.key_kinds.push(key_kind(&shape));
        self.shapes.push(shape);
        Some(number)
    }

    /// The roles of all columns.
    pub fn schema(&self) -> Schema {
        let roles = self.numbers().map(|number| {
            let shape = self.shape(number);
            let columns = 0..shape.columns.len();
            TableRoles {
                name: shape.table.name.clone(),
                keys_are_generated: self.key_kind(number) == KeyKind::Generated,
                columns: shape.table.columns.clone(),
                roles: columns
                    .map(|position| self.role(number, position))
                    .collect(),
            }
        });
        Schema {
            tables: roles.collect(),
        }
    }

    /// The number of a table, if it takes part.
    pub fn number(&self, table: &Table) -> Option<TableNumber> {
        let (_, numbers) = self
            .numbers
            .iter()
            .find(|(name, _)| *name == table.system)?;
        *numbers.get(table.id.0 as usize)?
    }

    /// A table as its database declares it.
    pub fn shape(&self, number: TableNumber) -> &TableShape {
        &self.shapes[number.0 as usize]
    }

    /// All tables.
    pub fn numbers(&self) -> impl Iterator<Item = TableNumber> + use<> {
        (0..self.shapes.len() as u32).map(TableNumber)
    }

    /// Whether the keys of a table are generated.
    pub fn key_kind(&self, number: TableNumber) -> KeyKind {
        self.key_kinds[number.0 as usize]
    }

    /// From now on it is known what the keys of a table are.
    pub fn set_key_kind(&mut self, number: TableNumber, kind: KeyKind) {
        self.key_kinds[number.0 as usize] = kind;
    }

    /// The key of a row, by which others refer to it.
    pub fn key<'r>(&self, number: TableNumber, change: &'r RowChange, row: &'r Row) -> Vec<Cell> {
        match &*self.shape(number).key {
            [] => change.key.to_vec(),
            positions => (positions.iter())
                .map(|position| row.get(*position).cloned().unwrap_or(Cell::Null))
                .collect(),
        }
    }

    /// The table to whose rows a name like `order_id` refers.
    pub fn named(&self, name: &str) -> Option<TableNumber> {
        let stem = stem(name)?;
        self.only(|table| is_plural(table, &stem))
    }

    /// The table that is called so, in a path for example.
    pub fn called(&self, name: &str) -> Option<TableNumber> {
        let name = plain(&name.replace('-', "_"));
        self.only(|table| *table == *name || is_plural(table, &name))
    }

    /// The table with such a name, in small letters and without underscores, if there is just one that has a key of one column.
    fn only(&self, is_meant: impl Fn(&str) -> bool) -> Option<TableNumber> {
        let mut those = self.numbers().filter(|number| {
            let shape = self.shape(*number);
            shape.key.len() == 1 && is_meant(&plain(&shape.table.name))
        });
        let only = those.next()?;
        those.next().is_none().then_some(only)
    }

    /// What a column is turns out to be this.
    pub fn set_role(&mut self, number: TableNumber, position: usize, role: ColumnRole) {
        self.found.insert((number, position), role);
    }

    /// What a column is.
    pub fn role(&self, number: TableNumber, position: usize) -> ColumnRole {
        if let Some(role) = self.found.get(&(number, position)) {
            return *role;
        }
        let shape = self.shape(number);
        let (table, column) = (&shape.table, &shape.columns[position]);
        if table.ignored_columns.get(position) == Some(&true) {
            return ColumnRole::Ignored;
        }
        let name = &table.columns[position];
        if let Some(to) = self.declared(table, column) {
            return ColumnRole::Reference(to);
        }
        if shape.key == [position] {
            return ColumnRole::Key;
        }
        match self.named(name) {
            Some(to) => ColumnRole::Reference(to),
            None => ColumnRole::Value,
        }
    }

    /// The table to which a foreign key leads.
    fn declared(&self, from: &Table, column: &ColumnShape) -> Option<TableNumber> {
        let to = column.references.as_ref()?;
        self.numbers().find(|number| {
            let shape = self.shape(*number);
            shape.table.system == from.system
                && shape.table.name.eq_ignore_ascii_case(to)
                && shape.key.len() == 1
        })
    }
}

/// Whether rows of the table tell states apart.
fn is_part(table: &Table) -> bool {
    table.observed && table.kind == TableKind::Rows
}

/// What can be said of the keys of a table before any row is seen.
fn key_kind(shape: &TableShape) -> KeyKind {
    let [position] = *shape.key else {
        // Nobody can refer to it: what its columns hold says everything.
        return KeyKind::Generated;
    };
    let column = &shape.columns[position];
    match column.kind {
        // A row of its own for each row of another table.
        _ if column.references.is_some() => KeyKind::Meaningful,
        _ if column.is_generated => KeyKind::Generated,
        ValueKind::Uuid => KeyKind::Generated,
        _ => KeyKind::Undecided,
    }
}

/// `order` of `order_id`, `order_uuid`, `orderId`: without underscores, in small letters.
fn stem(name: &str) -> Option<String> {
    let ends = ["_id", "_uuid", "_ID", "Id", "ID", "Uuid", "UUID"];
    let stem = ends.iter().find_map(|end| name.strip_suffix(end))?;
    (!stem.is_empty()).then(|| plain(stem))
}

/// A name without its schema and without underscores, in small letters.
fn plain(name: &str) -> String {
    let name = name.rsplit('.').next().unwrap_or(name);
    name.chars()
        .filter(|character| *character != '_')
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether a table may be called so when its rows are called `stem`.
fn is_plural(table: &str, stem: &str) -> bool {
    let Some(ending) = table.strip_prefix(stem.strip_suffix('y').unwrap_or(stem)) else {
        return false;
    };
    if stem.ends_with('y') {
        matches!(ending, "y" | "ys" | "ies")
    } else {
        matches!(ending, "" | "s" | "es")
    }
}

/// Whether a key looks as if it was made up at random.
pub(crate) fn looks_random(id: &[u8]) -> bool {
    let is_id = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    id.len() >= 16 && id.iter().all(is_id) && id.iter().any(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TableId;

    fn shape(id: u32, name: &str, columns: &[(&str, ValueKind, Option<&str>)]) -> TableShape {
        TableShape {
            table: Arc::new(Table {
                id: TableId(id),
                system: "db".into(),
                name: name.to_owned(),
                columns: columns
                    .iter()
                    .map(|(name, ..)| (*name).to_owned())
                    .collect(),
                kind: TableKind::Rows,
                observed: true,
                ignored_columns: columns.iter().map(|(name, ..)| *name == "etag").collect(),
            }),
            key: vec![0],
            columns: (columns.iter())
                .map(|(_, kind, references)| ColumnShape {
                    kind: *kind,
                    is_generated: false,
                    references: references.map(str::to_owned),
                })
                .collect(),
        }
    }

    #[test]
    fn a_reference_is_declared_or_named_after_its_table() {
        let int = ValueKind::Integer;
        let tables = Tables::new(vec![
            shape(0, "categories", &[("id", int, None)]),
            shape(
                1,
                "users",
                &[("id", int, None), ("etag", ValueKind::Text, None)],
            ),
            shape(
                2,
                "orders",
                &[
                    ("id", int, None),
                    ("category_id", int, None),
                    ("userId", int, None),
                    ("owner", int, Some("users")),
                    ("tax_id", int, None),
                    ("valid", int, None),
                ],
            ),
        ]);
        let schema = tables.schema();
        let (category, user) = (TableNumber(0), TableNumber(1));
        assert_eq!(
            schema.tables[2].roles,
            [
                ColumnRole::Key,
                ColumnRole::Reference(category),
                ColumnRole::Reference(user),
                ColumnRole::Reference(user),
                ColumnRole::Value,
                ColumnRole::Value,
            ]
        );
        assert_eq!(
            schema.tables[1].roles,
            [ColumnRole::Key, ColumnRole::Ignored]
        );
        assert_eq!(tables.named("user_uuid"), Some(user));
        assert_eq!(tables.named("id"), None);
        assert_eq!(tables.named("users"), None);
    }

    #[test]
    fn a_random_key_is_long_and_has_digits() {
        assert!(looks_random(b"123e4567-e89b-12d3-a456-426614174000"));
        assert!(looks_random(b"01ARZ3NDEKTSV4RRFFQ69G5FAV"));
        for other in [
            "ann",
            "42",
            "a-long-name-without-numbers",
            "ann@example.org 1234",
        ] {
            assert!(!looks_random(other.as_bytes()), "{other}");
        }
    }
}
