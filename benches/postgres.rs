//! What a step costs on PostgreSQL: reading what it did, looking again, and going back; with few and many rows, tables
//! and sequences.
//!
//! Two databases at a time, a small one and another, take turns every few steps, so that whatever else this machine is
//! doing weighs on both alike. Not step by step: transactions in another database of the same server make venomqa read
//! more sequences. What counts is the ratio of the medians.
//!
//! Runs against a throw-away server, or `VENOMQA_TEST_POSTGRES`: `cargo bench --bench postgres [-- ROUNDS]`.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls, Statement};

use venomqa::world::config::SystemConfig;
use venomqa::world::system::postgres::{Postgres, PostgresSystem};
use venomqa::world::system::{Location, System, SystemState};

#[path = "../tests/support/postgres.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "shared with tests, which use more of it"
)]
mod support;

const ROUNDS: usize = 1_000;

/// Rounds in a turn.
const TURN: usize = 10;

/// Rounds before anything is measured: statements are prepared, caches filled.
const WARM_UP: usize = 50;

/// A database to measure.
struct Setting {
    name: &'static str,
    tables: usize,
    /// How many of the tables have a key from a sequence.
    sequences: usize,
    /// How many of the sequences were called before the run.
    called: usize,
    /// Rows of each of the two tables that a step touches.
    rows: usize,
    has_key: bool,
}

const BASE: Setting = Setting {
    name: "5 tables, 10 rows",
    tables: 5,
    sequences: 5,
    called: 5,
    rows: 10,
    has_key: true,
};

const SETTINGS: [Setting; 8] = [
    // Against itself: how far from 1.00 a ratio may be by chance.
    Setting {
        name: "the same once more",
        ..BASE
    },
    Setting {
        name: "1,000,000 rows",
        rows: 1_000_000,
        ..BASE
    },
    Setting {
        name: "500 tables",
        tables: 500,
        ..BASE
    },
    Setting {
        name: "50 tables, 50 sequences",
        tables: 50,
        sequences: 50,
        called: 50,
        ..BASE
    },
    Setting {
        name: "500 tables, 500 sequences",
        tables: 500,
        sequences: 500,
        called: 500,
        ..BASE
    },
    Setting {
        name: "of which 495 never called",
        tables: 500,
        sequences: 500,
        ..BASE
    },
    Setting {
        name: "10 rows, no key",
        has_key: false,
        ..BASE
    },
    Setting {
        name: "100,000 rows, no key",
        has_key: false,
        rows: 100_000,
        ..BASE
    },
];

/// A database under way.
struct Subject {
    service: Client,
    system: PostgresSystem,
    insert: Statement,
    update: Statement,
    // Dropped with it: the name of a database of the throw-away server.
    _database: support::Database,
    request: Vec<Duration>,
    read: Vec<Duration>,
    again: Vec<Duration>,
    restore: Vec<Duration>,
}

