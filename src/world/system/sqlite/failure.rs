//! SQLite's errors in words that say what to do.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use crate::world::{WorldError, WorldErrorKind};

/// How long a lock of another connection is waited for.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(10);

/// How long SQLite itself waits at a time, and the thread with it; and the pause for everything else on that thread.
const BLOCKED: Duration = Duration::from_millis(5);
const PAUSE: Duration = Duration::from_millis(2);

/// Runs an operation until no other connection's lock is in its way, at most for so long. An operation that met a lock has
/// changed nothing, so it can be run again. Signals and the service's output get their turn meanwhile.
pub(super) async fn patiently<T>(
    connection: &mut Connection,
    patience: Duration,
    mut operation: impl FnMut(&mut Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.busy_timeout(BLOCKED)?;
    let began = Instant::now();
    let result = loop {
        match operation(connection) {
            Err(error) if is_locked(&error) && began.elapsed() < patience => {
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
            "cannot {doing}: the database `{file}` or its folder is read-only"
        ))
        .with_help(
            "venomqa keeps its journal in the same file, so the file and its folder must be writable; check owner and \
             permissions, or point the spec at a copy",
        ),
        Some(ErrorCode::NotADatabase) => system(format!("`{file}` is not a SQLite database"))
            .with_help("check the path after `sqlite:`; an encrypted database cannot be watched"),
        Some(ErrorCode::CannotOpen) => {
            system(format!("cannot {doing}: the database `{file}` cannot be opened ({error})"))
                .with_help("check that the file exists and that its folder is writable")
        }
        Some(ErrorCode::DiskFull) => system(format!("cannot {doing}: no space left for `{file}`"))
            .with_help("free some space; the content before the run is in the journal, `venomqa restore` puts it back"),
        Some(ErrorCode::DatabaseCorrupt) => {
            system(format!("cannot {doing}: the database `{file}` is damaged ({error})"))
                .with_help("run `PRAGMA integrity_check` on it")
        }
        _ => system(format!("cannot {doing} in the database `{file}`: {error}")),
    }
}
