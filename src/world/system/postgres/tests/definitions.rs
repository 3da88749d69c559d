//! What a run changes beside rows is put back and named, or named where it cannot be put back.

use std::collections::BTreeMap;

use super::fixture::{OnServer, Walk, leftovers, run};
use crate::world::system::System as _;
use crate::world::system::contract::Fixture as _;
use crate::world::system::postgres::definitions::DEFINITIONS;
use crate::world::{Warning, WarningCode};

const SCHEMA: &str = r#"
CREATE TYPE mood AS ENUM ('fine', 'it''s'); CREATE DOMAIN positive AS int DEFAULT 3 CHECK (VALUE > 0); CREATE TYPE pair AS (a int, b text);
CREATE TABLE items (id serial PRIMARY KEY, n int NOT NULL DEFAULT 4, m mood, name text CONSTRAINT one_name UNIQUE, CONSTRAINT small CHECK (n < 100));
CREATE TABLE "Odd ""T" (id int GENERATED ALWAYS AS IDENTITY, "C c" text REFERENCES items (name));
CREATE TABLE parts (k int, v int) PARTITION BY LIST (k); CREATE TABLE part_1 PARTITION OF parts FOR VALUES IN (1); CREATE INDEX by_v ON parts (v);
CREATE VIEW names AS SELECT id, name FROM items; CREATE VIEW more_names WITH (security_barrier) AS SELECT name FROM names;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM items; CREATE UNIQUE INDEX one_count ON counted (n);
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2';
CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER seen BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION seen();
CREATE TRIGGER instead INSTEAD OF INSERT ON names FOR EACH ROW EXECUTE FUNCTION seen();
ALTER TABLE items ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON items FOR SELECT USING (n > 1);
CREATE RULE never AS ON DELETE TO "Odd ""T" DO INSTEAD NOTHING;
COMMENT ON TABLE items IS 'it''s'; COMMENT ON COLUMN items.n IS 'n'; COMMENT ON FUNCTION twice(int) IS 'two'; COMMENT ON TRIGGER seen ON items IS 'x';
GRANT SELECT ON names TO PUBLIC; GRANT UPDATE (n) ON items TO PUBLIC;
CREATE SEQUENCE tickets INCREMENT 3; CREATE INDEX by_n ON items (n) WHERE n > 2; CREATE STATISTICS both_of ON n, name FROM items;
ALTER TABLE items CLUSTER ON one_name, ALTER m SET STATISTICS 7, ALTER m SET (n_distinct = 3); ALTER TABLE "Odd ""T" ALTER "C c" SET STORAGE MAIN;
INSERT INTO items (n, name) VALUES (1, 'x'), (2, 'y'); INSERT INTO "Odd ""T" ("C c") VALUES ('x'); SELECT nextval('tickets'), nextval('tickets')"#;

