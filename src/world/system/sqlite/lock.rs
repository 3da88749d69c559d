//! One run at a time on one database.
//!
//! A lock file beside the database is held with an advisory lock for as long as the run lives. The kernel releases it
//! when the process ends, however it ends, so a killed run never has to be told apart from a living one by its process
//! number. The database file itself is never opened here: closing it would drop SQLite's own locks on it.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::world::{WorldError, WorldErrorKind};

/// Held while a run may change the database. Dropping it releases the lock and removes the file.
#[derive(Debug)]
pub(super) struct RunLock {
    path: PathBuf,
    _file: File,
}

impl RunLock {
    /// Takes the lock, or says which process holds it.
    pub(super) fn acquire(database: &Path) -> Result<Self, WorldError> {
        let path = lock_path(database);
        loop {
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(|error| cannot_lock(&path, &error))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(held(database, &mut file)),
                Err(TryLockError::Error(error)) => return Err(cannot_lock(&path, &error)),
            }
            // The holder before us removes the file while it still has the lock: what we locked may have no name any more.
            if !is_named(&file, &path) {
                continue;
            }
            file.set_len(0)
                .and_then(|()| file.write_all(std::process::id().to_string().as_bytes()))
                .map_err(|error| cannot_lock(&path, &error))?;
            return Ok(Self { path, _file: file });
        }
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Nothing to be done where it fails: an unlocked file holds nobody up.
        let _ = fs::remove_file(&self.path);
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(".venomqa-lock");
    name.into()
}

#[cfg(unix)]
fn is_named(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(named)) => ours.ino() == named.ino() && ours.dev() == named.dev(),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_named(_file: &File, path: &Path) -> bool {
    path.exists()
}

fn cannot_lock(path: &Path, error: &std::io::Error) -> WorldError {
    WorldError::new(
        WorldErrorKind::System,
        format!("cannot create the lock file `{}`: {error}", path.display()),
    )
    .with_help("the folder of the database must be writable: SQLite and venomqa keep files there during a run")
}

fn held(database: &Path, file: &mut File) -> WorldError {
    let mut process = String::new();
    let known = file.rewind().is_ok() && file.read_to_string(&mut process).is_ok();
    let holder = match process.trim() {
        number if known && !number.is_empty() => format!(" (process {number})"),
        _ => String::new(),
    };
    WorldError::new(
        WorldErrorKind::System,
        format!(
            "another venomqa run{holder} is using the database `{}`",
            database.display()
        ),
    )
    .with_help("wait for it to end, or give each run a database of its own, for example below `${workdir}`")
}
