//! Sequences: what each of them is, and how they differ from what a state says.
//!
//! A sequence moves outside transactions, and no trigger tells of it. What does tell is the transaction: the server writes
//! the move to its log, and gives the caller's transaction a number for it, unless it has logged numbers in advance: then
//! up to 32 calls leave nothing behind at all. Such a sequence is *loose*, and [`super::poll`] asks it every time. Setting
//! a sequence, to its own value too, ends that. So all are set when a run begins, and a sequence is loose from when the
//! service called it until a restore puts it back. One without a log is loose for ever.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tokio_postgres::{Client, Error, Row as Told, Statement};

use super::catalog::{Catalog, Sequence};
use super::sql::literal;
use crate::model::{Cell, NetDelta, Row, RowChange, RowKey, Table, row_key};

/// Sequences in one statement that reads them one by one.
const AT_ONCE: usize = 100;

/// Reads the sequences with these numbers, in any order, and leaves out what is none (any more).
pub(super) const ASK: &str = "venomqa.ask";

/// Reads all of them.
pub(super) const ASK_ALL: &str = "venomqa.ask_all";

/// As many sequences as are all read at every check of a restore.
const CHECKED_ALWAYS: usize = 32;

/// The sequences of a database, as last seen.
#[derive(Debug, Default)]
pub(super) struct SequenceTracker {
    now: Vec<SequenceValue>,
    initial: Vec<SequenceValue>,
    /// Since the last telling.
    moved: BTreeSet<usize>,
    loose: BTreeSet<usize>,
    /// In the course of the run.
    ever_moved: BTreeSet<usize>,
    checks: usize,
}

/// One sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SequenceValue {
    /// The number handed out last, or, where none was, the one to hand out first.
    pub(super) last_value: i64,
    /// Whether `last_value` has been handed out.
    pub(super) is_called: bool,
}

/// What the database says of one sequence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// The server's number of the sequence.
    pub(super) number: u32,
    pub(super) counter: SequenceValue,
    /// Whether it is known to move without a trace from now on.
    pub(super) is_loose: bool,
}

impl SequenceTracker {
    /// Reads all of them, each by itself.
    pub(super) async fn read(client: &Client, catalog: &Catalog) -> Result<Self, Error> {
        let mut sequences = Self::default();
        for part in catalog.sequences.chunks(AT_ONCE) {
            for (asked, sequence) in client.query(&each(part), &[]).await?.iter().zip(part) {
                let asked = Asked::from(asked, 0);
                if asked.is_loose || sequence.is_unlogged {
                    sequences.loose.insert(sequences.now.len());
                }
                sequences.now.push(asked.counter);
            }
        }
        sequences.initial = sequences.now.clone();
        Ok(sequences)
    }

    /// Sets loose sequences to the value that they have, so that their next call leaves a trace.
    pub(super) async fn tie(&mut self, client: &Client, catalog: &Catalog) -> Result<(), Error> {
        let places: Vec<usize> = self
            .loose
            .iter()
            .copied()
            .filter(|place| !catalog.sequences[*place].is_unlogged)
            .collect();
        for part in places.chunks(AT_ONCE) {
            let each = part.iter().map(|place| {
                let sequence = &catalog.sequences[*place];
                format!(
                    "SELECT setval({}::oid::regclass, last_value, is_called) FROM {}",
                    sequence.oid, sequence.quoted
                )
            });
            client
                .batch_execute(&each.collect::<Vec<_>>().join(" UNION ALL "))
                .await?;
        }
        for place in places {
            self.loose.remove(&place);
        }
        Ok(())
    }

    /// The sequence at this place of the catalog.
    pub(super) fn at(&self, place: usize) -> SequenceValue {
        self.now[place]
    }

    /// The numbers of the sequences that may move without a trace.
    pub(super) fn loose(&self, catalog: &Catalog) -> Vec<u32> {
        numbers(&self.loose, catalog)
    }

    /// What was asked just now.
    pub(super) fn take_in(&mut self, catalog: &Catalog, asked: &Asked) {
        let Some(place) = catalog.sequence_numbered(asked.number) else {
            return;
        };
        let has_moved = self.now[place] != asked.counter;
        if asked.is_loose || has_moved {
            self.loose.insert(place);
        }
        if has_moved {
            self.now[place] = asked.counter;
            self.moved.insert(place);
            self.ever_moved.insert(place);
        }
    }