/// A change, and what is said of it. All of it is put back.
const CHANGES: &[(&str, &[&str])] = &[
    (
        "CREATE OR REPLACE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 0'",
        &["function `public.twice(integer)` was changed", "SELECT 0"],
    ),
    (
        "DROP FUNCTION twice",
        &["function `public.twice(integer)` was dropped"],
    ),
    (
        "CREATE FUNCTION fresh() RETURNS int LANGUAGE sql AS 'SELECT 7'",
        &["function `public.fresh()` was new", "SELECT 7"],
    ),
    (
        "DROP FUNCTION seen CASCADE",
        &["function `public.seen()`", "trigger `seen on public.items`"],
    ),
    (
        "DROP POLICY few ON items",
        &["policy `few on public.items`"],
    ),
    (
        "CREATE POLICY any_of ON items USING (true)",
        &["policy `any_of on public.items` was new"],
    ),
    (
        "ALTER POLICY few ON items USING (n > 5)",
        &["policy `few on public.items`"],
    ),
    (
        "CREATE TYPE colour AS ENUM ('red')",
        &["type `public.colour` was new"],
    ),
    ("DROP TYPE pair", &["type `public.pair` was dropped"]),
    (
        "ALTER DOMAIN positive DROP CONSTRAINT positive_check",
        &["constraint `positive_check on public.positive`"],
    ),
    (
        "DROP MATERIALIZED VIEW counted",
        &["materialized view `public.counted`"],
    ),
    (
        "CREATE MATERIALIZED VIEW mine AS SELECT 1 AS n",
        &["materialized view `public.mine` was new"],
    ),
    (
        "CREATE OR REPLACE VIEW names AS SELECT 0 AS id, name FROM items",
        &["view `public.names` was changed"],
    ),
    (
        "DROP VIEW names CASCADE",
        &["view `public.names`", "view `public.more_names`"],
    ),
    ("DROP INDEX by_n", &["index `public.by_n`"]),
    ("DROP INDEX by_v", &["index `public.by_v`"]),
    (
        "CREATE INDEX by_name ON items (name, n)",
        &["index `public.by_name` was new"],
    ),
    (
        "GRANT SELECT ON items TO PUBLIC",
        &["privileges on `public.items for PUBLIC` were new"],
    ),
    (
        "REVOKE SELECT ON names FROM PUBLIC",
        &["privileges on `public.names for PUBLIC`"],
    ),
    (
        "REVOKE UPDATE (n) ON items FROM PUBLIC",
        &["privileges on `public.items (n) for PUBLIC`"],
    ),
    (
        "COMMENT ON TABLE items IS NULL; COMMENT ON COLUMN items.id IS 'i'",
        &[
            "comment on `table public.items`",
            "public.items.id` was new",
        ],
    ),
    ("DROP RULE never ON \"Odd \"\"T\"", &["rule `never on"]),
    (
        "ALTER SEQUENCE tickets INCREMENT 1 CYCLE",
        &["settings of `public.tickets`"],
    ),
    ("DROP SEQUENCE tickets", &["sequence `public.tickets`"]),
    (
        "DROP SEQUENCE items_id_seq CASCADE",
        &[
            "sequence `public.items_id_seq`",
            "default of `public.items.id`",
        ],
    ),
    (
        "ALTER TABLE items DROP CONSTRAINT one_name CASCADE; INSERT INTO items (name) VALUES ('x')",
        &["constraint `one_name on public.items`", "Odd"],
    ),
    (
        "ALTER TABLE items DROP CONSTRAINT small; INSERT INTO items (n) VALUES (1000)",
        &["constraint `small on public.items`"],
    ),
    (
        "ALTER TABLE items DROP CONSTRAINT items_pkey",
        &["constraint `items_pkey on public.items`"],
    ),
    (
        "ALTER TABLE items ALTER n SET DEFAULT 9, ALTER n DROP NOT NULL; INSERT INTO items (n) VALUES (NULL)",
        &[
            "default of `public.items.n`",
            "not null of `public.items.n`",
        ],
    ),
    (
        "ALTER TABLE items ALTER name SET STORAGE EXTERNAL, ALTER name SET STATISTICS 500, ALTER m SET STATISTICS -1, ALTER m RESET (n_distinct)",
        &[
            "column settings of `public.items.name` were changed",
            "column settings of `public.items.m`",
        ],
    ),
    (
        "ALTER TABLE \"Odd \"\"T\" ALTER \"C c\" SET STORAGE PLAIN, ALTER \"C c\" SET (n_distinct = -1)",
        &["column settings of `public.\"Odd \"\"T\".\"C c\"`"],
    ),
    (
        "ALTER TABLE items DISABLE ROW LEVEL SECURITY",
        &["row level security of `public.items`"],
    ),
    (
        "ALTER TABLE items DISABLE TRIGGER USER; DELETE FROM items WHERE id = 2; UPDATE items SET n = 50",
        &["trigger `seen on public.items`"],
    ),
    (
        "ALTER TABLE items CLUSTER ON items_pkey",
        &["clustering of `public.items` was changed"],
    ),
    (
        "ALTER TABLE items SET WITHOUT CLUSTER",
        &["clustering of `public.items` was dropped"],
    ),
    (
        "DROP TRIGGER seen ON items",
        &["trigger `seen on public.items`"],
    ),
    (
        "ALTER TABLE parts DETACH PARTITION part_1",
        &["partition `public.part_1 of public.parts`"],
    ),
];

