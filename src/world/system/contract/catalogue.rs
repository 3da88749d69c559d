//! A catalogue that changes during a run.

use super::changes::ITEMS;
use super::contract;
use super::fixture::Fixture;
use super::walk::{Walk, rows};
use crate::world::system::System as _;

contract!(
    a_change_of_the_catalogue_ends_the_run_and_is_named,
    rows_come_back_when_the_change_of_their_table_is_undone,
    a_table_that_was_dropped_keeps_no_other_from_coming_back,
    what_does_not_concern_the_journal_may_change,
);

async fn a_change_of_the_catalogue_ends_the_run_and_is_named<F: Fixture>() {
    let trigger = F::trigger("late", "INSERT", "items", "DELETE FROM items WHERE id < 0");
    for (change, undone) in [
        ("CREATE TABLE fresh (id INTEGER)", "DROP TABLE fresh"),
        ("CREATE TABLE fresh AS SELECT 1 AS n", "DROP TABLE fresh"),
        (
            "ALTER TABLE items ADD COLUMN extra INTEGER",
            "ALTER TABLE items DROP COLUMN extra",
        ),
        (
            "ALTER TABLE items RENAME COLUMN n TO m",
            "ALTER TABLE items RENAME COLUMN m TO n",
        ),
        (
            "ALTER TABLE items RENAME TO things",
            "ALTER TABLE things RENAME TO items",
        ),
        (&trigger, "SELECT 1"),
    ] {
        let mut walk = Walk::<F>::new(ITEMS).await;
        walk.sql(change).await;
        let error = walk.try_read().await.unwrap_err();
        assert!(
            error.message.contains("changed during the run"),
            "{change}: {error:?}"
        );
        assert!(error.help.is_some());
        walk.sql(undone).await;
        walk.system.uninstall().await.unwrap();
        assert_eq!(walk.dump().await, walk.before, "{change}");
        assert_eq!(walk.recover().await.unwrap(), None, "{change}");
    }
}

async fn rows_come_back_when_the_change_of_their_table_is_undone<F: Fixture>() {
    for (change, undone) in [
        ("RENAME COLUMN n TO m", "RENAME COLUMN m TO n"),
        ("ADD COLUMN extra INTEGER", "DROP COLUMN extra"),
    ] {
        let mut walk = Walk::<F>::new(ITEMS).await;
        walk.step("DELETE FROM items WHERE id = 1; UPDATE items SET n = 0")
            .await;
        walk.sql(&format!("ALTER TABLE items {change}")).await;
        walk.try_read().await.unwrap_err();
        let ended = walk.system.uninstall().await;
        if walk.fixture.catalogue().await == walk.catalogue {
            // The change has been undone with the rest.
            walk.assert_no_trace().await;
            continue;
        }
        walk.sql(&format!("ALTER TABLE items {undone}")).await;
        // Rows that fit into the changed table are back at once.
        if let Err(error) = ended {
            assert!(format!("{error:?}").contains("items`"), "{error:?}");
            assert!(error.help.unwrap().contains("venomqa restore"));
            walk.kill();
            assert!(walk.recover().await.unwrap().is_some());
        }
        walk.assert_no_trace().await;
    }
}

async fn a_table_that_was_dropped_keeps_no_other_from_coming_back<F: Fixture>() {
    let others = "CREATE TABLE others (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO others VALUES (1, 1), (2, 2);
        CREATE TABLE old_log (line TEXT); INSERT INTO old_log VALUES ('x')";
    for is_killed in [false, true] {
        for dropped in [&["old_log"][..], &["old_log", "items"]] {
            let mut walk = Walk::<F>::new(&format!("{ITEMS}; {others}")).await;
            walk.step("DELETE FROM items WHERE id = 1; UPDATE others SET n = 0")
                .await;
            for table in dropped {
                walk.sql(&format!("DROP TABLE {table}")).await;
            }
            let told = if is_killed {
                walk.kill();
                walk.recover()
                    .await
                    .map(|text| text.unwrap())
                    .map_err(|error| format!("{error:?}"))
            } else {
                walk.try_read().await.unwrap_err();
                let told = walk.system.uninstall().await;
                told.map(|told| format!("{told:?}"))
                    .map_err(|error| format!("{error:?}"))
            };
            let text = told.unwrap_or_else(|text| text);
            for table in dropped {
                assert!(text.contains(&format!("{table}`")), "{text}");
            }
            if walk.dump().await == walk.before {
                walk.assert_no_trace().await;
            } else {
                let rows = |dump: &str| -> Vec<String> {
                    let others = dump.split("others").nth(1).unwrap_or_default();
                    others.lines().skip(1).take(2).map(str::to_owned).collect()
                };
                assert_eq!(rows(&walk.dump().await), rows(&walk.before), "{dropped:?}");
            }
        }
    }
}

async fn what_does_not_concern_the_journal_may_change<F: Fixture>() {
    let mut walk = Walk::<F>::new(ITEMS).await;
    for statement in [
        "CREATE TEMPORARY TABLE scratch (n INTEGER)",
        "INSERT INTO scratch VALUES (1)",
        "ALTER TABLE scratch ADD COLUMN m INTEGER",
        "DROP TABLE scratch",
        "ANALYZE items",
        "VACUUM",
    ] {
        walk.sql(statement).await;
    }
    let reading = walk.step("INSERT INTO items VALUES (4, 'd', 40)").await;
    assert_eq!(rows(&reading), ["items: - -> 4|d|40"]);
    walk.jump_about(&["UPDATE items SET n = 2"]).await;
    walk.system.uninstall().await.unwrap();
    assert_eq!(walk.dump().await, walk.before);
}
