//! A whole run against the floor: the same requests, sent one by one over one connection to the same service, whose
//! database nobody watches then. Both sides in turn, in the same minute; what counts is the ratio. The service writes
//! with every request, so that an answer costs the same on both sides, whatever state it is given in.
//!
//! `cargo bench --bench floor`, or with another number of steps: `cargo bench --bench floor -- 2000`, or one strategy
//! only, over and over: `cargo bench --bench floor -- dfs`. With the word `postgres` the service runs on PostgreSQL, on a
//! throw-away server or `VENOMQA_TEST_POSTGRES`. What the columns say is in `docs/performance.md`.

#![expect(clippy::print_stdout, reason = "a benchmark is a program that prints")]

mod service;
#[path = "../../tests/support/postgres.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "shared with tests, which use more of it"
)]
mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use venomqa::event::{Detail, Event, Finished, Request};
use venomqa::explorer::budget::Limits;
use venomqa::explorer::{Observer, Options, explore, strategy};
use venomqa::interrupt::Interrupt;
use venomqa::oracle::{Oracles, checks};
use venomqa::spec::{self, Environment, Spec, Vocabulary};
use venomqa::world::LiveWorld;
use venomqa::world::system::SystemState;

use service::{Engine, Home, Running};

const ROUNDS: usize = 9;
const ROWS: [i64; 2] = [10, 1_000_000];

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, serve, engine, port, location] = arguments.as_slice()
        && serve == "serve"
    {
        let port = port.parse().expect("a port");
        return runtime.block_on(service::serve(engine, port, location));
    }
    let engine = if arguments.iter().any(|word| word == "postgres") {
        Engine::Postgres
    } else {
        Engine::Sqlite
    };
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
                Box::pin(against_the_floor(engine, name, steps)).await;
            }
            inherent(engine, steps).await;
            return;
        }
        for name in strategy::NAMES {
            Box::pin(against_the_floor(engine, name, steps)).await;
        }
        println!();
        inherent(engine, steps).await;
        println!();
        println!("rows in the database   run ms (dfs)   run ms (bfs)");
        for rows in ROWS {
            let dfs = median(&times(engine, rows, "dfs", steps).await);
            let bfs = median(&times(engine, rows, "bfs", steps).await);
            println!("{rows:>20} {:>14.1} {:>14.1}", ms(dfs), ms(bfs));
        }
    });
}

async fn against_the_floor(engine: Engine, strategy: &str, steps: u64) {
    let mut runs = Vec::new();
    let mut floors = Vec::new();
    let mut ratios = Vec::new();
    let mut last = None;
    // The first pair finds neither side in the machine's caches.
    for round in 0..=ROUNDS {
        let (summary, requests) = run(&Home::new(engine), strategy, steps).await;
        let floor = floor(engine, &requests).await;
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
        summary.figures.step,
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
async fn inherent(engine: Engine, steps: u64) {
    let (_, requests) = run(&Home::new(engine), "dfs", steps).await;
    let mut ratios = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        let plain = floor(engine, &requests).await.as_secs_f64();
        for (ratios, goes_back) in ratios.iter_mut().zip([false, true]) {
            let watched = watched_floor(engine, &requests, goes_back)
                .await
                .as_secs_f64();
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
async fn watched_floor(engine: Engine, requests: &[Request], goes_back: bool) -> Duration {
    let home = Home::new(engine);
    let service = Running::on(&home);
    let mut system = home.system();
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
async fn times(engine: Engine, rows: i64, strategy: &str, steps: u64) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let home = Home::new(engine);
        home.fill(rows).await;
        times.push(run(&home, strategy, steps).await.0.time.total);
    }
    times
}

async fn run(home: &Home, strategy: &str, steps: u64) -> (Finished, Vec<Request>) {
    let spec = notes_spec(home);
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
        postpone: true,
        interrupt: Interrupt::default(),
        regressions: Vec::new(),
        known: std::collections::BTreeSet::new(),
    };
    let mut requests = Requests(Vec::new());
    let finished = explore(
        &spec.model,
        &mut world,
        &mut oracles,
        &options,
        &mut requests,
    )
    .await;
    world.finish().await.expect("the database is put back");
    (finished, requests.0)
}

/// What each step sent.
struct Requests(Vec<Request>);

impl Observer for Requests {
    fn detail(&self) -> Detail {
        Detail::Whole
    }

    fn event(&mut self, event: Event) {
        if let Event::Step(step) = event {
            self.0.extend(step.exchange.map(|seen| seen.request));
        }
    }
}

/// Thirty actions, each of which always writes: on both sides every request costs the same, whatever the state.
fn notes_spec(home: &Home) -> Spec {
    let mut text = format!(
        "venomqa: 1
name: notes
service: {{ command: [{program:?}, serve, {engine}, '${{port}}', {location:?}], ready: {{ path: / }} }}
http: {{ base_url: 'http://127.0.0.1:${{port}}' }}
systems: {{ db: {{ {engine}: {location:?} }} }}
settle: 0s
invariants:
  - {{ name: no_negative_count, sql: SELECT * FROM kinds WHERE hits < 0 }}
actions:
",
        program = std::env::current_exe().expect("a path").to_string_lossy(),
        engine = home.engine().key(),
        location = home.location(),
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
            strategies_without_restore: &[],
            checks: checks::NAMES,
        },
    };
    let loaded = spec::parse(Path::new("notes.yaml"), &text, &environment);
    let problems = venomqa::diagnostic::render(&loaded.diagnostics, &loaded.sources, false);
    loaded.spec.expect(&problems)
}

/// The same requests, one by one, over one connection.
async fn floor(engine: Engine, requests: &[Request]) -> Duration {
    let home = Home::new(engine);
    let service = Running::on(&home);
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

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
