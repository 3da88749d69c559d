//! What tells states apart.

use super::contract;
use super::fixture::Fixture;
use super::walk::Walk;
use crate::world::system::SystemState;

contract!(
    identity_follows_the_observed_tables_and_columns,
    the_same_rows_are_the_same_state_however_they_came_about,
);

async fn identity_follows_the_observed_tables_and_columns<F: Fixture>() {
    let mut walk = Walk::<F>::configured(
        "CREATE TABLE items (id INTEGER PRIMARY KEY, n INTEGER, at TEXT, etag TEXT); CREATE TABLE audit (x INTEGER)",
        |config| {
            config.observe_tables = Some(vec!["items".into()]);
            config.ignore_columns = vec!["*.at".into(), "items.etag".into()];
        },
    )
    .await;
    let empty = walk.state.delta.digest();
    walk.step("INSERT INTO audit VALUES (1)").await;
    assert_eq!(walk.state.delta.digest(), empty);
    walk.step("INSERT INTO items VALUES (1, 2, 'monday', 'x')")
        .await;
    let monday = walk.state.delta.digest();
    assert_ne!(monday, empty);
    walk.step("UPDATE items SET at = 'tuesday', etag = NULL")
        .await;
    assert_eq!(walk.state.delta.digest(), monday);
    // What tells no states apart is put back all the same.
    walk.restore(&SystemState::default()).await;
    assert_eq!(walk.dump().await, walk.before);
    walk.finish().await;
}

async fn the_same_rows_are_the_same_state_however_they_came_about<F: Fixture>() {
    let mut walk = Walk::<F>::new(
        "CREATE TABLE items (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO items VALUES (1, 1)",
    )
    .await;
    let start = walk.state.clone();
    walk.step("INSERT INTO items VALUES (2, 2); UPDATE items SET n = 5 WHERE id = 1")
        .await;
    let there = walk.state.delta.digest();
    walk.step("DELETE FROM items WHERE id = 2").await;
    walk.step("UPDATE items SET n = 1").await;
    assert_eq!(walk.state.delta.digest(), start.delta.digest());
    walk.step("UPDATE items SET n = 5").await;
    walk.step("INSERT INTO items VALUES (2, 2)").await;
    assert_eq!(walk.state.delta.digest(), there);
    walk.finish().await;
}
