//! Functions of the application that look up names when rows are written: rows are put back exactly, or not touched.

use super::fixture::{Walk, config, connect, dump, leftovers, run};
use super::support;
use crate::world::WorldErrorKind;
use crate::world::system::System as _;
use crate::world::system::postgres::{PostgresSystem, recover};

/// `app.via` finds another `norm` in each of two schemas, and the key of an index depends on it.
const INDEXED: &str = "CREATE SCHEMA app; CREATE FUNCTION public.norm(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT upper($1)';
    CREATE FUNCTION app.norm(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)';
    CREATE FUNCTION app.via(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN norm($1); END';
    CREATE FUNCTION app.keyof(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN app.via($1); END';
    CREATE TABLE app.u (id int PRIMARY KEY, e text); CREATE UNIQUE INDEX ON app.u (app.keyof(e));";

/// What may be in `n` depends on which `top` is found.
const LIMITED: &str = "CREATE SCHEMA app; CREATE FUNCTION public.top() RETURNS int LANGUAGE sql AS 'SELECT 10';
    CREATE FUNCTION app.top() RETURNS int LANGUAGE sql AS 'SELECT 100';
    CREATE FUNCTION app.fits(int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 <= top(); END';
    CREATE TABLE app.t (id serial PRIMARY KEY, n int CHECK (app.fits(n)));";

const AS_THE_SERVICE: &str = "SET search_path = app, public;";

#[test]
fn a_function_that_finds_the_same_as_the_service_is_warned_of_and_rows_come_back() {
    run(async {
        let mut walk = Walk::new(&format!("{INDEXED} INSERT INTO app.u VALUES (1, 'a')")).await;
        walk.system.uninstall().await.unwrap();
        walk.system.install().await.unwrap();
        walk.system.mark_initial().await.unwrap();
        let warnings = walk.read().await.warnings;
        let warned: Vec<_> = warnings.iter().map(|warning| warning.code.name()).collect();
        assert_eq!(warned, ["ambiguous-function"]);
        assert!(
            warnings[0].message.contains("app.via(text)"),
            "{warnings:?}"
        );
        assert!(warnings[0].message.contains("`norm`"), "{warnings:?}");
        walk.jump_about(&[
            "INSERT INTO app.u VALUES (2, 'b')",
            "DELETE FROM app.u",
            "INSERT INTO app.u VALUES (1, 'A')",
        ])
        .await;
        walk.finish().await;
    });
}

#[test]
fn rows_that_would_not_come_back_as_the_service_wrote_them_are_refused_at_the_start() {
    run(async {
        for (schema, reason, cure) in [
            (
                format!("{INDEXED} {AS_THE_SERVICE} INSERT INTO u VALUES (1, 'a')"),
                "the index app.u_keyof_idx knows rows by another value of app.keyof(e)",
                "ALTER FUNCTION app.via(text) SET search_path",
            ),
            (
                format!("{LIMITED} {AS_THE_SERVICE} INSERT INTO t (n) VALUES (50)"),
                "violates check constraint",
                "ALTER FUNCTION app.fits(integer) SET search_path",
            ),
        ] {
            let database = support::cluster().database();
            database.psql(&schema);
            let url = database.url();
            let service = connect(&url).await;
            let before = dump(&service).await;
            let mut system = PostgresSystem::open(&config(&url), &url).unwrap();
            let error = system.install().await.unwrap_err();
            system.uninstall().await.unwrap();
            for expected in [reason, cure] {
                let is_told = error.details.iter().any(|line| line.contains(expected));
                assert!(is_told, "{expected}: {error:?}");
            }
            assert_eq!(dump(&service).await, before);
        }
    });
}

#[test]
fn rows_that_the_service_writes_later_are_left_alone_where_they_would_not_come_back() {
    run(async {
        let mut walk = Walk::new(LIMITED).await;
        let start = walk.state.clone();
        walk.step(&format!("{AS_THE_SERVICE} INSERT INTO t (n) VALUES (50)"))
            .await;
        walk.sql("RESET search_path").await;
        let there = walk.dump().await;
        let error = walk.try_restore(&start).await.unwrap_err();
        assert_eq!(error.kind, WorldErrorKind::Restore);
        assert!(
            error.details[0].contains("violates check constraint"),
            "{error:?}"
        );
        assert_eq!(walk.dump().await, there);
        walk.finish().await;
    });
}

#[test]
fn a_row_that_no_rehearsal_met_is_kept_in_the_journal_until_its_function_is_cured() {
    run(async {
        let mut walk = Walk::new(&format!(
            "{LIMITED} {AS_THE_SERVICE} INSERT INTO t (n) SELECT 1 FROM generate_series(1, 100); INSERT INTO t (n) VALUES (50); RESET search_path"
        ))
        .await;
        let start = walk.state.clone();
        walk.step("DELETE FROM app.t WHERE n = 50").await;
        let error = walk.try_restore(&start).await.unwrap_err();
        assert!(
            error.message.contains("violates check constraint"),
            "{error:?}"
        );
        assert!(error.help.unwrap().contains("SET search_path"));
        assert!(walk.system.uninstall().await.is_err());
        assert!(leftovers(&walk.service).await > 0);
        assert_ne!(walk.dump().await, walk.before);
        let url = walk.database.url();
        walk.system = PostgresSystem::open(&config(&url), &url).unwrap();
        walk.sql("ALTER FUNCTION app.fits(int) SET search_path = app")
            .await;
        recover(&url, false).await.unwrap().unwrap();
        assert_eq!(walk.dump().await, walk.before);
        assert_eq!(leftovers(&walk.service).await, 0);
    });
}

/// What makes `app.via` return another text in a session of the service than in venomqa's, and a table.
const SUBTLE: &str = "CREATE SCHEMA app; CREATE FUNCTION public.norm(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT upper($1)';
    CREATE FUNCTION app.norm(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)';
    CREATE FUNCTION public.live(text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT false';
    CREATE FUNCTION app.live(text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';
    CREATE FUNCTION app.viat(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN norm($1); END';
    CREATE FUNCTION app.via(text) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN live($1); END';
    CREATE TABLE app.t (id int PRIMARY KEY, e text);";

#[test]
fn what_cannot_be_checked_in_an_index_is_refused() {
    run(async {
        for (index, function, name) in [
            (
                "CREATE UNIQUE INDEX ON app.t (e) WHERE app.via(e)",
                "app.via(text)",
                "live",
            ),
            (
                "CREATE INDEX ON app.t (app.viat(e)) WHERE app.via(e)",
                "app.via(text)",
                "live",
            ),
            (
                "CREATE INDEX ON app.t USING hash (app.viat(e))",
                "app.viat(text)",
                "norm",
            ),
            (
                "CREATE INDEX ON app.t USING gin ((ARRAY[app.viat(e)]))",
                "app.viat(text)",
                "norm",
            ),
            (
                "CREATE INDEX ON app.t USING brin (app.viat(e))",
                "app.viat(text)",
                "norm",
            ),
        ] {
            let database = support::cluster().database();
            database.psql(&format!(
                "{SUBTLE} {AS_THE_SERVICE} {index}; INSERT INTO t VALUES (1, 'a')"
            ));
            let url = database.url();
            let service = connect(&url).await;
            let before = dump(&service).await;
            let mut system = PostgresSystem::open(&config(&url), &url).unwrap();
            let error = system.install().await.unwrap_err();
            system.uninstall().await.unwrap();
            let expected = format!(
                "the function {function} is asked when rows are written, and names `{name}`, which is in several schemas: which of \
                 them it finds depends on the session: `ALTER FUNCTION {function} SET search_path = ...`"
            );
            assert!(error.details.contains(&expected), "{index}: {error:?}");
            assert_eq!(dump(&service).await, before);
        }
    });
}

/// Rows in front whose keys are the same in every session.
const IN_FRONT: &str = "INSERT INTO t SELECT n, n::text FROM generate_series(1, 120) AS n;";

#[test]
fn a_row_behind_many_others_is_checked_at_the_start() {
    run(async {
        for (addition, reason) in [
            (
                "CREATE UNIQUE INDEX ON app.t (app.viat(e))",
                "the index app.t_viat_idx knows rows by another value of app.viat(e)",
            ),
            (
                "ALTER TABLE app.t ADD g text GENERATED ALWAYS AS (app.viat(e)) STORED",
                "the generated column g holds another value of app.viat(e)",
            ),
        ] {
            let database = support::cluster().database();
            database.psql(&format!(
                "{SUBTLE} {addition}; {AS_THE_SERVICE} {IN_FRONT} INSERT INTO t VALUES (121, 'a')"
            ));
            let url = database.url();
            let mut system = PostgresSystem::open(&config(&url), &url).unwrap();
            let error = system.install().await.unwrap_err();
            system.uninstall().await.unwrap();
            assert!(error.details[0].contains(reason), "{error:?}");
        }
    });
}

#[test]
fn a_row_behind_many_others_is_checked_before_the_service_can_delete_it() {
    run(async {
        let schema = format!(
            "{SUBTLE} CREATE UNIQUE INDEX ON app.t (app.viat(e)); {AS_THE_SERVICE} {IN_FRONT} INSERT INTO t VALUES (121, NULL)"
        );
        let mut walk = Walk::new(&schema).await;
        let start = walk.state.clone();
        // The first restore has rehearsed the table.
        walk.step("DELETE FROM t WHERE id > 100").await;
        walk.restore(&start).await;
        walk.sql("INSERT INTO t VALUES (122, 'a')").await;
        let error = walk.try_read().await.unwrap_err();
        assert_eq!(error.kind, WorldErrorKind::Restore);
        assert!(
            error.details[0].contains("the index app.t_viat_idx knows rows by another value"),
            "{error:?}"
        );
        walk.finish().await;
    });
}
