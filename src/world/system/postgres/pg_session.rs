//! A run with its journal in place: reads what a step did, and goes [`restore`] from one state to another.

mod restore;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_postgres::{CancelToken, Error};

use super::address::Address;
use super::apply::Writer;
use super::catalog::{Catalog, Watched};
use super::connections::Connections;
use super::failure::{WRITTEN_PAST, failed, lost};
use super::journal;
use super::lock_diagnosis;
use super::poll::{Answer, Open, Poll};
use super::query::Queries;
use super::rehearsal::{self, Horizon, Outcome};
use super::row_multiset::RowMultiset;
use super::schema_changes::{Change, Schema};
use super::sequences::SequenceTracker;
use super::verify::Proof;
use crate::model::{NetDelta, RowChange, RowDelta, SqlQuery, Table, TableId};
use crate::world::system::{QueryRows, Reading};
use crate::world::{Warning, WarningCode, WorldError, WorldErrorKind};

/// How long a transaction that is still open after the answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Entries after which the journal's file is emptied.
const SHRINK_AFTER: u64 = 2_000;

/// Entries of the past after which it is summed up, at the least.
const SUM_UP_AFTER: u64 = 20_000;

/// How often something is tried in which a job that writes can get in the way.
const MEANWHILE: u32 = 20;

/// A run on a database.
pub(super) struct PgSession {
    pub(super) connections: Connections,
    address: Address,
    catalog: Catalog,
    sequences: SequenceTracker,
    proof: Proof,
    writer: Writer,
    queries: Queries,
    poll: Poll,
    /// Taken from the journal and not yet reported: a reading that fails half-way loses nothing.
    unread: RowMultiset,
    /// Open transactions that were waited for in vain.
    given_up: HashSet<String>,
    /// Tables whose restore is yet to be rehearsed with rows that the service has written.
    unrehearsed: BTreeSet<TableId>,
    /// Tables of which the service may have written rows that were not [checked](rehearsal::check) yet.
    unchecked: BTreeSet<TableId>,
    /// Where the last check of a table began.
    checked: BTreeMap<TableId, Horizon>,
    warnings: Vec<Warning>,
    warned: HashSet<String>,
    since_shrink: u64,
    past: u64,
    sum_up_at: u64,
    /// Compared where no event trigger notes changes.
    schema: Option<Schema>,
}

impl PgSession {
    /// Takes over sessions whose database holds the journal.
    pub(super) async fn new(
        address: Address,
        connections: Connections,
        catalog: Catalog,
    ) -> Result<Self, WorldError> {
        let cannot = |error: Error| failed(&address, "prepare the reading of the journal", &error);
        let sequences = SequenceTracker::read(&connections.writer, &catalog)
            .await
            .map_err(cannot)?;
        let poll = Poll::prepare(&connections.writer, &catalog)
            .await
            .map_err(cannot)?;
        let schema = if connections.is_superuser {
            None
        } else {
            Some(Schema::read(&connections.writer).await.map_err(cannot)?)
        };
        let warnings = catalog.notes.clone();
        let unrehearsed = catalog
            .searching()
            .map(|watched| watched.table.id)
            .collect();
        let unchecked = catalog
            .searching()
            .filter(|watched| catalog.is_ambiguous(watched.oid))
            .map(|watched| watched.table.id)
            .collect();
        let mut session = Self {
            connections,
            address,
            catalog,
            sequences,
            proof: Proof::default(),
            writer: Writer::default(),
            queries: Queries::default(),
            poll,
            unread: RowMultiset::default(),
            given_up: HashSet::new(),
            unrehearsed,
            unchecked,
            checked: BTreeMap::new(),
            warnings,
            warned: HashSet::new(),
            since_shrink: 0,
            past: 0,
            sum_up_at: SUM_UP_AFTER,
            schema,
        };
        session.check_written().await?;
        Ok(session)
    }

    /// The tables that are watched.
    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Whether both sessions still answer.
    pub(super) fn is_connected(&self) -> bool {
        !self.connections.writer.is_closed() && !self.connections.reader.is_closed()
    }

