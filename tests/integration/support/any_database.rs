//! A database of either kind, for what must hold on both.

use std::future::ready;

use axum::http::StatusCode;

use super::postgres_store::{self, Pool};
use super::server::statements;
use super::{Database, Sandbox, Server};
use crate::postgres_for_tests::{self, cluster};

/// The kinds of databases, by their key in a spec.
pub(crate) const KINDS: [&str; 2] = ["sqlite", "postgres"];

/// A database under a service that runs in this process.
pub(crate) enum AnyDatabase {
    Sqlite(Database),
    Postgres(postgres_for_tests::Database, Pool),
}

impl AnyDatabase {
    /// A new one with a schema, in which `{key}` stands for the column `id` with generated keys.
    pub(crate) fn new(kind: &str, sandbox: &Sandbox, schema: &str) -> Self {
        if kind == "sqlite" {
            let database = Database::at(sandbox.path("shop.db"));
            database.execute(&schema.replace("{key}", "id INTEGER PRIMARY KEY"));
            Self::Sqlite(database)
        } else {
            let database = cluster().database();
            database.psql(&schema.replace("{key}", "id serial PRIMARY KEY"));
            let pool = Pool::new(&database.url());
            Self::Postgres(database, pool)
        }
    }

    /// The key and the value that say in a spec where it is.
    pub(crate) fn location(&self) -> String {
        match self {
            Self::Sqlite(_) => "sqlite: shop.db".to_owned(),
            Self::Postgres(database, _) => format!("postgres: \"{}\"", database.url()),
        }
    }

    /// Executes statements, which the database must take.
    pub(crate) async fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite(database) => database.execute(sql),
            Self::Postgres(_, pool) => assert!(pool.execute(sql).await.is_ok(), "{sql}"),
        }
    }

    /// Executes statements past the service.
    pub(crate) fn edit(&self, sql: &str) {
        match self {
            Self::Sqlite(database) => database.execute(sql),
            Self::Postgres(database, _) => drop(database.psql(sql)),
        }
    }

    /// A service of which each route (`POST /items`) executes its statements and answers 204.
    pub(crate) fn serve(&self, routes: &[(&str, &'static str)]) -> Server {
        match self {
            Self::Sqlite(database) => {
                let database = database.clone();
                statements(routes, move |sql| {
                    database.execute(sql);
                    ready(StatusCode::NO_CONTENT)
                })
            }
            Self::Postgres(database, _) => postgres_store::statements(&database.url(), routes),
        }
    }

    /// One number.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        match self {
            Self::Sqlite(database) => database.number(sql),
            Self::Postgres(_, pool) => {
                let Ok(rows) = pool.query(sql, &[]).await else {
                    panic!("{sql}");
                };
                rows[0].get(0)
            }
        }
    }

    /// Everything in it, as text.
    pub(crate) fn dump(&self) -> String {
        match self {
            Self::Sqlite(database) => database.dump(),
            Self::Postgres(database, _) => postgres_store::dump(database),
        }
    }
}
