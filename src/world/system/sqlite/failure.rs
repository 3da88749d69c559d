//! SQLite's errors in words that say what to do.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use crate::interrupt::Interrupt;
use crate::own_files::folder;
use crate::world::{WorldError, WorldErrorKind};

/// How long a lock of another connection is waited for.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(10);

/// How long SQLite itself waits at a time, and the thread with it; and the pause for everything else on that thread.
const BLOCKED: Duration = Duration::from_millis(5);
const PAUSE: Duration = Duration::from_millis(2);

/// Runs an operation until no other connection's lock is in its way, at most for so long, or until the run has to end. An operation that met a lock has
/// changed nothing, so it can be run again. Signals and the service's output get their turn meanwhile.
pub(super) async fn patiently<T>(
    connection: &mut Connection,
    patience: Duration,
    interrupt: &Interrupt,
    mut operation: impl FnMut(&mut Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.busy_timeout(BLOCKED)?;
    let began = Instant::now();
    let result = loop {
        match operation(connection) {
            Err(error)
                if is_locked(&error)
                    && began.elapsed() < patience
                    && interrupt.ending().is_none() =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            result => break result,
        }
    };
    connection.busy_timeout(LOCK_WAIT)?;
    result
}

/// Whether another connection's lock was in the way.
pub(super) fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Whether the disk, or a limit of it, is not the reason.
pub(super) fn has_room(error: &rusqlite::Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::ReadOnly)
    )
}

/// An error of SQLite while venomqa wanted to do something (`doing`: "read the journal") with a file.
pub(super) fn failed(path: &Path, doing: &str, error: &rusqlite::Error) -> WorldError {
    let file = path.display();
    let system = |message: String| WorldError::new(WorldErrorKind::System, message);
    match error.sqlite_error_code() {
        _ if is_locked(error) => system(format!(
            "cannot {doing}: the database `{file}` stayed locked for {} s",
            LOCK_WAIT.as_secs()
        ))
        .with_help(
            "another connection holds a transaction open; look for a request handler that does not commit or roll back, \
             or for a second program on the same file",
        ),
        Some(ErrorCode::ReadOnly) => system(format!(
            "cannot {doing}: the database `{file}` cannot be written: {}",
            limit(path).unwrap_or_else(|| rights(path, error))
        ))
        .with_help(
            "venomqa keeps its journal in the same file, so the file and its folder must be writable; check owner and \
             permissions, or point the spec at a copy",
        ),
        Some(ErrorCode::NotADatabase) => system(format!("`{file}` is not a SQLite database"))
            .with_help("check the path after `sqlite:`; an encrypted database cannot be watched"),
        Some(ErrorCode::CannotOpen) => {
            let why = limit(path).unwrap_or_else(|| rights(path, error));
            system(format!("cannot {doing}: the database `{file}`, or a file beside it, cannot be opened: {why}"))
                .with_help("SQLite and venomqa keep files beside the database: the folder must be there and writable")
        }
        Some(ErrorCode::SystemIoFailure) => {
            let why = limit(path).unwrap_or_else(|| {
                "the system refused to read or write; a limit on the size of files (`ulimit -f`) or a quota may be the cause".to_owned()
            });
            system(format!("cannot {doing} in the database `{file}`: {error}: {why}"))
                .with_help("where a journal is in the database, `venomqa restore` puts the content before the run back once that is cured")
        }
        Some(ErrorCode::DiskFull) => system(format!("cannot {doing}: no space left for `{file}`"))
            .with_help("free some space; where the run had begun, the content before it is in the journal, and `venomqa restore` puts it back"),
        Some(ErrorCode::DatabaseCorrupt) => {
            system(format!("cannot {doing}: the database `{file}` is damaged ({error})"))
                .with_help("run `PRAGMA integrity_check` on it")
        }
        _ => system(format!("cannot {doing} in the database `{file}`: {error}")),
    }
}

/// How many files SQLite opens at most at the same time for one statement: the database, its journal or log, the log's index, a folder, files for sorting.
const OPEN_AT_ONCE: usize = 8;

/// The limit of the system that was reached, as far as that can be seen now. SQLite has closed again what it had opened before it failed, and opens a file for
/// reading alone where the limit kept it from opening the file for writing; so as many files are opened as one statement may want.
fn limit(path: &Path) -> Option<String> {
    if cfg!(unix) {
        let opened: io::Result<Vec<File>> =
            (0..OPEN_AT_ONCE).map(|_| File::open("/dev/null")).collect();
        if let Err(error) = opened {
            return Some(error.to_string());
        }
    }
    #[cfg(unix)]
    if rustix::fs::statvfs(folder(path)).is_ok_and(|found| found.f_bavail == 0) {
        return Some("no space is left".to_owned());
    }
    None
}

/// What the user may not do with the file or its folder; or what SQLite says, if the user may do everything.
#[cfg(unix)]
fn rights(path: &Path, error: &rusqlite::Error) -> String {
    use std::os::unix::fs::MetadataExt as _;

    use rustix::fs::{Access, StatVfsMountFlags, access};
    let user = rustix::process::geteuid().as_raw();
    for (what, place) in [("the file", path), ("the folder", folder(path))] {
        if access(place, Access::READ_OK | Access::WRITE_OK).is_ok() {
            continue;
        }
        let owner = std::fs::metadata(place).map_or_else(
            |error| error.to_string(),
            |it| format!("user {}, mode {:o}", it.uid(), it.mode() & 0o7777),
        );
        return format!(
            "{what} `{}` belongs to {owner}, and venomqa runs as user {user}",
            place.display()
        );
    }
    if rustix::fs::statvfs(folder(path))
        .is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
    {
        return "the file system is read-only".to_owned();
    }
    error.to_string()
}

#[cfg(not(unix))]
fn rights(_path: &Path, error: &rusqlite::Error) -> String {
    error.to_string()
}
