//! Values that are made up for requests: `uuid()`, `counter()`, `fake.email()`, `now()`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Database, Sandbox, Server, actions, one, run_script, violations};

const SPEC: &str = r#"
venomqa: 1
name: users
systems: { db: { sqlite: users.db } }
actions:
  - name: sign_up
    request: { method: POST, path: /users, json: { id: "{{ uuid() }}", email: "{{ fake.email() }}", number: "{{ counter() }}" } }
    expect: { status: 201 }
    max_calls: 2
  - name: invite
    request: { method: POST, path: /users, json: { id: "{{ uuid() }}", email: "{{ fake.email() }}", number: "{{ counter() }}" } }
    expect: { status: 201 }
    max_calls: 2
invariants:
  - { name: few, sql: "SELECT * FROM users", expect: { count: { at_most: LIMIT } } }
"#;

/// Users, of whom no two may be alike; every body that was sent.
fn users(database: &Database) -> (Server, Arc<Mutex<Vec<Value>>>) {
    let connection: Arc<Mutex<Connection>> = Arc::new(Mutex::new(database.open()));
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = sent.clone();
    let add = async move |Json(body): Json<Value>| {
        seen.lock().unwrap().push(body.clone());
        let connection = connection.lock().unwrap();
        let [id, email] = ["id", "email"].map(|name| body[name].as_str().unwrap().to_owned());
        let values = (id, email, body["number"].as_i64().unwrap());
        match connection.execute("INSERT INTO users VALUES (?, ?, ?)", values) {
            Ok(_) => (StatusCode::CREATED, Json(json!({}))).into_response(),
            Err(error) => (StatusCode::CONFLICT, error.to_string()).into_response(),
        }
    };
    let router = Router::new()
        .route("/", get(async || "ready"))
        .route("/users", axum::routing::post(add));
    (Server::start(router), sent)
}

const SCHEMA: &str =
    "CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT UNIQUE, number INT UNIQUE)";

fn explore(sandbox: &Sandbox, more: &str, code: i32) -> (Value, Vec<Value>) {
    let database = Database::at(sandbox.path("users.db"));
    database.execute(SCHEMA);
    let (server, sent) = users(&database);
    let run = sandbox
        .venomqa("explore --max-steps 60 --report json")
        .args(more)
        .args(["--base-url", &server.url()])
        .run()
        .code(code)
        .only_run();
    drop(server);
    std::fs::remove_file(sandbox.path("users.db")).unwrap();
    let sent = sent.lock().unwrap().clone();
    (run, sent)
}

fn spec(limit: u32) -> String {
    SPEC.replace("LIMIT", &limit.to_string())
}

#[test]
fn values_never_come_twice_on_a_path_and_orders_of_requests_lead_to_one_state() {
    let sandbox = Sandbox::with_spec(&spec(9));
    for strategy in ["bfs", "dfs", "random", "mcts"] {
        let (run, sent) = explore(&sandbox, &format!("--strategy {strategy}"), 0);
        assert_eq!(run["outcome"], "clean", "{strategy}: {run:#}");
        // 0 to 2 of each, in whatever order.
        assert_eq!(run["figures"]["states"], 9, "{strategy}: {run:#}");
        let numbers: BTreeSet<i64> = sent
            .iter()
            .map(|body| body["number"].as_i64().unwrap())
            .collect();
        assert_eq!(numbers, BTreeSet::from([1, 2, 3, 4]), "{strategy}");
        let emails: BTreeSet<&str> = sent
            .iter()
            .map(|body| body["email"].as_str().unwrap())
            .collect();
        assert_eq!(emails.len(), 4, "{strategy}: {emails:?}");
    }
}

#[test]
fn the_seed_decides_what_is_made_up() {
    let sandbox = Sandbox::with_spec(&spec(9));
    let ids = |seed: u32| -> BTreeSet<String> {
        let (_, sent) = explore(&sandbox, &format!("--strategy bfs --seed {seed}"), 0);
        sent.iter().map(|body| body["id"].to_string()).collect()
    };
    let first = ids(7);
    assert_eq!(first, ids(7));
    assert!(first.is_disjoint(&ids(8)));
}

