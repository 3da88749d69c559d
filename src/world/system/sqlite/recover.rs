//! Puts the content before the run back, from the journal in the file alone, and removes the journal.

use std::path::Path;

use rusqlite::Connection;

use super::apply::Scope;
use super::catalog::comma;
use super::failure::failed;
use super::image;
use super::journal;
use super::sequence;
use super::sql::quoted;
use crate::model::TableId;
use crate::world::{WorldError, WorldErrorKind};

/// What a recovery did.
#[derive(Debug)]
pub(super) struct Recovered {
    /// When the run began that left the journal, in UTC.
    pub(super) started: String,
    /// How many rows were put back, removed ones included; `None` where the database was put back as a whole.
    pub(super) rows: Option<usize>,
}

impl Recovered {
    /// The text for the user.
    pub(super) fn describe(&self, path: &Path) -> String {
        let what = match self.rows {
            None => "the whole content".to_owned(),
            Some(1) => "1 row".to_owned(),
            Some(rows) => format!("{rows} rows"),
        };
        format!(
            "`{}` held the journal of a run of {} UTC that did not end properly: {what} put back, the journal is removed",
            path.display(),
            self.started,
        )
    }
}

/// Puts the content before the run back and removes the journal, in one transaction. `None` where there is none. The
/// connection must have triggers, foreign keys and checks off.
pub(super) fn recover(
    connection: &mut Connection,
    path: &Path,
) -> Result<Option<Recovered>, WorldError> {
    let doing = "put the content before the run back";
    let broken = |error: rusqlite::Error| failed(path, doing, &error);
    match journal::format_found(connection).map_err(broken)? {
        None => {
            // A run that ended between two of its first or last steps may have left the copy, but changed nothing.
            image::forget(path).map_err(|error| {
                keep_failed(path, "remove the copy of its content", &error.into())
            })?;
            return Ok(None);
        }
        Some(journal::FORMAT) => {}
        Some(format) => {
            return Err(WorldError::new(
                WorldErrorKind::System,
                format!(
                    "the journal in `{}` has format {format}, this venomqa knows format {}",
                    path.display(),
                    journal::FORMAT
                ),
            )
            .with_help("run `venomqa restore` with the version of venomqa that wrote it"));
        }
    }
    let (started, whole) = journal::started(connection).map_err(broken)?;
    connection.flush_prepared_statement_cache();
    if whole {
        image::put_kept(connection, path)
            .and_then(|()| Ok(image::forget(path)?))
            .map_err(|error| keep_failed(path, doing, &error))?;
        return Ok(Some(Recovered {
            started,
            rows: None,
        }));
    }
    let rows = put_rows_back(connection, path)?;
    Ok(Some(Recovered {
        started,
        rows: Some(rows),
    }))
}

/// An error of the copy beside the database.
pub(super) fn keep_failed(path: &Path, doing: &str, error: &image::KeepError) -> WorldError {
    match error {
        image::KeepError::Sql(error) => failed(&image::kept_path(path), doing, error),
        image::KeepError::File(error) => WorldError::new(
            WorldErrorKind::System,
            format!(
                "cannot {doing}: `{}`: {error}",
                image::kept_path(path).display()
            ),
        )
        .with_help("the folder of the database must be writable and have room for a copy of it"),
    }
}

/// Writes the rows that were touched as they were before, and removes the journal, in one transaction.
fn put_rows_back(connection: &Connection, path: &Path) -> Result<usize, WorldError> {
    let broken =
        |error: rusqlite::Error| failed(path, "put the content before the run back", &error);
    let scope = Scope::writing(connection).map_err(broken)?;
    let tables = recorded(connection).map_err(broken)?;
    for table in &tables {
        table.fold(connection).map_err(broken)?;
    }
    let altered = altered(connection, &tables).map_err(broken)?;
    if !altered.is_empty() {
        return Err(WorldError::new(
            WorldErrorKind::System,
            format!(
                "cannot put the content of `{}` before the run back: its tables have changed since",
                path.display()
            ),
        )
        .with_details(altered)
        .with_help(
            "undo the change of the schema, then run `venomqa restore`; or drop the tables and triggers whose names \
             begin with `venomqa_` to keep the content as it is",
        ));
    }
    let mut rows = 0;
    for table in &tables {
        rows += table.remove(connection).map_err(broken)?;
    }
    for table in &tables {
        table.insert(connection).map_err(broken)?;
    }
    if exists(connection, "venomqa_sequence").map_err(broken)?
        && exists(connection, "sqlite_sequence").map_err(broken)?
    {
        let ignored = unwatched(connection, &tables).map_err(broken)?;
        sequence::recover(connection, &ignored).map_err(broken)?;
    }
    connection.flush_prepared_statement_cache();
    journal::drop_all(connection).map_err(broken)?;
    scope.commit().map_err(broken)?;
    Ok(rows)
}