    /// Marks the present content as the initial state.
    pub(super) async fn mark_initial(&mut self) -> Result<(), WorldError> {
        self.settle().await?;
        for _ in 0..MEANWHILE {
            self.unread = RowMultiset::default();
            self.sequences = SequenceTracker::read(&self.connections.writer, &self.catalog)
                .await
                .map_err(|error| failed(&self.address, "read the sequences", &error))?;
            self.poll.forget();
            self.proof = Proof::of_now(&self.connections, &self.catalog)
                .await
                .map_err(|error| failed(&self.address, "read the initial state", &error))?;
            // The proof may or may not have what a job wrote meanwhile.
            self.take_entries().await?;
            if self.unread.is_empty() {
                return Ok(());
            }
        }
        // A job writes all the time: its tables are compared by the rows that differ only.
        for (table, _, _) in self.unread.rows() {
            self.proof.forget(table);
        }
        Ok(())
    }

    /// The rows that changed relative to `known`.
    pub(super) async fn read(&mut self, known: &NetDelta) -> Result<Reading, WorldError> {
        self.settle().await?;
        let changes = self.net_changes(known)?;
        Ok(Reading {
            delta: RowDelta::new(changes),
            image: None,
            warnings: std::mem::take(&mut self.warnings),
        })
    }

    /// The entries that were taken from the journal, as changes relative to `known`.
    fn net_changes(&mut self, known: &NetDelta) -> Result<Vec<RowChange>, WorldError> {
        let mut changes = self
            .unread
            .changes(&self.catalog, known)
            .map_err(|contradiction| self.disagrees(&contradiction.table, &contradiction.key))?;
        for change in &changes {
            // The way between two states is only right if the journal and the states agree.
            let believed = known.current(change.table.id, &change.key);
            if believed.is_some_and(|believed| *believed != change.before) {
                return Err(self.disagrees(&change.table.name, &change.key));
            }
        }
        changes.extend(self.sequences.changes(&self.catalog, known));
        self.unread = RowMultiset::default();
        Ok(changes)
    }

    /// Reads the journal for the last time, and compares the schema once more.
    pub(super) async fn conclude(&mut self) -> Result<(), WorldError> {
        self.settle().await?;
        if let Some(schema) = &mut self.schema {
            schema.suspect();
        }
        self.check_schema().await
    }

    /// The tables that a query reads; `None` where they cannot be determined.
    pub(super) async fn tables(
        &mut self,
        query: &SqlQuery,
    ) -> Result<Option<Vec<Arc<Table>>>, WorldError> {
        self.queries
            .tables(&self.connections, &self.catalog, &self.address, query)
            .await
    }

    /// The handle that ends the query under way.
    pub(super) fn cancel_token(&self) -> CancelToken {
        self.connections.reader.cancel_token()
    }

    /// Runs a query of the spec.
    pub(super) async fn query(
        &mut self,
        query: &SqlQuery,
        values: &[Value],
    ) -> Result<QueryRows, WorldError> {
        self.queries
            .run(&self.connections, &self.address, query, values)
            .await
    }

