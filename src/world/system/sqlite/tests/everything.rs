//! A schema with everything that SQLite has, and what a service may do with it.

/// Tables of every shape, with foreign keys, triggers and virtual tables.
pub(super) const SCHEMA: &str = r#"
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
pub(super) const INDEXES: &str = "
CREATE VIRTUAL TABLE found USING fts5(title, body);
CREATE VIRTUAL TABLE found4 USING fts4(title, body);
INSERT INTO found VALUES ('red fox', 'jumps over'), ('lazy dog', 'sleeps');
INSERT INTO found4 VALUES ('red fox', 'jumps over');
";

/// What the placeholders of the steps stand for.
pub(super) const WORDS: &[(&str, &[&str])] = &[
    (
        "{or}",
        &["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ROLLBACK"],
    ),
    ("{v}", VALUES),
    ("{w}", VALUES),
];

const VALUES: &[&str] = &[
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

/// Some are refused by a constraint: then nothing, or a part of them, happened.
pub(super) const STEPS: &[&str] = &[
    "INSERT {or} INTO plain VALUES ({n}, {v}, {w}, {m})",
    "INSERT {or} INTO plain (a, b) VALUES ({m}, {v}), ({n}, {w})",
    "UPDATE {or} plain SET a = {v}, c = {m} WHERE id >= {n}",
    "UPDATE {or} plain SET id = {m} WHERE id = {n}",
    "DELETE FROM plain WHERE id = {n}",
    "INSERT INTO plain VALUES ({n}, {v}, {w}, 1) ON CONFLICT DO UPDATE SET a = {m}, b = b || 'x'",
    "INSERT {or} INTO counted (plain, n) VALUES ({n}, {v})",
    "DELETE FROM counted WHERE id > {n}",
    "DELETE FROM counted",
    "INSERT {or} INTO worded VALUES ({v}, {n})",
    "UPDATE {or} worded SET word = {v}, n = n + 1 WHERE n = {n}",
    "INSERT INTO keyless VALUES ({n}, {v})",
    "UPDATE keyless SET rowid = rowid + {n} WHERE x = {m}",
    "DELETE FROM keyless WHERE x = {n}",
    r#"INSERT {or} INTO "odd ""name" VALUES ({v}, {n}, {w})"#,
    r#"UPDATE {or} "odd ""name" SET "select" = {n} WHERE "select" = {m}"#,
    "INSERT {or} INTO norow VALUES ({n}, {v}, {w})",
    "UPDATE {or} norow SET l = upper(l), v = {v} WHERE k >= {n}",
    "UPDATE {or} norow SET k = k * 1.0 WHERE k = {n}",
    "DELETE FROM norow WHERE k = {n}",
    "INSERT {or} INTO made (a) VALUES ({n})",
    "UPDATE {or} made SET a = {n} WHERE a = {m}",
    "INSERT {or} INTO strict_one VALUES ({n}, {m}.25, 't{m}', {v})",
    "DELETE FROM strict_one WHERE id < {n}",
    "INSERT {or} INTO tree VALUES ({n}, NULL)",
    "BEGIN; UPDATE tree SET up = {m} WHERE id = {n}; DELETE FROM tree WHERE id = {m}; COMMIT",
    "INSERT INTO overview (a) VALUES ({n}.5)",
    "INSERT OR REPLACE INTO places VALUES ({n}, {m}, {m} + 1); DELETE FROM places WHERE id = {m}",
    "DELETE FROM sqlite_sequence WHERE {n} = 0; UPDATE sqlite_sequence SET seq = seq + {n} WHERE {m} < 2",
    "BEGIN; DELETE FROM plain; INSERT INTO plain (a) VALUES ({n}); ROLLBACK",
    "BEGIN; DELETE FROM plain; INSERT INTO plain (a) VALUES ({n}); COMMIT",
];

/// What is done to the full-text indexes.
pub(super) const STEPS_WITH_INDEXES: &[&str] = &[
    "INSERT INTO found VALUES ('t{n} fox', 'b{m}')",
    "UPDATE found SET body = 'new {m}' WHERE rowid = {n}",
    "DELETE FROM found WHERE rowid = {n}; INSERT INTO found (found) VALUES ('optimize')",
    "INSERT INTO found4 VALUES ('t{n}', 'b{m}'); DELETE FROM found4 WHERE rowid = {n}",
    // They fail where an index does not fit its texts.
    "INSERT INTO found (found) VALUES ('integrity-check'); INSERT INTO found4 (found4) VALUES ('integrity-check')",
];