/// A table as the journal recorded it.
struct Recorded {
    id: TableId,
    name: String,
    keys: Vec<String>,
    columns: Vec<String>,
}

impl Recorded {
    fn key_columns(&self) -> String {
        comma((0..self.keys.len()).map(|position| format!("k{position}")))
    }

    /// Brings what is still in the journal to the rows before the run.
    fn fold(&self, connection: &Connection) -> rusqlite::Result<()> {
        if self.keys.is_empty() || self.columns.is_empty() {
            // Told apart as damaged where it matters.
            return Ok(());
        }
        journal::fold(connection, self.id, self.keys.len(), self.columns.len())
    }

    /// Removes every row that was touched, and says how many there were, absent ones included.
    fn remove(&self, connection: &Connection) -> rusqlite::Result<usize> {
        let before = journal::before_table(self.id);
        connection.execute(
            &format!(
                "DELETE FROM {} WHERE ({}) IN (SELECT {} FROM {before})",
                quoted(&self.name),
                comma(self.keys.iter().map(|key| quoted(key))),
                self.key_columns()
            ),
            [],
        )?;
        connection.query_row(&format!("SELECT count(*) FROM {before}"), [], |row| {
            row.get::<_, u32>(0).map(|count| count as usize)
        })
    }

    fn insert(&self, connection: &Connection) -> rusqlite::Result<usize> {
        let mut names: Vec<String> = self.columns.iter().map(|column| quoted(column)).collect();
        let mut values: Vec<String> = (0..self.columns.len())
            .map(|position| format!("c{position}"))
            .collect();
        // A rowid that is no column.
        if let [key] = self.keys.as_slice()
            && !self.columns.contains(key)
        {
            names.insert(0, quoted(key));
            values.insert(0, "k0".to_owned());
        }
        connection.execute(
            &format!(
                "INSERT OR ABORT INTO {} ({}) SELECT {} FROM {} WHERE existed",
                quoted(&self.name),
                names.join(", "),
                values.join(", "),
                journal::before_table(self.id)
            ),
            [],
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
                keys: names(&row.get::<_, String>(2)?),
                columns: names(&row.get::<_, String>(3)?),
            })
        })?
        .collect()
}

/// Names as the journal keeps them; a text that is no such list yields none, and the table counts as altered.
fn names(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}

/// Which tables have touched rows that no longer fit into them. Columns that were added take their default.
fn altered(connection: &Connection, tables: &[Recorded]) -> rusqlite::Result<Vec<String>> {
    let mut altered = Vec::new();
    for table in tables {
        let touched: bool = connection.query_row(
            &format!(
                "SELECT EXISTS (SELECT 1 FROM {})",
                journal::before_table(table.id)
            ),
            [],
            |row| row.get(0),
        )?;
        if !touched {
            continue;
        }
        let columns: Vec<String> = connection
            .prepare("SELECT name FROM pragma_table_xinfo(?1)")?
            .query_map([&table.name], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        if columns.is_empty() {
            altered.push(format!("table `{}` is gone", table.name));
            continue;
        }
        if table.columns.is_empty() || table.keys.is_empty() {
            altered.push(format!("the journal of table `{}` is damaged", table.name));
        }
        for column in &table.columns {
            if !columns.contains(column) {
                altered.push(format!(
                    "table `{}` has no column `{column}` any more",
                    table.name
                ));
            }
        }
    }
    Ok(altered)
}

/// Tables that the journal does not know: their counters are their own.
fn unwatched(connection: &Connection, tables: &[Recorded]) -> rusqlite::Result<Vec<String>> {
    let all: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(all
        .into_iter()
        .filter(|name| !tables.iter().any(|table| table.name == *name))
        .collect())
}

fn exists(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)",
        [table],
        |row| row.get(0),
    )
}
