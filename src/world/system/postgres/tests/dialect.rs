//! What PostgreSQL itself makes of texts whose parameters are found without it.

use serde_json::{Value, json};

use super::fixture::{Walk, query, run};
use crate::expr::{Dialect, SqlText};
use crate::world::system::System;

const SCHEMA: &str = r#"
    CREATE TABLE t (id int PRIMARY KEY, n int, a int[], data jsonb, note text, amount numeric, ":x" text, n$1 int);
    INSERT INTO t VALUES (1, 2, '{5,6,7}', '{"x": 1, "y": [1]}', 'at 10:30', -4.5, 'odd', 3);
    CREATE FUNCTION named(a int, b int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT a - b';"#;

type Expected = fn() -> Value;

/// Each yields one row of one value; `:v` is 2, `:x` would be another.
#[rustfmt::skip]
const LEGAL: &[(&str, Expected)] = &[
    ("SELECT id FROM t WHERE data ? 'x' AND n = :v", || json!(1)),
    ("SELECT id FROM t WHERE data ?| array['x', 'z'] AND data ?& array['x', 'y'] AND n = :v", || json!(1)),
    ("SELECT id FROM t WHERE data @? '$.x' AND data @@ '$.x == 1' AND n = :v", || json!(1)),
    ("SELECT id FROM t WHERE data @> '{}' AND '{}' <@ data AND note <> ':x' AND n = :v", || json!(1)),
    ("SELECT id FROM t WHERE data OPERATOR(pg_catalog.?) 'x' AND n OPERATOR(pg_catalog.=) :v", || json!(1)),
    ("SELECT @amount + :v FROM t", || json!(2.5)),
    ("SELECT @:v - @ -3", || json!(1)),
    ("SELECT (@-@ path '((0,0),(2,0))')::int + :v", || json!(6)),
    ("SELECT ?| lseg '((0,0),(0,1))' AND :v::int = 2", || json!(true)),
    ("SELECT $tag$ it's :x $$ $tag$ || :v::text", || json!(" it's :x $$ 2")),
    ("SELECT $$a 'b :x$$ || :v::text", || json!("a 'b :x2")),
    ("SELECT E'it\\'s :x ' || :v::text", || json!("it's :x 2")),
    ("SELECT E'a'\n  '\\'b :x' || :v::text", || json!("a'b :x2")),
    ("SELECT 'a\\' || :v::text || '\\'", || json!("a\\2\\")),
    ("SELECT U&'\\0061 :x' || :v::text", || json!("a :x2")),
    ("SELECT B'01'::text || N':x' || :v::text", || json!("01:x2")),
    ("SELECT U&\":x\" || t.\":x\" || :v::text FROM t", || json!("oddodd2")),
    ("SELECT /* /* :x */ ' :x */ :v::int -- :x '", || json!(2)),
    ("SELECT 5 - --:x\n :v::int", || json!(3)),
    ("SELECT a[1:2] || :v::int FROM t", || json!([5, 6, 2])),
    ("SELECT (a)[1:n] || :v::int FROM t", || json!([5, 6, 2])),
    ("SELECT a[:n] || :v::int FROM t", || json!([5, 6, 2])),
    ("SELECT a[n:] || :v::int FROM t", || json!([6, 7, 2])),
    ("SELECT a[id:n$1] || :v::int FROM t", || json!([5, 6, 7, 2])),
    ("SELECT a[(:v):] FROM t", || json!([6, 7])),
    ("SELECT a[:v] FROM t", || json!(6)),
    ("SELECT a[1 : :v] FROM t", || json!([5, 6])),
    ("SELECT a[1:(:v)] FROM t", || json!([5, 6])),
    ("SELECT ARRAY[:v, 1]::int[]", || json!([2, 1])),
    ("SELECT ARRAY[[:v, 1], [3, :v]]::int[]", || json!([[2, 1], [3, 2]])),
    ("SELECT '{{1,2},{3,4}}'::int[] || ARRAY[:v, 0]", || json!([[1, 2], [3, 4], [2, 0]])),
    ("SELECT named(b := :v, a=>3)", || json!(1)),
    ("SELECT (:v::int)::text::numeric", || json!(2)),
    ("SELECT n$1 + :v FROM t", || json!(5)),
    ("SELECT é + :v FROM (VALUES (1)) AS ö(é)", || json!(3)),
    ("SELECT data->>'x' = '1' AND data#>>'{y,0}' = '1' AND :v::int = 2 FROM t", || json!(true)),
    ("SELECT a[CASE WHEN n BETWEEN :v AND 3 THEN 1 END] FROM t", || json!(5)),
    ("SELECT a[CASE WHEN n NOT BETWEEN :v AND 3 THEN 1 ELSE :v END] FROM t", || json!(6)),
    ("SELECT a[CASE WHEN true THEN 1 END:n] || :v::int FROM t", || json!([5, 6, 2])),
    ("SELECT a[value:n] || :v::int FROM t, (VALUES (1)) AS o(value)", || json!([5, 6, 2])),
    ("SELECT t.a[:v] + (t.a)[:v] FROM t", || json!(12)),
    ("SELECT id FROM t WHERE data ? 'x' AND n BETWEEN :v AND 3 AND data ? CASE WHEN n = :v THEN 'y' END", || json!(1)),
    ("SELECT id FROM t WHERE data ? ANY (ARRAY['x']) AND data ? left('xyz', 1) AND data ? /* ) */ 'y' AND n = :v", || json!(1)),
    ("SELECT data::jsonb ? 'x' AND NULLIF(data, '1') ? 'y' AND :v::int = 2 FROM t", || json!(true)),
    ("SELECT '[{\"a\": 1}, {\"b\": 1}, {\"c\": 1}]'::jsonb -> :v::int ? 'c'", || json!(true)),
    ("SELECT 1 WHERE '[1, 2]'::jsonb @> :v::jsonb", || json!(1)),
    ("SELECT (:v)::int + CAST(:v AS int)", || json!(4)),
    ("SELECT - :v::int-:v", || json!(-4)),
    ("SELECT ~:v::int", || json!(-3)),
    ("SELECT :v::text||:v::text||'a' COLLATE \"C\"", || json!("22a")),
    ("SELECT count(*) FILTER (WHERE note LIKE '%\\_' || :v::text ESCAPE '\\') FROM t", || json!(0)),
    ("SELECT '2' SIMILAR TO :v::text AND '3' !~ :v::text AND '2' LIKE :v::text ESCAPE '\\'", || json!(true)),
    ("SELECT n FROM t WHERE n IN (:v, :v) ORDER BY n LIMIT :v OFFSET :v::int - 2", || json!(2)),
    ("SELECT id FROM t ORDER BY 1 FETCH FIRST (:v) ROWS ONLY", || json!(1)),
    ("SELECT sum(n) OVER (ORDER BY id ROWS :v PRECEDING)::int FROM t", || json!(2)),
    ("SELECT $body$ $1 ? :x $body$ || :v::text", || json!(" $1 ? :x 2")),
    ("SELECT 'a'\n':x' || :v::text", || json!("a:x2")),
    ("SELECT :v::int; -- that was all;", || json!(2)),
];

#[test]
fn legal_queries_run_and_bind_the_parameters_that_are_found() {
    run(async {
        let mut walk = Walk::new(SCHEMA).await;
        for (text, expected) in LEGAL {
            let read = SqlText::read(text, Dialect::Postgres);
            assert!(read.unbound.is_empty(), "{text}: {read:?}");
            let query = query(text, &["v"]);
            // All but the slice up to a column.
            let slices = read.parameters.iter().filter(|found| found.name == "n");
            assert_eq!(query.places.len(), read.parameters.len() - slices.count());
            assert!(!query.places.is_empty(), "{text}");
            let found = walk.system.query(&query, &[json!(2)]).await;
            let found = found.unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(found.rows, [[expected()]], "{text}");
            let tables = walk.system.prepare(&query).await.unwrap();
            // A function in SQL may read what it likes.
            assert!(tables.is_some() || text.contains("named("), "{text}");
        }
        walk.finish().await;
    });
}

/// Texts with a `?` that PostgreSQL cannot run, and how many of them are placeholders.
const UNBOUND: &[(&str, usize)] = &[
    ("SELECT id FROM t WHERE n BETWEEN ? AND 3", 1),
    ("SELECT id FROM t WHERE id=? AND n=2", 1),
    ("SELECT id FROM t WHERE id <? OR n>? ORDER BY 1", 2),
    ("SELECT id FROM t WHERE note LIKE '%'||?||'%'", 1),
    ("SELECT id FROM t WHERE ?=id", 1),
    ("SELECT id FROM t WHERE data ? ? LIMIT ?", 2),
    ("SELECT now() - INTERVAL ? < now()", 1),
];

#[test]
fn a_question_mark_in_place_of_an_operand_is_refused_by_postgres_too() {
    run(async {
        let mut walk = Walk::new(SCHEMA).await;
        for (text, placeholders) in UNBOUND {
            let read = SqlText::read(text, Dialect::Postgres);
            assert_eq!(read.unbound.len(), *placeholders, "{text}: {read:?}");
            let refused = walk.system.prepare(&query(text, &[])).await;
            assert!(refused.is_err(), "{text}");
        }
        walk.finish().await;
    });
}
