//! The tables of a database file as SQLite lists them, those of the journal apart.

use std::collections::BTreeMap;

use rusqlite::Connection;

/// What the name of everything begins with that venomqa creates.
pub(super) const PREFIX: &str = "venomqa_";

/// A table as SQLite lists it.
pub(super) struct Listed {
    pub(super) name: String,
    /// `table`, `shadow` or `virtual`.
    pub(super) kind: String,
    pub(super) without_rowid: bool,
    /// Its `CREATE` statement.
    pub(super) sql: String,
}

/// Every table of the file but SQLite's own and the journal's, by name.
pub(super) fn list(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Listed>> {
    connection
        .prepare(
            "SELECT list.name, list.type, list.wr, coalesce(schema.sql, '') \
             FROM pragma_table_list AS list JOIN sqlite_schema AS schema ON schema.name = list.name \
             WHERE list.schema = 'main' AND list.type IN ('table', 'shadow', 'virtual') AND schema.type = 'table'",
        )?
        .query_map([], |row| {
            Ok(Listed {
                name: row.get(0)?,
                kind: row.get(1)?,
                without_rowid: row.get(2)?,
                sql: row.get(3)?,
            })
        })?
        .filter(|listed| {
            listed.as_ref().map_or(true, |listed| {
                !listed.name.starts_with("sqlite_") && !is_ours(&listed.name)
            })
        })
        .map(|listed| listed.map(|listed| (listed.name.clone(), listed)))
        .collect()
}

/// Whether a table, index or trigger of this name is the journal's.
pub(super) fn is_ours(name: &str) -> bool {
    name.get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
