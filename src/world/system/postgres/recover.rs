//! Puts the content before the run back, at its end or after it was killed. Both are the same, for the journal has all that
//! is needed.

use std::collections::{BTreeMap, HashSet};

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::address::Address;
use super::apply::{Changes, Writer};
use super::catalog::{Catalog, Watched};
use super::connections::Connections;
use super::failure::failed;
use super::objects::Objects;
use super::sequences::SequenceValue;
use super::{journal, lock_diagnosis, objects};
use crate::world::config::SystemConfig;
use crate::world::{WorldError, WorldErrorKind};

/// How often the removal is tried while another session is in the way; each attempt waits for locks.
const ATTEMPTS: u32 = 2;

/// What was put back.
#[derive(Debug)]
pub(super) struct Recovered {
    /// When the run began.
    started: String,
    rows: usize,
    sequences: usize,
    /// Tables that a crash of the server has emptied.
    emptied: Vec<String>,
    /// What was put back beside rows, in words.
    pub(super) put_back: Vec<String>,
    /// What could not be put back, and does not wait in the journal, in words.
    pub(super) lost: Vec<String>,
}

/// What one attempt put back.
#[derive(Default)]
struct PutBack {
    rows: usize,
    sequences: usize,
    /// Tables whose rows could not be put back, by number: why not.
    unfit: BTreeMap<u32, String>,
}

impl Recovered {
    /// The error of what could not be put back, and does not wait in the journal.
    pub(super) fn error(&self, address: &Address) -> WorldError {
        let message = format!(
            "`{address}` was put back to its content before the run ({} rows, {} sequences), but for what is named here",
            self.rows, self.sequences
        );
        WorldError::new(WorldErrorKind::System, message)
            .with_details(details(&self.put_back, &self.lost))
    }

    /// For people.
    pub(super) fn describe(&self, address: &Address) -> String {
        let mut text = format!(
            "`{address}` was put back to its content before a run that began {} and did not end ({} rows, {} sequences)",
            self.started, self.rows, self.sequences
        );
        if !self.emptied.is_empty() {
            text.push_str("; a crash of the server has emptied these unlogged tables, as it always does, so they were left alone: ");
            text.push_str(&self.emptied.join(", "));
        }
        for (what, which) in [
            ("put back as well", &self.put_back),
            ("not put back", &self.lost),
        ] {
            if !which.is_empty() {
                text.extend(["; ", what, ": ", &which.join("; ")]);
            }
        }
        text
    }
}

/// What was put back beside rows, and what was not, for the details of an error.
fn details(put_back: &[String], lost: &[String]) -> Vec<String> {
    let put_back = put_back.iter();
    let lost = lost.iter().cloned();
    lost.chain(put_back.map(|what| format!("put back as well: {what}")))
        .collect()
}

