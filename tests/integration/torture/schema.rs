//! Random schemas with random content, and what a service may do to them.

use venomqa::random::Random;

use super::Kind;
use crate::support::Statement;

/// A schema, and statements that fit it.
pub(super) struct Schema {
    /// Makes it.
    pub(super) ddl: Vec<String>,
    tables: Vec<Table>,
    kind: Kind,
}

struct Table {
    /// In quotes.
    name: String,
    key: Key,
    /// Columns behind `a` and `b`.
    more: Vec<Column>,
}

/// Name in quotes, and values that it takes.
type Column = (String, &'static [&'static str]);

/// What the column `a` is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    None,
    Number,
    Generated,
    Text,
    Both,
    Unique,
}

const KEYS: [Key; 6] = [
    Key::None,
    Key::Number,
    Key::Generated,
    Key::Text,
    Key::Both,
    Key::Unique,
];

const NAMES: [&str; 7] = [
    "orders",
    "Order Lines",
    "select",
    "t\"q",
    "größe",
    "it's",
    "a.b",
];
const COLUMNS: [&str; 5] = ["c", "d d", "e\"f", "from", "ü"];

/// Types with values of them.
type Types = [(&'static str, &'static [&'static str])];

const SQLITE_TYPES: &Types = &[
    (
        "",
        &[
            "NULL",
            "'x{r}'",
            "{r}.5",
            "x'00ff'",
            "9223372036854775807",
            "-0.0",
        ],
    ),
    (
        "TEXT",
        &["'it''s {r}'", "''", "NULL", "'a' || char(0) || 'b'"],
    ),
    ("REAL", &["{r}", "1e300", "0.1", "-1e999"]),
    ("BLOB", &["x''", "x'61'", "randomblob({r})"]),
    ("NUMERIC COLLATE NOCASE", &["'{r}'", "1e3", "'Abc'"]),
];

const POSTGRES_TYPES: &Types = &[
    ("text", &["'it''s {r}'", "''", "NULL", "E'\\\\N'"]),
    ("numeric", &["{r}.50", "'NaN'", "1e40"]),
    ("float8", &["'-0'", "'NaN'", "'-Infinity'", "0.1", "1e300"]),
    ("jsonb", &["'{\"a\": [{r}, 1.50]}'", "'null'", "NULL"]),
    ("json", &["'{\"b\":{r},  \"a\": 1, \"a\": 2}'"]),
    ("bytea", &["'\\x00ff'", "''"]),
    (
        "timestamptz",
        &[
            "clock_timestamp()",
            "'infinity'",
            "'1999-12-31 23:59:59.123456+05'",
        ],
    ),
    ("int[]", &["'{}'", "ARRAY[{r}, NULL]", "'[0:1]={1,2}'"]),
    ("uuid", &["gen_random_uuid()", "NULL"]),
    ("interval", &["'1 mon {r} days -00:00:01'"]),
    ("char(5)", &["'a {r}'"]),
    ("int4range", &["'[{r},9)'", "'empty'"]),
];

pub(super) fn chance(random: &mut Random, percent: usize) -> bool {
    random.below(100) < percent
}

pub(super) fn one_of<'o, T>(random: &mut Random, of: &'o [T]) -> &'o T {
    &of[random.below(of.len())]
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Some of the items, each at most once, in any order.
fn some_of<T>(random: &mut Random, mut of: Vec<T>, count: usize) -> Vec<T> {
    let mut some = Vec::new();
    while some.len() < count && !of.is_empty() {
        some.push(of.swap_remove(random.below(of.len())));
    }
    some
}

impl Schema {
    pub(super) fn random(random: &mut Random, kind: Kind) -> Self {
        let mut schema = Self {
            ddl: vec!["CREATE TABLE log (x text, y text)".to_owned()],
            tables: Vec::new(),
            kind,
        };
        let count = 1 + random.below(4);
        for name in some_of(random, NAMES.to_vec(), count) {
            schema.add_table(random, name);
        }
        if kind == Kind::Sqlite && chance(random, 12) {
            let sql =
                "CREATE VIRTUAL TABLE search USING fts5 (x); INSERT INTO search VALUES ('one two')";
            schema.ddl.push(sql.to_owned());
        }
        if kind == Kind::Sqlite {
            let version = random.below(9);
            schema.ddl.push(format!("PRAGMA user_version = {version}"));
        }
        schema
    }

    fn add_table(&mut self, random: &mut Random, name: &str) {
        let is_sqlite = self.kind == Kind::Sqlite;
        let key = *one_of(random, &KEYS);
        let table = quoted(name);
        let (mut parts, more) = self.columns(random, key);
        parts.extend(match key {
            Key::Both => Some("PRIMARY KEY (a, b)".to_owned()),
            Key::Unique => Some("UNIQUE (a)".to_owned()),
            _ => None,
        });
        let create = format!("CREATE TABLE {table} ({})", parts.join(", "));
        let may_lack_rowid = is_sqlite && [Key::Number, Key::Text, Key::Both].contains(&key);
        if may_lack_rowid && chance(random, 30) {
            self.ddl.push(format!("{create} WITHOUT ROWID"));
        } else if !is_sqlite && key == Key::None && chance(random, 40) {
            self.ddl.push(format!("{create} PARTITION BY HASH (a)"));
            self.ddl.extend((0..2).map(|part| {
                let part_name = quoted(&format!("{name} {part}"));
                format!("CREATE TABLE {part_name} PARTITION OF {table} FOR VALUES WITH (MODULUS 2, REMAINDER {part})")
            }));
        } else {
            self.ddl.push(create);
        }
        self.add_what_stands_on(random, &table);
        self.tables.push(Table {
            name: table,
            key,
            more,
        });
    }

    /// What stands between the brackets, and the columns behind `a` and `b`.
    fn columns(&self, random: &mut Random, key: Key) -> (Vec<String>, Vec<Column>) {
        let is_sqlite = self.kind == Kind::Sqlite;
        let first = match (key, is_sqlite) {
            (Key::None | Key::Both | Key::Unique, _) => "a bigint",
            (Key::Number, true) => "a INTEGER PRIMARY KEY",
            (Key::Number, false) => "a bigint PRIMARY KEY",
            (Key::Generated, true) => "a INTEGER PRIMARY KEY AUTOINCREMENT",
            (Key::Generated, false) if chance(random, 50) => "a bigserial PRIMARY KEY",
            (Key::Generated, false) => "a int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
            (Key::Text, _) => "a text PRIMARY KEY",
        };
        let mut parts = vec![first.to_owned(), "b bigint DEFAULT 1".to_owned()];
        let types = if is_sqlite {
            SQLITE_TYPES
        } else {
            POSTGRES_TYPES
        };
        let mut more = Vec::new();
        let count = random.below(4);
        for column in some_of(random, COLUMNS.to_vec(), count) {
            let (name, (kind, values)) = (quoted(column), one_of(random, types));
            parts.push(format!("{name} {kind}"));
            more.push((name, *values));
        }
        if chance(random, 20) {
            parts.push("g bigint GENERATED ALWAYS AS (b * 2) STORED".to_owned());
        }
        let numbered = self.tables.iter().find(|other| other.key == Key::Number);
        if let Some(other) = numbered.filter(|_| chance(random, 40)) {
            let action = one_of(random, &["CASCADE", "SET NULL"]);
            parts.push(format!(
                "p bigint REFERENCES {} (a) ON DELETE {action}",
                other.name
            ));
        }
        if chance(random, 20) {
            parts.push("CHECK (b < 1000)".to_owned());
        }
        (parts, more)
    }

    /// Indexes, a view and a trigger.
    fn add_what_stands_on(&mut self, random: &mut Random, table: &str) {
        let number = self.tables.len();
        for (index, on) in ["(b)", "(b) WHERE b > 2", "((b + 1))"].iter().enumerate() {
            if chance(random, 20) {
                let sql = format!("CREATE INDEX i{number}_{index} ON {table} {on}");
                self.ddl.push(sql);
            }
        }
        if chance(random, 30) {
            self.ddl
                .push(format!("CREATE VIEW v{number} AS SELECT b FROM {table}"));
        }
        if chance(random, 40) {
            let event = one_of(random, &["INSERT", "DELETE", "UPDATE"]);
            self.ddl.push(if self.kind == Kind::Sqlite {
                format!("CREATE TRIGGER tr{number} AFTER {event} ON {table} BEGIN INSERT INTO log VALUES ('{event}', {number}); END")
            } else {
                format!(
                    "CREATE FUNCTION f{number}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES ('{event}', {number}); RETURN NULL; END $$; \
                     CREATE TRIGGER tr{number} AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION f{number}()"
                )
            });
        }
    }

    /// Fills it: statements of which the database may refuse some.
    pub(super) fn content(&self, random: &mut Random) -> Vec<String> {
        let count = 3 + random.below(30);
        let mut content: Vec<String> = (0..count)
            .map(|number| {
                let table = one_of(random, &self.tables);
                let sql = if chance(random, 80) {
                    table.insert(random, "INSERT INTO")
                } else {
                    table.delete(random)
                };
                sql.replace("{r}", &number.to_string()).replace("{s}", "3")
            })
            .collect();
        content.push("INSERT INTO log VALUES ('first', NULL), ('first', NULL)".to_owned());
        if chance(random, 30) {
            content.push("ANALYZE".to_owned());
        }
        content
    }

    /// Requests that write rows.
    pub(super) fn writes(&self, random: &mut Random, count: usize) -> Vec<Vec<Statement>> {
        (0..count)
            .map(|_| {
                let table = one_of(random, &self.tables);
                let number = 1 + random.below(3);
                let mut all: Vec<String> = (0..number)
                    .map(|_| table.write(random, self.kind))
                    .collect();
                match random.below(5) {
                    0 => {
                        all.insert(0, "BEGIN".to_owned());
                        all.push("COMMIT".to_owned());
                    }
                    1 => {
                        all.insert(0, "BEGIN".to_owned());
                        all.push("ROLLBACK".to_owned());
                    }
                    2 => {
                        all.insert(0, "BEGIN".to_owned());
                        all.push("INSERT INTO no_such_table VALUES (1)".to_owned());
                    }
                    _ => {}
                }
                all.into_iter().map(Statement::Sql).collect()
            })
            .collect()
    }

    /// Requests that do what a service does to its database once in a while, and that change no row and no schema.
    pub(super) fn upkeep(&self, random: &mut Random, count: usize) -> Vec<Vec<Statement>> {
        let table = &one_of(random, &self.tables).name;
        let all = match self.kind {
            Kind::Sqlite => vec![
                "VACUUM".to_owned(),
                "ANALYZE".to_owned(),
                "REINDEX".to_owned(),
                "PRAGMA user_version = {r}".to_owned(),
                "PRAGMA application_id = {r}".to_owned(),
                "PRAGMA optimize".to_owned(),
                format!("DELETE FROM {table}; VACUUM"),
                "PRAGMA auto_vacuum = 1; VACUUM".to_owned(),
                "PRAGMA wal_checkpoint(truncate)".to_owned(),
                "INSERT INTO log VALUES ('{r}', '{s}')".to_owned(),
            ],
            Kind::Postgres => vec![
                format!("VACUUM {table}"),
                "ANALYZE".to_owned(),
                format!("VACUUM FULL {table}"),
                format!("REINDEX TABLE {table}"),
                "CREATE TEMP TABLE IF NOT EXISTS mine (x int); INSERT INTO mine VALUES (1)".to_owned(),
                format!("TRUNCATE {table} CASCADE"),
                format!("COPY {table} TO '/dev/null'"),
                format!("BEGIN; LOCK TABLE {table}; COMMIT"),
                "INSERT INTO log VALUES ('{r}', '{s}')".to_owned(),
                "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP FUNCTION one()".to_owned(),
            ],
        };
        some_of(random, all, count)
            .into_iter()
            .map(|sql| vec![Statement::Sql(sql)])
            .collect()
    }

    /// Requests that change the schema.
    pub(super) fn ddl_of_a_service(
        &self,
        random: &mut Random,
        count: usize,
    ) -> Vec<Vec<Statement>> {
        let table = &one_of(random, &self.tables).name;
        let other = &one_of(random, &self.tables).name;
        let cascade = if self.kind == Kind::Postgres {
            "CASCADE"
        } else {
            ""
        };
        let mut all = vec![
            "CREATE TABLE IF NOT EXISTS n{r} (x integer PRIMARY KEY, y text)".to_owned(),
            format!("CREATE INDEX IF NOT EXISTS j{{r}} ON {table} (b)"),
            "DROP INDEX IF EXISTS i0_0".to_owned(),
            format!("ALTER TABLE {table} ADD COLUMN z{{r}} text"),
            format!("ALTER TABLE {table} RENAME COLUMN b TO b2"),
            format!("ALTER TABLE {table} RENAME TO renamed"),
            format!("DROP TABLE IF EXISTS {other} {cascade}"),
            "DROP TABLE log".to_owned(),
            "DROP VIEW IF EXISTS v0".to_owned(),
            "CREATE VIEW w{r} AS SELECT 1 AS one".to_owned(),
            format!(
                "DROP TABLE IF EXISTS {other} {cascade}; CREATE TABLE {other} (a bigint, b bigint)"
            ),
        ];
        match self.kind {
            Kind::Sqlite => all.push("DROP TRIGGER IF EXISTS tr0".to_owned()),
            Kind::Postgres => all.extend([
                format!("ALTER TABLE {table} DISABLE TRIGGER USER"),
                format!("ALTER TABLE {table} ALTER COLUMN b TYPE numeric"),
                format!("ALTER TABLE {table} ADD CHECK (b > -100000)"),
            ]),
        }
        some_of(random, all, count)
            .into_iter()
            .map(|sql| vec![Statement::Sql(sql)])
            .collect()
    }
}

impl Table {
    fn key(&self, letter: &str) -> String {
        if self.key == Key::Text {
            format!("'k{{{letter}}}'")
        } else {
            format!("{{{letter}}}")
        }
    }

    fn insert(&self, random: &mut Random, how: &str) -> String {
        let (mut names, mut values) = (vec!["b"], vec!["{s}".to_owned()]);
        if self.key != Key::Generated || chance(random, 30) {
            names.push("a");
            values.push(self.key("r"));
        }
        for (name, of) in &self.more {
            if chance(random, 70) {
                names.push(name);
                values.push((*one_of(random, of)).to_owned());
            }
        }
        format!(
            "{how} {} ({}) VALUES ({})",
            self.name,
            names.join(", "),
            values.join(", ")
        )
    }

    fn delete(&self, random: &mut Random) -> String {
        let sign = one_of(random, &["=", "=", ">", "<="]);
        format!("DELETE FROM {} WHERE a {sign} {}", self.name, self.key("r"))
    }

    fn write(&self, random: &mut Random, kind: Kind) -> String {
        let Self { name, .. } = self;
        let key = self.key("s");
        match random.below(9) {
            0..3 => self.insert(random, "INSERT INTO"),
            3 if kind == Kind::Sqlite => {
                let how = one_of(random, &["INSERT OR REPLACE INTO", "INSERT OR IGNORE INTO"]);
                self.insert(random, how)
            }
            3 => self.insert(random, "INSERT INTO") + " ON CONFLICT DO NOTHING",
            4 => format!("UPDATE {name} SET b = b + 1 WHERE a >= {key}"),
            5 if self.key == Key::Text => {
                format!("UPDATE {name} SET a = a || '{{r}}' WHERE a = {key}")
            }
            5 => format!("UPDATE {name} SET a = a + 10 WHERE a = {key}"),
            6 if !self.more.is_empty() => {
                let (column, values) = one_of(random, &self.more);
                let value = one_of(random, values);
                format!("UPDATE {name} SET {column} = {value} WHERE a <= {key}")
            }
            7 if chance(random, 30) => format!("DELETE FROM {name}"),
            _ => self.delete(random),
        }
    }
}