    /// Whether any has moved since it was last told.
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

    /// Reads the sequences that ever moved, and now and then all of them. The first that is not what `state` says, with
    /// what it should be and what it is.
    pub(super) async fn check<'a>(
        &mut self,
        client: &Client,
        catalog: &'a Catalog,
        state: &NetDelta,
    ) -> Result<Option<(&'a Sequence, SequenceValue, SequenceValue)>, Error> {
        let Some(table) = &catalog.sequence_table else {
            return Ok(None);
        };
        let every = (self.now.len() / CHECKED_ALWAYS).max(1);
        let is_whole = self.checks.is_multiple_of(every);
        self.checks += 1;
        let answer = if is_whole {
            client
                .query(&format!("SELECT * FROM {ASK_ALL}()"), &[])
                .await?
        } else {
            let ever_moved = numbers(&self.ever_moved, catalog);
            client
                .query(&format!("SELECT * FROM {ASK}($1)"), &[&ever_moved])
                .await?
        };
        // What it was believed to be stays as it is: whether the move of one that is wrong was ever told is for the next
        // look to say.
        for asked in answer.iter().map(|row| Asked::from(row, 0)) {
            let Some(place) = catalog.sequence_numbered(asked.number) else {
                continue;
            };
            let sequence = &catalog.sequences[place];
            let expected = self.expected(table, sequence, place, state);
            if expected != asked.counter {
                return Ok(Some((sequence, expected, asked.counter)));
            }
        }
        Ok(None)
    }

    /// The sequence at this place is being put to a value.
    pub(super) fn put(&mut self, catalog: &Catalog, place: usize, to: SequenceValue) {
        self.now[place] = to;
        if !catalog.sequences[place].is_unlogged {
            self.loose.remove(&place);
        }
    }
}

impl Asked {
    /// Four columns of an answer, from this one on: number, last value, whether it was called, whether it is loose.
    pub(super) fn from(row: &Told, column: usize) -> Self {
        Self {
            number: row.get(column),
            counter: SequenceValue {
                last_value: row.get(column + 1),
                is_called: row.get(column + 2),
            },
            is_loose: row.get(column + 3),
        }
    }
}

/// The functions that read sequences, for the journal.
pub(super) fn functions(catalog: &Catalog) -> String {
    let head = "RETURNS TABLE (number oid, last_value int8, is_called bool, is_loose bool) LANGUAGE plpgsql \
                SET search_path = pg_catalog, pg_temp AS";
    let mut all = String::from("BEGIN ");
    for part in catalog.sequences.chunks(AT_ONCE) {
        // Writing to a string cannot fail.
        let _ = write!(all, "RETURN QUERY {}; ", each(part));
    }
    all.push_str("END");
    // What was never called has no last value, and is read by itself.
    format!(
        "CREATE FUNCTION {ASK_ALL}() {head} {};
         CREATE FUNCTION {ASK}(numbers oid[]) {head} $$ BEGIN
           is_loose := false;
           FOR number, last_value IN SELECT c.oid, pg_sequence_last_value(c.oid) FROM pg_class c WHERE c.oid = ANY (numbers) AND c.relkind = 'S' LOOP
             is_called := last_value IS NOT NULL;
             IF NOT is_called THEN EXECUTE format('SELECT last_value, is_called FROM %s', number::regclass) INTO last_value, is_called; END IF;
             RETURN NEXT;
           END LOOP;
         END $$;",
        literal(&all)
    )
}

/// Reads each of these sequences by itself.
pub(super) fn each(sequences: &[Sequence]) -> String {
    let each = sequences.iter().map(|sequence| {
        format!(
            "SELECT {}::oid, s.last_value, s.is_called, s.log_cnt > 0 FROM {} AS s",
            sequence.oid, sequence.quoted
        )
    });
    each.collect::<Vec<_>>().join(" UNION ALL ")
}

fn numbers(places: &BTreeSet<usize>, catalog: &Catalog) -> Vec<u32> {
    places
        .iter()
        .map(|place| catalog.sequences[*place].oid)
        .collect()
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
