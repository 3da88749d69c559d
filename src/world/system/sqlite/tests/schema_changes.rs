//! Changes of the schema, of the numbers of rows, and of what stands beside rows.

use rusqlite::Connection;

use super::fixture::{InDeleteMode, InWalMode, Walk, schema};
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
    number_in(&walk.service, query)
}

fn number_in(connection: &Connection, query: &str) -> i64 {
    connection.query_row(query, [], |row| row.get(0)).unwrap()
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

/// What is in the tables of `ANALYZE`, each as a line.
fn statistics(walk: &contract::Walk<InWalMode>) -> std::collections::BTreeSet<String> {
    walk.service
        .prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'sqlite_stat%'")
        .unwrap()
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap()
        .map(|name| {
            let name = name.unwrap();
            let value = if name == "sqlite_stat1" { "stat" } else { "sample" };
            let query = format!(
                "SELECT group_concat(line) FROM (SELECT tbl || coalesce(idx, '-') || quote({value}) AS line FROM {name} ORDER BY 1)"
            );
            let content: Option<String> =
                walk.service.query_row(&query, [], |row| row.get(0)).unwrap();
            format!("{name}: {content:?}")
        })
        .collect()
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
            let was = statistics(&walk);
            now(walk.step(during));
            now(walk.step("UPDATE items SET n = n + 1"));
            now(walk.system.uninstall()).unwrap();
            assert_eq!(statistics(&walk), was, "{before}, {during}");
        }
    }
}

