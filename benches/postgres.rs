//! What a step costs on PostgreSQL: reading what it did, and going back; with few and many rows, few and many tables.
//!
//! Runs against a throw-away server, or `VENOMQA_TEST_POSTGRES`: `cargo bench --bench postgres`.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use venomqa::world::config::{EngineConfig, LateText, SystemConfig};
use venomqa::world::system::postgres::PostgresSystem;
use venomqa::world::system::{System, SystemState};

#[path = "../tests/support/postgres.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "shared with tests, which use more of it"
)]
mod support;

const ROUNDS: usize = 1_000;

/// Medians of one setting.
struct Costs {
    install: Duration,
    request: Duration,
    read: Duration,
    idle: Duration,
    restore: Duration,
    uninstall: Duration,
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn main() {
    // `cargo test --benches` asks every benchmark whether it works; that is told by the tests.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    println!(
        "{:<28}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "", "install", "request", "read", "read idle", "restore", "uninstall"
    );
    for (name, tables, sequences, rows) in [
        ("5 tables, 10 rows", 5, 5, 10),
        ("5 tables, 1,000,000 rows", 5, 5, 1_000_000),
        ("500 tables, 5 sequences", 500, 5, 10),
        ("100 tables, 100 sequences", 100, 100, 10),
        ("500 tables, 500 sequences", 500, 500, 10),
    ] {
        let costs = runtime.block_on(measure(tables, sequences, rows));
        let shown = |duration: Duration| format!("{:.3} ms", duration.as_secs_f64() * 1e3);
        println!(
            "{name:<28}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
            shown(costs.install),
            shown(costs.request),
            shown(costs.read),
            shown(costs.idle),
            shown(costs.restore),
            shown(costs.uninstall)
        );
    }
}

async fn measure(tables: usize, sequences: usize, rows: usize) -> Costs {
    let database = support::cluster().database();
    let service = connect(&database.url()).await;
    service
        .batch_execute(&format!(
            "DO $$ BEGIN FOR i IN 1..{tables} LOOP EXECUTE format(
               'CREATE TABLE t%s (id %s PRIMARY KEY, name text, total numeric, at timestamptz DEFAULT now())', i,
               CASE WHEN i <= {sequences} THEN 'serial' ELSE 'int' END);
             END LOOP; END $$;
             INSERT INTO t1 (name, total) SELECT 'n' || i, i FROM generate_series(1, {rows}) i;
             INSERT INTO t2 (name, total) SELECT 'n' || i, i FROM generate_series(1, {rows}) i; ANALYZE; CHECKPOINT"
        ))
        .await
        .expect("a schema");
    let config = SystemConfig {
        name: "db".to_owned(),
        engine: EngineConfig::Postgres(LateText(database.url())),
        observe_tables: None,
        ignore_columns: Vec::new(),
        ignore_tables: Vec::new(),
        observation_queries: Vec::new(),
        allow_remote: false,
    };
    let mut system = PostgresSystem::open(&config, &database.url()).expect("an address");
    let began = Instant::now();
    system.install().await.expect("a journal");
    system.mark_initial().await.expect("an initial state");
    let install = began.elapsed();
    let insert = service
        .prepare("INSERT INTO t1 (name, total) VALUES ('new', 5)")
        .await
        .expect("a statement");
    let update = service
        .prepare("UPDATE t2 SET total = total + 1 WHERE id = $1")
        .await
        .expect("a statement");
    let start = SystemState::default();
    let (mut request, mut read, mut idle, mut restore) = (vec![], vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        let began = Instant::now();
        service.execute(&insert, &[]).await.expect("an insert");
        let id = 1 + i32::try_from(round % rows.min(10)).expect("a small number");
        service.execute(&update, &[&id]).await.expect("an update");
        request.push(began.elapsed());
        let began = Instant::now();
        let reading = system.read(&start).await.expect("a reading");
        read.push(began.elapsed());
        assert_eq!(reading.delta.changes().len(), 3, "two rows and a sequence");
        let state = SystemState {
            delta: start.delta.after(&reading.delta),
            image: None,
        };
        let began = Instant::now();
        system.restore(&state, &start).await.expect("a restore");
        restore.push(began.elapsed());
        let began = Instant::now();
        let nothing = system.read(&start).await.expect("a reading");
        idle.push(began.elapsed());
        assert!(nothing.delta.is_empty());
    }
    let began = Instant::now();
    system.uninstall().await.expect("the end");
    Costs {
        install,
        request: median(request),
        read: median(read),
        idle: median(idle),
        restore: median(restore),
        uninstall: began.elapsed(),
    }
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort();
    durations[durations.len() / 2]
}

async fn connect(url: &str) -> Client {
    let config: tokio_postgres::Config = url.parse().expect("a URL");
    let (client, connection) = config.connect(NoTls).await.expect("a connection");
    tokio::spawn(async move {
        // How it ended is told by the statement that finds it gone.
        let _ = connection.await;
    });
    client
}
