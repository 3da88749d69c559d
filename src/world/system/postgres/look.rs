//! One look at what leaves no entry in the journal: transactions that are still open, and sequences that moved.
//!
//! Every sequence is asked for its last number, half a microsecond each, unless nothing can have moved: a sequence that is
//! not [loose](super::counters) moves only in a transaction that has a number, and numbers are handed out one by one. Where the next number
//! is the one that was next at the last look, but for venomqa's own transactions since, and nobody had one then, only
//! the loose ones are asked. So looking again costs the same however many sequences there are.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Statement};

use super::catalog::Catalog;
use super::counters::{Counter, Counters};

/// From here on there is a function that reads a sequence which was never called.
const READS_UNCALLED: i32 = 180_000;

/// The number of the next transaction: what is left of it when the first number is taken away.
const NEXT: &str = "pg_catalog.age('3'::xid)";

/// The kinds of rows that the statement yields.
mod kind {
    pub(super) const NEXT: i32 = 0;
    pub(super) const OPEN: i32 = 1;
    pub(super) const SEQUENCES: i32 = 2;
}

/// The statement, and what the last one told.
pub(super) struct Look {
    statement: Statement,
    reads_uncalled: bool,
    /// Without this some sequence always moves without a trace.
    can_be_quiet: bool,
    /// The number that the next transaction has if there was none but venomqa's; `None`: there may have been.
    expected: Option<i32>,
}

/// What a look saw, beside the sequences.
#[derive(Default)]
pub(super) struct Seen {
    /// Sessions that have written and not ended their transaction.
    pub(super) open: Vec<Open>,
    /// Places of the sequences that have to be read by themselves.
    pub(super) unclear: Vec<usize>,
    /// How many transactions that are not venomqa's have had a number since the last look; `None`: unknown.
    pub(super) others: Option<i32>,
    /// Whether there are large objects; `None`: not looked for, for nothing was written.
    pub(super) has_large_objects: Option<bool>,
}

/// A session that has written and not ended its transaction.
pub(super) struct Open {
    pub(super) pid: i32,
    pub(super) transaction: String,
    pub(super) state: Option<String>,
    pub(super) query: Option<String>,
    pub(super) seconds: Option<f64>,
}

impl Look {
    /// Prepares the statement for these sequences.
    pub(super) async fn prepare(
        client: &Client,
        catalog: &Catalog,
        server_version: i32,
    ) -> Result<Self, Error> {
        let reads_uncalled = server_version >= READS_UNCALLED;
        let numbers: Vec<String> = catalog
            .sequences
            .iter()
            .map(|sequence| sequence.oid.to_string())
            .collect();
        let uncalled = if reads_uncalled {
            "ARRAY(SELECT (pg_catalog.pg_get_sequence_data(s)).last_value FROM unnest($4::oid[]) AS s)"
        } else {
            "CASE WHEN $4 THEN venomqa.uncalled() END"
        };
        // The parts of a UNION ALL run in this order. Who is not seen open has ended before the journal is read; who
        // begins after the first part gets a number that is not the expected one at the next look.
        let text = format!(
            "SELECT {next_kind}, {NEXT}, NULL::int4, NULL::text, NULL::text, NULL::text, NULL::float8, NULL::bool, NULL::int8[], NULL::int8[] \
             UNION ALL \
             SELECT {open_kind}, NULL, a.pid, a.backend_xid::text, a.state, a.query, \
             extract(epoch FROM clock_timestamp() - a.xact_start)::float8, NULL, NULL, NULL FROM pg_stat_get_activity(NULL) AS a \
             WHERE a.datid = $1 AND a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid() \
             AND a.backend_type IS DISTINCT FROM 'autovacuum worker' \
             UNION ALL \
             SELECT {sequences_kind}, NULL, NULL, NULL, NULL, NULL, NULL, \
             CASE WHEN {NEXT} = $2 THEN NULL ELSE EXISTS (SELECT FROM pg_largeobject_metadata) END, \
             CASE WHEN {NEXT} = $2 THEN NULL ELSE {uncalled} END, \
             CASE WHEN {NEXT} = $2 THEN ARRAY(SELECT pg_catalog.pg_sequence_last_value(s) FROM unnest($3::oid[]) AS s) \
             ELSE ARRAY(SELECT pg_catalog.pg_sequence_last_value(s) FROM unnest('{{{numbers}}}'::oid[]) AS s) END",
            next_kind = kind::NEXT,
            open_kind = kind::OPEN,
            sequences_kind = kind::SEQUENCES,
            numbers = numbers.join(","),
        );
        let fourth = if reads_uncalled {
            Type::OID_ARRAY
        } else {
            Type::BOOL
        };
        let types = [Type::OID, Type::INT4, Type::OID_ARRAY, fourth];
        Ok(Self {
            statement: client.prepare_typed(&text, &types).await?,
            reads_uncalled,
            can_be_quiet: catalog
                .sequences
                .iter()
                .all(|sequence| !sequence.is_unlogged),
            expected: None,
        })
    }

