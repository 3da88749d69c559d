//! Tables that no journal can watch: whole copies.

use super::fixture::{MODES, Walk, config, database, dump, now, recover, schema};
use crate::world::system::sqlite::SqliteSystem;
use crate::world::system::{System, SystemState};

/// No name is left for the row number of `hidden`.
const HIDDEN: &str = "CREATE TABLE hidden (rowid TEXT, _rowid_ TEXT, oid TEXT);
    INSERT INTO hidden VALUES ('a', 'b', 'c');
    CREATE TABLE plain (id INTEGER PRIMARY KEY AUTOINCREMENT, n); INSERT INTO plain (n) VALUES (1)";

/// A virtual table of a module that this SQLite has not got.
const FOREIGN: &str = "CREATE TABLE vectors_chunks (id INTEGER PRIMARY KEY, chunk BLOB); INSERT INTO vectors_chunks VALUES (1, x'00');
    PRAGMA writable_schema = on;
    INSERT INTO sqlite_schema VALUES ('table', 'vectors', 'vectors', 0, 'CREATE VIRTUAL TABLE vectors USING vec0(v float[4])');
    PRAGMA writable_schema = reset";

#[test]
fn a_table_that_cannot_be_journalled_is_restored_from_a_copy() {
    for mode in MODES {
        let mut walk = Walk::begin(mode, HIDDEN);
        let initial = (walk.dump(), walk.state.delta.digest());
        let changes = walk.act("UPDATE hidden SET oid = 'd'; INSERT INTO plain (n) VALUES (2)");
        let names: Vec<&str> = changes
            .iter()
            .map(|change| change.table.name.as_str())
            .collect();
        assert_eq!(names, ["plain", "sqlite_sequence", "hidden"]);
        let there = (walk.state.clone(), walk.dump());
        assert_ne!(there.0.delta.digest(), initial.1);
        walk.act("DELETE FROM hidden; DELETE FROM plain");
        walk.restore(&SystemState::default());
        assert_eq!(walk.dump(), initial.0);
        walk.verify().unwrap();
        assert!(walk.read().is_empty());
        walk.act("INSERT INTO plain (n) VALUES (7)");
        walk.restore(&there.0);
        assert_eq!(walk.dump(), there.1);
        walk.verify().unwrap();
        walk.act("UPDATE hidden SET oid = 'c'; DELETE FROM plain WHERE id = 2");
        assert_eq!(walk.state.delta.digest(), initial.1);
        now(walk.system.uninstall()).unwrap();
        assert_eq!(walk.dump(), initial.0);
        assert_eq!(files(&walk), ["shop.db"]);
    }
}

#[test]
fn the_user_is_told_about_whole_copies() {
    let (_folder, path, _service) = database("wal", HIDDEN);
    let mut system = SqliteSystem::open(&config(&path), &path).unwrap();
    now(system.install()).unwrap();
    now(system.mark_initial()).unwrap();
    let warnings = now(system.read(&SystemState::default())).unwrap().warnings;
    assert_eq!(warnings[0].code.name(), "whole-copies");
    assert!(warnings[0].message.contains("`hidden`"));
}

#[test]
fn a_killed_run_with_whole_copies_is_undone() {
    for mode in MODES {
        let mut walk = Walk::begin(mode, HIDDEN);
        let (initial, objects) = (walk.dump(), schema(&walk.service));
        walk.act("DELETE FROM hidden; INSERT INTO plain (n) VALUES (2)");
        drop(walk.system);
        let text = recover(&walk.path).unwrap().unwrap();
        assert!(text.contains("the whole content put back"), "{text}");
        assert_eq!(dump(&walk.service), initial);
        let ours = |objects: Vec<(String, String, String, Option<String>)>| {
            objects
                .into_iter()
                .filter(|object| !object.1.starts_with("venomqa"))
                .collect::<Vec<_>>()
        };
        assert_eq!(schema(&walk.service), ours(objects));
    }
}

#[test]
fn a_virtual_table_of_an_unknown_module_is_restored_from_a_copy() {
    let (_folder, path, service) = database("wal", FOREIGN);
    let mut system = SqliteSystem::open(&config(&path), &path).unwrap();
    now(system.install()).unwrap();
    now(system.mark_initial()).unwrap();
    let initial = content(&service);
    // Written past the triggers, as such modules do.
    service
        .set_db_config(
            rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
            false,
        )
        .unwrap();
    service
        .execute_batch("UPDATE vectors_chunks SET chunk = x'ff'")
        .unwrap();
    let reading = now(system.read(&SystemState::default())).unwrap();
    let names: Vec<&str> = reading
        .delta
        .changes()
        .iter()
        .map(|change| change.table.name.as_str())
        .collect();
    assert_eq!(names, ["vectors"]);
    let state = SystemState {
        delta: SystemState::default().delta.after(&reading.delta),
        image: reading.image,
    };
    now(system.restore(&state, &SystemState::default())).unwrap();
    assert_eq!(content(&service), initial);
    now(system.uninstall()).unwrap();
    assert_eq!(content(&service), initial);
}

fn content(service: &rusqlite::Connection) -> Vec<u8> {
    service
        .query_row("SELECT chunk FROM vectors_chunks", [], |row| row.get(0))
        .unwrap()
}

/// The files beside the database, those of SQLite's log left out.
fn files(walk: &Walk) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(walk.path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
        .collect();
    names.sort();
    names
}
