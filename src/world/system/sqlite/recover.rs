//! Puts the content before the run back, from the journal in the file and the copy beside it alone, and removes both.
//!
//! The journal is enough where tables are what they were. Where they are not, or rows cannot be found by their numbers any
//! more, the copy is put instead; without one, whatever can be put back is, table by table.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::apply::Scope;
use super::copy_note::CopyNote;
use super::failure::{failed, has_room, is_locked};
use super::form::Form;
use super::journal::Run;
use super::kept_rows::{self, Outcome};
use super::safety_copy::{self, CopyError, SafetyCopy};
use super::schema::{Difference, Schema};
use super::{Sqlite, journal, set_aside};
use crate::world::config::SystemConfig;
use crate::world::system::Location;
use crate::world::{WorldError, WorldErrorKind};

pub(super) const DOING: &str = "put the content before the run back";

/// When the content before a run is put back. It decides what becomes of what is in the database beside the rows that the journal
/// knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// At the end of the run: whatever changed, changed under it.
    End,
    /// At the start of a later run: it may be somebody's work since the run was killed, so nothing is taken away.
    NextRun,
    /// The user asks for it: what goes is saved beside the database before.
    Restore,
}

/// What a recovery did.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// When the run began, in UTC; `None` where the journal was gone.
    started: Option<String>,
    /// How many rows were put back, removed ones included; `None` where the database was put back as a whole.
    rows: Option<usize>,
    /// What had become of the database.
    pub(super) found: Vec<String>,
    /// What of it could not be had back.
    pub(super) lost: Vec<String>,
    /// Whether that is certain: nobody can have brought it back.
    is_lost: bool,
    /// Where what was in the database is saved, if that was more than the rows of the run.
    saved: Option<PathBuf>,
    /// The form of the file before the run.
    form: Option<Form>,
    /// What of the form could not be put back.
    stays: Option<String>,
}

impl Recovered {
    /// Gives the file its journal mode back, where no service is stopped afterwards, which could be what keeps it as it is.
    fn set_mode(
        &mut self,
        connection: &Connection,
        path: &Path,
        occasion: Occasion,
    ) -> Result<(), WorldError> {
        if let (Some(form), true) = (self.form, occasion != Occasion::End) {
            self.stays = form
                .set_mode(connection)
                .map_err(|error| failed(path, "put its journal mode back", &error))?;
        }
        Ok(())
    }

    /// Whether all is what it was before the run, as far as can be told.
    pub(super) fn is_complete(&self) -> bool {
        !self.is_lost && self.stays.is_none()
    }

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
        if let Some(stays) = &self.stays {
            text.push_str("; ");
            text.push_str(stays);
        }
        if let Some(saved) = &self.saved {
            let saved = format!("; what was there is saved in `{}`", saved.display());
            text.push_str(&saved);
        }
        text
    }
}

/// Puts the content before the run back and removes the journal. `None` where there is none. The connection must have
/// triggers, foreign keys and checks off.
pub(super) fn recover(
    connection: &mut Connection,
    path: &Path,
    occasion: Occasion,
) -> Result<Option<Recovered>, WorldError> {
    let broken = |error: rusqlite::Error| failed(path, DOING, &error);
    let copy = SafetyCopy::of(path);
    match journal::format_found(connection) {
        Ok(Some(journal::FORMAT)) => {}
        Ok(Some(format)) => return Err(other_version(path, format)),
        Ok(None) => return without_journal(connection, path, &copy, occasion),
        Err(error) if safety_copy::is_damaged(&error) && copy.is_armed() => {
            return without_journal(connection, path, &copy, occasion);
        }
        Err(error) => return Err(broken(error)),
    }
    connection.flush_prepared_statement_cache();
    let run = journal::run(connection).map_err(broken)?;
    let copy = SafetyCopy::of_run(&run, path);
    let config = ignoring(&run);
    let mut found = match changed(connection, &config) {
        // A part of the journal is gone: only the copy helps.
        Err(error) if copy.is_some() && is_of_the_content(&error) => vec![damaged(&error)],
        found => found.map_err(broken)?,
    };
    // With a write-ahead log the journal may be whole where the file is not. At the end of a run that has been looked at.
    if let (Some(copy), true) = (&copy, occasion != Occasion::End)
        && copy.is_better_than(connection)
    {
        found.push("the file was cut off or damaged".to_owned());
    }
    let mut saved = None;
    if !found.is_empty() {
        saved = make_way(connection, path, occasion, &run, &found)?;
    }
    if let Some(copy) = &copy {
        copy.disarm()
            .map_err(|error| copy_failed(copy, DOING, &error.into()))?;
    }
    let recovered = put_back(connection, path, copy.as_ref(), &run, found, |why, it| {
        if saved.is_none() {
            saved = make_way(it, path, occasion, &run, &[why])?;
        }
        Ok(())
    });
    if let (Err(_), Some(copy)) = (&recovered, &copy) {
        // It goes on to count for everything that may still happen. Where that fails, it counts as long as the journal is there.
        let _ = copy.arm();
    }
    let mut recovered = recovered?;
    // The rows that the run had touched are back, but who knows about the others.
    if copy.is_none() && occasion != Occasion::End && !safety_copy::is_sound(connection) {
        recovered.is_lost = true;
        recovered.lost.push(
            "the file is damaged or was cut off (`PRAGMA integrity_check` says more)".to_owned(),
        );
    }
    recovered.started = Some(run.started);
    recovered.saved = saved;
    recovered.set_mode(connection, path, occasion)?;
    Ok(Some(recovered))
}

