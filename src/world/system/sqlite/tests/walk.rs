//! Soundness: a random walk over a schema with everything in it. Whatever state is jumped to, from wherever, the service
//! sees exactly what it saw when that state was first reached.

use std::path::Path;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rusqlite::Connection;

use super::fixture::{MODES, config, database, dump, now, schema};
use crate::world::system::sqlite::SqliteSystem;
use crate::world::system::{System, SystemState};

/// Tables of every shape, with foreign keys, triggers and virtual tables.
pub(super) const NASTY: &str = r#"
CREATE TABLE plain (id INTEGER PRIMARY KEY, a UNIQUE, b TEXT COLLATE NOCASE UNIQUE, c);
CREATE UNIQUE INDEX part ON plain (c) WHERE a > 5;
CREATE UNIQUE INDEX expr ON plain (lower(b) || c);
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, plain REFERENCES plain (id) ON DELETE CASCADE ON UPDATE CASCADE, n);
CREATE TABLE worded (word TEXT PRIMARY KEY, n, UNIQUE (n) ON CONFLICT REPLACE);
CREATE TABLE keyless (x, y);
CREATE TABLE "odd ""name" ("rowid" TEXT, "select" UNIQUE, "NEW");
CREATE TABLE norow (k, l TEXT COLLATE NOCASE, v BLOB UNIQUE, PRIMARY KEY (l, k)) WITHOUT ROWID;
CREATE TABLE made (a INTEGER, doubled AS (a * 2) STORED UNIQUE, shown AS ('<' || a || '>'));
CREATE TABLE strict_one (id INTEGER PRIMARY KEY, r REAL, t TEXT, x ANY, CHECK (r < 1000)) STRICT;
CREATE TABLE tree (id INTEGER PRIMARY KEY, up REFERENCES tree (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE audit (what, seen);
CREATE VIEW overview AS SELECT * FROM plain JOIN counted ON plain.id = counted.plain;
CREATE TRIGGER t1 AFTER INSERT ON plain BEGIN UPDATE plain SET c = coalesce(c, 0) + 100 WHERE id = NEW.id; END;
CREATE TRIGGER t2 AFTER DELETE ON plain BEGIN INSERT INTO audit VALUES ('gone', OLD.id); END;
CREATE TRIGGER t3 BEFORE UPDATE ON worded BEGIN DELETE FROM keyless WHERE x = OLD.n; END;
CREATE TRIGGER t4 AFTER UPDATE ON norow BEGIN INSERT INTO counted (n) VALUES (NEW.k); END;
CREATE TRIGGER t5 INSTEAD OF INSERT ON overview BEGIN INSERT INTO plain (a) VALUES (NEW.a); END;
CREATE VIRTUAL TABLE places USING rtree(id, x0, x1);
INSERT INTO plain VALUES (1, 1, 'one', 1), (2, 2.5, 'Two', 2), (3, x'03', 'three', NULL);
INSERT INTO counted (plain, n) VALUES (1, 'a'), (2, 'b'), (2, 'c');
INSERT INTO worded VALUES ('a', 1), ('b', 2);
INSERT INTO keyless VALUES (1, 1), (1, 1), (NULL, '');
INSERT INTO norow VALUES (1, 'a', x'00'), ('1', 'a', 'text'), (1.5, 'B', NULL);
INSERT INTO made (a) VALUES (1), (2);
INSERT INTO strict_one VALUES (1, 1, '1', '1'), (2, 2.5, 'x', x'ff');
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
INSERT INTO places VALUES (1, 0, 1), (2, 5, 6);
"#;

/// Full-text indexes: with them, states are whole copies.
const INDEXES: &str = "
CREATE VIRTUAL TABLE found USING fts5(title, body);
CREATE VIRTUAL TABLE found4 USING fts4(title, body);
INSERT INTO found VALUES ('red fox', 'jumps over'), ('lazy dog', 'sleeps');
INSERT INTO found4 VALUES ('red fox', 'jumps over');
";

/// One random change. Some are refused by a constraint: then nothing, or a part of it, happened.
pub(super) fn act(service: &Connection, random: &mut ChaCha8Rng) {
    let or = ["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ROLLBACK"][random.random_range(0..5)];
    let n = random.random_range(0..9);
    let m = random.random_range(0..9);
    let values = [
        "NULL",
        "1",
        "1.0",
        "'1'",
        "x'31'",
        "'Two'",
        "'tWO'",
        "''",
        "x''",
        "-0.5",
        "9e99",
        "cast(x'6100ff62' AS TEXT)",
        "'größe'",
    ];
    let v = values[random.random_range(0..values.len())];
    let w = values[random.random_range(0..values.len())];
    let sql = match random.random_range(0..34) {
        0 => format!("INSERT {or} INTO plain VALUES ({n}, {v}, {w}, {m})"),
        1 => format!("INSERT {or} INTO plain (a, b) VALUES ({m}, {v}), ({n}, {w})"),
        2 => format!("UPDATE {or} plain SET a = {v}, c = {m} WHERE id >= {n}"),
        3 => format!("UPDATE {or} plain SET id = {m} WHERE id = {n}"),
        4 => format!("DELETE FROM plain WHERE id = {n}"),
        5 => format!(
            "INSERT INTO plain VALUES ({n}, {v}, {w}, 1) ON CONFLICT DO UPDATE SET a = {m}, b = b || 'x'"
        ),
        6 => format!("INSERT {or} INTO counted (plain, n) VALUES ({n}, {v})"),
        7 => format!("DELETE FROM counted WHERE id > {n}"),
        8 => "DELETE FROM counted".to_owned(),
        9 => format!("INSERT {or} INTO worded VALUES ({v}, {n})"),
        10 => format!("UPDATE {or} worded SET word = {v}, n = n + 1 WHERE n = {n}"),
        11 => format!("INSERT INTO keyless VALUES ({n}, {v})"),
        12 => format!("UPDATE keyless SET rowid = rowid + {n} WHERE x = {m}"),
        13 => format!("DELETE FROM keyless WHERE x = {n}"),
        14 => format!(r#"INSERT {or} INTO "odd ""name" VALUES ({v}, {n}, {w})"#),
        15 => format!(r#"UPDATE {or} "odd ""name" SET "select" = {n} WHERE "select" = {m}"#),
        16 => format!("INSERT {or} INTO norow VALUES ({n}, {v}, {w})"),
        17 => format!("UPDATE {or} norow SET l = upper(l), v = {v} WHERE k >= {n}"),
        18 => format!("UPDATE {or} norow SET k = k * 1.0 WHERE k = {n}"),
        19 => format!("DELETE FROM norow WHERE k = {n}"),
        20 => format!("INSERT {or} INTO made (a) VALUES ({n})"),
        21 => format!("UPDATE {or} made SET a = {n} WHERE a = {m}"),
        22 => format!("INSERT {or} INTO strict_one VALUES ({n}, {m}.25, 't{m}', {v})"),
        23 => format!("DELETE FROM strict_one WHERE id < {n}"),
        24 => format!("INSERT {or} INTO tree VALUES ({n}, NULL)"),
        25 => format!(
            "BEGIN; UPDATE tree SET up = {m} WHERE id = {n}; DELETE FROM tree WHERE id = {m}; COMMIT"
        ),
        26 => format!("INSERT INTO overview (a) VALUES ({n}.5)"),
        27 => format!("INSERT INTO found VALUES ('t{n} fox', 'b{m}')"),
        28 => format!("UPDATE found SET body = 'new {m}' WHERE rowid = {n}"),
        29 => format!(
            "DELETE FROM found WHERE rowid = {n}; INSERT INTO found (found) VALUES ('optimize')"
        ),
        30 => format!(
            "INSERT INTO found4 VALUES ('t{n}', 'b{m}'); DELETE FROM found4 WHERE rowid = {n}"
        ),
        31 => format!(
            "INSERT OR REPLACE INTO places VALUES ({n}, {m}, {m} + 1); DELETE FROM places WHERE id = {m}"
        ),
        32 => format!(
            "DELETE FROM sqlite_sequence WHERE {n} = 0; UPDATE sqlite_sequence SET seq = seq + {n} WHERE {m} < 3"
        ),
        _ => format!(
            "BEGIN; DELETE FROM plain; INSERT INTO plain (a) VALUES ({n}); {}",
            if m < 5 { "ROLLBACK" } else { "COMMIT" }
        ),
    };
    if service.execute_batch(&sql).is_err() && !service.is_autocommit() {
        service.execute_batch("ROLLBACK").unwrap();
    }
}

/// Walks and jumps; returns how many jumps there were.
fn walk(mode: &str, seed: u64, jumps: usize, indexes: &str) {
    let (_folder, path, service) = database(mode, &format!("{NASTY}{indexes}"));
    let other = other_connection(&path);
    let before_the_run = (dump(&service), schema(&service));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut system = SqliteSystem::open(&config(&path), &path).unwrap();
    now(system.install()).unwrap();
    for _ in 0..10 {
        act(&service, &mut random);
    }
    now(system.mark_initial()).unwrap();
    let mut here = SystemState::default();
    let mut known = vec![(here.clone(), dump(&service))];
    for jump in 0..jumps {
        let to = random.random_range(0..known.len());
        now(system.restore(&here, &known[to].0)).unwrap();
        here = known[to].0.clone();
        let seen = if random.random_bool(0.5) {
            &service
        } else {
            &other
        };
        assert_eq!(
            dump(seen),
            known[to].1,
            "seed {seed}, mode {mode}, jump {jump}"
        );
        if jump % 8 == 0 {
            now(system.verify(&here)).unwrap();
            for index in ["found", "found4"].iter().filter(|_| !indexes.is_empty()) {
                seen.execute_batch(&format!(
                    "INSERT INTO {index} ({index}) VALUES ('integrity-check')"
                ))
                .unwrap();
            }
            let places: String = seen
                .query_row("SELECT rtreecheck('places')", [], |row| row.get(0))
                .unwrap();
            assert_eq!(places, "ok");
        }
        for _ in 0..random.random_range(1..4) {
            let from = if random.random_bool(0.5) {
                &service
            } else {
                &other
            };
            act(from, &mut random);
            if random.random_bool(0.7) {
                let reading = now(system.read(&here)).unwrap();
                here.delta = here.delta.after(&reading.delta);
                here.image = reading.image;
            }
        }
        let reading = now(system.read(&here)).unwrap();
        here.delta = here.delta.after(&reading.delta);
        here.image = reading.image;
        let arrived = (here.clone(), dump(&service));
        if known.len() < 40 {
            known.push(arrived);
        } else {
            let forgotten = random.random_range(1..known.len());
            known[forgotten] = arrived;
        }
    }
    let integrity: String = service
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok");
    if seed.is_multiple_of(2) {
        now(system.uninstall()).unwrap();
    } else {
        drop(system);
        super::fixture::recover(&path).unwrap();
    }
    assert_eq!((dump(&service), schema(&service)), before_the_run);
}

/// A second connection of the service, with the settings that change what triggers fire.
fn other_connection(path: &Path) -> Connection {
    let other = Connection::open(path).unwrap();
    other
        .execute_batch(
            "PRAGMA foreign_keys = on; PRAGMA recursive_triggers = on; PRAGMA synchronous = normal",
        )
        .unwrap();
    other
}

/// `VENOMQA_WALK_JUMPS=100000 cargo test --lib random_jumps` walks longer, with other seeds.
#[test]
fn random_jumps_always_arrive_exactly() {
    let wanted: usize = std::env::var("VENOMQA_WALK_JUMPS")
        .ok()
        .and_then(|jumps| jumps.parse().ok())
        .unwrap_or(400);
    let mut seed = 1;
    let mut done = 0;
    while done < wanted {
        let jumps = (wanted - done).min(200);
        walk(MODES[seed as usize % 2], seed, jumps, "");
        done += jumps;
        seed += 1;
    }
}

#[test]
fn random_jumps_between_whole_copies_always_arrive_exactly() {
    for (seed, mode) in (101..).zip(MODES) {
        walk(mode, seed, 60, INDEXES);
    }
}
