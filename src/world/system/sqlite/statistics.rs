//! The tables of `ANALYZE` (`sqlite_stat1`, `sqlite_stat4`): SQLite's own, which take no trigger. What stands in them does not
//! tell states apart; the end of a run makes them what they were.

use rusqlite::Connection;

use super::sql::quoted;

/// Keeps them in the journal as they are before the run. To be called within a transaction.
pub(super) fn keep(connection: &Connection) -> rusqlite::Result<()> {
    for table in present(connection, "sqlite_stat%")? {
        connection.execute_batch(&format!(
            "CREATE TABLE venomqa_{table} AS SELECT * FROM {table}"
        ))?;
    }
    Ok(())
}

/// Puts them back as they were before the run. To be called within a transaction, and before the journal is removed.
pub(super) fn recover(connection: &Connection) -> rusqlite::Result<()> {
    let kept: Vec<String> = present(connection, "venomqa_sqlite_stat%")?
        .into_iter()
        .filter_map(|name| name.strip_prefix("venomqa_").map(str::to_owned))
        .collect();
    let now = present(connection, "sqlite_stat%")?;
    if kept.iter().any(|table| !now.contains(table)) {
        // The only statement that makes these tables. It gathers nothing here.
        connection.execute_batch("ANALYZE sqlite_schema")?;
    }
    for table in present(connection, "sqlite_stat%")? {
        let name = quoted(&table);
        if kept.contains(&table) {
            connection.execute_batch(&format!(
                "DELETE FROM {name}; INSERT INTO {name} SELECT * FROM venomqa_{table}"
            ))?;
        } else {
            connection.execute_batch(&format!("DROP TABLE {name}"))?;
        }
    }
    Ok(())
}

/// Does something that may drop tables: SQLite would forget what it knew of them. To be called within a transaction.
pub(super) fn hold(
    connection: &Connection,
    operation: impl FnOnce() -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let tables = present(connection, "sqlite_stat%")?;
    for table in &tables {
        connection.execute_batch(&format!(
            "CREATE TEMP TABLE held_{table} AS SELECT * FROM main.{table}"
        ))?;
    }
    operation()?;
    for table in &tables {
        connection.execute_batch(&format!(
            "DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM held_{table}; DROP TABLE temp.held_{table}"
        ))?;
    }
    Ok(())
}

fn present(connection: &Connection, pattern: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE ?1")?
        .query_map([pattern], |row| row.get(0))?
        .collect()
}
