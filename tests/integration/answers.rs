//! Accepted, refused, no answer: what each means for the path, and for the verdict of the run.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use rusqlite::Connection;
use serde_json::json;

use crate::support::{Database, Finished, Sandbox, Server, violations, warnings};

/// A till that declines whoever is not verified, and forgets to look whether it has declined before.
fn till(database: &Database) -> Server {
    let shared: Arc<Mutex<Connection>> = Arc::new(Mutex::new(database.open()));
    let execute = move |sql: &str| shared.lock().unwrap().execute(sql, []).unwrap();
    let (verify, pay, leave) = (execute.clone(), execute.clone(), execute);
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route(
                "/verify",
                post(async move || {
                    verify("UPDATE account SET verified = 1");
                    axum::Json(json!({}))
                }),
            )
            .route(
                "/pay",
                post(async move || {
                    if pay("UPDATE account SET paid = 1 WHERE verified = 1") == 1 {
                        return (StatusCode::OK, axum::Json(json!({ "receipt": 7 })));
                    }
                    pay("UPDATE account SET declined = 1");
                    let answer = json!({ "why": "verify first" });
                    (StatusCode::PAYMENT_REQUIRED, axum::Json(answer))
                }),
            )
            .route(
                "/leave",
                post(async move || {
                    leave("UPDATE account SET gone = 1");
                    Redirect::to("/login").into_response()
                }),
            )
            .route("/receipts/7", get(async || "one coffee"))
            .route("/closed", post(async || StatusCode::FORBIDDEN)),
    )
}

const ACCOUNT: &str = "CREATE TABLE account (verified INT DEFAULT 0, paid INT DEFAULT 0, declined INT DEFAULT 0, gone INT DEFAULT 0);
     INSERT INTO account DEFAULT VALUES;";

fn explore(actions: &str, flags: &[&str]) -> Finished {
    let spec =
        format!("venomqa: 1\nname: till\nsystems: {{ db: {{ sqlite: till.db }} }}\n{actions}");
    let sandbox = Sandbox::with_spec(&spec);
    let database = Database::at(sandbox.path("till.db"));
    database.execute(ACCOUNT);
    let server = till(&database);
    sandbox
        .venomqa(["explore", "--report", "json", "--base-url", &server.url()])
        .args(flags)
        .run()
}

