//! Puts the content before the run back, at its end or after it was killed. Both are the same, for the journal has all that
//! is needed.

use std::collections::HashSet;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::address::Address;
use super::apply::{Changes, Writer};
use super::catalog::Catalog;
use super::connections::Connections;
use super::failure::failed;
use super::journal;
use super::lock_diagnosis;
use super::sequences::SequenceValue;
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
}

impl Recovered {
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
        text
    }
}

/// Puts the content before the run back and removes the journal; `None` where there is none. The caller holds the lock
/// of the run.
pub(super) async fn recover(
    connections: &Connections,
    address: &Address,
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
    let (catalog, _) = Catalog::read(connections, None)
        .await
        .map_err(|error| cannot(&error))?;
    let emptied = journal::emptied(client)
        .await
        .map_err(|error| cannot(&error))?;
    // First the content, which locks rows only; then the triggers, whose removal locks whole tables.
    let mut is_back = true;
    let (rows, sequences) = match put_back(connections, address, &catalog, &emptied, None).await {
        // A job may have written meanwhile, perhaps the very key that has to be put back. The next attempt locks the tables.
        Err(error) if error.kind == WorldErrorKind::Restore => {
            is_back = false;
            (0, 0)
        }
        done => done?,
    };
    let watched = client
        .query(
            "SELECT tgrelid FROM pg_trigger WHERE tgname = 'venomqa_row'",
            &[],
        )
        .await
        .map_err(|error| cannot(&error))?;
    let tables: Vec<&str> = watched
        .iter()
        .filter_map(|row| Some(catalog.by_number(row.get(0))?.quoted.as_str()))
        .collect();
    let lock = if tables.is_empty() {
        String::new()
    } else {
        format!(
            "LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE",
            tables.join(", ONLY ")
        )
    };
    let mut attempt = 0;
    loop {
        attempt += 1;
        match remove(connections, address, &catalog, &emptied, &lock).await {
            Ok((more, moved)) => {
                return Ok(Some(Recovered {
                    started,
                    rows: rows + more,
                    sequences: sequences + moved,
                    emptied: catalog
                        .tables
                        .iter()
                        .filter(|watched| emptied.contains(&watched.oid))
                        .map(|watched| format!("`{}`", watched.table.name))
                        .collect(),
                }));
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

/// Removes the journal. Every table is locked first, and what was written since the content was put back is undone as well.
async fn remove(
    connections: &Connections,
    address: &Address,
    catalog: &Catalog,
    emptied: &HashSet<u32>,
    lock: &str,
) -> Result<(usize, usize), WorldError> {
    let doing = "remove the journal";
    let client = &connections.writer;
    let locked = client.batch_execute(&format!("BEGIN; {lock}")).await;
    let done = match locked {
        Ok(()) => {
            put_back(
                connections,
                address,
                catalog,
                emptied,
                // No power cut may bring the journal back once its removal is reported.
                Some("SET LOCAL synchronous_commit = local; DROP SCHEMA venomqa CASCADE"),
            )
            .await
        }
        Err(error) => Err(lock_diagnosis::explain(connections, address, doing, &error).await),
    };
    if done.is_err() {
        // The error above is reported; a lost connection has rolled back by itself.
        let _ = client.batch_execute("ROLLBACK").await;
    }
    done
}

/// Undoes everything in the journal, in one transaction that ends with `last`.
async fn put_back(
    connections: &Connections,
    address: &Address,
    catalog: &Catalog,
    emptied: &HashSet<u32>,
    last: Option<&str>,
) -> Result<(usize, usize), WorldError> {
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
        .map_err(|error| failed(address, doing, &error))?
        .map_err(|what| {
            WorldError::new(WorldErrorKind::System, format!("cannot {doing} in `{address}`: {what}"))
                .with_help(
                    "the schema has changed since the run began; change it back and run `venomqa restore`, \
                     or give the earlier content up with `DROP SCHEMA venomqa CASCADE`",
                )
        })?;
    for (id, row, count) in past.rows() {
        if let Some(watched) = catalog.watched(id) {
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
    let last = last.unwrap_or("TRUNCATE venomqa.past");
    let mut writer = Writer::default();
    let written = match writer.prepare(client, catalog, &changes).await {
        Ok(()) => writer.write(client, catalog, &changes, Some(last)).await,
        Err(error) => Err(error.into()),
    };
    let Err(refusal) = written else {
        return Ok((rows, moved));
    };
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
