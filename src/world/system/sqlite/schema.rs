//! Notices that the schema changes during a run.

use rusqlite::Connection;

use super::apply::number;

/// The schema as the installation left it.
pub(super) struct Schema {
    /// `PRAGMA schema_version`.
    pub(super) version: i64,
    /// Type, name and text of each object, but for SQLite's own statistics.
    objects: Vec<Object>,
}

/// Type, name and text.
type Object = (String, String, Option<String>);

impl Schema {
    /// Reads it.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            version: number(connection, "PRAGMA schema_version")?,
            objects: connection
                .prepare(
                    "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' \
                     ORDER BY type, name",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<rusqlite::Result<_>>()?,
        })
    }

    /// What differs, in words.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        let describe = |what: &str, (kind, name, _): &Object| format!("{kind} `{name}` was {what}");
        let same = |a: &Object, b: &Object| a.0 == b.0 && a.1 == b.1;
        let gone = self
            .objects
            .iter()
            .filter(|object| !now.objects.iter().any(|other| same(object, other)))
            .map(|object| describe("dropped", object));
        let new_or_altered = now.objects.iter().filter_map(|object| {
            match self.objects.iter().find(|other| same(object, other)) {
                None => Some(describe("created", object)),
                Some(other) if other.2 != object.2 => Some(describe("altered", object)),
                Some(_) => None,
            }
        });
        gone.chain(new_or_altered).collect()
    }
}
