//! Saves what is in a database before another content is put there: it may be somebody's work since a run was killed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::connect::open;
use super::journal;
use super::safety_copy::{CopyError, copy_all, is_damaged, remove_with_attendants};
use crate::own_files;

/// Writes the content into a file of its own beside the database, without the journal, and returns its name. `None` where there is
/// nothing in it.
pub(super) fn save(connection: &Connection, database: &Path) -> Result<Option<PathBuf>, CopyError> {
    if is_empty(connection, database)? {
        return Ok(None);
    }
    let (path, file) = own_files::create_beside(database, ".venomqa-replaced")?;
    let saved = match save_content(connection, &path) {
        Err(CopyError::Sql(error)) if is_damaged(&error) => save_bytes(database, file, &path),
        saved => saved,
    };
    if let Err(error) = saved {
        // The disk may be full of it. The database itself is as it was.
        let _ = remove_with_attendants(&path);
        return Err(error);
    }
    Ok(Some(path))
}

/// Whether there is nothing to lose: no file, or one that nothing was ever written to.
fn is_empty(connection: &Connection, database: &Path) -> Result<bool, CopyError> {
    let objects: rusqlite::Result<i64> =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0));
    match objects {
        Ok(count) => Ok(count == 0),
        Err(error) if is_damaged(&error) => Ok(fs::metadata(database)?.len() == 0),
        Err(error) => Err(error.into()),
    }
}

fn save_content(connection: &Connection, path: &Path) -> Result<(), CopyError> {
    let mut saved = open(path, OpenFlags::empty())?;
    copy_all(connection, &mut saved)?;
    // One file, with nothing beside it that could be forgotten.
    saved.pragma_update(None, "journal_mode", "delete")?;
    let transaction = saved.transaction()?;
    journal::drop_all(&transaction)?;
    transaction.commit()?;
    Ok(saved.close().map_err(|(_, error)| error)?)
}

/// Copies a file that is no database, with the log beside it, which may be all that is left of one.
fn save_bytes(database: &Path, mut to: File, path: &Path) -> Result<(), CopyError> {
    to.set_len(0)?;
    io::copy(
        &mut own_files::open(&own_files::resolved(database))?,
        &mut to,
    )?;
    to.sync_all()?;
    let log = own_files::beside(database, "-wal");
    if fs::symlink_metadata(&log).is_ok_and(|found| found.len() > 0) {
        let mut to = own_files::create(&own_files::beside(path, "-wal"))?;
        io::copy(&mut own_files::open(&log)?, &mut to)?;
        to.sync_all()?;
    }
    Ok(())
}
