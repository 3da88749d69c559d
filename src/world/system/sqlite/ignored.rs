//! The tables that `ignore_tables` names.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::listing::{Listed, list};
use super::shadows::Shadows;
use super::sql::quoted;
use crate::world::config::SystemConfig;
use crate::world::system::left_alone::{COUNTED, LeftAlone};

/// The ignored tables in the database, with the shadow tables of ignored virtual tables.
pub(super) fn tables(
    connection: &Connection,
    config: &SystemConfig,
) -> rusqlite::Result<BTreeSet<String>> {
    Ok(listed(connection, config)?
        .into_iter()
        .map(|table| table.name)
        .collect())
}

/// Counts the rows of the ignored tables.
pub(super) fn count(connection: &Connection, config: &SystemConfig) -> rusqlite::Result<LeftAlone> {
    let mut left = LeftAlone::default();
    // Virtual tables may be of a module that only the application has, and shadow tables are nothing to a reader.
    let tables = listed(connection, config)?;
    for table in tables.into_iter().filter(|table| table.kind == "table") {
        let query = format!(
            "SELECT count(*) FROM (SELECT 1 FROM {} LIMIT {})",
            quoted(&table.name),
            COUNTED + 1
        );
        let rows: i64 = connection.query_row(&query, [], |row| row.get(0))?;
        left.add(table.name, rows.unsigned_abs());
    }
    Ok(left)
}

fn listed(connection: &Connection, config: &SystemConfig) -> rusqlite::Result<Vec<Listed>> {
    if config.ignore_tables.is_empty() {
        return Ok(Vec::new());
    }
    let listed = list(connection)?;
    let shadows = Shadows::of(&listed);
    Ok(listed
        .into_values()
        .filter(|table| config.ignores(&shadows.names_of(&table.name)))
        .collect())
}
