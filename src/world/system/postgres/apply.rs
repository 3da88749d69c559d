//! Writes rows: takes those away that are to go, then puts those there that are to come, so that no unique index is in
//! the way of a swap. All statements of a change travel together, in one transaction.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;

use futures_util::future::join_all;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Statement};

use super::catalog::{Catalog, Watched};
use super::counters::Counter;
use crate::model::TableId;

/// Rows in one statement.
const AT_ONCE: usize = 5_000;

/// Starts the message of a statement that did not find the rows it was to remove.
const MISSING: &str = "venomqa-found-only-";

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Changes {
    tables: BTreeMap<TableId, (Vec<String>, Vec<String>)>,
    sequences: Vec<(u32, Counter)>,
    restarts: Vec<String>,
}

/// The statements of the tables that were written so far, prepared.
#[derive(Default)]
pub(super) struct Writer {
    tables: HashMap<TableId, (Statement, Statement)>,
    put: Option<Statement>,
    note: Option<Statement>,
}

/// Why rows were not written. Nothing was then.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Rows that should be there are not.
    Missing(String),
    /// The database said no.
    Database(Error),
}

impl Refusal {
    /// Whether another session was in the way at the same time as this one was in its.
    pub(super) fn is_deadlock(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some(&SqlState::T_R_DEADLOCK_DETECTED))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl Changes {
    /// A row is to go; its text.
    pub(super) fn remove(&mut self, table: TableId, row: String) {
        self.tables.entry(table).or_default().0.push(row);
    }

    /// A row is to come; its text.
    pub(super) fn add(&mut self, table: TableId, row: String) {
        self.tables.entry(table).or_default().1.push(row);
    }

    /// A sequence is to be put to a value. Numbers that sessions took in advance are theirs no more if it is restarted.
    pub(super) fn put(&mut self, sequence: u32, to: Counter, restart: Option<&str>) {
        self.sequences.push((sequence, to));
        if let Some(name) = restart {
            self.restarts.push(format!("ALTER SEQUENCE {name} RESTART"));
        }
    }

    /// Whether nothing is written.
    pub(super) fn is_empty(&self) -> bool {
        self.rows() == 0 && self.sequences.is_empty()
    }

    /// How many rows are written.
    pub(super) fn rows(&self) -> usize {
        self.tables
            .values()
            .map(|(remove, add)| remove.len() + add.len())
            .sum()
    }
}

type Sent<'a> = Pin<Box<dyn Future<Output = Result<(), Refusal>> + 'a>>;

impl Writer {
    /// Writes all of it, or nothing. What is written is told to the past of the journal, unless `last` is given: text
    /// that ends the transaction in its own way.
    pub(super) async fn write(
        &mut self,
        client: &Client,
        catalog: &Catalog,
        changes: &Changes,
        last: Option<&str>,
    ) -> Result<(), Refusal> {
        self.prepare(client, catalog, changes).await?;
        let this = &*self;
        let mut sent: Vec<Sent<'_>> = vec![batch(client, "BEGIN")];
        for (id, (remove, _)) in &changes.tables {
            if let (Some((statement, _)), Some(watched)) =
                (this.tables.get(id), catalog.watched(*id))
            {
                for part in remove.chunks(AT_ONCE) {
                    sent.push(Box::pin(remove_rows(client, statement, watched, part)));
                }
            }
        }
        for (id, (_, add)) in &changes.tables {
            if let Some((_, statement)) = this.tables.get(id) {
                for part in add.chunks(AT_ONCE) {
                    sent.push(Box::pin(async move {
                        client.execute(statement, &[&part]).await?;
                        Ok(())
                    }));
                }
            }
        }
        if last.is_none()
            && let Some(statement) = &this.note
        {
            for (id, (remove, add)) in &changes.tables {
                if let Some(watched) = catalog.watched(*id) {
                    for (went, rows) in [(true, remove), (false, add)] {
                        for part in rows.chunks(AT_ONCE) {
                            sent.push(Box::pin(async move {
                                client
                                    .execute(statement, &[&watched.oid, &went, &part])
                                    .await?;
                                Ok(())
                            }));
                        }
                    }
                }
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
                    Ok(())
                }));
            }
        }
        if let Some(last) = last {
            sent.push(batch(client, last));
        }
        sent.push(batch(client, "COMMIT"));
        // The first refusal is the reason of the others; the COMMIT after it has rolled back.
        join_all(sent).await.into_iter().collect()
    }

    async fn prepare(
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
            let text = "INSERT INTO venomqa.past SELECT $1::oid, CASE WHEN $2::bool THEN row END, \
                        CASE WHEN NOT $2 THEN row END FROM unnest($3::text[]) AS row";
            self.note = Some(client.prepare(text).await?);
        }
        if self.put.is_none() && !changes.sequences.is_empty() {
            self.put = Some(super::counters::prepare_put(client).await?);
        }
        Ok(())
    }
}

