//! A service on a SQLite file that does everything to its tables that is hard to undo: it deletes in cascades, replaces
//! rows behind the back of delete triggers, has tables without a key and without rowids, triggers of its own, blobs, and
//! two connections that stay open. It holds what nobody who tests it may change: everything that was there before.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Value, json};

use super::{Database, Port, Sandbox, Server};

/// How SQLite keeps its own journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JournalMode {
    Delete,
    Wal,
}

/// The service, running inside this process on `store.db` of a sandbox.
pub(crate) struct Store {
    server: Server,
    database: Database,
}

/// A refund is compared with the total alone, not with what was refunded before.
pub(crate) const BUG: &str = "no_refund_beyond_the_total";

/// What can be done with it. The address comes with `--base-url` or in the environment.
pub(crate) const SPEC: &str = r#"
venomqa: 1
name: store
http: { base_url: "${STORE_URL:-http://127.0.0.1:9}" }
systems:
  db: { sqlite: store.db, ignore_columns: ["*.created_at"] }
setup:
  - request: { method: POST, path: /orders, json: { total: 100 } }
    extract: { order_id: $.id }
actions:
  - name: create_order
    request: { method: POST, path: /orders, json: { total: 100 } }
    expect: { status: 201 }
    extract: { order_id: $.id }
    max_calls: 1
  - name: refund
    request: { method: POST, path: "/orders/{{ order_id }}/refunds", json: { amount: 60 } }
    expect: { status: [201, 409] }
  - name: delete_order
    request: { method: DELETE, path: "/orders/{{ order_id }}" }
    expect: { status: 204 }
    clear: [order_id]
  - name: set_colour
    request: { method: PUT, path: /settings/colour, json: { value: "{{ colour }}" } }
    parameters: { colour: [red, blue] }
    expect: { status: 204 }
  - name: write_log
    request: { method: POST, path: /log }
    expect: { status: 204 }
    max_calls: 2
  - name: rename_tag
    request: { method: PUT, path: /tags/old, json: { name: taken } }
    expect: { status: 204 }
  - name: list_orders
    request: { method: GET, path: /orders }
    expect: { status: 200 }
invariants:
  - name: no_refund_beyond_the_total
    severity: critical
    message: an order was refunded for more than it cost
    sql: SELECT id, total, refunded FROM orders WHERE refunded > total
  - name: the_list_is_complete
    request: { method: GET, path: /orders }
    jsonpath: $[*].id
    expect: { equals_sql: SELECT id FROM orders ORDER BY id }
"#;

const TABLES: &str = "
CREATE TABLE orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    total INTEGER NOT NULL,
    refunded INTEGER NOT NULL DEFAULT 0,
    note,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE TABLE refunds (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    amount INTEGER NOT NULL
);
CREATE TABLE settings (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE log (line);
CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT UNIQUE, \"the \"\"odd\"\" column\" REAL);
CREATE TABLE audit (what TEXT, order_id INTEGER);
CREATE TRIGGER order_deleted AFTER DELETE ON orders BEGIN
    INSERT INTO audit VALUES ('deleted', old.id);
END;
CREATE VIEW open_orders AS SELECT id FROM orders WHERE refunded < total;
CREATE INDEX refunds_by_order ON refunds (order_id);
INSERT INTO orders (total, refunded, note) VALUES
    (100, 0, NULL), (9007199254740993, 1, 'two\nlines'), (30, 30, x'00ff00'), (5, 0, 1.5), (7, 0, 'gone');
DELETE FROM orders WHERE note = 'gone';
INSERT INTO refunds (order_id, amount) VALUES (2, 1), (3, 10), (3, 20);
INSERT INTO settings VALUES ('colour', 'green'), ('size', 12), ('blob', zeroblob(3)), ('nul', 'a' || char(0) || 'b');
INSERT INTO log VALUES ('first'), ('first'), (NULL), (-0.5);
INSERT INTO tags VALUES (1, 'old', 0.1), (2, 'taken', 1e300), (7, NULL, NULL);
PRAGMA user_version = 42;
";

/// The spec with something added to its `http` section.
pub(crate) fn spec_with_http(more: &str) -> String {
    SPEC.replace("http: { ", &format!("http: {{ {more}, "))
}

/// The spec of a store that venomqa starts itself, with this `service` section.
pub(crate) fn spec_with_service(section: &str) -> String {
    let without = |line: &&str| !line.starts_with("http:");
    let lines: Vec<&str> = SPEC.lines().filter(without).collect();
    format!("{}\n{section}", lines.join("\n"))
}

impl Store {
    /// Starts it on a database with some content.
    pub(crate) fn start(sandbox: &Sandbox, mode: JournalMode, bug: bool) -> Self {
        Self::database(sandbox, mode);
        Self::on(sandbox, bug)
    }

    /// Starts it on the database that is there.
    pub(crate) fn on(sandbox: &Sandbox, bug: bool) -> Self {
        let database = Database::at(sandbox.path("store.db"));
        let server = Server::start(router(database.path(), bug));
        Self { server, database }
    }

    /// The database with its content, before anything is started on it.
    pub(crate) fn database(sandbox: &Sandbox, mode: JournalMode) -> Database {
        let database = Database::at(sandbox.path("store.db"));
        let connection = database.open();
        let mode = match mode {
            JournalMode::Delete => "delete",
            JournalMode::Wal => "wal",
        };
        connection
            .pragma_update(None, "journal_mode", mode)
            .unwrap();
        connection.execute_batch(TABLES).unwrap();
        database
    }

    pub(crate) fn port(&self) -> Port {
        self.server.port()
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn dump(&self) -> String {
        self.database.dump()
    }

    /// Stops it without warning.
    pub(crate) fn stop(self) {
        self.server.stop();
    }
}

struct Shelf {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    bug: bool,
}

type Answer = Result<(StatusCode, Json<Value>), Failure>;

/// The answer to a request that has nothing to say.
const DONE: (StatusCode, Json<Value>) = (StatusCode::NO_CONTENT, Json(Value::Null));

/// What the database says when it does not do what it is asked to: a 500.
struct Failure(rusqlite::Error);

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self(error)
    }
}

