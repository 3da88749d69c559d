//! One poll of the database: the entries of the journal, and what leaves no entry: transactions that are still open, and
//! [sequences] that moved.
//!
//! The server numbers transactions one by one. Where the next number is the expected one, only venomqa has written since the
//! last poll, and what cannot change without a transaction number is not read.

use std::collections::HashSet;
use std::fmt::Write as _;

use futures_util::future::join;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Statement};

use super::catalog::Catalog;
use super::connections::Connections;
use super::sequences::{self, READ, SequenceTracker};

/// Moves the entries of the journal to the past, and yields them: table, row before, row after, the places of both, and the
/// transaction that wrote.
const TAKE: &str = "
WITH taken AS (DELETE FROM venomqa.journal RETURNING tbl, old, new, went, came, xmin AS by),
kept AS (INSERT INTO venomqa.past SELECT tbl, old, new FROM taken)
SELECT tbl, old, new, went::text, came::text, by::text FROM taken";

/// The number of the next transaction, relative to the first possible one.
const NEXT: &str = "pg_catalog.age('3'::xid)";

/// Whether a transaction with a number may be open in any database: the oldest open transaction of this statement's snapshot is
/// older than the next one. Listing the open transactions takes ten times as long.
const ANY_OPEN: &str =
    "pg_catalog.age(pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::xid) > 0";

/// The kinds of rows that the statement yields.
mod kind {
    pub(super) const NEXT: i32 = 0;
    pub(super) const OPEN: i32 = 1;
    pub(super) const SEQUENCE: i32 = 2;
}

/// The statements of a poll, and what the last one saw.
pub(super) struct Poll {
    look: Statement,
    take: Statement,
    /// The number of the next transaction if only venomqa writes until then; `None` where others may have written.
    expected: Option<i32>,
}

/// The answer to a poll: what leaves no entry, and the entries that were taken from the journal afterwards.
pub(super) struct Answer {
    pub(super) looked: Result<Vec<Row>, Error>,
    pub(super) taken: Result<Vec<Row>, Error>,
}

/// The result of a poll, beside the entries and the sequences.
#[derive(Default)]
pub(super) struct Seen {
    /// Transactions that have written and not ended.
    pub(super) open: Vec<Open>,
    /// Whether another session may have had a transaction with a number and left no entry.
    pub(super) had_silent_writers: bool,
    /// Whether there are large objects; `None` where this was not read because nothing was written.
    pub(super) has_large_objects: Option<bool>,
}

/// A transaction that has written and not ended.
pub(super) struct Open {
    /// `None` where the transaction was prepared (`PREPARE TRANSACTION`) and belongs to no session.
    pub(super) pid: Option<i32>,
    pub(super) transaction: String,
    pub(super) state: Option<String>,
    /// The last query of the session, or the name of the prepared transaction.
    pub(super) query: Option<String>,
    pub(super) seconds: Option<f64>,
}

