//! What makes a restore trustworthy: tampering is found, and nothing is done behind the user's back.

use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::fixture::{MODES, Walk, config, database, dump, now, recover, schema};
use crate::world::WorldErrorKind;
use crate::world::system::sqlite::SqliteSystem;
use crate::world::system::{System, SystemState};

const ITEMS: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY, n); INSERT INTO items VALUES (1, 10), (2, 20), (3, 30);";

/// A connection that fires no triggers, so that the journal does not see what it does.
fn tamper(walk: &Walk, sql: &str) {
    let connection = Connection::open(&walk.path).unwrap();
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
        .unwrap();
    connection.execute_batch(sql).unwrap();
}

fn found_after(schema: &str, sql: &str) -> Vec<String> {
    let mut walk = Walk::begin("wal", schema);
    walk.act("UPDATE items SET n = n + 1 WHERE id = 1; INSERT INTO items VALUES (9, 90)");
    walk.verify().unwrap();
    tamper(&walk, sql);
    let error = walk.verify().unwrap_err();
    assert_eq!(error.kind, WorldErrorKind::Restore);
    error.details
}

#[test]
fn a_row_that_was_changed_past_the_journal_is_found() {
    assert_eq!(
        found_after(
            ITEMS,
            "UPDATE items SET n = 21 WHERE id = 2; UPDATE items SET n = 0 WHERE id = 1"
        ),
        [
            "table `items`, row (1): expected (1, 11), found (1, 0)",
            "table `items`, row (2): expected the row of the initial state, found (2, 21)",
        ]
    );
}

#[test]
fn a_row_that_came_or_went_past_the_journal_is_found() {
    assert_eq!(
        found_after(
            ITEMS,
            "DELETE FROM items WHERE id IN (3, 9); INSERT INTO items VALUES (7, NULL)"
        ),
        [
            "table `items`, row (7): expected no row, found (7, null)",
            "table `items`, row (3): expected the row of the initial state, found no row",
            "table `items`, row (9): expected (9, 90), found no row",
        ]
    );
}

#[test]
fn a_large_table_is_compared_by_its_touched_rows() {
    let large = format!(
        "{ITEMS} WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
         INSERT INTO items SELECT i, i FROM n"
    );
    assert_eq!(
        found_after(&large, "UPDATE items SET n = 0 WHERE id = 1"),
        ["table `items`, row (1): expected (1, 11), found (1, 0)"]
    );
    let mut walk = Walk::begin("wal", &large);
    walk.act("DELETE FROM items WHERE id = 500; INSERT INTO items VALUES (9, 90)");
    walk.restore(&SystemState::default());
    walk.verify().unwrap();
    tamper(
        &walk,
        "UPDATE items SET n = 1 WHERE id = 500; INSERT INTO items VALUES (9, 91)",
    );
    assert_eq!(
        walk.verify().unwrap_err().details,
        [
            "table `items`, row (9): expected no row, found (9, 91)",
            "table `items`, row (500): expected (500, 500), found (500, 1)",
        ]
    );
}

#[test]
fn a_row_written_between_two_requests_is_put_back_and_reported() {
    for mode in MODES {
        let mut walk = Walk::begin(mode, ITEMS);
        let initial = walk.dump();
        walk.act("UPDATE items SET n = 11 WHERE id = 1");
        walk.service
            .execute_batch("UPDATE items SET n = 99; INSERT INTO items VALUES (4, 40)")
            .unwrap();
        walk.restore(&SystemState::default());
        assert_eq!(walk.dump(), initial);
        let warnings = walk.try_read().unwrap().warnings;
        assert_eq!(warnings[0].code.name(), "background-write");
        assert!(warnings[0].message.contains("`items`"));
    }
}

