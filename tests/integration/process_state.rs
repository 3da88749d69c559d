//! A service that keeps state in its process is found out by every strategy; one that does not is not suspected.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::{get, post};
use serde_json::Value;

use crate::support::{Database, Kind, Sandbox, Server, service, warnings};

/// Members may edit. The invariant sees whoever could and is none.
const SPEC: &str = "
venomqa: 1
name: club
systems: { db: { sqlite: club.db } }
actions:
  - { name: join, request: { method: POST, path: /join } }
  - { name: leave, request: { method: POST, path: /leave } }
  - { name: edit, request: { method: POST, path: /edit }, expect: { status: [200, 409] }, max_calls: 2 }
invariants:
  - { name: only_members_edit, sql: SELECT * FROM club WHERE edited_by_a_stranger > 0 }
";

/// A vote counts once, until there is a recount.
const VOTES: &str = "
venomqa: 1
name: votes
systems: { db: { sqlite: club.db } }
actions:
  - { name: vote, request: { method: POST, path: /vote }, expect: { status: [200, 409] } }
  - { name: recount, request: { method: POST, path: /recount } }
";

const STRATEGIES: [&str; 6] = ["bfs", "dfs", "mcts", "coverage", "random", "weighted"];

fn explore(kind: Kind, strategy: &str, more: &str, code: &[i32]) -> Value {
    explore_by(SPEC, kind, strategy, more, code)
}

fn explore_by(spec: &str, kind: Kind, strategy: &str, more: &str, code: &[i32]) -> Value {
    let sandbox = Sandbox::with_spec(&format!("{spec}{}{more}", service(kind)));
    let database = Database::at(sandbox.path("club.db"));
    database.execute(
        "CREATE TABLE club (member INT, edits INT, edited_by_a_stranger INT); INSERT INTO club VALUES (0, 0, 0)",
    );
    let before = database.dump();
    let finished = sandbox
        .venomqa(["explore", "--strategy", strategy, "--report", "json"])
        .run()
        .code_among(code);
    assert_eq!(database.dump(), before);
    finished.only_run()
}

#[test]
fn rights_that_are_cached_for_good_are_found_or_make_the_run_untrusted() {
    for strategy in STRATEGIES {
        let run = explore(Kind::ForgetfulClub, strategy, "", &[1, 3]);
        let confirmed = &run["violations"][0]["confirmation"]["result"];
        let said = warnings(&run).contains(&"state-outside-systems");
        assert!(said || confirmed == "confirmed", "{strategy}: {run:#}");
    }
}

#[test]
fn what_the_process_remembers_for_good_from_the_first_request_on_makes_the_run_untrusted() {
    for strategy in STRATEGIES {
        let run = explore_by(VOTES, Kind::ForgetfulClub, strategy, "", &[3]);
        let said = warnings(&run).contains(&"state-outside-systems");
        assert!(said, "{strategy}: {run:#}");
        explore_by(VOTES, Kind::Club, strategy, "", &[0]);
    }
}

#[test]
fn a_service_without_a_cache_is_not_suspected() {
    for strategy in STRATEGIES {
        let run = explore(Kind::Club, strategy, "", &[0]);
        let about_walk = ["equal-weights"];
        let said = warnings(&run);
        let said = said.iter().filter(|code| !about_walk.contains(code));
        assert_eq!(said.count(), 0, "{strategy}: {run:#}");
    }
}

#[test]
fn started_again_for_each_restore_the_same_cache_misleads_nobody() {
    // Each step of this strategy is taken by a service that has just been started.
    let run = explore(Kind::ForgetfulClub, "bfs", "restore: full\n", &[0]);
    assert_eq!(warnings(&run), [""; 0], "{run:#}");
    assert!(!run["actions"][2]["statuses"]["200"].is_null(), "{run:#}");
}

/// Orders note whether a sale is on.
const SALE: &str = "
venomqa: 1
name: sale
systems: { db: { sqlite: sale.db } }
settle: 0s
actions:
  - { name: off, request: { method: POST, path: /off } }
  - { name: on, request: { method: POST, path: /on } }
  - { name: buy, request: { method: POST, path: /buy }, max_calls: 2 }
invariants:
  - { name: full_price, sql: SELECT * FROM orders WHERE reduced = 1 }
";

/// A sale that is a flag of the process; where it is `ignored` it does nothing.
fn sale(database: &Database, ignored: bool) -> Server {
    let connection = Arc::new(Mutex::new(database.open()));
    let flag = Arc::new(AtomicBool::new(false));
    let (on, off) = (flag.clone(), flag.clone());
    let buy = async move || {
        let reduced = flag.load(Ordering::SeqCst) && !ignored;
        let sql = "INSERT INTO orders (reduced) VALUES (?)";
        connection.lock().unwrap().execute(sql, [reduced]).unwrap();
    };
    let router = Router::new()
        .route("/", get(async || "ready"))
        .route("/on", post(async move || on.store(true, Ordering::SeqCst)))
        .route(
            "/off",
            post(async move || off.store(false, Ordering::SeqCst)),
        )
        .route("/buy", post(buy));
    Server::start(router)
}

#[test]
fn a_flag_that_only_the_process_knows_is_found_in_every_order_of_the_walk() {
    for ignored in [false, true] {
        for strategy in ["auto", "bfs", "dfs", "coverage", "random", "mcts"] {
            for seed in ["1", "2", "3"] {
                let sandbox = Sandbox::with_spec(SALE);
                let database = Database::at(sandbox.path("sale.db"));
                database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, reduced INT)");
                let server = sale(&database, ignored);
                let run = sandbox
                    .venomqa(["explore", "--strategy", strategy, "--seed", seed])
                    .args(["--report", "json"])
                    .at(&server.url())
                    .run()
                    .code_among(if ignored { &[0] } else { &[1, 3] })
                    .only_run();
                if ignored {
                    assert_eq!(run["outcome"], "clean", "{strategy} {seed}: {run:#}");
                } else {
                    let said = warnings(&run).contains(&"state-outside-systems");
                    let found = &run["violations"][0]["confirmation"]["result"] == "confirmed";
                    assert!(said || found, "{strategy} {seed}: {run:#}");
                }
            }
        }
    }
}
