//! Every way in which an application can change a row: told exactly, and put back exactly.

use super::fixture::{MODES, Walk, shown};
use crate::world::system::SystemState;

/// Runs SQL from the initial state; the rows told must be these, and going back and forth must be exact.
fn told_and_put_back(schema: &str, sql: &str, expected: &[&str]) {
    for mode in MODES {
        let mut walk = Walk::begin(mode, schema);
        let initial = walk.dump();
        let changes = walk.act(sql);
        assert_eq!(shown(&changes), expected, "journal mode {mode}");
        let there = (walk.state.clone(), walk.dump());
        walk.restore(&SystemState::default());
        assert_eq!(walk.dump(), initial, "back, journal mode {mode}");
        walk.verify().unwrap();
        assert!(walk.read().is_empty(), "a restore is no change");
        walk.restore(&there.0);
        assert_eq!(walk.dump(), there.1, "forth, journal mode {mode}");
        walk.verify().unwrap();
        crate::world::system::sqlite::tests::fixture::now(crate::world::system::System::uninstall(
            &mut walk.system,
        ))
        .unwrap();
        assert_eq!(walk.dump(), initial, "uninstalled, journal mode {mode}");
    }
}

const ITEMS: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, n);
    INSERT INTO items VALUES (1, 'a', 10), (2, 'b', 20);";

#[test]
fn an_insert_an_update_and_a_delete_are_told_and_put_back() {
    told_and_put_back(
        ITEMS,
        "INSERT INTO items VALUES (3, 'c', 30); UPDATE items SET n = 11 WHERE id = 1; DELETE FROM items WHERE id = 2",
        &[
            "items [1]: [1, \"a\", 10] -> [1, \"a\", 11]",
            "items [2]: [2, \"b\", 20] -> -",
            "items [3]: - -> [3, \"c\", 30]",
        ],
    );
}

#[test]
fn rows_that_a_replacing_insert_removes_are_told() {
    told_and_put_back(
        ITEMS,
        "INSERT OR REPLACE INTO items VALUES (1, 'b', 99)",
        &[
            "items [1]: [1, \"a\", 10] -> [1, \"b\", 99]",
            "items [2]: [2, \"b\", 20] -> -",
        ],
    );
}

#[test]
fn rows_that_a_replacing_update_removes_are_told() {
    told_and_put_back(
        ITEMS,
        "UPDATE OR REPLACE items SET sku = 'b' WHERE id = 1",
        &[
            "items [1]: [1, \"a\", 10] -> [1, \"b\", 10]",
            "items [2]: [2, \"b\", 20] -> -",
        ],
    );
}
