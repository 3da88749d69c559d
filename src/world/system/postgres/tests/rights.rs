//! Roles that are no superuser.

use super::fixture::{Walk, config, connect, dump, leftovers, rows, run};
use super::support;
use crate::world::WorldError;
use crate::world::system::postgres::PostgresSystem;
use crate::world::system::{System, SystemState};

const SCHEMA: &str = "CREATE SCHEMA billing; CREATE TABLE orders (id serial PRIMARY KEY, n int); \
                      CREATE TABLE billing.invoices (id int PRIMARY KEY); INSERT INTO orders (n) VALUES (1)";

async fn refused(url: &str) -> WorldError {
    let mut system = PostgresSystem::open(&config(url), url).unwrap();
    let error = system.install().await.unwrap_err();
    system.uninstall().await.unwrap();
    error
}

#[test]
fn a_role_without_rights_is_told_every_statement_that_gives_them_and_can_run_then() {
    run(async {
        let database = support::cluster().database();
        let _lowly = database.role("lowly");
        let grant = database.replica("lowly");
        database.psql(SCHEMA);
        let service = connect(&database.url()).await;
        let before = dump(&service).await;
        let url = database.url_as("lowly");
        let error = refused(&url).await;
        assert!(
            error.message.contains("the role `lowly` may not"),
            "{error:?}"
        );
        assert!(error.details.contains(&grant), "{error:?}");
        assert_eq!(leftovers(&service).await, 0);
        // The statements are enough, run as they are; schemas first, for what is in them is only seen then.
        for _ in 0..3 {
            let mut system = PostgresSystem::open(&config(&url), &url).unwrap();
            let Err(error) = system.install().await else {
                system.uninstall().await.unwrap();
                break;
            };
            database.psql(&error.details.join("\n"));
        }
        // The service itself connects as the owner of the tables.
        let mut system = PostgresSystem::open(&config(&url), &url).unwrap();
        system.install().await.unwrap();
        system.mark_initial().await.unwrap();
        let start = SystemState::default();
        service
            .batch_execute(
                "INSERT INTO orders (n) VALUES (2); INSERT INTO billing.invoices VALUES (1)",
            )
            .await
            .unwrap();
        let reading = system.read(&start).await.unwrap();
        assert_eq!(
            rows(&reading),
            ["billing.invoices: - -> 1", "orders: - -> 2|2"]
        );
        let state = SystemState {
            delta: start.delta.after(&reading.delta),
            image: None,
        };
        system.restore(&state, &start).await.unwrap();
        system.verify(&start).await.unwrap();
        assert_eq!(dump(&service).await, before);
        // What another role is doing is seen, though not what its query is.
        service
            .batch_execute("BEGIN; INSERT INTO orders (n) VALUES (3)")
            .await
            .unwrap();
        let reading = system.read(&start).await.unwrap();
        assert!(rows(&reading).is_empty());
        assert_eq!(reading.warnings.len(), 1, "{:?}", reading.warnings);
        service.batch_execute("ROLLBACK").await.unwrap();
        let reading = system.read(&start).await.unwrap();
        let state = SystemState {
            delta: start.delta.after(&reading.delta),
            image: None,
        };
        system.restore(&state, &start).await.unwrap();
        system.read(&start).await.unwrap();
        // Without event triggers the schema is compared: at once after a transaction that left no row in the journal.
        service
            .batch_execute("ALTER TABLE orders RENAME COLUMN n TO m")
            .await
            .unwrap();
        let error = system.read(&start).await.unwrap_err();
        assert!(
            error.message.contains("has changed during the run"),
            "{error:?}"
        );
        service
            .batch_execute("ALTER TABLE orders RENAME COLUMN m TO n")
            .await
            .unwrap();
        // Event triggers, which a superuser has, tell of that as another change.
        let is_told = system.read(&start).await.is_err();
        assert_eq!(is_told, grant.ends_with("SUPERUSER;"));
        for by in [2, 1] {
            let change = format!("ALTER SEQUENCE orders_id_seq INCREMENT {by}");
            service.batch_execute(&change).await.unwrap();
            assert_eq!(system.read(&start).await.is_err(), by == 2);
        }
        // And now and then, for one that changes the schema and writes rows as well.
        service
            .batch_execute(
                "BEGIN; CREATE TABLE late (id int); INSERT INTO orders (n) VALUES (4); COMMIT",
            )
            .await
            .unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        let error = system.read(&start).await.unwrap_err();
        assert!(
            error.message.contains("has changed during the run"),
            "{error:?}"
        );
        service.batch_execute("DROP TABLE late").await.unwrap();
        system.uninstall().await.unwrap();
        assert_eq!(dump(&service).await, before);
        assert_eq!(leftovers(&service).await, 0);
    });
}