#[test]
fn a_schema_that_changes_during_the_run_ends_it() {
    let mut walk = Walk::begin("wal", ITEMS);
    walk.service
        .execute_batch("CREATE TABLE more (x); ALTER TABLE items ADD COLUMN extra")
        .unwrap();
    let error = walk.try_read().unwrap_err();
    assert!(error.message.contains("changed during the run"), "{error}");
    assert!(
        error
            .details
            .contains(&"table `more` was created".to_owned()),
        "{:?}",
        error.details
    );
    assert!(
        error
            .details
            .contains(&"table `items` was altered".to_owned()),
        "{:?}",
        error.details
    );
    walk.service
        .execute_batch("DELETE FROM items WHERE id = 1")
        .unwrap();
    now(walk.system.uninstall()).unwrap();
    let rows: i64 = walk
        .service
        .query_row("SELECT sum(n) FROM items", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 60);
}

#[test]
fn a_table_that_was_dropped_cannot_be_put_back_and_that_is_said() {
    let mut walk = Walk::begin("wal", ITEMS);
    walk.act("DELETE FROM items WHERE id = 1");
    walk.service.execute_batch("DROP TABLE items").unwrap();
    let error = now(walk.system.uninstall()).unwrap_err();
    assert_eq!(error.details, ["table `items` is gone"]);
}

#[test]
fn statistics_and_vacuum_are_no_change_of_the_schema() {
    let mut walk = Walk::begin(
        "wal",
        "CREATE TABLE keyless (x, y UNIQUE); INSERT INTO keyless VALUES (1, 2), (3, 4)",
    );
    let initial = walk.dump();
    walk.act("DELETE FROM keyless WHERE x = 1; INSERT INTO keyless VALUES (5, 6)");
    let there = (walk.state.clone(), walk.dump());
    walk.act("VACUUM");
    assert_eq!(walk.dump(), there.1);
    walk.restore(&SystemState::default());
    assert_eq!(walk.dump(), initial);
    walk.restore(&there.0);
    assert_eq!(walk.dump(), there.1);
    walk.act("ANALYZE");
    walk.verify().unwrap();
}

#[test]
fn ignored_tables_are_left_alone() {
    let schema = "CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, n); CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, x);
        INSERT INTO items (n) VALUES (1)";
    let mut walk = Walk::begin_with("wal", schema, |config| {
        config.ignore_tables = vec!["l*".to_owned()];
    });
    let changes =
        walk.act("INSERT INTO log (x) VALUES ('one'), ('two'); INSERT INTO items (n) VALUES (2)");
    assert!(changes.iter().all(|change| change.table.name != "log"));
    walk.restore(&SystemState::default());
    walk.act("INSERT INTO log (x) VALUES ('three')");
    now(walk.system.uninstall()).unwrap();
    let left: (i64, i64, i64) = walk
        .service
        .query_row(
            "SELECT (SELECT max(id) FROM log), (SELECT count(*) FROM items), (SELECT seq FROM sqlite_sequence WHERE name = 'items')",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(left, (3, 1, 1));
}

#[test]
fn identity_follows_the_observed_tables_and_columns() {
    let schema = "CREATE TABLE items (id INTEGER PRIMARY KEY, n, at); CREATE TABLE audit (x)";
    let mut walk = Walk::begin_with("wal", schema, |config| {
        config.observe_tables = Some(vec!["main.items".to_owned()]);
        config.ignore_columns = vec!["*.at".to_owned()];
    });
    let empty = walk.state.delta.digest();
    walk.act("INSERT INTO audit VALUES (1)");
    assert_eq!(walk.state.delta.digest(), empty);
    walk.act("INSERT INTO items VALUES (1, 2, 'monday')");
    let monday = walk.state.delta.digest();
    assert_ne!(monday, empty);
    walk.act("UPDATE items SET at = 'tuesday'");
    assert_eq!(walk.state.delta.digest(), monday);
}

#[test]
fn a_long_walk_without_restores_keeps_the_journal_short() {
    let mut walk = Walk::begin("wal", ITEMS);
    let initial = walk.dump();
    walk.act("WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) INSERT INTO items SELECT i, i FROM n");
    let entries: i64 = walk
        .service
        .query_row("SELECT count(*) FROM venomqa_journal", [], |row| row.get(0))
        .unwrap();
    assert_eq!(entries, 0);
    walk.act("DELETE FROM items WHERE id = 10");
    assert!(walk.state.delta.len() > 29_000);
    walk.restore(&SystemState::default());
    assert_eq!(walk.dump(), initial);
}

#[test]
fn a_second_run_on_the_same_database_is_refused() {
    let walk = Walk::begin("wal", ITEMS);
    let mut second = SqliteSystem::open(&config(&walk.path), &walk.path).unwrap();
    let error = now(second.install()).unwrap_err();
    assert!(error.message.contains("another venomqa run"), "{error}");
    assert!(
        error.message.contains(&std::process::id().to_string()),
        "{error}"
    );
    let error = recover(&walk.path).unwrap_err();
    assert!(error.message.contains("another venomqa run"), "{error}");
}

#[test]
fn a_name_of_ours_that_no_run_left_is_refused() {
    let (_folder, path, service) = database("wal", "CREATE TABLE venomqa_notes (x)");
    let before = schema(&service);
    let mut system = SqliteSystem::open(&config(&path), &path).unwrap();
    let error = now(system.install()).unwrap_err();
    assert!(error.message.contains("`venomqa_notes`"), "{error}");
    assert_eq!(schema(&service), before);
}

#[test]
fn what_is_no_writable_database_is_said_clearly() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.db");
    let error = SqliteSystem::open(&config(&missing), &missing)
        .err()
        .unwrap();
    assert!(error.message.contains("there is no database"), "{error}");
    assert!(error.help.is_some());

    let text = folder.path().join("text.db");
    std::fs::write(
        &text,
        "this is no database, although it is long enough to be taken for one",
    )
    .unwrap();
    let error = SqliteSystem::open(&config(&text), &text).err().unwrap();
    assert!(
        error.message.contains("is not a SQLite database"),
        "{error}"
    );

    let error = SqliteSystem::open(&config(folder.path()), folder.path())
        .err()
        .unwrap();
    assert!(error.message.contains("is no file"), "{error}");
}

