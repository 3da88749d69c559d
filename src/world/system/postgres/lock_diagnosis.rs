//! Who is in the way: the sessions behind a lock that could not be had, and behind a transaction that does not end.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::address::Address;
use super::connections::Connections;
use super::failure::failed;
use crate::world::WorldError;

/// Characters of a query that are shown.
const SHOWN: usize = 300;

/// Transactions of this database that hold locks, the oldest first: of sessions, whatever may be known of them to this role,
/// and prepared ones. What a prepared one holds goes by the name of the session's transaction that it was, which its lock on
/// its own number tells.
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

/// An error of the writer; where it is a lock that was not to be had, with the sessions that may hold it.
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
    // What the writer failed with is what counts.
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

/// Who has a transaction open, for people: a session, or nobody where there is no number of one, for it was prepared.
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
