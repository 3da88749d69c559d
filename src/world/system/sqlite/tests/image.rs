//! Tables that no journal can watch: whole copies.

use super::everything::{INDEXES, SCHEMA, STEPS, STEPS_WITH_INDEXES};
use super::fixture::{InDeleteMode, InWalMode, Walk};
use crate::world::system::contract::{Fixture as _, jump_at_random, run as now};
use crate::world::system::{System as _, SystemState};

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
    restored_from_a_copy::<true>();
    restored_from_a_copy::<false>();
}

fn restored_from_a_copy<const WAL: bool>() {
    let mut walk = Walk::<WAL>::in_mode(HIDDEN);
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
    walk.finish();
}

#[test]
fn the_user_is_told_about_whole_copies() {
    let file = now(InWalMode::new(HIDDEN));
    let mut system = InWalMode::open(&file.config(), &file.location()).unwrap();
    now(system.install()).unwrap();
    now(system.mark_initial()).unwrap();
    let warnings = now(system.read(&SystemState::default())).unwrap().warnings;
    assert_eq!(warnings[0].code.name(), "whole-copies");
    assert!(warnings[0].message.contains("`hidden`"));
}

#[test]
fn a_killed_run_with_whole_copies_is_undone() {
    undone_from_the_copy::<true>();
    undone_from_the_copy::<false>();
}

fn undone_from_the_copy<const WAL: bool>() {
    let mut walk = Walk::<WAL>::in_mode(HIDDEN);
    walk.act("DELETE FROM hidden; INSERT INTO plain (n) VALUES (2)");
    walk.kill();
    let text = now(walk.recover()).unwrap().unwrap();
    assert!(text.contains("the whole content put back"), "{text}");
    now(walk.assert_no_trace());
}

#[test]
fn random_jumps_between_whole_copies_are_exact() {
    let schema = [SCHEMA, INDEXES].concat();
    let steps = [STEPS, STEPS_WITH_INDEXES].concat();
    now(jump_at_random::<InWalMode>(&schema, &steps, 60));
    now(jump_at_random::<InDeleteMode>(&schema, &steps, 60));
}

#[test]
fn a_virtual_table_of_an_unknown_module_is_restored_from_a_copy() {
    let file = now(InWalMode::new(FOREIGN));
    let service = &file.service;
    let mut system = InWalMode::open(&file.config(), &file.location()).unwrap();
    now(system.install()).unwrap();
    now(system.mark_initial()).unwrap();
    let initial = content(service);
    // Written past the triggers, as such modules do.
    now(file.bypass("UPDATE vectors_chunks SET chunk = x'ff'"));
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
    assert_eq!(content(service), initial);
    now(system.uninstall()).unwrap();
    assert_eq!(content(service), initial);
}

fn content(service: &rusqlite::Connection) -> Vec<u8> {
    service
        .query_row("SELECT chunk FROM vectors_chunks", [], |row| row.get(0))
        .unwrap()
}
