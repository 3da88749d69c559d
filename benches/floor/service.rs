//! The service under test, this program again in its own process, on a fresh database of either kind.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::routing::{get, post};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};
use venomqa::world::config::SystemConfig;
use venomqa::world::system::postgres::Postgres;
use venomqa::world::system::sqlite::Sqlite;
use venomqa::world::system::{self, Location, System};

use crate::support::{self, Database};

/// The kinds of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// The key of a system of this kind in a spec.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// A database of its own, gone afterwards.
pub(crate) enum Home {
    Sqlite(TempDir),
    Postgres(Database),
}

impl Home {
    pub(crate) fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::Sqlite(tempfile::tempdir().expect("a folder")),
            Engine::Postgres => Self::Postgres(support::cluster().database()),
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// A file, or a URL.
    pub(crate) fn location(&self) -> String {
        match self {
            Self::Sqlite(folder) => folder.path().join("notes.db").to_string_lossy().into(),
            Self::Postgres(database) => database.url(),
        }
    }

    /// The database as venomqa watches it.
    pub(crate) fn system(&self) -> Box<dyn System> {
        let location = self.location();
        let engine: &dyn system::Engine = match self.engine() {
            Engine::Sqlite => &Sqlite,
            Engine::Postgres => &Postgres,
        };
        let config = SystemConfig::new("db", Location::new(engine, &*location));
        system::open(&config, &location).expect("the database")
    }

    /// The schema of the service, with this many rows that no request touches in a table that requests do touch.
    pub(crate) async fn fill(&self, rows: i64) {
        drop(Running::on(self));
        match self {
            Self::Sqlite(_) => {
                let connection = rusqlite::Connection::open(self.location()).expect("the database");
                connection
                    .execute(
                        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                         INSERT INTO notes (kind, text) SELECT 0, 'note ' || i FROM n",
                        [rows],
                    )
                    .expect("rows");
            }
            Self::Postgres(database) => {
                let client = connect(&database.url()).await;
                let fill = format!(
                    "INSERT INTO notes (kind, text) SELECT 0, 'note ' || i FROM generate_series(1, {rows}) AS n(i); ANALYZE"
                );
                client.batch_execute(&fill).await.expect("rows");
            }
        }
    }
}

/// The process.
pub(crate) struct Running {
    process: Child,
    pub(crate) url: String,
}

impl Running {
    pub(crate) fn on(home: &Home) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let process = Command::new(std::env::current_exe().expect("a path"))
            .args(["serve", home.engine().key(), &port.to_string()])
            .arg(home.location())
            .spawn()
            .expect("the service starts");
        while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; nothing else can go wrong here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A small, ordinary service: every request is a transaction of its own, on a real database.
pub(crate) async fn serve(engine: &str, port: u16, location: &str) {
    let notes = match engine {
        "postgres" => on_postgres(location).await,
        _ => on_sqlite(&PathBuf::from(location)),
    };
    let router = axum::Router::new()
        .route("/", get(|| async { "ready" }))
        .route("/notes/{kind}", notes);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .expect("the port");
    axum::serve(listener, router).await.expect("a service");
}

fn on_sqlite(file: &Path) -> axum::routing::MethodRouter {
    let connection = rusqlite::Connection::open(file).expect("the database");
    connection
        .execute_batch(
            "PRAGMA journal_mode = wal;
             PRAGMA synchronous = normal;
             CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, text TEXT NOT NULL);
             CREATE TABLE IF NOT EXISTS kinds (kind INTEGER PRIMARY KEY, hits INTEGER NOT NULL);",
        )
        .expect("a schema");
    let connection = Arc::new(Mutex::new(connection));
    post(
        move |axum::extract::Path(kind): axum::extract::Path<i64>| async move {
            let mut connection = connection.lock().expect("one request at a time");
            let transaction = connection.transaction().expect("a transaction");
            transaction
                .prepare_cached(
                    "INSERT INTO notes (kind, text) VALUES (?1, 'a note of some length')",
                )
                .and_then(|mut insert| insert.insert([kind]))
                .expect("a row");
            transaction
                .prepare_cached(
                    "INSERT INTO kinds VALUES (?1, 1) ON CONFLICT DO UPDATE SET hits = hits + 1",
                )
                .and_then(|mut count| count.execute([kind]))
                .expect("a row");
            transaction.commit().expect("a commit");
            axum::Json(kind)
        },
    )
}

async fn on_postgres(url: &str) -> axum::routing::MethodRouter {
    let client = connect(url).await;
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS notes (id bigserial PRIMARY KEY, kind bigint NOT NULL, text text NOT NULL);
             CREATE TABLE IF NOT EXISTS kinds (kind bigint PRIMARY KEY, hits bigint NOT NULL);",
        )
        .await
        .expect("a schema");
    let insert = client
        .prepare("INSERT INTO notes (kind, text) VALUES ($1, 'a note of some length')")
        .await
        .expect("a statement");
    let count = client
        .prepare("INSERT INTO kinds VALUES ($1, 1) ON CONFLICT (kind) DO UPDATE SET hits = kinds.hits + 1")
        .await
        .expect("a statement");
    let shared = Arc::new((tokio::sync::Mutex::new(client), insert, count));
    post(
        move |axum::extract::Path(kind): axum::extract::Path<i64>| async move {
            let (client, insert, count) = &*shared;
            let mut client = client.lock().await;
            let transaction = client.transaction().await.expect("a transaction");
            transaction.execute(insert, &[&kind]).await.expect("a row");
            transaction.execute(count, &[&kind]).await.expect("a row");
            transaction.commit().await.expect("a commit");
            axum::Json(kind)
        },
    )
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a server");
    tokio::spawn(connection);
    client
}
