//! Names, schemas, and changes of them.

use super::fixture::{Walk, rows, run};
use crate::world::system::{System, SystemState};

#[test]
fn several_schemas_and_odd_names_are_watched() {
    run(async {
        let mut walk = Walk::new(
            r#"CREATE SCHEMA billing; CREATE SCHEMA "Select From"; CREATE TABLE "order" ("group" int PRIMARY KEY, "Naïve ""col""" text, t int, "new" int);
               CREATE TABLE billing."order" (id serial PRIMARY KEY, n int); CREATE TABLE "Select From"."we're; --" (id int PRIMARY KEY, "row" text, venomqa_row int DEFAULT 5);
               CREATE TABLE "Mixed" (venom int, "TG_RELID" int, "old" int, venomqa_row text DEFAULT 'r', venomqa_new text DEFAULT 'n', venomqa_gone int)"#,
        )
        .await;
        let reading = walk
            .step(r#"INSERT INTO "order" VALUES (1, 'x', 2, 3); INSERT INTO billing."order" (n) VALUES (2); INSERT INTO "Select From"."we're; --" VALUES (1, 'y')"#)
            .await;
        assert_eq!(
            rows(&reading),
            [
                "Select From.we're; --: - -> 1|y|5",
                "billing.order: - -> 1|2",
                "order: - -> 1|x|2|3"
            ]
        );
        walk.jump_about(&[
            r#"UPDATE "order" SET "Naïve ""col""" = 'é"\\'"#,
            r#"INSERT INTO "Mixed" VALUES (1, 2, 3), (1, 2, 3); TRUNCATE "Select From"."we're; --""#,
            r#"DELETE FROM "Mixed"; DELETE FROM billing."order""#,
        ])
        .await;
        walk.finish().await;
    });
}

#[test]
fn observed_and_ignored_tables_and_columns_are_told_apart() {
    run(async {
        let mut walk = Walk::configured(
            "CREATE SCHEMA audit; CREATE TABLE orders (id int PRIMARY KEY, etag text, at int); CREATE TABLE other (id int PRIMARY KEY);
             CREATE TABLE audit.log (id serial PRIMARY KEY); CREATE TABLE jobs (id serial PRIMARY KEY);
             CREATE TABLE p (id int, at int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
            |config| {
                config.observe_tables = Some(vec!["orders".into(), "public.p".into()]);
                config.ignore_columns = vec!["*.at".into(), "orders.etag".into()];
                config.ignore_tables = vec!["audit.*".into(), "jobs".into()];
            },
        )
        .await;
        let before = walk.state.delta.digest();
        walk.step("INSERT INTO other VALUES (1)").await;
        assert_eq!(walk.state.delta.digest(), before);
        walk.step("INSERT INTO orders VALUES (1, 'a', 1); INSERT INTO p VALUES (1, 1)")
            .await;
        let there = walk.state.delta.digest();
        assert_ne!(there, before);
        walk.step("UPDATE orders SET etag = 'b', at = 2; UPDATE p SET at = 5")
            .await;
        assert_eq!(walk.state.delta.digest(), there);
        let reading = walk
            .step("INSERT INTO audit.log DEFAULT VALUES; INSERT INTO jobs DEFAULT VALUES")
            .await;
        assert!(reading.delta.is_empty(), "{:?}", reading.delta);
        walk.restore(&SystemState::default()).await;
        walk.system.uninstall().await.unwrap();
        let left = walk.database.psql("SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM orders), (SELECT count(*) FROM audit.log)");
        assert_eq!(left, "1|0|1", "ignored tables are left alone");
    });
}

#[test]
fn patterns_that_match_nothing_are_told_and_those_of_schemas_and_partitions_match() {
    run(async {
        let mut walk = Walk::configured(
            "CREATE SCHEMA audit; CREATE TABLE orders (id int PRIMARY KEY, at int); CREATE TABLE audit.log (id serial PRIMARY KEY);
             CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
            |config| {
                config.observe_tables = Some(vec!["p".into(), "public.*".into(), "!ordres".into()]);
                config.ignore_columns = vec!["*.at".into(), "audit.log.id".into(), "orders.et".into()];
                config.ignore_tables = vec!["audit.*".into(), "log".into(), "log_id_seq".into()];
            },
        )
        .await;
        walk.system.uninstall().await.unwrap();
        walk.system.install().await.unwrap();
        let reading = walk.system.read(&SystemState::default()).await.unwrap();
        let told: Vec<(&str, &str)> = reading
            .warnings
            .iter()
            .map(|it| (it.message.as_str(), it.help.as_deref().unwrap_or_default()))
            .collect();
        let system = "of system `db` matches no";
        assert_eq!(
            told.iter()
                .map(|(message, _)| (*message).to_owned())
                .collect::<Vec<_>>(),
            [
                format!("`!ordres` under `observe_tables` {system} table"),
                format!("`log` under `ignore_tables` {system} table"),
                format!("`log_id_seq` under `ignore_tables` {system} table"),
                format!("`orders.et` under `ignore_columns` {system} column"),
            ]
        );
        assert!(
            told[0]
                .1
                .starts_with("did you mean `!orders`? The tables are `audit.log`, `orders`, `p1`;"),
            "{told:?}"
        );
        assert!(
            told[3]
                .1
                .starts_with("did you mean `orders.at`? The columns are `orders.at`, `orders.id`;"),
            "{told:?}"
        );
        walk.finish().await;
    });
}

#[test]
fn a_change_of_the_schema_ends_the_run_with_a_clear_error() {
    run(async {
        for (change, named) in [
            ("ALTER TABLE t DROP COLUMN n", "ALTER TABLE"),
            ("ALTER TABLE t ALTER COLUMN n TYPE bigint", "ALTER TABLE"),
            ("ALTER TABLE t DISABLE TRIGGER ALL", "ALTER TABLE"),
            ("CREATE TABLE fresh AS SELECT 1 AS n", "CREATE TABLE AS"),
            ("DROP TABLE t", "DROP TABLE"),
            ("DROP TABLE counted", "DROP TABLE"),
            ("CREATE SEQUENCE q", "CREATE SEQUENCE"),
            (
                "ALTER SEQUENCE counted_id_seq INCREMENT 5",
                "ALTER SEQUENCE",
            ),
            (
                "ALTER SEQUENCE counted_id_seq MAXVALUE 10",
                "ALTER SEQUENCE",
            ),
            (
                "ALTER SEQUENCE counted_id_seq RENAME TO other",
                "ALTER SEQUENCE",
            ),
            ("ALTER TYPE mood ADD VALUE 'angry'", "ALTER TYPE"),
            (
                "CREATE TRIGGER same BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
                "CREATE TRIGGER",
            ),
            (
                "CREATE RULE never AS ON DELETE TO t DO INSTEAD NOTHING",
                "CREATE RULE",
            ),
        ] {
            let mut walk = Walk::new(
                "CREATE TYPE mood AS ENUM ('fine'); CREATE TABLE t (id int PRIMARY KEY, n int); CREATE TABLE counted (id serial)",
            )
            .await;
            walk.sql(change).await;
            let error = walk.try_read().await.unwrap_err();
            assert!(
                error.message.contains("has changed during the run")
                    && error.message.contains(named),
                "{change}: {error:?}"
            );
            assert!(error.help.is_some());
            walk.system.uninstall().await.unwrap();
            assert_eq!(
                super::fixture::leftovers(&walk.service).await,
                0,
                "{change}"
            );
        }
    });
}

#[test]
fn what_does_not_concern_the_journal_may_change() {
    run(async {
        let mut walk =
            Walk::new("CREATE TABLE t (id int PRIMARY KEY, n int); CREATE SEQUENCE numbers").await;
        walk.sql(
            "ALTER SEQUENCE numbers RESTART WITH 50; ALTER SEQUENCE numbers RESTART; ALTER SEQUENCE numbers OWNED BY t.n;
             CREATE TEMPORARY TABLE scratch (n int); INSERT INTO scratch VALUES (1);
             CREATE TRIGGER same BEFORE UPDATE ON scratch FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
             CREATE RULE never AS ON DELETE TO scratch DO INSTEAD NOTHING; DROP RULE never ON scratch; DROP TRIGGER same ON scratch; ALTER TABLE scratch ADD COLUMN m int; DROP TABLE scratch;
             CREATE INDEX ON t (n); CREATE TABLE IF NOT EXISTS t (id int); CREATE VIEW v AS SELECT * FROM t; DROP VIEW v; ANALYZE t;
             COMMENT ON TABLE t IS 'x'; GRANT SELECT ON t TO PUBLIC; REINDEX TABLE t",
        )
        .await;
        walk.sql("VACUUM FULL t").await;
        let reading = walk.step("INSERT INTO t VALUES (1, 1)").await;
        assert_eq!(rows(&reading), ["t: - -> 1|1"]);
        walk.jump_about(&["UPDATE t SET n = 2"]).await;
        walk.system.uninstall().await.unwrap();
        assert_eq!(walk.dump().await, walk.before);
        assert_eq!(super::fixture::leftovers(&walk.service).await, 0);
    });
}

#[test]
fn functions_of_the_application_find_what_they_name_when_rows_are_put_back() {
    run(async {
        let mut walk = Walk::new(
            "CREATE SCHEMA lib;
             CREATE FUNCTION lib.norm(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower(trim($1))';
             CREATE FUNCTION valid(text) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN norm($1) <> ''; END $$;
             CREATE TABLE rates (kind text PRIMARY KEY, rate int); INSERT INTO rates VALUES ('a', 7);
             CREATE FUNCTION rate(text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
               RETURN (SELECT r.rate FROM rates r WHERE kind = norm($1)); EXCEPTION WHEN OTHERS THEN RETURN -1; END $$;
             DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = ''''', current_database()); END $$;
             SET search_path = public, lib;
             CREATE TABLE users (id int PRIMARY KEY, email text CHECK (valid(email)), rate int GENERATED ALWAYS AS (rate(email)) STORED);
             CREATE FUNCTION folded(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN norm($1); END $$;
             CREATE UNIQUE INDEX ON users (folded(email)); CREATE TABLE loose (email text CHECK (valid(email)));
             INSERT INTO users VALUES (1, 'A'), (2, 'b'); INSERT INTO loose VALUES ('x'), ('x')",
        )
        .await;
        walk.jump_about(&[
            "DELETE FROM users WHERE id = 1; DELETE FROM loose",
            "UPDATE users SET email = ' c '",
            "INSERT INTO users VALUES (3, 'a')",
        ])
        .await;
        walk.finish().await;
    });
}
