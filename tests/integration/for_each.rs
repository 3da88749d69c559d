//! Actions that act on any object that a path knows.

use std::sync::{Arc, Mutex};

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Database, Sandbox, Server, actions, one};

const SPEC: &str = r#"
venomqa: 1
name: orders
systems: { db: { sqlite: orders.db } }
actions:
  - { name: create, request: { method: POST, path: /orders }, extract: { order_id: $.id }, max_calls: 3 }
  - { name: pay, request: { method: POST, path: "/orders/{{ order_id }}/pay" } EACH }
  - name: cancel
    request: { method: POST, path: "/orders/{{ order_id }}/cancel" }
    ensure: [{ sql: "SELECT id FROM orders WHERE id = :order_id AND state <> 'cancelled'" }]
    clear: [order_id]
    max_calls: 2
invariants:
  - { name: no_paid_order_is_cancelled, sql: "SELECT id FROM orders WHERE state = 'cancelled' AND was = 'paid'" }
"#;

/// Paid orders cannot be cancelled; with the bug they can, but for the newest.
fn orders(database: &Database, has_bug: bool) -> Server {
    let connection: Arc<Mutex<Connection>> = Arc::new(Mutex::new(database.open()));
    let change = move |sql: &str, id: i64| {
        let connection = connection.lock().unwrap();
        connection.execute(sql, [id]).unwrap();
        (connection.changes(), connection.last_insert_rowid())
    };
    let (create, pay, cancel) = (change.clone(), change.clone(), change);
    let status = |changes: u64| match changes {
        1 => StatusCode::OK,
        _ => StatusCode::CONFLICT,
    };
    let older = if has_bug {
        "id < (SELECT max(id) FROM orders)"
    } else {
        "FALSE"
    };
    let router = Router::new()
        .route("/", get(async || "ready"))
        .route(
            "/orders",
            post(async move || {
                let sql = "INSERT INTO orders (state, was) SELECT 'new', '' WHERE ? = 0";
                let (_, id) = create(sql, 0);
                (StatusCode::CREATED, Json(json!({ "id": id })))
            }),
        )
        .route(
            "/orders/{id}/pay",
            post(async move |Path(id): Path<i64>| {
                status(pay("UPDATE orders SET state = 'paid' WHERE id = ? AND state = 'new'", id).0)
            }),
        )
        .route(
            "/orders/{id}/cancel",
            post(async move |Path(id): Path<i64>| {
                let sql = format!(
                    "UPDATE orders SET was = state, state = 'cancelled' WHERE id = ? AND (state = 'new' OR state = 'paid' AND {older})"
                );
                status(cancel(&sql, id).0)
            }),
        );
    Server::start(router)
}

fn explore(for_each: &str, has_bug: bool, flags: &str, code: i32) -> (Sandbox, Value) {
    let spec = SPEC
        .replace(" EACH", &format!(", {for_each}"))
        .replace("    clear:", &format!("    {for_each}\n    clear:"));
    let sandbox = Sandbox::with_spec(&spec);
    let database = Database::at(sandbox.path("orders.db"));
    database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT, was TEXT)");
    let before = database.dump();
    let server = orders(&database, has_bug);
    let command = format!("explore --max-steps 1500 --report json {flags}");
    let run = sandbox.venomqa(command.as_str()).at(&server.url()).run();
    let run = run.code(code).only_run();
    assert_eq!(database.dump(), before);
    (sandbox, run)
}

#[test]
fn a_bug_that_needs_the_older_of_two_orders_is_found_and_shrunk() {
    for flags in ["", "--strategy bfs", "--strategy dfs", "--strategy random"] {
        let (_, run) = explore("for_each: order_id", true, flags, 1);
        let violation = one(&run["violations"], "name", "no_paid_order_is_cancelled");
        let path = actions(violation);
        assert_eq!(path.len(), 4, "{flags}: {path:?}");
        assert_eq!(path[3], "cancel(order_id=2nd newest)", "{flags}: {path:?}");
        assert_eq!(violation["confirmation"]["result"], "confirmed");
        // Older objects are no duty: there may be none.
        assert_eq!(run["figures"]["coverage"], 1.0, "{flags}");
    }
}

#[test]
fn the_newest_alone_does_not_show_it_and_without_the_bug_there_is_silence() {
    let (_, run) = explore("weight: 1", true, "--strategy bfs", 0);
    assert_eq!(run["stop"]["reason"], "complete", "{run:#}");
    let (_, run) = explore("for_each: order_id", false, "--strategy bfs", 0);
    assert_eq!(run["outcome"], "clean", "{run:#}");
    assert_eq!(run["stop"]["reason"], "complete", "{run:#}");
    let oldest = one(&run["actions"], "name", "pay(order_id=3rd newest)");
    assert_ne!(oldest["runs"], 0, "{run:#}");
}

#[test]
fn a_spec_says_how_many_objects_matter() {
    let (_, run) = explore("for_each: { order_id: 2 }", true, "--strategy bfs", 1);
    let names: Vec<&str> = crate::support::texts(&run["actions"], "name");
    assert_eq!(
        names,
        [
            "create",
            "pay",
            "pay(order_id=2nd newest)",
            "cancel",
            "cancel(order_id=2nd newest)"
        ]
    );
}

#[test]
fn a_wrong_for_each_is_underlined_with_what_to_write() {
    for (written, said) in [
        ("for_each: ordre_id", "did you mean `order_id`?"),
        ("for_each: { order_id: 0 }", "write a number from 1 to 100"),
        (
            "for_each: { order_id: 2, other: 3 }",
            "expected the name of one variable, not of several",
        ),
        ("for_each: [order_id]", "the name of a variable"),
    ] {
        let sandbox = Sandbox::with_spec(&SPEC.replace(" EACH", &format!(", {written}")));
        let url = "--base-url http://127.0.0.1:1";
        let validated = sandbox.venomqa(format!("validate {url}").as_str()).run();
        validated.code(2).complains(&[said]);
    }
    let spec = SPEC
        .replace(" EACH", "")
        .replace("path: /orders }", "path: /orders }, for_each: order_id");
    let sandbox = Sandbox::with_spec(&spec);
    let validated = sandbox
        .venomqa("validate --base-url http://127.0.0.1:1")
        .run();
    validated
        .code(2)
        .complains(&["the request of `create` does not use `order_id`"]);
}

#[test]
fn a_reproduction_and_its_scripts_act_on_the_same_object() {
    let (sandbox, _) = explore("for_each: order_id", true, "--strategy bfs", 1);
    let file = ".venomqa/no_paid_order_is_cancelled-cancel.yaml";
    let server = orders(&Database::at(sandbox.path("orders.db")), true);
    let replayed = sandbox.venomqa(["replay", file]).at(&server.url()).run();
    replayed.code(1).says(&["reproduced"]);

    let script = sandbox
        .venomqa(["replay", file, "--to", "curl"])
        .run()
        .code(0)
        .stdout;
    sandbox.write("again.sh", &script);
    let database = Database::at(sandbox.path("again.db"));
    database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT, was TEXT)");
    let server = orders(&database, true);
    let ran = sandbox
        .command("bash")
        .arg("again.sh")
        .env("BASE_URL", server.url())
        .output()
        .unwrap();
    // All requests were answered as they were; only the database can tell more.
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let cancelled =
        "SELECT count(*) FROM orders WHERE id = 1 AND was = 'paid' AND state = 'cancelled'";
    assert_eq!(database.number(cancelled), 1);
    assert_eq!(
        database.number("SELECT count(*) FROM orders WHERE state = 'new'"),
        1
    );
}
