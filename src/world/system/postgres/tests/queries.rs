//! The queries of the spec.

use serde_json::{Value, json};

use super::fixture::{Walk, query, run};
use crate::world::system::System;

const SCHEMA: &str = "
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE TABLE orders (id int PRIMARY KEY, total numeric(10, 2), note text, tags text[], data jsonb, at timestamptz, mood mood, paid bool, c char(4));
CREATE TABLE refunds (id int PRIMARY KEY, order_id int);
CREATE VIEW rich AS SELECT o.* FROM orders o JOIN refunds r ON r.order_id = o.id;
CREATE VIEW richer AS SELECT * FROM rich;
CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
CREATE FUNCTION lookup() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM refunds';
CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS 'INSERT INTO refunds VALUES (99, 1) RETURNING 1';
CREATE MATERIALIZED VIEW mat AS SELECT 1 AS n; CREATE SEQUENCE seq;
INSERT INTO orders VALUES (1, 19.99, 'a', '{x,NULL}', '{\"k\": [1, 2.5]}', '2024-01-01 12:00+00', 'fine', true, 'ab'),
  (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)";

#[test]
fn values_come_back_as_json_that_keeps_them() {
    run(async {
        let mut walk = Walk::new(SCHEMA).await;
        let found = walk
            .system
            .query(&query("SELECT *, count(*) OVER () AS n, 1.5::float4 AS r, NULL AS nothing, 'x' AS n FROM orders ORDER BY id;", &[]), &[])
            .await
            .unwrap();
        assert_eq!(
            found.columns,
            [
                "id", "total", "note", "tags", "data", "at", "mood", "paid", "c", "n", "r",
                "nothing", "n"
            ]
        );
        assert_eq!(
            found.rows[0],
            [
                json!(1),
                json!(19.99),
                json!("a"),
                json!(["x", null]),
                json!({"k": [1, 2.5]}),
                json!("2024-01-01 12:00:00+00"),
                json!("fine"),
                json!(true),
                json!("ab  "),
                json!(2),
                json!(1.5),
                Value::Null,
                json!("x"),
            ]
        );
        assert_eq!(found.rows[1][1..9], vec![Value::Null; 8]);
        walk.finish().await;
    });
}

#[test]
fn values_of_the_context_are_bound_and_take_the_type_that_is_asked_for() {
    run(async {
        let mut walk = Walk::new(SCHEMA).await;
        for (text, value) in [
            ("SELECT id FROM orders WHERE id = :v", json!(1)),
            ("SELECT id FROM orders WHERE id = :v", json!("1")),
            ("SELECT id FROM orders WHERE id = :v", json!(1.0)),
            ("SELECT id FROM orders WHERE total = :v", json!(19.99)),
            ("SELECT id FROM orders WHERE note = :v", json!("a")),
            (
                "SELECT id FROM orders WHERE mood = :v AND mood = :v",
                json!("fine"),
            ),
            ("SELECT id FROM orders WHERE paid = :v", json!(true)),
            ("SELECT id FROM orders WHERE data @> :v", json!({"k": [1]})),
            ("SELECT id FROM orders WHERE tags = :v", json!(["x", null])),
            ("SELECT id FROM orders WHERE id = ANY (:v)", json!([1, 7])),
            (
                "SELECT id FROM orders WHERE at = :v",
                json!("2024-01-01T13:00:00+01:00"),
            ),
            ("SELECT 1 AS id WHERE :v::text IS NULL", Value::Null),
            (
                "SELECT id FROM orders WHERE note = :v::text OR id::text = :v -- :v",
                json!("1"),
            ),
        ] {
            let found = walk
                .system
                .query(&query(text, &["v"]), std::slice::from_ref(&value))
                .await;
            assert_eq!(found.unwrap().rows, [[json!(1)]], "{text} with {value}");
        }
        let quoted = walk
            .system
            .query(
                &query("SELECT :v::text AS v", &["v"]),
                &[json!("'; DROP TABLE orders --")],
            )
            .await
            .unwrap();
        assert_eq!(quoted.rows, [[json!("'; DROP TABLE orders --")]]);
        walk.finish().await;
    });
}

