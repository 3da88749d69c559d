//! Rehearses a restore where functions of the application look up names while rows are written.
//!
//! What such a function finds depends on the `search_path` of the session that writes, and the service may have another one
//! than venomqa. So some rows are deleted and put back as a restore does it, in a transaction that is rolled back, and it is
//! seen whether they come back as they were, and whether the indexes know them by what the functions say now.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::apply;
use super::catalog::{Catalog, Watched};
use super::failure::lines;

/// Rows of a table that are rehearsed.
const ROWS: i64 = 100;

/// The expressions of the B-tree indexes of a table: index, expression, condition of a partial index.
const EXPRESSIONS: &str = "
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid, k.place::int, false),
       coalesce(pg_get_expr(i.indpred, i.indrelid), 'true')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attribute, place)
WHERE i.indrelid = $1 AND i.indisvalid AND k.attribute = 0 AND k.place <= i.indnkeyatts
  AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
ORDER BY 1, 2";

/// What a rehearsal came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Every row came back as it was.
    Exact,
    /// There was no row, or another session had them locked.
    Undecided,
    /// A row would not come back as it was; why not.
    Inexact(String),
}

impl Outcome {
    /// What would be wrong after a restore, and the cure.
    pub(super) fn obstacle(self, catalog: &Catalog, watched: &Watched) -> Option<String> {
        let Self::Inexact(reason) = self else {
            return None;
        };
        let suspects = catalog.searching.get(&watched.oid);
        let cures: Vec<String> = suspects
            .into_iter()
            .flatten()
            .map(|function| format!("`ALTER FUNCTION {function} SET search_path = ...`"))
            .collect();
        let cure = if cures.is_empty() {
            "`ALTER FUNCTION ... SET search_path = ...` for those that its conditions, indexes and generated columns call".to_owned()
        } else {
            cures.join(", ")
        };
        Some(format!(
            "rows of {} would not be put back as they were ({reason}): a function that is evaluated when they are written does \
             otherwise in this session; where that is because of the names that it finds, {cure} settles it",
            watched.full_name,
        ))
    }
}

/// Deletes rows of this table and puts them back, in a transaction that is rolled back. An error where the connection is lost.
pub(super) async fn rehearse(
    client: &Client,
    catalog: &Catalog,
    watched: &Watched,
) -> Result<Outcome, Error> {
    let attempted = attempt(client, catalog, watched).await;
    client.batch_execute("ROLLBACK").await?;
    match attempted {
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(Outcome::Undecided),
        Err(error) => match error.as_db_error() {
            Some(db) => {
                let reason = [vec![db.message().to_owned()], lines(db)].concat();
                Ok(Outcome::Inexact(reason.join("; ")))
            }
            None => Err(error),
        },
        Ok(outcome) => Ok(outcome),
    }
}

async fn attempt(client: &Client, catalog: &Catalog, watched: &Watched) -> Result<Outcome, Error> {
    let table = &watched.quoted;
    let expressions = client.query(EXPRESSIONS, &[&watched.oid]).await?;
    // A scan by place would find the rows whatever the index holds.
    client
        .batch_execute(&format!(
            "{}; SET LOCAL lock_timeout = '500ms'; SET LOCAL enable_tidscan = off",
            apply::begin(catalog)
        ))
        .await?;
    for row in &expressions {
        let (index, expression, condition): (&str, &str, &str) =
            (row.get(0), row.get(1), row.get(2));
        let unknown = client
            .query_one(
                &format!(
                    "SELECT count(*) FROM (SELECT ctid, {expression} FROM ONLY {table} WHERE {condition} LIMIT {ROWS}) AS kept(place, value) \
                     WHERE value IS NOT NULL AND NOT EXISTS (SELECT FROM ONLY {table} WHERE {condition} AND {expression} = value AND ctid = place)"
                ),
                &[],
            )
            .await?;
        if unknown.get::<_, i64>(0) > 0 {
            return Ok(Outcome::Inexact(format!(
                "the index {index} knows rows by another value of {expression} than it has now"
            )));
        }
    }
    let gone = client
        .query(
            &format!(
                "WITH sample AS MATERIALIZED (SELECT ctid AS place FROM ONLY {table} LIMIT {ROWS}) \
                 DELETE FROM ONLY {table} AS venomqa_row WHERE ctid = ANY (ARRAY(SELECT place FROM sample)) RETURNING (venomqa_row.*)::text"
            ),
            &[],
        )
        .await?;
    let texts = |rows: &[tokio_postgres::Row]| {
        let mut texts: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        texts.sort();
        texts
    };
    let gone = texts(&gone);
    if gone.is_empty() {
        return Ok(Outcome::Undecided);
    }
    client.query(&apply::add_sql(watched), &[&gone]).await?;
    let back = client
        .query(
            &format!(
                "SELECT (venomqa_row.*)::text FROM ONLY {table} AS venomqa_row WHERE xmin = pg_current_xact_id()::xid"
            ),
            &[],
        )
        .await?;
    let back = texts(&back);
    let changed = gone.iter().zip(&back).find(|(gone, back)| gone != back);
    Ok(match changed {
        Some((gone, back)) => Outcome::Inexact(format!("{gone} came back as {back}")),
        None if gone.len() != back.len() => {
            Outcome::Inexact(format!("{} of {} rows came back", back.len(), gone.len()))
        }
        None => Outcome::Exact,
    })
}
