//! Proves that rows can be restored exactly although functions of the application look up names while rows are written.
//!
//! What such a function finds depends on the `search_path` of the session that writes, and the service may have another
//! `search_path` than venomqa. Two tests answer this:
//!
//! * A rehearsal deletes some rows and restores them as a restore does, in a transaction that is rolled back.
//! * A check looks at rows that the service wrote, while they are there: whether the indexes know them by what the functions return
//!   now, and whether their generated columns hold it. A row that passes gets the same entries when it is put back. After a
//!   restore it would be too late: then the entries are those of this session, and it finds them.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::apply;
use super::catalog::{Catalog, Watched};
use super::failure::lines;

/// Rows of a table that are rehearsed.
const ROWS: i64 = 100;

/// The expressions of the B-tree indexes of a table: index, expression, condition of a partial index, name of the index in a plan.
const EXPRESSIONS: &str = "
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid, k.place::int, false),
       coalesce(pg_get_expr(i.indpred, i.indrelid), 'true'), quote_ident(c.relname)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attribute, place)
WHERE i.indrelid = $1 AND i.indisvalid AND k.attribute = 0 AND k.place <= i.indnkeyatts
  AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
ORDER BY 1, 2";

/// The stored generated columns of a table: column, expression.
const GENERATED: &str = "
SELECT quote_ident(a.attname), pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1 AND a.attgenerated = 's' ORDER BY a.attnum";

/// The server's number of the oldest transaction that was open when a check began. Rows that are there, and that an older transaction
/// wrote, were there for the check.
#[derive(Debug)]
pub(super) struct Horizon(String);

/// The result of a rehearsal or a check.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Every row came back as it was.
    Exact,
    /// There was no row, or another session had them locked.
    Undecided,
    /// A row would not come back as it was, for this reason.
    Inexact(String),
    /// Whether a row would come back as it was cannot be checked, for this reason.
    Unprovable(String),
}

impl Outcome {
    /// The error that a restore would cause, with its cure.
    pub(super) fn obstacle(self, catalog: &Catalog, watched: &Watched) -> Option<String> {
        let table = &watched.full_name;
        let finding = match self {
            Self::Exact | Self::Undecided => return None,
            Self::Inexact(reason) => format!(
                "rows of {table} would not be put back as they were ({reason}): a function returns something else in this session"
            ),
            Self::Unprovable(reason) => format!(
                "whether rows of {table} would be put back as they were cannot be checked ({reason}): a function may return \
                 something else in this session"
            ),
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
            "{finding}; where that is because of the names that it finds, {cure} settles it"
        ))
    }
}

/// Deletes rows of this table and puts them back, in a transaction that is rolled back. An error where the connection is lost, or
/// where the server fails for a reason that proves nothing about the functions.
pub(super) async fn rehearse(
    client: &Client,
    catalog: &Catalog,
    watched: &Watched,
) -> Result<Outcome, Error> {
    let rehearsed = attempt(client, catalog, watched).await;
    client.batch_execute("ROLLBACK").await?;
    match judged(rehearsed) {
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(Outcome::Undecided),
        outcome => outcome,
    }
}

/// Checks the rows of this table that were written `since` an earlier check, or all of them. Writes nothing.
pub(super) async fn check(
    client: &Client,
    catalog: &Catalog,
    watched: &Watched,
    since: Option<&Horizon>,
) -> Result<(Outcome, Horizon), Error> {
    // Every statement below sees what this one sees.
    let oldest = client
        .query_one(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::xid::text",
            &[],
        )
        .await?;
    let horizon = Horizon(oldest.get(0));
    let rows = since.map_or_else(String::new, |Horizon(oldest)| {
        format!("AND age(xmin) <= age('{oldest}'::xid)")
    });
    let checked = compare(client, catalog, watched, &rows).await;
    client.batch_execute("ROLLBACK").await?;
    Ok((judged(checked)?, horizon))
}

/// Turns an error of the data or of a function into the finding that rows would not come back.
fn judged(outcome: Result<Outcome, Error>) -> Result<Outcome, Error> {
    let Err(error) = outcome else {
        return outcome;
    };
    let proof = error.as_db_error().filter(|db| {
        ["22", "23", "42", "P0"]
            .iter()
            .any(|class| db.code().code().starts_with(class))
    });
    match proof {
        Some(db) => {
            let reason = [vec![db.message().to_owned()], lines(db)].concat();
            Ok(Outcome::Inexact(reason.join("; ")))
        }
        None => Err(error),
    }
}

