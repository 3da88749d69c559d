//! The queries of the spec.

use std::time::Duration;

use serde_json::{Value, json};

use super::contract;
use super::fixture::Fixture;
use super::walk::{Walk, query};
use crate::interrupt::Interrupt;
use crate::world::WorldErrorKind;
use crate::world::system::System as _;

contract!(
    values_come_back_as_json,
    values_of_the_context_are_bound,
    the_tables_behind_a_query_are_known_or_it_is_said_that_they_are_not,
    a_query_that_does_more_than_read_is_refused,
    a_mistake_in_a_query_is_shown_where_it_is,
    a_query_without_an_end_is_ended,
);

const SCHEMA: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, total DOUBLE PRECISION, note TEXT);
    CREATE TABLE refunds (id INTEGER PRIMARY KEY, order_id INTEGER, amount INTEGER);
    CREATE VIEW open_orders AS SELECT orders.id FROM orders LEFT JOIN refunds ON refunds.order_id = orders.id;
    CREATE VIEW counted AS SELECT count(*) AS n FROM open_orders;
    INSERT INTO orders VALUES (1, 10.25, 'a'), (2, NULL, NULL), (3, -3.5, '')";

async fn values_come_back_as_json<F: Fixture>() {
    let mut walk = Walk::<F>::new(SCHEMA).await;
    let text = "SELECT id, total, note, count(*) OVER () AS n, NULL AS missing, 'x' AS n FROM orders ORDER BY id";
    let found = walk
        .system
        .query(&query::<F>(text, &[]), &[])
        .await
        .unwrap();
    assert_eq!(found.columns, ["id", "total", "note", "n", "missing", "n"]);
    let null = Value::Null;
    assert_eq!(
        found.rows,
        [
            [
                json!(1),
                json!(10.25),
                json!("a"),
                json!(3),
                null.clone(),
                json!("x")
            ],
            [
                json!(2),
                null.clone(),
                null.clone(),
                json!(3),
                null.clone(),
                json!("x")
            ],
            [json!(3), json!(-3.5), json!(""), json!(3), null, json!("x")],
        ]
    );
    walk.finish().await;
}

async fn a_query_without_an_end_is_ended<F: Fixture>() {
    let mut walk = Walk::<F>::new(SCHEMA).await;
    let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c) SELECT count(*) FROM c WHERE x < 0";
    let (time_over, requested) = (Interrupt::default(), Interrupt::default());
    time_over.limit_time(Some(Duration::ZERO));
    requested.request();
    for (interrupt, why, kind) in [
        (
            &time_over,
            "because the time of the run (`time_limit`) was over",
            WorldErrorKind::System,
        ),
        (&requested, "interrupted", WorldErrorKind::Interrupted),
    ] {
        walk.system.end_with(interrupt);
        let error = walk.system.query(&query::<F>(endless, &[]), &[]).await;
        let error = error.unwrap_err();
        assert!(error.message.ends_with(why), "{error:?}");
        assert_eq!(error.kind, kind);
    }
    // The session is of use after that.
    walk.system.end_with(&Interrupt::default());
    let one = query::<F>("SELECT 1 AS n", &[]);
    let found = walk.system.query(&one, &[]).await;
    assert_eq!(found.unwrap().rows, [[json!(1)]]);
    walk.finish().await;
}

