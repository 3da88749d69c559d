//! Where the shop keeps what it knows: a SQLite file or a PostgreSQL database, behind one kind of transaction.
//!
//! Handlers write each query once, in the SQL that both understand, with the placeholders `?1`, `?2`. What the two do
//! differently by themselves is made the same here and in `schema`, so that the same requests leave the same rows:
//!
//! - Ids come from the database. PostgreSQL does not take a number back when a request is refused after its insert,
//!   SQLite does: so handlers look at everything first and insert last.
//! - One write at a time: SQLite allows no more, on PostgreSQL a lock sees to it.
//! - Only whole numbers and texts are stored, whatever else the database could do.

mod database;
mod postgres;
mod schema;
mod sqlite;
mod value;

use std::fmt;

pub use database::Database;
pub(super) use value::{FromValue, Row, Value};

/// An open database.
pub(super) enum Store {
    Sqlite(sqlite::Store),
    Postgres(postgres::Store),
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// It sees one moment, and changes nothing.
    Read,
    /// It may change things, and is the only one that does.
    Write,
}

/// What a request reads and writes through. Dropped without an end, it is rolled back.
pub(super) enum Transaction {
    Sqlite(sqlite::Transaction),
    Postgres(postgres::Transaction),
}

/// An error of the database, in its own words.
#[derive(Debug)]
pub(super) struct Failure(String);

impl Store {
    /// Opens the database, and creates the tables where they are missing.
    pub(super) async fn open(database: &Database) -> Result<Self, Failure> {
        Ok(match database {
            Database::Sqlite(path) => Self::Sqlite(sqlite::Store::open(path)?),
            Database::Postgres(config) => Self::Postgres(postgres::Store::open(config).await?),
        })
    }

    /// Begins a transaction, as soon as its turn has come.
    pub(super) async fn begin(&self, access: Access) -> Result<Transaction, Failure> {
        Ok(match self {
            Self::Sqlite(store) => Transaction::Sqlite(store.begin(access).await?),
            Self::Postgres(store) => Transaction::Postgres(store.begin(access).await?),
        })
    }
}

impl Transaction {
    /// All rows of a query.
    pub(super) async fn query_all(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Failure> {
        match self {
            Self::Sqlite(transaction) => Ok(transaction.query(sql, values)?),
            Self::Postgres(transaction) => transaction.query(sql, values).await,
        }
    }

    /// The first row of a query, if it has one.
    pub(super) async fn query_opt(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<Row>, Failure> {
        match self {
            Self::Sqlite(transaction) => Ok(transaction.query_opt(sql, values)?),
            Self::Postgres(transaction) => {
                let rows = transaction.query(sql, values).await?;
                Ok(rows.into_iter().next())
            }
        }
    }

    /// The row of a query that always has one.
    pub(super) async fn query_one(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Row, Failure> {
        self.query_opt(sql, values)
            .await?
            .ok_or_else(|| Failure(format!("no row came back from `{sql}`")))
    }

    /// Inserts a row into a table that counts its ids, and returns the row's.
    pub(super) async fn insert(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<i64, Failure> {
        match self {
            // SQLite has `RETURNING` too, but a table in memory is made for it each time.
            Self::Sqlite(transaction) => Ok(transaction.insert(sql, values)?),
            Self::Postgres(transaction) => transaction.insert(sql, values).await,
        }
    }

    /// Runs a statement that answers with no rows.
    pub(super) async fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<(), Failure> {
        match self {
            Self::Sqlite(transaction) => Ok(transaction.execute(sql, values)?),
            Self::Postgres(transaction) => transaction.execute(sql, values).await,
        }
    }

    /// Makes it last.
    pub(super) async fn commit(self) -> Result<(), Failure> {
        match self {
            Self::Sqlite(transaction) => Ok(transaction.commit()?),
            Self::Postgres(transaction) => transaction.end("COMMIT").await,
        }
    }

    /// Leaves nothing behind. The rollback is complete when this returns.
    pub(super) async fn roll_back(self) -> Result<(), Failure> {
        match self {
            Self::Sqlite(transaction) => Ok(transaction.roll_back()?),
            Self::Postgres(transaction) => transaction.end("ROLLBACK").await,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        // Its own words say only where in the protocol it happened; what happened is below.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Self(cause.to_string())
    }
}