/// Whether what is in the file is the reason, and not a lock, the disk, or a limit of it.
fn is_of_the_content(error: &rusqlite::Error) -> bool {
    !is_locked(error) && has_room(error)
}

fn damaged(error: &rusqlite::Error) -> String {
    format!("its journal is damaged ({error})")
}

/// What the run was told to ignore.
fn ignoring(run: &Run) -> SystemConfig {
    let mut config = SystemConfig::new("", Location::new(&Sqlite, ""));
    config.ignore_tables = run.ignored.iter().map(Into::into).collect();
    config
}

/// Puts the content before the run back: from the journal, unless it is only in the copy, or more than rows has changed and there
/// is a copy. Where the journal turns out to be damaged, `before_copy` is told why the whole content is about to be replaced.
fn put_back(
    connection: &mut Connection,
    path: &Path,
    copy: Option<&SafetyCopy>,
    run: &Run,
    found: Vec<String>,
    before_copy: impl FnOnce(String, &Connection) -> Result<(), WorldError>,
) -> Result<Recovered, WorldError> {
    let config = ignoring(run);
    let copy = match copy {
        Some(copy) if run.whole || !found.is_empty() => copy,
        _ => match (rows_back(connection, &config), copy) {
            (Ok((outcome, form)), _) => {
                let mut recovered = outcome.into_recovered(path, found)?;
                recovered.form = Some(form);
                if let Some(copy) = copy {
                    copy.forget().map_err(|error| cannot_forget(copy, error))?;
                }
                return Ok(recovered);
            }
            (Err(error), Some(copy)) if is_of_the_content(&error) => {
                before_copy(damaged(&error), connection)?;
                copy
            }
            (Err(error), _) => return Err(failed(path, DOING, &error)),
        },
    };
    let form = put_and_forget(connection, path, copy, Some(&config))?;
    Ok(Recovered {
        found,
        form: Some(form),
        ..Recovered::default()
    })
}

/// Sees to it that nothing is lost with what is put over it.
fn make_way(
    connection: &Connection,
    path: &Path,
    occasion: Occasion,
    run: &Run,
    found: &[String],
) -> Result<Option<PathBuf>, WorldError> {
    match occasion {
        Occasion::End => Ok(None),
        Occasion::NextRun => Err(changed_since(path, run, found)),
        Occasion::Restore => set_aside(connection, path),
    }
}

fn set_aside(connection: &Connection, path: &Path) -> Result<Option<PathBuf>, WorldError> {
    let doing = "save what is there now beside the database";
    set_aside::save(connection, path).map_err(|error| match error {
        CopyError::Sql(error) => failed(path, doing, &error),
        CopyError::File(error) => WorldError::new(
            WorldErrorKind::System,
            format!("cannot {doing}: `{}`: {error}", path.display()),
        )
        .with_help(
            "nothing was changed: make room for a second copy of the database, then run it again; the folder must be writable \
             for you",
        ),
    })
}

