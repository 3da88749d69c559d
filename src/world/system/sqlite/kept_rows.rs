//! Writes the rows that the journal keeps back into their tables, each as far as it can be. Tables that are not what they were
//! are made so first, where that is possible.

use rusqlite::Connection;

use super::apply::execute;
use super::catalog::{comma, written_columns};
use super::journal;
use super::schema::{Change, Difference, Object, Schema};
use super::sql::quoted;
use super::{counters, statistics};
use crate::model::TableId;
use crate::world::config::SystemConfig;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// How many rows were put back, removed ones included.
    pub(super) rows: usize,
    /// Rows that are kept until their table is there again, in words.
    pub(super) waiting: Vec<String>,
    /// What cannot be had back, in words.
    pub(super) lost: Vec<String>,
    /// What is lost unless somebody has brought it back, in words.
    pub(super) made_again: Vec<String>,
}

/// A table as the journal recorded it.
struct Recorded {
    id: TableId,
    name: String,
    keys: Vec<String>,
    columns: Vec<String>,
}

/// Puts back whatever can be, and removes the journal but for the rows that still wait for their table. To be called within a
/// transaction.
pub(super) fn put_back(
    connection: &Connection,
    config: &SystemConfig,
) -> rusqlite::Result<Outcome> {
    let tables = recorded(connection)?;
    for table in &tables {
        table.fold(connection)?;
    }
    execute(connection, "DELETE FROM venomqa_journal")?;
    let mut outcome = Outcome::default();
    let kept = Schema::kept(connection)?;
    let changes = kept.differences(&Schema::read(connection, config)?);
    let renamed = renamed(connection, &tables, &changes)?;
    let numbered_anew = !journal::rows_are_where_they_were(connection)?;
    journal::stop_watching(connection)?;
    undo(connection, &tables, &renamed, &changes, &mut outcome)?;
    if !changes.is_empty() {
        write_as_before(connection, &kept)?;
    }
    for table in &tables {
        let touched = table.touched(connection)?;
        let done = match table.obstacle(connection)? {
            _ if touched == 0 => Ok(()),
            // Another row may have the number of one that the run changed.
            _ if numbered_anew && table.is_by_number() => Err(format!(
                "the rows of table `{}`, which has no `INTEGER PRIMARY KEY`, were numbered anew: those that the run changed cannot be found",
                table.name
            )),
            Some(what) => Err(what),
            None => attempt(connection, || {
                table.remove(connection)?;
                table.insert(connection)
            })?
            .map_err(|error| format!("table `{}`: {error}", table.name)),
        };
        match done {
            Ok(()) => {
                outcome.rows += touched;
                table.forget(connection)?;
            }
            Err(what) => outcome
                .waiting
                .push(format!("{what}; rows kept: {touched}")),
        }
    }
    make_again(connection, &changes, &mut outcome)?;
    let watched: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    counters::recover(connection, &watched)?;
    statistics::recover(connection)?;
    if outcome.waiting.is_empty() {
        connection.flush_prepared_statement_cache();
        journal::drop_all(connection)?;
    }
    Ok(outcome)
}

