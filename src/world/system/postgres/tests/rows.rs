//! What a step did, and the way back, for the kinds of tables and statements that only PostgreSQL has.

use std::time::Duration;

use super::fixture::{Walk, connect, dump, rows, run};
use crate::world::system::postgres::recover;

#[test]
fn the_text_of_values_does_not_depend_on_the_settings_of_the_service() {
    run(async {
        let mut walk = Walk::new(
            "CREATE TABLE t (id int PRIMARY KEY, f float8, ts timestamptz, iv interval, by bytea, d date, r regclass);
             INSERT INTO t VALUES (1, 0.1, '2024-07-01 12:00+00', '1 day 02:00', 'abc', '2024-02-01', 't')",
        )
        .await;
        walk.sql(
            "SET extra_float_digits = -10; SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'German'; SET IntervalStyle = 'iso_8601';
             SET bytea_output = 'escape'; SET search_path = pg_catalog",
        )
        .await;
        let reading = walk
            .step("UPDATE public.t SET f = f + 0.2, ts = ts + '1 hour', by = by || '\\x00'")
            .await;
        assert_eq!(
            rows(&reading),
            [
                "t: 1|0.1|2024-07-01 12:00:00+00|1 day 02:00:00|\\x616263|2024-02-01|public.t -> \
              1|0.30000000000000004|2024-07-01 13:00:00+00|1 day 02:00:00|\\x61626300|2024-02-01|public.t"
            ]
        );
        walk.sql("RESET ALL").await;
        walk.jump_about(&["DELETE FROM t"]).await;
        walk.finish().await;
    });
}

#[test]
fn the_journal_does_not_disturb_what_the_application_sees() {
    run(async {
        let walk = Walk::new(
            "CREATE TABLE t (id serial PRIMARY KEY, n int); CREATE SEQUENCE mine;
             CREATE TABLE log (n int); CREATE FUNCTION noisy() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO log VALUES (NEW.n); NEW.n := NEW.n + 1; RETURN NEW; END $$;
             CREATE TRIGGER zzz BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION noisy()",
        )
        .await;
        let number = |text: &'static str| async {
            walk.service
                .query_one(text, &[])
                .await
                .unwrap()
                .get::<_, i64>(0)
        };
        let row = walk
            .service
            .query_one("INSERT INTO t (n) VALUES (1) RETURNING id, n", &[])
            .await
            .unwrap();
        assert_eq!((row.get::<_, i32>(0), row.get::<_, i32>(1)), (1, 2));
        assert_eq!(number("SELECT lastval()").await, 1);
        assert_eq!(number("SELECT nextval('mine')").await, 1);
        assert_eq!(
            walk.service
                .execute("UPDATE t SET n = 5", &[])
                .await
                .unwrap(),
            1
        );
        assert_eq!(
            walk.service
                .execute("DELETE FROM t WHERE n = 6", &[])
                .await
                .unwrap(),
            0
        );
        assert_eq!(number("SELECT lastval()").await, 1);
        walk.finish().await;
    });
}

#[test]
fn virtual_generated_columns_follow_from_the_others_where_the_server_has_them() {
    run(async {
        let mut walk = Walk::new("SELECT 1").await;
        let version = walk.database.psql("SHOW server_version_num");
        let schema = "CREATE TABLE g (a int, double int GENERATED ALWAYS AS (a * 2) VIRTUAL, b text, id int PRIMARY KEY);
             CREATE TABLE loose (a int, double int GENERATED ALWAYS AS (a * 2), b text); INSERT INTO loose VALUES (1, DEFAULT, 'x')";
        if version.parse::<i32>().unwrap() < 180_000 {
            // PostgreSQL 18 is the first that has them; the others do not even read the statement.
            assert!(walk.service.batch_execute(schema).await.is_err());
            return walk.finish().await;
        }
        walk.finish().await;
        walk = Walk::new(schema).await;
        let reading = walk
            .step("INSERT INTO g (a, b, id) VALUES (4, 'x', 1)")
            .await;
        assert_eq!(rows(&reading), ["g: - -> 4|x|1"]);
        walk.jump_about(&[
            "UPDATE g SET a = 5",
            "INSERT INTO loose (a, b) VALUES (1, 'x'), (NULL, NULL)",
            "UPDATE loose SET a = 7 WHERE double = 2",
            "TRUNCATE loose",
            "DELETE FROM g",
        ])
        .await;
        walk.finish().await;
    });
}

