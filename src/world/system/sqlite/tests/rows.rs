//! Every way in which an application can change a row of SQLite's: reported exactly, and put back exactly.

use super::fixture::{Walk, shown};
use crate::world::system::SystemState;

/// Runs SQL from the initial state; the rows reported must be these, and going back and forth must be exact.
fn reported_and_put_back(schema: &str, sql: &str, expected: &[&str]) {
    reported_in_mode::<true>(schema, sql, expected);
    reported_in_mode::<false>(schema, sql, expected);
}

fn reported_in_mode<const WAL: bool>(schema: &str, sql: &str, expected: &[&str]) {
    let mut walk = Walk::<WAL>::in_mode(schema);
    let changes = walk.act(sql);
    assert_eq!(shown(&changes), expected, "WAL: {WAL}");
    let there = (walk.state.clone(), walk.dump());
    walk.restore(&SystemState::default());
    assert_eq!(walk.dump(), walk.before, "back, WAL: {WAL}");
    walk.verify().unwrap();
    assert!(walk.read().is_empty(), "a restore is no change");
    walk.restore(&there.0);
    assert_eq!(walk.dump(), there.1, "forth, WAL: {WAL}");
    walk.verify().unwrap();
    walk.finish();
}

const ITEMS: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, n);
    INSERT INTO items VALUES (1, 'a', 10), (2, 'b', 20);";

#[test]
fn rows_that_a_replacing_insert_removes_are_reported() {
    reported_and_put_back(
        ITEMS,
        "INSERT OR REPLACE INTO items VALUES (1, 'b', 99)",
        &[
            "items [1]: [1, \"a\", 10] -> [1, \"b\", 99]",
            "items [2]: [2, \"b\", 20] -> -",
        ],
    );
}

#[test]
fn rows_that_a_replacing_update_removes_are_reported() {
    reported_and_put_back(
        ITEMS,
        "UPDATE OR REPLACE items SET sku = 'b' WHERE id = 1",
        &[
            "items [1]: [1, \"a\", 10] -> [1, \"b\", 10]",
            "items [2]: [2, \"b\", 20] -> -",
        ],
    );
}

#[test]
fn rows_replaced_through_a_partial_index_or_an_expression_are_reported() {
    reported_and_put_back(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, active);
         CREATE UNIQUE INDEX one_active ON users (lower(email)) WHERE active = 1 -- the rest may repeat
         ;
         INSERT INTO users VALUES (1, 'A@x', 1), (2, 'a@X', 0), (3, 'b@x', 1)",
        "INSERT OR REPLACE INTO users VALUES (9, 'a@x', 1)",
        &[
            "users [1]: [1, \"A@x\", 1] -> -",
            "users [9]: - -> [9, \"a@x\", 1]",
        ],
    );
}

#[test]
fn rows_replaced_under_the_collation_of_an_index_are_reported() {
    reported_and_put_back(
        "CREATE TABLE tags (name TEXT UNIQUE COLLATE NOCASE, n);
         CREATE UNIQUE INDEX trimmed ON tags (n COLLATE RTRIM);
         INSERT INTO tags VALUES ('Red', 'x  '), ('blue', 'y')",
        "REPLACE INTO tags VALUES ('RED', 'new'), ('green', 'y ')",
        &[
            "tags [1]: [\"Red\", \"x  \"] -> -",
            "tags [2]: [\"blue\", \"y\"] -> -",
            "tags [3]: - -> [\"RED\", \"new\"]",
            "tags [4]: - -> [\"green\", \"y \"]",
        ],
    );
}

#[test]
fn rows_replaced_through_a_conflict_clause_of_the_schema_are_reported() {
    reported_and_put_back(
        "CREATE TABLE slots (slot UNIQUE ON CONFLICT REPLACE, who); INSERT INTO slots VALUES (1, 'ann'), (2, 'bob')",
        "INSERT INTO slots VALUES (2, 'cleo')",
        &[
            "slots [2]: [2, \"bob\"] -> -",
            "slots [3]: - -> [2, \"cleo\"]",
        ],
    );
}

