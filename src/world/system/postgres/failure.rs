//! PostgreSQL's errors in words that say what to do.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

use super::address::Address;
use crate::world::{WorldError, WorldErrorKind};

/// Help where the tables are not what the journal says.
pub(super) const WRITTEN_PAST: &str =
    "rows were written past the journal, by a session that switches triggers off perhaps";

/// Help where the server is there and the database is not.
pub(super) const NO_DATABASE: &str = "check the name of the database in the URL; where it was dropped during a run, the journal went with it, and \
     its content comes back from a backup only: keep what drops the database out of the spec";

/// An error of the database while venomqa wanted to do something (`doing`: "read the journal").
pub(super) fn failed(address: &Address, doing: &str, error: &Error) -> WorldError {
    let system = |message: String| WorldError::new(WorldErrorKind::System, message);
    let Some(db) = error.as_db_error() else {
        if error.is_closed() || is_broken(error) {
            return lost(address, doing);
        }
        return system(format!("cannot {doing} in `{address}`: {}", cause(error)));
    };
    match *db.code() {
        _ if ends_session(db) => lost(address, doing).with_details([db.message().to_owned()]),
        SqlState::LOCK_NOT_AVAILABLE => system(format!(
            "cannot {doing} in `{address}`: another session keeps a lock"
        )),
        SqlState::OUT_OF_MEMORY if db.message().contains("shared memory") => {
            system(format!("cannot {doing} in `{address}`: {}", db.message())).with_help(
                "raise `max_locks_per_transaction` in the server's configuration and restart it",
            )
        }
        _ if refuses_rows(db) => system(format!("cannot {doing} in `{address}`: {}", db.message()))
            .with_details(lines(db))
            .with_help(
                "a condition, an index or a generated column of the application refuses a row that was there before: where its \
                 function does not find what it names, `ALTER FUNCTION ... SET search_path = ...` cures that; otherwise drop it, \
                 and run `venomqa restore`",
            ),
        SqlState::DUPLICATE_OBJECT => system(format!("cannot {doing} in `{address}`: {}", db.message()))
            .with_help("the journal needs that name; rename what the application calls so"),
        _ => system(format!("cannot {doing} in `{address}`: {}", db.message()))
            .with_details(lines(db)),
    }
}

/// Whether the server ends the session with this error, whatever the statement was.
pub(super) fn ends_session(db: &DbError) -> bool {
    [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::DATABASE_DROPPED,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        SqlState::IDLE_SESSION_TIMEOUT,
    ]
    .contains(db.code())
}

/// Whether something of the application refuses a row that is written.
pub(super) fn refuses_rows(db: &DbError) -> bool {
    [
        SqlState::CHECK_VIOLATION,
        SqlState::UNDEFINED_FUNCTION,
        SqlState::UNDEFINED_TABLE,
        SqlState::RAISE_EXCEPTION,
    ]
    .contains(db.code())
}

/// Whether the connection broke while something was under way.
fn is_broken(error: &Error) -> bool {
    error
        .source()
        .is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

/// The connection is gone.
pub(super) fn lost(address: &Address, doing: &str) -> WorldError {
    WorldError::new(
        WorldErrorKind::System,
        format!("cannot {doing}: the connection to `{address}` is lost"),
    )
    .with_help(
        "unless the database itself was dropped, the content before the run is kept in its schema `venomqa`; where the end of this run \
         cannot put it back, the next run, or `venomqa restore`, does",
    )
}

/// What a connection attempt failed with.
pub(super) fn no_connection(address: &Address, error: &Error) -> WorldError {
    let why = error
        .as_db_error()
        .map_or_else(|| cause(error), |db| db.message().to_owned());
    let is_missing = error.code() == Some(&SqlState::INVALID_CATALOG_NAME);
    WorldError::new(
        WorldErrorKind::System,
        format!("cannot connect to `{address}`: {why}"),
    )
    .with_help(if is_missing {
        NO_DATABASE
    } else {
        "check that the server is running and that host, port, user, password and database in the URL are right"
    })
}

/// Detail, hint and place, each a line.
pub(super) fn lines(db: &DbError) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(detail) = db.detail() {
        lines.push(format!("detail: {detail}"));
    }
    if let Some(hint) = db.hint() {
        lines.push(format!("hint: {hint}"));
    }
    if let Some(place) = db.where_() {
        lines.push(format!("where: {}", place.replace('\n', "; ")));
    }
    lines
}

/// The position of an error in the text that was sent, in characters from 0.
pub(super) fn position(db: &DbError) -> Option<usize> {
    match db.position()? {
        ErrorPosition::Original(position) => (*position as usize).checked_sub(1),
        ErrorPosition::Internal { .. } => None,
    }
}

/// The innermost reason of an error: `Display` of the outer one is only "error connecting to server".
pub(super) fn cause(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}
