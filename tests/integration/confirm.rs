//! What is reported as confirmed happens again, each time, on a service that was started again. What does not is told
//! apart, with what differed.

use std::sync::Arc;

use crate::support::bank::{self, Flaw};
use crate::support::{
    Database, Finished, Kind, Sandbox, Server, actions, items, service, violations, warnings,
};

fn sandbox(kind: Kind, more: &str) -> Sandbox {
    let service = service(kind);
    Sandbox::with_spec(&format!("{}{service}{more}", bank::SPEC))
}

const FLAGS: [&str; 7] = [
    "explore",
    "--strategy",
    "random",
    "--max-steps",
    "400",
    "--max-depth",
    "60",
];

fn explore(sandbox: &Sandbox) -> Finished {
    sandbox.venomqa(FLAGS).args("--report json").run()
}

#[test]
fn a_bug_in_the_data_happens_again_on_a_service_that_was_started_again() {
    let sandbox = sandbox(Kind::Bank, "");
    let run = explore(&sandbox).code(1).only_run();
    let violation = &run["violations"][0];
    assert_eq!(violation["name"], "nothing_leaves_a_frozen_account");
    let confirmation = &violation["confirmation"];
    assert_eq!(confirmation["result"], "confirmed", "{violation:#}");
    assert_eq!(
        (&confirmation["times"], &confirmation["of"]),
        (&3.into(), &3.into())
    );
    assert_eq!(warnings(&run), [""; 0], "{run:#}");
    sandbox.assert_nothing_is_left("the run");
}

#[test]
fn a_restart_leaves_no_trace_in_a_database_that_the_service_writes_to_when_it_starts() {
    let sandbox = sandbox(Kind::Bank, "");
    let database = Database::at(sandbox.path("bank.db"));
    drop(bank::router(database.path(), Flaw::Nothing, Arc::default()));
    // What the first start of the run will make of it, and what the end of the run has to go back to.
    let copy = Database::at(sandbox.path("copy.db"));
    std::fs::copy(database.path(), copy.path()).unwrap();
    drop(bank::router(copy.path(), Flaw::Nothing, Arc::default()));
    assert_ne!(database.dump(), copy.dump());

    let run = explore(&sandbox).code(1).only_run();
    assert_eq!(run["violations"][0]["confirmation"]["result"], "confirmed");
    assert_eq!(database.dump(), copy.dump());
}

/// Withdrawals and nothing else.
fn withdrawals(sandbox: &Sandbox) {
    let spec = sandbox.read("venomqa.yaml");
    let (head, rest) = spec.split_once("  - name: note\n").unwrap();
    let (_, account) = rest.split_once("  - name: open\n").unwrap();
    let (open, rest) = account.split_once("  - name: freeze\n").unwrap();
    let (_, withdraw) = rest.split_once("  - name: withdraw\n").unwrap();
    sandbox.write(
        "venomqa.yaml",
        &format!("{head}  - name: open\n{open}    max_calls: 1\n  - name: withdraw\n{withdraw}"),
    );
}

#[test]
fn a_short_path_that_needs_what_the_service_remembers_is_taken_back() {
    let sandbox = sandbox(Kind::TiredBank, "");
    withdrawals(&sandbox);
    let flags = [
        "explore",
        "--strategy",
        "dfs",
        "--max-steps",
        "12",
        "--fail-fast",
        "--report",
        "json",
    ];
    let run = sandbox.venomqa(flags).run().code(1).only_run();
    assert_eq!(violations(&run), ["server-error"], "{run:#}");
    let violation = &run["violations"][0];
    // Once it is tired a single withdrawal will do; on one that has just started it takes the whole path.
    assert_eq!(violation["shrink"]["result"], "taken-back", "{violation:#}");
    let reason = violation["shrink"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("step 2 (`withdraw(amount=20)`) was answered 201 instead of 500"),
        "{reason}"
    );
    let path = actions(violation);
    assert!(path.len() >= 4, "{path:?}");
    assert_eq!(violation["confirmation"]["result"], "confirmed");
    let last = items(&violation["path"]).last().unwrap();
    assert_eq!(last["response"]["status"], 500);
}

#[test]
fn a_service_that_may_not_be_restarted_is_not() {
    let sandbox = sandbox(Kind::TiredBank, "");
    withdrawals(&sandbox);
    let spec = sandbox
        .read("venomqa.yaml")
        .replace("  ready:", "  restart: false\n  ready:");
    sandbox.write("venomqa.yaml", &spec);
    let flags = [
        "explore",
        "--strategy",
        "dfs",
        "--max-steps",
        "12",
        "--report",
        "json",
    ];
    let run = sandbox.venomqa(flags).run().code(1).only_run();
    let violation = &run["violations"][0];
    // It stays tired, so the short path happens again.
    assert_eq!(
        actions(violation),
        ["open", "withdraw(amount=20)"],
        "{violation:#}"
    );
    assert_eq!(violation["confirmation"]["result"], "confirmed");
}