#[test]
fn a_truncate_is_told_row_by_row_also_where_it_cascades() {
    run(async {
        let mut walk = Walk::new(
            "CREATE TABLE a (id serial PRIMARY KEY, n int); CREATE TABLE b (a int REFERENCES a, n int);
             INSERT INTO a (n) VALUES (1), (2); INSERT INTO b VALUES (1, 1), (1, 1), (2, 2)",
        )
        .await;
        let reading = walk.step("TRUNCATE a RESTART IDENTITY CASCADE").await;
        assert_eq!(rows(&reading).len(), 5);
        walk.jump_about(&[
            "INSERT INTO a (n) VALUES (7)",
            "BEGIN; INSERT INTO b VALUES (1, 3); TRUNCATE b; COMMIT",
        ])
        .await;
        walk.finish().await;
    });
}

#[test]
fn rows_of_partitions_go_back_into_their_partition() {
    run(async {
        let mut walk = Walk::new(
            "CREATE TABLE p (id int, kind text, n int, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind);
             CREATE TABLE p_a PARTITION OF p FOR VALUES IN ('a') PARTITION BY RANGE (id);
             CREATE TABLE p_a1 (n int, kind text NOT NULL, id int NOT NULL);
             ALTER TABLE p_a ATTACH PARTITION p_a1 FOR VALUES FROM (1) TO (100);
             CREATE TABLE p_a2 PARTITION OF p_a FOR VALUES FROM (100) TO (200);
             CREATE TABLE p_rest PARTITION OF p DEFAULT;
             INSERT INTO p VALUES (1, 'a', 1), (2, 'b', 2)",
        )
        .await;
        let reading = walk.step("UPDATE p SET kind = 'c' WHERE id = 1").await;
        assert_eq!(rows(&reading), ["p_a1: 1|a|1 -> -", "p_rest: - -> 1|c|1"]);
        walk.jump_about(&[
            "INSERT INTO p VALUES (150, 'a', 3), (3, 'a', 3)",
            "TRUNCATE p_a",
            "DELETE FROM p",
            "INSERT INTO p_rest VALUES (1, 'z', 1)",
        ])
        .await;
        walk.finish().await;
    });
}

#[test]
fn an_inheriting_table_keeps_its_own_rows() {
    run(async {
        let mut walk = Walk::new(
            "CREATE TABLE parent (id int PRIMARY KEY, n int); CREATE TABLE child (extra text, PRIMARY KEY (id)) INHERITS (parent);
             INSERT INTO parent VALUES (1, 1); INSERT INTO child VALUES (1, 2, 'x')",
        )
        .await;
        let reading = walk.step("UPDATE parent SET n = n + 1").await;
        assert_eq!(
            rows(&reading),
            ["child: 1|2|x -> 1|3|x", "parent: 1|1 -> 1|2"]
        );
        walk.jump_about(&[
            "DELETE FROM parent",
            "INSERT INTO child VALUES (5, 5, NULL)",
        ])
        .await;
        walk.finish().await;
    });
}

#[test]
fn rules_and_several_triggers_of_the_application_do_their_work_once() {
    run(async {
        let mut walk = Walk::new(
            "CREATE TABLE t (id int PRIMARY KEY, n int); CREATE TABLE log (id serial PRIMARY KEY, what text);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log (what) VALUES (TG_OP); RETURN NULL; END $$;
             CREATE TRIGGER aaa AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note();
             CREATE TRIGGER zzz AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note();
             CREATE TABLE kept (id int PRIMARY KEY, gone bool DEFAULT false);
             CREATE RULE soft AS ON DELETE TO kept DO INSTEAD UPDATE kept SET gone = true WHERE id = OLD.id;
             INSERT INTO kept VALUES (1); INSERT INTO t VALUES (1, 1)",
        )
        .await;
        let reading = walk.step("DELETE FROM kept").await;
        assert_eq!(rows(&reading), ["kept: 1|f -> 1|t"]);
        walk.jump_about(&["UPDATE t SET n = n + 1", "INSERT INTO kept VALUES (2)"])
            .await;
        walk.finish().await;
    });
}

#[test]
fn rows_that_the_service_writes_as_a_replica_are_told_as_well() {
    run(async {
        let mut walk = Walk::new("CREATE TABLE t (id int PRIMARY KEY)").await;
        let reading = walk
            .step("SET session_replication_role = replica; INSERT INTO t VALUES (1); RESET session_replication_role")
            .await;
        assert_eq!(rows(&reading), ["t: - -> 1"]);
        walk.finish().await;
    });
}