/// Puts the content before the run back and removes the journal; `None` where there is none. The caller holds the lock
/// of the run. The configuration is that of a run that comes to its end; there is none where it was killed. `lost` gathers what is
/// lost for good: where rows still wait in the journal, the next attempt would not find it.
pub(super) async fn recover(
    connections: &Connections,
    address: &Address,
    of_run: Option<&SystemConfig>,
    lost: &mut Vec<String>,
) -> Result<Option<Recovered>, WorldError> {
    let client = &connections.writer;
    let cannot = |error: &Error| failed(address, "put the content before the run back", error);
    // An earlier statement may have left its transaction open.
    client
        .batch_execute("ROLLBACK")
        .await
        .map_err(|error| cannot(&error))?;
    let found = match journal::found(client).await {
        Ok(found) => found,
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            return Err(cannot(&error).with_help(
                "a run of another role has left its journal (schema `venomqa`): run `venomqa restore` with a URL of that role",
            ));
        }
        Err(error) => return Err(cannot(&error)),
    };
    let Some((format, started)) = found else {
        return Ok(None);
    };
    if format != journal::FORMAT {
        return Err(WorldError::new(
            WorldErrorKind::System,
            format!(
                "`{address}` holds the journal of another version of venomqa (format {format})"
            ),
        )
        .with_help("run `venomqa restore` with the version that wrote it"));
    }
    // First of all: what is new is in no list of what was there.
    let mut objects = Objects::new(connections, of_run);
    objects
        .put_back(false)
        .await
        .map_err(|error| cannot(&error))?;
    let (catalog, _) = Catalog::read(connections, None)
        .await
        .map_err(|error| cannot(&error))?;
    let emptied = journal::emptied(client)
        .await
        .map_err(|error| cannot(&error))?;
    // First the content, which locks rows only; then the triggers, whose removal locks whole tables.
    let mut is_back = true;
    let first = match put_back(connections, address, &catalog, &emptied, false).await {
        // A job may have written meanwhile, perhaps the very key that has to be put back. The next attempt locks the tables.
        Err(error) if error.kind == WorldErrorKind::Restore => {
            is_back = false;
            PutBack::default()
        }
        Err(mut error) => {
            // The next recovery finds nothing of it.
            let (put_back, lost) = objects.describe();
            error.details.extend(details(&put_back, &lost));
            return Err(error);
        }
        Ok(first) => first,
    };
    objects
        .put_back(true)
        .await
        .map_err(|error| cannot(&error))?;
    let lock = lock_of(client, &catalog)
        .await
        .map_err(|error| cannot(&error))?;
    let names = journal::names(client)
        .await
        .map_err(|error| cannot(&error))?;
    let mut attempt = 0;
    loop {
        attempt += 1;
        match remove(connections, address, &catalog, &emptied, &lock).await {
            Ok(last) => {
                let (put_back, lost_now) = objects.describe();
                lost.extend(lost_now);
                let recovered = Recovered {
                    started,
                    rows: first.rows + last.rows,
                    sequences: first.sequences + last.sequences,
                    emptied: catalog
                        .tables
                        .iter()
                        .filter(|watched| emptied.contains(&watched.oid))
                        .map(|watched| format!("`{}`", watched.table.name))
                        .collect(),
                    put_back,
                    lost: lost.clone(),
                };
                return match waiting(address, &recovered, &names, &last.unfit) {
                    None => Ok(Some(recovered)),
                    Some(error) => Err(error),
                };
            }
            Err(error) if attempt >= ATTEMPTS && is_back => {
                let help = "the content before the run was put back, but the journal (schema `venomqa`) is still there, and what was \
                            written meanwhile is in the tables: end that session, or stop the service, and run `venomqa restore`";
                return Err(error.with_help(help));
            }
            Err(error) if attempt >= ATTEMPTS => return Err(error),
            Err(_) => {}
        }
    }
}

/// The statement that locks every table that has a trigger of the journal; empty where none has.
async fn lock_of(client: &Client, catalog: &Catalog) -> Result<String, Error> {
    let watched = client
        .query(
            "SELECT tgrelid FROM pg_trigger WHERE tgname = 'venomqa_row'",
            &[],
        )
        .await?;
    let tables: Vec<&str> = watched
        .iter()
        .filter_map(|row| Some(catalog.by_number(row.get(0))?.quoted.as_str()))
        .collect();
    Ok(if tables.is_empty() {
        String::new()
    } else {
        format!(
            "LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE",
            tables.join(", ONLY ")
        )
    })
}

/// Removes the journal. Every table is locked first, and what was written since the content was put back is undone as well.
async fn remove(
    connections: &Connections,
    address: &Address,
    catalog: &Catalog,
    emptied: &HashSet<u32>,
    lock: &str,
) -> Result<PutBack, WorldError> {
    let doing = "remove the journal";
    let client = &connections.writer;
    let locked = client.batch_execute(&format!("BEGIN; {lock}")).await;
    let done = match locked {
        Ok(()) => put_back(connections, address, catalog, emptied, true).await,
        Err(error) => Err(lock_diagnosis::explain(connections, address, doing, &error).await),
    };
    if done.is_err() {
        // The error above is reported; a lost connection has rolled back by itself.
        let _ = client.batch_execute("ROLLBACK").await;
    }
    done
}

/// The error of tables whose rows wait in the journal.
fn waiting(
    address: &Address,
    recovered: &Recovered,
    names: &BTreeMap<u32, String>,
    unfit: &BTreeMap<u32, String>,
) -> Option<WorldError> {
    if unfit.is_empty() {
        return None;
    }
    let details = unfit.iter().map(|(number, why)| {
        let name = names.get(number).map_or("?", String::as_str);
        format!(
            "the table `{name}` {why}; the rows that the run had touched are kept in `venomqa.past` (`tbl` {number})"
        )
    });
    let mut error = recovered.error(address).with_help(
        "the schema has changed since the run began: change it back and run `venomqa restore`. Where that is too late, keep those rows as they \
         are and give the journal up: `ALTER TABLE venomqa.past RENAME TO venomqa_past; ALTER TABLE venomqa.venomqa_past SET SCHEMA public; \
         DROP SCHEMA venomqa CASCADE`; in the column `old` are the rows as they were before the run",
    );
    error.details.splice(0..0, details);
    Some(error)
}