impl Poll {
    /// Prepares the statements for these sequences.
    pub(super) async fn prepare(client: &Client, catalog: &Catalog) -> Result<Self, Error> {
        // The parts of a UNION ALL run in this order. A transaction that is not seen open has ended before the journal is read;
        // one that begins after the first part has a number that makes the next poll look closer.
        let mut text = format!(
            "SELECT {next_kind}, {NEXT}, NULL::int4, NULL::text, NULL::text, NULL::text, NULL::float8, \
             CASE WHEN {NEXT} = $2 THEN NULL ELSE EXISTS (SELECT FROM pg_largeobject_metadata) END, \
             NULL::oid, NULL::int8, NULL::bool \
             UNION ALL \
             SELECT {open_kind}, NULL, a.pid, a.backend_xid::text, a.state, a.query, \
             extract(epoch FROM clock_timestamp() - a.xact_start)::float8, NULL, NULL, NULL, NULL FROM pg_stat_get_activity(NULL) AS a \
             WHERE {ANY_OPEN} AND a.datid = $1 AND a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid() \
             AND a.backend_type IS DISTINCT FROM 'autovacuum worker' \
             UNION ALL \
             SELECT {open_kind}, NULL, NULL, p.transaction::text, 'prepared', p.gid, \
             extract(epoch FROM clock_timestamp() - p.prepared)::float8, NULL, NULL, NULL, NULL FROM pg_prepared_xact() AS p \
             WHERE {ANY_OPEN} AND p.dbid = $1",
            next_kind = kind::NEXT,
            open_kind = kind::OPEN,
        );
        if !catalog.sequences.is_empty() {
            let head = format!(
                "UNION ALL SELECT {}, NULL, NULL, NULL, NULL, NULL, NULL, NULL, s.* FROM",
                kind::SEQUENCE
            );
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                " {head} ({}) AS s {head} {READ}(CASE WHEN {NEXT} IS DISTINCT FROM $2 THEN $5 ELSE $6 END) AS s",
                sequences::differing("$3", "$4")
            );
        }
        let types = [
            Type::OID,
            Type::INT4,
            Type::OID_ARRAY,
            Type::INT8_ARRAY,
            Type::OID_ARRAY,
            Type::OID_ARRAY,
        ];
        Ok(Self {
            look: client.prepare_typed(&text, &types).await?,
            take: client.prepare(TAKE).await?,
            expected: None,
        })
    }

    /// Sends the poll, in one round trip. [`Poll::evaluate`] reads the answer.
    pub(super) async fn ask(
        &self,
        connections: &Connections,
        catalog: &Catalog,
        sequences: &SequenceTracker,
    ) -> Answer {
        let client = &connections.writer;
        let (called, last_values, uncalled) = sequences.known(catalog);
        // Their first call takes no number.
        let unlogged: Vec<u32> = catalog
            .sequences
            .iter()
            .filter(|sequence| sequence.is_unlogged && uncalled.contains(&sequence.oid))
            .map(|sequence| sequence.oid)
            .collect();
        let look = async {
            let parameters: [&(dyn ToSql + Sync); 6] = [
                &connections.database,
                &self.expected,
                &called,
                &last_values,
                &uncalled,
                &unlogged,
            ];
            client.query(&self.look, &parameters).await
        };
        // A transaction that the first statement does not see open has ended before the second one reads.
        let (looked, taken) = join(look, client.query(&self.take, &[])).await;
        Answer { looked, taken }
    }

    /// The result, given the entries that were taken right after the poll.
    pub(super) fn evaluate(
        &mut self,
        looked: &[Row],
        taken: &[Row],
        catalog: &Catalog,
        sequences: &mut SequenceTracker,
    ) -> Seen {
        let mut seen = Seen::default();
        let mut next: Option<i32> = None;
        for row in looked {
            match row.get::<_, i32>(0) {
                kind::NEXT => {
                    next = row.get(1);
                    seen.has_large_objects = row.get(7);
                }
                kind::OPEN => seen.open.push(Open {
                    pid: row.get(2),
                    transaction: row.get(3),
                    state: row.get(4),
                    query: row.get(5),
                    seconds: row.get(6),
                }),
                _ => sequences.take_in(catalog, row, 8),
            }
        }
        let writers: HashSet<&str> = taken.iter().map(|row| row.get(5)).collect();
        seen.had_silent_writers = next
            .zip(self.expected)
            .and_then(|(next, expected)| usize::try_from(next.wrapping_sub(expected)).ok())
            != Some(writers.len());
        let took = i32::from(!taken.is_empty());
        self.expected = next
            .filter(|_| seen.open.is_empty())
            .map(|next| next.wrapping_add(took));
        seen
    }

    /// Counts a transaction of venomqa's own that wrote.
    pub(super) fn wrote(&mut self) {
        self.expected = self.expected.map(|next| next.wrapping_add(1));
    }

    /// Makes the next poll read everything, because venomqa may have had any number of transactions.
    pub(super) fn forget(&mut self) {
        self.expected = None;
    }
}
