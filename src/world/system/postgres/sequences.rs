//! Sequences: their values, and their differences from a state.
//!
//! A sequence moves outside transactions and fires no trigger. So every reading of the journal compares the sequences with
//! their last values. For a sequence that has been called, the server has a function that takes less than a microsecond, so these
//! sequences are compared every time. A sequence that has never been called needs a query of its own. Its first call, and every
//! statement that sets it, gives the caller's transaction a number, so these sequences are read only where [`super::poll`] sees
//! that a number was assigned. An unlogged sequence moves without a number as well and is read every time.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tokio_postgres::{Client, Error, Row as PgRow, Statement};

use super::catalog::{Catalog, Sequence};
use super::sql::literal;
use crate::model::{Cell, NetDelta, Row, RowChange, RowKey, Table, row_key};

/// Reads sequences from their own relations: those with the numbers in its argument, and others.
pub(super) const READ: &str = "venomqa.read_sequences";

/// Sequences in one statement that reads each from its own relation.
const AT_ONCE: usize = 25;

/// The sequences of a database, as last seen. Each has the place that it has in the [`Catalog`].
#[derive(Debug, Default)]
pub(super) struct SequenceTracker {
    now: Vec<SequenceValue>,
    initial: Vec<SequenceValue>,
    /// Since [`SequenceTracker::changes`] was called last.
    moved: BTreeSet<usize>,
    /// In the course of the run.
    ever_moved: BTreeSet<usize>,
}

/// One sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SequenceValue {
    /// The number handed out last, or, where none was, the one to hand out first.
    pub(super) last_value: i64,
    /// Whether `last_value` has been handed out.
    pub(super) is_called: bool,
}

impl SequenceTracker {
    /// Reads all sequences of the catalog.
    pub(super) async fn read(client: &Client, catalog: &Catalog) -> Result<Self, Error> {
        let mut now = Vec::new();
        for batch in catalog.sequences.chunks(AT_ONCE) {
            let rows = client.query(&each(batch), &[]).await?;
            now.extend(rows.iter().map(|row| value(row, 0).1));
        }
        Ok(Self {
            initial: now.clone(),
            now,
            ..Self::default()
        })
    }

    /// The sequence at this place.
    pub(super) fn at(&self, place: usize) -> SequenceValue {
        self.now[place]
    }

    /// What is known: the numbers of the sequences that have been called, what each of them handed out last, and the numbers of
    /// those that have not been called.
    pub(super) fn known(&self, catalog: &Catalog) -> (Vec<u32>, Vec<i64>, Vec<u32>) {
        let (mut called, mut last_values, mut uncalled) = (Vec::new(), Vec::new(), Vec::new());
        for (sequence, value) in catalog.sequences.iter().zip(&self.now) {
            if value.is_called {
                called.push(sequence.oid);
                last_values.push(value.last_value);
            } else {
                uncalled.push(sequence.oid);
            }
        }
        (called, last_values, uncalled)
    }

    /// Three columns of an answer, from this one on: the server's number of a sequence, its last value, whether it was
    /// called.
    pub(super) fn take_in(&mut self, catalog: &Catalog, row: &PgRow, column: usize) {
        let (number, value) = value(row, column);
        if let Some(place) = catalog.sequence_numbered(number)
            && self.now[place] != value
        {
            self.now[place] = value;
            self.moved.insert(place);
            self.ever_moved.insert(place);
        }
    }

    /// Whether any has moved since [`SequenceTracker::changes`] was called last.
    pub(super) fn have_moved(&self) -> bool {
        !self.moved.is_empty()
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
    ) -> SequenceValue {
        known
            .current(table.id, &key(sequence))
            .and_then(|row| counter(row.as_ref()?))
            .unwrap_or(self.initial[place])
    }

