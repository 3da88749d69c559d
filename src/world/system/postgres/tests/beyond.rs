//! What cannot be put back: said at the start, and again, as a reason not to trust the run, when the service writes it.

use super::fixture::{Walk, rows, run};
use crate::world::Warning;
use crate::world::system::{System as _, SystemState};

fn said(warnings: &[Warning], words: &str, untrusted: bool) {
    assert!(
        warnings
            .iter()
            .any(|warning| warning.message.contains(words) && warning.untrusted == untrusted),
        "{words}: {warnings:?}"
    );
}

/// What a run that starts now says.
async fn said_at_the_start(walk: &mut Walk) -> Vec<Warning> {
    walk.system.uninstall().await.unwrap();
    walk.system.install().await.unwrap();
    walk.system.mark_initial().await.unwrap();
    walk.state = SystemState::default();
    walk.read().await.warnings
}

#[test]
fn views_show_what_is_put_back_and_what_cannot_be_is_said() {
    run(async {
        let mut walk = Walk::new(
            "CREATE TABLE t (id int PRIMARY KEY); CREATE VIEW v AS SELECT * FROM t; CREATE MATERIALIZED VIEW m AS SELECT * FROM t;
             CREATE EXTENSION IF NOT EXISTS file_fdw; CREATE SERVER s FOREIGN DATA WRAPPER file_fdw;
             CREATE FOREIGN TABLE f (a text) SERVER s OPTIONS (filename '/dev/null'); CREATE SEQUENCE c CACHE 10",
        )
        .await;
        // The fixture's first reading took the warnings; a second system says them again.
        walk.step("INSERT INTO v VALUES (1)").await;
        let one = walk.state.clone();
        walk.step("DELETE FROM v").await;
        walk.restore(&one).await;
        walk.system.uninstall().await.unwrap();
        walk.system.install().await.unwrap();
        let reading = walk.system.read(&SystemState::default()).await.unwrap();
        let said: Vec<&str> = reading
            .warnings
            .iter()
            .map(|warning| warning.message.as_str())
            .collect();
        for word in [
            "materialized view `m`",
            "foreign table `f`",
            "sequence `c` has a `CACHE`",
        ] {
            assert!(
                said.iter().any(|text| text.contains(word)),
                "{word}: {said:?}"
            );
        }
        walk.finish().await;
    });
}

#[test]
fn a_refresh_of_a_materialized_view_is_noticed() {
    run(async {
        let mut walk = Walk::new(
            "CREATE TABLE t (id int PRIMARY KEY); CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE UNIQUE INDEX ON m (id)",
        )
        .await;
        let reading = walk.step("INSERT INTO t VALUES (1)").await;
        assert!(reading.warnings.is_empty());
        for refresh in [
            "REFRESH MATERIALIZED VIEW m",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
        ] {
            let mut walk = Walk::new(
                "CREATE TABLE t (id int PRIMARY KEY); CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE UNIQUE INDEX ON m (id)",
            )
            .await;
            let reading = walk
                .step(&format!("INSERT INTO t VALUES (1); {refresh}"))
                .await;
            said(
                &reading.warnings,
                "refreshed the materialized view `public.m`",
                true,
            );
            assert_eq!(rows(&reading), ["t: - -> 1"]);
            // Once is enough.
            assert!(walk.step(refresh).await.warnings.is_empty());
            walk.finish().await;
        }
        walk.finish().await;
    });
}

#[test]
fn a_write_to_a_foreign_table_is_noticed() {
    run(async {
        let mut walk =
            Walk::new("CREATE TABLE behind (id int PRIMARY KEY); CREATE TABLE t (id int)").await;
        walk.system.uninstall().await.unwrap();
        // The port is in the server's setting only where it was not left to the environment.
        walk.sql(
            "CREATE EXTENSION postgres_fdw; DO $$ BEGIN EXECUTE format('CREATE SERVER here FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname %L, host %L, port %L)',
               current_database(), split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port')); END $$;
             CREATE USER MAPPING FOR CURRENT_USER SERVER here; CREATE SCHEMA far;
             CREATE FOREIGN TABLE far.there (id int) SERVER here OPTIONS (schema_name 'public', table_name 'behind')",
        )
        .await;
        let warnings = said_at_the_start(&mut walk).await;
        said(&warnings, "foreign table `far.there`", false);
        assert!(
            walk.step("SELECT * FROM far.there")
                .await
                .warnings
                .is_empty()
        );
        let reading = walk.step("INSERT INTO far.there VALUES (1)").await;
        said(
            &reading.warnings,
            "wrote to the foreign table `far.there`",
            true,
        );
        walk.restore(&SystemState::default()).await;
        walk.system.uninstall().await.unwrap();
        assert_eq!(super::fixture::leftovers(&walk.service).await, 0);
        let triggers = walk
            .database
            .psql("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal");
        assert_eq!(triggers, "0");
    });
}

#[test]
fn a_large_object_is_noticed_when_it_is_made_and_when_it_was_there_before() {
    run(async {
        let mut walk = Walk::new("CREATE TABLE t (id int PRIMARY KEY, file oid)").await;
        assert!(
            walk.step("INSERT INTO t VALUES (1)")
                .await
                .warnings
                .is_empty()
        );
        let reading = walk
            .step("INSERT INTO t VALUES (2, lo_from_bytea(0, 'content'))")
            .await;
        said(&reading.warnings, "has made a large object", true);
        assert!(
            walk.step("INSERT INTO t VALUES (3, lo_from_bytea(0, 'content'))")
                .await
                .warnings
                .is_empty()
        );
        let warnings = said_at_the_start(&mut walk).await;
        said(&warnings, "holds large objects", false);
        assert!(walk.step("SELECT lo_create(0)").await.warnings.is_empty());
        walk.system.uninstall().await.unwrap();
    });
}
