//! Writes the rows of a restore: first removes rows, then adds rows, so that no unique index prevents two rows from swapping
//! values. All statements are sent together, in one transaction.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;

use futures_util::future::join_all;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Statement};

use super::address::Address;
use super::batches::{Noted, batches};
use super::catalog::{Catalog, Watched};
use super::connections::Connections;
use super::ctid_hints::{self, CtidHints};
use super::failure::{WRITTEN_PAST, refuses_rows};
use super::journal;
use super::lock_diagnosis;
use super::sequences::SequenceValue;
use crate::model::TableId;
use crate::world::{WorldError, WorldErrorKind};

/// Starts the message of a statement that did not find the rows that it had to remove.
const MISSING: &str = "venomqa-found-only-";

/// The changes to write.
#[derive(Debug, Default)]
pub(super) struct Changes {
    tables: BTreeMap<TableId, (Vec<String>, Vec<String>)>,
    sequences: Vec<(u32, SequenceValue)>,
    restarts: Vec<String>,
}

/// The prepared statements of the tables that have been written.
#[derive(Default)]
pub(super) struct Writer {
    /// Where the rows of tables without a key are.
    pub(super) ctid_hints: CtidHints,
    tables: HashMap<TableId, (Statement, Statement)>,
    put: Option<Statement>,
    note: Option<Statement>,
}

/// Why the rows were not written. In that case no row was.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Rows that should be there are not.
    Missing(String),
    /// The database refused a statement.
    Database(Error),
}

impl Refusal {
    /// The error for an operation (`doing`) that failed for this reason.
    pub(super) async fn explain(
        self,
        connections: &Connections,
        address: &Address,
        doing: &str,
    ) -> WorldError {
        match self {
            Self::Missing(what) => WorldError::new(
                WorldErrorKind::Restore,
                format!("cannot {doing} in `{address}`: {what}"),
            )
            .with_help(WRITTEN_PAST),
            Self::Database(error) => {
                lock_diagnosis::explain(connections, address, doing, &error).await
            }
        }
    }

    /// Whether this session and another one waited for each other.
    pub(super) fn is_deadlock(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some(&SqlState::T_R_DEADLOCK_DETECTED))
    }

    /// Whether a session that wrote at the same time may be the cause.
    pub(super) fn is_overtaken(&self) -> bool {
        matches!(self, Self::Missing(_)) || self.is_collision() || self.is_deadlock()
    }

    /// Whether something of the application refuses a row.
    pub(super) fn is_of_application(&self) -> bool {
        matches!(self, Self::Database(error) if error.as_db_error().is_some_and(refuses_rows))
    }

    /// Whether a row that had to be added, or one that excludes it, was there already.
    fn is_collision(&self) -> bool {
        let codes = [SqlState::UNIQUE_VIOLATION, SqlState::EXCLUSION_VIOLATION];
        matches!(self, Self::Database(error) if error.code().is_some_and(|code| codes.contains(code)))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl Changes {
    /// Removes a row, given as text.
    pub(super) fn remove(&mut self, table: TableId, row: String) {
        self.tables.entry(table).or_default().0.push(row);
    }

    /// Adds a row, given as text.
    pub(super) fn add(&mut self, table: TableId, row: String) {
        self.tables.entry(table).or_default().1.push(row);
    }

    /// Sets a sequence. With a name the sequence is restarted, so that sessions lose the numbers that they took in advance.
    pub(super) fn put(&mut self, sequence: u32, to: SequenceValue, restart: Option<&str>) {
        self.sequences.push((sequence, to));
        if let Some(name) = restart {
            self.restarts.push(format!("ALTER SEQUENCE {name} RESTART"));
        }
    }

    /// The rows as entries for the past of the journal.
    fn noted(&self, catalog: &Catalog) -> Vec<Noted<'_>> {
        let rows = self.tables.iter().flat_map(|(id, (remove, add))| {
            let went = remove.iter().map(|row| (true, row));
            let came = add.iter().map(|row| (false, row));
            let table = catalog.watched(*id).map(|watched| watched.oid);
            went.chain(came)
                .filter_map(move |(went, row)| Some((table?, went, row.as_str())))
        });
        Noted::of(&rows.collect::<Vec<_>>())
    }

    /// How many rows are written.
    pub(super) fn rows(&self) -> usize {
        self.tables
            .values()
            .map(|(remove, add)| remove.len() + add.len())
            .sum()
    }
}