#[test]
fn a_table_without_rowid_is_keyed_by_its_primary_key() {
    reported_and_put_back(
        "CREATE TABLE stock (n, place TEXT COLLATE NOCASE, sku TEXT, note TEXT UNIQUE, PRIMARY KEY (sku, place)) WITHOUT ROWID;
         INSERT INTO stock VALUES (1, 'here', 'a', 'x'), (2, 'there', 'a', 'y'), (3, 'far', 'b', 'z')",
        "UPDATE stock SET place = 'HERE' WHERE place = 'here';
         INSERT OR REPLACE INTO stock VALUES (9, 'THERE', 'a', 'z')",
        &[
            "stock [\"a\", \"HERE\"]: - -> [1, \"HERE\", \"a\", \"x\"]",
            "stock [\"a\", \"THERE\"]: - -> [9, \"THERE\", \"a\", \"z\"]",
            "stock [\"a\", \"here\"]: [1, \"here\", \"a\", \"x\"] -> -",
            "stock [\"a\", \"there\"]: [2, \"there\", \"a\", \"y\"] -> -",
            "stock [\"b\", \"far\"]: [3, \"far\", \"b\", \"z\"] -> -",
        ],
    );
}

#[test]
fn a_table_without_a_key_is_put_back_row_for_row() {
    reported_and_put_back(
        "CREATE TABLE log (line); INSERT INTO log VALUES ('same'), ('same'), (NULL)",
        "DELETE FROM log WHERE rowid = 2; INSERT INTO log VALUES ('same'), ('same')",
        // The number of the last row is used again once it is gone.
        &[
            "log [2]: [\"same\"] -> -",
            "log [4]: - -> [\"same\"]",
            "log [5]: - -> [\"same\"]",
        ],
    );
}

#[test]
fn values_keep_their_storage_class() {
    reported_and_put_back(
        "CREATE TABLE v (id INTEGER PRIMARY KEY, any, t TEXT, r REAL, n NUMERIC, i INTEGER, b BLOB);
         INSERT INTO v VALUES (1, '1', 1, 1, '1', '1', '1'), (2, 1.0, x'00ff', 1e300, 'abc', 1.5, 1.0),
            (3, cast(x'61006263' AS TEXT), cast(x'ff00fe' AS TEXT), -0.0, x'', '', ''),
            (4, 9223372036854775807, NULL, 9e999, -9e999, -9223372036854775808, zeroblob(3))",
        "UPDATE v SET any = 0; DELETE FROM v",
        &[
            "v [1]: [1, \"1\", \"1\", 1.0, 1, 1, \"1\"] -> -",
            "v [2]: [2, 1.0, x'00ff', 1e300, \"abc\", 1.5, 1.0] -> -",
            "v [3]: [3, \"a\\0bc\", \"\u{fffd}\\0\u{fffd}\", 0.0, x'', \"\", \"\"] -> -",
            "v [4]: [4, 9223372036854775807, NULL, inf, -inf, -9223372036854775808, x'000000'] -> -",
        ],
    );
}

#[test]
fn names_may_be_keywords_quotes_and_hidden_rowids() {
    reported_and_put_back(
        "CREATE TABLE \"order \"\"x\"\"\" (\"select\" TEXT PRIMARY KEY, rowid TEXT, \"new.\" TEXT UNIQUE, \"größe\");
         INSERT INTO \"order \"\"x\"\"\" VALUES ('k', 'r', 'u', 1), ('l', 's', 'v', 2);
         CREATE TABLE [group] (\"oid\" TEXT, \"rowid\" TEXT); INSERT INTO [group] VALUES ('a', 'b')",
        "INSERT OR REPLACE INTO \"order \"\"x\"\"\" VALUES ('k', 't', 'v', 3); UPDATE [group] SET oid = 'c'",
        &[
            "group [1]: [\"a\", \"b\"] -> [\"c\", \"b\"]",
            "order \"x\" [1]: [\"k\", \"r\", \"u\", 1] -> -",
            "order \"x\" [2]: [\"l\", \"s\", \"v\", 2] -> -",
            "order \"x\" [3]: - -> [\"k\", \"t\", \"v\", 3]",
        ],
    );
}

#[test]
fn generated_columns_follow_from_the_others() {
    reported_and_put_back(
        "CREATE TABLE g (a INTEGER, twice AS (a * 2), stored TEXT AS ('x' || a) STORED UNIQUE, b);
         INSERT INTO g (a, b) VALUES (1, 'one'), (2, 'two')",
        "INSERT OR REPLACE INTO g (a, b) VALUES (2, 'deux')",
        &["g [2]: [2, \"two\"] -> -", "g [3]: - -> [2, \"deux\"]"],
    );
}

#[test]
fn a_strict_table_with_checks_is_put_back() {
    reported_and_put_back(
        "CREATE TABLE s (id INTEGER PRIMARY KEY DESC, n INT CHECK (n > 0), x ANY, r REAL) STRICT;
         INSERT INTO s VALUES (5, 1, '1', 1), (4, 2, 1.0, 2)",
        "UPDATE s SET n = n + 1 WHERE id = 5; DELETE FROM s WHERE id = 4",
        &[
            "s [1]: [5, 1, \"1\", 1.0] -> [5, 2, \"1\", 1.0]",
            "s [2]: [4, 2, 1.0, 2.0] -> -",
        ],
    );
}

#[test]
fn a_row_that_a_trigger_keeps_is_reported_as_what_it_became() {
    reported_and_put_back(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, seen);
         CREATE TRIGGER guarded BEFORE DELETE ON parent WHEN OLD.id = 3 BEGIN
            UPDATE parent SET seen = 'kept' WHERE id = 3; SELECT RAISE(IGNORE); END;
         INSERT INTO parent VALUES (1, 'no'), (3, 'no')",
        "DELETE FROM parent",
        &[
            "parent [1]: [1, \"no\"] -> -",
            "parent [3]: [3, \"no\"] -> [3, \"kept\"]",
        ],
    );
}

