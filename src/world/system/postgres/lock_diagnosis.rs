//! Names the sessions that hold a lock which could not be had, or that leave a transaction open.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::address::Address;
use super::connections::Connections;
use super::failure::failed;
use crate::world::WorldError;

/// Characters of a query that are shown.
const SHOWN: usize = 300;

/// Transactions of this database that hold locks, the oldest first: those of sessions, with what this role may know of them, and
/// prepared ones. The locks of a prepared one are listed under the session's transaction that it was, which is found by its lock
/// on its own number.
const HOLDERS: &str = "
WITH holder AS (
  SELECT a.pid, NULL AS locker, CASE a.wait_event_type WHEN 'Lock' THEN 'waiting for a lock' ELSE a.state END AS state, a.query,
         a.xact_start AS since
  FROM pg_catalog.pg_stat_activity a
  WHERE a.datname = current_database() AND a.application_name IS DISTINCT FROM 'venomqa'
  UNION ALL
  SELECT NULL, l.virtualtransaction, 'prepared', p.gid, p.prepared FROM pg_catalog.pg_prepared_xacts p
  JOIN pg_catalog.pg_locks l ON l.pid IS NULL AND l.transactionid = p.transaction
  WHERE p.database = current_database()),
held AS (
  SELECT h.pid, h.state, h.query, h.since, l.relation FROM holder h
  JOIN pg_catalog.pg_locks l ON l.pid = h.pid OR (l.pid IS NULL AND l.virtualtransaction = h.locker)
  WHERE l.granted AND l.locktype = 'relation')
SELECT held.pid, held.state, held.query, extract(epoch FROM clock_timestamp() - held.since)::float8,
       coalesce(string_agg(DISTINCT c.relname::text, ', '), '')
FROM held LEFT JOIN pg_catalog.pg_class c ON c.oid = held.relation AND c.relkind IN ('r', 'p')
  AND c.relnamespace::regnamespace::text !~ '^(pg_|venomqa)'
GROUP BY held.pid, held.state, held.query, held.since ORDER BY held.since NULLS LAST LIMIT 5";

/// The error of a statement of the writer. Where a lock could not be had, it names the sessions that may hold it.
pub(super) async fn explain(
    connections: &Connections,
    address: &Address,
    doing: &str,
    error: &Error,
) -> WorldError {
    let explained = failed(address, doing, error);
    if error.code() != Some(&SqlState::LOCK_NOT_AVAILABLE) {
        return explained;
    }
    // The error of the writer is reported even where the holders cannot be read.
    let holders = holders(connections).await.unwrap_or_default();
    explained.with_details(holders).with_help(
        "a request handler has left its transaction open; find the path on which it neither commits nor rolls back",
    )
}

/// The transactions that hold locks, for people.
pub(super) async fn holders(connections: &Connections) -> Result<Vec<String>, Error> {
    let rows = connections.reader.query(HOLDERS, &[]).await?;
    let holders = rows.iter().map(|row| {
        let tables: String = row.get(4);
        let holder = holder(row.get(0), row.get(1), row.get(2), row.get(3));
        if tables.is_empty() {
            holder
        } else {
            format!("{holder} (locks: {tables})")
        }
    });
    Ok(holders.collect())
}

/// A transaction that is open, for people. It was prepared where there is no session.
pub(super) fn holder(
    pid: Option<i32>,
    state: Option<String>,
    query: Option<String>,
    seconds: Option<f64>,
) -> String {
    let state = state.unwrap_or_else(|| "in a transaction".to_owned());
    let age = seconds.map_or_else(String::new, |seconds| format!(" for {seconds:.1} s"));
    let query = query.unwrap_or_default();
    let Some(pid) = pid else {
        return format!("transaction `{query}`, {state}{age}");
    };
    let mut query: String = query.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = query.char_indices().nth(SHOWN) {
        query.truncate(end);
        query.push_str("...");
    }
    format!("session {pid}, {state}{age}, its last query: `{query}`")
}
