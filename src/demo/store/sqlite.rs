//! The shop in a SQLite file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Access, Row, Value, schema};

/// One connection behind a lock, because SQLite has one writer at a time anyway and each request takes microseconds.
pub(in crate::demo) struct Store {
    connection: Arc<Mutex<Connection>>,
}

/// The connection, until it is dropped; what has not been committed by then is rolled back.
pub(in crate::demo) struct Transaction {
    connection: OwnedMutexGuard<Connection>,
}

impl Store {
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "journal_mode", "wal")?;
        // In WAL mode this still survives a crash of the process; only a power cut can lose the last transactions.
        connection.pragma_update(None, "synchronous", "normal")?;
        // The shop looks after its references itself, as most applications on SQLite do: off is what SQLite starts with.
        connection.pragma_update(None, "foreign_keys", "off")?;
        connection.execute_batch(&format!("BEGIN;\n{}\nCOMMIT;", schema::on_sqlite()))?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
        })
    }

    pub(super) async fn begin(&self, access: Access) -> rusqlite::Result<Transaction> {
        let connection = Arc::clone(&self.connection).lock_owned().await;
        let transaction = Transaction { connection };
        transaction.run(match access {
            Access::Read => "BEGIN",
            // Immediate: taking the write lock first means waiting for another process here, where the busy timeout
            // applies, and never in the middle of the work.
            Access::Write => "BEGIN IMMEDIATE",
        })?;
        Ok(transaction)
    }
}

impl Transaction {
    pub(super) fn query(&self, sql: &str, values: &[Value<'_>]) -> rusqlite::Result<Vec<Row>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params_from_iter(values), read)?;
        rows.collect()
    }

    pub(super) fn query_opt(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> rusqlite::Result<Option<Row>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        statement
            .query_row(params_from_iter(values), read)
            .optional()
    }

    pub(super) fn insert(&self, sql: &str, values: &[Value<'_>]) -> rusqlite::Result<i64> {
        self.execute(sql, values)?;
        Ok(self.connection.last_insert_rowid())
    }

    pub(super) fn execute(&self, sql: &str, values: &[Value<'_>]) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.execute(params_from_iter(values)).map(drop)
    }

    pub(super) fn commit(self) -> rusqlite::Result<()> {
        self.run("COMMIT")
    }

    pub(super) fn roll_back(self) -> rusqlite::Result<()> {
        self.run("ROLLBACK")
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.execute([]).map(drop)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // Refused by the database itself, as after a failed commit, or left by a handler that panicked. Where even the
        // rollback fails, the next request says so: it finds a transaction open.
        if !self.connection.is_autocommit() {
            drop(self.run("ROLLBACK"));
        }
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
        }))
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let width = row.as_ref().column_count();
    let mut values = Vec::with_capacity(width);
    for column in 0..width {
        let value = row.get_ref(column)?;
        values.push(match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(value) => Value::Integer(value),
            ValueRef::Text(_) => Value::Text(value.as_str()?.to_owned().into()),
            other => {
                return Err(rusqlite::Error::InvalidColumnType(
                    column,
                    column.to_string(),
                    other.data_type(),
                ));
            }
        });
    }
    Ok(Row(values))
}
