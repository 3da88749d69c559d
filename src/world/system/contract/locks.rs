//! Locks of the service.

use std::time::Duration;

use super::changes::ITEMS;
use super::contract;
use super::fixture::{Client, Fixture};
use super::walk::{Walk, rows};
use crate::world::system::System as _;

contract!(
    a_lock_is_waited_for,
    a_transaction_that_is_still_open_is_no_change_yet,
);

async fn a_lock_is_waited_for<F: Fixture>() {
    let mut walk = Walk::<F>::new(ITEMS).await;
    let start = walk.state.clone();
    walk.step("UPDATE items SET n = 0").await;
    walk.execute(Client::Second, F::LOCK).await.unwrap();
    let Walk {
        fixture,
        system,
        state,
        ..
    } = &mut walk;
    let release = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        fixture.execute(Client::Second, "ROLLBACK").await.unwrap();
    };
    let (restored, ()) = tokio::join!(system.restore(state, &start), release);
    restored.unwrap();
    walk.state = start;
    assert_eq!(walk.dump().await, walk.before);
    walk.finish().await;
}

async fn a_transaction_that_is_still_open_is_no_change_yet<F: Fixture>() {
    let mut walk = Walk::<F>::new(ITEMS).await;
    walk.sql("BEGIN; UPDATE items SET n = 0 WHERE id = 1").await;
    assert!(walk.read().await.delta.is_empty());
    walk.sql("COMMIT").await;
    assert_eq!(rows(&walk.read().await), ["items: 1|a|10 -> 1|a|0"]);
    walk.finish().await;
}
