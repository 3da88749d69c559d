//! The database of one round.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::disk::SmallDisk;
use crate::postgres_for_tests::{self, Cluster};
use crate::support::{Database, Location, Sandbox, eventually, postgres_store};

/// A database that can be looked at whatever has become of it.
pub(super) enum Subject {
    Sqlite(Database),
    Postgres(postgres_for_tests::Database),
}

/// Everything in a database: the name of a thing, and one of the lines about it.
pub(super) type Contents = Vec<(String, String)>;

/// A server of its own: it is restarted.
pub(super) fn server() -> &'static Cluster {
    static SERVER: OnceLock<Cluster> = OnceLock::new();
    SERVER.get_or_init(Cluster::start)
}

static DISKS: AtomicU32 = AtomicU32::new(0);

impl Subject {
    /// An empty SQLite database in a folder of its own, on a small disk if `is_small` and that can be had.
    pub(super) fn sqlite(sandbox: &Sandbox, is_small: bool) -> (Self, Option<SmallDisk>) {
        let folder = sandbox.path("data");
        fs::create_dir_all(&folder).unwrap();
        let disk = is_small.then(|| SmallDisk::mount(&folder, 4)).flatten();
        (Self::Sqlite(Database::at(folder.join("a.db"))), disk)
    }

    /// An empty PostgreSQL database, its tables on a small disk if `is_small` and that can be had.
    pub(super) fn postgres(is_small: bool) -> (Self, Option<SmallDisk>) {
        let Some(folder) = server().folder().filter(|_| is_small) else {
            return (Self::Postgres(server().database()), None);
        };
        let name = format!("small{}", DISKS.fetch_add(1, Ordering::Relaxed));
        let database = server().database();
        let folder = folder.join(&name);
        let disk = SmallDisk::mount(&folder, 24).filter(|_| {
            // The server's own folder has its user.
            let owner = fs::metadata(folder.with_file_name("data")).unwrap();
            let (user, group) = (owner.uid(), owner.gid());
            std::os::unix::fs::chown(&folder, Some(user), Some(group)).is_ok()
        });
        if disk.is_some() {
            server().psql(
                "postgres",
                &format!("CREATE TABLESPACE {name} LOCATION '{}'", folder.display()),
            );
            server().psql(
                "postgres",
                &format!("ALTER DATABASE {} SET TABLESPACE {name}", database.name),
            );
        }
        (Self::Postgres(database), disk)
    }

    pub(super) fn location(&self) -> Location {
        match self {
            Self::Sqlite(database) => Location::Sqlite(database.path().to_owned()),
            Self::Postgres(database) => Location::Postgres(database.url()),
        }
    }

    /// What its system's entry in a spec says.
    pub(super) fn system(&self) -> Value {
        match self {
            Self::Sqlite(_) => json!({ "sqlite": "data/a.db" }),
            Self::Postgres(database) => json!({ "postgres": database.url() }),
        }
    }

    /// Executes statements one by one, of which the database may refuse some.
    pub(super) fn fill(&self, statements: &[String]) {
        match self {
            Self::Sqlite(database) => {
                let connection = database.open();
                for sql in statements {
                    let _ = connection.execute_batch(sql);
                }
            }
            Self::Postgres(database) => {
                database.psql(&format!(
                    "\\set ON_ERROR_STOP off\nSET lock_timeout = '1s';\n{};",
                    statements.join(";\n")
                ));
            }
        }
    }

    /// Everything that is in it.
    pub(super) fn contents(&self) -> Contents {
        match self {
            // To open it would make it.
            Self::Sqlite(database) if !database.path().is_file() => Vec::new(),
            Self::Sqlite(database) => {
                let damage: rusqlite::Result<String> =
                    database
                        .open()
                        .query_row("PRAGMA integrity_check", [], |row| row.get(0));
                match damage {
                    Ok(fine) if fine == "ok" => database.contents(),
                    Ok(other) => vec![("damage".to_owned(), other)],
                    Err(error) => vec![("damage".to_owned(), error.to_string())],
                }
            }
            Self::Postgres(database) => postgres_store::contents(database),
        }
    }

    /// Files of venomqa beside it.
    pub(super) fn strangers(&self) -> Vec<PathBuf> {
        let Self::Sqlite(database) = self else {
            return Vec::new();
        };
        let folder = database.path().parent().unwrap();
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().contains("a.db.venomqa"))
            .collect()
    }

    /// Until the server has noticed that a process which was killed is gone, and nothing runs there any more.
    pub(super) fn wait_for_silence(&self) {
        if let Self::Postgres(database) = self {
            let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                            AND backend_type = 'client backend' AND (application_name = 'venomqa' OR state <> 'idle')";
            eventually("the sessions of a killed run end", || {
                (database.psql(sessions) == "0").then_some(())
            });
        }
    }

    /// What was written so far survives a crash as it is: the server notes sequences ahead of what they have reached.
    pub(super) fn checkpoint(&self) {
        if let Self::Postgres(database) = self {
            database.psql("CHECKPOINT");
        }
    }

    /// Cuts the connections that venomqa has to it.
    pub(super) fn cut_connections(&self) {
        if let Self::Postgres(database) = self {
            database.psql(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'venomqa' AND datname = current_database()",
            );
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let Self::Postgres(database) = self else {
            return;
        };
        if std::thread::panicking() {
            return;
        }
        let tablespace = database.psql(
            "SELECT spcname FROM pg_tablespace t JOIN pg_database d ON d.dattablespace = t.oid WHERE datname = current_database()",
        );
        server().psql(
            "postgres",
            &format!("DROP DATABASE {} WITH (FORCE)", database.name),
        );
        if tablespace.starts_with("small") {
            server().psql("postgres", &format!("DROP TABLESPACE {tablespace}"));
        }
    }
}