#[test]
fn a_service_that_throws_its_database_away_when_it_starts_must_not_be_restarted_and_is_told_so() {
    let sandbox = sandbox(Kind::BankOnANewFile, "");
    let finished = sandbox.venomqa(FLAGS).run().code(3).says(&[
        "bank.db` was replaced by another file during the run",
        "say `restart: false` under `service`",
        "not confirmed: running it again failed",
    ]);
    sandbox.assert_nothing_is_left("the run");
    drop(finished);
    let spec = sandbox
        .read("venomqa.yaml")
        .replace("  ready:", "  restart: false\n  ready:");
    sandbox.write("venomqa.yaml", &spec);
    let run = explore(&sandbox).code(1).only_run();
    assert_eq!(run["violations"][0]["confirmation"]["result"], "confirmed");
}

#[test]
fn what_happens_now_and_then_is_unconfirmed_and_comes_last() {
    let sandbox = Sandbox::with_spec(&format!(
        "{}  - name: nobody_opens_an_account\n    severity: low\n    sql: SELECT id FROM accounts\n",
        bank::SPEC
    ));
    withdrawals(&sandbox);
    let database = Database::at(sandbox.path("bank.db"));
    let server = Server::start(bank::router(
        database.path(),
        Flaw::Stumbles,
        Arc::default(),
    ));
    let before = database.dump();
    let finished = sandbox
        .venomqa("explore --strategy dfs --max-steps 12 --fail-fast=critical --report json --report console=report.txt").at(&server.url())
        .run()
        .code(1);
    let run = finished.only_run();
    let confirmations: Vec<_> = items(&run["violations"])
        .iter()
        .map(|violation| {
            (
                violation["severity"].as_str().unwrap(),
                &violation["confirmation"],
            )
        })
        .collect();
    let (severity, confirmation) = confirmations[0];
    assert_eq!(
        (severity, &confirmation["result"]),
        ("low", &"confirmed".into()),
        "{run:#}"
    );
    let (severity, confirmation) = confirmations[1];
    assert_eq!(
        (severity, &confirmation["result"]),
        ("critical", &"unconfirmed".into())
    );
    assert_eq!(
        (&confirmation["times"], &confirmation["of"]),
        (&1.into(), &3.into())
    );
    let reason = confirmation["reason"].as_str().unwrap();
    assert!(
        reason.contains("was answered 201 instead of 500"),
        "{reason}"
    );
    // The records are those of the attempt in which it did happen.
    let last = items(&run["violations"][1]["path"]).last().unwrap();
    assert_eq!(last["response"]["status"], 500);
    let report = sandbox.read("report.txt");
    assert!(
        report.contains("── unconfirmed finding 1 of 1 ─"),
        "{report}"
    );
    assert_eq!(database.dump(), before);
}

/// Answers each request after a while. Eight actions fail once two steps were taken.
fn slow_service(database: &Database) -> Server {
    use axum::http::StatusCode;
    use axum::routing::{get, post};
    let connection = Arc::new(std::sync::Mutex::new(database.open()));
    let answer = move |sql: &'static str, is_step: bool| {
        let connection = connection.clone();
        async move || {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let connection = connection.lock().unwrap();
            if is_step {
                connection.execute_batch(sql).unwrap();
                return StatusCode::OK;
            }
            let fails: bool = connection.query_row(sql, [], |row| row.get(0)).unwrap();
            if fails {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::OK
            }
        }
    };
    let step = answer("UPDATE counter SET n = min(n + 1, 3)", true);
    let fail = answer("SELECT n >= 2 FROM counter", false);
    let router = axum::Router::new()
        .route("/", get(async || "ready"))
        .route("/step", post(step))
        .route("/fail/{number}", post(fail));
    Server::start(router)
}

#[test]
fn what_a_slow_service_showed_is_confirmed_within_the_time_limit() {
    let actions = (1..=8).map(|number| {
        format!("  - {{ name: fail{number}, request: {{ method: POST, path: /fail/{number} }} }}\n")
    });
    let actions = actions.collect::<Vec<_>>().concat();
    let sandbox = Sandbox::with_spec(&format!(
        "venomqa: 1\nname: slow\nsystems: {{ db: {{ sqlite: slow.db }} }}\nactions:\n  - {{ name: step, request: {{ method: POST, path: /step }} }}\n{actions}"
    ));
    let database = Database::at(sandbox.path("slow.db"));
    database.execute("CREATE TABLE counter (n INT); INSERT INTO counter VALUES (0);");
    let server = slow_service(&database);
    let run = sandbox
        .venomqa("explore --strategy bfs --time-limit 8s --report json --no-corpus")
        .at(&server.url())
        .run()
        .code(1)
        .only_run();
    assert_eq!(run["stop"]["reason"], "time-limit", "{run:#}");
    assert!(!items(&run["violations"]).is_empty());
    for violation in items(&run["violations"]) {
        let confirmation = &violation["confirmation"];
        assert_eq!(confirmation["result"], "confirmed", "{violation:#}");
    }
}
