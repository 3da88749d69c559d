//! What tells states apart, and that every strategy gets everywhere.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::Value;

use crate::support::{AnyDatabase, Database, KINDS, Sandbox, Server, items};

/// A counter that goes round, with a number beside it that is another one each time, and a log that never ends: every request
/// writes a line, even one that only looks.
const CLOCK: &[(&str, &str)] = &[
    (
        "POST /turn",
        "UPDATE clock SET hour = (hour + 1) % 4, noise = random(); INSERT INTO log VALUES ('turned')",
    ),
    ("GET /look", "INSERT INTO log VALUES ('looked')"),
];

/// Explores the clock on a database of a kind, with these keys of its system.
fn clock(kind: &str, system: &str) -> Value {
    let sandbox = Sandbox::with_spec("");
    let database = AnyDatabase::new(
        kind,
        &sandbox,
        "CREATE TABLE clock (hour INTEGER NOT NULL, noise DOUBLE PRECISION); CREATE TABLE log (line TEXT);
         CREATE VIEW afternoon AS SELECT hour / 2 AS half FROM clock; INSERT INTO clock VALUES (0, 0)",
    );
    sandbox.write(
        "venomqa.yaml",
        &format!(
            "
venomqa: 1
systems:
  db: {{ {}{system} }}
actions:
  - name: turn
    request: {{ method: POST, path: /turn }}
  - name: look
    request: {{ method: GET, path: /look }}
",
            database.location()
        ),
    );
    let before = database.dump();
    let server = database.serve(CLOCK);
    let finished = sandbox
        .venomqa("explore --strategy bfs --max-steps 40 --report json")
        .at(&server.url())
        .run()
        .code(0);
    if system.contains("ignore_tables") {
        assert_ne!(database.dump(), before, "what is ignored is left alone");
        database.edit("DELETE FROM log");
    }
    assert_eq!(database.dump(), before, "{kind}: {finished}");
    finished.only_run()
}

/// Explores the clock on these kinds of databases, where it must have so many states and steps.
#[track_caller]
fn assert_counts(kinds: &[&str], system: &str, states: u64, steps: u64) {
    for kind in kinds {
        let run = clock(kind, system);
        assert_eq!(run["stop"]["reason"], "complete", "{kind}: {run:#}");
        let figures = &run["figures"];
        assert_eq!(figures["states"], states, "{kind}, {system}: {run:#}");
        assert_eq!(figures["steps"], steps, "{kind}, {system}: {run:#}");
    }
}

#[test]
fn every_table_and_column_tells_states_apart_unless_the_spec_says_which_do() {
    for kind in KINDS {
        // Without the log, a turn still leads to another number each time.
        for system in ["", ", observe_tables: [clock]"] {
            let run = clock(kind, system);
            assert_eq!(run["stop"]["reason"], "max-steps", "{kind}, {system}");
        }
    }
    let columns = "ignore_columns: [clock.noise]";
    for (kinds, system, states, steps) in [
        (
            &KINDS[..],
            format!("observe_tables: [clock], {columns}"),
            4,
            8,
        ),
        (&KINDS, format!("observe_tables: [\"c*\"], {columns}"), 4, 8),
        (
            &["postgres"],
            format!("observe_tables: [\"public.c*\"], {columns}"),
            4,
            8,
        ),
        (&KINDS, format!("ignore_tables: [log], {columns}"), 4, 8),
        // Nothing of it tells states apart: one state, from which each action leads to itself.
        (&KINDS, "observe_tables: []".to_owned(), 1, 2),
        (
            &KINDS,
            "observe_tables: [clock], ignore_columns: [\"*.*\"]".to_owned(),
            1,
            2,
        ),
    ] {
        assert_counts(kinds, &format!(", {system}"), states, steps);
    }
}

#[test]
fn an_observation_query_tells_states_apart() {
    for (kinds, query, states, steps) in [
        (&KINDS[..], "SELECT hour FROM clock", 4, 8),
        (&KINDS, "SELECT hour FROM clock LIMIT 0", 1, 2),
        (&["postgres"], "TABLE clock ORDER BY hour LIMIT 0", 1, 2),
        // Hours 0 and 1 are one state: a turn leads from there to itself, once.
        (&KINDS, "SELECT half FROM afternoon", 1, 2),
        (
            &KINDS,
            "SELECT CASE WHEN count(*) < 3 THEN count(*) ELSE 3 END FROM log",
            4,
            8,
        ),
    ] {
        let system = format!(", observe_tables: [], observation_queries: {{ seen: \"{query}\" }}");
        assert_counts(kinds, &system, states, steps);
    }
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
            .venomqa(format!(
                "explore --report json --strategy {strategy} --max-steps 500"
            ))
            .at(&server.url())
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
        .venomqa("explore --strategy bfs --report json")
        .at(&server.url())
        .run()
        .code(1)
        .only_run();
    assert_eq!(run["stop"]["reason"], "complete");
    assert_eq!(items(&run["violations"][0]["path"]).len(), 3);
    assert_eq!(run["warnings"], Value::Array(Vec::new()));
    assert_eq!(sides.map(|side| side.dump()), before);
}
