//! A fresh database of either kind, with a look into it that is not the shop's.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::demo::Database;
use crate::postgres_for_tests::{self, cluster};

#[derive(Clone, Copy, Debug)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

/// A database of one shop.
pub(super) struct Home {
    database: Database,
    look: Look,
}

enum Look {
    Sqlite {
        connection: Connection,
        _folder: TempDir,
    },
    Postgres {
        client: Client,
        _database: postgres_for_tests::Database,
    },
}

impl Home {
    pub(super) async fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("shop.db");
                let connection = Connection::open(&file).unwrap();
                Self {
                    database: Database::Sqlite(file),
                    look: Look::Sqlite {
                        connection,
                        _folder: folder,
                    },
                }
            }
            Engine::Postgres => {
                let database = cluster().database();
                let url = database.url();
                let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
                tokio::spawn(connection);
                Self {
                    database: Database::parse(url.as_ref()).unwrap(),
                    look: Look::Postgres {
                        client,
                        _database: database,
                    },
                }
            }
        }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// What a query finds, every value as a text.
    pub(super) async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        match &self.look {
            Look::Sqlite { connection, .. } => {
                let mut query = connection.prepare(sql).unwrap();
                let width = query.column_count();
                let rows = query.query_map([], |row| {
                    (0..width)
                        .map(|column| Ok(text(row.get_ref(column)?)))
                        .collect()
                });
                rows.unwrap().map(Result::unwrap).collect()
            }
            Look::Postgres { client, .. } => {
                let answer = client.simple_query(sql).await.unwrap();
                let rows = answer.iter().filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(row),
                    _ => None,
                });
                rows.map(|row| {
                    (0..row.len())
                        .map(|column| row.get(column).unwrap_or("null").to_owned())
                        .collect()
                })
                .collect()
            }
        }
    }

    /// Every row of every table, but for the moments of creation.
    pub(super) async fn content(&self) -> Vec<String> {
        let columns = match &self.look {
            Look::Sqlite { .. } => {
                "SELECT t.name, c.name FROM sqlite_master AS t, pragma_table_info(t.name) AS c
                 WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' ORDER BY t.name, c.cid"
            }
            Look::Postgres { .. } => {
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'
                 ORDER BY table_name COLLATE \"C\", ordinal_position"
            }
        };
        let mut tables: Vec<(String, Vec<String>)> = Vec::new();
        for row in self.rows(columns).await {
            let [table, column]: [String; 2] = row.try_into().unwrap();
            match tables.last_mut() {
                Some((last, columns)) if *last == table => columns.push(column),
                _ => tables.push((table, vec![column])),
            }
        }
        let mut content = Vec::new();
        for (table, mut columns) in tables {
            columns.retain(|column| column != "created_at");
            let columns = columns.join(", ");
            content.push(format!("{table}: {columns}"));
            let sql = format!("SELECT {columns} FROM {table} ORDER BY {columns}");
            content.extend(self.rows(&sql).await.into_iter().map(|row| row.join(", ")));
        }
        content
    }

    /// Something that is another after every change, however small.
    pub(super) async fn trace(&self) -> Vec<Vec<String>> {
        match self.look {
            // Counts what others have written.
            Look::Sqlite { .. } => self.rows("PRAGMA data_version").await,
            Look::Postgres { .. } => {
                let counters = "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1";
                let mut trace = self.rows(counters).await;
                trace.push(self.content().await);
                trace
            }
        }
    }
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(value) => value.to_string(),
        other => other.as_str().unwrap().to_owned(),
    }
}
