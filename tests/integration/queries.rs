//! The queries of a spec: values that are bound, errors that show their place, and writes that are refused.

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use crate::support::{
    AnyDatabase, Finished, KINDS, Sandbox, Server, actions, items, one, violations,
};

/// Orders that may be refunded without end, and a spec with these keys of the system and these invariants.
struct Orders {
    sandbox: Sandbox,
    database: Arc<AnyDatabase>,
    before: String,
}

impl Orders {
    fn new(kind: &str, system: &str, invariants: &str) -> Self {
        let sandbox = Sandbox::with_spec("");
        let database = AnyDatabase::new(
            kind,
            &sandbox,
            "CREATE TABLE orders ({key}, total DOUBLE PRECISION NOT NULL, refunded DOUBLE PRECISION NOT NULL DEFAULT 0, note TEXT);
             INSERT INTO orders (total, note) VALUES (100, 'it''s \"odd\": $1; DROP TABLE orders --'), (50, NULL)",
        );
        let spec = format!(
            "venomqa: 1
variables: {{ price: 100, odd: 'it''s \"odd\": $1; DROP TABLE orders --', nobody: null, list: [1, 2] }}
systems:
  db:
    {}
{system}
actions:
  - name: show
    request: {{ path: /show }}
    extract: {{ order_id: $.id, amount: $.amount }}
  - name: refund
    request: {{ method: POST, path: /refund }}
{invariants}",
            database.location()
        );
        sandbox.write("venomqa.yaml", &spec);
        let before = database.dump();
        Self {
            sandbox,
            database: Arc::new(database),
            before,
        }
    }

    #[track_caller]
    fn explore(&self, code: i32) -> Finished {
        let database = self.database.clone();
        let refund = async move || {
            let sql = "UPDATE orders SET refunded = refunded + 60 WHERE id = 1";
            database.execute(sql).await;
        };
        let show = async || Json(json!({ "id": 1, "amount": 120.5 }));
        let server = Server::start(
            Router::new()
                .route("/", get(async || "ready"))
                .route("/show", get(show))
                .route("/refund", post(refund)),
        );
        let finished = self
            .sandbox
            .venomqa("explore --strategy bfs --max-steps 30 --report json")
            .at(&server.url())
            .run()
            .code(code);
        assert_eq!(self.database.dump(), self.before, "{finished}");
        finished
    }

    /// The error that ends the run.
    #[track_caller]
    fn error(&self) -> Failed {
        let finished = self.explore(3);
        let error = &finished.only_run()["stop"]["error"];
        Failed {
            message: error["message"].as_str().unwrap().to_owned(),
            details: items(&error["details"])
                .iter()
                .map(|line| line.as_str().unwrap().to_owned())
                .collect(),
            help: error["help"].as_str().unwrap().to_owned(),
            path: error["path"].clone(),
        }
    }

    /// `venomqa.yaml:line:column` of some text in the spec.
    fn place(&self, text: &str) -> String {
        let spec = self.sandbox.read("venomqa.yaml");
        let at = spec.find(text).unwrap();
        let line = spec[..at].matches('\n').count() + 1;
        let start = spec[..at].rfind('\n').map_or(0, |at| at + 1);
        let column = spec[start..at].chars().count() + 1;
        format!("venomqa.yaml:{line}:{column}")
    }
}

/// An error that ended a run.
#[derive(Debug)]
struct Failed {
    message: String,
    details: Vec<String>,
    help: String,
    path: serde_json::Value,
}

impl Failed {
    /// Fails unless the message begins and goes on like this.
    #[track_caller]
    fn says(&self, beginning: &str, rest: &str) {
        let found = self.message.strip_prefix(beginning);
        assert!(found.is_some_and(|found| found.contains(rest)), "{self:#?}");
    }
}

/// What each kind of database says of a column that is not there.
fn no_column(kind: &str, name: &str) -> String {
    match kind {
        "sqlite" => format!("no such column: {name}"),
        _ => format!("column \"{name}\" does not exist"),
    }
}

#[test]
fn an_invariant_reads_values_of_the_context_and_constants_which_are_bound_and_never_spliced() {
    for kind in KINDS {
        let in_list = match kind {
            "sqlite" => "IN (SELECT value FROM json_each(:list))",
            _ => "= ANY (:list)",
        };
        let orders = Orders::new(
            kind,
            "",
            &format!(
                "invariants:
  - name: no_refund_beyond_the_total
    sql: SELECT id, refunded FROM orders WHERE id = :order_id AND refunded > :price
  - name: bound_as_what_the_column_is
    sql: SELECT id FROM orders WHERE refunded >= :amount AND id {in_list} AND note = :odd
  - name: holds_a_value_that_is_no_sql
    sql: SELECT count(*) FROM orders WHERE note = :odd AND CAST(:nobody AS integer) IS NULL
    expect: {{ equals: 1 }}
"
            ),
        );
        let finished = orders.explore(1);
        let run = finished.only_run();
        // 60 is below both bounds; 120 is above the price, and below 120.5; 180 is above both.
        assert_eq!(
            violations(&run),
            ["bound_as_what_the_column_is", "no_refund_beyond_the_total"],
            "{finished}"
        );
        let beyond = one(&run["violations"], "name", "no_refund_beyond_the_total");
        // One database writes 120 as a whole number.
        let row = &beyond["evidence"]["rows"][0];
        assert_eq!(
            (&row[0], row[1].as_f64()),
            (&json!(1), Some(120.0)),
            "{beyond}"
        );
        assert_eq!(actions(beyond).len(), 3, "{beyond}");
    }
}

