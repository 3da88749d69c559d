//! Rows are found again by their keys, whatever those are.

use super::contract;
use super::fixture::Fixture;
use super::walk::{Walk, rows};

contract!(
    a_text_is_a_key,
    several_columns_are_a_key,
    rows_without_a_key_are_counted,
    a_unique_column_identifies_rows_where_there_is_no_key,
    a_key_that_changes_is_reported_under_both_keys,
    keys_and_unique_values_may_be_swapped,
    generated_keys_are_given_again_after_a_restore,
    names_may_be_keywords_and_hold_quotes,
    many_tables_are_watched,
);

async fn a_text_is_a_key<F: Fixture>() {
    let mut walk = Walk::<F>::new(
        "CREATE TABLE worded (word TEXT PRIMARY KEY, n INTEGER); INSERT INTO worded VALUES ('a', 1), ('A', 2), ('', 3)",
    )
    .await;
    let reading = walk
        .step("UPDATE worded SET n = 5 WHERE word = 'A'; DELETE FROM worded WHERE word = ''")
        .await;
    assert_eq!(rows(&reading).len(), 2);
    walk.jump_about(&[
        "INSERT INTO worded VALUES ('it''s', NULL), ('größe', 7)",
        "UPDATE worded SET word = word || 'x'",
        "DELETE FROM worded",
    ])
    .await;
    walk.finish().await;
}

async fn several_columns_are_a_key<F: Fixture>() {
    let mut walk = Walk::<F>::new(
        "CREATE TABLE stock (n INTEGER, place TEXT NOT NULL, sku INTEGER NOT NULL, PRIMARY KEY (sku, place));
         INSERT INTO stock VALUES (1, 'here', 1), (2, 'there', 1), (3, 'here', 2)",
    )
    .await;
    let reading = walk
        .step("UPDATE stock SET n = 9 WHERE sku = 1 AND place = 'there'")
        .await;
    assert_eq!(rows(&reading), ["stock: 2|there|1 -> 9|there|1"]);
    walk.jump_about(&[
        "UPDATE stock SET sku = sku + 1 WHERE place = 'there'",
        "DELETE FROM stock WHERE place = 'here'; INSERT INTO stock VALUES (4, 'here', 1)",
        "DELETE FROM stock",
    ])
    .await;
    walk.finish().await;
}

async fn rows_without_a_key_are_counted<F: Fixture>() {
    let mut walk = Walk::<F>::new(
        "CREATE TABLE log (line TEXT, n INTEGER); INSERT INTO log VALUES ('same', 1), ('same', 1), ('same', 1), (NULL, NULL)",
    )
    .await;
    let reading = walk
        .step("INSERT INTO log VALUES ('same', 1), (NULL, NULL)")
        .await;
    let mut found = rows(&reading);
    found.sort();
    assert_eq!(found, ["log: - -> NULL|NULL", "log: - -> same|1"]);
    walk.jump_about(&[
        "UPDATE log SET n = 2 WHERE n = 1",
        "DELETE FROM log WHERE n IS NULL",
        "INSERT INTO log VALUES ('same', 1), ('same', 2), ('new', NULL)",
        "UPDATE log SET line = 'same', n = 1",
        "DELETE FROM log",
    ])
    .await;
    walk.finish().await;
}

async fn a_unique_column_identifies_rows_where_there_is_no_key<F: Fixture>() {
    let mut walk = Walk::<F>::new(
        "CREATE TABLE u (code TEXT NOT NULL, n INTEGER); CREATE UNIQUE INDEX u_code ON u (code); INSERT INTO u VALUES ('a', 1), ('b', 1)",
    )
    .await;
    let reading = walk.step("UPDATE u SET n = 2 WHERE code = 'a'").await;
    assert_eq!(rows(&reading), ["u: a|1 -> a|2"]);
    walk.jump_about(&["UPDATE u SET code = code || 'x'", "DELETE FROM u"])
        .await;
    walk.finish().await;
}

