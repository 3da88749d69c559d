//! The safety copy: the content before the run, in a file of its own beside the database.
//!
//! It is what can be relied on when the journal cannot: the file was deleted, replaced or overwritten, tables were dropped or
//! altered, rows were numbered anew. Where a table cannot be journalled it is the only way back to the content before the run.
//!
//! - `FILE.venomqa-before.partial` is a copy that says nothing yet: it is being written, or its run is coming to its end. It
//!   counts only where the database holds a journal.
//! - `FILE.venomqa-before` is the copy of a run that goes on, or was killed. Where the database holds no journal beside it,
//!   the database was replaced under the run.
//!
//! - `FILE.venomqa-before.of` is the [note](CopyNote) of what it is a copy of. It is there before the copy, and goes after it.
//!
//! So whatever moment a run is killed at, an old copy is never taken for that of a later content, nor that of one file for that of
//! another.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::connect::open;
use super::copy_note::CopyNote;
use super::failure::LOCK_WAIT;
use super::form::Form;
use super::journal::Run;
use super::{ignored, spared};
use crate::own_files;
use crate::world::config::SystemConfig;

/// The largest database that is copied without being asked to, in bytes.
pub(super) const LARGEST: u64 = 64 << 20;

/// The copy beside one database, which need not be there.
#[derive(Clone, Debug)]
pub(super) struct SafetyCopy {
    armed: PathBuf,
    partial: PathBuf,
    note: PathBuf,
}

/// Why a copy cannot be written or put back.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// SQLite says no.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// The file system says no.
    #[error(transparent)]
    File(#[from] io::Error),
}

impl SafetyCopy {
    /// The copy of the database with this path. Links are followed: the copy stands beside the file itself.
    pub(super) fn of(database: &Path) -> Self {
        Self {
            armed: own_files::beside(database, ".venomqa-before"),
            partial: own_files::beside(database, ".venomqa-before.partial"),
            note: own_files::beside(database, ".venomqa-before.of"),
        }
    }

    /// The copy of a run whose journal is in the database with this path, which had the file by another name, perhaps.
    pub(super) fn of_run(run: &Run, database: &Path) -> Option<Self> {
        [database, Path::new(&run.file)]
            .into_iter()
            .map(Self::of)
            .find(|copy| copy.is_there() && copy.note().is_some_and(|note| note.run == run.id))
    }

    /// What it is a copy of, as far as that can be read.
    pub(super) fn note(&self) -> Option<CopyNote> {
        CopyNote::read(&self.note).ok()
    }

    /// What it is a copy of, if that is the database with this path.
    pub(super) fn note_of(&self, database: &Path) -> Option<CopyNote> {
        self.note().filter(|note| note.is_of(database))
    }

    /// Where it is while the run goes on.
    pub(super) fn path(&self) -> &Path {
        &self.armed
    }

    /// Whether there is the copy of a run that goes on or was killed.
    pub(super) fn is_armed(&self) -> bool {
        is_file(&self.armed)
    }

    /// The copy, whether or not it counts without a journal.
    pub(super) fn found(&self) -> Option<&Path> {
        [&self.armed, &self.partial]
            .into_iter()
            .map(PathBuf::as_path)
            .find(|path| is_file(path))
    }

    /// Whether there is a copy at all.
    fn is_there(&self) -> bool {
        self.found().is_some()
    }

    /// Copies the database as it is now; the caller keeps everybody from writing meanwhile. When this returns the copy is on
    /// the disk, and whole. It counts for nothing before it is [armed](Self::arm), or a journal is in the database.
    pub(super) fn write(&self, database: &Path, run: &str) -> Result<(), CopyError> {
        CopyNote::of(run, database).write(&self.note)?;
        // A connection of its own: SQLite copies through none that is about to write.
        let from = open(database, OpenFlags::empty())?;
        from.busy_timeout(LOCK_WAIT)?;
        self.write_from(&from).map(drop)
    }

    /// [`SafetyCopy::write`] of what a connection sees, without the note. Returns where it is until it is armed.
    pub(super) fn write_from(&self, from: &Connection) -> Result<&Path, CopyError> {
        remove_with_attendants(&self.partial)?;
        // SQLite would make it readable for everybody.
        drop(own_files::create(&self.partial)?);
        let written = || -> Result<(), CopyError> {
            let mut copy = open(&self.partial, OpenFlags::empty())?;
            copy.execute_batch("PRAGMA journal_mode = off; PRAGMA synchronous = off")?;
            copy_all(from, &mut copy)?;
            copy.close().map_err(|(_, error)| error)?;
            Ok(File::open(&self.partial)?.sync_all()?)
        };
        written().inspect_err(|_| {
            // The disk may be full of it. What is left of it counts for nothing.
            let _ = self.forget();
        })?;
        Ok(&self.partial)
    }