#[test]
fn a_reproduction_and_its_scripts_send_what_was_sent() {
    let sandbox = Sandbox::with_spec(&spec(2));
    let (run, _) = explore(&sandbox, "--strategy bfs --seed 5", 1);
    assert_eq!(violations(&run), ["few"], "{run:#}");
    let violation = &run["violations"][0];
    assert_eq!(
        violation["confirmation"]["result"], "confirmed",
        "{violation:#}"
    );
    let path = violation["path"].as_array().unwrap();
    let bodies: Vec<Value> = path
        .iter()
        .map(|step| step["request"]["body"]["json"].clone())
        .collect();
    assert_eq!(actions(violation).len(), 3);

    let file = std::fs::read_dir(sandbox.path(".venomqa")).unwrap();
    let file = file.map(|entry| entry.unwrap().path()).next().unwrap();
    let replay = |more: &[&str]| {
        let database = Database::at(sandbox.path("users.db"));
        database.execute(SCHEMA);
        let (server, sent) = users(&database);
        let finished = sandbox
            .venomqa([&["replay", file.to_str().unwrap()], more].concat())
            .env("VENOMQA_UNUSED", "")
            .args(["--base-url", &server.url()])
            .run();
        let sent = sent.lock().unwrap().clone();
        std::fs::remove_file(sandbox.path("users.db")).unwrap();
        (finished, sent)
    };
    let (finished, sent) = replay(&[]);
    finished.code(1);
    assert_eq!(sent, bodies);

    for language in ["curl", "hurl"] {
        let script = replay(&["--to", language]).0.code(0).stdout;
        let database = Database::at(sandbox.path("users.db"));
        database.execute(SCHEMA);
        let (server, sent) = users(&database);
        run_script(&sandbox, language, &script, &server);
        assert_eq!(*sent.lock().unwrap(), bodies, "{script}");
        std::fs::remove_file(sandbox.path("users.db")).unwrap();
    }
}

#[test]
fn mistakes_are_shown_where_they_stand() {
    let spec = r#"
venomqa: 1
name: wrong
http: { base_url: "http://127.0.0.1:1" }
restore: none
variables: { uuid: 7 }
actions:
  - { name: a, request: { path: "/{{ fake.emial() }}" } }
  - { name: b, request: { path: "/{{ uuidd() }}" } }
  - { name: c, request: { path: "/{{ uuid() }}/{{ uuid }}" } }
  - { name: d, request: { path: "/{{ now(offset='soon') }}" } }
  - { name: e, request: { path: "/{{ 'x' | uper }}" } }
  - { name: f, request: { path: "/" }, preconditions: ["random_int(1, 2) == 1"] }
  - { name: g, request: { path: "/" }, expect: { headers: { X: "{{ counter() }}" } } }
  - { name: h, request: { path: "/", json: { n: "{% for x in [1, 2] %}{{ counter() }}{% endfor %}" } } }
"#;
    let said = Sandbox::with_spec(spec).venomqa("validate").run().code(2);
    said.complains(&[
        "there is no `fake.emial()`",
        "did you mean `email`?",
        "unknown function `uuidd`",
        "did you mean `uuid`?",
        "`uuid` is a value of this spec, so it cannot be called",
        "`soon` is no offset such as",
        "unknown filter `uper`",
        "did you mean `upper`?",
        "`random_int` makes values up for requests, and a condition is asked in every state",
        "`counter` makes values up for requests, and this is filled in once, when the spec is loaded",
        "`counter()` cannot stand in a loop",
        "venomqa.yaml:8:",
        "venomqa.yaml:15:",
    ]);
}

#[test]
fn each_request_has_an_id_that_reports_show() {
    let spec = spec(1).replace("systems:", "http: { request_id: X-Request-Id }\nsystems:");
    let sandbox = Sandbox::with_spec(&spec);
    let (run, _) = explore(&sandbox, "--strategy bfs", 1);
    let path = run["violations"][0]["path"].as_array().unwrap();
    let ids: BTreeSet<&str> = path
        .iter()
        .map(|step| {
            let header = one(&step["request"]["headers"], "name", "X-Request-Id");
            header["value"].as_str().unwrap()
        })
        .collect();
    assert_eq!(ids.len(), path.len(), "{ids:?}");
    assert!(ids.iter().all(|id| id.starts_with("venomqa-")), "{ids:?}");
}
