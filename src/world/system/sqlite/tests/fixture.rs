//! A database file, the service's connections to it, and venomqa's system on it.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tempfile::TempDir;

use super::everything::{SCHEMA, STEPS, WORDS};
use crate::model::{Cell, RowChange, TableKind};
use crate::world::WorldError;
use crate::world::config::SystemConfig;
use crate::world::system::contract::{self, Client, Fixture, Jumps, run as now};
use crate::world::system::sqlite::{Sqlite, SqliteSystem};
use crate::world::system::{Engine, Reading, System as _, SystemState};

/// A database file with a write-ahead log, or with a rollback journal: services use both.
pub(in crate::world::system) struct OnFile<const WAL: bool> {
    pub(super) service: Connection,
    second: Connection,
    pub(super) path: PathBuf,
    /// Lives as long as the file is needed.
    _folder: TempDir,
}

pub(in crate::world::system) type InWalMode = OnFile<true>;
pub(in crate::world::system) type InDeleteMode = OnFile<false>;

impl<const WAL: bool> Fixture for OnFile<WAL> {
    type System = SqliteSystem;
    type Connection = Connection;

    const ENGINE: &'static dyn Engine = &Sqlite;
    const KIND: &'static str = if WAL { "sqlite_wal" } else { "sqlite_delete" };
    const GENERATED_KEY: &'static str = "id INTEGER PRIMARY KEY AUTOINCREMENT";
    const VALUES: Jumps = Jumps {
        schema: "CREATE TABLE v (id INTEGER PRIMARY KEY, any, t TEXT, r REAL, n NUMERIC, i INTEGER, b BLOB);
            INSERT INTO v VALUES (1, '1', 1, 1, '1', '1', '1'), (2, 1.0, x'00ff', 1e300, 'abc', 1.5, 1.0)",
        steps: &[
            "INSERT INTO v VALUES (3, cast(x'61006263' AS TEXT), cast(x'ff00fe' AS TEXT), -0.0, x'', '', ''),
                (4, 9223372036854775807, NULL, 9e999, -9e999, -9223372036854775808, zeroblob(3))",
            "UPDATE v SET any = 0, t = t || x'00', i = i + 0.5",
            "DELETE FROM v",
        ],
        words: &[],
    };
    const JUMPS: Jumps = Jumps {
        schema: SCHEMA,
        steps: STEPS,
        words: WORDS,
    };
    const LOCK: &'static str = "BEGIN IMMEDIATE";

