//! Tables that `ignore_tables` names, where a whole database is put back: they are carried over into what is put.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::apply::Scope;
use super::sql::{literal, quoted};
use super::{catalog, ignored, statistics};
use crate::world::config::SystemConfig;

/// Makes the ignored tables of a copy what they are in the database now: `tables`, with their rows, indexes, triggers and
/// counters. A row that is written to one of them between this and the moment when the copy is put is lost.
pub(super) fn carry_over(
    copy: &Connection,
    database: &Path,
    config: &SystemConfig,
    tables: &BTreeSet<String>,
) -> rusqlite::Result<()> {
    let before = ignored::tables(copy, config)?;
    if before.is_empty() && tables.is_empty() {
        return Ok(());
    }
    for what in [
        DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
        DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY,
    ] {
        copy.set_db_config(what, false)?;
    }
    copy.execute(
        "ATTACH ?1 AS live",
        [database.as_os_str().to_string_lossy()],
    )?;
    let carried = || -> rusqlite::Result<()> {
        let scope = Scope::writing(copy)?;
        statistics::hold(copy, || {
            before
                .union(tables)
                .try_for_each(|table| carry(copy, table))
        })?;
        scope.commit()
    };
    let carried = carried();
    copy.flush_prepared_statement_cache();
    copy.execute_batch("DETACH live")?;
    carried
}

fn carry(copy: &Connection, table: &str) -> rusqlite::Result<()> {
    let now = definition(copy, "live", table)?;
    let name = quoted(table);
    if now != definition(copy, "main", table)? {
        copy.execute_batch(&format!("DROP TABLE IF EXISTS main.{name}"))?;
        for (_, sql) in &now {
            copy.execute_batch(sql)?;
        }
    }
    // A virtual table has no rows of its own: they are in its shadow tables, which are ignored with it.
    if now.iter().any(|(is_rows, _)| *is_rows) {
        let columns = catalog::written_columns(copy, table)?
            .iter()
            .map(|column| quoted(column))
            .collect::<Vec<_>>()
            .join(", ");
        copy.execute_batch(&format!(
            "DELETE FROM main.{name}; INSERT INTO main.{name} ({columns}) SELECT {columns} FROM live.{name}"
        ))?;
    }
    let has_counters = |schema: &str| -> rusqlite::Result<bool> {
        copy.query_row(
            &format!("SELECT EXISTS (SELECT 1 FROM {schema}.sqlite_schema WHERE name = 'sqlite_sequence')"),
            [],
            |row| row.get(0),
        )
    };
    if has_counters("main")? && has_counters("live")? {
        let table = literal(table);
        copy.execute_batch(&format!(
            "DELETE FROM main.sqlite_sequence WHERE name = {table};
             INSERT INTO main.sqlite_sequence (name, seq) SELECT name, seq FROM live.sqlite_sequence WHERE name = {table}"
        ))?;
    }
    Ok(())
}

/// The statements that make a table and what belongs to it, each with whether it makes a table that has rows.
fn definition(
    copy: &Connection,
    schema: &str,
    table: &str,
) -> rusqlite::Result<Vec<(bool, String)>> {
    copy.prepare(&format!(
        "SELECT type = 'table' AND rootpage > 0, sql FROM {schema}.sqlite_schema \
         WHERE tbl_name = ?1 AND sql IS NOT NULL ORDER BY type <> 'table', rowid"
    ))?
    .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}
