//! Changes of the schema, of the numbers of rows, and of what stands beside rows.

use super::fixture::{InWalMode, Walk};
use crate::world::config::SafetyCopy;
use crate::world::system::System as _;
use crate::world::system::contract::{self, Client, Fixture as _, rows, run as now};

/// Tables with and without keys; row numbers with gaps, which `VACUUM` closes where it can.
const SCHEMA: &str = "CREATE TABLE loose (what TEXT, n INTEGER); CREATE TABLE log (line TEXT);
    CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, n INTEGER); CREATE TABLE coded (code TEXT PRIMARY KEY, n);
    CREATE TABLE gone (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO gone VALUES (7); DROP TABLE gone;
    CREATE INDEX by_name ON items (name); CREATE VIEW names AS SELECT name FROM items;
    CREATE TRIGGER noted AFTER DELETE ON items BEGIN INSERT INTO log VALUES (OLD.name); END;
    INSERT INTO loose VALUES ('a', 1), ('b', 2), ('c', 3), ('d', 4), ('e', 5); DELETE FROM loose WHERE n IN (1, 3);
    INSERT INTO log VALUES ('one'), ('two'), ('three'); DELETE FROM log WHERE line = 'one';
    INSERT INTO coded VALUES ('x', 1), ('y', 2), ('z', 3); DELETE FROM coded WHERE code = 'x';
    INSERT INTO items (name, n) VALUES ('p', 1), ('q', 2); PRAGMA user_version = 3; PRAGMA application_id = 77";

fn without_a_copy(schema: &str) -> contract::Walk<InWalMode> {
    let never =
        |config: &mut crate::world::config::SystemConfig| config.safety_copy = SafetyCopy::Never;
    now(contract::Walk::configured(schema, never))
}

fn number(walk: &contract::Walk<InWalMode>, query: &str) -> i64 {
    walk.service.query_row(query, [], |row| row.get(0)).unwrap()
}

fn header(walk: &contract::Walk<InWalMode>) -> (i64, i64) {
    (
        number(walk, "PRAGMA user_version"),
        number(walk, "PRAGMA application_id"),
    )
}

#[test]
fn rows_are_found_after_a_vacuum_at_any_moment() {
    for vacuum in [
        "VACUUM",
        "PRAGMA auto_vacuum = 1; VACUUM",
        "VACUUM; REINDEX; ANALYZE",
        "PRAGMA incremental_vacuum; VACUUM",
    ] {
        let mut walk = without_a_copy(SCHEMA);
        let start = (walk.state.clone(), now(walk.dump()));
        now(walk.sql(vacuum));
        let reading = now(walk
            .step("UPDATE loose SET n = 20 WHERE what = 'b'; DELETE FROM coded WHERE code = 'y'"));
        assert_eq!(rows(&reading), ["coded: y|2 -> -", "loose: b|2 -> b|20"]);
        let there = (walk.state.clone(), now(walk.dump()));
        now(walk.step(&format!(
            "DELETE FROM loose WHERE what = 'd'; {vacuum}; INSERT INTO loose VALUES ('f', 6)"
        )));
        now(walk.restore(&start.0));
        assert_eq!(now(walk.dump()), start.1, "{vacuum}");
        now(walk.sql(vacuum));
        assert!(now(walk.read()).delta.is_empty(), "{vacuum}");
        now(walk.restore(&there.0));
        assert_eq!(now(walk.dump()), there.1, "{vacuum}");
        now(walk.sql("UPDATE log SET line = upper(line)"));
        now(walk.sql(vacuum));
        // As after a kill, or at the end of the run.
        walk.kill();
        now(walk.sql(vacuum));
        now(walk.recover()).unwrap();
        now(walk.assert_no_trace());
    }
}

#[test]
fn numbers_in_the_header_belong_to_the_state() {
    let mut walk = without_a_copy(SCHEMA);
    let start = walk.state.clone();
    now(walk.step("PRAGMA user_version = 4; PRAGMA application_id = -1"));
    let there = walk.state.clone();
    now(walk.restore(&start));
    assert_eq!(header(&walk), (3, 77));
    now(walk.restore(&there));
    assert_eq!(header(&walk), (4, -1));
    walk.kill();
    now(walk.recover()).unwrap().unwrap();
    assert_eq!(header(&walk), (3, 77));
    now(walk.assert_no_trace());
}

#[test]
fn statistics_are_what_they_were() {
    for before in ["", "ANALYZE"] {
        for during in [
            "ANALYZE",
            "DROP TABLE IF EXISTS sqlite_stat1; UPDATE items SET n = 2; ANALYZE items",
            "PRAGMA optimize",
        ] {
            let mut walk = without_a_copy(&format!("{SCHEMA}; {before}"));
            let statistics = |walk: &contract::Walk<InWalMode>| {
                walk.service
                    .prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'sqlite_stat%'")
                    .unwrap()
                    .query_map([], |row| row.get::<_, String>(0))
                    .unwrap()
                    .map(|name| {
                        let name = name.unwrap();
                        let query = format!("SELECT group_concat(line) FROM (SELECT tbl || coalesce(idx, '-') || quote(stat) AS line FROM {name} ORDER BY 1)");
                        let query = query.replace("quote(stat)", if name == "sqlite_stat1" { "quote(stat)" } else { "quote(sample)" });
                        let content: Option<String> = walk.service.query_row(&query, [], |row| row.get(0)).unwrap();
                        format!("{name}: {content:?}")
                    })
                    .collect::<std::collections::BTreeSet<_>>()
            };
            let was = statistics(&walk);
            now(walk.step(during));
            now(walk.step("UPDATE items SET n = n + 1"));
            now(walk.system.uninstall()).unwrap();
            assert_eq!(statistics(&walk), was, "{before}, {during}");
        }
    }
}

/// What a service may do to the schema, with what a user has to be told of.
const CHANGES: [(&str, &str); 9] = [
    (
        "CREATE TABLE fresh (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "`fresh`",
    ),
    ("CREATE UNIQUE INDEX fresh ON items (n, name)", "`fresh`"),
    ("CREATE VIEW fresh AS SELECT 1", "`fresh`"),
    (
        "ALTER TABLE items ADD COLUMN extra INTEGER DEFAULT 3",
        "`items`",
    ),
    ("ALTER TABLE items RENAME COLUMN n TO m", "`items`"),
    ("ALTER TABLE loose RENAME TO tight", "`loose`"),
    ("DROP INDEX by_name", "`by_name`"),
    ("DROP VIEW names", "`names`"),
    (
        "DROP TRIGGER noted; CREATE TRIGGER noted AFTER INSERT ON log BEGIN SELECT 1; END",
        "`noted`",
    ),
];

#[test]
fn a_change_of_the_schema_is_undone_and_named() {
    let lost = [
        ("DROP TABLE items", "`items`"),
        ("DROP TABLE log; CREATE TABLE log (line TEXT)", "`log`"),
        (
            "DROP TABLE coded; CREATE TABLE coded (code TEXT PRIMARY KEY, n, m)",
            "`coded`",
        ),
    ];
    for (change, name) in CHANGES.into_iter().chain(lost) {
        for is_killed in [false, true] {
            let mut walk = Walk::begin(SCHEMA);
            walk.act(
                "DELETE FROM items WHERE id = 1; UPDATE loose SET n = 0; UPDATE coded SET n = 0",
            );
            now(walk.sql(change));
            let told = if is_killed {
                walk.kill();
                now(walk.recover()).unwrap().unwrap()
            } else {
                let told = now(walk.system.uninstall()).unwrap();
                assert!(told[0].untrusted);
                told[0].message.clone()
            };
            assert!(told.contains(name), "{change}: {told}");
            now(walk.assert_no_trace());
            assert_eq!(header(&walk), (3, 77), "{change}");
        }
    }
}

#[test]
fn without_a_copy_whatever_is_not_lost_is_undone() {
    for (change, name) in CHANGES {
        let mut walk = without_a_copy(SCHEMA);
        let before = walk.before.clone();
        now(walk.step(
            "DELETE FROM items WHERE id = 1; UPDATE loose SET n = 0; UPDATE coded SET n = 0",
        ));
        now(walk.sql(change));
        let told = now(walk.system.uninstall()).unwrap();
        assert!(told[0].message.contains(name), "{change}: {told:?}");
        assert_eq!(now(walk.dump()), before, "{change}");
        assert_eq!(now(walk.recover()).unwrap(), None, "{change}");
    }
}

#[test]
fn without_a_copy_a_table_that_was_made_again_is_never_said_to_be_back() {
    for again in [
        "CREATE TABLE log (line TEXT)",
        "CREATE TABLE log (line TEXT UNIQUE)",
    ] {
        let mut walk = without_a_copy(SCHEMA);
        now(walk.step("UPDATE loose SET n = 0"));
        now(walk.sql(&format!("DROP TABLE log; {again}")));
        let told = now(walk.system.uninstall()).unwrap();
        assert!(told[0].untrusted);
        let text = &told[0].message;
        assert!(text.contains("lost") && text.contains("`log`"), "{text}");
        assert_eq!(number(&walk, "SELECT sum(n) FROM loose"), 11);
    }
}

#[test]
fn without_a_copy_the_rows_of_a_table_that_is_gone_wait_for_it() {
    let mut walk = without_a_copy(SCHEMA);
    now(walk.step("DELETE FROM items WHERE id = 1; UPDATE loose SET n = 0; UPDATE coded SET n = 0"));
    now(walk.sql("DROP TABLE coded; DROP TABLE items; DROP TABLE log"));
    let error = now(walk.system.uninstall()).unwrap_err();
    let text = format!("{error:?}");
    for table in ["`items`", "`coded`", "`log`"] {
        assert!(text.contains(table), "{text}");
    }
    assert_eq!(number(&walk, "SELECT sum(n) FROM loose"), 11);
    // The user brings the tables back, as they were when the run ended.
    now(walk.sql(
        "CREATE TABLE coded (code TEXT PRIMARY KEY, n); INSERT INTO coded (rowid, code, n) VALUES (2, 'y', 0), (3, 'z', 0);
         CREATE TABLE log (line TEXT); CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, n INTEGER);
         INSERT INTO items VALUES (2, 'q', 2)",
    ));
    walk.kill();
    now(walk.recover()).unwrap();
    assert_eq!(number(&walk, "SELECT sum(n) FROM coded"), 5);
    assert_eq!(number(&walk, "SELECT sum(id) FROM items"), 3);
    assert_eq!(now(walk.recover()).unwrap(), None);
}