async fn values_of_the_context_are_bound<F: Fixture>() {
    let mut walk = Walk::<F>::new(SCHEMA).await;
    for (text, value) in [
        ("SELECT id FROM orders WHERE id = :v", json!(1)),
        ("SELECT id FROM orders WHERE id = :v", json!("1")),
        ("SELECT id FROM orders WHERE total = :v", json!(10.25)),
        (
            "SELECT id FROM orders WHERE note = :v AND note = :v",
            json!("a"),
        ),
        (
            "SELECT id FROM orders WHERE id = 1 AND :v IS NOT DISTINCT FROM note",
            json!("a"),
        ),
        (
            "SELECT id FROM orders WHERE note = :v -- and :nothing, ':v'",
            json!("a"),
        ),
    ] {
        let found = walk
            .system
            .query(&query::<F>(text, &["v"]), std::slice::from_ref(&value))
            .await;
        assert_eq!(found.unwrap().rows, [[json!(1)]], "{text} with {value}");
    }
    let text = "SELECT id FROM orders WHERE note = :v";
    let quotes = json!("'; DROP TABLE orders --");
    let found = walk
        .system
        .query(&query::<F>(text, &["v"]), &[quotes])
        .await;
    assert!(found.unwrap().rows.is_empty());
    let found = walk
        .system
        .query(&query::<F>(text, &["v"]), &[Value::Null])
        .await;
    assert!(found.unwrap().rows.is_empty());
    walk.finish().await;
}

async fn the_tables_behind_a_query_are_known_or_it_is_said_that_they_are_not<F: Fixture>() {
    let mut walk = Walk::<F>::new(SCHEMA).await;
    for (text, expected) in [
        (
            "SELECT count(*) FROM orders WHERE total > 5",
            Some("orders"),
        ),
        ("SELECT * FROM orders WHERE 1 = 0", Some("orders")),
        (
            "SELECT 1 FROM refunds WHERE order_id IN (SELECT id FROM orders)",
            Some("orders refunds"),
        ),
        (
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM Refunds WHERE amount > 1)",
            Some("refunds"),
        ),
        (
            "WITH r AS (SELECT * FROM refunds) SELECT count(*), count(*) FROM r",
            Some("refunds"),
        ),
        ("SELECT * FROM counted", Some("orders refunds")),
        ("SELECT 1", Some("")),
        (
            "SELECT * FROM orders WHERE note < CAST(CURRENT_TIMESTAMP AS TEXT)",
            None,
        ),
        ("SELECT random() FROM orders", None),
    ] {
        let tables = walk.system.prepare(&query::<F>(text, &[])).await.unwrap();
        let names = tables.map(|tables| {
            let mut names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
            names.sort_unstable();
            names.join(" ")
        });
        assert_eq!(names.as_deref(), expected, "{text}");
    }
    walk.finish().await;
}

async fn a_query_that_does_more_than_read_is_refused<F: Fixture>() {
    let mut walk = Walk::<F>::new(SCHEMA).await;
    for text in [
        "DELETE FROM orders",
        "DELETE FROM orders RETURNING id",
        "UPDATE orders SET id = 1",
        "INSERT INTO orders (id) VALUES (9) RETURNING id",
        "CREATE TABLE t (x INTEGER)",
        "DROP TABLE orders",
        "BEGIN",
        "SELECT 1; SELECT 2",
        "SELECT 1; DELETE FROM orders",
        "",
    ] {
        let query = query::<F>(text, &[]);
        let prepared = walk.system.prepare(&query).await;
        assert!(
            prepared.is_err() || walk.system.query(&query, &[]).await.is_err(),
            "{text}"
        );
    }
    assert!(walk.read().await.delta.is_empty());
    assert_eq!(walk.dump().await, walk.before);
    walk.finish().await;
}

async fn a_mistake_in_a_query_is_shown_where_it_is<F: Fixture>() {
    let mut walk = Walk::<F>::new(SCHEMA).await;
    let text = "SELECT id,\n  totl FROM orders";
    let error = walk
        .system
        .prepare(&query::<F>(text, &[]))
        .await
        .unwrap_err();
    assert!(error.message.contains("totl"), "{error:?}");
    assert_eq!(error.details[..2], ["  totl FROM orders", "  ^"]);
    let error = walk
        .system
        .prepare(&query::<F>("SELEC 1", &[]))
        .await
        .unwrap_err();
    assert!(format!("{error:?}").contains("SELEC"), "{error:?}");
    // What fails leaves the session as it was.
    let found = walk
        .system
        .query(&query::<F>("SELECT 1 AS n", &[]), &[])
        .await;
    assert_eq!(found.unwrap().rows, [[json!(1)]]);
    walk.finish().await;
}