    /// The journal is in the database: from here on the copy counts whatever becomes of the database.
    pub(super) fn arm(&self) -> io::Result<()> {
        fs::rename(&self.partial, &self.armed)
    }

    /// The journal is about to be removed: the copy counts only as long as it is there.
    pub(super) fn disarm(&self) -> io::Result<()> {
        match fs::rename(&self.armed, &self.partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes the content of the database what it was before the run, and says what form it had. Left alone are tables that `ignore_tables` names, if there is a
    /// configuration that says so. The journal, which the copy knows nothing of, is gone with that.
    pub(super) fn put(
        &self,
        connection: &mut Connection,
        database: &Path,
        ignoring: Option<&SystemConfig>,
    ) -> Result<Form, CopyError> {
        let Some(path) = self.found() else {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the copy of the content before the run is not there",
            )
            .into());
        };
        let kept = open(path, OpenFlags::empty())?;
        kept.busy_timeout(LOCK_WAIT)?;
        let form = Form::read(&kept)?;
        form.make_way(connection)?;
        let is_encoded_otherwise = encoding(connection) != encoding(&kept);
        if let Some(config) = ignoring {
            let tables = ignored::tables(connection, config)?;
            spared::carry_over(&kept, database, config, &tables)?;
        }
        match copy_all(&kept, connection) {
            Err(error) if is_damaged(&error) => {
                empty(connection)?;
                copy_all(&kept, connection)?;
            }
            done => done?,
        }
        kept.close().map_err(|(_, error)| error)?;
        if is_encoded_otherwise {
            // A connection keeps to the encoding that it has met first.
            *connection = open(database, OpenFlags::empty())?;
        }
        Ok(form)
    }

    /// Whether SQLite finds something wrong with a database, and nothing with this copy of it.
    pub(super) fn is_better_than(&self, connection: &Connection) -> bool {
        let is_sound_itself = || {
            let copy = open(self.found()?, OpenFlags::empty()).ok()?;
            Some(is_sound(&copy))
        };
        !is_sound(connection) && is_sound_itself() == Some(true)
    }

    /// Removes it.
    pub(super) fn forget(&self) -> io::Result<()> {
        remove_with_attendants(&self.partial)?;
        remove_with_attendants(&self.armed)?;
        remove(&self.note)
    }
}

/// How a database keeps its texts; `None` where that cannot be read.
fn encoding(connection: &Connection) -> Option<String> {
    let read = connection.pragma_query_value(None, "encoding", |row| row.get(0));
    read.ok()
}

/// Whether a file holds no database that SQLite can read.
pub(super) fn is_damaged(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}

/// Whether SQLite finds nothing wrong with a database that it can read at all.
pub(super) fn is_sound(connection: &Connection) -> bool {
    let answer = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match answer {
        Ok(answer) => answer == "ok",
        Err(error) => !is_damaged(&error),
    }
}

/// Makes an empty database of a file that holds none that can be read, without taking it from those who have it open.
fn empty(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, true)?;
    let emptied = connection.execute_batch("VACUUM");
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, false)?;
    emptied
}

/// Copies a database into another in one transaction. A lock is waited for.
pub(super) fn copy_all(from: &Connection, to: &mut Connection) -> rusqlite::Result<()> {
    let backup = Backup::new(from, to)?;
    let began = Instant::now();
    loop {
        match backup.step(-1)? {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked if began.elapsed() > LOCK_WAIT => {
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                    None,
                ));
            }
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Whether there is a file of this name itself; a link is none.
fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

/// Removes a database file, and what SQLite keeps beside it: the files of these very names. A link may have come with a
/// repository that nobody trusts; it is removed itself, and never what it leads to.
pub(super) fn remove_with_attendants(file: &Path) -> io::Result<()> {
    for suffix in ["-journal", "-wal", "-shm", ""] {
        let mut name = OsString::from(file);
        name.push(suffix);
        remove(Path::new(&name))?;
    }
    Ok(())
}

/// Removes a file that need not be there.
fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
