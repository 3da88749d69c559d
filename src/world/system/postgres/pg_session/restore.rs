//! Restores a state: writes the rows in which two states differ, and proves that the database holds what it should.

use futures_util::future::join;

use super::super::apply::{Changes, Refusal};
use super::super::failure::failed;
use super::super::rehearsal::{self, Outcome};
use super::super::sequences;
use super::{MEANWHILE, PgSession};
use crate::model::{NetDelta, RowDelta, TableKind};
use crate::world::{Warning, WorldError, WorldErrorKind};

impl PgSession {
    /// Writes the rows in which two states differ, and polls. Rows that a job has written meanwhile are put back where they
    /// are in the way; others are left to the next reading. Returns whether it has polled and nothing is left to read.
    pub(in super::super) async fn restore(
        &mut self,
        from: &NetDelta,
        to: &NetDelta,
    ) -> Result<bool, WorldError> {
        let mut from = from.clone();
        let mut attempt = 0;
        loop {
            let way = from.way_to(to);
            if way.is_empty() {
                return Ok(false);
            }
            self.rehearse(&way).await?;
            let past = self.past;
            let refusal = match self.go(&way).await? {
                Ok(is_quiet) => return Ok(is_quiet),
                Err(refusal) => refusal,
            };
            attempt += 1;
            let is_deadlock = refusal.is_deadlock();
            if refusal.is_overtaken() {
                match self.strays(&from, past).await? {
                    Some(_) if attempt >= MEANWHILE => return Err(self.never_rests()),
                    Some(now) => {
                        from = now;
                        continue;
                    }
                    None if is_deadlock && attempt < MEANWHILE => continue,
                    None => {}
                }
            }
            return Err(refusal
                .explain(&self.connections, &self.address, "restore a state")
                .await);
        }
    }

    /// Tries on rows of the tables on this way whether they can be put back, where that depends on what a function finds.
    async fn rehearse(&mut self, way: &RowDelta) -> Result<(), WorldError> {
        for change in way.changes() {
            let id = change.table.id;
            if !self.unrehearsed.contains(&id) {
                continue;
            }
            let Some(watched) = self.catalog.watched(id) else {
                continue;
            };
            // A rehearsal takes the number of a transaction.
            self.poll.forget();
            let outcome = rehearsal::rehearse(&self.connections.writer, &self.catalog, watched)
                .await
                .map_err(|error| failed(&self.address, "rehearse a restore", &error))?;
            if outcome == Outcome::Exact {
                self.unrehearsed.remove(&id);
            }
            self.ensure_exact(outcome, watched)?;
        }
        Ok(())
    }

    fn never_rests(&self) -> WorldError {
        WorldError::new(
            WorldErrorKind::Restore,
            format!(
                "cannot restore a state in `{}`: rows that it has to write have changed each of {MEANWHILE} times",
                self.address
            ),
        )
        .with_help(
            "stop the background jobs of the service, or name their tables under `ignore_tables`",
        )
    }

    /// Writes these rows, or none of them, and polls, in one round trip. Returns whether nothing is left to read.
    async fn go(&mut self, way: &RowDelta) -> Result<Result<bool, Refusal>, WorldError> {
        let changes = self.changes(way);
        let client = &self.connections.writer;
        if let Err(error) = self.writer.prepare(client, &self.catalog, &changes).await {
            return Ok(Err(error.into()));
        }
        // Whether setting a sequence takes a number depends on the sequence.
        if changes.rows() > 0 {
            self.poll.wrote();
        } else {
            self.poll.forget();
        }
        let answer = self
            .poll
            .ask(&self.connections, &self.catalog, &self.sequences);
        let sent = self.writer.write(client, &self.catalog, &changes, None);
        let (written, answer) = join(sent, answer).await;
        if client.is_closed() && written.is_err() {
            return Ok(written.map(|()| false));
        }
        let open = self.take_in(answer).await?;
        if let Err(refusal) = written {
            // Sequences are not what they were set to, and whether a number was used is not known.
            self.poll.forget();
            return Ok(Err(refusal));
        }
        self.past += changes.rows() as u64;
        Ok(Ok(open.is_empty()
            && self.unread.is_empty()
            && !self.sequences.have_moved()))
    }

    /// What has to be written to go this way.
    fn changes(&mut self, way: &RowDelta) -> Changes {
        let mut changes = Changes::default();
        for change in way.changes() {
            if change.table.kind == TableKind::Sequence {
                let target = change
                    .after
                    .as_ref()
                    .and_then(|row| sequences::of_row(&self.catalog, row));
                if let Some((place, counter)) = target {
                    let sequence = &self.catalog.sequences[place];
                    let restart = sequence.restarts.then_some(sequence.quoted.as_str());
                    changes.put(sequence.oid, counter, restart);
                    self.sequences.put(place, counter);
                }
            } else if let Some(watched) = self.catalog.watched(change.table.id) {
                if let Some(row) = &change.before {
                    changes.remove(change.table.id, watched.text(row));
                }
                if let Some(row) = &change.after {
                    changes.add(change.table.id, watched.text(row));
                }
            }
        }
        changes
    }

    /// Compares the database with what a state says it must hold. Where a job has written meanwhile, its rows are put back
    /// first.
    pub(in super::super) async fn verify(&mut self, state: &NetDelta) -> Result<(), WorldError> {
        let mut attempt = 0;
        loop {
            let past = self.past;
            let Err(error) = self.check(state).await else {
                return Ok(());
            };
            attempt += 1;
            if error.kind != WorldErrorKind::Restore || attempt >= MEANWHILE {
                return Err(error);
            }
            let Some(now) = self.strays(state, past).await? else {
                return Err(error);
            };
            self.restore(&now, state).await?;
        }
    }

    async fn check(&mut self, state: &NetDelta) -> Result<(), WorldError> {
        self.proof
            .check(
                &self.connections,
                &self.address,
                &self.catalog,
                &mut self.sequences,
                state,
            )
            .await
    }

    /// What the content is where it should be `known`, if a job has written meanwhile. `None` where the journal has no entry more
    /// than when so many were in the `past`: then no job was in the way. A job may also have undone what it wrote.
    ///
    /// This is a poll like any other: a sequence that it does not find moved was not moved by a job.
    async fn strays(
        &mut self,
        known: &NetDelta,
        past: u64,
    ) -> Result<Option<NetDelta>, WorldError> {
        self.take_entries().await?;
        self.check_written().await?;
        let changes = self.net_changes(known)?;
        if changes.is_empty() {
            return Ok((self.past > past).then(|| known.clone()));
        }
        let delta = RowDelta::new(changes);
        self.warnings.extend(Warning::background_writes(&delta));
        Ok(Some(known.after(&delta)))
    }
}
