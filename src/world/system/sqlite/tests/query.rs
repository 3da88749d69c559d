//! Queries of the spec.

use serde_json::json;

use super::fixture::{Walk, now};
use crate::expr::Dialect;
use crate::model::SqlQuery;
use crate::world::system::System;

const SCHEMA: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, total, note TEXT);
    CREATE TABLE refunds (id INTEGER PRIMARY KEY, order_id, amount);
    CREATE VIEW open AS SELECT orders.id FROM orders LEFT JOIN refunds ON refunds.order_id = orders.id;
    CREATE VIRTUAL TABLE texts USING fts5(note);
    INSERT INTO orders VALUES (1, 10, 'a'), (2, 20.5, NULL), (3, x'0a', '');";

pub(super) fn query(text: &str, parameters: &[&str]) -> SqlQuery {
    SqlQuery::for_tests(Dialect::Sqlite, text, parameters)
}

fn tables(walk: &mut Walk, text: &str) -> Option<Vec<String>> {
    now(walk.system.prepare(&query(text, &[])))
        .unwrap()
        .map(|tables| tables.iter().map(|table| table.name.clone()).collect())
}

fn refusal(walk: &mut Walk, text: &str) -> String {
    let error = now(walk.system.prepare(&query(text, &[]))).unwrap_err();
    [error.message]
        .into_iter()
        .chain(error.details)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_tables_that_a_query_reads_are_known_through_views_and_subqueries() {
    let mut walk = Walk::begin("wal", SCHEMA);
    assert_eq!(
        tables(&mut walk, "SELECT count(*) FROM orders").unwrap(),
        ["orders"]
    );
    assert_eq!(
        tables(&mut walk, "SELECT * FROM open").unwrap(),
        ["orders", "refunds"]
    );
    assert_eq!(
        tables(
            &mut walk,
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM Refunds WHERE amount > 1)"
        )
        .unwrap(),
        ["refunds"]
    );
    assert_eq!(tables(&mut walk, "SELECT 1").unwrap(), Vec::<String>::new());
}

#[test]
fn a_query_whose_result_may_change_by_itself_is_always_run() {
    let mut walk = Walk::begin("wal", SCHEMA);
    assert_eq!(
        tables(
            &mut walk,
            "SELECT * FROM orders WHERE note < datetime('now')"
        ),
        None
    );
    assert_eq!(tables(&mut walk, "SELECT random() FROM orders"), None);
    assert_eq!(tables(&mut walk, "SELECT * FROM texts"), None);
    assert_eq!(tables(&mut walk, "SELECT name FROM sqlite_schema"), None);
}

#[test]
fn values_are_bound_by_name_and_come_back_as_json() {
    let mut walk = Walk::begin("wal", SCHEMA);
    let found = now(walk.system.query(
        &query(
            "SELECT id, total, note, :list AS list, :yes AS yes FROM orders WHERE id <= :id",
            &["id", "list", "yes"],
        ),
        &[json!(3), json!([1, {"a": null}]), json!(true)],
    ))
    .unwrap();
    assert_eq!(found.columns, ["id", "total", "note", "list", "yes"]);
    assert_eq!(
        found.rows,
        [
            vec![
                json!(1),
                json!(10),
                json!("a"),
                json!("[1,{\"a\":null}]"),
                json!(1)
            ],
            vec![
                json!(2),
                json!(20.5),
                json!(null),
                json!("[1,{\"a\":null}]"),
                json!(1)
            ],
            vec![
                json!(3),
                json!("x'0a'"),
                json!(""),
                json!("[1,{\"a\":null}]"),
                json!(1)
            ],
        ]
    );
}

#[test]
fn a_query_that_does_more_than_read_is_refused() {
    let mut walk = Walk::begin("wal", SCHEMA);
    for (text, expected) in [
        ("DELETE FROM orders", "writing to `orders` is refused"),
        (
            "DELETE FROM orders RETURNING id",
            "writing to `orders` is refused",
        ),
        ("CREATE TABLE t (x)", "is refused"),
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
    ] {
        let said = refusal(&mut walk, text);
        assert!(said.contains(expected), "{text}: {said}");
    }
    assert!(walk.read().is_empty());
}

#[test]
fn a_mistake_in_a_query_is_shown_where_it_is() {
    let mut walk = Walk::begin("wal", SCHEMA);
    assert_eq!(
        refusal(&mut walk, "SELECT id,\n  totl FROM orders"),
        "the query `SELECT id,\n  totl FROM orders` cannot be run: no such column: totl\n  totl FROM orders\n  ^"
    );
    assert!(refusal(&mut walk, "SELEC 1").contains("near \"SELEC\": syntax error"));
}
