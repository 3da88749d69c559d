//! What makes a restore trustworthy: tampering is found, and nothing is done behind the user's back.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::fixture::{InDeleteMode, InWalMode, Walk, dump, schema};
use crate::world::config::SystemConfig;
use crate::world::system::contract::{Fixture as _, run as now};
use crate::world::system::sqlite::{Sqlite, SqliteSystem};
use crate::world::system::{Location, System as _, SystemState};
use crate::world::{WorldError, WorldErrorKind};

const ITEMS: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY, n); INSERT INTO items VALUES (1, 10), (2, 20), (3, 30);";

fn found_after(schema: &str, sql: &str) -> Vec<String> {
    let mut walk = Walk::begin(schema);
    walk.act("UPDATE items SET n = n + 1 WHERE id = 1; INSERT INTO items VALUES (9, 90)");
    walk.verify().unwrap();
    now(walk.bypass(sql));
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
    let mut walk = Walk::begin(&large);
    walk.act("DELETE FROM items WHERE id = 500; INSERT INTO items VALUES (9, 90)");
    walk.restore(&SystemState::default());
    walk.verify().unwrap();
    now(walk.bypass("UPDATE items SET n = 1 WHERE id = 500; INSERT INTO items VALUES (9, 91)"));
    assert_eq!(
        walk.verify().unwrap_err().details,
        [
            "table `items`, row (9): expected no row, found (9, 91)",
            "table `items`, row (500): expected (500, 500), found (500, 1)",
        ]
    );
}

#[test]
fn a_schema_that_changes_during_the_run_ends_it() {
    let mut walk = Walk::begin(ITEMS);
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
fn statistics_and_vacuum_are_no_change_of_the_schema() {
    let mut walk = Walk::begin(
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
fn a_long_walk_without_restores_keeps_the_journal_short() {
    let mut walk = Walk::begin(ITEMS);
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
fn a_second_run_on_the_same_database_is_told_which_process_has_it() {
    let walk = Walk::begin(ITEMS);
    let error = now(walk.recover()).unwrap_err();
    let process = std::process::id().to_string();
    assert!(error.message.contains(&process), "{error}");
}

#[test]
fn a_name_of_ours_that_no_run_left_is_refused() {
    let file = now(InWalMode::new("CREATE TABLE venomqa_notes (x)"));
    let before = schema(&file.service);
    let mut system = SqliteSystem::open(&file.config(), &file.path).unwrap();
    let error = now(system.install()).unwrap_err();
    assert!(error.message.contains("`venomqa_notes`"), "{error}");
    assert_eq!(schema(&file.service), before);
}

/// Why a path cannot be opened.
fn refused(path: &Path) -> WorldError {
    let location = Location::new(&Sqlite, path.display().to_string());
    SqliteSystem::open(&SystemConfig::new("db", location), path)
        .err()
        .unwrap()
}

#[test]
fn what_is_no_writable_database_is_said_clearly() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.db");
    let error = refused(&missing);
    assert!(error.message.contains("there is no database"), "{error}");
    assert!(error.help.is_some());

    let text = folder.path().join("text.db");
    std::fs::write(
        &text,
        "this is no database, although it is long enough to be taken for one",
    )
    .unwrap();
    let error = refused(&text);
    assert!(
        error.message.contains("is not a SQLite database"),
        "{error}"
    );

    let error = refused(folder.path());
    assert!(error.message.contains("is no file"), "{error}");
}

#[test]
fn a_lock_that_is_never_released_is_reported() {
    let mut walk = Walk::begin(ITEMS);
    walk.act("UPDATE items SET n = 0");
    walk.service.execute_batch("BEGIN IMMEDIATE").unwrap();
    walk.system.patience = Duration::from_millis(20);
    let here = walk.state.clone();
    let error = now(walk.system.restore(&here, &SystemState::default())).unwrap_err();
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
    let file = now(InDeleteMode::new(ITEMS));
    let before = schema(&file.service);
    let mut system = SqliteSystem::open(&file.config(), &file.path).unwrap();
    // SQLite answers as for a file without write permission, which the superuser would have all the same.
    system
        .connection
        .pragma_update(None, "query_only", true)
        .unwrap();
    let error = now(system.install()).unwrap_err();
    assert!(error.message.contains("readonly database"), "{error}");
    assert!(error.help.unwrap().contains("must be writable"));
    assert_eq!(schema(&file.service), before);
    assert_eq!(file.files(), [""; 0]);
}