#[test]
fn an_ignored_table_may_come_and_go() {
    let ignoring = |config: &mut crate::world::config::SystemConfig| {
        config.ignore_tables = vec!["log".to_owned(), "tmp_*".to_owned()];
    };
    let schema = format!(
        "{SCHEMA}; CREATE TABLE tmp_old (n INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO tmp_old VALUES (5)"
    );
    // Put back row by row, as a whole because of a change, and as a whole because of a full-text index.
    for (more, change) in [
        ("", "SELECT 1"),
        ("", "DROP VIEW names"),
        ("; CREATE VIRTUAL TABLE found USING fts5 (line)", "SELECT 1"),
    ] {
        let mut walk = now(contract::Walk::<InWalMode>::configured(
            &format!("{schema}{more}"),
            ignoring,
        ));
        let start = walk.state.clone();
        now(walk.step(
            "CREATE TABLE tmp_new (n); CREATE INDEX tmp_index ON tmp_new (n); INSERT INTO tmp_new VALUES (1); DROP TABLE tmp_old",
        ));
        now(walk.step("INSERT INTO log VALUES ('four'); DELETE FROM items WHERE id = 1"));
        now(walk.restore(&start));
        now(walk.step("INSERT INTO log VALUES ('five'); UPDATE items SET n = 0"));
        now(walk.sql(change));
        let told = now(walk.system.uninstall()).unwrap();
        let told: Vec<&str> = told.iter().map(|told| told.message.as_str()).collect();
        let told = told.join("\n");
        assert!(
            told.contains("`log` (system `db`) has 3 rows more"),
            "{told}"
        );
        assert!(told.contains("`tmp_new` (system `db`) is new"), "{told}");
        assert!(told.contains("`tmp_old` (system `db`) is gone"), "{told}");
        let connection = walk.fixture.connection(Client::First);
        let text =
            |query: &str| -> String { connection.query_row(query, [], |row| row.get(0)).unwrap() };
        assert_eq!(
            text("SELECT group_concat(line) FROM log"),
            "two,three,four,p,five",
            "{more}{change}"
        );
        assert_eq!(
            text("SELECT group_concat(name) || sum(n) FROM items"),
            "p,q3"
        );
        assert_eq!(
            text(
                "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE name LIKE 'tmp%' ORDER BY 1)"
            ),
            "tmp_index,tmp_new"
        );
        assert_eq!(
            text(
                "SELECT group_concat(name) FROM sqlite_schema WHERE name LIKE 'venomqa%' OR type = 'view'"
            ),
            "names"
        );
        assert_eq!(now(walk.recover()).unwrap(), None);
    }
}
