//! One look at what leaves no entry in the journal: transactions that are still open, and sequences that moved.
//!
//! A sequence that is not [loose](super::sequences) moves only in a transaction that has a number, and numbers are handed
//! out one by one. So the loose ones are asked each time, half a microsecond each, and the others only where somebody may
//! have called them unseen: where more numbers were handed out since the last look than the transactions have, venomqa's
//! own apart, that have told in the journal [what they called](super::journal::CALLS). Those are asked as the journal is
//! read. A transaction that was rolled back, that wrote nothing or that ended as a read-only one has told nothing; one that
//! was open at the last look may have had its number before. So looking costs the same however many sequences there are.
//!
//! Where there are few sequences no transaction tells, and all are asked after each that had a number.

use std::fmt::Write as _;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row, Statement};

use super::catalog::Catalog;
use super::journal::{self, CALLS};
use super::sequences::{self, ASK, ASK_ALL, Asked, SequenceTracker};

/// The number of the next transaction: what is left of it when the first number is taken away.
const NEXT: &str = "pg_catalog.age('3'::xid)";

/// Whether a transaction that has a number may be open, in whatever database: the oldest that is open for the snapshot of
/// this statement is older than the next one to come. Who each of them is takes ten times as long to find out.
const ANY_OPEN: &str =
    "pg_catalog.age(pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::xid) > 0";

/// The kinds of rows that the statement yields.
mod kind {
    pub(super) const NEXT: i32 = 0;
    pub(super) const OPEN: i32 = 1;
    pub(super) const SEQUENCE: i32 = 2;
}

/// The statement, and what the last one told.
pub(super) struct Poll {
    statement: Statement,
    /// The number that the next transaction has if there was none but venomqa's; `None`: there may have been.
    expected: Option<i32>,
}

/// What a look saw, beside the sequences.
#[derive(Default)]
pub(super) struct Seen {
    /// Transactions that have written and not ended.
    pub(super) open: Vec<Open>,
    /// How many transactions that are not venomqa's have had a number since the last look; `None`: unknown.
    pub(super) others: Option<i32>,
    /// Whether there are large objects; `None`: not looked for, for nothing was written.
    pub(super) has_large_objects: Option<bool>,
}

/// A transaction that has written and not ended.
pub(super) struct Open {
    /// `None`: no session has it, it was prepared (`PREPARE TRANSACTION`) and waits for its end.
    pub(super) pid: Option<i32>,
    pub(super) transaction: String,
    pub(super) state: Option<String>,
    /// The last query of the session, or the name of the prepared transaction.
    pub(super) query: Option<String>,
    pub(super) seconds: Option<f64>,
}

impl Poll {
    /// Prepares the statement for these sequences.
    pub(super) async fn prepare(client: &Client, catalog: &Catalog) -> Result<Self, Error> {
        // The parts of a UNION ALL run in this order. Who is not seen open has ended before the journal is read; who
        // begins after the first part gets a number that is not the expected one at the next look.
        let mut text = format!(
            "SELECT {next_kind}, {NEXT}, NULL::int4, NULL::text, NULL::text, NULL::text, NULL::float8, \
             CASE WHEN {NEXT} = $2 THEN NULL ELSE EXISTS (SELECT FROM pg_largeobject_metadata) END, \
             NULL::oid, NULL::int8, NULL::bool, NULL::bool \
             UNION ALL \
             SELECT {open_kind}, NULL, a.pid, a.backend_xid::text, a.state, a.query, \
             extract(epoch FROM clock_timestamp() - a.xact_start)::float8, NULL, NULL, NULL, NULL, NULL FROM pg_stat_get_activity(NULL) AS a \
             WHERE {ANY_OPEN} AND a.datid = $1 AND a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid() \
             AND a.backend_type IS DISTINCT FROM 'autovacuum worker' \
             UNION ALL \
             SELECT {open_kind}, NULL, NULL, p.transaction::text, 'prepared', p.gid, \
             extract(epoch FROM clock_timestamp() - p.prepared)::float8, NULL, NULL, NULL, NULL, NULL FROM pg_prepared_xact() AS p \
             WHERE {ANY_OPEN} AND p.dbid = $1",
            next_kind = kind::NEXT,
            open_kind = kind::OPEN,
        );
        for asked in asked(catalog) {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                " UNION ALL SELECT {}, NULL, NULL, NULL, NULL, NULL, NULL, NULL, s.* FROM {asked}",
                kind::SEQUENCE
            );
        }
        let types = [Type::OID, Type::INT4, Type::OID_ARRAY];
        Ok(Self {
            statement: client.prepare_typed(&text, &types).await?,
            expected: None,
        })
    }

    /// Looks. The rows are for [`Poll::told`].
    pub(super) async fn ask(
        &self,
        client: &Client,
        database: u32,
        catalog: &Catalog,
        sequences: &SequenceTracker,
    ) -> Result<Vec<Row>, Error> {
        let loose = sequences.loose(catalog);
        client
            .query(&self.statement, &[&database, &self.expected, &loose])
            .await
    }

    /// What the rows say. `took` says whether venomqa's own transaction took entries from the journal right after.
    pub(super) fn told(
        &mut self,
        rows: &[Row],
        took: bool,
        catalog: &Catalog,
        sequences: &mut SequenceTracker,
    ) -> Seen {
        let mut seen = Seen::default();
        let mut next: Option<i32> = None;
        for row in rows {
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
                _ => sequences.take_in(catalog, &Asked::from(row, 8)),
            }
        }
        seen.others = next
            .zip(self.expected)
            .map(|(next, expected)| next.wrapping_sub(expected));
        self.expected = next
            .filter(|_| seen.open.is_empty())
            .map(|next| next.wrapping_add(i32::from(took)));
        seen
    }

    /// Venomqa itself has ended a transaction that wrote.
    pub(super) fn wrote(&mut self) {
        self.expected = self.expected.map(|next| next.wrapping_add(1));
    }

    /// Venomqa itself may have used any number of transactions.
    pub(super) fn forget(&mut self) {
        self.expected = None;
    }
}

/// The parts of the statement that ask sequences: the loose ones (`$3`), and all where somebody may have called them unseen.
fn asked(catalog: &Catalog) -> Vec<String> {
    if catalog.sequences.is_empty() {
        return Vec::new();
    }
    if !journal::tells_calls(catalog) {
        return vec![format!(
            "({}) AS s(number, last_value, is_called, is_loose) WHERE s.number = ANY ($3) OR {NEXT} IS DISTINCT FROM $2",
            sequences::each(&catalog.sequences)
        )];
    }
    let told = format!(
        "(SELECT CASE WHEN bool_or(part.is_partial) OR count(DISTINCT top) <> count(DISTINCT top) FILTER (WHERE part.has_note) \
         THEN -1 ELSE count(*) END FROM \
         (SELECT top, bool_or(tbl = {CALLS}) AS has_note, bool_or(tbl = {CALLS} AND old IS NOT NULL) AS is_partial \
         FROM venomqa.journal GROUP BY xmin, top) AS part)"
    );
    vec![
        format!("{ASK}($3) AS s WHERE cardinality($3) > 0"),
        format!("{ASK_ALL}() AS s WHERE {NEXT}::int8 - $2::int8 IS DISTINCT FROM {told}"),
    ]
}