    /// Looks. The rows are for [`Look::told`].
    pub(super) async fn ask(
        &self,
        client: &Client,
        database: u32,
        catalog: &Catalog,
        counters: &Counters,
    ) -> Result<Vec<Row>, Error> {
        let number = |place: usize| catalog.sequences[place].oid;
        let loose: Vec<u32> = counters.loose().map(number).collect();
        let uncalled: Box<dyn ToSql + Sync> = if self.reads_uncalled {
            Box::new(counters.uncalled().map(number).collect::<Vec<u32>>())
        } else {
            Box::new(counters.uncalled().next().is_some())
        };
        client
            .query(
                &self.statement,
                &[&database, &self.expected, &loose, &*uncalled],
            )
            .await
    }

    /// What the rows say. `took` says whether venomqa's own transaction took entries from the journal right after.
    pub(super) fn told(&mut self, rows: &[Row], took: bool, counters: &mut Counters) -> Seen {
        let mut seen = Seen::default();
        let mut next = None;
        for row in rows {
            match row.get::<_, i32>(0) {
                kind::NEXT => next = row.get(1),
                kind::OPEN => seen.open.push(Open {
                    pid: row.get(2),
                    transaction: row.get(3),
                    state: row.get(4),
                    query: row.get(5),
                    seconds: row.get(6),
                }),
                _ => {
                    seen.has_large_objects = row.get(7);
                    let uncalled = row.get::<_, Option<Vec<i64>>>(8);
                    let values: Vec<Option<i64>> = row.get(9);
                    seen.unclear = if next.is_some() && next == self.expected {
                        let places: Vec<usize> = counters.loose().collect();
                        take_in(counters, &places, &values, &[], &[])
                    } else {
                        let places: Vec<usize> = (0..values.len()).collect();
                        let asked: Vec<usize> = if self.reads_uncalled {
                            counters.uncalled().collect()
                        } else {
                            counters.covered().to_vec()
                        };
                        take_in(
                            counters,
                            &places,
                            &values,
                            &asked,
                            &uncalled.unwrap_or_default(),
                        )
                    };
                }
            }
        }
        seen.others = next
            .zip(self.expected)
            .map(|(next, expected)| next.wrapping_sub(expected));
        self.expected = next
            .filter(|_| self.can_be_quiet && seen.open.is_empty())
            .map(|next| next.wrapping_add(i32::from(took)));
        seen
    }

    /// Whether the server reads sequences that were never called without `venomqa.uncalled()`.
    pub(super) fn reads_uncalled(&self) -> bool {
        self.reads_uncalled
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

/// Takes in what sequences were found at. Returns those that have to be read by themselves: never called, as far as is
/// known now, and not among those that were read.
fn take_in(
    counters: &mut Counters,
    places: &[usize],
    values: &[Option<i64>],
    asked: &[usize],
    uncalled: &[i64],
) -> Vec<usize> {
    let mut unclear = Vec::new();
    for (place, value) in places.iter().zip(values) {
        if let Some(last_value) = value {
            let now = Counter {
                last_value: *last_value,
                is_called: true,
            };
            counters.found(*place, now);
            continue;
        }
        let read = asked
            .binary_search(place)
            .ok()
            .and_then(|position| uncalled.get(position))
            .filter(|_| !counters.at(*place).is_called);
        match read {
            Some(last_value) => {
                let now = Counter {
                    last_value: *last_value,
                    is_called: false,
                };
                counters.found(*place, now);
            }
            None => unclear.push(*place),
        }
    }
    unclear
}
