//! What a step did: which rows are reported, and that they are put back.

use super::contract;
use super::fixture::{Client, Fixture};
use super::walk::{Walk, rows};

contract!(
    an_insert_an_update_and_a_delete_are_reported_and_undone,
    only_what_is_left_of_several_changes_to_a_row_is_reported,
    a_refused_or_rolled_back_change_is_none,
    an_upsert_is_reported_as_what_it_did,
    an_emptied_table_is_reported_row_by_row,
    generated_columns_follow_from_the_others,
    foreign_keys_cascade_for_the_service_and_stay_silent_for_a_restore,
    triggers_of_the_application_do_their_work_once,
    changes_of_several_clients_are_reported_together,
);

pub(super) const ITEMS: &str =
    "CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, n INTEGER);
     INSERT INTO items VALUES (1, 'a', 10), (2, 'b', 20), (3, 'c', NULL)";

async fn an_insert_an_update_and_a_delete_are_reported_and_undone<F: Fixture>() {
    let mut walk = Walk::<F>::new(ITEMS).await;
    let reading = walk
        .step("INSERT INTO items VALUES (4, 'd', 40); UPDATE items SET n = 11 WHERE id = 1; DELETE FROM items WHERE id = 2")
        .await;
    assert_eq!(
        rows(&reading),
        [
            "items: 1|a|10 -> 1|a|11",
            "items: 2|b|20 -> -",
            "items: - -> 4|d|40"
        ]
    );
    walk.jump_about(&["UPDATE items SET id = id + 10", "DELETE FROM items"])
        .await;
    walk.finish().await;
}

async fn only_what_is_left_of_several_changes_to_a_row_is_reported<F: Fixture>() {
    let mut walk = Walk::<F>::new(ITEMS).await;
    let reading = walk
        .step("UPDATE items SET n = 2 WHERE id = 1; UPDATE items SET n = 3 WHERE id = 1; INSERT INTO items VALUES (9, 'z', 0); DELETE FROM items WHERE id = 9")
        .await;
    assert_eq!(rows(&reading), ["items: 1|a|10 -> 1|a|3"]);
    let reading = walk
        .step("UPDATE items SET n = 4; UPDATE items SET n = 3 WHERE id = 1; UPDATE items SET n = 20 WHERE id = 2; UPDATE items SET n = NULL WHERE id = 3")
        .await;
    assert_eq!(rows(&reading), [""; 0]);
    walk.finish().await;
}

async fn a_refused_or_rolled_back_change_is_none<F: Fixture>() {
    let mut walk = Walk::<F>::new(ITEMS).await;
    walk.refused("INSERT INTO items VALUES (4, 'a', 1)").await;
    assert!(walk.read().await.delta.is_empty());
    let reading = walk.step("BEGIN; DELETE FROM items; ROLLBACK").await;
    assert!(reading.delta.is_empty());
    let reading = walk
        .step("BEGIN; SAVEPOINT s; DELETE FROM items; ROLLBACK TO s; UPDATE items SET n = 1 WHERE id = 1; COMMIT")
        .await;
    assert_eq!(rows(&reading), ["items: 1|a|10 -> 1|a|1"]);
    walk.finish().await;
}

async fn an_upsert_is_reported_as_what_it_did<F: Fixture>() {
    let mut walk = Walk::<F>::new(ITEMS).await;
    let reading = walk
        .step(
            "INSERT INTO items VALUES (7, 'a', 5), (8, 'd', 5) ON CONFLICT (sku) DO UPDATE SET n = items.n + excluded.n;
             INSERT INTO items VALUES (9, 'b', 5) ON CONFLICT DO NOTHING",
        )
        .await;
    assert_eq!(
        rows(&reading),
        ["items: 1|a|10 -> 1|a|15", "items: - -> 8|d|5"]
    );
    walk.finish().await;
}

async fn an_emptied_table_is_reported_row_by_row<F: Fixture>() {
    let mut walk = Walk::<F>::new(ITEMS).await;
    let reading = walk.step("DELETE FROM items").await;
    assert_eq!(
        rows(&reading),
        [
            "items: 1|a|10 -> -",
            "items: 2|b|20 -> -",
            "items: 3|c|NULL -> -"
        ]
    );
    walk.jump_about(&["INSERT INTO items VALUES (1, 'a', 10)"])
        .await;
    walk.finish().await;
}