    /// Takes the entries of the journal until every transaction has ended that had written and was open at the first poll. One
    /// round trip where none was.
    async fn settle(&mut self) -> Result<(), WorldError> {
        let began = Instant::now();
        let mut pause = Duration::from_millis(1);
        let mut open = self.take_entries().await?;
        loop {
            if open.is_empty() || began.elapsed() >= PATIENCE {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
            // A transaction that began meanwhile is not the request's; a job may write all the time.
            let mut now = self.take_entries().await?;
            now.retain(|now| open.iter().any(|open| open.transaction == now.transaction));
            open = now;
        }
        for Open {
            pid,
            transaction,
            state,
            query,
            seconds,
        } in open
        {
            let said = lock_diagnosis::holder(pid, state, query, seconds);
            let message = format!(
                "a transaction in `{}` is still open after the answer: {said}",
                self.address
            );
            self.warnings.push(Warning::new(WarningCode::OpenTransaction, message).with_help(
                "its rows are not part of the state that was judged, and its locks may stop the next request; find the \
                 path on which the request handler neither commits nor rolls back",
            ));
            self.given_up.insert(transaction);
        }
        self.tidy().await?;
        self.check_written().await
    }

    /// Checks the rows that were written since the last check, before anybody deletes them: once they are gone, nothing tells by which
    /// values the indexes knew them. Nothing is sent where no function is ambiguous.
    async fn check_written(&mut self) -> Result<(), WorldError> {
        while let Some(&id) = self.unchecked.first() {
            if let Some(watched) = self.catalog.watched(id) {
                let since = self.checked.get(&id);
                let (outcome, horizon) =
                    rehearsal::check(&self.connections.writer, &self.catalog, watched, since)
                        .await
                        .map_err(|error| failed(&self.address, "check rows", &error))?;
                self.ensure_exact(outcome, watched)?;
                self.checked.insert(id, horizon);
            }
            self.unchecked.remove(&id);
        }
        Ok(())
    }

    /// An error where rows of the table would not come back as they were.
    fn ensure_exact(&self, outcome: Outcome, watched: &Watched) -> Result<(), WorldError> {
        let Some(obstacle) = outcome.obstacle(&self.catalog, watched) else {
            return Ok(());
        };
        Err(WorldError::new(
            WorldErrorKind::Restore,
            format!("a state in `{}` cannot be restored exactly", self.address),
        )
        .with_details([obstacle]))
    }

    /// One poll. Returns the transactions to wait for.
    async fn take_entries(&mut self) -> Result<Vec<Open>, WorldError> {
        let answer = self
            .poll
            .ask(&self.connections, &self.catalog, &self.sequences)
            .await;
        self.take_in(answer).await
    }

    /// Keeps what a poll found for the next reading. Returns the transactions to wait for.
    async fn take_in(&mut self, answer: Answer) -> Result<Vec<Open>, WorldError> {
        if self.connections.writer.is_closed() {
            return Err(lost(&self.address, "read the journal"));
        }
        let taken = match answer.taken {
            Ok(taken) => taken,
            Err(error) => return Err(self.cannot_read(&error).await),
        };
        self.since_shrink += taken.len() as u64;
        self.past += taken.len() as u64;
        // First the entries: that a table or sequence is gone explains why the other statement failed.
        for row in &taken {
            self.enter(row)?;
        }
        let looked = match answer.looked {
            Ok(looked) => looked,
            Err(error) => {
                // Without event triggers, a sequence that was dropped is met before the schema is compared.
                if let Some(schema) = &mut self.schema {
                    schema.suspect();
                    self.check_schema().await?;
                }
                return Err(self.cannot_read(&error).await);
            }
        };
        let seen = self
            .poll
            .evaluate(&looked, &taken, &self.catalog, &mut self.sequences);
        if let Some(schema) = &mut self.schema
            && seen.had_silent_writers
        {
            schema.suspect();
        }
        if seen.has_large_objects == Some(true) && !self.catalog.has_large_objects {
            self.catalog.has_large_objects = true;
            self.warn_once(
                "the service has made a large object: it is not put back when its state is left, nor at the end".to_owned(),
                "large objects have no triggers; leave the action out, or let it use a `bytea` column",
            );
        }
        Ok(seen
            .open
            .into_iter()
            .filter(|open| !self.given_up.contains(&open.transaction))
            .collect())
    }

    async fn cannot_read(&self, error: &Error) -> WorldError {
        lock_diagnosis::explain(&self.connections, &self.address, "read the journal", error).await
    }

    fn refreshed(&mut self, what: &str) {
        self.warn_once(
            format!("the service refreshed {what}: what it shows is not put back"),
            "let a query of the spec read the tables behind it; a service that reads the view cannot be explored exactly",
        );
    }

    /// Warns of a change that cannot be restored.
    fn warn_once(&mut self, message: String, help: &str) {
        if self.warned.insert(message.clone()) {
            let warning = Warning::new(WarningCode::NotRestored, message).with_help(help);
            self.warnings.push(warning.untrusted());
        }
    }

    fn enter(&mut self, entry: &tokio_postgres::Row) -> Result<(), WorldError> {
        let number: u32 = entry.get(0);
        let (old, new): (Option<&str>, Option<&str>) = (entry.get(1), entry.get(2));
        if number == journal::SCHEMA_CHANGE {
            return Err(self.schema_changed(&format!(
                "`{}` of `{}`",
                old.unwrap_or_default(),
                new.unwrap_or_default()
            )));
        }
        match number {
            journal::VIEW_CHANGE => {
                self.queries = Queries::default();
                return Ok(());
            }
            journal::FOREIGN_WRITE => {
                self.warn_once(
                    format!(
                        "the service wrote to the foreign table `{}`: its rows are not put back",
                        new.unwrap_or_default()
                    ),
                    "declare the database behind it as a system of its own, or leave the action out",
                );
                return Ok(());
            }
            journal::REFRESH => {
                self.refreshed(&format!(
                    "the materialized view `{}`",
                    new.unwrap_or_default()
                ));
                return Ok(());
            }
            _ => {}
        }
        let Some(watched) = self.catalog.by_number(number) else {
            return Err(self.schema_changed("a table that was not there before has written"));
        };
        let id = watched.table.id;
        let rows = [old, new].map(|text| text.map(|text| watched.row(text).ok_or(watched)));
        let [old, new] = rows;
        let unreadable = |watched: &Watched| {
            self.schema_changed(&format!("the columns of `{}`", watched.table.name))
        };
        let old = old.transpose().map_err(unreadable)?;
        let new = new.transpose().map_err(unreadable)?;
        let places = &mut self.writer.ctid_hints;
        if let Some(row) = old {
            if let Some(place) = entry.get(3) {
                places.remove(id, &watched.text(&row), place);
            }
            self.unread.remove(id, row);
        }
        if let Some(row) = new {
            if let Some(place) = entry.get(4) {
                places.add(id, watched.text(&row), place);
            }
            self.unread.add(id, row);
            if self.catalog.is_ambiguous(number) {
                self.unchecked.insert(id);
            }
        }
        Ok(())
    }

    /// Keeps the journal small, and the schema under watch.
    async fn tidy(&mut self) -> Result<(), WorldError> {
        let client = &self.connections.writer;
        let cannot = |error: Error| failed(&self.address, "tidy the journal", &error);
        if self.since_shrink >= SHRINK_AFTER {
            client
                .batch_execute(journal::SHRINK)
                .await
                .map_err(cannot)?;
            self.since_shrink = 0;
            self.poll.forget();
        }
        if self.past >= self.sum_up_at {
            self.past = journal::sum_up(client, &self.catalog)
                .await
                .map_err(cannot)?;
            self.sum_up_at = SUM_UP_AFTER.max(self.past * 4);
            self.poll.forget();
        }
        self.check_schema().await
    }

    /// Compares the schema, where it is time to do so and no event trigger notes its changes.
    async fn check_schema(&mut self) -> Result<(), WorldError> {
        let cannot = |error: Error| failed(&self.address, "compare the schema", &error);
        let client = &self.connections.writer;
        let changes = match &mut self.schema {
            Some(schema) => schema.changes(client).await.map_err(cannot)?,
            None => Vec::new(),
        };
        for change in changes {
            match change {
                Change::Tables => {
                    return Err(self.schema_changed(
                        "tables, columns, sequences, triggers, rules or conditions",
                    ));
                }
                Change::Views => self.queries = Queries::default(),
                Change::Refreshed => self.refreshed("a materialized view"),
            }
        }
        Ok(())
    }

    fn schema_changed(&self, what: &str) -> WorldError {
        WorldError::new(
            WorldErrorKind::System,
            format!("the schema of `{}` has changed during the run: {what}", self.address),
        )
        .with_help(
            "venomqa watches the tables that are there when the run begins; let migrations, and tables or partitions that \
             are made on demand, come before it",
        )
    }

    fn disagrees(&self, table: &str, key: &[crate::model::Cell]) -> WorldError {
        let key: Vec<String> = key.iter().map(ToString::to_string).collect();
        WorldError::new(
            WorldErrorKind::Restore,
            format!(
                "the journal of `{}` has an entry for a row of `{table}` ({}) that cannot have existed",
                self.address,
                key.join(", ")
            ),
        )
        .with_help(WRITTEN_PAST)
    }
}
