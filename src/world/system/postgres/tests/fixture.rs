//! A database, the service's connection to it, and venomqa's system on it.

use tokio_postgres::{Client, NoTls};

use super::support::{self, Database};
use crate::expr::Dialect;
use crate::model::{Cell, RowChange, SqlQuery, TableKind};
use crate::world::WorldError;
use crate::world::config::SystemConfig;
use crate::world::system::Location;
use crate::world::system::postgres::Postgres;
use crate::world::system::postgres::PostgresSystem;
use crate::world::system::{Reading, System, SystemState};

/// Runs on one thread, as a run does.
pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// A connection of the service.
pub(super) async fn connect(url: &str) -> Client {
    let config: tokio_postgres::Config = url.parse().unwrap();
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client
}

pub(super) fn config(url: &str) -> SystemConfig {
    SystemConfig::new("db", Location::new(&Postgres, url))
}

pub(super) fn query(text: &str, names: &[&str]) -> SqlQuery {
    SqlQuery::for_tests(Dialect::Postgres, text, names)
}

/// A system on a real database, walking from state to state as the engine does.
pub(super) struct Walk {
    pub(super) service: Client,
    pub(super) system: PostgresSystem,
    pub(super) state: SystemState,
    pub(super) database: Database,
    /// The content before the run.
    pub(super) before: String,
}

impl Walk {
    /// A fresh database with a schema.
    pub(super) async fn new(schema: &str) -> Self {
        Self::configured(schema, |_| {}).await
    }

    pub(super) async fn configured(schema: &str, change: impl FnOnce(&mut SystemConfig)) -> Self {
        let database = support::cluster().database();
        Self::on(database, schema, change).await
    }

    pub(super) async fn on(
        database: Database,
        schema: &str,
        change: impl FnOnce(&mut SystemConfig),
    ) -> Self {
        let service = connect(&database.url()).await;
        service.batch_execute(schema).await.unwrap();
        let before = dump(&service).await;
        let mut config = config(&database.url());
        change(&mut config);
        let mut system = PostgresSystem::open(&config, &database.url()).unwrap();
        assert_eq!(system.install().await.unwrap(), None);
        system.mark_initial().await.unwrap();
        let mut walk = Self {
            service,
            system,
            state: SystemState::default(),
            database,
            before,
        };
        let reading = walk.read().await;
        assert!(reading.delta.is_empty(), "{:?}", reading.delta);
        walk
    }

    /// The service executes statements.
    pub(super) async fn sql(&self, text: &str) {
        self.service
            .batch_execute(text)
            .await
            .unwrap_or_else(|error| panic!("{text}: {error:?}"));
    }

    /// What the last statements did; the state moves on.
    pub(super) async fn read(&mut self) -> Reading {
        self.try_read().await.unwrap()
    }

    pub(super) async fn try_read(&mut self) -> Result<Reading, WorldError> {
        let reading = self.system.read(&self.state).await?;
        self.state.delta = self.state.delta.after(&reading.delta);
        Ok(reading)
    }

    /// A step: the service executes statements, and what changed is read.
    pub(super) async fn step(&mut self, text: &str) -> Reading {
        self.sql(text).await;
        self.read().await
    }

    /// Back to a state.
    pub(super) async fn restore(&mut self, to: &SystemState) {
        self.try_restore(to).await.unwrap();
        self.system.verify(to).await.unwrap();
    }

    pub(super) async fn try_restore(&mut self, to: &SystemState) -> Result<(), WorldError> {
        self.system.restore(&self.state, to).await?;
        self.state = to.clone();
        Ok(())
    }

    pub(super) async fn dump(&self) -> String {
        dump(&self.service).await
    }

    /// Walks over these steps, then jumps between all the states seen; each must hold what it held.
    pub(super) async fn jump_about(&mut self, steps: &[&str]) {
        let mut states = vec![(self.state.clone(), self.dump().await)];
        for step in steps {
            self.step(step).await;
            states.push((self.state.clone(), self.dump().await));
        }
        for gap in 1..=states.len() {
            for from in 0..states.len() {
                let (state, content) = &states[(from + gap) % states.len()];
                self.restore(&state.clone()).await;
                assert_eq!(
                    self.dump().await,
                    *content,
                    "state {}",
                    (from + gap) % states.len()
                );
                let stray = self.read().await;
                assert!(
                    stray.delta.is_empty(),
                    "a restore is no change: {:?}",
                    stray.delta
                );
            }
        }
    }

    /// The end of a run: the content before it is back, and nothing of venomqa is left.
    pub(super) async fn finish(mut self) {
        self.system.uninstall().await.unwrap();
        assert_eq!(self.dump().await, self.before);
        assert_eq!(leftovers(&self.service).await, 0);
    }
}

/// The rows of a reading, sequences left out: table, row before, row after.
pub(super) fn rows(reading: &Reading) -> Vec<String> {
    let shown = |row: &Option<crate::model::Row>| match row {
        None => "-".to_owned(),
        Some(row) => row
            .iter()
            .map(Cell::to_string)
            .collect::<Vec<_>>()
            .join("|"),
    };
    reading
        .delta
        .rows()
        .map(|change| {
            format!(
                "{}: {} -> {}",
                change.table.name,
                shown(&change.before),
                shown(&change.after)
            )
        })
        .collect()
}

/// The sequences of a reading.
pub(super) fn sequences(reading: &Reading) -> Vec<&RowChange> {
    reading
        .delta
        .changes()
        .iter()
        .filter(|change| change.table.kind == TableKind::Sequence)
        .collect()
}

/// Everything that a database holds, in a form of its own making: each table's rows sorted, then each sequence.
pub(super) async fn dump(client: &Client) -> String {
    let session = "SET extra_float_digits = 3; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; \
                   SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'; SET lc_monetary = 'C'";
    client.batch_execute(session).await.unwrap();
    let tables = client
        .query(
            "SELECT c.oid::regclass::text, c.relkind = 'S' FROM pg_class c \
             WHERE c.relkind IN ('r', 'S') AND c.relpersistence <> 't' \
               AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema|venomqa)' ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    let mut text = String::new();
    for table in tables {
        let name: String = table.get(0);
        let query = if table.get(1) {
            format!("SELECT last_value || ' ' || is_called FROM {name}")
        } else {
            format!(
                "SELECT whole_row::text FROM ONLY {name} AS whole_row ORDER BY whole_row::text COLLATE \"C\""
            )
        };
        text.extend([&*name, "\n"]);
        for row in client.query(&query, &[]).await.unwrap() {
            text.extend(["  ", row.get::<_, &str>(0), "\n"]);
        }
    }
    text
}

/// How much of venomqa is in the database.
pub(super) async fn leftovers(client: &Client) -> i64 {
    client
        .query_one(
            "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = 'venomqa') \
             + (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'venomqa%') \
             + (SELECT count(*) FROM pg_event_trigger WHERE evtname LIKE 'venomqa%')",
            &[],
        )
        .await
        .unwrap()
        .get(0)
}