    /// The first sequence that is not what `state` says, with what it should be and what it is. Of those that were never
    /// called, the ones that ever moved are read; of the others it is seen that they are still not called.
    pub(super) async fn check<'a>(
        &self,
        client: &Client,
        catalog: &'a Catalog,
        state: &NetDelta,
    ) -> Result<Option<(&'a Sequence, SequenceValue, SequenceValue)>, Error> {
        let Some(table) = &catalog.sequence_table else {
            return Ok(None);
        };
        let expected: Vec<SequenceValue> = catalog
            .sequences
            .iter()
            .enumerate()
            .map(|(place, sequence)| self.expected(table, sequence, place, state))
            .collect();
        let numbers: Vec<u32> = catalog
            .sequences
            .iter()
            .map(|sequence| sequence.oid)
            .collect();
        let last_values: Vec<Option<i64>> = expected
            .iter()
            .map(|value| value.is_called.then_some(value.last_value))
            .collect();
        let ever_moved: Vec<u32> = self
            .ever_moved
            .iter()
            .map(|place| numbers[*place])
            .collect();
        let text = format!(
            "{} UNION ALL SELECT * FROM {READ}($3)",
            differing("$1", "$2")
        );
        // What is known of a sequence that is wrong stays as it is: whether its move was ever seen is for the next poll to say.
        let rows = client
            .query(&text, &[&numbers, &last_values, &ever_moved])
            .await?;
        Ok(rows
            .iter()
            .map(|row| value(row, 0))
            .find_map(|(number, found)| {
                let place = catalog.sequence_numbered(number)?;
                (found != expected[place])
                    .then(|| (&catalog.sequences[place], expected[place], found))
            }))
    }

    /// The sequence at this place is being put to a value.
    pub(super) fn put(&mut self, place: usize, to: SequenceValue) {
        self.now[place] = to;
    }
}

/// Three columns of an answer: the server's number of a sequence, its last value, whether it was called.
fn value(row: &PgRow, column: usize) -> (u32, SequenceValue) {
    let value = SequenceValue {
        last_value: row.get(column + 1),
        is_called: row.get(column + 2),
    };
    (row.get(column), value)
}

/// SQL that yields those of the sequences with these `numbers` whose last value is not this one, in arrays: number, last value,
/// whether it was called. The last value of one that was not called is NULL in the array, whatever it would hand out.
pub(super) fn differing(numbers: &str, last_values: &str) -> String {
    // Should a sequence move between two of these calls, the next poll compares it with what was made of it here.
    let last_value = "pg_catalog.pg_sequence_last_value(known.number)";
    format!(
        "SELECT known.number, \
           coalesce({last_value}, (SELECT s.last_value FROM {READ}(ARRAY[known.number]) AS s WHERE s.number = known.number)), \
           {last_value} IS NOT NULL \
         FROM unnest({numbers}::oid[], {last_values}::int8[]) AS known(number, last_value) \
         WHERE {last_value} IS DISTINCT FROM known.last_value"
    )
}

/// The function [`READ`], for the journal.
pub(super) fn function(catalog: &Catalog) -> String {
    let mut body = String::from("BEGIN IF cardinality(numbers) = 0 THEN RETURN; END IF; ");
    for batch in catalog.sequences.chunks(AT_ONCE) {
        // Writing to a string cannot fail.
        let numbers: Vec<String> = batch
            .iter()
            .map(|sequence| sequence.oid.to_string())
            .collect();
        let _ = write!(
            body,
            "IF numbers && '{{{}}}'::oid[] THEN RETURN QUERY {}; END IF; ",
            numbers.join(","),
            each(batch)
        );
    }
    body.push_str("END");
    format!(
        "CREATE FUNCTION {READ}(numbers oid[]) RETURNS TABLE (number oid, last_value int8, is_called bool) \
         LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS {};",
        literal(&body)
    )
}

/// Reads each of these sequences from its own relation.
fn each(sequences: &[Sequence]) -> String {
    let each = sequences.iter().map(|sequence| {
        format!(
            "SELECT {}::oid, s.last_value, s.is_called FROM {} AS s",
            sequence.oid, sequence.quoted
        )
    });
    each.collect::<Vec<_>>().join(" UNION ALL ")
}

/// The statement that puts a sequence to a value: its number, the value, whether it was handed out.
pub(super) async fn prepare_put(client: &Client) -> Result<Statement, Error> {
    client
        .prepare("SELECT setval($1::oid::regclass, $2::int8, $3::bool)")
        .await
}

/// The place of a row's sequence, and what it is in it.
pub(super) fn of_row(catalog: &Catalog, row: &Row) -> Option<(usize, SequenceValue)> {
    Some((catalog.sequence_place(row.first()?)?, counter(row)?))
}

fn key(sequence: &Sequence) -> RowKey {
    row_key([Cell::text(&sequence.name)])
}

fn row(sequence: &Sequence, counter: SequenceValue) -> Row {
    [
        Cell::text(&sequence.name),
        Cell::Integer(counter.last_value),
        Cell::Integer(i64::from(counter.is_called)),
    ]
    .into()
}

fn counter(row: &Row) -> Option<SequenceValue> {
    match (row.get(1)?, row.get(2)?) {
        (Cell::Integer(last_value), Cell::Integer(is_called)) => Some(SequenceValue {
            last_value: *last_value,
            is_called: *is_called != 0,
        }),
        _ => None,
    }
}