#[test]
fn the_tables_behind_a_query_are_known_or_it_is_said_that_they_are_not() {
    run(async {
        let mut walk = Walk::new(SCHEMA).await;
        let mut tables = async |text: &str, names: &[&str]| {
            let found = walk.system.prepare(&query(text, names)).await.unwrap();
            found.map(|tables| {
                let mut names: Vec<String> =
                    tables.iter().map(|table| table.name.clone()).collect();
                names.sort();
                names.join(" ")
            })
        };
        for (text, expected) in [
            (
                "SELECT id, total::text, sum(total) OVER () FROM richer",
                "orders refunds",
            ),
            ("SELECT * FROM p", "p1 p2"),
            ("SELECT * FROM orders WHERE false;", "orders"),
        ] {
            assert_eq!(
                tables(text, &["v"]).await.as_deref(),
                Some(expected),
                "{text}"
            );
        }
        for text in [
            "SELECT * FROM orders WHERE at < now()",
            "SELECT * FROM orders WHERE at < CURRENT_TIMESTAMP",
            "SELECT lookup()",
            "SELECT relname FROM pg_class",
            "SELECT table_name FROM information_schema.tables",
            "SELECT n FROM mat",
            "SELECT last_value FROM seq",
        ] {
            assert_eq!(tables(text, &[]).await, None, "{text}");
        }
        walk.finish().await;
    });
}

#[test]
fn a_query_that_writes_is_refused() {
    run(async {
        let mut walk = Walk::new(SCHEMA).await;
        for text in [
            "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
            "TRUNCATE orders",
            "SELECT 1) AS x(a); DELETE FROM orders; SELECT (1",
            "SELECT writes()",
            "SELECT nextval('seq')",
            "SELECT * FROM orders FOR UPDATE",
        ] {
            let found = walk.system.query(&query(text, &[]), &[]).await;
            assert!(found.is_err(), "{text}");
        }
        let error = walk
            .system
            .prepare(&query("UPDATE orders SET id = 1", &[]))
            .await
            .unwrap_err();
        assert!(error.message.contains("`UPDATE` does not"), "{error:?}");
        assert!(walk.read().await.delta.is_empty());
        walk.finish().await;
    });
}

#[test]
fn an_error_shows_message_detail_hint_and_the_place_in_the_spec() {
    run(async {
        let mut walk = Walk::new(SCHEMA).await;
        let text = "SELECT id\n  FROM orders\n WHERE totl > :v";
        let error = walk.system.prepare(&query(text, &["v"])).await.unwrap_err();
        assert_eq!(error.message, "column \"totl\" does not exist");
        assert_eq!(error.details[0], " WHERE totl > :v");
        assert_eq!(error.details[1], "       ^");
        assert!(
            error.details[2].contains("hint: Perhaps you meant"),
            "{error:?}"
        );
        let error = walk
            .system
            .query(
                &query("SELECT 1 / (id - :v) FROM orders", &["v"]),
                &[json!(1)],
            )
            .await
            .unwrap_err();
        assert_eq!(error.message, "division by zero");
        let error = walk
            .system
            .query(
                &query("SELECT id FROM orders WHERE id = :v", &["v"]),
                &[json!("abc")],
            )
            .await
            .unwrap_err();
        assert!(
            error
                .message
                .contains("invalid input syntax for type integer: \"abc\""),
            "{error:?}"
        );
        let error = walk
            .system
            .query(&query("SELECT :v + :v", &["v"]), &[json!(1)])
            .await
            .unwrap_err();
        assert!(error.help.is_some(), "{error:?}");
        // A query that failed leaves the session as it was.
        assert_eq!(
            walk.system
                .query(&query("SELECT 1 AS n", &[]), &[])
                .await
                .unwrap()
                .rows,
            [[json!(1)]]
        );
        walk.finish().await;
    });
}

#[test]
fn a_prepared_query_survives_a_change_of_what_it_reads() {
    run(async {
        let mut walk =
            Walk::new("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await;
        walk.sql("CREATE VIEW v AS SELECT id FROM t").await;
        let text = query("SELECT * FROM v", &[]);
        assert_eq!(
            walk.system.query(&text, &[]).await.unwrap().rows,
            [[json!(1)]]
        );
        walk.sql("DROP VIEW v; CREATE VIEW v AS SELECT id::text, 5 AS five FROM t")
            .await;
        walk.read().await;
        assert_eq!(
            walk.system.query(&text, &[]).await.unwrap().rows,
            [[json!("1"), json!(5)]]
        );
        walk.sql("DROP VIEW v").await;
        walk.finish().await;
    });
}
