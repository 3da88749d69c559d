//! Operations of GraphQL.

use std::sync::{Arc, Mutex};

use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Database, Sandbox, Server, actions, one, run_script, violations};

const SPEC: &str = r#"
venomqa: 1
name: shop
systems: { db: { sqlite: shop.db } }
checks: { rejected-but-wrote: high }
actions:
  - name: create
    request: { method: POST, path: /graphql, graphql: { query: "mutation ($n: Int!) { create(n: $n) { id } }", variables: { n: 5 } } }
    extract: { id: $.data.create.id }
    max_calls: 2
  - name: pay
    request: { path: /graphql, graphql: { query: { file: pay.graphql }, variables: { id: "{{ id }}" }, operation_name: Pay } }
    extract: { paid: $.data.pay.id }
  - name: show
    request: { path: /graphql, graphql: { query: "query ($id: Int) { order(id: $id) { n } }", variables: { id: "{{ paid }}" } } }
invariants:
  - { name: paid_once, sql: "SELECT * FROM orders WHERE paid > LIMIT" }
"#;

/// Pays an order once, and says with status 200 that it does so no second time.
fn shop(database: &Database, writes_refusals: bool) -> Server {
    let connection: Arc<Mutex<Connection>> = Arc::new(Mutex::new(database.open()));
    let answer = async move |Json(body): Json<Value>| {
        let connection = connection.lock().unwrap();
        let query = body["query"].as_str().unwrap();
        let id = body["variables"]["id"].as_i64();
        Json(if query.contains("create") {
            let n = body["variables"]["n"].as_i64().unwrap();
            connection
                .execute("INSERT INTO orders (n, paid) VALUES (?, 0)", [n])
                .unwrap();
            json!({ "data": { "create": { "id": connection.last_insert_rowid() } } })
        } else if query.contains("pay") {
            assert_eq!(body["operationName"], "Pay");
            let sql = "UPDATE orders SET paid = paid + 1 WHERE id = ? AND paid = 0";
            if connection.execute(sql, [id]).unwrap() == 1 {
                json!({ "data": { "pay": { "id": id } } })
            } else {
                if writes_refusals {
                    connection
                        .execute("UPDATE orders SET paid = paid + 1 WHERE id = ?", [id])
                        .unwrap();
                }
                json!({ "data": { "pay": null }, "errors": [{ "message": "it is paid" }] })
            }
        } else {
            json!({ "data": { "order": { "n": 5 } } })
        })
    };
    let router = Router::new()
        .route("/", get(async || "ready"))
        .route("/graphql", post(answer));
    Server::start(router)
}

fn explore(sandbox: &Sandbox, writes_refusals: bool, code: i32) -> Value {
    sandbox.write(
        "pay.graphql",
        "mutation Pay($id: Int!) {\n  pay(id: $id) { id } # once\n}\n",
    );
    let database = Database::at(sandbox.path("shop.db"));
    database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, n INT, paid INT)");
    let server = shop(&database, writes_refusals);
    sandbox
        .venomqa(["explore", "--strategy", "bfs", "--max-steps", "60"])
        .args(["--report", "json", "--base-url", &server.url()])
        .run()
        .code(code)
        .only_run()
}

#[test]
fn an_answer_with_errors_is_a_refusal_whatever_its_status() {
    let sandbox = Sandbox::with_spec(&SPEC.replace("LIMIT", "9"));
    let run = explore(&sandbox, false, 0);
    // Where it were none, `paid` would be missing, and that a violation.
    assert_eq!(run["outcome"], "clean", "{run:#}");
    assert_ne!(one(&run["actions"], "name", "show")["runs"], 0, "{run:#}");

    let sandbox = Sandbox::with_spec(&SPEC.replace("LIMIT", "9"));
    let run = explore(&sandbox, true, 1);
    assert_eq!(violations(&run), ["rejected-but-wrote"], "{run:#}");
    assert_eq!(actions(&run["violations"][0]), ["create", "pay", "pay"]);
}

#[test]
fn scripts_send_the_same_operations() {
    for language in ["curl", "hurl"] {
        let sandbox = Sandbox::with_spec(&SPEC.replace("LIMIT", "0"));
        let run = explore(&sandbox, false, 1);
        assert_eq!(actions(&run["violations"][0]), ["create", "pay"], "{run:#}");
        let file = std::fs::read_dir(sandbox.path(".venomqa")).unwrap();
        let file = file.map(|entry| entry.unwrap().path()).next().unwrap();
        let script = sandbox
            .venomqa(["replay", file.to_str().unwrap(), "--to", language])
            .run()
            .code(0)
            .stdout;
        let database = Database::at(sandbox.path("again.db"));
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, n INT, paid INT)");
        let server = shop(&database, false);
        run_script(&sandbox, language, &script, &server);
        let paid = database
            .open()
            .query_row("SELECT paid FROM orders", [], |row| row.get(0));
        assert_eq!(paid, Ok(1), "{script}");
    }
}

#[test]
fn values_stand_in_variables_and_nowhere_else() {
    let spec = SPEC
        .replace("LIMIT", "0")
        .replace("order(id: $id)", "order(id: {{ id }})")
        .replace(
            "{ path: /graphql, graphql: { query: { file",
            "{ method: GET, path: /graphql, graphql: { query: { file",
        );
    let sandbox = Sandbox::with_spec(&spec);
    sandbox
        .venomqa("validate --base-url http://127.0.0.1:1")
        .run()
        .code(2)
        .complains(&[
            "a document of GraphQL takes no templates",
            "variables: { id:",
            "an operation of GraphQL is sent with `POST`",
            "cannot read `pay.graphql`",
        ]);
}

#[test]
fn an_internal_error_counts_as_a_500_whatever_the_status() {
    let spec = r#"
venomqa: 1
name: shop
systems: { db: { sqlite: shop.db } }
actions:
  - { name: show, request: { path: /graphql, graphql: { query: "{ order { n } }" } } }
"#;
    let explore = |extensions: Value, code: i32| {
        let error = json!({ "message": "no", "extensions": extensions });
        let answer = json!({ "data": null, "errors": [error] });
        let router = Router::new()
            .route("/", get(async || "ready"))
            .route("/graphql", post(async move || Json(answer)));
        let server = Server::start(router);
        let sandbox = Sandbox::with_spec(spec);
        Database::at(sandbox.path("shop.db")).execute("CREATE TABLE orders (n INT)");
        let run = sandbox
            .venomqa("explore --strategy bfs --max-steps 3 --report json")
            .args(["--base-url", &server.url()])
            .run()
            .code(code)
            .only_run();
        (sandbox, run, server)
    };
    for extensions in [
        json!({ "code": "INTERNAL_SERVER_ERROR" }),
        json!({ "classification": "INTERNAL_ERROR" }),
    ] {
        let (sandbox, run, server) = explore(extensions, 1);
        assert_eq!(violations(&run), ["server-error"], "{run:#}");
        let file = std::fs::read_dir(sandbox.path(".venomqa")).unwrap();
        let file = file.map(|entry| entry.unwrap().path()).next().unwrap();
        for (language, code) in [("curl", 1), ("hurl", 4)] {
            let script = sandbox
                .venomqa(["replay", file.to_str().unwrap(), "--to", language])
                .run()
                .code(0)
                .stdout;
            run_script(&sandbox, language, &script, &server).code(code);
        }
    }
    let (_, run, _server) = explore(json!({ "code": "BAD_USER_INPUT" }), 0);
    assert_eq!(violations(&run), [""; 0], "{run:#}");
}