async fn generated_columns_follow_from_the_others<F: Fixture>() {
    let mut walk = Walk::<F>::new(
        "CREATE TABLE g (a INTEGER, double INTEGER GENERATED ALWAYS AS (a * 2) STORED, b TEXT, id INTEGER PRIMARY KEY)",
    )
    .await;
    let reading = walk
        .step("INSERT INTO g (a, b, id) VALUES (4, 'x', 1)")
        .await;
    assert_eq!(rows(&reading), ["g: - -> 4|x|1"]);
    walk.jump_about(&[
        "UPDATE g SET a = 5",
        "INSERT INTO g (a, b, id) VALUES (1, NULL, 2)",
        "DELETE FROM g",
    ])
    .await;
    walk.finish().await;
}

async fn foreign_keys_cascade_for_the_service_and_stay_silent_for_a_restore<F: Fixture>() {
    let mut walk = Walk::<F>::new(
        "CREATE TABLE a (id INTEGER PRIMARY KEY);
         CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a (id) ON DELETE CASCADE ON UPDATE CASCADE);
         CREATE TABLE c (id INTEGER PRIMARY KEY, b INTEGER REFERENCES b (id) ON DELETE SET NULL);
         CREATE TABLE d (id INTEGER PRIMARY KEY, other INTEGER REFERENCES d (id) DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1, 1), (2, 2); INSERT INTO c VALUES (1, 1), (2, 2)",
    )
    .await;
    let reading = walk.step("DELETE FROM a WHERE id = 1").await;
    assert_eq!(
        rows(&reading),
        ["a: 1 -> -", "b: 1|1 -> -", "c: 1|1 -> 1|NULL"]
    );
    walk.jump_about(&[
        "UPDATE a SET id = 20 WHERE id = 2",
        "BEGIN; INSERT INTO d VALUES (1, 2); INSERT INTO d VALUES (2, 1); COMMIT",
        "DELETE FROM a",
        "BEGIN; DELETE FROM d WHERE id = 1; DELETE FROM d; COMMIT",
    ])
    .await;
    walk.finish().await;
}

async fn triggers_of_the_application_do_their_work_once<F: Fixture>() {
    let schema = format!(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, n INTEGER, changed INTEGER DEFAULT 0);
         CREATE TABLE log ({}, what TEXT);
         {} {} {}
         INSERT INTO orders VALUES (1, 1, 0), (2, 2, 0)",
        F::GENERATED_KEY,
        F::trigger(
            "noted",
            "INSERT",
            "orders",
            "INSERT INTO log (what) VALUES ('new')"
        ),
        F::trigger(
            "counted",
            "UPDATE",
            "orders",
            "UPDATE orders SET changed = changed + 1 WHERE id = NEW.id AND changed = OLD.changed AND changed < 2"
        ),
        F::trigger(
            "mourned",
            "DELETE",
            "orders",
            "INSERT INTO log (what) VALUES ('gone')"
        ),
    );
    let mut walk = Walk::<F>::new(&schema).await;
    let reading = walk
        .step("UPDATE orders SET n = 5 WHERE id = 1; DELETE FROM orders WHERE id = 2; INSERT INTO orders VALUES (3, 3, 0)")
        .await;
    assert_eq!(rows(&reading).len(), 5, "{:?}", rows(&reading));
    walk.jump_about(&[
        "UPDATE orders SET n = n + 1",
        "INSERT INTO orders VALUES (8, 2, 0), (9, 3, 0)",
        "DELETE FROM orders",
    ])
    .await;
    walk.finish().await;
}

async fn changes_of_several_clients_are_reported_together<F: Fixture>() {
    let mut walk = Walk::<F>::new(ITEMS).await;
    walk.sql("UPDATE items SET n = 1 WHERE id = 1").await;
    let second = "UPDATE items SET n = n + 1 WHERE id = 1; DELETE FROM items WHERE id = 3";
    walk.execute(Client::Second, second).await.unwrap();
    assert_eq!(
        rows(&walk.read().await),
        ["items: 1|a|10 -> 1|a|2", "items: 3|c|NULL -> -"]
    );
    walk.finish().await;
}