#[test]
fn statistics_of_an_ignored_table_survive_its_being_made_anew() {
    let ignoring =
        |config: &mut crate::world::config::SystemConfig| config.ignore_tables = vec!["log".into()];
    // Put back as a whole because of a change, and at every step because of a full-text index.
    for more in ["", "; CREATE VIRTUAL TABLE found USING fts5 (line)"] {
        for during in [
            "ALTER TABLE log ADD COLUMN more; DROP VIEW names",
            "DROP TABLE log; DROP VIEW names",
            "DROP TABLE log; CREATE TABLE log (line, more); DROP VIEW names",
        ] {
            let schema = format!("{SCHEMA}; CREATE INDEX by_line ON log (line); ANALYZE{more}");
            let mut walk = now(contract::Walk::<InWalMode>::configured(&schema, ignoring));
            let was = statistics(&walk);
            let start = walk.state.clone();
            now(walk.step("INSERT INTO log VALUES ('four'); DELETE FROM items WHERE id = 1"));
            now(walk.restore(&start));
            now(walk.sql(during));
            now(walk.system.uninstall()).unwrap();
            assert_eq!(statistics(&walk), was, "{during}{more}");
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
                // It may be somebody's work since.
                let error = now(walk.system.install()).unwrap_err();
                assert!(error.message.contains(name), "{change}: {error:?}");
                assert!(error.help.unwrap().contains("venomqa restore"), "{change}");
                let told = now(walk.recover()).unwrap().unwrap();
                let saved = walk.take_saved();
                assert_eq!(saved.len(), 1, "{change}");
                let ours = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'venomqa%'";
                assert_eq!(number_in(&saved[0], ours), 0, "{change}");
                told
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
    let sorted = |connection: &Connection| {
        let mut schema = schema(connection);
        schema.sort();
        schema
    };
    let fresh = now(InWalMode::new(SCHEMA));
    let as_made = sorted(fresh.connection(Client::First));
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
        assert_eq!(sorted(&walk.service), as_made, "{change}");
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
    let mut walk = without_a_copy(&format!(
        "{SCHEMA}; CREATE TABLE kept (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO kept VALUES (4)"
    ));
    let counter = "SELECT rowid FROM sqlite_sequence WHERE name = 'kept'";
    let place = number(&walk, counter);
    now(walk.step("DELETE FROM items WHERE id = 1; UPDATE loose SET n = 0; UPDATE coded SET n = 0; INSERT INTO kept VALUES (5)"));
    now(walk.sql("DROP TABLE coded; DROP TABLE items; DROP TABLE log"));
    let error = now(walk.system.uninstall()).unwrap_err();
    let text = format!("{error:?}");
    for table in ["`items`", "`coded`", "`log`"] {
        assert!(text.contains(table), "{text}");
    }
    assert_eq!(number(&walk, "SELECT sum(n) FROM loose"), 11);
    // To try it again changes nothing.
    now(walk.system.uninstall()).unwrap_err();
    assert_eq!(number(&walk, counter), place);
    // The user brings the tables back, as they were when the run ended.
    now(walk.sql(
        "CREATE TABLE coded (code TEXT PRIMARY KEY, n); INSERT INTO coded (rowid, code, n) VALUES (2, 'y', 0), (3, 'z', 0);
         CREATE TABLE log (line TEXT); CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, n INTEGER);
         INSERT INTO items VALUES (2, 'q', 2)",
    ));
    walk.kill();
    now(walk.recover()).unwrap().unwrap();
    assert_eq!(walk.take_saved().len(), 1);
    assert_eq!(number(&walk, "SELECT sum(n) FROM coded"), 5);
    assert_eq!(number(&walk, "SELECT sum(id) FROM items"), 3);
    assert_eq!(now(walk.recover()).unwrap(), None);
}

#[test]
fn an_ignored_table_may_come_and_go() {
    let ignoring = |config: &mut crate::world::config::SystemConfig| {
        config.ignore_tables = vec!["log".into(), "tmp_*".into()];
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

#[test]
fn what_was_made_since_a_kill_is_not_taken_away_by_the_next_run_and_saved_by_a_recovery() {
    for copy in [SafetyCopy::Auto, SafetyCopy::Never] {
        let mut walk = now(contract::Walk::<InWalMode>::configured(SCHEMA, |config| {
            config.safety_copy = copy;
        }));
        now(walk.step("UPDATE loose SET n = 0"));
        walk.kill();
        now(walk.sql("CREATE TABLE work (line); INSERT INTO work VALUES ('a week of it')"));
        for _ in 0..2 {
            let error = now(walk.system.install()).unwrap_err();
            assert!(error.message.contains("`work` was created"), "{error:?}");
            assert!(error.help.unwrap().contains("`venomqa restore --sqlite"));
            assert_eq!(number(&walk, "SELECT count(*) FROM work"), 1);
        }
        let told = now(walk.recover()).unwrap().unwrap();
        assert!(told.contains("shop.db.venomqa-replaced"), "{told}");
        let saved = walk.take_saved();
        assert_eq!(number_in(&saved[0], "SELECT count(*) FROM work"), 1);
        now(walk.assert_no_trace());
    }
}

/// Columns that a service may drop, beside ones that it may not.
const WIDE: &str = "CREATE TABLE wide (id INTEGER PRIMARY KEY, a, b TEXT, c UNIQUE, d REAL, e); CREATE TABLE loose (x, y);
    CREATE TABLE keyed (k TEXT COLLATE NOCASE, n, a, PRIMARY KEY (k, n)) WITHOUT ROWID; CREATE UNIQUE INDEX low ON wide (lower(e)) WHERE a > 0;
    INSERT INTO wide VALUES (1, 1, 'one', 'x', 1, 'E'), (2, 2, x'00ff', 'y', -0.0, NULL); INSERT INTO loose VALUES (1, 2), ('a', NULL);
    INSERT INTO keyed VALUES ('Key', 1, 'v'), ('key', 2, NULL);
    CREATE TABLE apart (k TEXT COLLATE NOCASE, a, PRIMARY KEY (k COLLATE BINARY)) WITHOUT ROWID; INSERT INTO apart VALUES ('a', 1), ('A', 2)";

#[test]
fn a_service_may_drop_and_rename_columns_and_goes_on_writing() {
    for (change, then) in [
        (
            "ALTER TABLE wide DROP COLUMN b; ALTER TABLE wide DROP COLUMN d",
            "wide",
        ),
        ("ALTER TABLE loose DROP COLUMN y", "loose"),
        ("ALTER TABLE keyed DROP COLUMN a", "keyed"),
        (
            "ALTER TABLE wide RENAME COLUMN b TO bb; ALTER TABLE wide DROP COLUMN bb",
            "wide",
        ),
        (
            "ALTER TABLE wide RENAME TO far; ALTER TABLE far DROP COLUMN d; ALTER TABLE far RENAME TO wide",
            "wide",
        ),
        (
            "ALTER TABLE wide RENAME COLUMN c TO d2; ALTER TABLE keyed RENAME COLUMN k TO kk",
            "wide",
        ),
    ] {
        let mut walk = Walk::begin(WIDE);
        walk.act("UPDATE wide SET a = a + 1; UPDATE apart SET a = a + 1; DELETE FROM loose WHERE x = 'a'; INSERT OR REPLACE INTO wide VALUES (7, 7, 7, 'x', 7, 'e')");
        now(walk.sql(change));
        now(walk.sql(&format!(
            "INSERT INTO {then} SELECT * FROM {then} WHERE false; DELETE FROM {then}"
        )));
        let told = now(walk.system.uninstall()).unwrap();
        assert!(
            told[0].message.contains(&format!("`{then}` was altered")),
            "{change}: {told:?}"
        );
        now(walk.assert_no_trace());
    }
}

#[test]
fn the_form_of_the_file_is_what_it_was() {
    for copy in [SafetyCopy::Auto, SafetyCopy::Never] {
        let mut walk = now(contract::Walk::<InDeleteMode>::configured(
            SCHEMA,
            |config| {
                config.safety_copy = copy;
            },
        ));
        let form = |connection: &Connection| {
            let mode: String = connection
                .query_row("PRAGMA journal_mode", [], |row| row.get(0))
                .unwrap();
            let number = |pragma: &str| number_in(connection, pragma);
            (
                mode,
                number("PRAGMA page_size"),
                number("PRAGMA auto_vacuum"),
            )
        };
        let before = form(&walk.service);
        now(walk.step("DELETE FROM loose WHERE n = 2; PRAGMA page_size = 8192; PRAGMA auto_vacuum = 1; VACUUM"));
        now(walk.step("PRAGMA journal_mode = wal; UPDATE loose SET n = 0"));
        now(walk.system.uninstall()).unwrap_err();
        // The service is stopped, and it is tried again.
        walk.hang_up();
        now(walk.system.uninstall()).unwrap();
        let after = Connection::open(&walk.path).unwrap();
        assert_eq!(form(&after), before);
        assert_eq!(number_in(&after, "SELECT sum(n) FROM loose"), 11);
    }
}

#[test]
fn rows_that_were_numbered_anew_wait_in_the_journal_and_are_not_written_over() {
    let mut walk = without_a_copy(SCHEMA);
    now(walk.step("UPDATE loose SET n = 0 WHERE what = 'b'; UPDATE items SET n = 9"));
    walk.kill();
    // Without these indexes `VACUUM` does it, as does `.recover`, or a dump that is read again.
    now(walk.sql("DROP INDEX venomqa_pin_rows; DROP INDEX venomqa_pin_3; VACUUM"));
    let there = "SELECT group_concat(rowid || what || n) FROM loose";
    let text = |walk: &contract::Walk<InWalMode>| -> String {
        walk.service.query_row(there, [], |row| row.get(0)).unwrap()
    };
    let before = text(&walk);
    let error = now(walk.recover()).unwrap_err();
    assert!(format!("{error:?}").contains("numbered anew"), "{error:?}");
    assert_eq!(text(&walk), before);
    assert_eq!(number(&walk, "SELECT sum(n) FROM items"), 3);
    assert!(number(&walk, "SELECT count(*) FROM venomqa_before_3") > 0);
}