#[test]
fn a_service_with_few_rights_is_journalled_without_a_grant() {
    run(async {
        let mut walk = Walk::new("CREATE TABLE t (id int PRIMARY KEY, n int)").await;
        let _clerk = walk.database.role("clerk");
        walk.database.psql("GRANT SELECT, INSERT ON t TO clerk");
        let clerk = connect(&walk.database.url_as("clerk")).await;
        clerk
            .batch_execute("SET ROLE clerk; INSERT INTO t VALUES (1, 1)")
            .await
            .unwrap();
        assert!(
            clerk
                .batch_execute("SELECT * FROM venomqa.journal")
                .await
                .is_err()
        );
        assert_eq!(rows(&walk.read().await), ["t: - -> 1|1"]);
        walk.finish().await;
    });
}

#[test]
fn row_level_security_must_not_hide_rows_from_a_restore() {
    run(async {
        let database = support::cluster().database();
        let _veiled = database.role("veiled");
        database.psql(
            "CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t ENABLE ROW LEVEL SECURITY; GRANT ALL ON t TO veiled;
             GRANT CREATE ON DATABASE \"\" TO veiled".replace("\"\"", &database.name).as_str(),
        );
        let grant = database.replica("veiled");
        let error = refused(&database.url_as("veiled")).await;
        let bypass = "ALTER ROLE \"veiled\" BYPASSRLS;".to_owned();
        assert!(error.details.contains(&grant), "{error:?}");
        assert!(error.details.contains(&bypass), "{error:?}");
        // Whoever acts as a replica before PostgreSQL 15 is a superuser, from whom no row is hidden.
        if grant.starts_with("GRANT") {
            database.psql(&grant);
            let error = refused(&database.url_as("veiled")).await;
            assert_eq!(error.details, [bypass]);
        }
    });
}

#[test]
fn rows_that_could_not_be_put_back_are_refused_with_their_cure() {
    run(async {
        for (schema, expected) in [
            (
                "CREATE TABLE t (n int); CREATE PUBLICATION p FOR TABLE t",
                "ALTER TABLE public.t REPLICA IDENTITY FULL",
            ),
            (
                "CREATE TABLE whole (n int) PARTITION BY LIST (n); CREATE TABLE part PARTITION OF whole DEFAULT;
                 CREATE PUBLICATION p FOR TABLE whole WITH (publish_via_partition_root)",
                "ALTER TABLE public.part REPLICA IDENTITY FULL",
            ),
            (
                "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, -5);
                 ALTER TABLE t ADD CONSTRAINT positive CHECK (n > 0) NOT VALID",
                "ALTER TABLE public.t VALIDATE CONSTRAINT \"positive\"",
            ),
            (
                "CREATE DOMAIN d AS int; CREATE TABLE t (id int PRIMARY KEY, n d); INSERT INTO t VALUES (1, -5);
                 ALTER DOMAIN d ADD CONSTRAINT positive CHECK (VALUE > 0) NOT VALID",
                "ALTER DOMAIN public.d VALIDATE CONSTRAINT \"positive\"",
            ),
            (
                "CREATE TABLE t (id int PRIMARY KEY DEFERRABLE); CREATE PUBLICATION p FOR TABLE t",
                "ALTER TABLE public.t REPLICA IDENTITY FULL",
            ),
            (
                "CREATE TABLE t (id int NOT NULL); CREATE UNIQUE INDEX i ON t (id); ALTER TABLE t REPLICA IDENTITY USING INDEX i;
                 DROP INDEX i; CREATE PUBLICATION p FOR TABLE t",
                "ALTER TABLE public.t REPLICA IDENTITY FULL",
            ),
            (
                "CREATE DOMAIN d AS int; CREATE DOMAIN e AS d; CREATE TABLE t (id int PRIMARY KEY, n e[]); INSERT INTO t VALUES (1, '{-5}');
                 ALTER DOMAIN d ADD CONSTRAINT positive CHECK (VALUE > 0) NOT VALID",
                "ALTER DOMAIN public.d VALIDATE CONSTRAINT \"positive\"",
            ),
            (
                "CREATE DOMAIN d AS int; CREATE TYPE pair AS (a int, b d); CREATE TABLE t (id int PRIMARY KEY, n pair);
                 ALTER DOMAIN d ADD CONSTRAINT positive CHECK (VALUE > 0) NOT VALID",
                "ALTER DOMAIN public.d VALIDATE CONSTRAINT \"positive\"",
            ),
            (
                "CREATE TABLE t (id int PRIMARY KEY); CREATE FUNCTION shown(t) RETURNS text LANGUAGE sql AS 'SELECT ''EUR'' || $1.id';
                 CREATE CAST (t AS text) WITH FUNCTION shown(t)",
                "DROP CAST (public.t AS text)",
            ),
            (
                "CREATE TABLE t (id int PRIMARY KEY); CREATE FUNCTION made(text) RETURNS t LANGUAGE sql AS 'SELECT ROW(0)::t';
                 CREATE CAST (text AS t) WITH FUNCTION made(text)",
                "DROP CAST (text AS public.t)",
            ),
            (
                "CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
                 CREATE EVENT TRIGGER audit ON ddl_command_end EXECUTE FUNCTION noted(); ALTER EVENT TRIGGER audit ENABLE ALWAYS",
                "ALTER EVENT TRIGGER audit ENABLE",
            ),
        ] {
            let database = support::cluster().database();
            database.psql(schema);
            let error = refused(&database.url()).await;
            let told = error.details.iter().any(|line| line.contains(expected));
            assert!(told, "{error:?}");
        }
    });
}