    async fn new(schema: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let service = Connection::open(&path).unwrap();
        let mode = if WAL { "wal" } else { "delete" };
        let got: String = service
            .query_row(&format!("PRAGMA journal_mode = {mode}"), [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(got, mode);
        service.execute_batch(schema).unwrap();
        let location = path.display().to_string();
        let second = Self::connect(&location).await;
        second
            .execute_batch("PRAGMA foreign_keys = off; PRAGMA recursive_triggers = on")
            .unwrap();
        Self {
            service: Self::connect(&location).await,
            second,
            path,
            _folder: folder,
        }
    }

    async fn connect(location: &str) -> Connection {
        let connection = Connection::open(location).unwrap();
        connection
            .execute_batch(
                "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = on; PRAGMA synchronous = normal",
            )
            .unwrap();
        connection
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn open(config: &SystemConfig, location: &str) -> Result<SqliteSystem, WorldError> {
        SqliteSystem::open(config, Path::new(location))
    }

    fn connection(&self, client: Client) -> &Connection {
        match client {
            Client::First => &self.service,
            Client::Second => &self.second,
        }
    }

    async fn execute_on(connection: &Connection, statements: &str) -> Result<(), String> {
        connection.execute_batch(statements).map_err(|error| {
            if !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK").unwrap();
            }
            error.to_string()
        })
    }

    /// On a connection that fires no triggers.
    async fn bypass(&self, statements: &str) {
        let connection = Connection::open(&self.path).unwrap();
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
            .unwrap();
        connection.execute_batch(statements).unwrap();
    }

    fn trigger(name: &str, event: &str, table: &str, statement: &str) -> String {
        format!("CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN {statement}; END;")
    }

    async fn dump(&self, client: Client) -> String {
        dump(self.connection(client))
    }

    async fn catalogue(&self) -> String {
        format!("{:#?}", schema(&self.service))
    }

    fn files(&self) -> Vec<String> {
        let own = ["shop.db", "shop.db-wal", "shop.db-shm", "shop.db-journal"];
        std::fs::read_dir(self.path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !own.contains(&name.as_str()) && !name.contains(SAVED))
            .collect()
    }

    async fn assert_sound(&self) {
        let check: String = self
            .service
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
    }
}

/// What the name of a file has in it in which a recovery has saved what was in the database.
const SAVED: &str = ".venomqa-replaced";

impl<const WAL: bool> OnFile<WAL> {
    /// Files in which a recovery has saved what was in the database; they are removed from it.
    pub(super) fn take_saved(&self) -> Vec<Connection> {
        let folder = self.path.parent().unwrap();
        let names = std::fs::read_dir(folder).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let saved: Vec<String> = names.filter(|name| name.contains(SAVED)).collect();
        saved
            .into_iter()
            .map(|name| {
                let path = folder.join(name);
                #[cfg(unix)]
                {
                    use std::os::unix::fs::PermissionsExt as _;
                    let mode = path.metadata().unwrap().permissions().mode();
                    assert_eq!(mode & 0o777, 0o600);
                }
                let content = Connection::open(&path).unwrap();
                let mut copy = Connection::open_in_memory().unwrap();
                // Where it is no database, nothing is copied.
                let _ = rusqlite::backup::Backup::new(&content, &mut copy)
                    .unwrap()
                    .step(-1);
                drop(content);
                std::fs::remove_file(&path).unwrap();
                copy
            })
            .collect()
    }

    /// The service closes its connections.
    pub(super) fn hang_up(&mut self) {
        self.service = Connection::open_in_memory().unwrap();
        self.second = Connection::open_in_memory().unwrap();
    }
}

/// A walk on a file, for tests that never wait.
pub(super) struct Walk<const WAL: bool>(contract::Walk<OnFile<WAL>>);

impl Walk<true> {
    /// Installs the journal and marks the initial state, on a file with a write-ahead log.
    pub(super) fn begin(schema: &str) -> Self {
        Self::in_mode(schema)
    }
}

impl<const WAL: bool> Walk<WAL> {
    /// [`Walk::begin`] in the mode of the type.
    pub(super) fn in_mode(schema: &str) -> Self {
        Self(now(contract::Walk::new(schema)))
    }

    /// One request: the service runs this SQL, then the journal is read.
    pub(super) fn act(&mut self, sql: &str) -> Vec<RowChange> {
        now(self.0.step(sql)).delta.changes().to_vec()
    }

    /// Reads the journal and goes on to the state that follows.
    pub(super) fn read(&mut self) -> Vec<RowChange> {
        now(self.0.read()).delta.changes().to_vec()
    }

    pub(super) fn try_read(&mut self) -> Result<Reading, WorldError> {
        now(self.0.try_read())
    }

    /// Goes to a state.
    pub(super) fn restore(&mut self, to: &SystemState) {
        now(self.0.try_restore(to)).unwrap();
    }

    pub(super) fn verify(&mut self) -> Result<(), WorldError> {
        let state = self.state.clone();
        now(self.system.verify(&state))
    }

    /// Everything that the service sees.
    pub(super) fn dump(&self) -> String {
        dump(&self.service)
    }

    /// The end of the run, which leaves no trace.
    pub(super) fn finish(self) {
        now(self.0.finish());
    }
}

impl<const WAL: bool> Deref for Walk<WAL> {
    type Target = contract::Walk<OnFile<WAL>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<const WAL: bool> DerefMut for Walk<WAL> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// Every row of every table with its rowid, quoted so that storage classes show, counters and the numbers in the header
/// included; the journal and the statistics left out. Virtual tables are read through their modules as well as their shadow tables.
pub(super) fn dump(connection: &Connection) -> String {
    let header = |pragma: &str| -> i64 {
        connection
            .pragma_query_value(None, pragma, |row| row.get(0))
            .unwrap()
    };
    let mut text = format!("{} {}\n", header("user_version"), header("application_id"));
    let tables: Vec<(String, bool)> = connection
        .prepare(
            "SELECT name, wr OR type = 'virtual' FROM pragma_table_list WHERE schema = 'main' AND type <> 'view' \
             AND name NOT LIKE 'venomqa%' AND name <> 'sqlite_schema' AND name NOT LIKE 'sqlite_stat%' ORDER BY name",
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