/// The rows of a table without a key that were written, with their places.
type Placed = Vec<(TableId, String, String)>;

type Sent<'a> = Pin<Box<dyn Future<Output = Result<Placed, Refusal>> + 'a>>;

impl Writer {
    /// Writes all of these changes, or none; they must have been [prepared](Writer::prepare). What is written is noted in the past
    /// of the journal, unless `last` is given: SQL that ends the transaction in its own way. All is on its way once this
    /// has been polled, before it has waited for anything.
    pub(super) async fn write(
        &mut self,
        client: &Client,
        catalog: &Catalog,
        changes: &Changes,
        last: Option<&str>,
    ) -> Result<(), Refusal> {
        let places: HashMap<TableId, Vec<Option<String>>> = changes
            .tables
            .iter()
            .filter(|(id, _)| {
                catalog
                    .watched(**id)
                    .is_some_and(|watched| watched.key.is_none())
            })
            .map(|(id, (remove, _))| {
                let places = remove.iter().map(|row| self.ctid_hints.take(*id, row));
                (*id, places.collect())
            })
            .collect();
        let this = &*self;
        let begin = begin(catalog);
        let mut sent: Vec<Sent<'_>> = vec![batch(client, &begin)];
        for (id, (remove, _)) in &changes.tables {
            if let (Some((statement, _)), Some(watched)) =
                (this.tables.get(id), catalog.watched(*id))
            {
                for part in batches(remove) {
                    let places = places.get(id).map(|places| &places[part.clone()]);
                    let rows = &remove[part];
                    sent.push(Box::pin(remove_rows(
                        client, statement, watched, rows, places,
                    )));
                }
            }
        }
        for (id, (_, add)) in &changes.tables {
            if let (Some((_, statement)), Some(watched)) =
                (this.tables.get(id), catalog.watched(*id))
            {
                for part in batches(add) {
                    sent.push(Box::pin(add_rows(client, statement, watched, &add[part])));
                }
            }
        }
        if last.is_none()
            && let Some(statement) = &this.note
        {
            for noted in changes.noted(catalog) {
                sent.push(Box::pin(async move {
                    noted.write(client, statement).await?;
                    Ok(Placed::new())
                }));
            }
        }
        for restart in &changes.restarts {
            sent.push(batch(client, restart));
        }
        // Sequences come last: they are no part of the transaction, so nothing may fail after them.
        if let Some(statement) = &this.put {
            for (oid, counter) in &changes.sequences {
                sent.push(Box::pin(async move {
                    client
                        .query(statement, &[oid, &counter.last_value, &counter.is_called])
                        .await?;
                    Ok(Placed::new())
                }));
            }
        }
        if let Some(last) = last {
            sent.push(batch(client, last));
        }
        sent.push(batch(client, "COMMIT"));
        // The first refusal causes the others; the COMMIT after it has rolled back.
        let placed: Vec<Placed> = join_all(sent).await.into_iter().collect::<Result<_, _>>()?;
        for (table, row, place) in placed.into_iter().flatten() {
            self.ctid_hints.add(table, row, place);
        }
        Ok(())
    }

    /// Prepares the statements that these changes need.
    pub(super) async fn prepare(
        &mut self,
        client: &Client,
        catalog: &Catalog,
        changes: &Changes,
    ) -> Result<(), Error> {
        for id in changes.tables.keys() {
            if let Some(watched) = catalog.watched(*id)
                && !self.tables.contains_key(id)
            {
                let remove = client.prepare(&remove_sql(watched)).await?;
                let add = client.prepare(&add_sql(watched)).await?;
                self.tables.insert(*id, (remove, add));
            }
        }
        if self.note.is_none() {
            self.note = Some(client.prepare(journal::NOTE).await?);
        }
        if self.put.is_none() && !changes.sequences.is_empty() {
            self.put = Some(super::sequences::prepare_put(client).await?);
        }
        Ok(())
    }
}