/// Runs an operation that is undone where it fails. The outer error is of the attempt, the inner one of the operation.
fn attempt<T>(
    connection: &Connection,
    operation: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<rusqlite::Result<T>> {
    execute(connection, "SAVEPOINT venomqa")?;
    let done = operation();
    // After a full disk there is no savepoint any more, nor a transaction.
    if connection.is_autocommit() {
        return done.map(Ok);
    }
    if done.is_err() {
        execute(connection, "ROLLBACK TO venomqa")?;
    }
    execute(connection, "RELEASE venomqa")?;
    Ok(done)
}

/// The tables whose triggers stand on a table of another name now: the new name, the old one.
fn renamed(
    connection: &Connection,
    tables: &[Recorded],
    changes: &[Difference],
) -> rusqlite::Result<Vec<(String, String)>> {
    let mut renamed = Vec::new();
    for table in tables {
        let is_gone = |change: &&Difference| {
            change.what == Change::Dropped && change.object.name == table.name
        };
        if !changes.iter().any(|change| is_gone(&change)) {
            continue;
        }
        let mut query = connection
            .prepare("SELECT tbl_name FROM sqlite_schema WHERE type = 'trigger' AND name = ?1")?;
        let mut rows = query.query([journal::insert_trigger(table.id)])?;
        if let Some(row) = rows.next()? {
            renamed.push((row.get(0)?, table.name.clone()));
        }
    }
    Ok(renamed)
}

/// Undoes what was created, renamed and altered. What was dropped is left for later.
fn undo(
    connection: &Connection,
    tables: &[Recorded],
    renamed: &[(String, String)],
    changes: &[Difference],
    outcome: &mut Outcome,
) -> rusqlite::Result<()> {
    let created = |of_table: bool| {
        changes.iter().filter(move |change| {
            let object = &change.object;
            let is_other = change.what == Change::Altered && object.kind != "table";
            (change.what == Change::Created || is_other) && (object.kind == "table") == of_table
        })
    };
    let drop = |object: &Object| {
        let statement = format!("DROP {} IF EXISTS {}", object.kind, quoted(&object.name));
        attempt(connection, || connection.execute_batch(&statement))
    };
    for change in created(false) {
        if let Err(error) = drop(&change.object)? {
            outcome.lost.push(format!("{}: {error}", change.describe()));
        }
    }
    for (now, before) in renamed {
        let statement = format!("ALTER TABLE {} RENAME TO {}", quoted(now), quoted(before));
        // Where it fails, the table is found to be gone.
        attempt(connection, || connection.execute_batch(&statement))?.unwrap_or_default();
    }
    // A virtual table takes its own tables with it.
    let is_virtual = |change: &&Difference| {
        let sql = change.object.sql.as_deref().unwrap_or_default();
        sql.get(..14)
            .is_some_and(|start| start.eq_ignore_ascii_case("create virtual"))
    };
    let (virtual_tables, plain): (Vec<_>, Vec<_>) = created(true)
        .filter(|change| !renamed.iter().any(|(now, _)| *now == change.object.name))
        .partition(is_virtual);
    for change in virtual_tables.into_iter().chain(plain) {
        if let Err(error) = drop(&change.object)? {
            outcome.lost.push(format!("{}: {error}", change.describe()));
        }
    }
    for change in changes
        .iter()
        .filter(|change| change.what == Change::Altered)
    {
        if let Some(table) = tables.iter().find(|table| table.name == change.object.name)
            && !(table.unalter(connection)? && is_as_before(connection, &change.object)?)
        {
            outcome
                .lost
                .push(format!("{}, and stays so", change.describe()));
        }
    }
    Ok(())
}

/// Whether a table is made by the statement that made it, but for the quotes that `ALTER TABLE` puts around names.
fn is_as_before(connection: &Connection, before: &Object) -> rusqlite::Result<bool> {
    let now: Option<String> = connection.query_row(
        "SELECT max(sql) FROM sqlite_schema WHERE type = 'table' AND name = ?1",
        [&before.name],
        |row| row.get(0),
    )?;
    let bare = |sql: &Option<String>| {
        let sql = sql.as_deref().unwrap_or_default();
        sql.replace(|sign: char| sign == '"' || sign.is_whitespace(), "")
    };
    Ok(bare(&now) == bare(&before.sql))
}

/// Writes the statements that make tables as they were written before the run.
fn write_as_before(connection: &Connection, kept: &Schema) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA writable_schema = ON")?;
    for table in kept.objects.iter().filter(|object| object.kind == "table") {
        if is_as_before(connection, table)? {
            connection.execute(
                "UPDATE sqlite_schema SET sql = ?1 WHERE type = 'table' AND name = ?2 AND sql IS NOT ?1",
                (&table.sql, &table.name),
            )?;
        }
    }
    connection.execute_batch("PRAGMA writable_schema = RESET")
}

