//! Who is in the way: the sessions behind a lock that could not be had, and behind a transaction that does not end.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::address::Address;
use super::failure::failed;
use super::session::Sessions;
use crate::world::WorldError;

/// Characters of a query that are shown.
const SHOWN: usize = 300;

/// Sessions of this database that have a transaction open, and may hold locks.
const HOLDERS: &str = "
SELECT a.pid, a.state, a.query, extract(epoch FROM clock_timestamp() - a.xact_start)::float8,
       coalesce((SELECT string_agg(DISTINCT c.relname::text, ', ') FROM pg_catalog.pg_locks l
         JOIN pg_catalog.pg_class c ON c.oid = l.relation
         WHERE l.pid = a.pid AND l.granted AND l.database = a.datid AND c.relkind IN ('r', 'p')
           AND c.relnamespace::regnamespace::text !~ '^(pg_|venomqa)'), '')
FROM pg_catalog.pg_stat_activity a
WHERE a.datname = current_database() AND a.application_name <> 'venomqa' AND a.xact_start IS NOT NULL
  AND EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND l.granted AND l.locktype = 'relation')
ORDER BY a.xact_start LIMIT 5";

/// An error of the writer; where it is a lock that was not to be had, with the sessions that may hold it.
pub(super) async fn explain(
    sessions: &Sessions,
    address: &Address,
    doing: &str,
    error: &Error,
) -> WorldError {
    let explained = failed(address, doing, error);
    if error.code() != Some(&SqlState::LOCK_NOT_AVAILABLE) {
        return explained;
    }
    let Ok(rows) = sessions.reader.query(HOLDERS, &[]).await else {
        return explained;
    };
    let holders = rows.iter().map(|row| {
        let tables: String = row.get(4);
        let session = session(row.get(0), row.get(1), row.get(2), row.get(3));
        if tables.is_empty() {
            session
        } else {
            format!("{session} (locks: {tables})")
        }
    });
    explained.with_details(holders).with_help(
        "a request handler has left its transaction open; find the path on which it neither commits nor rolls back",
    )
}

/// One session, for people.
pub(super) fn session(
    pid: i32,
    state: Option<String>,
    query: Option<String>,
    seconds: Option<f64>,
) -> String {
    let state = state.unwrap_or_else(|| "in a transaction".to_owned());
    let age = seconds.map_or_else(String::new, |seconds| format!(" for {seconds:.1} s"));
    let query = query.unwrap_or_default();
    let mut query: String = query.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = query.char_indices().nth(SHOWN) {
        query.truncate(end);
        query.push_str("...");
    }
    format!("session {pid}, {state}{age}, its last query: `{query}`")
}