const PAY: &str = "
actions:
  - { name: verify, request: { method: POST, path: /verify } }
  - { name: pay, request: { method: POST, path: /pay }, expect: { status: [200, 402] }, extract: { receipt: $.receipt }, max_calls: 1 }
  - { name: show, request: { path: \"/receipts/{{ receipt }}\" }, expect: { status: 200 } }
";

#[test]
fn a_refused_call_uses_nothing_up_and_yields_nothing() {
    let invariant = "invariants:\n  - { name: paid_or_declined, sql: SELECT * FROM account WHERE paid AND declined }\n";
    let run = explore(&format!("{PAY}{invariant}"), &["--strategy", "bfs"])
        .code(1)
        .only_run();
    // Not `extract-failed`: the 402 owes no receipt.
    assert_eq!(violations(&run), ["paid_or_declined"], "{run:#}");
    assert_eq!(run["violations"][0]["confirmation"]["result"], "confirmed");
    assert_eq!(
        run["actions"][2]["statuses"],
        json!({ "200": run["actions"][2]["runs"] })
    );
}

#[test]
fn without_the_bug_the_same_till_is_clean() {
    let run = explore(PAY, &[]).code(0).only_run();
    assert_eq!(
        (violations(&run), warnings(&run)),
        (vec![], vec![]),
        "{run:#}"
    );
    assert_eq!(run["outcome"], "clean", "{run:#}");
}

#[test]
fn a_precondition_waits_for_an_acceptance() {
    let actions = "
actions:
  - { name: pay, request: { method: POST, path: /pay }, expect: { status: [200, 402] } }
  - { name: show, preconditions: [pay], request: { path: /receipts/7 } }
";
    let run = explore(actions, &[]).code(0).only_run();
    assert_eq!(run["actions"][1]["runs"], 0);
    assert_eq!(
        run["actions"][1]["never_ran"],
        "`pay` had not been accepted before it"
    );
    assert_eq!(run["outcome"], "incomplete");
}

#[test]
fn a_redirect_accepts_where_the_spec_lists_it() {
    let actions = |expect: &str| {
        format!(
            "
actions:
  - {{ name: leave, request: {{ method: POST, path: /leave }}{expect} }}
  - {{ name: show, preconditions: [leave], request: {{ path: /receipts/7 }} }}
  - {{ name: verify, request: {{ method: POST, path: /verify }} }}
"
        )
    };
    let unlisted = explore(&actions(""), &[]).code(0).only_run();
    assert_eq!(unlisted["actions"][1]["runs"], 0, "{unlisted:#}");
    let listed = explore(&actions(", expect: { status: 303 }"), &[])
        .code(0)
        .only_run();
    assert_ne!(listed["actions"][1]["runs"], 0, "{listed:#}");
}

#[test]
fn what_follows_from_a_refusal_is_said_by_its_status() {
    let actions = "
actions:
  - name: pay
    request: { method: POST, path: /pay }
    on:
      402: { extract: { reason: $.why } }
  - { name: show, preconditions: [\"reason is defined and reason == 'verify first'\"], request: { path: /receipts/7 } }
";
    let run = explore(actions, &[]).code(0).only_run();
    assert_ne!(run["actions"][1]["runs"], 0, "{run:#}");
}

#[test]
fn a_run_in_which_nothing_was_accepted_proves_nothing() {
    let closed = |expect: &str| {
        format!(
            "actions:\n  - {{ name: closed, request: {{ method: POST, path: /closed }}{expect} }}\n"
        )
    };
    let run = explore(&closed(""), &[]).code(3).only_run();
    assert_eq!(run["outcome"], "failed");
    assert_eq!(warnings(&run), ["nothing-accepted"], "{run:#}");
    // Who lists the refusal wants to see it.
    explore(&closed(", expect: { status: 403 }"), &[]).code(0);
}

#[test]
fn a_login_that_answers_with_a_redirect_is_good_where_setup_says_so() {
    let spec = |expect: &str| {
        format!(
            "setup:\n  - {{ request: {{ method: POST, path: /leave }}{expect} }}\nactions:\n  - {{ name: verify, request: {{ method: POST, path: /verify }} }}\n"
        )
    };
    let refused = explore(&spec(""), &[]).code(3).only_run();
    let error = refused["stop"]["error"].to_string();
    assert!(error.contains("expected a 2xx answer, got 303"), "{error}");
    assert!(error.contains("expect: { status: 303 }"), "{error}");
    explore(&spec(", expect: { status: [302, 303] }"), &[]).code(0);
}

/// A counter that answers with 500 once in its life.
fn hiccup() -> Server {
    let happened = Arc::new(Mutex::new(0));
    Server::start(Router::new().route("/", get(async || "ready")).route(
        "/add",
        post(async move || {
            let mut calls = happened.lock().unwrap();
            *calls += 1;
            if *calls == 1 {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::OK
            }
        }),
    ))
}

#[test]
fn what_happened_once_and_never_again_fails_a_strict_run_only() {
    let spec = "venomqa: 1\nname: hiccup\nsystems: { db: { sqlite: empty.db } }\nactions:\n  - { name: add, request: { method: POST, path: /add } }\n  - { name: look, request: { path: / } }\n";
    for (flags, code) in [(&["--seed", "1"][..], 0), (&["--strict"], 1)] {
        let sandbox = Sandbox::with_spec(spec);
        Database::at(sandbox.path("empty.db")).execute("CREATE TABLE t (id INTEGER PRIMARY KEY)");
        let server = hiccup();
        let run = sandbox
            .venomqa(["explore", "--report", "json", "--base-url", &server.url()])
            .args(flags)
            .run()
            .code(code)
            .only_run();
        assert_eq!(
            run["violations"][0]["confirmation"]["result"], "unconfirmed",
            "{run:#}"
        );
        assert_eq!(run["outcome"], "incomplete");
        let headline = run["headline"].as_str().unwrap();
        assert!(
            headline.contains("1 finding could not be confirmed"),
            "{headline}"
        );
    }
}
