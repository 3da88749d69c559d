//! Cookies and tokens: part of what is restored, and never part of a report.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use rusqlite::Connection;
use serde_json::json;

use crate::support::{Database, Sandbox, Server, violations};

/// Who has which cookie is known by the browser alone: a service that trusts what it has signed.
const COOKIES: &str = "
venomqa: 1
name: door
systems: { db: { sqlite: door.db } }
actions:
  - name: log_in
    request: { method: POST, path: /login }
    expect: { status: 204 }
    max_calls: 2
  - name: log_out
    request: { method: POST, path: /logout }
    preconditions: [log_in]
    expect: { status: 204 }
  - name: look
    request: { method: GET, path: /who }
    expect: { status: 200 }
invariants:
  # Cookies go with every request of an invariant as well.
  - name: the_cookie_is_that_of_the_state
    severity: critical
    request: { method: GET, path: /who }
    jsonpath: $.inside
    expect: { equals_sql: SELECT inside FROM door }
";

const TABLES: &str = "CREATE TABLE door (inside INTEGER NOT NULL, opened INTEGER NOT NULL);
     INSERT INTO door VALUES (0, 0);";

fn door(database: &Database) -> Server {
    let connection: Arc<Mutex<Connection>> = Arc::new(Mutex::new(database.open()));
    let other = connection.clone();
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route(
                "/login",
                post(async move || {
                    connection
                        .lock()
                        .unwrap()
                        .execute_batch("UPDATE door SET inside = 1, opened = opened + 1")
                        .unwrap();
                    let cookie = "session=signed-c00kie-of-ada; Path=/; HttpOnly";
                    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)])
                }),
            )
            .route(
                "/logout",
                post(async move || {
                    other
                        .lock()
                        .unwrap()
                        .execute_batch("UPDATE door SET inside = 0")
                        .unwrap();
                    let cookie = "session=; Path=/; Max-Age=0";
                    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)])
                }),
            )
            .route(
                "/who",
                get(async |headers: HeaderMap| {
                    let inside = headers
                        .get(header::COOKIE)
                        .is_some_and(|cookie| cookie == "session=signed-c00kie-of-ada");
                    axum::Json(json!({ "inside": u8::from(inside) })).into_response()
                }),
            ),
    )
}

#[test]
fn cookies_go_back_with_the_database_for_every_strategy() {
    for strategy in ["dfs", "bfs", "coverage", "random", "mcts", "weighted"] {
        let sandbox = Sandbox::with_spec(COOKIES);
        let database = Database::at(sandbox.path("door.db"));
        database.execute(TABLES);
        let server = door(&database);
        let run = sandbox
            .venomqa("explore --report json")
            .at(&server.url())
            .args(["--strategy", strategy])
            .run()
            .code(0)
            .only_run();
        assert_eq!(violations(&run), [""; 0], "{strategy}");
        // Outside and inside, after none, one and two logins: five states, for nobody is inside who never logged in.
        assert_eq!(run["figures"]["states"], 5, "{strategy}: {run:#}");
        assert_eq!(run["stop"]["reason"], "complete", "{strategy}");
    }
}

const TOKEN: &str = "t0ken-that-nobody-may-see";

const TOKENS: &str = r#"
venomqa: 1
name: vault
http: { headers: { Authorization: "Bearer {{ token }}" } }
systems: { db: { sqlite: door.db } }
setup:
  - request: { method: POST, path: /token, json: { user: qa } }
    extract: { token: $.token }
actions:
  - name: open
    request: { method: POST, path: /open }
    expect: { status: 204 }
    max_calls: 3
invariants:
  - name: the_door_opens_once
    sql: SELECT opened FROM door WHERE opened > 1
"#;

#[test]
fn a_token_of_the_setup_is_sent_with_every_request_and_stands_in_no_report() {
    let sandbox = Sandbox::with_spec(TOKENS);
    let database = Database::at(sandbox.path("door.db"));
    database.execute(TABLES);
    let connection = Arc::new(Mutex::new(database.open()));
    let server = Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route(
                "/token",
                post(async || axum::Json(json!({ "token": TOKEN }))),
            )
            .route(
                "/open",
                post(async move |headers: HeaderMap| {
                    let expected = format!("Bearer {TOKEN}");
                    if headers
                        .get(header::AUTHORIZATION)
                        .is_none_or(|sent| sent != &*expected)
                    {
                        return StatusCode::UNAUTHORIZED;
                    }
                    connection
                        .lock()
                        .unwrap()
                        .execute_batch("UPDATE door SET opened = opened + 1")
                        .unwrap();
                    StatusCode::NO_CONTENT
                }),
            ),
    );
    let finished = sandbox
        .venomqa("explore --report console --report json=report.json")
        .at(&server.url())
        .run()
        .code(1)
        .says(&["the_door_opens_once"])
        .never_says(TOKEN);
    let report = sandbox.read("report.json");
    assert!(!report.contains(TOKEN), "{finished}\n{report}");
    assert!(
        report.contains("authorization") || report.contains("Authorization"),
        "{report}"
    );
}