async fn a_key_that_changes_is_reported_under_both_keys<F: Fixture>() {
    let mut walk = Walk::<F>::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 1), (2, 2)",
    )
    .await;
    let reading = walk.step("UPDATE t SET id = 5 WHERE id = 1").await;
    assert_eq!(rows(&reading), ["t: 1|1 -> -", "t: - -> 5|1"]);
    walk.finish().await;
}

async fn keys_and_unique_values_may_be_swapped<F: Fixture>() {
    let mut walk = Walk::<F>::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, slot INTEGER UNIQUE, email TEXT);
         CREATE UNIQUE INDEX t_email ON t (lower(email));
         INSERT INTO t VALUES (1, 1, 'a@x'), (2, 2, 'B@x')",
    )
    .await;
    walk.jump_about(&[
        "UPDATE t SET slot = -slot; UPDATE t SET slot = 3 + slot; UPDATE t SET email = 'c@x' WHERE id = 1;
         UPDATE t SET email = 'A@X' WHERE id = 2",
        "UPDATE t SET id = 3 - id + 10; UPDATE t SET id = id - 10",
        "UPDATE t SET email = 'b@x' WHERE id = 1",
    ])
    .await;
    walk.finish().await;
}

async fn generated_keys_are_given_again_after_a_restore<F: Fixture>() {
    let mut walk = Walk::<F>::new(&format!(
        "CREATE TABLE orders ({}, total INTEGER); INSERT INTO orders (total) VALUES (10), (20), (30); DELETE FROM orders WHERE id = 3",
        F::GENERATED_KEY
    ))
    .await;
    let start = walk.state.clone();
    let forty = "INSERT INTO orders (total) VALUES (40)";
    let first = walk.step(forty).await;
    assert_eq!(rows(&first), ["orders: - -> 4|40"]);
    let there = (walk.state.clone(), walk.dump().await);
    walk.step("INSERT INTO orders (total) VALUES (50); DELETE FROM orders WHERE id > 2")
        .await;
    walk.restore(&start).await;
    assert_eq!(rows(&walk.step(forty).await), rows(&first));
    walk.restore(&there.0).await;
    assert_eq!(walk.dump().await, there.1);
    walk.jump_about(&[
        "DELETE FROM orders",
        "INSERT INTO orders (total) VALUES (1)",
        "INSERT INTO orders (id, total) VALUES (100, 1)",
    ])
    .await;
    walk.finish().await;
}

async fn names_may_be_keywords_and_hold_quotes<F: Fixture>() {
    let mut walk = Walk::<F>::new(
        r#"CREATE TABLE "order ""x""; --" ("select" TEXT PRIMARY KEY, "new" TEXT, "größe" INTEGER, "venomqa_row" INTEGER);
           CREATE TABLE "group" ("oid" TEXT PRIMARY KEY, "old" TEXT);
           INSERT INTO "order ""x""; --" VALUES ('k', 'r', 1, 1), ('l', 's', 2, 2); INSERT INTO "group" VALUES ('a', 'b')"#,
    )
    .await;
    let reading = walk
        .step(r#"UPDATE "order ""x""; --" SET "new" = 't' WHERE "select" = 'k'; UPDATE "group" SET "old" = 'c'"#)
        .await;
    assert_eq!(
        rows(&reading),
        ["group: a|b -> a|c", r#"order "x"; --: k|r|1|1 -> k|t|1|1"#]
    );
    walk.jump_about(&[
        r#"DELETE FROM "group""#,
        r#"UPDATE "order ""x""; --" SET "select" = "select" || '"', "größe" = NULL"#,
    ])
    .await;
    walk.finish().await;
}

async fn many_tables_are_watched<F: Fixture>() {
    let tables =
        (1..=500).map(|number| format!("CREATE TABLE t{number} ({}, a TEXT);", F::GENERATED_KEY));
    let mut walk = Walk::<F>::new(&tables.collect::<String>()).await;
    walk.jump_about(&[
        "INSERT INTO t1 (a) VALUES ('x'); INSERT INTO t500 (a) VALUES ('y')",
        "UPDATE t500 SET a = 'z'",
    ])
    .await;
    walk.finish().await;
}
