//! Rows that come after the answer are the doing of the request that wrote them, not of the one that is under way by then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Database, Sandbox, Server, violations, warnings};

const SPEC: &str = "
venomqa: 1
name: till
systems: { db: { sqlite: till.db } }
checks: { rejected-but-wrote: high }
actions:
  - { name: pay, request: { method: POST, path: /pay } }
  - { name: refused, request: { method: POST, path: /refused }, expect: { status: 403 } }
  - { name: look, request: { path: /look } }
";

const INVARIANTS: &str = "invariants:
  - { name: total_is_a_number, request: { path: /look }, jsonpath: $.missing, expect: empty }
";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Till {
    /// Pays after it has answered, most often while the next request is under way.
    Late,
    /// Pays when the next request comes, and not before. Or is it the next request that writes what is left to be done?
    PutsOff,
    /// Writes down whom it refuses.
    NotesRefusals,
    /// Writes a payment down, and does the rest a while later.
    Worker,
    /// Counts those who look, in a table and in a column that the spec may leave out.
    Audits,
}

/// The next request waits for a late payment, so that no test depends on time.
fn till(database: &Database, till: Till) -> Server {
    let connection: Arc<Mutex<Connection>> = Arc::new(Mutex::new(database.open()));
    let is_due = Arc::new(AtomicBool::new(false));
    let write = move |sql: &str| {
        connection.lock().unwrap().execute(sql, []).unwrap();
    };
    let paying: Arc<Mutex<Option<JoinHandle<()>>>> = Arc::default();
    let (due, pay, payment) = (is_due.clone(), write.clone(), paying.clone());
    let catch_up = move || {
        if let Some(payment) = payment.lock().unwrap().take() {
            payment.join().unwrap();
        }
        if due.swap(false, Ordering::SeqCst) {
            pay("UPDATE till SET paid = 1");
        }
    };
    let (refuse, look, touch) = (catch_up.clone(), catch_up.clone(), catch_up);
    let touched = write.clone();
    if till == Till::Worker {
        let work = write.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(250));
                work("UPDATE till SET paid = 2 WHERE paid = 1");
            }
        });
    }
    let (note, audit, later) = (write.clone(), write.clone(), write.clone());
    let pay_later = move || {
        let write = later.clone();
        let payment = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(60));
            write("UPDATE till SET paid = 1");
        });
        *paying.lock().unwrap() = Some(payment);
    };
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route(
                "/pay",
                post(async move || match till {
                    Till::Late => pay_later(),
                    Till::PutsOff => is_due.store(true, Ordering::SeqCst),
                    Till::NotesRefusals | Till::Worker | Till::Audits => {
                        write("UPDATE till SET paid = 1");
                    }
                }),
            )
            .route(
                "/touch",
                post(async move || {
                    touch();
                    touched("UPDATE visits SET seen = seen + 1");
                }),
            )
            .route(
                "/refused",
                post(async move || {
                    refuse();
                    if till == Till::NotesRefusals {
                        note("UPDATE till SET refused = 1");
                    }
                    StatusCode::FORBIDDEN
                }),
            )
            .route(
                "/look",
                get(async move || {
                    look();
                    if till == Till::Worker {
                        // Longer than the worker sleeps.
                        tokio::time::sleep(Duration::from_millis(300)).await;
                    }
                    if till == Till::Audits {
                        audit("UPDATE till SET refused = refused + 1");
                        audit("UPDATE visits SET seen = seen + 1");
                    }
                    axum::Json(serde_json::json!({}))
                }),
            ),
    )
}

fn explore(which: Till, more: &str, strategy: &str, code: i32) -> Value {
    explore_spec(which, &format!("{SPEC}{more}"), strategy, code)
}

fn explore_spec(which: Till, spec: &str, strategy: &str, code: i32) -> Value {
    let sandbox = Sandbox::with_spec(spec);
    let database = Database::at(sandbox.path("till.db"));
    database.execute("CREATE TABLE till (paid INT, refused INT); INSERT INTO till VALUES (0, 0); CREATE TABLE visits (seen INT); INSERT INTO visits VALUES (0)");
    let server = till(&database, which);
    sandbox
        .venomqa(["explore", "--strategy", strategy, "--report", "json"])
        .args(["--base-url", &server.url()])
        .run()
        .code(code)
        .only_run()
}