/// Compares what indexes and generated columns hold with what their expressions return now, in a transaction that it begins.
/// `rows` is SQL after a condition.
async fn compare(
    client: &Client,
    catalog: &Catalog,
    watched: &Watched,
    rows: &str,
) -> Result<Outcome, Error> {
    let table = &watched.quoted;
    // Outside the transaction, for its search path would leave out the schemas of the names.
    let generated = client.query(GENERATED, &[&watched.oid]).await?;
    let expressions = client.query(EXPRESSIONS, &[&watched.oid]).await?;
    // The scans that are off would find a row whatever the index holds.
    client
        .batch_execute(&format!(
            "{}; SET LOCAL enable_tidscan = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off",
            apply::begin(catalog)
        ))
        .await?;
    for row in &generated {
        let (column, expression): (&str, &str) = (row.get(0), row.get(1));
        let compared = format!(
            "SELECT count(*) FROM (SELECT {column}::text AS held, ({expression})::text AS returned FROM ONLY {table} WHERE true {rows}) \
             AS venomqa_kept WHERE held IS DISTINCT FROM returned"
        );
        if client.query_one(&compared, &[]).await?.get::<_, i64>(0) > 0 {
            return Ok(Outcome::Inexact(format!(
                "the generated column {column} holds another value of {expression} than it has now"
            )));
        }
    }
    for row in &expressions {
        let (index, expression, condition, name): (&str, &str, &str, &str) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        for (kept, same) in [
            ("NOT (value IS NULL)", "= venomqa_kept.value"),
            ("value IS NULL", "IS NULL"),
        ] {
            // OFFSET keeps the planner from making a join of the search.
            let compared = format!(
                "WITH venomqa_kept AS MATERIALIZED (SELECT ctid AS place, {expression} AS value FROM ONLY {table} WHERE ({condition}) {rows}) \
                 SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM ONLY {table} \
                   WHERE ({condition}) AND {expression} {same} AND ctid = venomqa_kept.place OFFSET 0)) \
                 FROM venomqa_kept WHERE {kept}"
            );
            let counts = client.query_one(&compared, &[]).await?;
            let (all, unknown): (i64, i64) = (counts.get(0), counts.get(1));
            if unknown > 0 {
                return Ok(Outcome::Inexact(format!(
                    "the index {index} knows rows by another value of {expression} than it has now"
                )));
            }
            if all > 0 && !searches(client, &compared, name).await? {
                return Ok(Outcome::Unprovable(format!(
                    "the server does not search the index {index} by {expression}"
                )));
            }
        }
    }
    Ok(Outcome::Exact)
}

/// Whether the server executes this comparison by a search in the index.
async fn searches(client: &Client, compared: &str, index: &str) -> Result<bool, Error> {
    let plan = client
        .query(&format!("EXPLAIN (COSTS OFF) {compared}"), &[])
        .await?;
    let lines: Vec<&str> = plan.iter().map(|line| line.get(0)).collect();
    let scan = format!(" using {index} on ");
    let is_by_value = compared.contains("= venomqa_kept.value");
    Ok(lines.windows(3).any(|lines| {
        lines[0].contains(&scan)
            && lines[1].contains("Index Cond: ")
            && (!is_by_value || lines[1].contains("venomqa_kept.value"))
            && lines[2].contains("venomqa_kept.place")
    }))
}

async fn attempt(client: &Client, catalog: &Catalog, watched: &Watched) -> Result<Outcome, Error> {
    let table = &watched.quoted;
    let is_ambiguous = catalog.is_ambiguous(watched.oid);
    let rows = if is_ambiguous {
        String::new()
    } else {
        format!("LIMIT {ROWS}")
    };
    let compared = compare(client, catalog, watched, &rows).await?;
    let is_passed = match &compared {
        Outcome::Unprovable(_) => !is_ambiguous,
        outcome => *outcome == Outcome::Exact,
    };
    if !is_passed {
        return Ok(compared);
    }
    // The sample is deleted by its places.
    client
        .batch_execute("SET LOCAL lock_timeout = '500ms'; SET LOCAL enable_tidscan = on")
        .await?;
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
