//! The end of a run, or of one that was killed: the content before it is put back, into whatever has its place now.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::connect::open;
use super::copy_note::Rights;
use super::failure::failed;
use super::file_watch::Trouble;
use super::lock::RunLock;
use super::recover::{self, DOING, Occasion, Recovered, cannot_put, copy_failed};
use super::safety_copy::{CopyError, SafetyCopy, is_sound, remove_with_attendants};
use super::{SqliteSystem, ignored, lost};
use crate::own_files;
use crate::world::{Warning, WarningCode, WorldError, WorldErrorKind};

/// Puts a database back to its content before a run that was killed. The text says what was done; `None` where no run has left
/// anything.
pub(super) fn recover(path: &Path) -> Result<Option<String>, WorldError> {
    let copy = SafetyCopy::of(path);
    if !path.exists() && !copy.is_armed() {
        return Ok(None);
    }
    let _lock = RunLock::acquire(path)?;
    let mut connection = if path.exists() {
        super::connect(path).or_else(|error| {
            // What is no database any more may still become one again.
            if copy.is_armed() {
                open(path, OpenFlags::empty()).map_err(|error| failed(path, "open it", &error))
            } else {
                Err(error)
            }
        })?
    } else {
        let note = recover::of_this_file(&copy, path)?;
        made_anew(path, note.rights).map_err(|error| cannot_put(path, &copy, &error))?
    };
    let recovered = recover::recover(&mut connection, path, Occasion::Restore)?;
    match recovered {
        Some(recovered) if !recovered.is_complete() => Err(WorldError::new(
            WorldErrorKind::Restore,
            recovered.describe(path),
        )
        .with_help(format!(
            "what is lost comes back from a backup; where it is the journal mode, end whatever has the file open, then open it once \
             with `sqlite3 {} 'PRAGMA journal_mode = MODE'`",
            path.display()
        ))),
        recovered => Ok(recovered.map(|recovered| recovered.describe(path))),
    }
}

impl SqliteSystem {
    /// Puts the content before the run back and removes the journal. Says what had happened to the database beside rows that
    /// changed, and what was left as it is.
    pub(super) fn stop(&mut self) -> Result<Vec<Warning>, WorldError> {
        if self.session.is_some() {
            self.end_warnings = self.put_back()?;
        }
        if let Some(form) = self.form {
            let stays = form
                .set_mode(&self.connection)
                .map_err(|error| failed(&self.path, "put its journal mode back", &error))?;
            if let Some(what) = stays {
                return Err(self.mode_stays(&what));
            }
            self.form = None;
        }
        Ok(std::mem::take(&mut self.end_warnings))
    }

    fn put_back(&mut self) -> Result<Vec<Warning>, WorldError> {
        self.connection.flush_prepared_statement_cache();
        if let Some(session) = &mut self.session {
            session.inspector = None;
        }
        let mut warnings = Vec::new();
        let trouble = match self.file.trouble_at_its_place() {
            Ok(Some(trouble)) => Some(trouble),
            // Whatever else is wrong with it, the recovery will say.
            _ => self.is_damaged().then_some(Trouble::Damaged),
        };
        let recovered = match trouble {
            Some(trouble) => self.put_whole(trouble)?,
            None => recover::recover(&mut self.connection, &self.place, Occasion::End)?,
        };
        let Some(recovered) = recovered else {
            return Err(self.nothing_to_put(Trouble::Overwritten));
        };
        if !recovered.lost.is_empty() {
            warnings.push(self.lost_for_good(&recovered.lost.join(", ")));
        } else if recovered.journal_was_there() && !recovered.found.is_empty() {
            warnings.push(self.was_changed(&recovered.found.join(", ")));
        } else if !recovered.journal_was_there() {
            let trouble = trouble.unwrap_or(Trouble::Overwritten);
            warnings.push(self.was_changed(trouble.describe()));
        }
        if self.is_cut_off && trouble.is_none() {
            warnings.push(self.lost_for_good("what stood in the part of the file that is gone"));
        }
        if !self.file.leads_to_its_place() {
            warnings.push(self.leads_elsewhere());
        }
        let counted = ignored::count(&self.connection, &self.config)
            .map_err(|error| failed(&self.path, "count the rows of ignored tables", &error))?;
        if let Some(session) = &self.session {
            warnings.extend(session.left_alone.differences(&counted, &self.config.name));
        }
        // The lock goes with the run, after the journal. Where it could not be removed, that can be tried again.
        self.session = None;
        self.lock = None;
        Ok(warnings)
    }

