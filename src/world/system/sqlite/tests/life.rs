//! From the installation to the last trace.

use super::fixture::{MODES, Walk, config, database, dump, now, recover, schema};
use crate::world::system::sqlite::SqliteSystem;
use crate::world::system::{System, SystemState};

const ORDERS: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, total INTEGER);
    INSERT INTO orders (total) VALUES (10), (20), (30);
    DELETE FROM orders WHERE id = 3;";

#[test]
fn uninstalling_leaves_no_trace() {
    for mode in MODES {
        let (_folder, path, service) = database(mode, ORDERS);
        let before = (dump(&service), schema(&service));
        let mut system = SqliteSystem::open(&config(&path), &path).unwrap();
        now(system.install()).unwrap();
        service
            .execute_batch(
                "INSERT INTO orders (total) VALUES (40); DELETE FROM orders WHERE id = 1",
            )
            .unwrap();
        now(system.mark_initial()).unwrap();
        service
            .execute_batch("INSERT INTO orders (total) VALUES (50); UPDATE orders SET total = 0")
            .unwrap();
        now(system.uninstall()).unwrap();
        assert_eq!((dump(&service), schema(&service)), before);
        let check: String = service
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
        assert_eq!(recover(&path).unwrap(), None);
    }
}

#[test]
fn a_killed_run_is_undone_by_a_recovery() {
    for mode in MODES {
        let (folder, path, service) = database(mode, ORDERS);
        let before = (dump(&service), schema(&service));
        let mut system = SqliteSystem::open(&config(&path), &path).unwrap();
        now(system.install()).unwrap();
        service
            .execute_batch(
                "INSERT INTO orders (total) VALUES (40); DELETE FROM orders WHERE id = 1",
            )
            .unwrap();
        drop(system);
        let text = recover(&path).unwrap().unwrap();
        assert!(text.contains("2 rows put back"), "{text}");
        assert_eq!((dump(&service), schema(&service)), before);
        drop(folder);
    }
}

#[test]
fn the_next_run_recovers_before_it_begins() {
    let mut walk = Walk::begin("wal", ORDERS);
    walk.act("DELETE FROM orders");
    drop(walk.system);
    let mut system = SqliteSystem::open(&config(&walk.path), &walk.path).unwrap();
    let text = now(system.install()).unwrap().unwrap();
    assert!(text.contains("2 rows put back"), "{text}");
    let rows: i64 = walk
        .service
        .query_row("SELECT count(*) FROM orders", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 2);
    now(system.uninstall()).unwrap();
}

#[test]
fn counters_of_generated_keys_are_put_back() {
    for mode in MODES {
        let mut walk = Walk::begin(mode, ORDERS);
        walk.act("INSERT INTO orders (total) VALUES (40)");
        let forty = (walk.state.clone(), walk.dump());
        walk.act("INSERT INTO orders (total) VALUES (50); DELETE FROM orders WHERE id > 2");
        walk.restore(&SystemState::default());
        let id: i64 = walk
            .service
            .query_row(
                "INSERT INTO orders (total) VALUES (60) RETURNING id",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(id, 4);
        walk.read();
        walk.restore(&forty.0);
        assert_eq!(walk.dump(), forty.1);
    }
}
