//! What the schema says of keys and references, for the identity of states.

use rusqlite::Connection;

use super::catalog::{Key, Watched};
use crate::identity::{ColumnShape, TableShape, ValueKind};

/// The shape of a watched table.
pub(super) fn shape(connection: &Connection, watched: &Watched) -> rusqlite::Result<TableShape> {
    let table = &watched.table;
    let rowid = match &watched.key {
        Key::Rowid {
            name,
            is_column: true,
        } => Some(name),
        _ => None,
    };
    let mut columns = vec![ColumnShape::default(); table.columns.len()];
    let mut key: Vec<(u32, usize)> = Vec::new();
    let place = |name: &str| table.columns.iter().position(|column| column == name);
    let mut declared = connection.prepare("SELECT name, type, pk FROM pragma_table_xinfo(?1)")?;
    let mut rows = declared.query([&table.name])?;
    while let Some(row) = rows.next()? {
        let (name, declared_type, primary): (String, String, u32) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let Some(position) = place(&name) else {
            continue;
        };
        columns[position].kind = kind(&declared_type);
        columns[position].is_generated = rowid == Some(&name);
        if primary > 0 {
            key.push((primary, position));
        }
    }
    key.sort_unstable();
    // Where a key names no column, it is the primary key of the other table.
    let mut foreign = connection.prepare(
        "SELECT \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1) AS list \
         WHERE (SELECT count(*) FROM pragma_foreign_key_list(?1) AS other WHERE other.id = list.id) = 1",
    )?;
    let mut rows = foreign.query([&table.name])?;
    while let Some(row) = rows.next()? {
        let (to, column, key): (String, String, Option<String>) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let is_key = match key {
            Some(key) => is_primary(connection, &to, &key)?,
            None => true,
        };
        if let Some(position) = place(&column).filter(|_| is_key) {
            columns[position].references = Some(to);
        }
    }
    Ok(TableShape {
        table: table.clone(),
        key: key.into_iter().map(|(_, position)| position).collect(),
        columns,
    })
}

fn is_primary(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM pragma_table_xinfo(?1) WHERE name = ?2 COLLATE NOCASE AND pk > 0)",
        [table, column],
        |row| row.get(0),
    )
}

/// By the words of the declared type; a column may hold anything else all the same.
fn kind(declared_type: &str) -> ValueKind {
    let declared_type = declared_type.to_ascii_uppercase();
    let has = |word: &str| declared_type.contains(word);
    match () {
        () if has("DATE") || has("TIME") => ValueKind::Time,
        () if has("UUID") => ValueKind::Uuid,
        () if has("INT") => ValueKind::Integer,
        () if has("CHAR") || has("TEXT") || has("CLOB") || has("JSON") => ValueKind::Text,
        () => ValueKind::Other,
    }
}
