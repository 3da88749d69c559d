//! What SQLite itself makes of texts whose parameters are found without it.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::fixture::Walk;
use super::query::query;
use crate::expr::{Dialect, SqlText};
use crate::world::system::System;
use crate::world::system::contract::run as now;

type Expected = fn() -> Value;

/// Each yields one row of one value; `:v` is 2.
#[rustfmt::skip]
const LEGAL: &[(&str, Expected)] = &[
    ("SELECT ':x it''s' || :v", || json!(":x it's2")),
    ("SELECT \":x\" + `:y` + [:z ?1 @a] + :v FROM t", || json!(8)),
    ("SELECT 'a\\' || :v || '\\'", || json!("a\\2\\")),
    ("SELECT hex(x'3a78') || :v", || json!("3A782")),
    ("SELECT data->'$.a'->>'b' + :v FROM t", || json!(3)),
    ("SELECT /* /* :x ' */ :v -- :x '", || json!(2)),
    ("SELECT 5 - -- :x\r:y\n :v", || json!(3)),
    ("SELECT CASE WHEN 7 % 4 == 3 AND ~1 <> 0 THEN :v END", || json!(2)),
    ("SELECT é + d$e+:v FROM t", || json!(6)),
    ("SELECT '{{1,2}}' || '?' || '@x $y' || :v", || json!("{{1,2}}?@x $y2")),
    ("SELECT json_object('a', '2' GLOB :v)", || json!("{\"a\":1}")),
    ("SELECT '2' LIKE :v ESCAPE '\\' AND 2 BETWEEN :v AND 3 AND 2 IN (:v, :v)", || json!(1)),
    ("SELECT - :v-:v || ~:v", || json!(-4)),
    ("SELECT (:v)||CAST(:v AS int) COLLATE \"NOCASE\"", || json!("22")),
    ("SELECT count(*) FILTER (WHERE é < :v) FROM t LIMIT :v OFFSET :v - 2", || json!(1)),
    ("SELECT '[1, 2, 3]' ->> :v", || json!(3)),
    ("SELECT :v; -- that was all;", || json!(2)),
    ("SELECT :v + :v;", || json!(4)),
];

/// Texts in which SQLite sees a parameter that nothing gives a value.
const UNBOUND: &[&str] = &[
    "SELECT ?",
    "SELECT ?1",
    "SELECT @x",
    "SELECT $x",
    "SELECT $x::y(z)",
    "SELECT :v::int",
    "SELECT :v(1)",
    "SELECT :v$w",
];

#[test]
fn legal_queries_run_and_bind_the_parameters_that_are_found() {
    let mut walk = Walk::begin(
        "CREATE TABLE t (\":x\", `:y`, [:z ?1 @a], data, é, d$e);
         INSERT INTO t VALUES (1, 2, 3, '{\"a\": {\"b\": 1}}', 1, 3);",
    );
    for (text, expected) in LEGAL {
        let read = SqlText::read(text, Dialect::Sqlite);
        assert!(read.unbound.is_empty(), "{text}: {read:?}");
        let query = query(text, &["v"]);
        assert_eq!(query.places.len(), read.parameters.len(), "{text}");
        assert!(!query.places.is_empty(), "{text}");
        now(walk.system.prepare(&query)).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let found = now(walk.system.query(&query, &[json!(2)])).unwrap();
        assert_eq!(found.rows, [[expected()]], "{text}");
    }
}

#[test]
fn a_form_that_binds_nothing_is_one_parameter_for_sqlite_too() {
    let connection = Connection::open_in_memory().unwrap();
    for text in UNBOUND {
        let read = SqlText::read(text, Dialect::Sqlite);
        assert_eq!(
            connection.prepare(text).unwrap().parameter_count(),
            1,
            "{text}"
        );
        let unbound: Vec<&str> = read
            .unbound
            .iter()
            .map(|range| &text[range.clone()])
            .collect();
        assert_eq!(unbound, [&text["SELECT ".len()..]]);
    }
}
