//! What an accepted call must have done.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::Value;

use crate::support::{Database, Sandbox, Server, actions, violations};

const SPEC: &str = r#"
venomqa: 1
name: orders
systems: { db: { sqlite: orders.db } }
actions:
  - name: create
    request: { method: POST, path: /orders }
    max_calls: 2
    extract: { order_id: $ }
  - name: look
    request: { path: /look }
  - name: cancel
    request: { method: POST, path: "/cancel/{{ order_id }}" }
    expect: { status: [200, 409] }
    parameters: { reason: [late] }
    clear: [order_id]
    ensure:
      - { sql: "SELECT status FROM orders WHERE id = :order_id AND :reason = 'late'", equals: cancelled, message: a cancelled order is cancelled }
      - { changes: { orders: { update: 1 }, log: any, "*": none } }
"#;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    /// Says that it is cancelled, and does nothing.
    Forgets,
    /// Cancels its neighbour as well.
    TakesAll,
    /// Pays twice where there are two.
    PaysTwice,
}

fn orders(database: &Database, bug: Bug) -> Server {
    let path = database.path().to_owned();
    let open = move || rusqlite::Connection::open(&path).unwrap();
    let create = open.clone();
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route("/look", get(async || "[]"))
            .route(
                "/orders",
                post(async move || {
                    let connection = create();
                    connection
                        .execute("INSERT INTO orders (status) VALUES ('open')", [])
                        .unwrap();
                    (
                        StatusCode::CREATED,
                        connection.last_insert_rowid().to_string(),
                    )
                }),
            )
            .route(
                "/cancel/{id}",
                post(
                    async move |axum::extract::Path(id): axum::extract::Path<i64>| {
                        let connection = open();
                        connection
                            .execute("INSERT INTO log VALUES ('x')", [])
                            .unwrap();
                        let sql = match bug {
                            Bug::Forgets => "UPDATE orders SET status = status WHERE id = ?",
                            Bug::TakesAll => {
                                "UPDATE orders SET status = 'cancelled' WHERE id > 0 OR id = ?"
                            }
                            Bug::None | Bug::PaysTwice => {
                                "UPDATE orders SET status = 'cancelled' WHERE id = ?"
                            }
                        };
                        connection.execute(sql, [id]).unwrap();
                        if bug == Bug::PaysTwice && id == 2 {
                            connection
                                .execute("INSERT INTO refunds VALUES (2)", [])
                                .unwrap();
                        }
                        "{}"
                    },
                ),
            ),
    )
}

fn explore(bug: Bug, code: i32) -> Value {
    let sandbox = Sandbox::with_spec(SPEC);
    let database = Database::at(sandbox.path("orders.db"));
    database.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT); CREATE TABLE log (text TEXT); CREATE TABLE refunds (of INT)",
    );
    let server = orders(&database, bug);
    let run = sandbox
        .venomqa(["explore", "--strategy", "bfs", "--max-steps", "40"])
        .args(["--report", "json", "--base-url", &server.url()])
        .run()
        .code(code)
        .only_run();
    if code == 1 {
        let file = std::fs::read_dir(sandbox.path(".venomqa")).unwrap();
        let file = file.map(|entry| entry.unwrap().path()).next().unwrap();
        sandbox
            .venomqa([
                "replay",
                file.to_str().unwrap(),
                "--base-url",
                &server.url(),
            ])
            .run()
            .code(1);
    }
    run
}

#[test]
fn a_call_that_does_what_it_must_is_no_violation() {
    let run = explore(Bug::None, 0);
    assert_eq!(run["outcome"], "clean", "{run:#}");
}

#[test]
fn a_call_that_only_says_so_is_found_by_what_a_query_finds() {
    let run = explore(Bug::Forgets, 1);
    assert_eq!(violations(&run), ["ensure-failed"], "{run:#}");
    let violation = &run["violations"][0];
    assert_eq!(actions(violation), ["create", "cancel(reason=late)"]);
    assert_eq!(
        violation["confirmation"]["result"], "confirmed",
        "{violation:#}"
    );
    assert_eq!(
        violation["message"],
        "a cancelled order is cancelled: after `cancel(reason=late)`, `ensure` expects `\"cancelled\"`, but it is `\"open\"`"
    );
    assert_eq!(violation["evidence"]["rows"][0][0], "open", "{violation:#}");
}

#[test]
fn a_call_that_touches_other_rows_is_found_by_what_changed() {
    let run = explore(Bug::TakesAll, 1);
    assert_eq!(violations(&run), ["ensure-failed"], "{run:#}");
    let violation = &run["violations"][0];
    assert_eq!(
        actions(violation),
        ["create", "create", "cancel(reason=late)"]
    );
    assert_eq!(
        violation["message"],
        "`cancel(reason=late)` changed other rows of `orders` than `ensure` allows: 2 updated"
    );
    assert_eq!(violation["evidence"]["expected"], "`orders`: 1 updated");

    let run = explore(Bug::PaysTwice, 1);
    let violation = &run["violations"][0];
    assert_eq!(
        violation["evidence"]["expected"], "`refunds`: no row changed",
        "{run:#}"
    );
    assert_eq!(violation["evidence"]["actual"], "1 inserted: refunds[1]");
}

#[test]
fn mistakes_are_shown_where_they_stand() {
    for (right, wrong, said) in [
        (":order_id AND", ":ordr_id AND", "did you mean `order_id`?"),
        ("log: any", "log: some", "`any`, `none`, or a mapping"),
        ("update: 1", "updat: 1", "did you mean `update`?"),
        (
            "log: any, ",
            "log: { update: { at_least: 2, at_most: 1 } }, ",
            "no count is at least",
        ),
        (
            "changes: {",
            "equals: 1, changes: {",
            "assertions are about the rows of `sql`",
        ),
    ] {
        Sandbox::with_spec(&SPEC.replace(right, wrong))
            .venomqa("validate --base-url http://127.0.0.1:1")
            .run()
            .code(2)
            .complains(&[said, "venomqa.yaml:1"]);
    }
}
