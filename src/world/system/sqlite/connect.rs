//! Opens database files.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::failure::{LOCK_WAIT, failed};
use crate::world::{WorldError, WorldErrorKind};

/// A connection that writes what it is told and nothing else: no triggers or foreign keys. Nothing of the file is read yet.
pub(super) fn open(path: &Path, how: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | how,
    )?;
    connection.busy_timeout(LOCK_WAIT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    Ok(connection)
}

/// [`open`] of a database that is there, with checks off as well.
pub(super) fn connect(path: &Path) -> Result<Connection, WorldError> {
    let broken = |error: rusqlite::Error| failed(path, "open it", &error);
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => {
            return Err(WorldError::new(
                WorldErrorKind::System,
                format!("`{}` is no file", path.display()),
            )
            .with_help("`sqlite:` takes the path of a database file"));
        }
        Err(error) => {
            return Err(WorldError::new(
                WorldErrorKind::System,
                format!("there is no database `{}`: {error}", path.display()),
            )
            .with_help(
                "check the path after `sqlite:`; a service that creates its database must have done so by the time it \
                 is ready",
            ));
        }
    }
    let connection = open(path, OpenFlags::empty()).map_err(broken)?;
    let prepare = || -> rusqlite::Result<()> {
        connection.pragma_update(None, "ignore_check_constraints", true)?;
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        let synchronous = if mode == "wal" { "NORMAL" } else { "FULL" };
        connection.pragma_update(None, "synchronous", synchronous)
    };
    prepare().map_err(broken)?;
    Ok(connection)
}