#[test]
fn recursive_triggers_of_the_service_report_nothing_twice() {
    reported_and_put_back(
        ITEMS,
        "PRAGMA recursive_triggers = on; INSERT OR REPLACE INTO items VALUES (1, 'b', 99)",
        &[
            "items [1]: [1, \"a\", 10] -> [1, \"b\", 99]",
            "items [2]: [2, \"b\", 20] -> -",
        ],
    );
}

#[test]
fn the_service_sees_the_counts_and_keys_of_its_own_statements() {
    let walk = Walk::begin(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u UNIQUE); INSERT INTO t VALUES (40, 'a'), (41, 'b')",
    );
    let service = &walk.service;
    assert_eq!(
        service
            .execute("INSERT INTO t (u) VALUES ('c')", [])
            .unwrap(),
        1
    );
    assert_eq!(service.last_insert_rowid(), 42);
    assert_eq!(
        service
            .execute("INSERT OR REPLACE INTO t VALUES (43, 'a')", [])
            .unwrap(),
        1
    );
    assert_eq!(service.last_insert_rowid(), 43);
    assert_eq!(service.execute("UPDATE t SET u = u || '!'", []).unwrap(), 3);
    assert_eq!(service.execute("DELETE FROM t", []).unwrap(), 3);
    let seen: (i64, i64) = service
        .query_row("SELECT changes(), last_insert_rowid()", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(seen, (3, 43));
}

#[test]
fn the_triggers_find_conflicting_rows_through_their_index() {
    let walk = Walk::begin(
        "CREATE TABLE u (id INTEGER PRIMARY KEY, a TEXT, b INTEGER, c, d TEXT COLLATE NOCASE UNIQUE, UNIQUE (a, b));
         CREATE UNIQUE INDEX partly ON u (c) WHERE b = 1 AND d IS NOT NULL;
         CREATE UNIQUE INDEX computed ON u (lower(a) || b COLLATE RTRIM DESC, c);
         CREATE TABLE w (k TEXT, l, m NUMERIC UNIQUE, PRIMARY KEY (k, l)) WITHOUT ROWID;",
    );
    for sql in [
        "INSERT OR REPLACE INTO u VALUES (1, 'a', 1, 'c', 'd')",
        "UPDATE OR REPLACE u SET a = 'x', b = 2, c = 3, d = 'e' WHERE id = 1",
        "DELETE FROM u WHERE id = 1",
        "INSERT OR REPLACE INTO w VALUES ('a', 1, 'c')",
        "UPDATE OR REPLACE w SET k = 'b', m = 7 WHERE k = 'a' AND l = 1",
    ] {
        let plan: Vec<String> = walk
            .service
            .prepare(&format!("EXPLAIN {sql}"))
            .unwrap()
            .query_map([], |row| row.get(1))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        // A loop over all rows of something begins by rewinding a cursor. One-row subqueries are coroutines: no cursor.
        let scans = plan.iter().filter(|opcode| *opcode == "Rewind").count();
        assert_eq!(scans, 0, "{sql}: {plan:?}");
    }
}
