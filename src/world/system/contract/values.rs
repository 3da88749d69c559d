//! Values come back exactly as the service wrote them.

use super::contract;
use super::fixture::Fixture;
use super::walk::Walk;

contract!(
    every_kind_of_value_comes_back_exactly,
    texts_of_every_kind_come_back_exactly,
    a_large_change_goes_back_in_one_piece,
);

async fn every_kind_of_value_comes_back_exactly<F: Fixture>() {
    let mut walk = Walk::<F>::new(F::VALUES.schema).await;
    walk.jump_about(F::VALUES.steps).await;
    walk.finish().await;
}

async fn texts_of_every_kind_come_back_exactly<F: Fixture>() {
    let mut walk = Walk::<F>::new(
        "CREATE TABLE texts (id INTEGER PRIMARY KEY, t TEXT, u TEXT UNIQUE);
         INSERT INTO texts VALUES (1, '', 'NULL'), (2, NULL, NULL), (3, 'null', '')",
    )
    .await;
    let long = format!("UPDATE texts SET t = '{}'", "größe ☃ ".repeat(20_000));
    walk.jump_about(&[
        r#"INSERT INTO texts VALUES (4, 'it''s "quoted" \ back\\slashed, (a,b) {c,d}', ' spaced ')"#,
        "UPDATE texts SET t = 'a\tb\nc\r\n' WHERE id = 2; UPDATE texts SET u = '1' WHERE id = 1",
        &long,
        "DELETE FROM texts",
    ])
    .await;
    walk.finish().await;
}

async fn a_large_change_goes_back_in_one_piece<F: Fixture>() {
    let mut walk = Walk::<F>::new(
        "CREATE TABLE many (id INTEGER PRIMARY KEY, n TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) INSERT INTO many SELECT i, 'x' || i FROM n",
    )
    .await;
    walk.jump_about(&["UPDATE many SET n = n || 'y'", "DELETE FROM many"])
        .await;
    walk.finish().await;
}