impl axum::response::IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}

/// The service on this file.
pub(super) fn router(path: &Path, bug: bool) -> Router {
    let open = || {
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
            .pragma_update(None, "foreign_keys", "on")
            .unwrap();
        connection
            .pragma_update(None, "synchronous", "off")
            .unwrap();
        Mutex::new(connection)
    };
    Router::new()
        .route("/", get(async || "store"))
        .route("/orders", post(create_order).get(list_orders))
        .route("/orders/{id}", delete(delete_order))
        .route("/orders/{id}/refunds", post(refund))
        .route("/settings/{name}", put(set))
        .route("/log", post(write_log))
        .route("/tags/{name}", put(rename_tag))
        .with_state(Arc::new(Shelf {
            writer: open(),
            reader: open(),
            bug,
        }))
}

async fn create_order(State(shelf): State<Arc<Shelf>>, Json(body): Json<Value>) -> Answer {
    let connection = shelf.writer.lock().unwrap();
    connection
        .prepare_cached("INSERT INTO orders (total) VALUES (?1)")?
        .execute([body["total"].as_i64()])?;
    let id = connection.last_insert_rowid();
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

async fn list_orders(State(shelf): State<Arc<Shelf>>) -> Answer {
    let connection = shelf.reader.lock().unwrap();
    let mut statement = connection.prepare_cached("SELECT id FROM orders ORDER BY id")?;
    let orders = statement
        .query_map([], |row| Ok(json!({ "id": row.get::<_, i64>(0)? })))?
        .collect::<Result<Vec<_>, _>>()?;
    Ok((StatusCode::OK, Json(orders.into())))
}

async fn refund(
    State(shelf): State<Arc<Shelf>>,
    UrlPath(id): UrlPath<i64>,
    Json(body): Json<Value>,
) -> Answer {
    let connection = shelf.writer.lock().unwrap();
    let transaction = connection.unchecked_transaction()?;
    let order: Option<(i64, i64)> = transaction
        .prepare_cached("SELECT total, refunded FROM orders WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let amount = body["amount"].as_i64().unwrap_or(0);
    let allowed = order.is_some_and(|(total, refunded)| {
        let before = if shelf.bug { 0 } else { refunded };
        before + amount <= total
    });
    if !allowed {
        return Ok((StatusCode::CONFLICT, Json(json!({ "refused": amount }))));
    }
    transaction
        .prepare_cached("UPDATE orders SET refunded = refunded + ?2 WHERE id = ?1")?
        .execute([id, amount])?;
    transaction
        .prepare_cached("INSERT INTO refunds (order_id, amount) VALUES (?1, ?2)")?
        .execute([id, amount])?;
    transaction.commit()?;
    Ok((StatusCode::CREATED, Json(json!({ "refunded": amount }))))
}

async fn delete_order(State(shelf): State<Arc<Shelf>>, UrlPath(id): UrlPath<i64>) -> Answer {
    let connection = shelf.writer.lock().unwrap();
    connection
        .prepare_cached("DELETE FROM orders WHERE id = ?1")?
        .execute([id])?;
    Ok(DONE)
}

async fn set(
    State(shelf): State<Arc<Shelf>>,
    UrlPath(name): UrlPath<String>,
    Json(body): Json<Value>,
) -> Answer {
    let connection = shelf.writer.lock().unwrap();
    connection
        .prepare_cached("INSERT OR REPLACE INTO settings VALUES (?1, ?2)")?
        .execute(params![name, body["value"].as_str()])?;
    Ok(DONE)
}

async fn write_log(State(shelf): State<Arc<Shelf>>) -> Answer {
    let connection = shelf.writer.lock().unwrap();
    connection
        .prepare_cached("INSERT INTO log VALUES ('again')")?
        .execute([])?;
    Ok(DONE)
}

/// The new name may be taken: the row that has it goes without a delete trigger being fired.
async fn rename_tag(
    State(shelf): State<Arc<Shelf>>,
    UrlPath(name): UrlPath<String>,
    Json(body): Json<Value>,
) -> Answer {
    let connection = shelf.writer.lock().unwrap();
    connection
        .prepare_cached("UPDATE OR REPLACE tags SET name = ?2 WHERE name = ?1")?
        .execute(params![name, body["name"].as_str()])?;
    Ok(DONE)
}