#[test]
fn a_schema_with_the_name_of_the_journal_is_left_alone() {
    run(async {
        let database = support::cluster().database();
        database.psql("CREATE SCHEMA venomqa; CREATE TABLE venomqa.mine (n int); CREATE TABLE venomqa.run (n int)");
        let service = connect(&database.url()).await;
        let mut system = PostgresSystem::open(&config(&database.url()), &database.url()).unwrap();
        let error = system.install().await.unwrap_err();
        assert!(error.help.is_some_and(|help| help.contains("rename")));
        system.uninstall().await.unwrap();
        let mine = service.query("SELECT FROM venomqa.mine", &[]).await;
        assert!(mine.is_ok_and(|rows| rows.is_empty()));
    });
}

#[test]
fn what_stands_in_no_restores_way_is_no_reason_to_refuse() {
    run(async {
        let mut walk = Walk::new(
            "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 5), (2, NULL);
             ALTER TABLE t ADD CONSTRAINT positive CHECK (n > 0) NOT VALID;
             CREATE TABLE loose (n int); ALTER TABLE loose REPLICA IDENTITY FULL; CREATE TABLE added (n int);
             CREATE PUBLICATION p FOR TABLE t, loose; CREATE PUBLICATION additions FOR TABLE added WITH (publish = 'insert')",
        )
        .await;
        walk.jump_about(&[
            "DELETE FROM t",
            "INSERT INTO loose VALUES (1); INSERT INTO added VALUES (2)",
        ])
        .await;
        walk.finish().await;
    });
}

#[test]
fn triggers_that_would_fire_during_a_restore_are_refused_with_their_cure() {
    run(async {
        let database = support::cluster().database();
        database.psql(
            "CREATE TABLE t (id int PRIMARY KEY); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER always BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE t ENABLE ALWAYS TRIGGER always",
        );
        let error = refused(&database.url()).await;
        assert!(error.details[0].contains("the trigger always"), "{error:?}");
        assert!(
            error.details[0].contains("ENABLE TRIGGER always"),
            "{error:?}"
        );
    });
}

#[test]
fn what_a_publication_wants_of_rows_is_for_the_server_to_say() {
    run(async {
        let database = support::cluster().database();
        let version: u32 = database
            .psql("SHOW server_version_num")
            .parse()
            .expect("a number");
        if version < 150_000 {
            // Publications have neither conditions nor columns.
            return;
        }
        for (publication, refuses) in [
            ("FOR TABLE t WHERE (n > 0)", true),
            ("FOR TABLE t WHERE (id > 0)", false),
            ("FOR TABLE t (n)", true),
            ("FOR TABLE t (id)", false),
        ] {
            let database = support::cluster().database();
            database.psql(&format!(
                "CREATE TABLE t (id int PRIMARY KEY, n int); CREATE PUBLICATION p {publication}"
            ));
            let url = database.url();
            let mut system = PostgresSystem::open(&config(&url), &url).unwrap();
            let installed = system.install().await;
            assert_eq!(installed.is_err(), refuses, "{publication}: {installed:?}");
            system.uninstall().await.unwrap();
        }
    });
}