/// Makes again what was dropped and holds no rows, and names the tables whose rows are lost.
fn make_again(
    connection: &Connection,
    changes: &[Difference],
    outcome: &mut Outcome,
) -> rusqlite::Result<()> {
    for change in changes {
        let Object {
            kind, name, sql, ..
        } = &change.object;
        let is_there: bool = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = ?1 AND name = ?2)",
            [kind, name],
            |row| row.get(0),
        )?;
        match change.what {
            Change::MadeAgain => outcome.made_again.push(format!(
                "the rows of table `{name}`, which was dropped and made again, but for those that the run had touched"
            )),
            Change::Dropped if kind == "table" && !is_there => {
                outcome.lost.push(format!("the rows of table `{name}`, which was dropped"));
            }
            Change::Dropped | Change::Altered if kind != "table" && !is_there => {
                let Some(sql) = sql else { continue };
                if let Err(error) = attempt(connection, || connection.execute_batch(sql))? {
                    outcome.lost.push(format!("{}: {error}", change.describe()));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl Recorded {
    fn key_columns(&self) -> String {
        comma((0..self.keys.len()).map(|position| format!("k{position}")))
    }

    /// Brings what is still in the journal to the rows before the run.
    fn fold(&self, connection: &Connection) -> rusqlite::Result<()> {
        journal::fold(connection, self.id, self.keys.len(), self.columns.len())
    }

    /// Whether its rows are found by a number that is no column.
    fn is_by_number(&self) -> bool {
        matches!(self.keys.as_slice(), [key] if !self.columns.contains(key))
    }

    /// How many rows were touched, absent ones included.
    fn touched(&self, connection: &Connection) -> rusqlite::Result<usize> {
        let before = journal::before_table(self.id);
        connection.query_row(&format!("SELECT count(*) FROM {before}"), [], |row| {
            row.get::<_, u32>(0).map(|count| count as usize)
        })
    }

    /// Why its rows do not fit into the table, if they do not. Columns that were added take their default.
    fn obstacle(&self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let columns: Vec<String> = connection
            .prepare("SELECT name FROM pragma_table_xinfo(?1)")?
            .query_map([&self.name], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        if columns.is_empty() {
            return Ok(Some(format!("table `{}` is gone", self.name)));
        }
        let missing = self.columns.iter().find(|column| !columns.contains(column));
        Ok(
            missing
                .map(|column| format!("table `{}` has no column `{column}` any more", self.name)),
        )
    }

    /// Takes columns away that were added, or gives a column its name back. Whether the table has the columns that it had.
    fn unalter(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let columns = || -> rusqlite::Result<Vec<String>> {
            let mut columns = written_columns(connection, &self.name)?;
            columns.retain(|column| !self.keys.contains(column) || self.columns.contains(column));
            columns.retain(|column| {
                self.columns.contains(column)
                    || !["rowid", "_rowid_", "oid"].contains(&column.as_str())
            });
            Ok(columns)
        };
        let now = columns()?;
        let table = quoted(&self.name);
        let differing: Vec<_> = now
            .iter()
            .zip(&self.columns)
            .filter(|(now, before)| now != before)
            .collect();
        let mut statements = Vec::new();
        if let [(now, before)] = differing[..]
            && columns()?.len() == self.columns.len()
        {
            statements.push(format!(
                "ALTER TABLE {table} RENAME COLUMN {} TO {}",
                quoted(now),
                quoted(before)
            ));
        } else {
            let added = now.iter().filter(|column| !self.columns.contains(column));
            statements.extend(
                added.map(|column| format!("ALTER TABLE {table} DROP COLUMN {}", quoted(column))),
            );
        }
        for statement in statements {
            if attempt(connection, || connection.execute_batch(&statement))?.is_err() {
                return Ok(false);
            }
        }
        Ok(columns()? == self.columns)
    }

    /// Removes every row that was touched.
    fn remove(&self, connection: &Connection) -> rusqlite::Result<()> {
        execute(
            connection,
            &format!(
                "DELETE FROM {} WHERE ({}) IN (SELECT {} FROM {})",
                quoted(&self.name),
                comma(self.keys.iter().map(|key| quoted(key))),
                self.key_columns(),
                journal::before_table(self.id)
            ),
        )
    }

    fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut names: Vec<String> = self.columns.iter().map(|column| quoted(column)).collect();
        let mut values: Vec<String> = (0..self.columns.len())
            .map(|position| format!("c{position}"))
            .collect();
        if self.is_by_number() {
            names.insert(0, quoted(&self.keys[0]));
            values.insert(0, "k0".to_owned());
        }
        execute(
            connection,
            &format!(
                "INSERT OR ABORT INTO {} ({}) SELECT {} FROM {} WHERE existed",
                quoted(&self.name),
                names.join(", "),
                values.join(", "),
                journal::before_table(self.id)
            ),
        )
    }

    /// Nothing of it is left to be put back.
    fn forget(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute("DELETE FROM venomqa_tables WHERE id = ?1", [self.id.0])?;
        execute(
            connection,
            &format!("DELETE FROM {}", journal::before_table(self.id)),
        )
    }
}

fn recorded(connection: &Connection) -> rusqlite::Result<Vec<Recorded>> {
    connection
        .prepare("SELECT id, name, key, columns FROM venomqa_tables ORDER BY id")?
        .query_map([], |row| {
            Ok(Recorded {
                id: TableId(row.get(0)?),
                name: row.get(1)?,
                keys: journal::names_from_json(&row.get::<_, String>(2)?),
                columns: journal::names_from_json(&row.get::<_, String>(3)?),
            })
        })?
        .collect()
}