/// SQL that begins a transaction in which functions of the application find what they name.
pub(super) fn begin(catalog: &Catalog) -> String {
    if catalog.search_path.is_empty() {
        return "BEGIN".to_owned();
    }
    format!("BEGIN; SET LOCAL search_path = {}", catalog.search_path)
}

fn batch<'a>(client: &'a Client, text: &'a str) -> Sent<'a> {
    Box::pin(async move {
        client.batch_execute(text).await?;
        Ok(Placed::new())
    })
}

async fn add_rows(
    client: &Client,
    statement: &Statement,
    watched: &Watched,
    rows: &[String],
) -> Result<Placed, Refusal> {
    if watched.key.is_some() {
        client.execute(statement, &[&rows]).await?;
        return Ok(Placed::new());
    }
    let added = client.query(statement, &[&rows]).await?;
    Ok(added
        .iter()
        .filter_map(|added| {
            let row = watched.text(&watched.row(added.get(0))?);
            Some((watched.table.id, row, added.get(1)))
        })
        .collect())
}

async fn remove_rows(
    client: &Client,
    statement: &Statement,
    watched: &Watched,
    rows: &[String],
    places: Option<&[Option<String>]>,
) -> Result<Placed, Refusal> {
    let expected = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let removed = match &places {
        Some(places) => client.query(statement, &[&rows, &expected, places]).await,
        None => client.query(statement, &[&rows, &expected]).await,
    };
    match removed {
        Ok(_) => Ok(Placed::new()),
        Err(error) => {
            let found = error
                .as_db_error()
                .filter(|db| *db.code() == SqlState::INVALID_TEXT_REPRESENTATION)
                .and_then(|db| db.message().split_once(MISSING))
                .map(|(_, rest)| rest.trim_end_matches('"').to_owned());
            Err(match found {
                Some(found) => Refusal::Missing(format!(
                    "{found} of {expected} rows that were to be removed from `{}` are there",
                    watched.table.name
                )),
                None => Refusal::Database(error),
            })
        }
    }
}

/// Fails, and with it the transaction, where not every row was found.
fn counted(removal: &str) -> String {
    format!(
        "{removal} SELECT CASE WHEN count(*) FILTER (WHERE is_meant) = $2::int8 THEN 0 \
         ELSE ('{MISSING}' || count(*) FILTER (WHERE is_meant))::int END FROM gone"
    )
}

fn remove_sql(watched: &Watched) -> String {
    let table = &watched.quoted;
    let Some(key) = &watched.key else {
        return counted(&ctid_hints::remove_sql(watched));
    };
    let names: Vec<String> = watched.written().collect();
    let same: Vec<String> = key
        .iter()
        .map(|column| {
            let name = &names[column.position];
            format!("venomqa_row.{name} {} venomqa_gone.{name}", column.equals)
        })
        .collect();
    // A job may have changed the row while this session waited for its lock: then the row with this key is another one.
    counted(&format!(
        "WITH gone AS (DELETE FROM ONLY {table} AS venomqa_row USING unnest($1::text[]::{table}[]) AS venomqa_gone \
         WHERE {} RETURNING {} = {} AS is_meant)",
        same.join(" AND "),
        watched.whole("venomqa_row"),
        watched.whole("venomqa_gone")
    ))
}

/// Adds rows: `$1` their texts.
pub(super) fn add_sql(watched: &Watched) -> String {
    let table = &watched.quoted;
    let columns: Vec<String> = watched.written().collect();
    let values: Vec<String> = columns
        .iter()
        .map(|column| format!("venomqa_row.{column}"))
        .collect();
    let returning = if watched.key.is_some() {
        ""
    } else {
        " RETURNING (venomqa_new.*)::text, venomqa_new.ctid::text"
    };
    format!(
        "INSERT INTO {table} AS venomqa_new ({}) OVERRIDING SYSTEM VALUE \
         SELECT {} FROM unnest($1::text[]::{table}[]) AS venomqa_row{returning}",
        columns.join(", "),
        values.join(", ")
    )
}
