//! Sequences: what each of them is, and how they differ from what a state says.
//!
//! A sequence moves outside transactions, and nothing tells which of them did: [`super::look`] has to ask each. What it
//! can ask cheaply is the number that a sequence handed out last; one that was never called has none, and is read by
//! itself, with a scan of its one row.
//!
//! The server writes the move of a sequence to its log, and gives the caller's transaction a number for it, unless it
//! has logged numbers in advance: then up to 32 calls leave nothing behind at all. Such a sequence is *loose*. Setting a
//! sequence, to its own value too, ends that. So all are set when a run begins, and a sequence is loose from when the
//! service called it until a restore puts it back.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tokio_postgres::{Client, Error, Statement};

use super::catalog::{Catalog, Sequence};
use super::sql::literal;
use crate::model::{Cell, NetDelta, Row, RowChange, RowKey, Table, row_key};

/// Sequences in one statement that reads them one by one.
const AT_ONCE: usize = 100;

/// The sequences of a database, as last seen.
#[derive(Debug, Default)]
pub(super) struct Counters {
    now: Vec<Counter>,
    initial: Vec<Counter>,
    moved: BTreeSet<usize>,
    loose: BTreeSet<usize>,
    covered: Vec<usize>,
}

/// One sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counter {
    /// The number handed out last, or, where none was, the one to hand out first.
    pub(super) last_value: i64,
    /// Whether `last_value` has been handed out.
    pub(super) is_called: bool,
}

impl Counters {
    /// Reads all of them, each by itself.
    pub(super) async fn read(client: &Client, catalog: &Catalog) -> Result<Self, Error> {
        let mut counters = Self::default();
        for part in catalog.sequences.chunks(AT_ONCE) {
            let each = part.iter().map(|sequence| {
                format!(
                    "SELECT last_value, is_called, log_cnt FROM {}",
                    sequence.quoted
                )
            });
            let text = each.collect::<Vec<_>>().join(" UNION ALL ");
            for row in client.query(&text, &[]).await? {
                if row.get::<_, i64>(2) > 0 {
                    counters.loose.insert(counters.now.len());
                }
                counters.now.push(Counter {
                    last_value: row.get(0),
                    is_called: row.get(1),
                });
            }
        }
        counters.initial = counters.now.clone();
        Ok(counters)
    }

    /// Sets loose sequences to the value that they have, so that their next call leaves a trace.
    pub(super) async fn tie(&mut self, client: &Client, catalog: &Catalog) -> Result<(), Error> {
        let loose: Vec<&Sequence> = self
            .loose
            .iter()
            .map(|place| &catalog.sequences[*place])
            .collect();
        for part in loose.chunks(AT_ONCE) {
            let each = part.iter().map(|sequence| {
                format!(
                    "SELECT setval({}::oid::regclass, last_value, is_called) FROM {}",
                    sequence.oid, sequence.quoted
                )
            });
            client
                .batch_execute(&each.collect::<Vec<_>>().join(" UNION ALL "))
                .await?;
        }
        self.loose.clear();
        Ok(())
    }

    /// The sequence at this place of the catalog.
    pub(super) fn at(&self, place: usize) -> Counter {
        self.now[place]
    }

    /// Places of the sequences that may move without a trace.
    pub(super) fn loose(&self) -> impl Iterator<Item = usize> {
        self.loose.iter().copied()
    }

    /// Places of the sequences that were never called.
    pub(super) fn uncalled(&self) -> impl Iterator<Item = usize> {
        self.now
            .iter()
            .enumerate()
            .filter(|(_, now)| !now.is_called)
            .map(|(place, _)| place)
    }

    /// Places of the sequences that `venomqa.uncalled()` reads, in its order.
    pub(super) fn covered(&self) -> &[usize] {
        &self.covered
    }

    /// Makes `venomqa.uncalled()` read every sequence that is not called now, beside those that it reads already.
    pub(super) async fn cover(&mut self, client: &Client, catalog: &Catalog) -> Result<(), Error> {
        let all: BTreeSet<usize> = self
            .covered
            .iter()
            .copied()
            .chain(self.uncalled())
            .collect();
        if all.len() == self.covered.len() {
            return Ok(());
        }
        self.covered = all.into_iter().collect();
        let mut body = String::from("BEGIN RETURN '{}'::int8[]");
        for part in self.covered.chunks(AT_ONCE) {
            let each = part.iter().map(|place| {
                format!(
                    "SELECT last_value FROM {}",
                    catalog.sequences[*place].quoted
                )
            });
            // Writing to a string cannot fail.
            let _ = write!(
                body,
                " || ARRAY({})",
                each.collect::<Vec<_>>().join(" UNION ALL ")
            );
        }
        body.push_str("; END");
        client
            .batch_execute(&format!(
                "CREATE OR REPLACE FUNCTION venomqa.uncalled() RETURNS int8[] LANGUAGE plpgsql AS {}",
                literal(&body)
            ))
            .await
    }

