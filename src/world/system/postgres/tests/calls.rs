//! Ways of calling a sequence: each is noticed, and undone.

use super::fixture::{Walk, connect, rows, run, sequences};
use crate::world::system::Reading;
use crate::world::system::System as _;

/// Tables with a key from a sequence, more than are read in one statement; the first three have been written to.
const TABLES: &str = "DO $$ BEGIN FOR i IN 1..60 LOOP
   EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, n int NOT NULL DEFAULT 0)', i);
   IF i <= 3 THEN EXECUTE format('INSERT INTO t%s DEFAULT VALUES', i); END IF; END LOOP; END $$;";

/// The names of the sequences that moved.
fn moved(reading: &Reading) -> Vec<String> {
    let changes = sequences(reading);
    changes
        .iter()
        .map(|change| change.key[0].to_string())
        .collect()
}

#[test]
fn a_sequence_that_was_set_back_and_called_to_the_same_number_is_watched_all_the_same() {
    run(async {
        let mut walk = Walk::new(TABLES).await;
        let start = walk.state.clone();
        let before = walk.dump().await;
        for how in [
            "TRUNCATE t2 RESTART IDENTITY; INSERT INTO t2 DEFAULT VALUES",
            "BEGIN; SELECT setval('t2_id_seq', 1, false); INSERT INTO t1 DEFAULT VALUES; SELECT nextval('t2_id_seq'); COMMIT",
            "SELECT setval('t2_id_seq', 1, false); SELECT nextval('t2_id_seq')",
            "BEGIN; SELECT setval('t2_id_seq', 1, false); SELECT nextval('t2_id_seq'); ROLLBACK",
        ] {
            let reading = walk.step(how).await;
            assert!(!moved(&reading).contains(&"t2_id_seq".to_owned()), "{how}");
            // Refused before any row is written: its transaction has no number, the sequence moves without a log.
            let refused = "INSERT INTO t2 (n) VALUES (NULL)";
            assert!(walk.service.batch_execute(refused).await.is_err());
            let reading = walk.read().await;
            assert_eq!(moved(&reading), ["t2_id_seq"], "{how}");
            assert!(rows(&reading).is_empty());
            walk.restore(&start).await;
            assert_eq!(walk.dump().await, before, "{how}");
        }
        walk.finish().await;
    });
}

#[test]
fn calls_are_seen_wherever_in_the_transaction_they_are() {
    run(async {
        let mut walk = Walk::new(TABLES).await;
        walk.sql(
                "SET venomqa.writer = 'on'; CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('t6_id_seq'); RETURN NULL; END $$;
                 CREATE FUNCTION at_once() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
                   UPDATE t1 SET n = n + 1; SET CONSTRAINTS ALL IMMEDIATE; RETURN nextval('t4_id_seq'); END $$;
                 CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t3 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late(); RESET venomqa.writer",
            )
            .await;
        walk.read().await;
        let start = walk.state.clone();
        let before = walk.dump().await;
        for (how, expected) in [
            (
                "BEGIN; INSERT INTO t1 DEFAULT VALUES; SELECT nextval('t4_id_seq'); COMMIT",
                vec!["t1_id_seq", "t4_id_seq"],
            ),
            (
                "BEGIN; SELECT nextval('t4_id_seq'); UPDATE t1 SET n = n + 1; COMMIT",
                vec!["t4_id_seq"],
            ),
            ("UPDATE t1 SET n = nextval('t5_id_seq')", vec!["t5_id_seq"]),
            (
                "BEGIN; SAVEPOINT a; INSERT INTO t1 DEFAULT VALUES; SELECT nextval('t4_id_seq'); ROLLBACK TO a; UPDATE t2 SET n = 5; COMMIT",
                vec!["t1_id_seq", "t4_id_seq"],
            ),
            (
                "BEGIN; SAVEPOINT a; INSERT INTO t1 DEFAULT VALUES; RELEASE a; SELECT nextval('t4_id_seq'); COMMIT",
                vec!["t1_id_seq", "t4_id_seq"],
            ),
            (
                "BEGIN; SET CONSTRAINTS ALL IMMEDIATE; INSERT INTO t1 DEFAULT VALUES; SELECT nextval('t4_id_seq'); COMMIT",
                vec!["t1_id_seq", "t4_id_seq"],
            ),
            (
                "BEGIN; INSERT INTO t1 DEFAULT VALUES; SET CONSTRAINTS ALL IMMEDIATE; SELECT nextval('t4_id_seq'); COMMIT",
                vec!["t1_id_seq", "t4_id_seq"],
            ),
            ("SELECT at_once()", vec!["t4_id_seq"]),
            (
                "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT nextval('t4_id_seq') FROM t1; UPDATE t2 SET n = 3; COMMIT; CLOSE c",
                vec!["t4_id_seq"],
            ),
            (
                "DO $$ BEGIN UPDATE t1 SET n = 4; PERFORM nextval('t4_id_seq'); COMMIT; PERFORM nextval('t5_id_seq'); END $$",
                vec!["t4_id_seq", "t5_id_seq"],
            ),
            (
                "DO $$ BEGIN BEGIN UPDATE t1 SET n = 4; RAISE 'no'; EXCEPTION WHEN OTHERS THEN PERFORM nextval('t4_id_seq'); END; END $$",
                vec!["t4_id_seq"],
            ),
            (
                "INSERT INTO t3 DEFAULT VALUES",
                vec!["t3_id_seq", "t6_id_seq"],
            ),
            (
                "UPDATE t2 SET n = 7; SELECT nextval('t4_id_seq')",
                vec!["t4_id_seq"],
            ),
            (
                "SELECT nextval('t4_id_seq'); UPDATE t2 SET n = 8",
                vec!["t4_id_seq"],
            ),
            (
                "INSERT INTO t1 DEFAULT VALUES; INSERT INTO t2 DEFAULT VALUES",
                vec!["t1_id_seq", "t2_id_seq"],
            ),
            ("TRUNCATE t1 RESTART IDENTITY", vec!["t1_id_seq"]),
            (
                "BEGIN; UPDATE t1 SET n = 5; SELECT nextval('t4_id_seq'); SET TRANSACTION READ ONLY; COMMIT",
                vec!["t4_id_seq"],
            ),
            (
                "BEGIN; UPDATE t1 SET n = 6; SELECT nextval('t4_id_seq'); SET TRANSACTION READ ONLY; COMMIT; \
                     BEGIN; SAVEPOINT a; UPDATE t2 SET n = 6; RELEASE a; SELECT nextval('t5_id_seq'); COMMIT",
                vec!["t4_id_seq", "t5_id_seq"],
            ),
            (
                "SELECT setval('t5_id_seq', 40, false); UPDATE t2 SET n = 9",
                vec!["t5_id_seq"],
            ),
        ] {
            let reading = walk.step(how).await;
            assert_eq!(moved(&reading), expected, "{how}");
            assert!(walk.read().await.delta.is_empty(), "{how}");
            walk.restore(&start).await;
            assert_eq!(walk.dump().await, before, "{how}");
        }
        walk.sql("SET venomqa.writer = 'on'; DROP TRIGGER late ON t3; DROP FUNCTION late(); DROP FUNCTION at_once()")
                .await;
        walk.system.uninstall().await.unwrap();
        assert_eq!(walk.dump().await, walk.before);
    });
}

