//! Queries of the spec: checked once, which tells the tables they read, then run as they are.

use std::collections::{BTreeSet, HashMap};
use std::ffi::c_int;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde_json::Value;

use super::apply::{Bound, cell};
use super::catalog::Catalog;
use super::failure::{LOCK_WAIT, failed};
use crate::model::{Cell, SqlQuery, Table, TableKind};
use crate::world::system::query_excerpt::query_excerpt;
use crate::world::system::query_limit::{Collected, QueryLimit};
use crate::world::{WorldError, WorldErrorKind};

/// Checks queries on a connection of its own, where an authorizer sees what a statement would do and refuses all but
/// reading.
pub(super) struct Inspector {
    connection: Connection,
    seen: Arc<Mutex<Seen>>,
    checked: HashMap<String, Option<Vec<Arc<Table>>>>,
}

/// What the authorizer saw while a statement was prepared.
#[derive(Debug, Default)]
struct Seen {
    tables: BTreeSet<String>,
    /// Something whose result can change although no table did.
    volatile: bool,
    refused: Option<String>,
}

impl Inspector {
    /// Opens the connection.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let mut connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(LOCK_WAIT)?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let record = seen.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            record
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .see(&context)
        }))?;
        Ok(Self {
            connection,
            seen,
            checked: HashMap::new(),
        })
    }

    /// Checks a query: one statement that only reads, with no other parameters than those of the spec. Says which tables
    /// it reads, or `None` where its result may change although none of the watched tables does.
    pub(super) fn check(
        &mut self,
        path: &Path,
        catalog: &Catalog,
        query: &SqlQuery,
    ) -> Result<Option<Vec<Arc<Table>>>, WorldError> {
        if let Some(tables) = self.checked.get(&query.text) {
            return Ok(tables.clone());
        }
        *self.seen() = Seen::default();
        let prepared = self.connection.prepare(&query.text);
        let seen = std::mem::take(&mut *self.seen());
        if let Some(refused) = seen.refused {
            return Err(invalid(
                query,
                &format!("a query may only read: {refused} is refused"),
            ));
        }
        let statement = prepared.map_err(|error| explain(path, query, &error))?;
        if !statement.readonly() {
            return Err(invalid(query, "a query may only read"));
        }
        if statement.column_count() == 0 {
            return Err(invalid(query, "it is no query: it yields no columns"));
        }
        for position in 1..=statement.parameter_count() {
            let name = statement.parameter_name(position).unwrap_or("?");
            let bare = name.strip_prefix(':');
            if !query
                .parameters
                .iter()
                .any(|(known, _)| Some(known.as_str()) == bare)
            {
                return Err(invalid(
                    query,
                    &format!("nothing gives the parameter `{name}` a value"),
                )
                .with_help("parameters are written `:name`, with the name of a variable"));
            }
        }
        let tables = seen.resolve(catalog);
        self.checked.insert(query.text.clone(), tables.clone());
        Ok(tables)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn see(&mut self, context: &AuthContext<'_>) -> Authorization {
        match context.action {
            AuthAction::Select | AuthAction::Recursive => {}
            AuthAction::Read { table_name, .. } => {
                self.tables.insert(table_name.to_owned());
            }
            AuthAction::Function { function_name } => {
                self.volatile |= is_volatile(function_name);
            }
            // `PRAGMA table_info(t)` reads, `PRAGMA foreign_keys = on` does not, and only the name tells them apart.
            AuthAction::Pragma { pragma_name, .. } => {
                return self.refuse(&format!("`PRAGMA {pragma_name}`"));
            }
            AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
                return self.refuse("a transaction");
            }
            AuthAction::Attach { .. } | AuthAction::Detach { .. } => {
                return self.refuse("another database");
            }
            AuthAction::Insert { table_name }
            | AuthAction::Update { table_name, .. }
            | AuthAction::Delete { table_name } => {
                return self.refuse(&format!("writing to `{table_name}`"));
            }
            _ => return self.refuse("a statement that changes the database"),
        }
        Authorization::Allow
    }

    fn refuse(&mut self, what: &str) -> Authorization {
        self.refused.get_or_insert_with(|| what.to_owned());
        Authorization::Deny
    }

    fn resolve(self, catalog: &Catalog) -> Option<Vec<Arc<Table>>> {
        if self.volatile {
            return None;
        }
        let mut read = Vec::new();
        for name in &self.tables {
            // The first two compute from their arguments alone; of a view, the tables below are told as well.
            if matches!(name.as_str(), "json_each" | "json_tree" | "")
                || catalog.views.contains(name)
            {
                continue;
            }
            // Ignored tables, virtual tables, counters: no journal records their changes.
            let watched = catalog.tables.iter().find(|watched| {
                watched.table.name.eq_ignore_ascii_case(name)
                    && watched.table.kind == TableKind::Rows
            })?;
            read.push(watched.table.clone());
        }
        Some(read)
    }
}