    /// Puts the content before the run into the file that has the name of the database now, or into a new one.
    fn put_whole(&mut self, trouble: Trouble) -> Result<Option<Recovered>, WorldError> {
        let copy = SafetyCopy::of(&self.place);
        let failed = |error: &CopyError| cannot_put(&self.place, &copy, error);
        if !copy.is_armed() && !self.rescue(&copy)? {
            return Err(self.nothing_to_put(trouble));
        }
        // Its locks would keep the next connection out.
        self.connection = Connection::open_in_memory().map_err(|error| failed(&error.into()))?;
        let connection = match trouble {
            Trouble::Deleted => made_anew(&self.place, self.file.rights),
            _ => open(&self.place, OpenFlags::empty()).map_err(CopyError::from),
        };
        self.connection = connection.map_err(|error| failed(&error))?;
        let recovered = recover::put_copy(
            &mut self.connection,
            &self.place,
            &copy,
            (trouble == Trouble::Replaced).then_some(&self.config),
        )?;
        Ok(Some(recovered))
    }

    /// Where there is no copy of the content before the run: a file that has lost its name is there as long as it is open, and what
    /// is in the write-ahead log outlives the file. Makes the copy from it. Says whether there is one now.
    fn rescue(&self, copy: &SafetyCopy) -> Result<bool, WorldError> {
        // Its folder may be gone as well.
        let _ = fs::create_dir_all(own_files::folder(&self.place));
        let Ok(partial) = copy.write_from(&self.connection) else {
            return Ok(false);
        };
        let is_back = || -> rusqlite::Result<bool> {
            let rescued = open(partial, OpenFlags::empty())?;
            Ok(recover::from_journal(&rescued)? && is_sound(&rescued))
        };
        if !is_back().unwrap_or(false) {
            // Nothing is left in it that could be put back.
            copy.forget()
                .map_err(|error| copy_failed(copy, DOING, &error.into()))?;
            return Ok(false);
        }
        copy.arm()
            .map_err(|error| copy_failed(copy, DOING, &error.into()))?;
        Ok(true)
    }

    /// Whether there is something in the file that is no database. With a rollback journal SQLite notices. With a write-ahead
    /// log it does not look, for its own pages may all be in the log; so the file is checked where it was written to, and
    /// where there is a copy that would help.
    fn is_damaged(&self) -> bool {
        let Ok(mode) = self
            .connection
            .pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0))
        else {
            return false;
        };
        if mode != "wal" || !SafetyCopy::of(&self.place).is_armed() || !self.file.was_written() {
            return false;
        }
        // A connection of its own has nothing in its memory.
        open(&self.place, OpenFlags::empty()).is_ok_and(|connection| !is_sound(&connection))
    }

    /// An error, so that it is tried again where the service can be stopped.
    fn mode_stays(&self, what: &str) -> WorldError {
        let path = self.path.display();
        WorldError::new(
            WorldErrorKind::Restore,
            format!("the rows of `{path}` are what they were before the run, but {what}"),
        )
        .with_details(self.end_warnings.iter().map(|it| it.message.clone()))
        .with_help(format!(
            "end whatever has it open, then `sqlite3 {path} 'PRAGMA journal_mode = MODE'`, or keep the mode, and have it set before a run"
        ))
    }

    fn was_changed(&self, what: &str) -> Warning {
        Warning::new(
            WarningCode::DatabaseReplaced,
            format!(
                "`{}` (system `{}`): {what}; the content before the run was put back",
                self.path.display(),
                self.config.name
            ),
        )
        .with_help("keep what changes the schema, or the file itself, out of the spec: a journal watches rows")
        .untrusted()
    }

    /// The path is a link, or was one, and the content is where it led to.
    fn leads_elsewhere(&self) -> Warning {
        let (path, place) = (self.path.display(), self.place.display());
        Warning::new(
            WarningCode::DatabaseReplaced,
            format!(
                "`{path}` (system `{}`) led to `{place}`, where the content before the run is, and leads there no more",
                self.config.name
            ),
        )
        .with_help(format!("look what is there now; to make it the link that it was: `ln -sfn {place} {path}`"))
        .untrusted()
    }

    fn lost_for_good(&self, what: &str) -> Warning {
        Warning::new(
            WarningCode::NotRestored,
            format!(
                "`{}` (system `{}`) was put back to its content before the run, but for this, which is lost: {what}",
                self.path.display(),
                self.config.name
            ),
        )
        .with_help("bring it back from a backup; `safety_copy: always` keeps a copy of a large file, too, for as long as a run lasts")
        .untrusted()
    }

    fn nothing_to_put(&self, trouble: Trouble) -> WorldError {
        let error = lost(&self.path, trouble);
        WorldError {
            kind: WorldErrorKind::Restore,
            ..error
        }
        .with_help(
            "the content before the run is lost, unless you have a backup: there was no copy of it (`safety_copy: always` keeps \
             one of a large file, too)",
        )
    }
}

/// An empty database under a name that no file has. What SQLite kept beside the one that had it belongs to that one.
/// What SQLite will keep beside this one gets its rights.
fn made_anew(path: &Path, rights: Option<Rights>) -> Result<Connection, CopyError> {
    // The file itself, where the user reaches it through a link.
    let path = own_files::resolved(path);
    remove_with_attendants(&path)?;
    drop(own_files::create(&path)?);
    if let Some(rights) = rights {
        rights.give(&path)?;
    }
    Ok(open(&path, OpenFlags::empty())?)
}
