//! Proves that the database holds what a state says.
//!
//! Small tables are compared as a whole: the sum of the hashes of their rows follows from the sum in the initial state
//! and the rows that differ. In large ones the rows that differ are looked at.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::join_all;
use tokio_postgres::Error;

use super::address::Address;
use super::catalog::{Catalog, Watched};
use super::connections::Connections;
use super::failure::failed;
use super::sequences::SequenceTracker;
use crate::model::{Digest, NetDelta, Row, RowChange, TableId};
use crate::world::{WorldError, WorldErrorKind};

/// Up to this many bytes a table is small.
const SMALL: i64 = 64 * 1024;

/// Rows that an error shows.
const SHOWN: usize = 5;

/// The small tables as they were in the initial state.
#[derive(Debug, Default)]
pub(super) struct Proof(HashMap<TableId, Digest>);

impl Proof {
    /// Reads every small table.
    pub(super) async fn of_now(
        connections: &Connections,
        catalog: &Catalog,
    ) -> Result<Self, Error> {
        let numbers: Vec<u32> = catalog.tables.iter().map(|watched| watched.oid).collect();
        let small = connections
            .writer
            .query(
                "SELECT t FROM unnest($1::oid[]) AS t WHERE pg_table_size(t) <= $2",
                &[&numbers, &SMALL],
            )
            .await?;
        let small: Vec<&Watched> = small
            .iter()
            .filter_map(|row| catalog.by_number(row.get(0)))
            .collect();
        let contents = join_all(small.iter().map(|watched| content(connections, watched))).await;
        let mut digests = HashMap::new();
        for (watched, content) in small.iter().zip(contents) {
            let sum = content?
                .iter()
                .flatten()
                .fold(0, |sum: u128, row| sum.wrapping_add(hash(watched, row)));
            digests.insert(watched.table.id, Digest(sum));
        }
        Ok(Self(digests))
    }

    /// From now on the table is compared by the rows that differ only.
    pub(super) fn forget(&mut self, table: TableId) {
        self.0.remove(&table);
    }

    /// Compares the database with what this state must hold.
    pub(super) async fn check(
        &self,
        connections: &Connections,
        address: &Address,
        catalog: &Catalog,
        sequences: &mut SequenceTracker,
        state: &NetDelta,
    ) -> Result<(), WorldError> {
        let cannot = |error: &Error| failed(address, "compare a restored state", error);
        let mut touched: BTreeMap<TableId, Vec<&RowChange>> = BTreeMap::new();
        for change in state.changes() {
            touched.entry(change.table.id).or_default().push(change);
        }
        for (id, changes) in touched {
            let Some(watched) = catalog.watched(id) else {
                continue;
            };
            let mut wrong = rows(connections, watched, &changes)
                .await
                .map_err(|error| cannot(&error))?;
            if wrong.is_empty()
                && let Some(initial) = self.0.get(&id)
            {
                let content = content(connections, watched)
                    .await
                    .map_err(|error| cannot(&error))?;
                let sum = |rows: &mut dyn Iterator<Item = &Row>| {
                    rows.fold(0, |sum: u128, row| sum.wrapping_add(hash(watched, row)))
                };
                let came = sum(&mut changes.iter().filter_map(|change| change.after.as_ref()));
                let went = sum(&mut changes.iter().filter_map(|change| change.before.as_ref()));
                let expected = initial.0.wrapping_add(came).wrapping_sub(went);
                if expected != sum(&mut content.iter().flatten()) {
                    wrong.push(
                        "a row that no step is known to have changed is not as it was".to_owned(),
                    );
                }
            }
            if !wrong.is_empty() {
                let more = wrong.len().saturating_sub(SHOWN);
                wrong.truncate(SHOWN);
                if more > 0 {
                    wrong.push(format!("and {more} more"));
                }
                return Err(inexact(&watched.table.name, wrong));
            }
        }
        let wrong = sequences
            .check(&connections.writer, catalog, state)
            .await
            .map_err(|error| cannot(&error))?;
        match wrong {
            None => Ok(()),
            Some((sequence, expected, found)) => Err(inexact(
                &sequence.name,
                vec![format!(
                    "the sequence stands at {} (called: {}), expected {} (called: {})",
                    found.last_value, found.is_called, expected.last_value, expected.is_called
                )],
            )),
        }
    }
}

fn inexact(name: &str, wrong: Vec<String>) -> WorldError {
    WorldError::new(
        WorldErrorKind::Restore,
        format!("the restore was not exact: `{name}` does not hold what it held when the state was first reached"),
    )
    .with_details(wrong)
    .with_help(
        "something wrote past the journal: a session that switches triggers off, or a job that writes while venomqa restores",
    )
}

fn hash(watched: &Watched, row: &Row) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&watched.oid.to_le_bytes());
    for cell in row.iter() {
        cell.hash_into(&mut hasher);
    }
    Digest::from_hash(&hasher.finalize()).0
}

/// Every row of a table.
async fn content(connections: &Connections, watched: &Watched) -> Result<Vec<Option<Row>>, Error> {
    let text = format!(
        "SELECT (venomqa_row.*)::text FROM ONLY {} AS venomqa_row",
        watched.quoted
    );
    let rows = connections.writer.query(&text, &[]).await?;
    Ok(rows.iter().map(|row| watched.row(row.get(0))).collect())
}

/// The rows of the state that are not what they should be, in words.
async fn rows(
    connections: &Connections,
    watched: &Watched,
    changes: &[&RowChange],
) -> Result<Vec<String>, Error> {
    let Some(key) = &watched.key else {
        // Equal rows cannot be looked up one by one; the sum over the table is compared.
        return Ok(Vec::new());
    };
    let wanted: Vec<String> = changes
        .iter()
        .filter_map(|change| change.after.as_ref().or(change.before.as_ref()))
        .map(|row| watched.text(row))
        .collect();
    let names: Vec<String> = watched.written().collect();
    let same: Vec<String> = key
        .iter()
        .map(|column| {
            let name = &names[column.position];
            format!("venomqa_row.{name} {} wanted.{name}", column.equals)
        })
        .collect();
    let text = format!(
        "SELECT (venomqa_row.*)::text FROM unnest($1::text[]::{table}[]) AS wanted JOIN ONLY {table} AS venomqa_row ON {same}",
        table = watched.quoted,
        same = same.join(" AND ")
    );
    let found: HashMap<_, Row> = connections
        .writer
        .query(&text, &[&wanted])
        .await?
        .iter()
        .filter_map(|row| watched.row(row.get(0)))
        .filter_map(|row| Some((watched.key_of(&row)?, row)))
        .collect();
    Ok(changes
        .iter()
        .filter(|change| change.after.as_ref() != found.get(&change.key))
        .map(|change| {
            let said = |row: Option<&Row>| {
                row.map_or_else(|| "no row".to_owned(), |row| watched.text(row))
            };
            format!(
                "expected {}, found {}",
                said(change.after.as_ref()),
                said(found.get(&change.key))
            )
        })
        .collect())
}
