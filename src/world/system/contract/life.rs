//! From the installation to the last trace.

use super::changes::ITEMS;
use super::contract;
use super::fixture::Fixture;
use super::walk::{Walk, rows};
use crate::world::system::System as _;

contract!(
    the_end_of_a_run_puts_the_content_before_it_back_and_leaves_no_trace,
    what_the_setup_wrote_is_the_initial_state_and_is_gone_at_the_end,
    an_end_that_comes_twice_does_no_harm,
    an_empty_database_can_be_watched,
    ignored_tables_are_left_alone,
    a_run_without_restores_is_undone_as_well,
);

async fn the_end_of_a_run_puts_the_content_before_it_back_and_leaves_no_trace<F: Fixture>() {
    let mut walk = Walk::<F>::new(ITEMS).await;
    walk.step("UPDATE items SET n = 0").await;
    walk.step("DELETE FROM items WHERE id = 1; INSERT INTO items VALUES (5, 'e', 5)")
        .await;
    // Written after the last reading, by the service that is still there.
    walk.sql("INSERT INTO items VALUES (6, 'f', 6)").await;
    walk.finish().await;
}

async fn what_the_setup_wrote_is_the_initial_state_and_is_gone_at_the_end<F: Fixture>() {
    let mut walk = Walk::<F>::new(ITEMS).await;
    walk.sql("UPDATE items SET n = 11 WHERE id = 1; INSERT INTO items VALUES (4, 'd', 40)")
        .await;
    walk.system.mark_initial().await.unwrap();
    assert!(walk.read().await.delta.is_empty());
    let start = (walk.state.clone(), walk.dump().await);
    let reading = walk
        .step("UPDATE items SET n = 12 WHERE id = 1; DELETE FROM items WHERE id = 4")
        .await;
    assert_eq!(
        rows(&reading),
        ["items: 1|a|11 -> 1|a|12", "items: 4|d|40 -> -"]
    );
    walk.restore(&start.0).await;
    assert_eq!(walk.dump().await, start.1);
    walk.finish().await;
}

async fn an_end_that_comes_twice_does_no_harm<F: Fixture>() {
    let mut walk = Walk::<F>::new(ITEMS).await;
    walk.step("DELETE FROM items").await;
    walk.system.uninstall().await.unwrap();
    walk.sql("UPDATE items SET n = 1 WHERE id = 1").await;
    walk.system.uninstall().await.unwrap();
    walk.sql("UPDATE items SET n = 10 WHERE id = 1").await;
    walk.assert_no_trace().await;
}

async fn an_empty_database_can_be_watched<F: Fixture>() {
    let mut walk = Walk::<F>::new("SELECT 1").await;
    assert!(walk.read().await.delta.is_empty());
    walk.finish().await;
}

async fn ignored_tables_are_left_alone<F: Fixture>() {
    let key = F::GENERATED_KEY;
    let mut walk = Walk::<F>::configured(
        &format!("CREATE TABLE items ({key}, n INTEGER); CREATE TABLE log ({key}, x TEXT); INSERT INTO items (n) VALUES (1)"),
        |config| config.ignore_tables = vec!["l*".into()],
    )
    .await;
    let start = walk.state.clone();
    let reading = walk
        .step("INSERT INTO log (x) VALUES ('one'), ('two'); INSERT INTO items (n) VALUES (2)")
        .await;
    assert_eq!(rows(&reading), ["items: - -> 2|2"]);
    walk.restore(&start).await;
    walk.step("INSERT INTO log (x) VALUES ('three')").await;
    walk.system.uninstall().await.unwrap();
    // Its rows stay and its keys go on, those of the others do not: these keys are taken, and no more.
    walk.sql("INSERT INTO log (x) VALUES ('four'); INSERT INTO items (n) VALUES (2)")
        .await;
    for (table, taken) in [("log", 4), ("items", 2)] {
        for id in 1..=taken {
            walk.refused(&format!("INSERT INTO {table} (id) VALUES ({id})"))
                .await;
        }
        let free = format!("INSERT INTO {table} (id) VALUES ({})", taken + 1);
        walk.sql(&free).await;
    }
}

async fn a_run_without_restores_is_undone_as_well<F: Fixture>() {
    let mut walk = Walk::<F>::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE k (n INTEGER);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, 0 FROM n;
         INSERT INTO k SELECT n FROM t",
    )
    .await;
    for _ in 0..6 {
        walk.step("UPDATE t SET n = n + 1; UPDATE k SET n = n + 1")
            .await;
    }
    walk.finish().await;
}