/// A killed run cannot be undone without taking away what may be somebody's work.
fn changed_since(path: &Path, run: &Run, found: &[String]) -> WorldError {
    let file = path.display();
    WorldError::new(
        WorldErrorKind::System,
        format!(
            "`{file}` holds the journal of a run of {} UTC that did not end properly, and more than rows has changed since it began: {}",
            run.started,
            found.join(", ")
        ),
    )
    .with_help(format!(
        "`venomqa restore --sqlite {file}` puts the content before that run back, and first saves what is there now beside it"
    ))
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

/// Puts the content before the run back from the journal alone. Whether all of it is back.
pub(super) fn from_journal(connection: &Connection) -> rusqlite::Result<bool> {
    let config = ignoring(&journal::run(connection)?);
    let (outcome, _) = rows_back(connection, &config)?;
    Ok(outcome.waiting.is_empty() && outcome.lost.is_empty() && outcome.made_again.is_empty())
}

/// Writes rows back in one transaction, with what can be had back of the schema.
fn rows_back(connection: &Connection, config: &SystemConfig) -> rusqlite::Result<(Outcome, Form)> {
    let form = Form::kept(connection)?;
    form.rewrite(connection)?;
    let scope = Scope::writing(connection)?;
    let outcome = kept_rows::put_back(connection, config)?;
    connection.flush_prepared_statement_cache();
    scope.commit()?;
    Ok((outcome, form))
}

impl Outcome {
    /// An error where rows still wait in the journal.
    fn into_recovered(self, path: &Path, found: Vec<String>) -> Result<Recovered, WorldError> {
        if self.waiting.is_empty() {
            return Ok(Recovered {
                is_lost: !self.lost.is_empty(),
                rows: Some(self.rows),
                found,
                lost: [self.lost, self.made_again].concat(),
                ..Recovered::default()
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
        .with_details(self.waiting.into_iter().chain(self.lost).chain(self.made_again))
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
    occasion: Occasion,
) -> Result<Option<Recovered>, WorldError> {
    if !copy.is_armed() {
        // A run that ended between two of its first or last steps may have left a copy, but changed nothing.
        copy.forget().map_err(|error| cannot_forget(copy, error))?;
        return Ok(None);
    }
    of_this_file(copy, path)?;
    if occasion == Occasion::NextRun {
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
    let saved = match occasion {
        Occasion::Restore => set_aside(connection, path)?,
        _ => None,
    };
    let mut recovered = put_copy(connection, path, copy, None)?;
    recovered.saved = saved;
    recovered.set_mode(connection, path, occasion)?;
    Ok(Some(recovered))
}

/// What the copy beside a database says of it; an error where it was taken from another file.
pub(super) fn of_this_file(copy: &SafetyCopy, path: &Path) -> Result<CopyNote, WorldError> {
    copy.note_of(path).ok_or_else(|| {
        let (file, kept) = (path.display(), copy.path().display());
        let origin = match copy.note() {
            Some(note) => format!("the copy of another database, `{}`", note.file),
            None => "a copy that does not say what it is of".to_owned(),
        };
        WorldError::new(
            WorldErrorKind::System,
            format!("`{kept}` is {origin}, so it is not put into `{file}`"),
        )
        .with_help(format!(
            "look what it is; `rm {kept}` gives it up; if `{file}` is to become what it holds: `rm -f {file}-wal {file}-shm \
             {file}-journal && mv {kept} {file}`"
        ))
    })
}

fn cannot_forget(copy: &SafetyCopy, error: io::Error) -> WorldError {
    copy_failed(copy, "remove the copy of its content", &error.into())
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
    let form = put_and_forget(connection, path, copy, ignoring.filter(|_| has_journal))?;
    Ok(Recovered {
        form: Some(form),
        ..Recovered::default()
    })
}

fn put_and_forget(
    connection: &mut Connection,
    path: &Path,
    copy: &SafetyCopy,
    ignoring: Option<&SystemConfig>,
) -> Result<Form, WorldError> {
    copy.put(connection, path, ignoring)
        .and_then(|form| {
            copy.forget()?;
            Ok(form)
        })
        .map_err(|error| cannot_put(path, copy, &error))
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
    let Some(kept) = copy.found() else {
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
