//! A look into a SQLite file from outside.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// A SQLite file that a service works on.
#[derive(Clone, Debug)]
pub(crate) struct Database(PathBuf);

impl Database {
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn open(&self) -> Connection {
        let connection = Connection::open(&self.0).unwrap();
        connection
            .busy_timeout(std::time::Duration::from_secs(10))
            .unwrap();
        connection
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.open().execute_batch(sql).unwrap();
    }

    /// One number.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.open().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Everything in it, as text: the schema, and every row of every table with its hidden row number, each value with
    /// its type. `sqlite_sequence` is a table like any other here.
    pub(crate) fn dump(&self) -> String {
        let contents = self.contents().into_iter();
        let parts: Vec<String> = contents
            .map(|(object, text)| format!("{object}\n{text}\n"))
            .collect();
        parts.concat()
    }

    /// The same by what it is of: `header`, or the name of a table, an index, a view or a trigger.
    pub(crate) fn contents(&self) -> Vec<(String, String)> {
        let connection = self.open();
        let mut header = String::new();
        for pragma in [
            "journal_mode",
            "user_version",
            "application_id",
            "page_size",
        ] {
            let value: rusqlite::types::Value = connection
                .pragma_query_value(None, pragma, |row| row.get(0))
                .unwrap();
            writeln!(header, "{pragma} = {value:?}").unwrap();
        }
        let mut contents = vec![("header".to_owned(), header)];
        let schema: Vec<(String, String, String)> = connection
            .prepare("SELECT type, name, type || ' of ' || tbl_name || coalesce(': ' || sql, '') FROM sqlite_schema ORDER BY type, name")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for (kind, name, mut text) in schema {
            if kind == "table" {
                let quoted = name.replace('"', "\"\"");
                let has_rowid = connection
                    .prepare(&format!("SELECT rowid FROM \"{quoted}\""))
                    .is_ok();
                let columns = if has_rowid { "rowid, *" } else { "*" };
                text += "\n";
                text += &rows(
                    &connection,
                    &format!("SELECT {columns} FROM \"{quoted}\" ORDER BY 1, 2"),
                );
            }
            contents.push((name, text));
        }
        contents
    }
}

fn rows(connection: &Connection, sql: &str) -> String {
    let mut statement = connection.prepare(sql).unwrap();
    let width = statement.column_count();
    let mut lines = String::new();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        for column in 0..width {
            match row.get_ref(column).unwrap() {
                ValueRef::Text(text) => write!(lines, " '{}'", text.escape_ascii()),
                ValueRef::Blob(bytes) => write!(lines, " x'{}'", bytes.escape_ascii()),
                other => write!(lines, " {other:?}"),
            }
            .unwrap();
        }
        lines.push('\n');
    }
    lines
}
