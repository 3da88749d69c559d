//! A whole run against the floor: the same requests, sent one by one over one connection to the same service, whose
//! database nobody watches then. Both sides in turn, in the same minute; what counts is the ratio. The service writes
//! with every request, so that an answer costs the same on both sides, whatever state it is given in.
//!
//! `cargo bench --bench floor`, or with another number of steps: `cargo bench --bench floor -- 2000`, or one strategy
//! only, over and over: `cargo bench --bench floor -- dfs`. What the columns say is in `docs/performance.md`.

#![expect(clippy::print_stdout, reason = "a benchmark is a program that prints")]

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use venomqa::explorer::budget::Limits;
use venomqa::explorer::event::{Event, Summary};
use venomqa::explorer::{Options, explore, strategy};
use venomqa::interrupt::Interrupt;
use venomqa::model::Request;
use venomqa::oracle::{Oracles, checks};
use venomqa::spec::{self, Environment, Spec, Vocabulary};
use venomqa::world::LiveWorld;
use venomqa::world::config::{EngineConfig, LateText, SystemConfig};
use venomqa::world::system::sqlite::SqliteSystem;
use venomqa::world::system::{System, SystemState};

const ROUNDS: usize = 9;
const ROWS: [i64; 2] = [10, 1_000_000];

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, serve_word, port, db] = arguments.as_slice()
        && serve_word == "serve"
    {
        let port = port.parse().expect("a port");
        return runtime.block_on(serve(port, Path::new(db)));
    }
    let steps = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(500);
    // The floor's client is made before any of venomqa's.
    let _ = rustls::crypto::ring::default_provider().install_default();
    runtime.block_on(async {
        println!(
            "strategy   steps  run/floor   run ms  floor ms  http%  journal%  restore%  oracles%"
        );
        if let Some(name) = strategy::NAMES
            .iter()
            .find(|name| arguments.iter().any(|word| word == *name))
        {
            for _ in 0..ROUNDS {
                against_the_floor(name, steps).await;
            }
            inherent(steps).await;
            return;
        }
        for name in strategy::NAMES {
            against_the_floor(name, steps).await;
        }
        println!();
        inherent(steps).await;
        println!();
        println!("rows in the database   run ms (dfs)   run ms (bfs)");
        for rows in ROWS {
            let dfs = median(&times(rows, "dfs", steps).await);
            let bfs = median(&times(rows, "bfs", steps).await);
            println!("{rows:>20} {:>14.1} {:>14.1}", ms(dfs), ms(bfs));
        }
    });
}

async fn against_the_floor(strategy: &str, steps: u64) {
    let mut runs = Vec::new();
    let mut floors = Vec::new();
    let mut ratios = Vec::new();
    let mut last = None;
    // The first pair finds neither side in the machine's caches.
    for round in 0..=ROUNDS {
        let folder = tempfile::tempdir().expect("a folder");
        let (summary, requests) = run(folder.path(), strategy, steps).await;
        let floor = floor(&requests).await;
        if round == 0 {
            continue;
        }
        ratios.push(summary.time.total.as_secs_f64() / floor.as_secs_f64());
        runs.push(summary.time.total);
        floors.push(floor);
        last = Some(summary);
    }
    ratios.sort_by(f64::total_cmp);
    let summary = last.expect("at least one round");
    let share = |part: Duration| 100.0 * part.as_secs_f64() / summary.time.total.as_secs_f64();
    println!(
        "{strategy:<9} {:>6} {:>10.2} {:>8.1} {:>9.1} {:>6.0} {:>9.0} {:>9.0} {:>9.0}",
        summary.progress.step,
        ratios[ROUNDS / 2],
        ms(median(&runs)),
        ms(median(&floors)),
        share(summary.time.http),
        share(summary.time.journal),
        share(summary.time.restore),
        share(summary.time.oracles),
    );
}

/// What the service itself pays for being watched: its requests alone, the time of all else left out.
async fn inherent(steps: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, requests) = run(folder.path(), "dfs", steps).await;
    let mut ratios = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        let plain = floor(&requests).await.as_secs_f64();
        for (ratios, goes_back) in ratios.iter_mut().zip([false, true]) {
            let watched = watched_floor(&requests, goes_back).await.as_secs_f64();
            if round > 0 {
                ratios.push(watched / plain);
            }
        }
    }
    for ratios in &mut ratios {
        ratios.sort_by(f64::total_cmp);
    }
    println!("the service's requests alone / floor, inherent in watching and going back:");
    println!(
        "  with the journal installed        {:.2}",
        ratios[0][ROUNDS / 2]
    );
    println!(
        "  and a restore before each request {:.2}",
        ratios[1][ROUNDS / 2]
    );
}

/// The requests of [`floor`] with the journal installed, and where `goes_back` is set, the initial state restored after
/// each. Only the requests are timed.
async fn watched_floor(requests: &[Request], goes_back: bool) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("notes.db");
    let service = Running::open(&db);
    let config = SystemConfig {
        name: "db".to_owned(),
        engine: EngineConfig::Sqlite(LateText(db.to_string_lossy().into_owned())),
        observe_tables: None,
        ignore_columns: Vec::new(),
        ignore_tables: Vec::new(),
        observation_queries: Vec::new(),
        allow_remote: false,
    };
    let mut system = SqliteSystem::open(&config, &db).expect("the database");
    system.install().await.expect("a journal");
    system.mark_initial().await.expect("an initial state");
    let start = SystemState::default();
    let client = client();
    let mut spent = Duration::ZERO;
    for request in requests {
        spent += send(&client, &service, request).await;
        if goes_back {
            let reading = system.read(&start).await.expect("a reading");
            let now = SystemState {
                delta: start.delta.after(&reading.delta),
                image: None,
            };
            system.restore(&now, &start).await.expect("a restore");
        }
    }
    system.uninstall().await.expect("the end");
    spent
}

