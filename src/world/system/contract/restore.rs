//! The way back, and whether it is proved: rows that somebody else wrote, and rows that no journal saw.

use super::changes::ITEMS;
use super::contract;
use super::fixture::{Client, Fixture};
use super::walk::Walk;
use crate::world::WorldErrorKind;
use crate::world::system::{System as _, SystemState};

contract!(
    a_row_written_between_two_requests_is_put_back_and_reported,
    what_was_written_beside_the_way_is_found_by_the_next_reading,
    the_same_state_is_reached_from_everywhere,
    a_row_that_was_changed_past_the_journal_is_found,
    a_row_that_came_or_went_past_the_journal_is_found,
);

async fn a_row_written_between_two_requests_is_put_back_and_reported<F: Fixture>() {
    for stray in [
        "UPDATE items SET n = 99 WHERE id = 1",
        "DELETE FROM items WHERE id = 1",
        "UPDATE items SET n = 99; UPDATE items SET n = 98",
    ] {
        let mut walk = Walk::<F>::new(ITEMS).await;
        let start = walk.state.clone();
        walk.step("UPDATE items SET n = 11 WHERE id = 1").await;
        walk.execute(Client::Second, stray).await.unwrap();
        walk.try_restore(&start).await.unwrap();
        let reading = walk.read().await;
        assert!(reading.delta.is_empty(), "{stray}: {:?}", reading.delta);
        assert_eq!(walk.dump().await, walk.before, "{stray}");
        let warning = &reading.warnings[0];
        assert_eq!(warning.code.name(), "background-write", "{stray}");
        assert!(warning.message.contains("`items`"), "{}", warning.message);
        walk.finish().await;
    }
}

async fn what_was_written_beside_the_way_is_found_by_the_next_reading<F: Fixture>() {
    let mut walk = Walk::<F>::new(ITEMS).await;
    let start = walk.state.clone();
    walk.step("UPDATE items SET n = 11 WHERE id = 1").await;
    walk.execute(Client::Second, "INSERT INTO items VALUES (8, 'h', 80)")
        .await
        .unwrap();
    walk.try_restore(&start).await.unwrap();
    walk.read().await;
    walk.restore(&start).await;
    assert_eq!(walk.dump().await, walk.before);
    walk.finish().await;
}

async fn the_same_state_is_reached_from_everywhere<F: Fixture>() {
    let mut walk = Walk::<F>::new(ITEMS).await;
    let start = walk.state.clone();
    walk.step("DELETE FROM items WHERE id = 2").await;
    let there = (walk.state.clone(), walk.dump().await);
    for detour in [
        "INSERT INTO items VALUES (2, 'b', 21)",
        "UPDATE items SET id = 2 WHERE id = 1",
        "DELETE FROM items",
    ] {
        walk.restore(&start).await;
        walk.step("UPDATE items SET n = 5").await;
        walk.restore(&there.0).await;
        walk.step(detour).await;
        walk.restore(&there.0).await;
        assert_eq!(walk.dump().await, there.1, "{detour}");
    }
    walk.finish().await;
}

/// What a check of the state says after `tampering`.
async fn found_after<F: Fixture>(tampering: &str) -> Vec<String> {
    let mut walk = Walk::<F>::new(ITEMS).await;
    walk.step("UPDATE items SET n = 11 WHERE id = 1; INSERT INTO items VALUES (9, 'z', 90)")
        .await;
    let there = walk.state.clone();
    walk.restore(&SystemState::default()).await;
    walk.restore(&there).await;
    walk.fixture.bypass(tampering).await;
    let error = walk.system.verify(&there).await.unwrap_err();
    assert_eq!(error.kind, WorldErrorKind::Restore);
    assert!(
        format!("{error:?}").contains("`items`"),
        "the table is named: {error:?}"
    );
    error.details
}

async fn a_row_that_was_changed_past_the_journal_is_found<F: Fixture>() {
    let details = found_after::<F>("UPDATE items SET n = 0 WHERE id = 1").await;
    assert!(!details.is_empty());
}

async fn a_row_that_came_or_went_past_the_journal_is_found<F: Fixture>() {
    for tampering in [
        "DELETE FROM items WHERE id = 9",
        "INSERT INTO items VALUES (7, 'y', NULL)",
    ] {
        let details = found_after::<F>(tampering).await;
        assert!(!details.is_empty(), "{tampering}");
    }
}
