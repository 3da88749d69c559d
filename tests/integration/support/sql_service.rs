//! A service that does to its database whatever a file tells it to: `POST /NUMBER` runs the statements with that number.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{self, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, NoTls};
use venomqa::random::Random;

/// What the service is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SqlService {
    /// What it stands on.
    pub(crate) database: Location,
    /// The statements of each request. `{r}` and `{s}` in them stand for small numbers, others each time.
    pub(crate) operations: Vec<Vec<Statement>>,
    /// Statements that each connection begins with.
    pub(crate) opening: String,
    /// Whether it keeps its connection, or opens one for each request.
    pub(crate) keeps_connection: bool,
    /// Seed of the numbers.
    pub(crate) seed: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Location {
    Sqlite(PathBuf),
    Postgres(String),
}

/// Something that a service does to its database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Statement {
    Sql(String),
    /// Removes the SQLite file with everything beside it that is SQLite's.
    Remove,
    /// Leaves an empty SQLite file.
    Truncate,
    /// Replaces the SQLite file by a copy of itself.
    Replace,
}

impl SqlService {
    /// Name of the file in its working directory from which a process reads what it is told.
    pub(crate) const FILE: &str = "service.json";

    pub(crate) fn read() -> Self {
        serde_json::from_str(&std::fs::read_to_string(Self::FILE).unwrap()).unwrap()
    }

    pub(crate) fn router(self) -> Router {
        let random = Mutex::new(Random::new(self.seed));
        let state = Arc::new(Service {
            told: self,
            random,
            turn: tokio::sync::Mutex::new(()),
            sqlite: Mutex::new(None),
            postgres: tokio::sync::Mutex::new(None),
        });
        Router::new()
            .route("/", get(ready))
            .route("/{number}", post(run))
            .with_state(state)
    }
}

struct Service {
    told: SqlService,
    random: Mutex<Random>,
    /// One request after the other, so that an answer to `GET /` says that none is under way.
    turn: tokio::sync::Mutex<()>,
    sqlite: Mutex<Option<Connection>>,
    postgres: tokio::sync::Mutex<Option<Client>>,
}

async fn ready(State(service): State<Arc<Service>>) -> &'static str {
    let _turn = service.turn.lock().await;
    "ready"
}

async fn run(
    State(service): State<Arc<Service>>,
    extract::Path(number): extract::Path<usize>,
) -> StatusCode {
    let _turn = service.turn.lock().await;
    let statements: Vec<Statement> = service.told.operations[number]
        .iter()
        .map(|statement| service.filled(statement))
        .collect();
    let done = match &service.told.database {
        Location::Sqlite(file) => service.on_sqlite(file, &statements).is_ok(),
        Location::Postgres(url) => service.on_postgres(url, &statements).await.is_ok(),
    };
    if done {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::CONFLICT
    }
}

impl Service {
    fn filled(&self, statement: &Statement) -> Statement {
        let Statement::Sql(sql) = statement else {
            return statement.clone();
        };
        let mut random = self.random.lock().unwrap();
        let (r, s) = (random.below(6).to_string(), random.below(6).to_string());
        Statement::Sql(sql.replace("{r}", &r).replace("{s}", &s))
    }

    fn on_sqlite(&self, file: &Path, statements: &[Statement]) -> Result<(), rusqlite::Error> {
        let mut kept = self.sqlite.lock().unwrap();
        let connection = if let Some(connection) = kept.take() {
            connection
        } else {
            let connection = Connection::open(file)?;
            connection.busy_timeout(std::time::Duration::from_secs(5))?;
            connection.execute_batch(&self.told.opening)?;
            connection
        };
        let done = statements.iter().try_for_each(|statement| match statement {
            Statement::Sql(sql) => connection.execute_batch(sql),
            other => {
                change_file(file, other);
                Ok(())
            }
        });
        if !connection.is_autocommit() {
            // A transaction that the database has ended by itself needs no end.
            let _ = connection.execute_batch("ROLLBACK");
        }
        *kept = Some(connection).filter(|_| self.told.keeps_connection);
        done
    }

    async fn on_postgres(
        &self,
        url: &str,
        statements: &[Statement],
    ) -> Result<(), tokio_postgres::Error> {
        let mut kept = self.postgres.lock().await;
        let client = if let Some(client) = kept.take().filter(|client| !client.is_closed()) {
            client
        } else {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            client.batch_execute(&self.told.opening).await?;
            client
        };
        let mut done = Ok(());
        for statement in statements {
            if let (Statement::Sql(sql), true) = (statement, done.is_ok()) {
                done = client.batch_execute(sql).await;
            }
        }
        // Without a transaction it does nothing.
        let _ = client.batch_execute("ROLLBACK").await;
        *kept = Some(client).filter(|_| self.told.keeps_connection);
        done
    }
}

/// What becomes of the file. Where the disk is full it stays as it was.
fn change_file(file: &Path, how: &Statement) {
    let beside = |suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    match how {
        Statement::Sql(_) => {}
        Statement::Remove => {
            for suffix in ["", "-wal", "-shm", "-journal"] {
                let _ = std::fs::remove_file(beside(suffix));
            }
        }
        Statement::Truncate => {
            let _ = std::fs::File::create(file);
        }
        Statement::Replace => {
            let copy = beside(".new");
            let copied = Connection::open(file)
                .and_then(|old| old.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]));
            let _ = match copied {
                Ok(_) => std::fs::rename(&copy, file),
                Err(_) => std::fs::remove_file(&copy),
            };
        }
    }
}