    /// The sequence at this place was found to be at this value.
    pub(super) fn found(&mut self, place: usize, now: Counter) {
        if self.now[place] != now {
            self.now[place] = now;
            self.moved.insert(place);
            self.loose.insert(place);
        }
    }

    /// Reads one sequence by itself.
    pub(super) async fn read_one(
        &mut self,
        client: &Client,
        sequence: &Sequence,
        place: usize,
    ) -> Result<(), Error> {
        let text = format!("SELECT last_value, is_called FROM {}", sequence.quoted);
        let row = client.query_one(&text, &[]).await?;
        let now = Counter {
            last_value: row.get(0),
            is_called: row.get(1),
        };
        self.found(place, now);
        Ok(())
    }

    /// How the sequences that moved since the last call differ from what `known` says.
    pub(super) fn changes(&mut self, catalog: &Catalog, known: &NetDelta) -> Vec<RowChange> {
        let Some(table) = &catalog.sequence_table else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        for place in std::mem::take(&mut self.moved) {
            let sequence = &catalog.sequences[place];
            let before = self.expected(table, sequence, place, known);
            if before != self.now[place] {
                changes.push(RowChange {
                    table: table.clone(),
                    key: key(sequence),
                    before: Some(row(sequence, before)),
                    after: Some(row(sequence, self.now[place])),
                });
            }
        }
        changes
    }

    /// What a sequence is in the state that `known` describes.
    fn expected(
        &self,
        table: &Table,
        sequence: &Sequence,
        place: usize,
        known: &NetDelta,
    ) -> Counter {
        known
            .current(table.id, &key(sequence))
            .and_then(|row| counter(row.as_ref()?))
            .unwrap_or(self.initial[place])
    }

    /// Whether every sequence is what `state` says; the first that is not, with both values.
    pub(super) fn disagreement<'a>(
        &self,
        catalog: &'a Catalog,
        state: &NetDelta,
    ) -> Option<(&'a Sequence, Counter, Counter)> {
        let table = catalog.sequence_table.as_ref()?;
        catalog
            .sequences
            .iter()
            .enumerate()
            .find_map(|(place, sequence)| {
                let expected = self.expected(table, sequence, place, state);
                (expected != self.now[place]).then_some((sequence, expected, self.now[place]))
            })
    }

    /// The sequence at this place is being put to a value.
    pub(super) fn put(&mut self, place: usize, to: Counter) {
        self.now[place] = to;
        self.loose.remove(&place);
    }

    /// All of them, read again; what the initial state is stays.
    pub(super) async fn again(&self, client: &Client, catalog: &Catalog) -> Result<Self, Error> {
        let mut again = Self::read(client, catalog).await?;
        again.initial.clone_from(&self.initial);
        again.covered.clone_from(&self.covered);
        again.moved = (0..again.now.len())
            .filter(|place| again.now[*place] != self.now[*place])
            .chain(self.moved.iter().copied())
            .collect();
        Ok(again)
    }
}

/// The statement that puts a sequence to a value: its number, the value, whether it was handed out.
pub(super) async fn prepare_put(client: &Client) -> Result<Statement, Error> {
    client
        .prepare("SELECT setval($1::oid::regclass, $2::int8, $3::bool)")
        .await
}

/// The place of a row's sequence, and what it is in it.
pub(super) fn of_row(catalog: &Catalog, row: &Row) -> Option<(usize, Counter)> {
    Some((catalog.sequence_place(row.first()?)?, counter(row)?))
}

fn key(sequence: &Sequence) -> RowKey {
    row_key([Cell::text(&sequence.name)])
}

fn row(sequence: &Sequence, counter: Counter) -> Row {
    [
        Cell::text(&sequence.name),
        Cell::Integer(counter.last_value),
        Cell::Integer(i64::from(counter.is_called)),
    ]
    .into()
}

fn counter(row: &Row) -> Option<Counter> {
    match (row.get(1)?, row.get(2)?) {
        (Cell::Integer(last_value), Cell::Integer(is_called)) => Some(Counter {
            last_value: *last_value,
            is_called: *is_called != 0,
        }),
        _ => None,
    }
}