/// Everything beside rows, without the numbers of tables.
async fn definitions(walk: &Walk) -> BTreeMap<String, String> {
    walk.service
        .batch_execute("SET search_path = pg_catalog; SET jit = off")
        .await
        .unwrap();
    let rows = walk.service.query(DEFINITIONS, &[]).await.unwrap();
    walk.service
        .batch_execute("RESET search_path")
        .await
        .unwrap();
    rows.iter()
        .map(|row| {
            let (kind, name): (&str, &str) = (row.get(0), row.get(1));
            (format!("{kind} {name}"), row.get(5))
        })
        .collect()
}

/// What one says.
fn said(told: &[Warning], code: WarningCode) -> String {
    let of_code = told.iter().filter(|warning| warning.code == code);
    of_code.map(|warning| &*warning.message).collect()
}

#[test]
fn what_changed_beside_rows_is_put_back_and_named() {
    run(async {
        let mut problems = Vec::new();
        // As long as everything is as it was, one database does.
        let mut as_before = None;
        for &(change, names) in CHANGES {
            for is_killed in [false, true] {
                let fixture = match as_before.take() {
                    Some(fixture) => fixture,
                    None => OnServer::new(SCHEMA).await,
                };
                match put_back(fixture, change, names, is_killed).await {
                    Ok(fixture) => as_before = fixture,
                    Err(problem) => {
                        problems.push(format!("{change} (killed: {is_killed}): {problem}"));
                    }
                }
            }
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    });
}

/// Makes a change during a run that ends or is killed, and says what is not as it shall be after that. Returns the database where it is
/// as it was.
async fn put_back(
    fixture: OnServer,
    change: &str,
    names: &[&str],
    is_killed: bool,
) -> Result<Option<OnServer>, String> {
    let mut walk = Walk::on(fixture, |_| {}).await;
    walk.step("UPDATE items SET n = n + 1; INSERT INTO items (name) VALUES ('z')")
        .await;
    let before = definitions(&walk).await;
    walk.sql(change).await;
    // It may end the run.
    let _ = walk.try_read().await;
    let said = if is_killed {
        walk.kill();
        let recovered = walk.recover().await;
        // What is new stays after a kill.
        if names.iter().any(|name| name.contains("new")) {
            let said = format!("{recovered:?}");
            let is_named = recovered.is_err() && said.contains("is new");
            return if is_named { Ok(None) } else { Err(said) };
        }
        recovered
            .map_err(|error| format!("{error:?}"))?
            .unwrap_or_default()
    } else {
        let ended = walk.system.uninstall().await;
        let told = ended.map_err(|error| format!("{error:?}"))?;
        if !told
            .iter()
            .all(|warning| warning.code == WarningCode::DatabaseReplaced && warning.untrusted)
        {
            return Err(format!("{told:?}"));
        }
        said(&told, WarningCode::DatabaseReplaced)
    };
    if let Some(name) = names.iter().find(|name| !said.contains(*name)) {
        return Err(format!("{name} is not in: {said}"));
    }
    let now = definitions(&walk).await;
    let is_other = |(thing, definition): &(&String, &String)| now.get(*thing) != Some(definition);
    if let Some((thing, definition)) = before.iter().find(is_other) {
        return Err(format!("{thing} was {definition}, is {:?}", now.get(thing)));
    }
    if let Some(thing) = now.keys().find(|thing| !before.contains_key(*thing)) {
        return Err(format!("{thing} is new"));
    }
    let dump = walk.dump().await;
    if dump != walk.before {
        return Err(format!("it was\n{}\nand is\n{dump}", walk.before));
    }
    match leftovers(&walk.service).await {
        0 => Ok(Some(walk.fixture)),
        left => Err(format!("{left} things of the journal are left")),
    }
}

#[test]
fn what_cannot_be_put_back_is_named_and_nobodys_rows_are_dropped() {
    run(async {
        let mut problems = Vec::new();
        for (change, named, is_kept) in [
            (
                "CREATE TABLE theirs AS SELECT 1 AS n",
                "table `public.theirs` is new",
                "SELECT n FROM theirs",
            ),
            (
                "CREATE SCHEMA other; CREATE TABLE other.theirs AS SELECT 1",
                "schema `other` is new",
                "TABLE other.theirs",
            ),
            (
                "CREATE SEQUENCE theirs START 5",
                "sequence `public.theirs` is new",
                "SELECT FROM theirs",
            ),
            (
                "CREATE TABLE part_2 PARTITION OF parts FOR VALUES IN (2)",
                "table `public.part_2` is new",
                "SELECT 1",
            ),
            (
                "ALTER TABLE items ADD COLUMN more int",
                "column `public.items.more` is new",
                "SELECT more FROM items",
            ),
            (
                "ALTER TABLE items DROP COLUMN m",
                "column `public.items.m` was dropped",
                "SELECT 1",
            ),
            (
                "ALTER TYPE mood ADD VALUE 'angry'",
                "type `public.mood` is not as before; it was `CREATE TYPE public.mood AS ENUM ('fine', 'it''s')`",
                "SELECT 1",
            ),
            (
                "DROP TABLE \"Odd \"\"T\"",
                "table `public.\"Odd \"\"T\"` was dropped, and what it held is lost",
                "SELECT 1",
            ),
            (
                "DROP TABLE part_1",
                "table `public.part_1` was dropped",
                "SELECT 1",
            ),
            (
                "DROP TABLE part_1; CREATE TABLE part_1 PARTITION OF parts FOR VALUES IN (1); INSERT INTO parts VALUES (1, 7)",
                "table `public.part_1` was dropped and made again: what it holds now stays",
                "SELECT 1 / v FROM part_1",
            ),
        ] {
            let mut walk = Walk::new(SCHEMA).await;
            walk.sql(change).await;
            let _ = walk.try_read().await;
            let told = match walk.system.uninstall().await {
                Ok(told) => told,
                Err(error) => {
                    problems.push(format!("{change}: {error:?}"));
                    continue;
                }
            };
            let is_said = told.iter().any(|warning| {
                warning.code == WarningCode::NotRestored
                    && warning.untrusted
                    && warning.message.contains(named)
            });
            let kept = walk.service.query(is_kept, &[]).await;
            let is_kept = kept.is_ok_and(|rows| !rows.is_empty());
            if !is_said || !is_kept || leftovers(&walk.service).await > 0 {
                problems.push(format!("{change}: kept: {is_kept}; {told:?}"));
            }
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    });
}

#[test]
fn what_is_lost_beside_rows_that_wait_is_named_at_every_attempt() {
    run(async {
        let mut walk = Walk::new(
            "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE VIEW v AS SELECT id FROM t",
        )
        .await;
        walk.step("INSERT INTO t VALUES (2)").await;
        walk.sql("DROP TABLE t CASCADE").await;
        // Where the service can be stopped, the end is tried again.
        for _ in 0..2 {
            let error = walk.system.uninstall().await.unwrap_err();
            let details = error.details.join("\n");
            assert!(
                details.contains("table `public.t` was dropped"),
                "{details}"
            );
            assert!(details.contains("view `public.v` was dropped"), "{details}");
        }
    });
}

#[test]
fn what_is_defined_again_as_it_was_is_no_change() {
    run(async {
        let mut walk = Walk::new(SCHEMA).await;
        walk.sql(
            "CREATE OR REPLACE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2'; GRANT SELECT ON names TO PUBLIC; \
             DROP INDEX by_n; CREATE INDEX by_n ON items (n) WHERE n > 2; COMMENT ON TABLE items IS 'it''s'; \
             CREATE OR REPLACE VIEW names AS SELECT id, name FROM items; CREATE FUNCTION gone() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP FUNCTION gone",
        )
        .await;
        let told = walk.system.uninstall().await.unwrap();
        assert!(told.is_empty(), "{told:?}");
    });
}