/// Functions that yield something else each time, or at another time of the day.
fn is_volatile(function: &str) -> bool {
    [
        "random",
        "randomblob",
        "date",
        "time",
        "datetime",
        "julianday",
        "unixepoch",
        "strftime",
        "timediff",
        "current_date",
        "current_time",
        "current_timestamp",
        "changes",
        "total_changes",
        "last_insert_rowid",
    ]
    .iter()
    .any(|volatile| function.eq_ignore_ascii_case(volatile))
}

/// Steps of SQLite's machine between two looks at the limit of a query: well under a millisecond.
const STEPS: c_int = 10_000;

/// Bytes of a value within a query at the most. One step of the machine may make a value, and no limit ends a step.
const LONGEST_VALUE: c_int = 64 << 20;

/// Runs a checked query, which ends with an error that [`was_ended`] knows when its limit is reached.
pub(super) fn run(
    connection: &mut Connection,
    query: &SqlQuery,
    parameters: &[Value],
    limit: &QueryLimit,
) -> rusqlite::Result<Collected> {
    let watched = limit.clone();
    connection.progress_handler(STEPS, Some(move || watched.is_over()))?;
    let longest = connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE)?;
    let found = run_watched(connection, query, parameters);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, longest)?;
    connection.progress_handler(STEPS, None::<fn() -> bool>)?;
    found
}

/// Whether a query was ended because its limit was reached.
pub(super) fn was_ended(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

fn run_watched(
    connection: &Connection,
    query: &SqlQuery,
    parameters: &[Value],
) -> rusqlite::Result<Collected> {
    let mut statement = connection.prepare_cached(&query.text)?;
    for ((name, _), value) in query.parameters.iter().zip(parameters) {
        if let Some(position) = statement.parameter_index(&format!(":{name}"))? {
            statement.raw_bind_parameter(position, Bound(&bindable(value)))?;
        }
    }
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let width = columns.len();
    let mut found = Collected::new(columns);
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let values = (0..width)
            .map(|position| row.get_ref(position).map(|value| cell(value).to_json()))
            .collect::<rusqlite::Result<_>>()?;
        if !found.add(values) {
            break;
        }
    }
    Ok(found)
}

/// A JSON value as SQLite takes it: booleans as 1 and 0, lists and objects as JSON text.
fn bindable(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Integer(i64::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Cell::Integer(integer),
            // An integer of more than 64 bits stands in a text, if anywhere.
            (None, _) if !number.to_string().contains(['.', 'e', 'E']) => {
                Cell::text(&number.to_string())
            }
            (None, Some(real)) => Cell::real(real),
            (None, None) => Cell::text(&number.to_string()),
        },
        Value::String(text) => Cell::text(text),
        Value::Array(_) | Value::Object(_) => Cell::text(&value.to_string()),
    }
}

fn invalid(query: &SqlQuery, why: &str) -> WorldError {
    WorldError::new(
        WorldErrorKind::System,
        format!("the query `{}` cannot be run: {why}", query.text.trim()),
    )
}

/// An error of a query in words, with its place.
pub(super) fn explain(path: &Path, query: &SqlQuery, error: &rusqlite::Error) -> WorldError {
    match error {
        rusqlite::Error::SqlInputError { msg, offset, .. } => {
            let error = invalid(query, msg);
            match usize::try_from(*offset) {
                Ok(offset) => {
                    let before = query.text.char_indices().take_while(|(at, _)| *at < offset);
                    error.with_details(query_excerpt(query, before.count()))
                }
                Err(_) => error,
            }
        }
        rusqlite::Error::MultipleStatement => invalid(query, "it holds several statements")
            .with_help("write one statement, without `;`"),
        // What the database refuses at run time has no place in the text.
        error => match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::Unknown) => invalid(query, &error.to_string()),
            _ => failed(
                path,
                &format!("run the query `{}`", query.text.trim()),
                error,
            ),
        },
    }
}