fn main() {
    // `cargo test --benches` asks every benchmark whether it works; that is told by the tests.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let rounds = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(ROUNDS);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(compare(rounds));
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
async fn compare(rounds: usize) {
    println!(
        "{:<27}{:>24}{:>24}{:>24}{:>24}",
        "medians in ms, ratio", "two requests", "read a step", "look again", "restore"
    );
    for setting in &SETTINGS {
        let mut pair = [Subject::new(&BASE).await, Subject::new(setting).await];
        for turn in 0..(WARM_UP + rounds) / TURN {
            if turn == WARM_UP / TURN {
                pair.iter_mut().for_each(Subject::forget);
            }
            // Whoever comes second finds what the first has left in the processor's caches.
            for subject in [turn % 2, (turn + 1) % 2] {
                for round in 0..TURN {
                    pair[subject].step(turn * TURN + round).await;
                }
            }
        }
        let [small, other] = [pair[0].medians(), pair[1].medians()];
        let shown = |position: usize| {
            let ratio = other[position].as_secs_f64() / small[position].as_secs_f64();
            format!(
                "{} {} {ratio:>6.2}",
                milliseconds(small[position]),
                milliseconds(other[position])
            )
        };
        println!(
            "{:<27}{:>24}{:>24}{:>24}{:>24}",
            setting.name,
            shown(0),
            shown(1),
            shown(2),
            shown(3)
        );
        for subject in &mut pair {
            subject.system.uninstall().await.expect("the end");
        }
    }
}

impl Subject {
    async fn new(setting: &Setting) -> Self {
        let database = support::cluster().database();
        let service = connect(&database.url()).await;
        let Setting {
            tables,
            sequences,
            called,
            rows,
            ..
        } = setting;
        let key = if setting.has_key { "PRIMARY KEY" } else { "" };
        service
            .batch_execute(&format!(
                "DO $$ BEGIN FOR i IN 1..{tables} LOOP EXECUTE format(
                   'CREATE TABLE t%s (id %s {key}, name text, total numeric, at timestamptz DEFAULT now())', i,
                   CASE WHEN i <= {sequences} THEN 'serial' ELSE 'int' END);
                   IF i BETWEEN 3 AND {called} THEN EXECUTE format('INSERT INTO t%s DEFAULT VALUES', i); END IF;
                 END LOOP; END $$;
                 INSERT INTO t1 (name, total) SELECT 'n' || i, i FROM generate_series(1, {rows}) i;
                 INSERT INTO t2 (name, total) SELECT 'n' || i, i FROM generate_series(1, {rows}) i;"
            ))
            .await
            .expect("a schema");
        // Or the server would do it at some time during the rounds.
        service
            .batch_execute("VACUUM ANALYZE")
            .await
            .expect("order");
        service.batch_execute("CHECKPOINT").await.expect("order");
        let location = Location::new(&Postgres, database.url());
        let config = SystemConfig::new("db", location);
        let mut system = PostgresSystem::open(&config, &database.url()).expect("an address");
        system.install().await.expect("a journal");
        system.mark_initial().await.expect("an initial state");
        let insert = service
            .prepare("INSERT INTO t1 (name, total) VALUES ('new', 5)")
            .await
            .expect("a statement");
        let change = if setting.has_key {
            "UPDATE t2 SET total = total + 1 WHERE id = $1"
        } else {
            // By its place: what the service's own scan costs is not in question.
            "UPDATE t2 SET total = total + 1 WHERE ctid = (SELECT ctid FROM t2 LIMIT 1) AND $1::int IS NOT NULL"
        };
        let update = service.prepare(change).await.expect("a statement");
        Self {
            service,
            system,
            insert,
            update,
            _database: database,
            request: Vec::new(),
            read: Vec::new(),
            again: Vec::new(),
            restore: Vec::new(),
        }
    }

    /// One step as a run takes it: the request, what it did, the look before the restore, the restore, the look before
    /// the next request.
    async fn step(&mut self, round: usize) {
        let start = SystemState::default();
        let began = Instant::now();
        self.service
            .execute(&self.insert, &[])
            .await
            .expect("an insert");
        let id = 1 + i32::try_from(round % 10).expect("a small number");
        self.service
            .execute(&self.update, &[&id])
            .await
            .expect("an update");
        self.request.push(began.elapsed());
        let began = Instant::now();
        let reading = self.system.read(&start).await.expect("a reading");
        self.read.push(began.elapsed());
        let state = SystemState {
            delta: start.delta.after(&reading.delta),
            image: None,
        };
        let began = Instant::now();
        let nothing = self.system.read(&state).await.expect("a reading");
        self.again.push(began.elapsed());
        assert!(nothing.delta.is_empty());
        let began = Instant::now();
        self.system
            .restore(&state, &start)
            .await
            .expect("a restore");
        self.restore.push(began.elapsed());
        let began = Instant::now();
        let nothing = self.system.read(&start).await.expect("a reading");
        self.again.push(began.elapsed());
        assert!(nothing.delta.is_empty());
    }

    fn forget(&mut self) {
        for durations in [
            &mut self.request,
            &mut self.read,
            &mut self.again,
            &mut self.restore,
        ] {
            durations.clear();
        }
    }

    fn medians(&self) -> [Duration; 4] {
        [&self.request, &self.read, &self.again, &self.restore].map(|durations| {
            let mut durations = durations.clone();
            durations.sort();
            durations[durations.len() / 2]
        })
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64() * 1e3)
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
