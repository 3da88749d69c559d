//! What tells states apart, and that every strategy gets everywhere.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::Value;

use crate::support::{Database, Sandbox, Server};

/// A counter that goes round, and a log that never ends: every request writes a line, even one that only looks.
fn clock(database: &Database) -> Server {
    let turn = database.clone();
    let look = database.clone();
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route(
                "/turn",
                post(async move || {
                    turn.execute(
                        "UPDATE clock SET hour = (hour + 1) % 4; INSERT INTO log VALUES ('turned')",
                    );
                    StatusCode::NO_CONTENT
                }),
            )
            .route(
                "/look",
                get(async move || {
                    look.execute("INSERT INTO log VALUES ('looked')");
                    StatusCode::NO_CONTENT
                }),
            ),
    )
}

fn explore(system: &str) -> Value {
    let sandbox = Sandbox::with_spec(&format!(
        "
venomqa: 1
systems:
  db: {{ sqlite: clock.db{system} }}
actions:
  - name: turn
    request: {{ method: POST, path: /turn }}
  - name: look
    request: {{ method: GET, path: /look }}
"
    ));
    let database = Database::at(sandbox.path("clock.db"));
    database.execute(
        "CREATE TABLE clock (hour INTEGER NOT NULL); CREATE TABLE log (line TEXT);
         INSERT INTO clock VALUES (0)",
    );
    let before = database.dump();
    let server = clock(&database);
    let run = sandbox
        .venomqa(["explore", "--max-steps", "30", "--report", "json"])
        .args(["--base-url", &server.url()])
        .run()
        .code(0)
        .only_run();
    assert_eq!(database.dump(), before);
    run
}

#[test]
fn every_table_tells_states_apart_unless_the_spec_says_which_do() {
    let run = explore("");
    assert_eq!(run["stop"]["reason"], "max-steps");
    let run = explore(", observe_tables: [clock]");
    assert_eq!(run["stop"]["reason"], "complete");
    assert_eq!(run["figures"]["states"], 4);
    assert_eq!(run["figures"]["steps"], 8);
}

#[test]
fn an_observation_query_tells_states_apart() {
    let run = explore(
        ", observe_tables: [], observation_queries: { afternoon: SELECT hour / 2 FROM clock }",
    );
    assert_eq!(run["stop"]["reason"], "complete", "{run:#}");
    // Hours 0 and 1 are one state: a turn leads from there to itself, once.
    assert_eq!(run["figures"]["states"], 1, "{run:#}");
    let run =
        explore(", observe_tables: [], observation_queries: { hour: SELECT hour FROM clock }");
    assert_eq!(run["figures"]["states"], 4, "{run:#}");
}

#[test]
fn an_action_that_always_makes_a_new_state_starves_no_other() {
    for strategy in ["dfs", "coverage", "random", "mcts", "weighted"] {
        let mut spec = "
venomqa: 1
systems: { db: { sqlite: rows.db } }
actions:
"
        .to_owned();
        for number in 0..30 {
            writeln!(
                spec,
                "  - name: add_{number}\n    request: {{ method: POST, path: /rows/{number} }}"
            )
            .unwrap();
        }
        let sandbox = Sandbox::with_spec(&spec);
        let database = Database::at(sandbox.path("rows.db"));
        database.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, number INTEGER)");
        let writer = database.clone();
        let server = Server::start(Router::new().route("/", get(async || "ready")).route(
            "/rows/{number}",
            post(async move |Path(number): Path<u32>| {
                writer.execute(&format!("INSERT INTO rows (number) VALUES ({number})"));
                StatusCode::NO_CONTENT
            }),
        ));
        let run = sandbox
            .venomqa(["explore", "--report", "json", "--strategy", strategy])
            .args(["--base-url", &server.url(), "--max-steps", "500"])
            .run()
            .code(0)
            .only_run();
        assert_eq!(run["figures"]["coverage"], 1.0, "{strategy}");
    }
}

#[test]
fn two_databases_go_back_together() {
    let sandbox = Sandbox::with_spec(
        "
venomqa: 1
systems:
  left: { sqlite: left.db }
  right: { sqlite: right.db }
actions:
  - name: move
    request: { method: POST, path: /move }
  - name: take
    request: { method: POST, path: /take }
    max_calls: 1
invariants:
  - name: nothing_is_lost_on_the_right
    system: right
    sql: SELECT number FROM balls WHERE number > 2
",
    );
    let sides = ["left.db", "right.db"].map(|name| Database::at(sandbox.path(name)));
    for (side, number) in sides.iter().zip([3, 0]) {
        side.execute(&format!(
            "CREATE TABLE balls (number INTEGER NOT NULL); INSERT INTO balls VALUES ({number})"
        ));
    }
    let before = sides.clone().map(|side| side.dump());
    let [left, right] = sides.clone();
    let taken = sides[1].clone();
    let server = Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route(
                "/move",
                post(async move || {
                    if left.number("SELECT number FROM balls") > 0 {
                        left.execute("UPDATE balls SET number = number - 1");
                        right.execute("UPDATE balls SET number = number + 1");
                    }
                    StatusCode::NO_CONTENT
                }),
            )
            .route(
                "/take",
                post(async move || {
                    taken.execute("UPDATE balls SET number = max(number - 1, 0)");
                    StatusCode::NO_CONTENT
                }),
            ),
    );
    let run = sandbox
        .venomqa(["explore", "--strategy", "bfs", "--report", "json"])
        .args(["--base-url", &server.url()])
        .run()
        .code(1)
        .only_run();
    assert_eq!(run["stop"]["reason"], "complete");
    assert_eq!(run["violations"][0]["path"].as_array().unwrap().len(), 3);
    assert_eq!(run["warnings"], Value::Array(Vec::new()));
    assert_eq!(sides.map(|side| side.dump()), before);
}