#[test]
fn what_is_copied_or_moved_in_one_statement_is_reported() {
    run(async {
        let mut walk =
            Walk::new("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (2, 2)")
                .await;
        let reading = walk
            .step("WITH moved AS (DELETE FROM t WHERE id = 2 RETURNING *) INSERT INTO t SELECT id + 1, n FROM moved")
            .await;
        assert_eq!(rows(&reading), ["t: 2|2 -> -", "t: - -> 3|2"]);
        walk.database
            .psql("COPY t FROM stdin;\n8\t8\n9\t\\N\n\\.\n");
        assert_eq!(rows(&walk.read().await), ["t: - -> 8|8", "t: - -> 9|NULL"]);
        walk.finish().await;
    });
}

#[test]
fn the_journal_stays_small() {
    run(async {
        let mut walk = Walk::new("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 1000) i").await;
        let start = walk.state.clone();
        for _ in 0..15 {
            walk.step("UPDATE t SET n = n + 1").await;
            let there = walk.state.clone();
            walk.restore(&start).await;
            walk.restore(&there).await;
        }
        let sizes = walk
            .service
            .query_one(
                "SELECT pg_relation_size('venomqa.journal'), (SELECT count(*) FROM venomqa.past)",
                &[],
            )
            .await
            .unwrap();
        assert!(sizes.get::<_, i64>(0) < 1_000_000, "{sizes:?}");
        assert!(sizes.get::<_, i64>(1) < 30_000, "{sizes:?}");
        walk.finish().await;
    });
}

#[test]
fn rows_without_a_key_are_found_wherever_the_server_has_moved_them() {
    run(async {
        let mut walk = Walk::new(
            "CREATE TABLE k (n int, t text); INSERT INTO k SELECT i % 7, repeat('x', i % 3) FROM generate_series(1, 2000) i",
        )
        .await;
        let start = walk.state.clone();
        // Moved by an update, by the restore itself, by the server, onto the places of others.
        for between in [
            "SELECT 1",
            "VACUUM k",
            "VACUUM FULL k",
            "UPDATE k SET t = t || 'y' WHERE n = 3",
            "DELETE FROM k WHERE n = 4; VACUUM k; INSERT INTO k VALUES (9, 'a'), (9, 'a')",
        ] {
            walk.step("INSERT INTO k VALUES (1, 'new'), (1, 'new'), (1, NULL)")
                .await;
            walk.step("UPDATE k SET t = 'newer' WHERE t = 'new'").await;
            let there = (walk.state.clone(), walk.dump().await);
            for statement in between.split("; ") {
                walk.step(statement).await;
            }
            walk.restore(&start).await;
            assert_eq!(walk.dump().await, walk.before, "{between}");
            walk.restore(&there.0).await;
            assert_eq!(walk.dump().await, there.1, "{between}");
            walk.restore(&start).await;
        }
        walk.finish().await;
    });
}

/// How often a table without a key is searched while a run goes forth and back, and something happens in between.
async fn searches(jumps: i64, between: &str) -> i64 {
    let mut walk =
        Walk::new("CREATE TABLE k (t text) WITH (autovacuum_enabled = false); INSERT INTO k SELECT repeat('x', 60) FROM generate_series(1, 3000) i;
             DELETE FROM k WHERE ctid = '(0,7)'")
            .await;
    let start = walk.state.clone();
    walk.step("INSERT INTO k VALUES ('new'), ('new')").await;
    let there = walk.state.clone();
    walk.sql(between).await;
    for _ in 0..jumps {
        walk.try_restore(&start).await.unwrap();
        walk.try_restore(&there).await.unwrap();
    }
    // A session tells what it counted when it ends, all at once.
    walk.kill();
    walk.service = connect(&walk.database.url()).await;
    let text = "SELECT n_tup_del, seq_scan FROM pg_stat_user_tables WHERE relname = 'k'";
    for _ in 0..500 {
        let row = walk.service.query_one(text, &[]).await.unwrap();
        if row.get::<_, i64>(0) == 1 + 2 * jumps {
            recover(&walk.database.url(), false).await.unwrap();
            assert_eq!(dump(&walk.service).await, walk.before);
            return row.get(1);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the server counts otherwise");
}

#[test]
fn a_table_without_a_key_is_searched_only_where_rows_were_moved() {
    run(async {
        let once = searches(1, "SELECT 1").await;
        assert_eq!(searches(9, "SELECT 1").await, once);
        // Closes the gap that the deleted row has left, so that all rows move.
        assert!(searches(1, "VACUUM FULL k").await > once);
    });
}
