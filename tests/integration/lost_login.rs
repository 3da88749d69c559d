//! A login that is lost during a run is told from a refusal that the state explains.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Database, Sandbox, Server, violations, warnings};

const SPEC: &str = r#"
venomqa: 1
name: club
systems: { db: { sqlite: club.db } }
http: { headers: { X-Token: "{{ token }}" } }
setup:
  - { request: { method: POST, path: /login }, extract: { token: $.token } }
actions:
  - { name: join, request: { method: POST, path: /join }, expect: { status: [200, 401, 403] } }
  - { name: leave, request: { method: POST, path: /leave }, expect: { status: [200, 401, 403] } }
  - { name: order, request: { method: POST, path: /order }, expect: { status: [201, 401, 403] }, max_calls: 3 }
"#;

/// A club that serves members only. A login is good for `uses` requests.
fn club(database: &Database, uses: u32) -> Server {
    let connection: Arc<Mutex<Connection>> = Arc::new(Mutex::new(database.open()));
    let left = Arc::new(AtomicU32::new(uses));
    let change = move |sql: &'static str, done: StatusCode| {
        let (connection, left) = (connection.clone(), left.clone());
        post(async move |headers: HeaderMap| {
            let spent = left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                })
                .is_err();
            if spent || headers.get("x-token").is_none() {
                return StatusCode::UNAUTHORIZED.into_response();
            }
            if connection.lock().unwrap().execute(sql, []).unwrap() == 0 {
                return StatusCode::FORBIDDEN.into_response();
            }
            done.into_response()
        })
    };
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route(
                "/login",
                post(async || axum::Json(json!({ "token": "t0ken-of-ada" }))),
            )
            .route(
                "/join",
                change("UPDATE club SET member = 1", StatusCode::OK),
            )
            .route(
                "/leave",
                change(
                    "UPDATE club SET member = 0 WHERE member = 1",
                    StatusCode::OK,
                ),
            )
            .route(
                "/order",
                change(
                    "UPDATE club SET orders = orders + 1 WHERE member = 1",
                    StatusCode::CREATED,
                ),
            ),
    )
}

fn explore(uses: u32, strategy: &str, code: i32) -> Value {
    let sandbox = Sandbox::with_spec(SPEC);
    let database = Database::at(sandbox.path("club.db"));
    database.execute("CREATE TABLE club (member INT, orders INT); INSERT INTO club VALUES (0, 0)");
    let server = club(&database, uses);
    sandbox
        .venomqa(["explore", "--strategy", strategy, "--report", "json"])
        .args(["--base-url", &server.url()])
        .run()
        .code(code)
        .only_run()
}

#[test]
fn a_login_that_is_lost_ends_the_walk_and_the_run_is_not_trusted() {
    for strategy in ["bfs", "dfs", "mcts", "coverage"] {
        let run = explore(12, strategy, 3);
        assert_eq!(run["stop"]["reason"], "login-lost", "{strategy}: {run:#}");
        let warning = &run["warnings"][0];
        assert_eq!(warning["code"], "login-lost", "{strategy}: {run:#}");
        let message = warning["message"].as_str().unwrap();
        assert!(message.contains("is refused with 401"), "{message}");
        // No step that the lost login took is in the graph, and nobody is blamed for it.
        assert_eq!(violations(&run), [""; 0]);
        let statuses = run["actions"].to_string();
        assert!(!statuses.contains("\"401\""), "{strategy}: {statuses}");
    }
}

#[test]
fn refusals_that_the_state_explains_are_no_lost_login() {
    for strategy in ["bfs", "dfs", "mcts", "coverage"] {
        let run = explore(u32::MAX, strategy, 0);
        assert_eq!(warnings(&run), [""; 0], "{strategy}: {run:#}");
        assert_eq!(run["stop"]["reason"], "complete", "{strategy}");
        let refused = &run["actions"][2]["statuses"]["403"];
        assert_ne!(refused, &Value::Null, "{strategy}: {run:#}");
    }
}

/// Whoever enters a third time is locked out, which the process alone remembers.
fn gate(database: &Database) -> Server {
    let connection: Arc<Mutex<Connection>> = Arc::new(Mutex::new(database.open()));
    let left = Arc::new(AtomicU32::new(3));
    let (enter, look) = (connection.clone(), connection);
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route(
                "/enter",
                post(async move || {
                    let spent = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                        left.checked_sub(1)
                    });
                    if spent.is_err() {
                        return StatusCode::UNAUTHORIZED;
                    }
                    let sql = "UPDATE club SET member = member + 1 WHERE member < 3";
                    enter.lock().unwrap().execute(sql, []).unwrap();
                    StatusCode::OK
                }),
            )
            .route(
                "/look",
                post(async move || {
                    let sql = "UPDATE club SET orders = 1 - orders";
                    look.lock().unwrap().execute(sql, []).unwrap();
                }),
            ),
    )
}

#[test]
fn a_refusal_that_the_spec_lists_ends_no_run_as_long_as_others_are_accepted() {
    let spec = |statuses: &str| {
        format!(
            "venomqa: 1
name: gate
systems: {{ db: {{ sqlite: club.db }} }}
actions:
  - {{ name: enter, request: {{ method: POST, path: /enter }}, expect: {{ status: {statuses} }} }}
  - {{ name: look, request: {{ method: POST, path: /look }} }}
"
        )
    };
    for (statuses, stop, code) in [("[200, 401]", "complete", 0), ("200", "login-lost", 3)] {
        let sandbox = Sandbox::with_spec(&spec(statuses));
        let database = Database::at(sandbox.path("club.db"));
        database
            .execute("CREATE TABLE club (member INT, orders INT); INSERT INTO club VALUES (0, 0)");
        let server = gate(&database);
        let run = sandbox
            .venomqa("explore --strategy bfs --report json --no-corpus")
            .args(["--base-url", &server.url()])
            .run()
            .code_among(&[code, 1])
            .only_run();
        assert_eq!(run["stop"]["reason"], stop, "{run:#}");
        let has_lost = warnings(&run).contains(&"login-lost");
        assert_eq!(has_lost, stop == "login-lost", "{run:#}");
        assert!(
            has_lost || warnings(&run).contains(&"non-deterministic"),
            "{run:#}"
        );
    }
}
