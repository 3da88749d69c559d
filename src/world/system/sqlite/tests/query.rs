//! What only queries of SQLite can do.

use serde_json::json;

use super::fixture::{InWalMode, Walk};
use crate::model::SqlQuery;
use crate::world::system::System as _;
use crate::world::system::contract::{self, run as now};

const SCHEMA: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, total, note TEXT);
    CREATE TABLE refunds (id INTEGER PRIMARY KEY, order_id, amount);
    CREATE VIEW open AS SELECT orders.id FROM orders LEFT JOIN refunds ON refunds.order_id = orders.id;
    CREATE VIRTUAL TABLE texts USING fts5(note);
    INSERT INTO orders VALUES (1, 10, 'a'), (2, 20.5, NULL), (3, x'0a', '');";

pub(super) fn query(text: &str, names: &[&str]) -> SqlQuery {
    contract::query::<InWalMode>(text, names)
}

#[test]
fn what_no_journal_watches_is_always_read() {
    let mut walk = Walk::begin(SCHEMA);
    for text in [
        "SELECT * FROM orders WHERE note < datetime('now')",
        "SELECT * FROM texts",
        "SELECT name FROM sqlite_schema",
    ] {
        let tables = now(walk.system.prepare(&query(text, &[]))).unwrap();
        assert!(tables.is_none(), "{text}");
    }
}

#[test]
fn lists_and_booleans_are_bound_as_sqlite_has_them() {
    let mut walk = Walk::begin(SCHEMA);
    let text = "SELECT id, total, :list AS list, :yes AS yes FROM orders WHERE id >= :id";
    let found = now(walk.system.query(
        &query(text, &["id", "list", "yes"]),
        &[json!(2), json!([1, {"a": null}]), json!(true)],
    ))
    .unwrap();
    let list = json!("[1,{\"a\":null}]");
    assert_eq!(
        found.rows,
        [
            [json!(2), json!(20.5), list.clone(), json!(1)],
            [json!(3), json!("x'0a'"), list, json!(1)],
        ]
    );
}

#[test]
fn a_refused_query_is_told_why() {
    let mut walk = Walk::begin(SCHEMA);
    for (text, expected) in [
        ("DELETE FROM orders", "writing to `orders` is refused"),
        ("BEGIN IMMEDIATE", "a transaction is refused"),
        (
            "PRAGMA foreign_keys = on",
            "`PRAGMA foreign_keys` is refused",
        ),
        ("ATTACH 'x' AS y", "another database is refused"),
        ("SELECT 1; SELECT 2", "it holds several statements"),
        (
            "SELECT id FROM orders WHERE id = :id",
            "nothing gives the parameter `:id` a value",
        ),
        (
            "SELECT id FROM orders WHERE id = ?",
            "nothing gives the parameter `?` a value",
        ),
        ("", "it yields no columns"),
        ("SELECT totl FROM orders", "no such column: totl"),
    ] {
        let error = now(walk.system.prepare(&query(text, &[]))).unwrap_err();
        assert!(error.message.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_query_makes_no_value_that_would_take_minutes() {
    let mut walk = Walk::begin(SCHEMA);
    let doubling = "WITH RECURSIVE c (n, s) AS (SELECT 1, 'a' UNION ALL SELECT n + 1, s || s FROM c WHERE n < 60) \
                    SELECT count(*) FROM c WHERE length(s) < 0";
    let error = now(walk.system.query(&query(doubling, &[]), &[])).unwrap_err();
    assert!(error.to_string().contains("too big"), "{error}");
}
