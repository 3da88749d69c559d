//! Puts the content before the run back, from the journal in the file and the copy beside it alone, and removes both.
//!
//! The journal is enough where tables are what they were. Where they are not, or rows cannot be found by their numbers any
//! more, the copy is put instead; without one, whatever can be put back is, table by table.

use std::io;
use std::path::Path;

use rusqlite::Connection;

use super::apply::Scope;
use super::failure::{failed, has_room, is_locked};
use super::kept_rows::{self, Outcome};
use super::safety_copy::{self, CopyError, SafetyCopy};
use super::schema::{Difference, Schema};
use super::{Sqlite, journal};
use crate::world::config::SystemConfig;
use crate::world::system::Location;
use crate::world::{WorldError, WorldErrorKind};

pub(super) const DOING: &str = "put the content before the run back";

/// What a recovery did.
#[derive(Debug)]
pub(super) struct Recovered {
    /// When the run began, in UTC; `None` where the journal was gone.
    started: Option<String>,
    /// How many rows were put back, removed ones included; `None` where the database was put back as a whole.
    rows: Option<usize>,
    /// What had become of the database.
    pub(super) found: Vec<String>,
    /// What of it could not be had back.
    pub(super) lost: Vec<String>,
}

impl Recovered {
    /// Whether the database still held its journal.
    pub(super) fn journal_was_there(&self) -> bool {
        self.started.is_some()
    }

    /// The text for the user.
    pub(super) fn describe(&self, path: &Path) -> String {
        let file = path.display();
        let what = match self.rows {
            None => "the whole content".to_owned(),
            Some(1) => "1 row".to_owned(),
            Some(rows) => format!("{rows} rows"),
        };
        let mut text = match &self.started {
            Some(started) => format!(
                "`{file}` held the journal of a run of {started} UTC that did not end properly: {what} put back, the journal is removed"
            ),
            None => format!(
                "`{file}` was replaced or overwritten under a run that did not end properly: {what} put back as it was before that run"
            ),
        };
        if !self.found.is_empty() {
            text.push_str("; what had changed beside rows: ");
            text.push_str(&self.found.join(", "));
        }
        if !self.lost.is_empty() {
            text.push_str("; LOST, for there was no copy of the content before the run: ");
            text.push_str(&self.lost.join(", "));
        }
        text
    }
}

/// Puts the content before the run back and removes the journal. `None` where there is none. The connection must have
/// triggers, foreign keys and checks off. `may_replace` says whether a content that holds no journal may be replaced by that
/// of the copy: it is not what the run left.
pub(super) fn recover(
    connection: &mut Connection,
    path: &Path,
    may_replace: bool,
) -> Result<Option<Recovered>, WorldError> {
    let broken = |error: rusqlite::Error| failed(path, DOING, &error);
    let copy = SafetyCopy::of(path);
    match journal::format_found(connection) {
        Ok(Some(journal::FORMAT)) => {}
        Ok(Some(format)) => return Err(other_version(path, format)),
        Ok(None) => return without_journal(connection, path, &copy, may_replace),
        Err(error) if safety_copy::is_damaged(&error) && copy.is_armed() => {
            return without_journal(connection, path, &copy, may_replace);
        }
        Err(error) => return Err(broken(error)),
    }
    connection.flush_prepared_statement_cache();
    let run = journal::run(connection).map_err(broken)?;
    let mut config = SystemConfig::new("", Location::new(&Sqlite, ""));
    config.ignore_tables = run.ignored;
    let found = changed(connection, &config).map_err(broken)?;
    copy.disarm()
        .map_err(|error| copy_failed(&copy, DOING, &error.into()))?;
    let recovered = put_back(connection, path, &copy, &config, (run.whole, found));
    if recovered.is_err() && copy.is_there() {
        // It goes on to count for everything that may still happen. Where that fails, it counts as long as the journal is there.
        let _ = copy.arm();
    }
    recovered.map(|recovered| {
        Some(Recovered {
            started: Some(run.started),
            ..recovered
        })
    })
}

/// Puts the content before the run back: from the journal, unless it is only in the copy (`whole`), or more than rows has changed
/// and there is a copy.
fn put_back(
    connection: &mut Connection,
    path: &Path,
    copy: &SafetyCopy,
    config: &SystemConfig,
    (whole, found): (bool, Vec<String>),
) -> Result<Recovered, WorldError> {
    if !copy.is_there() || !whole && found.is_empty() {
        match rows_back(connection, config) {
            Ok(outcome) => {
                let told = outcome.told(path, found)?;
                copy.forget().map_err(|error| {
                    copy_failed(copy, "remove the copy of its content", &error.into())
                })?;
                return Ok(told);
            }
            // The journal is damaged: only the copy helps.
            Err(error) if copy.is_there() && !is_locked(&error) && has_room(&error) => {}
            Err(error) => return Err(failed(path, DOING, &error)),
        }
    }
    copy.put(connection, path, Some(config))
        .and_then(|()| Ok(copy.forget()?))
        .map_err(|error| cannot_put(path, copy, &error))?;
    Ok(Recovered {
        started: None,
        rows: None,
        found,
        lost: Vec::new(),
    })
}

