//! The schema of a database, to notice what changes in it during a run.

use rusqlite::Connection;

use super::apply::number;
use super::{ignored, journal, listing};
use crate::world::config::SystemConfig;

/// Tables, indexes, views and triggers; but for SQLite's own, and for what belongs to ignored tables.
pub(super) struct Schema {
    /// `PRAGMA schema_version`.
    pub(super) version: i64,
    pub(super) objects: Vec<Object>,
}

/// A table, index, view or trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    /// `table`, `index`, `view` or `trigger`.
    pub(super) kind: String,
    pub(super) name: String,
    /// The table that it belongs to.
    pub(super) table: String,
    /// The statement that makes it.
    pub(super) sql: Option<String>,
}

/// A change of one of these objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The object before the change; a new object as it is now.
    pub(super) object: Object,
    pub(super) what: Change,
}

/// See [`Difference`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The object was created.
    Created,
    /// The object was dropped.
    Dropped,
    /// The object was altered: its `CREATE` statement differs.
    Altered,
    /// The table was dropped and created again.
    MadeAgain,
}

impl Schema {
    /// Reads the schema.
    pub(super) fn read(connection: &Connection, config: &SystemConfig) -> rusqlite::Result<Self> {
        let ignored = ignored::tables(connection, config)?;
        let mut objects = objects(
            connection,
            "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
        )?;
        objects.retain(|object| !ignored.contains(&object.table));
        Ok(Self {
            version: number(connection, "PRAGMA schema_version")?,
            objects,
        })
    }

    /// Records the schema in the journal as the schema before the run. To be called within a transaction.
    pub(super) fn keep(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch(
            "CREATE TABLE venomqa_schema (type TEXT, name TEXT, tbl TEXT, sql TEXT)",
        )?;
        let mut insert =
            connection.prepare("INSERT INTO venomqa_schema VALUES (?1, ?2, ?3, ?4)")?;
        for object in &self.objects {
            insert.execute((&object.kind, &object.name, &object.table, &object.sql))?;
        }
        Ok(())
    }

    /// The schema before the run, from the journal.
    pub(super) fn kept(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            version: 0,
            objects: objects(
                connection,
                "SELECT type, name, tbl, sql FROM venomqa_schema ORDER BY rowid",
            )?,
        })
    }

    /// Whether the schema contains the journal.
    pub(super) fn has_journal(&self) -> bool {
        self.objects
            .iter()
            .any(|object| object.name == journal::RUN)
    }

    /// The changes between two schemas, without the journal.
    pub(super) fn differences(&self, now: &Self) -> Vec<Difference> {
        let theirs = |object: &&Object| !listing::is_ours(&object.name);
        let found = |object: &Object, among: &[Object]| {
            let same = |other: &&Object| other.kind == object.kind && other.name == object.name;
            among.iter().find(same).cloned()
        };
        let difference = |object: &Object, what| Difference {
            object: object.clone(),
            what,
        };
        let gone = self.objects.iter().filter(theirs).filter_map(|object| {
            match found(object, &now.objects) {
                None => Some(difference(object, Change::Dropped)),
                Some(other) if other.sql != object.sql => Some(difference(object, Change::Altered)),
                Some(_) => None,
            }
        });
        let new = now
            .objects
            .iter()
            .filter(theirs)
            .filter(|object| found(object, &self.objects).is_none())
            .map(|object| difference(object, Change::Created));
        let mut differences: Vec<Difference> = gone.chain(new).collect();
        // A table takes its triggers with it when it is dropped, and only then.
        let unwatched = self.objects.iter().filter(|object| {
            object.kind == "trigger"
                && listing::is_ours(&object.name)
                && found(object, &now.objects).is_none()
        });
        for trigger in unwatched {
            let is_table = |object: &Object| object.kind == "table" && object.name == trigger.table;
            let known = differences.iter_mut().find(|it| is_table(&it.object));
            match known {
                Some(known) if known.what == Change::Altered => known.what = Change::MadeAgain,
                Some(_) => {}
                None => {
                    let table = now.objects.iter().find(|object| is_table(object));
                    differences.extend(table.map(|table| difference(table, Change::MadeAgain)));
                }
            }
        }
        differences
    }
}

impl Difference {
    /// The change in words.
    pub(super) fn describe(&self) -> String {
        let Object { kind, name, .. } = &self.object;
        match self.what {
            Change::Created => format!("{kind} `{name}` was created"),
            Change::Dropped => format!("{kind} `{name}` was dropped"),
            Change::Altered => format!("{kind} `{name}` was altered"),
            Change::MadeAgain => {
                format!("{kind} `{name}` was dropped and made again, or its triggers were")
            }
        }
    }
}

fn objects(connection: &Connection, query: &str) -> rusqlite::Result<Vec<Object>> {
    connection
        .prepare(query)?
        .query_map([], |row| {
            Ok(Object {
                kind: row.get(0)?,
                name: row.get(1)?,
                table: row.get(2)?,
                sql: row.get(3)?,
            })
        })?
        .collect()
}
