//! Sequences: read without asking each of them, put back exactly.
//!
//! A sequence moves without a transaction, and mostly without a trace in the log, so nothing tells which of them did. Few
//! sequences are read one by one in a single statement. Many are asked through `pg_sequence_last_value`, which costs half
//! a microsecond each but does not tell the value of one that was never called; such a one is only read again where it
//! has been restarted, which gives it a new file.

use std::collections::BTreeSet;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row as SqlRow, Statement};

use super::catalog::{Catalog, Sequence};
use crate::model::{Cell, NetDelta, Row, RowChange, RowKey, Table, row_key};

/// Up to this many are read one by one.
const FEW: usize = 32;

/// Sequences in one statement that reads them one by one.
const AT_ONCE: usize = 100;

/// The sequences of a database, as last seen.
#[derive(Debug, Default)]
pub(super) struct Counters {
    numbers: Vec<u32>,
    now: Vec<Counter>,
    initial: Vec<Counter>,
    moved: BTreeSet<usize>,
    files: Vec<Option<u32>>,
    is_direct: bool,
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
    /// Reads all of them.
    pub(super) async fn read(client: &Client, catalog: &Catalog) -> Result<Self, Error> {
        let mut counters = Self {
            numbers: catalog
                .sequences
                .iter()
                .map(|sequence| sequence.oid)
                .collect(),
            is_direct: catalog.sequences.len() <= FEW,
            ..Self::default()
        };
        for part in catalog.sequences.chunks(AT_ONCE) {
            for row in client.query(&one_by_one(part, 0), &[]).await? {
                counters.now.push(Counter {
                    last_value: row.get(1),
                    is_called: row.get(2),
                });
            }
        }
        let files = client
            .query(
                "SELECT pg_relation_filenode(s) FROM unnest($1::oid[]) WITH ORDINALITY AS u(s, i) ORDER BY i",
                &[&counters.numbers],
            )
            .await?;
        counters.files = files.iter().map(|row| row.get(0)).collect();
        counters.initial = counters.now.clone();
        Ok(counters)
    }

    /// The sequence at this place of the catalog.
    pub(super) fn at(&self, place: usize) -> Counter {
        self.now[place]
    }

    /// The part of the reading statement that yields the sequences which moved, as rows of place, value, flag and file;
    /// `None` where there are no sequences. `first` is the number of its first parameter.
    pub(super) fn moved_sql(&self, catalog: &Catalog, first: usize) -> Option<String> {
        if self.numbers.is_empty() {
            return None;
        }
        let (second, third) = (first + 1, first + 2);
        Some(if self.is_direct {
            format!(
                "SELECT i, last_value, is_called, NULL::int8 FROM ({}) AS s(i, last_value, is_called) \
                 WHERE last_value <> (${first}::int8[])[i] OR is_called <> (${second}::bool[])[i]",
                one_by_one(&catalog.sequences, 1)
            )
        } else {
            format!(
                "SELECT i, last_value, last_value IS NOT NULL, file FROM (\
                   SELECT i, v, f, pg_sequence_last_value(s) AS last_value, pg_relation_filenode(s)::int8 AS file \
                   FROM unnest(${first}::oid[], ${second}::int8[], ${third}::int8[]) WITH ORDINALITY AS u(s, v, f, i) OFFSET 0) AS s \
                 WHERE last_value IS DISTINCT FROM v OR (last_value IS NULL AND file IS DISTINCT FROM f)"
            )
        })
    }

    /// Values for the parameters of [`Counters::moved_sql`].
    pub(super) fn parameters(&self) -> Vec<Box<dyn ToSql + Sync>> {
        if self.numbers.is_empty() {
            return Vec::new();
        }
        let values = self.now.iter().map(|now| now.last_value);
        let flags = self.now.iter().map(|now| now.is_called);
        if self.is_direct {
            vec![
                Box::new(values.collect::<Vec<_>>()),
                Box::new(flags.collect::<Vec<_>>()),
            ]
        } else {
            let known = values.zip(flags).map(|(value, flag)| flag.then_some(value));
            let files = self.files.iter().map(|file| file.map(i64::from));
            vec![
                Box::new(self.numbers.clone()),
                Box::new(known.collect::<Vec<_>>()),
                Box::new(files.collect::<Vec<_>>()),
            ]
        }
    }

    /// Takes in a row of [`Counters::moved_sql`]. Says which sequence has to be read by itself.
    pub(super) fn moved(&mut self, row: &SqlRow, from: usize) -> Option<usize> {
        let place = usize::try_from(row.get::<_, i64>(from) - 1).ok()?;
        let value: Option<i64> = row.get(from + 1);
        if !self.is_direct {
            self.files[place] = row
                .get::<_, Option<i64>>(from + 3)
                .and_then(|file| u32::try_from(file).ok());
        }
        self.moved.insert(place);
        match value {
            Some(last_value) => {
                self.now[place] = Counter {
                    last_value,
                    is_called: row.get(from + 2),
                };
                None
            }
            None => Some(place),
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
        self.now[place] = Counter {
            last_value: row.get(0),
            is_called: row.get(1),
        };
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
    }

    /// All of them, read again; what the initial state is stays.
    pub(super) async fn again(&self, client: &Client, catalog: &Catalog) -> Result<Self, Error> {
        let mut again = Self::read(client, catalog).await?;
        again.initial.clone_from(&self.initial);
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
    let place = catalog
        .sequences
        .iter()
        .position(|sequence| row.first() == Some(&Cell::text(&sequence.name)))?;
    Some((place, counter(row)?))
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

/// Reads each sequence itself, with its place counted from 1.
fn one_by_one(sequences: &[Sequence], first: usize) -> String {
    sequences
        .iter()
        .enumerate()
        .map(|(place, sequence)| {
            format!(
                "SELECT {}::int8, last_value, is_called FROM {}",
                place + first,
                sequence.quoted
            )
        })
        .collect::<Vec<_>>()
        .join(" UNION ALL ")
}