/// What has become of the database beside its rows, in words.
fn changed(connection: &Connection, config: &SystemConfig) -> rusqlite::Result<Vec<String>> {
    let now = Schema::read(connection, config)?;
    let differences = Schema::kept(connection)?.differences(&now);
    let mut found: Vec<String> = differences.iter().map(Difference::describe).collect();
    if !journal::rows_are_where_they_were(connection)? {
        found.push(
            "the rows of tables without an `INTEGER PRIMARY KEY` were numbered anew".to_owned(),
        );
    }
    Ok(found)
}

/// Writes rows back in one transaction, with what can be had back of the schema.
fn rows_back(connection: &Connection, config: &SystemConfig) -> rusqlite::Result<Outcome> {
    let scope = Scope::writing(connection)?;
    let outcome = kept_rows::put_back(connection, config)?;
    connection.flush_prepared_statement_cache();
    scope.commit()?;
    Ok(outcome)
}

impl Outcome {
    /// An error where rows still wait in the journal.
    fn told(self, path: &Path, found: Vec<String>) -> Result<Recovered, WorldError> {
        if self.waiting.is_empty() {
            return Ok(Recovered {
                started: None,
                rows: Some(self.rows),
                found,
                lost: self.lost,
            });
        }
        Err(WorldError::new(
            WorldErrorKind::System,
            format!(
                "the content of `{}` before the run is back ({} rows put back), but for what is named here",
                path.display(),
                self.rows
            ),
        )
        .with_details(self.waiting.into_iter().chain(self.lost))
        .with_help(
            "the rows that the run had touched in these tables are kept in the journal: make the tables what they were, for \
             example from a backup, and run `venomqa restore`; or drop the tables whose names begin with `venomqa_` to give \
             these rows up",
        ))
    }
}

/// No journal is in the database: no run has left one, or it went with the content that it was in.
fn without_journal(
    connection: &mut Connection,
    path: &Path,
    copy: &SafetyCopy,
    may_replace: bool,
) -> Result<Option<Recovered>, WorldError> {
    if !copy.is_armed() {
        // A run that ended between two of its first or last steps may have left a copy, but changed nothing.
        copy.forget()
            .map_err(|error| copy_failed(copy, "remove the copy of its content", &error.into()))?;
        return Ok(None);
    }
    if !may_replace {
        return Err(WorldError::new(
            WorldErrorKind::System,
            format!(
                "`{}` was replaced or overwritten under a run that was killed; its content before that run is in `{}`",
                path.display(),
                copy.path().display()
            ),
        )
        .with_help(format!(
            "`venomqa restore --sqlite {0}` puts that content back; to keep what is there now: `rm {1}`",
            path.display(),
            copy.path().display()
        )));
    }
    put_copy(connection, path, copy, None).map(Some)
}

/// Puts the copy into a database that is no longer the one that the journal was made for, or holds nothing of it. With a
/// configuration the tables that it ignores stay as they are, if the journal is there: then they come from that database.
pub(super) fn put_copy(
    connection: &mut Connection,
    path: &Path,
    copy: &SafetyCopy,
    ignoring: Option<&SystemConfig>,
) -> Result<Recovered, WorldError> {
    let has_journal = matches!(journal::format_found(connection), Ok(Some(_)));
    copy.put(connection, path, ignoring.filter(|_| has_journal))
        .and_then(|()| Ok(copy.forget()?))
        .map_err(|error| cannot_put(path, copy, &error))?;
    Ok(Recovered {
        started: None,
        rows: None,
        found: Vec::new(),
        lost: Vec::new(),
    })
}

fn other_version(path: &Path, format: i64) -> WorldError {
    WorldError::new(
        WorldErrorKind::System,
        format!(
            "the journal in `{}` has format {format}, this venomqa knows format {}",
            path.display(),
            journal::FORMAT
        ),
    )
    .with_help("run `venomqa restore` with the version of venomqa that wrote it")
}

/// The error of putting the copy into the database; says where the content before the run is.
pub(super) fn cannot_put(path: &Path, copy: &SafetyCopy, error: &CopyError) -> WorldError {
    let file = path.display();
    let cannot = match error {
        CopyError::Sql(error) => failed(path, DOING, error),
        CopyError::File(error) => WorldError::new(
            WorldErrorKind::System,
            format!("cannot {DOING}: `{file}`: {error}"),
        ),
    };
    let Some(kept) = copy.of_the_journal() else {
        return cannot;
    };
    let kept = kept.display();
    cannot.with_more_help(&format!(
        "the content before the run is in `{kept}`: stop the service, then run `venomqa restore --sqlite {file}`; by hand it is \
         `rm -f {file}-wal {file}-shm {file}-journal && cp {kept} {file}`"
    ))
}

/// An error of the copy beside the database.
pub(super) fn copy_failed(copy: &SafetyCopy, doing: &str, error: &CopyError) -> WorldError {
    match error {
        CopyError::Sql(error) => failed(copy.path(), doing, error),
        CopyError::File(error) => WorldError::new(
            WorldErrorKind::System,
            format!("cannot {doing}: `{}`: {error}", copy.path().display()),
        )
        .with_help(match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "the folder of the database must be writable for you: SQLite and venomqa keep files there during a run"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "make room for a copy of the database, or say `safety_copy: never`: then less can be had back"
            }
            _ => "`safety_copy: never` does without a copy; then less can be had back",
        }),
    }
}
