//! A database file, the service's connection to it, and venomqa's system on it.

use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::model::{Cell, RowChange, TableKind};
use crate::world::WorldError;
use crate::world::config::SystemConfig;
use crate::world::system::Location;
use crate::world::system::sqlite::Sqlite;
use crate::world::system::sqlite::SqliteSystem;
use crate::world::system::{Engine as _, Reading, System, SystemState};

/// Both journal modes that services use.
pub(super) const MODES: [&str; 2] = ["delete", "wal"];

/// Runs what never waits.
pub(super) fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// A system on a real file, walking from state to state as the engine does.
pub(super) struct Walk {
    pub(super) service: Connection,
    pub(super) system: SqliteSystem,
    pub(super) state: SystemState,
    pub(super) path: PathBuf,
    /// Lives as long as the file is needed.
    pub(super) _folder: TempDir,
}

pub(super) fn config(path: &std::path::Path) -> SystemConfig {
    SystemConfig::new("db", Location::new(&Sqlite, path.display().to_string()))
}

/// What `venomqa restore` does.
pub(super) fn recover(path: &std::path::Path) -> Result<Option<String>, WorldError> {
    now(Sqlite.recover(&path.display().to_string(), false))
}

/// A new database with a schema, and the service's connection. Foreign keys as SQLite ships them: off.
pub(super) fn database(mode: &str, schema: &str) -> (TempDir, PathBuf, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let service = Connection::open(&path).unwrap();
    let got: String = service
        .query_row(&format!("PRAGMA journal_mode = {mode}"), [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(got, mode);
    service
        .execute_batch("PRAGMA foreign_keys = off; PRAGMA synchronous = normal")
        .unwrap();
    service.execute_batch(schema).unwrap();
    (folder, path, service)
}

impl Walk {
    /// Installs the journal and marks the initial state.
    pub(super) fn begin(mode: &str, schema: &str) -> Self {
        Self::begin_with(mode, schema, |_| {})
    }

    /// [`Walk::begin`] with changes to the configuration.
    pub(super) fn begin_with(
        mode: &str,
        schema: &str,
        configure: impl FnOnce(&mut SystemConfig),
    ) -> Self {
        let (folder, path, service) = database(mode, schema);
        let mut config = config(&path);
        configure(&mut config);
        let mut system = SqliteSystem::open(&config, &path).unwrap();
        assert_eq!(now(system.install()).unwrap(), None);
        now(system.mark_initial()).unwrap();
        let mut walk = Self {
            service,
            system,
            state: SystemState::default(),
            path,
            _folder: folder,
        };
        walk.read();
        walk
    }

    /// One request: the service runs this SQL, then the journal is read.
    pub(super) fn act(&mut self, sql: &str) -> Vec<RowChange> {
        self.service.execute_batch(sql).unwrap();
        self.read()
    }

    /// Reads the journal and goes on to the state that follows.
    pub(super) fn read(&mut self) -> Vec<RowChange> {
        self.try_read().unwrap().delta.changes().to_vec()
    }

    pub(super) fn try_read(&mut self) -> Result<Reading, WorldError> {
        let reading = now(self.system.read(&self.state))?;
        self.state.delta = self.state.delta.after(&reading.delta);
        self.state.image.clone_from(&reading.image);
        Ok(reading)
    }

    /// Goes to a state.
    pub(super) fn restore(&mut self, to: &SystemState) {
        now(self.system.restore(&self.state, to)).unwrap();
        self.state = to.clone();
    }

    pub(super) fn verify(&mut self) -> Result<(), WorldError> {
        now(self.system.verify(&self.state))
    }

    /// Everything that the service sees.
    pub(super) fn dump(&self) -> String {
        dump(&self.service)
    }
}

/// Every row of every table with its rowid, quoted so that storage classes show, counters included; the journal left
/// out. Virtual tables are read through their modules as well as their shadow tables.
pub(super) fn dump(connection: &Connection) -> String {
    let mut text = String::new();
    let tables: Vec<(String, bool)> = connection
        .prepare(
            "SELECT name, wr OR type = 'virtual' FROM pragma_table_list WHERE schema = 'main' AND type <> 'view' \
             AND name NOT LIKE 'venomqa%' AND name <> 'sqlite_schema' ORDER BY name",
        )
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (table, keyed) in tables {
        let names: Vec<String> = connection
            .prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden <> 1")
            .unwrap()
            .query_map([&table], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let rowid = ["rowid", "_rowid_", "oid"]
            .into_iter()
            .find(|alias| !names.iter().any(|name| name.eq_ignore_ascii_case(alias)))
            .filter(|_| !keyed);
        let columns: Vec<String> = rowid
            .map(str::to_owned)
            .into_iter()
            .chain(
                names
                    .iter()
                    .map(|name| format!("\"{}\"", name.replace('"', "\"\""))),
            )
            // `quote` would cut a text at its first NUL.
            .map(|column| {
                format!(
                    "typeof({column}) || ':' || CASE typeof({column}) WHEN 'text' THEN hex({column}) \
                     ELSE quote({column}) END"
                )
            })
            .collect();
        let mut rows: Vec<String> = connection
            .prepare(&format!(
                "SELECT {} FROM \"{}\"",
                columns.join(" || ', ' || "),
                table.replace('"', "\"\"")
            ))
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        rows.sort();
        text.extend([table.as_str(), "\n  ", &rows.join("\n  "), "\n"]);
    }
    text
}

/// The schema as text.
pub(super) fn schema(connection: &Connection) -> Vec<(String, String, String, Option<String>)> {
    connection
        .prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid")
        .unwrap()
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// `table key: before -> after` for each row that the application wrote.
pub(super) fn shown(changes: &[RowChange]) -> Vec<String> {
    let cells = |row: &Option<std::sync::Arc<[Cell]>>| {
        row.as_ref()
            .map_or_else(|| "-".to_owned(), |row| format!("{row:?}"))
    };
    changes
        .iter()
        .filter(|change| change.table.kind == TableKind::Rows)
        .map(|change| {
            format!(
                "{} {:?}: {} -> {}",
                change.table.name,
                change.key,
                cells(&change.before),
                cells(&change.after)
            )
        })
        .collect()
}
