//! The queries of a spec on PostgreSQL: what tells states apart, values that are bound, and errors that show their place.

use serde_json::{Value, json};

use crate::postgres_for_tests::{Database, cluster};
use crate::support::postgres_store::{dump, statements};
use crate::support::{Finished, Sandbox, Server, violations};

/// A counter that goes round, and a log that never ends: every request writes a line, even one that only looks.
const CLOCK: &[(&str, &str)] = &[
    (
        "POST /turn",
        "UPDATE clock SET hour = (hour + 1) % 4, turned = clock_timestamp(); INSERT INTO log VALUES ('turned')",
    ),
    ("GET /look", "INSERT INTO log VALUES ('looked')"),
];

/// The clock with these keys of its system. The log is not put back where it is ignored.
fn clock(system: &str) -> Value {
    let database = cluster().database();
    database.psql(
        "CREATE TABLE clock (hour int NOT NULL, turned timestamptz); CREATE SCHEMA audit; CREATE TABLE log (line text);
         CREATE VIEW afternoon AS SELECT hour / 2 AS half FROM clock; INSERT INTO clock VALUES (0, '2020-02-02')",
    );
    let sandbox = Sandbox::with_spec(&format!(
        "
venomqa: 1
systems:
  db: {{ postgres: \"{}\"{system} }}
actions:
  - name: turn
    request: {{ method: POST, path: /turn }}
  - name: look
    request: {{ method: GET, path: /look }}
",
        database.url()
    ));
    let before = dump(&database);
    let server = statements(&database.url(), CLOCK);
    let finished = explore(&sandbox, &server, "40").code(0);
    if system.contains("ignore_tables") {
        let lines = "SELECT count(*) > 0 FROM log";
        assert_eq!(database.psql(lines), "t", "what is ignored is left alone");
        database.psql("TRUNCATE log");
    }
    assert_eq!(dump(&database), before, "{finished}");
    finished.only_run()
}

fn explore(sandbox: &Sandbox, server: &Server, steps: &str) -> Finished {
    sandbox
        .venomqa(["explore", "--report", "json", "--strategy", "bfs"])
        .args(["--max-steps", steps, "--base-url", &server.url()])
        .run()
}

#[track_caller]
fn assert_counts(run: &Value, states: u64, steps: u64) {
    assert_eq!(run["stop"]["reason"], "complete", "{run:#}");
    assert_eq!(run["figures"]["states"], states, "{run:#}");
    assert_eq!(run["figures"]["steps"], steps, "{run:#}");
}

#[test]
fn every_table_and_column_tells_states_apart_unless_the_spec_says_which_do() {
    assert_eq!(clock("")["stop"]["reason"], "max-steps");
    // Without the log, a turn still leads to another moment each time.
    assert_eq!(
        clock(", observe_tables: [clock]")["stop"]["reason"],
        "max-steps"
    );
    let turned = "ignore_columns: [clock.turned]";
    assert_counts(
        &clock(&format!(", observe_tables: [clock], {turned}")),
        4,
        8,
    );
    assert_counts(
        &clock(&format!(", observe_tables: [\"public.c*\"], {turned}")),
        4,
        8,
    );
    assert_counts(&clock(&format!(", ignore_tables: [log], {turned}")), 4, 8);
    // Nothing of it tells states apart: one state, from which each action leads to itself.
    assert_counts(&clock(", observe_tables: []"), 1, 2);
    assert_counts(
        &clock(", observe_tables: [clock], ignore_columns: [\"*.*\"]"),
        1,
        2,
    );
}

#[test]
fn an_observation_query_tells_states_apart() {
    let query = |sql: &str| {
        clock(&format!(
            ", observe_tables: [], observation_queries: {{ seen: \"{sql}\" }}"
        ))
    };
    assert_counts(&query("SELECT hour FROM clock"), 4, 8);
    assert_counts(&query("TABLE clock ORDER BY hour LIMIT 0"), 1, 2);
    // Hours 0 and 1 are one state: a turn leads from there to itself, once.
    assert_counts(&query("SELECT half FROM afternoon"), 1, 2);
    assert_counts(&query("SELECT least(count(*), 3) FROM log"), 4, 8);
}

/// Orders that may be refunded without end, and a spec with this invariant.
struct Orders {
    sandbox: Sandbox,
    database: Database,
    before: String,
}

impl Orders {
    fn new(invariants: &str) -> Self {
        Self::with_system("", invariants)
    }

    fn with_system(system: &str, invariants: &str) -> Self {
        let database = cluster().database();
        database.psql(
            "CREATE TABLE orders (id serial PRIMARY KEY, total numeric NOT NULL, refunded numeric NOT NULL DEFAULT 0, note text);
             INSERT INTO orders (total, note) VALUES (100, 'it''s \"odd\": $1; DROP TABLE orders --'), (50, NULL)",
        );
        let before = dump(&database);
        let sandbox = Sandbox::with_spec(&format!(
            "venomqa: 1
variables: {{ price: 100, odd: 'it''s \"odd\": $1; DROP TABLE orders --', nobody: null, list: [1, 2] }}
systems:
  db:
    postgres: \"{}\"
{system}
actions:
  - name: show
    request: {{ path: /show }}
    extract: {{ order_id: $.id, amount: $.amount }}
  - name: refund
    request: {{ method: POST, path: /refund }}
{invariants}",
            database.url()
        ));
        Self {
            sandbox,
            database,
            before,
        }
    }

    #[track_caller]
    fn explore(&self, code: i32) -> Finished {
        use axum::routing::{get, post};
        let pool = crate::support::Pool::new(&self.database.url());
        let refund = async move || {
            crate::support::postgres_store::executed(
                pool,
                "UPDATE orders SET refunded = refunded + 60.00 WHERE id = 1",
            )
            .await
        };
        let show = async || axum::Json(json!({ "id": 1, "amount": 120.5 }));
        let server = Server::start(
            axum::Router::new()
                .route("/", get(async || "ready"))
                .route("/show", get(show))
                .route("/refund", post(refund)),
        );
        let finished = explore(&self.sandbox, &server, "30").code(code);
        assert_eq!(dump(&self.database), self.before, "{finished}");
        finished
    }
}

#[test]
fn an_invariant_reads_values_of_the_context_and_constants_which_are_bound_and_never_spliced() {
    let orders = Orders::new(
        "invariants:
  - name: no_refund_beyond_the_total
    sql: SELECT id, refunded FROM orders WHERE id = :order_id AND refunded > :price
  - name: bound_as_what_the_column_is
    sql: SELECT id FROM orders WHERE refunded >= :amount AND id = ANY (:list) AND note = :odd
  - name: holds_a_value_that_is_no_sql
    sql: SELECT count(*) FROM orders WHERE note = :odd AND :nobody::int IS NULL
    expect: { equals: 1 }
",
    );
    let finished = orders.explore(1);
    let run = finished.only_run();
    // 60 is below both bounds; 120 is above the price, and below 120.5; 180 is above both.
    assert_eq!(
        violations(&run),
        ["bound_as_what_the_column_is", "no_refund_beyond_the_total"],
        "{finished}"
    );
    let beyond = run["violations"]
        .as_array()
        .unwrap()
        .iter()
        .find(|violation| violation["name"] == "no_refund_beyond_the_total")
        .unwrap();
    let evidence = &beyond["evidence"];
    assert_eq!(evidence["rows"], json!([[1, 120.0]]), "{evidence}");
    let actions: Vec<&Value> = beyond["path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["action"])
        .collect();
    assert_eq!(actions.len(), 3, "{actions:?}");
}

#[track_caller]
fn error(orders: &Orders) -> (String, Vec<String>, String, Finished) {
    let finished = orders.explore(3);
    let run = finished.only_run();
    let error = &run["stop"]["error"];
    let details = error["details"].as_array().unwrap();
    (
        error["message"].as_str().unwrap().to_owned(),
        details
            .iter()
            .map(|line| line.as_str().unwrap().to_owned())
            .collect(),
        error["help"].as_str().unwrap().to_owned(),
        finished,
    )
}

/// `venomqa.yaml:line:column` of some text in the spec.
fn place(orders: &Orders, text: &str) -> String {
    let spec = orders.sandbox.read("venomqa.yaml");
    let at = spec.find(text).unwrap();
    let line = spec[..at].matches('\n').count() + 1;
    let start = spec[..at].rfind('\n').map_or(0, |at| at + 1);
    format!(
        "venomqa.yaml:{line}:{}",
        spec[start..at].chars().count() + 1
    )
}

#[test]
fn an_error_of_the_database_is_shown_with_its_hint_and_its_place_in_the_spec() {
    for written in [
        "    sql: SELECT id FROM orders WHERE refundet > total\n",
        "    sql: 'SELECT ''ü'', id FROM orders WHERE refundet > total'\n",
        "    sql: \"SELECT '\\u00fc', '\\t', id FROM orders\\n WHERE refundet > total\"\n",
        "    sql: |\n      SELECT 'ü', :order_id::int, :price::int\n        FROM orders\n\n       WHERE refundet > total\n",
    ] {
        let orders = Orders::new(&format!("invariants:\n  - name: spelled_wrong\n{written}"));
        let (message, details, help, finished) = error(&orders);
        assert_eq!(
            message,
            "the SQL of invariant `spelled_wrong` failed: column \"refundet\" does not exist",
            "{finished}"
        );
        assert_eq!(
            details[0],
            format!("--> {}", place(&orders, "refundet")),
            "{details:#?}"
        );
        let column = details[1].find("refundet").unwrap();
        let before = details[1][..column].chars().count();
        assert_eq!(
            details[2],
            format!("{}^", " ".repeat(before)),
            "{details:#?}"
        );
        assert_eq!(
            details[3], "hint: Perhaps you meant to reference the column \"orders.refunded\".",
            "{details:#?}"
        );
        assert!(
            details[4].starts_with("SQL at venomqa.yaml:"),
            "{details:#?}"
        );
        assert!(!help.is_empty());
    }
}

#[test]
fn a_folded_query_is_shown_where_it_begins() {
    let orders = Orders::new(
        "invariants:\n  - name: folded\n    sql: >\n      SELECT id\n      FROM ordrs\n",
    );
    let (message, details, ..) = error(&orders);
    assert!(
        message.ends_with("relation \"ordrs\" does not exist"),
        "{message}"
    );
    assert_eq!(
        details[1..3],
        ["SELECT id FROM ordrs", "               ^"],
        "{details:#?}"
    );
    let start = details[0].strip_prefix("--> ").unwrap();
    assert!(
        [place(&orders, "SELECT id"), place(&orders, ">\n")].contains(&start.to_owned()),
        "{details:#?}"
    );
}

#[test]
fn an_error_that_only_some_state_brings_names_the_invariant_its_detail_and_the_path() {
    let orders = Orders::new(
        "invariants:\n  - name: share\n    sql: SELECT id FROM orders WHERE total / (refunded - 60) > 1000\n",
    );
    let (message, details, _, finished) = error(&orders);
    assert_eq!(
        message,
        "the SQL of invariant `share` failed: division by zero"
    );
    assert!(
        details[0].starts_with(&format!("SQL at {}", place(&orders, "SELECT id"))),
        "{details:#?}"
    );
    let path = &finished.only_run()["stop"]["error"]["path"];
    assert_eq!(path, &json!(["refund"]), "{finished}");

    let orders = Orders::new(
        "invariants:\n  - name: typed\n    sql: SELECT id FROM orders WHERE refunded > 0 AND note::json IS NULL\n",
    );
    let (message, details, ..) = error(&orders);
    assert!(
        message.contains("invalid input syntax for type json"),
        "{message}"
    );
    assert!(
        details.iter().any(|line| line.starts_with("detail: Token")),
        "{details:#?}"
    );
    assert!(
        details
            .iter()
            .any(|line| line.starts_with("where: JSON data")),
        "{details:#?}"
    );
}

#[test]
fn an_observation_query_that_fails_is_named_with_its_place() {
    let orders = Orders::with_system(
        "    observation_queries:\n      open: SELECT count(*) FROM orders WHERE stat = 'open'\n",
        "",
    );
    let (message, details, ..) = error(&orders);
    assert_eq!(
        message,
        "the SQL of observation query `open` failed: column \"stat\" does not exist"
    );
    assert_eq!(
        details[0],
        format!("--> {}", place(&orders, "stat = ")),
        "{details:#?}"
    );
}

#[test]
fn a_query_that_writes_is_refused_whatever_it_hides_behind() {
    for (sql, said) in [
        (
            "DELETE FROM orders RETURNING id",
            "must read and yield rows, `DELETE` does not",
        ),
        (
            "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
            "must read",
        ),
        ("SELECT nextval('orders_id_seq')", "read-only transaction"),
        (
            "SELECT 1; DELETE FROM orders",
            "cannot insert multiple commands",
        ),
    ] {
        let orders = Orders::new(&format!(
            "invariants:\n  - name: writes\n    sql: \"{sql}\"\n"
        ));
        let (message, details, ..) = error(&orders);
        assert!(message.contains(said), "{sql}: {message} {details:#?}");
    }
}