/// Times of runs on a database that holds this many customers beforehand.
async fn times(rows: i64, strategy: &str, steps: u64) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir().expect("a folder");
        fill(&folder.path().join("notes.db"), rows);
        times.push(run(folder.path(), strategy, steps).await.0.time.total);
    }
    times
}

/// The schema of the service, with rows that no request touches in a table that requests do touch.
fn fill(db: &Path, rows: i64) {
    drop(Running::open(db));
    let connection = rusqlite::Connection::open(db).expect("the database");
    connection
        .execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO notes (kind, text) SELECT 0, 'note ' || i FROM n",
            [rows],
        )
        .expect("rows");
}

async fn run(folder: &Path, strategy: &str, steps: u64) -> (Summary, Vec<Request>) {
    let spec = notes_spec(folder);
    let mut world = LiveWorld::start(&spec.world, spec.model.clone(), Interrupt::default())
        .await
        .expect("the world starts");
    let mut oracles = Oracles::new(spec.model.clone(), &spec.checks);
    let options = Options {
        strategy: strategy.to_owned(),
        limits: Limits {
            max_steps: steps,
            ..Limits::default()
        },
        seed: 1,
        interrupt: Interrupt::default(),
        known: Vec::new(),
    };
    let mut requests = Vec::new();
    let summary = explore(
        &spec.model,
        &mut world,
        &mut oracles,
        &options,
        &mut |event| {
            if let Event::Step(step) = event {
                requests.extend(step.record.map(|record| record.request.clone()));
            }
        },
    )
    .await;
    world.finish().await.expect("the database is put back");
    (summary, requests)
}

/// Thirty actions, each of which always writes: on both sides every request costs the same, whatever the state.
fn notes_spec(folder: &Path) -> Spec {
    let mut text = format!(
        "venomqa: 1
name: notes
service: {{ command: [{program:?}, serve, '${{port}}', {db:?}], ready: {{ path: / }} }}
http: {{ base_url: 'http://127.0.0.1:${{port}}' }}
systems: {{ db: {{ sqlite: {db:?} }} }}
invariants:
  - {{ name: no_negative_count, sql: SELECT * FROM kinds WHERE hits < 0 }}
actions:
",
        program = std::env::current_exe().expect("a path").to_string_lossy(),
        db = folder.join("notes.db").to_string_lossy(),
    );
    for kind in 1..=30 {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  - {{ name: note_{kind}, request: {{ method: POST, path: /notes/{kind} }} }}"
        );
    }
    let environment = Environment {
        variable: &|_| None,
        overrides: &[],
        base_url: None,
        vocabulary: Vocabulary {
            strategies: strategy::NAMES,
            checks: checks::NAMES,
        },
    };
    let loaded = spec::parse(Path::new("notes.yaml"), &text, &environment);
    let problems = venomqa::diagnostic::render(&loaded.diagnostics, &loaded.sources, false);
    loaded.spec.expect(&problems)
}

/// The same requests, one by one, over one connection.
async fn floor(requests: &[Request]) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Running::open(&folder.path().join("notes.db"));
    let client = client();
    let began = Instant::now();
    for request in requests {
        send(&client, &service, request).await;
    }
    began.elapsed()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client")
}

/// Sends one request and reads its answer. Returns how long that took.
async fn send(client: &reqwest::Client, service: &Running, request: &Request) -> Duration {
    let began = Instant::now();
    let method = request.method.parse().expect("a method");
    let url = format!("{}{}", service.url, request.target);
    let answer = client.request(method, url).send().await.expect("an answer");
    answer.bytes().await.expect("a body");
    began.elapsed()
}

/// The service under test: this program again, in its own process.
struct Running {
    process: Child,
    url: String,
}

impl Running {
    fn open(db: &Path) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let process = Command::new(std::env::current_exe().expect("a path"))
            .args(["serve", &port.to_string()])
            .arg(db)
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

/// A small, ordinary service: every request is a transaction of its own on a real file.
async fn serve(port: u16, db: &Path) {
    let connection = rusqlite::Connection::open(db).expect("the database");
    connection
        .execute_batch(
            "PRAGMA journal_mode = wal;
             PRAGMA synchronous = normal;
             CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, text TEXT NOT NULL);
             CREATE TABLE IF NOT EXISTS kinds (kind INTEGER PRIMARY KEY, hits INTEGER NOT NULL);",
        )
        .expect("a schema");
    let connection = Arc::new(Mutex::new(connection));
    let write = move |axum::extract::Path(kind): axum::extract::Path<i64>| async move {
        let mut connection = connection.lock().expect("one request at a time");
        let transaction = connection.transaction().expect("a transaction");
        transaction
            .prepare_cached("INSERT INTO notes (kind, text) VALUES (?1, 'a note of some length')")
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
    };
    let router = axum::Router::new()
        .route("/", axum::routing::get(|| async { "ready" }))
        .route("/notes/{kind}", axum::routing::post(write));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .expect("the port");
    axum::serve(listener, router).await.expect("a service");
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