#[test]
fn a_database_that_may_hold_bytes_of_no_encoding_is_refused() {
    run(async {
        let cluster = support::cluster();
        let database = cluster.database();
        let name = format!("{}_no_text", database.name);
        database.psql(&format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
        ));
        let error = refused(&cluster.url("postgres", &name)).await;
        database.psql(&format!("DROP DATABASE {name} WITH (FORCE)"));
        assert!(error.details[0].contains("SQL_ASCII"), "{error:?}");
    });
}

#[test]
fn a_condition_that_may_answer_otherwise_another_time_is_told_at_the_start() {
    run(async {
        let database = support::cluster().database();
        database.psql(
            "CREATE FUNCTION has_parent(int) RETURNS bool LANGUAGE sql AS 'SELECT true';
             CREATE FUNCTION positive(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 > 0';
             CREATE DOMAIN rid AS int CHECK (has_parent(VALUE)); CREATE FUNCTION off(int, int) RETURNS bool LANGUAGE sql AS 'SELECT $1 <> $2';
             CREATE OPERATOR ?! (LEFTARG = int, RIGHTARG = int, FUNCTION = off);
             CREATE FUNCTION twice(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
             CREATE TABLE t (id int PRIMARY KEY CHECK (positive(id)), until timestamptz, parent int, since date CHECK (since > '2020-01-01'),
               CONSTRAINT current CHECK (until > CURRENT_TIMESTAMP), CONSTRAINT known CHECK (has_parent(parent)),
               r rid[], CONSTRAINT odd CHECK (parent ?! 1), CONSTRAINT of_day CHECK (until::date > since),
               own int GENERATED ALWAYS AS (twice(id)) STORED, plain int GENERATED ALWAYS AS (id * 2) STORED)",
        );
        let url = database.url();
        let mut system = PostgresSystem::open(&config(&url), &url).unwrap();
        system.install().await.unwrap();
        let warnings = system.read(&SystemState::default()).await.unwrap().warnings;
        system.uninstall().await.unwrap();
        let told: Vec<&str> = warnings
            .iter()
            .map(|warning| warning.message.as_str())
            .collect();
        let expected = [
            "the condition `current` of public.t depends on the clock or the session:",
            "the condition `known` of public.t calls public.has_parent(integer):",
            "the condition `odd` of public.t calls public.off(integer,integer):",
            "the condition `of_day` of public.t calls ",
            "the condition `rid_check` of public.t calls public.has_parent(integer):",
            "the generated column `own` of public.t calls public.twice(integer):",
        ];
        for expected in expected {
            let is_told = told.iter().any(|told| told.starts_with(expected));
            assert!(is_told, "{expected} {told:#?}");
        }
        assert_eq!(told.len(), expected.len(), "{told:#?}");
    });
}

#[test]
fn a_plain_role_notices_what_comes_to_a_table_and_what_is_replaced() {
    run(async {
        for change in [
            "CREATE TRIGGER same BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "CREATE OR REPLACE RULE quiet AS ON DELETE TO t WHERE OLD.n < 0 DO INSTEAD NOTHING",
            "ALTER TABLE t ADD CONSTRAINT positive CHECK (n > 0)",
            "ALTER TABLE whole DETACH PARTITION part",
        ] {
            let database = support::cluster().database();
            let plain = database.role("plain");
            // The first column of the table is gone.
            database.psql(&format!(
                "CREATE TABLE t (x int, id int PRIMARY KEY, n int); ALTER TABLE t DROP COLUMN x;
                 CREATE RULE quiet AS ON DELETE TO t WHERE OLD.n > 0 DO INSTEAD NOTHING;
                 CREATE TABLE whole (n int PRIMARY KEY) PARTITION BY LIST (n); CREATE TABLE part PARTITION OF whole DEFAULT;
                 GRANT CREATE ON DATABASE {} TO plain; GRANT SELECT, INSERT, DELETE, TRIGGER ON ALL TABLES IN SCHEMA public TO plain; {}",
                database.name,
                database.replica("plain")
            ));
            let url = database.url_as(plain.name);
            let mut system = PostgresSystem::open(&config(&url), &url).unwrap();
            system.install().await.unwrap();
            system.mark_initial().await.unwrap();
            let start = SystemState::default();
            system.read(&start).await.unwrap();
            database.psql(change);
            let error = system.read(&start).await.unwrap_err();
            assert!(
                error.message.contains("has changed during the run"),
                "{change}: {error:?}"
            );
            system.uninstall().await.unwrap();
        }
    });
}