#[test]
fn a_late_row_is_blamed_on_the_request_that_wrote_it() {
    for (strategy, more) in [
        ("bfs", ""),
        ("dfs", ""),
        ("bfs", INVARIANTS),
        ("mcts", INVARIANTS),
    ] {
        let run = explore(Till::Late, more, strategy, 0);
        assert_eq!(violations(&run), [""; 0], "{strategy}: {run:#}");
        let warning = &run["warnings"][0];
        assert_eq!(warnings(&run), ["late-write"], "{strategy}: {run:#}");
        let message = warning["message"].as_str().unwrap();
        assert!(
            message.starts_with("action `pay` writes after it has answered: rows of `till`"),
            "{message}"
        );
        assert!(
            warning["help"].as_str().unwrap().contains("`settle: "),
            "{warning}"
        );
        // Nobody but `pay` leads to the state in which it is paid.
        assert_eq!(run["actions"][1]["new_states"], 0, "{run:#}");
    }
}

#[test]
fn a_late_row_is_no_row_of_an_action_that_writes_itself() {
    let more = "  - { name: touch, request: { method: POST, path: /touch }, max_calls: 2 }
invariants:
  - { name: never_paid, sql: SELECT * FROM till WHERE paid = 1 }
";
    for strategy in ["auto", "bfs", "dfs"] {
        let run = explore(Till::Late, more, strategy, 1);
        assert_eq!(violations(&run), ["never_paid"], "{strategy}: {run:#}");
        assert_eq!(warnings(&run), ["late-write"], "{strategy}: {run:#}");
        let violation = &run["violations"][0];
        assert_eq!(violation["confirmation"]["result"], "confirmed", "{run:#}");
        let path = violation["path"].as_array().unwrap();
        let path: Vec<&Value> = path.iter().map(|step| &step["action"]).collect();
        assert_eq!(path, ["pay"], "{strategy}: {run:#}");
    }
}

#[test]
fn rows_that_a_worker_writes_whenever_their_state_is_restored_are_no_rows_of_a_probe() {
    let run = explore(Till::Worker, INVARIANTS, "bfs", 0);
    assert_eq!(violations(&run), [""; 0], "{run:#}");
    // States that were left before it was known who writes late may say more.
    assert!(warnings(&run).contains(&"late-write"), "{run:#}");
    assert!(!warnings(&run).contains(&"background-write"), "{run:#}");
}

#[test]
fn rows_that_a_refused_request_writes_each_time_are_its_own() {
    let run = explore(Till::NotesRefusals, "", "bfs", 1);
    assert_eq!(violations(&run), ["rejected-but-wrote"], "{run:#}");
    assert_eq!(warnings(&run), [""; 0]);
    assert_ne!(run["actions"][1]["new_states"], 0, "{run:#}");
}

#[test]
fn rows_that_come_only_when_one_request_follows_another_are_blamed_on_neither() {
    for (strategy, more) in [("bfs", ""), ("dfs", ""), ("mcts", INVARIANTS)] {
        let run = explore(Till::PutsOff, more, strategy, 3);
        assert_eq!(violations(&run), [""; 0], "{strategy}: {run:#}");
        let warning = &run["warnings"][0];
        assert_eq!(warning["code"], "state-outside-systems", "{run:#}");
        let message = warning["message"].as_str().unwrap();
        assert!(
            message.starts_with("rows of `till` change when "),
            "{message}"
        );
        assert!(
            message.contains("Either `pay` puts its write off until the next request, or "),
            "{message}"
        );
        let help = warning["help"].as_str().unwrap();
        assert!(
            help.contains("`restore: replay`") && help.contains("`ignore_tables: [till]`"),
            "{help}"
        );
    }
}

#[test]
fn bookkeeping_that_the_spec_leaves_out_is_no_objection() {
    let checks = "checks: { rejected-but-wrote: high, safe-method-wrote: high }";
    let spec = SPEC.replace("checks: { rejected-but-wrote: high }", checks);
    let run = explore_spec(Till::Audits, &format!("{spec}{INVARIANTS}"), "bfs", 1);
    let mut found = violations(&run);
    found.sort_unstable();
    assert_eq!(found, ["probe-wrote", "safe-method-wrote"], "{run:#}");

    let left_out =
        "{ sqlite: till.db, observe_tables: [\"*\", \"!visits\"], ignore_columns: [till.refused] }";
    let spec = spec.replace("{ sqlite: till.db }", left_out);
    let run = explore_spec(Till::Audits, &format!("{spec}{INVARIANTS}"), "bfs", 0);
    assert_eq!(violations(&run), [""; 0], "{run:#}");
    assert_eq!(warnings(&run), [""; 0], "{run:#}");
}

#[test]
fn a_late_row_is_told_of_even_where_the_spec_says_that_there_is_none() {
    let run = explore_spec(Till::Late, &format!("{SPEC}settle: 0s\n"), "bfs", 0);
    assert_eq!(violations(&run), [""; 0], "{run:#}");
    assert_eq!(warnings(&run), ["late-write"], "{run:#}");
    assert_eq!(run["outcome"], "incomplete", "{run:#}");
    // What it wrote late was put back, so that it did change something.
    assert_eq!(run["actions"][0]["advice"], Value::Null, "{run:#}");
}