#[test]
fn calls_of_a_deferred_trigger_are_seen() {
    run(async {
        let schema = format!("{TABLES} CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('t6_id_seq'); RETURN NULL; END $$;
                 CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t3 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();");
        let mut walk = Walk::new(&schema).await;
        let start = walk.state.clone();
        let before = walk.dump().await;
        let how = "BEGIN; UPDATE t1 SET n = n + 1; INSERT INTO t3 (id) VALUES (77); COMMIT";
        let reading = walk.step(how).await;
        assert_eq!(moved(&reading), ["t6_id_seq"]);
        walk.restore(&start).await;
        assert_eq!(walk.dump().await, before);
        walk.finish().await;
    });
}

#[test]
fn what_a_job_calls_right_after_an_unlogged_sequence_was_put_back_is_seen() {
    run(async {
        let schema = format!("{TABLES} CREATE UNLOGGED TABLE u (id serial PRIMARY KEY);");
        let mut walk = Walk::new(&schema).await;
        let start = walk.state.clone();
        let before = walk.dump().await;
        walk.step("SELECT nextval('u_id_seq')").await;
        walk.try_restore(&start).await.unwrap();
        let reading = walk.step("SELECT nextval('t4_id_seq')").await;
        assert_eq!(moved(&reading), ["t4_id_seq"]);
        walk.restore(&start).await;
        assert_eq!(walk.dump().await, before);
        walk.finish().await;
    });
}

#[test]
fn a_sequence_that_a_check_of_a_restore_finds_moved_is_put_back_and_said() {
    run(async {
        let mut walk = Walk::new(TABLES).await;
        let start = walk.state.clone();
        let before = walk.dump().await;
        walk.step("INSERT INTO t4 DEFAULT VALUES").await;
        walk.try_restore(&start).await.unwrap();
        walk.sql("SELECT nextval('t4_id_seq')").await;
        walk.system.verify(&start).await.unwrap();
        assert_eq!(walk.dump().await, before);
        let warnings = walk.read().await.warnings;
        let [warning] = &*warnings else {
            panic!("{warnings:?}");
        };
        assert_eq!(warning.code.name(), "background-write");
        assert!(
            warning.message.contains("the sequence `t4_id_seq`"),
            "{warning:?}"
        );
        walk.finish().await;
    });
}

#[test]
fn calls_of_several_sessions_at_once_are_seen() {
    run(async {
        let mut walk = Walk::new(TABLES).await;
        let others = [
            connect(&walk.database.url()).await,
            connect(&walk.database.url()).await,
        ];
        let start = walk.state.clone();
        let before = walk.dump().await;
        for round in 0..20 {
            let (first, second, third) = tokio::join!(
                walk.service
                    .batch_execute("INSERT INTO t10 DEFAULT VALUES; SELECT nextval('t20_id_seq')"),
                others[0].batch_execute(
                    "BEGIN; INSERT INTO t11 DEFAULT VALUES; SELECT nextval('t21_id_seq'); COMMIT"
                ),
                others[1].batch_execute(
                    "BEGIN; INSERT INTO t12 DEFAULT VALUES; SELECT nextval('t22_id_seq'); ROLLBACK"
                ),
            );
            first.and(second).and(third).unwrap();
            let reading = walk.read().await;
            let mut found = moved(&reading);
            found.sort();
            let expected =
                ["t10", "t11", "t12", "t20", "t21", "t22"].map(|name| format!("{name}_id_seq"));
            assert_eq!(found, expected, "round {round}");
            walk.restore(&start).await;
            assert_eq!(walk.dump().await, before, "round {round}");
        }
        walk.finish().await;
    });
}
