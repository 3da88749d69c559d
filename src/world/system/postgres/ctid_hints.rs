//! Rows of tables without a key are found by the place (`ctid`) where they were last seen. The table is searched only where they
//! are no longer there.
//!
//! A place is no identity: the server moves rows and reuses places. So it is a hint, and the row that is found there is compared
//! with the one to be removed.

use std::collections::HashMap;

use super::catalog::Watched;
use crate::model::TableId;

/// Where rows were last seen: table, row (as [`Watched::text`] writes it), a place for each of several equal ones.
#[derive(Debug, Default)]
pub(super) struct CtidHints(HashMap<TableId, HashMap<String, Vec<String>>>);

impl CtidHints {
    /// Remembers that the row is at this place.
    pub(super) fn add(&mut self, table: TableId, row: String, place: String) {
        let rows = self.0.entry(table).or_default();
        rows.entry(row).or_default().push(place);
    }

    /// Forgets that the row is at this place.
    pub(super) fn remove(&mut self, table: TableId, row: &str, place: &str) {
        let Some(rows) = self.0.get_mut(&table) else {
            return;
        };
        if let Some(places) = rows.get_mut(row) {
            places.retain(|known| known != place);
            if places.is_empty() {
                rows.remove(row);
            }
        }
    }

    /// Forgets a place of the row, and returns it.
    pub(super) fn take(&mut self, table: TableId, row: &str) -> Option<String> {
        let place = self.0.get(&table)?.get(row)?.last()?.clone();
        self.remove(table, row, &place);
        Some(place)
    }
}

/// Removes rows: `$1` their texts, `$2` how many they are, `$3` their places or NULL. Yields one row for each that is
/// removed. Equal rows cannot be told apart, so any of them may be removed, as many as were asked for.
///
/// Nothing in it is compared pair by pair: `IS TRUE` keeps the planner from making a join of the search, which in this
/// session would be a nested loop; found and wanted rows are matched by sorting.
pub(super) fn remove_sql(watched: &Watched) -> String {
    let table = &watched.quoted;
    format!(
        "WITH wanted AS MATERIALIZED (\
           SELECT {wanted} AS row, ($3::text[])[w.venomqa_number]::tid AS place \
           FROM (SELECT (t.r).*, t.n AS venomqa_number FROM unnest($1::text[]) WITH ORDINALITY AS u(r, n), \
             LATERAL (SELECT u.r::{table} AS r, u.n AS n OFFSET 0) AS t) AS w), \
         hinted AS (DELETE FROM ONLY {table} AS x USING wanted WHERE x.ctid = wanted.place AND {removed} = wanted.row \
           RETURNING x.ctid AS place, wanted.row AS row), \
         missed AS MATERIALIZED (SELECT row, count(*) - (SELECT count(*) FROM hinted AS h WHERE h.row = wanted.row) AS copies \
           FROM wanted WHERE (SELECT count(*) FROM hinted) < $2::int8 GROUP BY row), \
         found AS MATERIALIZED (SELECT f.ctid AS place, {found} AS row FROM ONLY {table} AS f \
           WHERE (SELECT count(*) FROM hinted) < $2::int8 \
             AND ({found} IN (SELECT row FROM missed WHERE copies > 0)) IS TRUE \
             AND (f.ctid IN (SELECT place FROM hinted)) IS NOT TRUE), \
         ranked AS (SELECT place, row_number() OVER (PARTITION BY row ORDER BY place) AS number, \
             max(copies) OVER (PARTITION BY row) AS copies \
           FROM (SELECT place, row, NULL::int8 AS copies FROM found UNION ALL SELECT NULL, row, copies FROM missed) AS rows_and_copies), \
         chosen AS MATERIALIZED (SELECT place FROM ranked WHERE place IS NOT NULL AND number <= copies), \
         searched AS (DELETE FROM ONLY {table} AS x WHERE x.ctid = ANY (ARRAY(SELECT place FROM chosen)) RETURNING 1), \
         gone AS (SELECT true AS is_meant FROM hinted UNION ALL SELECT true FROM searched)",
        wanted = watched.whole("w"),
        removed = watched.whole("x"),
        found = watched.whole("f"),
    )
}