/// Undoes everything in the journal, in one transaction. `is_last` says whether it ends with the removal of the journal.
async fn put_back(
    connections: &Connections,
    address: &Address,
    catalog: &Catalog,
    emptied: &HashSet<u32>,
    is_last: bool,
) -> Result<PutBack, WorldError> {
    let doing = "put the content before the run back";
    let client = &connections.writer;
    let mut changes = Changes::default();
    // Entries that are written from here on are left to the next attempt, and must not be removed with this one's past.
    let taken = client
        .execute(
            "WITH taken AS (DELETE FROM venomqa.journal RETURNING tbl, old, new) \
             INSERT INTO venomqa.past SELECT tbl, old, new FROM taken",
            &[],
        )
        .await;
    if let Err(error) = taken {
        return Err(lock_diagnosis::explain(connections, address, doing, &error).await);
    }
    let past = journal::past(client, catalog, emptied)
        .await
        .map_err(|error| failed(address, doing, &error))?;
    let fits = |watched: &&Watched| !past.unfit.contains_key(&watched.oid);
    for (id, row, count) in past.rows.rows() {
        if let Some(watched) = catalog.watched(id).filter(fits) {
            for _ in 0..count.unsigned_abs() {
                if count > 0 {
                    changes.remove(id, watched.text(row));
                } else {
                    changes.add(id, watched.text(row));
                }
            }
        }
    }
    let moved = sequences(client, catalog, &mut changes)
        .await
        .map_err(|error| failed(address, doing, &error))?;
    let rows = changes.rows();
    // Where a transaction runs already, BEGIN is only a warning.
    let unfit: Vec<u32> = past.unfit.keys().copied().collect();
    let last = match (is_last, unfit.is_empty()) {
        // No power cut may bring the journal back once its removal is reported.
        (true, true) => {
            "SET LOCAL synchronous_commit = local; DROP SCHEMA venomqa CASCADE".to_owned()
        }
        (true, false) => journal::keep_only(&unfit),
        (false, true) => "TRUNCATE venomqa.past".to_owned(),
        (false, false) => journal::forget_others(&unfit),
    };
    let mut writer = Writer::default();
    let written = match writer.prepare(client, catalog, &changes).await {
        Ok(()) => writer.write(client, catalog, &changes, Some(&last)).await,
        Err(error) => Err(error.into()),
    };
    let Err(refusal) = written else {
        return Ok(PutBack {
            rows,
            sequences: moved,
            unfit: past.unfit,
        });
    };
    if refusal.is_of_application() {
        objects::await_cure(client)
            .await
            .map_err(|error| failed(address, doing, &error))?;
    }
    let is_overtaken = refusal.is_overtaken();
    let mut error = refusal.explain(connections, address, doing).await;
    if let Some(help) = &mut error.help {
        help.push_str("; the journal is left in place (schema `venomqa`)");
    }
    if is_overtaken {
        error.kind = WorldErrorKind::Restore;
    }
    Err(error)
}

async fn sequences(
    client: &Client,
    catalog: &Catalog,
    changes: &mut Changes,
) -> Result<usize, Error> {
    let kept = client
        .query(
            "SELECT oid, last_value, is_called FROM venomqa.sequences",
            &[],
        )
        .await?;
    let sequences = super::sequences::SequenceTracker::read(client, catalog).await?;
    let mut moved = 0;
    for row in kept {
        let oid: u32 = row.get(0);
        let before = SequenceValue {
            last_value: row.get(1),
            is_called: row.get(2),
        };
        if let Some(place) = catalog.sequence_numbered(oid)
            && sequences.at(place) != before
        {
            let sequence = &catalog.sequences[place];
            let restart = sequence.restarts.then_some(sequence.quoted.as_str());
            changes.put(oid, before, restart);
            moved += 1;
        }
    }
    Ok(moved)
}