#[test]
fn a_lock_is_waited_for() {
    for mode in MODES {
        let mut walk = Walk::begin(mode, ITEMS);
        let initial = walk.dump();
        walk.act("UPDATE items SET n = 0");
        let path = walk.path.clone();
        let (locked, wait) = std::sync::mpsc::channel();
        let holder = std::thread::spawn(move || {
            let connection = Connection::open(path).unwrap();
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            locked.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(100));
            connection.execute_batch("ROLLBACK").unwrap();
        });
        wait.recv().unwrap();
        walk.restore(&SystemState::default());
        assert_eq!(walk.dump(), initial);
        holder.join().unwrap();
    }
}

#[test]
fn a_lock_that_is_never_released_is_reported() {
    let mut walk = Walk::begin("wal", ITEMS);
    walk.act("UPDATE items SET n = 0");
    walk.service.execute_batch("BEGIN IMMEDIATE").unwrap();
    walk.system
        .connection
        .busy_timeout(Duration::from_millis(20))
        .unwrap();
    let error = now(walk.system.restore(&walk.state, &SystemState::default())).unwrap_err();
    assert!(error.message.contains("stayed locked"), "{error}");
    assert!(error.help.unwrap().contains("does not commit or roll back"));
    walk.service.execute_batch("COMMIT").unwrap();
    let here = walk.state.clone();
    now(walk.system.restore(&here, &SystemState::default())).unwrap();
    assert_eq!(
        dump(&walk.service),
        dump(&Connection::open(&walk.path).unwrap())
    );
}

#[test]
fn a_database_that_refuses_to_be_written_is_left_as_it_was() {
    let (_folder, path, service) = database("delete", ITEMS);
    let before = schema(&service);
    let mut system = SqliteSystem::open(&config(&path), &path).unwrap();
    // SQLite answers as for a file without write permission, which the superuser would have all the same.
    system
        .connection
        .pragma_update(None, "query_only", true)
        .unwrap();
    let error = now(system.install()).unwrap_err();
    assert!(error.message.contains("read-only"), "{error}");
    assert!(error.help.unwrap().contains("must be writable"));
    assert_eq!(schema(&service), before);
    assert!(!path.with_extension("db.venomqa-lock").exists());
}