fn batch<'a>(client: &'a Client, text: &'a str) -> Sent<'a> {
    Box::pin(async move {
        client.batch_execute(text).await?;
        Ok(())
    })
}

async fn remove_rows(
    client: &Client,
    statement: &Statement,
    watched: &Watched,
    rows: &[String],
) -> Result<(), Refusal> {
    let expected = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    match client.query(statement, &[&rows, &expected]).await {
        Ok(_) => Ok(()),
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
        "{removal} SELECT CASE WHEN count(*) = $2::int8 THEN 0 ELSE ('{MISSING}' || count(*))::int END FROM gone"
    )
}

fn remove_sql(watched: &Watched) -> String {
    let table = &watched.quoted;
    let Some(key) = &watched.key else {
        let row = |alias: &str| {
            let columns: Vec<String> = watched
                .written()
                .map(|column| format!("{alias}.{column}"))
                .collect();
            format!("ROW({})::text", columns.join(", "))
        };
        // Equal rows cannot be told apart, so any of them may go, as many as were asked for.
        return counted(&format!(
            "WITH wanted AS MATERIALIZED (SELECT {wanted} AS row, count(*) AS copies FROM unnest($1::text[]::{table}[]) AS w GROUP BY 1), \
             found AS MATERIALIZED (SELECT f.ctid AS place, {found} AS row FROM ONLY {table} AS f \
               WHERE {found} = ANY (ARRAY(SELECT row FROM wanted))), \
             numbered AS (SELECT place, row, row_number() OVER (PARTITION BY row) AS number FROM found), \
             chosen AS MATERIALIZED (SELECT place FROM numbered JOIN wanted USING (row) WHERE number <= copies), \
             gone AS (DELETE FROM ONLY {table} AS x WHERE x.ctid = ANY (ARRAY(SELECT place FROM chosen)) RETURNING 1)",
            wanted = row("w"),
            found = row("f"),
        ));
    };
    let names: Vec<String> = watched.written().collect();
    let same: Vec<String> = key
        .iter()
        .map(|column| {
            let name = &names[column.position];
            format!("venomqa_row.{name} {} venomqa_gone.{name}", column.equals)
        })
        .collect();
    counted(&format!(
        "WITH gone AS (DELETE FROM ONLY {table} AS venomqa_row USING unnest($1::text[]::{table}[]) AS venomqa_gone \
         WHERE {} RETURNING 1)",
        same.join(" AND ")
    ))
}

fn add_sql(watched: &Watched) -> String {
    let table = &watched.quoted;
    let columns: Vec<String> = watched.written().collect();
    let values: Vec<String> = columns
        .iter()
        .map(|column| format!("venomqa_row.{column}"))
        .collect();
    format!(
        "INSERT INTO {table} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM unnest($1::text[]::{table}[]) AS venomqa_row",
        columns.join(", "),
        values.join(", ")
    )
}