#[test]
fn an_error_of_the_database_is_shown_with_its_hint_and_its_place_in_the_spec() {
    for kind in KINDS {
        for written in [
            "    sql: SELECT id FROM orders WHERE refundet > total\n",
            "    sql: 'SELECT ''ü'', id FROM orders WHERE refundet > total'\n",
            "    sql: \"SELECT '\\u00fc', '\\t', id FROM orders\\n WHERE refundet > total\"\n",
            "    sql: |\n      SELECT 'ü', CAST(:order_id AS integer), CAST(:price AS integer)\n        FROM orders\n\n       WHERE refundet > total\n",
        ] {
            let invariant = format!("invariants:\n  - name: spelled_wrong\n{written}");
            let orders = Orders::new(kind, "", &invariant);
            let error = orders.error();
            let says = no_column(kind, "refundet");
            error.says("the SQL of invariant `spelled_wrong` failed: ", &says);
            let details = &error.details;
            assert_eq!(
                details[0],
                format!("--> {}", orders.place("refundet")),
                "{error:#?}"
            );
            let column = details[1].find("refundet").unwrap();
            let before = details[1][..column].chars().count();
            assert_eq!(details[2], format!("{}^", " ".repeat(before)), "{error:#?}");
            let hint = "hint: Perhaps you meant to reference the column \"orders.refunded\".";
            assert_eq!(details[3] == hint, kind == "postgres", "{error:#?}");
            assert!(
                details
                    .iter()
                    .any(|line| line.starts_with("SQL at venomqa.yaml:")),
                "{error:#?}"
            );
            assert!(!error.help.is_empty());
        }
    }
}

#[test]
fn a_folded_query_is_shown_where_it_begins() {
    for kind in KINDS {
        let orders = Orders::new(
            kind,
            "",
            "invariants:\n  - name: folded\n    sql: >\n      SELECT idd\n      FROM orders\n",
        );
        let error = orders.error();
        error.says(
            "the SQL of invariant `folded` failed: ",
            &no_column(kind, "idd"),
        );
        assert_eq!(
            error.details[1..3],
            ["SELECT idd FROM orders", "       ^"],
            "{error:#?}"
        );
        let start = error.details[0].strip_prefix("--> ").unwrap();
        assert!(
            [orders.place("SELECT idd"), orders.place(">\n")].contains(&start.to_owned()),
            "{error:#?}"
        );
    }
}

#[test]
fn an_error_that_only_some_state_brings_names_the_invariant_its_detail_and_the_path() {
    let not_json: &[&str] = &["detail: Token", "where: JSON data"];
    for (kind, condition, says, details) in [
        (
            "sqlite",
            "refunded > 0 AND json(note) IS NULL",
            "malformed JSON",
            &[][..],
        ),
        (
            "postgres",
            "refunded > 0 AND note::json IS NULL",
            "invalid input syntax for type json",
            not_json,
        ),
        (
            "postgres",
            "total / (refunded - 60) > 1000",
            "division by zero",
            &[],
        ),
    ] {
        let invariant = format!(
            "invariants:\n  - name: share\n    sql: SELECT id FROM orders WHERE {condition}\n"
        );
        let orders = Orders::new(kind, "", &invariant);
        let error = orders.error();
        error.says("the SQL of invariant `share` failed: ", says);
        let place = format!("SQL at {}", orders.place("SELECT id"));
        for expected in details.iter().chain([&&*place]) {
            assert!(
                error.details.iter().any(|line| line.starts_with(expected)),
                "{error:#?}"
            );
        }
        assert_eq!(error.path, json!(["refund"]));
    }
}

#[test]
fn an_observation_query_that_fails_is_named_with_its_place() {
    for kind in KINDS {
        let orders = Orders::new(
            kind,
            "    observation_queries:\n      open: SELECT count(*) FROM orders WHERE stat = 'open'\n",
            "",
        );
        let error = orders.error();
        let says = no_column(kind, "stat");
        error.says("the SQL of observation query `open` failed: ", &says);
        assert_eq!(
            error.details[0],
            format!("--> {}", orders.place("stat = ")),
            "{error:#?}"
        );
    }
}

#[test]
fn a_query_that_writes_is_refused_whatever_it_hides_behind() {
    for (kind, sql, says) in [
        ("sqlite", "DELETE FROM orders RETURNING id", "may only read"),
        ("sqlite", "SELECT 1; DELETE FROM orders", "may only read"),
        (
            "postgres",
            "DELETE FROM orders RETURNING id",
            "must read and yield rows, `DELETE` does not",
        ),
        (
            "postgres",
            "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
            "must read",
        ),
        (
            "postgres",
            "SELECT nextval('orders_id_seq')",
            "read-only transaction",
        ),
        (
            "postgres",
            "SELECT 1; DELETE FROM orders",
            "cannot insert multiple commands",
        ),
    ] {
        let invariant = format!("invariants:\n  - name: writes\n    sql: \"{sql}\"\n");
        let error = Orders::new(kind, "", &invariant).error();
        assert!(error.message.contains(says), "{kind}, {sql}: {error:#?}");
    }
}
