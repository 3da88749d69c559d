//! The queries of the spec.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use serde_json::Value;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Statement};

use super::address::Address;
use super::bind::{Bound, Parameter, json, written};
use super::catalog::Catalog;
use super::connections::Connections;
use super::failure::{self, failed};
use super::sql::{literal, quoted};
use crate::model::{SqlQuery, Table};
use crate::world::system::QueryRows;
use crate::world::system::query_excerpt::query_excerpt;
use crate::world::system::query_limit::Collected;
use crate::world::{WorldError, WorldErrorKind};

/// The queries that were run so far, prepared.
#[derive(Default)]
pub(super) struct Queries(HashMap<String, Arc<Prepared>>);

struct Prepared {
    bound: Bound,
    statement: Statement,
    columns: Vec<String>,
    types: Vec<Type>,
    /// Characters before the spec's text in the statement.
    offset: usize,
}

/// Finds the tables behind a view, through all views in it, by the relations and functions that its stored form names. The second
/// column says whether its result may change although no table does.
const READS: &str = r"
WITH RECURSIVE views(view) AS (
  SELECT 'pg_temp.venomqa_query'::regclass::oid
  UNION
  SELECT c.oid FROM views
  JOIN pg_rewrite w ON w.ev_class = views.view
  CROSS JOIN LATERAL regexp_matches(w.ev_action::text, ':relid (\d+)', 'g') AS m
  JOIN pg_class c ON c.oid = m[1]::oid AND c.relkind = 'v'
),
rules AS (SELECT w.ev_action::text AS tree, w.ev_class FROM views JOIN pg_rewrite w ON w.ev_class = views.view),
relations AS (
  SELECT DISTINCT c.oid, c.relkind, n.nspname FROM rules
  CROSS JOIN LATERAL regexp_matches(tree, ':relid (\d+)', 'g') AS m
  JOIN pg_class c ON c.oid = m[1]::oid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind <> 'v'
),
functions AS (
  SELECT DISTINCT p.oid, p.provolatile, p.proname, l.lanname, n.nspname FROM rules
  CROSS JOIN LATERAL regexp_matches(tree, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') AS m
  JOIN pg_proc p ON p.oid = m[1]::oid JOIN pg_language l ON l.oid = p.prolang
  JOIN pg_namespace n ON n.oid = p.pronamespace
),
parts AS (
  SELECT DISTINCT coalesce(t.relid::oid, r.oid) AS oid FROM relations r
  LEFT JOIN LATERAL pg_partition_tree(r.oid) t ON r.relkind = 'p'
  WHERE r.relkind IN ('r', 'p') AND (t.relid IS NULL OR t.isleaf)
  UNION
  SELECT i.inhrelid FROM relations r JOIN pg_inherits i ON i.inhparent = r.oid WHERE r.relkind = 'r'
)
SELECT coalesce(array_agg(oid), '{}'::oid[]),
  EXISTS (SELECT FROM relations WHERE relkind NOT IN ('r', 'p') OR nspname IN ('pg_catalog', 'information_schema'))
  OR EXISTS (SELECT FROM functions WHERE CASE WHEN nspname = 'pg_catalog'
       THEN provolatile <> 'i' AND proname NOT IN ('to_char', 'date', 'timestamp', 'timestamptz', 'date_trunc', 'to_json',
         'to_jsonb', 'row_to_json', 'json_agg', 'jsonb_agg', 'json_object_agg', 'jsonb_object_agg', 'json_build_object',
         'jsonb_build_object', 'json_build_array', 'jsonb_build_array', 'concat', 'concat_ws', 'format',
         'array_to_string', 'string_agg', 'array_agg', 'array_to_json')
       ELSE provolatile <> 'i' OR lanname NOT IN ('c', 'internal') END)
  OR EXISTS (SELECT FROM rules WHERE tree ~ '\{SQLVALUEFUNCTION ')
FROM parts";

impl Queries {
    /// Prepares a query and returns the tables that it reads; `None` where they cannot be determined.
    pub(super) async fn tables(
        &mut self,
        connections: &Connections,
        catalog: &Catalog,
        address: &Address,
        query: &SqlQuery,
    ) -> Result<Option<Vec<Arc<Table>>>, WorldError> {
        let prepared = self.prepared(connections, address, query).await?;
        let numbers = match reads(connections, query, &prepared).await {
            Ok(numbers) => numbers,
            // Not every query makes a view; then it is run every time.
            Err(error) if error.as_db_error().is_some() => None,
            Err(error) => return Err(failed(address, "prepare a query", &error)),
        };
        Ok(numbers.and_then(|numbers| {
            numbers
                .into_iter()
                // A table that is not watched may change without a word.
                .map(|number| Some(catalog.by_number(number)?.table.clone()))
                .collect()
        }))
    }

    /// Runs a query.
    pub(super) async fn run(
        &mut self,
        connections: &Connections,
        address: &Address,
        query: &SqlQuery,
        values: &[Value],
    ) -> Result<QueryRows, WorldError> {
        let mut prepared = self.prepared(connections, address, query).await?;
        let mut rows = prepared.run(&connections.reader, values).await;
        if let Err(error) = &rows
            && is_stale(error)
        {
            self.0.remove(&query.text);
            prepared = self.prepared(connections, address, query).await?;
            rows = prepared.run(&connections.reader, values).await;
        }
        let rows = rows.map_err(|error| {
            wrong(address, query, &error, |position| {
                Some(
                    prepared
                        .bound
                        .original(position.checked_sub(prepared.offset)?),
                )
            })
        })?;
        rows.finish()
    }

    async fn prepared(
        &mut self,
        connections: &Connections,
        address: &Address,
        query: &SqlQuery,
    ) -> Result<Arc<Prepared>, WorldError> {
        if let Some(known) = self.0.get(&query.text) {
            return Ok(known.clone());
        }
        let prepared = Arc::new(Prepared::new(&connections.reader, address, query).await?);
        self.0.insert(query.text.clone(), prepared.clone());
        Ok(prepared)
    }
}

impl Prepared {
    async fn new(client: &Client, address: &Address, query: &SqlQuery) -> Result<Self, WorldError> {
        let bound = Bound::new(query);
        // First the text as the spec has it: its types are needed, and its errors point into the spec.
        let plain = client.prepare(&bound.text).await.map_err(|error| {
            wrong(address, query, &error, |position| {
                Some(bound.original(position))
            })
        })?;
        if plain.columns().is_empty() {
            return Err(refused(query));
        }
        // PostgreSQL writes every value as text by itself, exactly, types of extensions too.
        let names: Vec<String> = (0..plain.columns().len())
            .map(|place| format!("v{place}"))
            .collect();
        let values: Vec<String> = names
            .iter()
            .map(|name| {
                format!("CASE WHEN pg_catalog.num_nulls({name}) = 0 THEN pg_catalog.format('%s', {name}) END")
            })
            .collect();
        let head = format!("SELECT {} FROM (\n", values.join(", "));
        let whole = format!(
            "{head}{}\n) AS venomqa_query({})",
            bound.text,
            names.join(", ")
        );
        let types: Vec<Type> = plain.params().to_vec();
        let statement = client
            .prepare_typed(&whole, &types)
            .await
            .map_err(|error| match error.code() {
                Some(&SqlState::SYNTAX_ERROR | &SqlState::FEATURE_NOT_SUPPORTED) => refused(query),
                _ => wrong(address, query, &error, |_| None),
            })?;
        Ok(Self {
            offset: head.chars().count(),
            columns: plain
                .columns()
                .iter()
                .map(|column| column.name().to_owned())
                .collect(),
            types: plain
                .columns()
                .iter()
                .map(|column| column.type_().clone())
                .collect(),
            statement,
            bound,
        })
    }

    async fn run(&self, client: &Client, values: &[Value]) -> Result<Collected, Error> {
        let values: Vec<Parameter<'_>> = self
            .bound
            .order
            .iter()
            .map(|place| Parameter(values.get(*place).unwrap_or(&Value::Null)))
            .collect();
        let values: Vec<&(dyn ToSql + Sync)> = values
            .iter()
            .map(|value| value as &(dyn ToSql + Sync))
            .collect();
        let mut rows = pin!(client.query_raw(&self.statement, values).await?);
        let mut found = Collected::new(self.columns.clone());
        while let Some(row) = rows.try_next().await? {
            let types = self.types.iter().enumerate();
            if !found.add(types.map(|(place, of)| json(row.get(place), of)).collect()) {
                break;
            }
        }
        Ok(found)
    }
}

/// The tables behind a query, by the server's number. The query becomes a view for a moment, because the stored form of
/// a view names everything in it.
async fn reads(
    connections: &Connections,
    query: &SqlQuery,
    prepared: &Prepared,
) -> Result<Option<Vec<u32>>, Error> {
    let client = &connections.writer;
    let types: Vec<u32> = prepared.statement.params().iter().map(Type::oid).collect();
    let names: Vec<String> = if types.is_empty() {
        Vec::new()
    } else {
        let rows = connections
            .reader
            .query(
                "SELECT pg_catalog.format_type(t, NULL) FROM unnest($1::oid[]) WITH ORDINALITY AS u(t, i) ORDER BY i",
                &[&types],
            )
            .await?;
        rows.iter().map(|row| row.get(0)).collect()
    };
    let text = written(query, |place, _| format!("(NULL::{})", names[place]));
    let columns: Vec<String> = (0..prepared.columns.len())
        .map(|place| format!("v{place}"))
        .collect();
    let found = async {
        client
            .batch_execute(&format!(
                "BEGIN; SELECT set_config('search_path', {}, true); \
                 CREATE TEMPORARY VIEW venomqa_query ({}) AS {text}\n; SET LOCAL search_path = pg_catalog, pg_temp",
                literal(&connections.search_path),
                columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "),
            ))
            .await?;
        client.query_one(READS, &[]).await
    }
    .await;
    client.batch_execute("ROLLBACK").await?;
    let row = found?;
    let in_doubt: bool = row.get(1);
    Ok((!in_doubt).then(|| row.get(0)))
}

/// Whether a plan no longer fits, or the server has forgotten the statement.
fn is_stale(error: &Error) -> bool {
    error.as_db_error().is_some_and(|db| {
        *db.code() == SqlState::INVALID_SQL_STATEMENT_NAME
            || (*db.code() == SqlState::FEATURE_NOT_SUPPORTED
                && db.message().contains("cached plan"))
    })
}

fn refused(query: &SqlQuery) -> WorldError {
    let first: String = query
        .text
        .trim_start()
        .chars()
        .take_while(|character| character.is_alphanumeric())
        .collect();
    WorldError::new(
        WorldErrorKind::System,
        format!("a query of the spec must read and yield rows, `{first}` does not"),
    )
    .with_help("write a single `SELECT`, `VALUES`, `TABLE`, or `WITH` that only reads")
}

/// The error of a query, with its place marked in the text of the spec.
fn wrong(
    address: &Address,
    query: &SqlQuery,
    error: &Error,
    original: impl Fn(usize) -> Option<usize>,
) -> WorldError {
    let Some(db) = error.as_db_error().filter(|db| !failure::ends_session(db)) else {
        return failed(address, "run a query", error);
    };
    let mut details = Vec::new();
    if let Some(place) = failure::position(db).and_then(original) {
        details.extend(query_excerpt(query, place));
    }
    details.extend(failure::lines(db));
    let wrong = WorldError::new(WorldErrorKind::System, db.message()).with_details(details);
    match *db.code() {
        SqlState::INDETERMINATE_DATATYPE
        | SqlState::AMBIGUOUS_PARAMETER
        | SqlState::AMBIGUOUS_FUNCTION => {
            wrong.with_help("say the type of the value, for example `:name::int`")
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            wrong.with_help("a query of the spec only reads; call no function that writes")
        }
        SqlState::QUERY_CANCELED => {
            wrong.with_help("somebody ended the query, or it ran for longer than `query_timeout`")
        }
        _ => wrong,
    }
}
