//! A bank on a SQLite file that knows in its memory alone who has logged in, and that makes some of its rows anew each time it
//! starts: what a test of a restart needs.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Path as UrlPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::{Connection, params};
use serde_json::{Value, json};

/// What can be done with it; without `service` or `http`. Most of it has nothing to do with the bug.
pub(crate) const SPEC: &str = r#"
venomqa: 1
name: bank
systems:
  db: { sqlite: bank.db }
http: { headers: { Authorization: "Bearer {{ token }}" } }
setup:
  - request: { method: POST, path: /login }
    extract: { token: $.token }
actions:
  - name: note
    request: { method: POST, path: /notes, json: { text: "{{ n }}" } }
    parameters: { n: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24] }
    expect: { status: 204 }
  - name: tear
    request: { method: DELETE, path: /notes }
    expect: { status: 204 }
  - name: look
    request: { method: GET, path: /notes }
    expect: { status: 200 }
  - name: open
    request: { method: POST, path: /accounts }
    expect: { status: 201 }
    extract: { account: $.id }
  - name: freeze
    request: { method: POST, path: "/accounts/{{ account }}/freeze" }
    expect: { status: 204 }
  - name: withdraw
    request: { method: POST, path: "/accounts/{{ account }}/withdrawals", json: { amount: "{{ amount }}" } }
    parameters: { amount: [500, 20] }
    expect: { status: [201, 409] }
invariants:
  - name: nothing_leaves_a_frozen_account
    severity: critical
    sql: SELECT w.id, w.account, w.amount FROM withdrawals w WHERE w.was_frozen
"#;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY AUTOINCREMENT, frozen INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS withdrawals (
    id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, amount INTEGER NOT NULL, was_frozen INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS logins (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL);
-- Made anew each time: the same rows, under other numbers.
DELETE FROM jobs;
INSERT INTO jobs (name) VALUES ('interest'), ('statements');
DELETE FROM logins;
";

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    Nothing,
    /// Money can be withdrawn from a frozen account.
    Melts,
    /// Every withdrawal after the third since it started is answered with 500.
    Tires,
    /// The third withdrawal of every five is.
    Stumbles,
}

/// How often it was asked.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// After its bug had shown itself for the first time.
    pub(crate) since_the_bug: AtomicU64,
    shown: AtomicU64,
}

struct Bank {
    connection: Mutex<Connection>,
    flaw: Flaw,
    token: String,
    asked: Arc<Asked>,
    withdrawals: AtomicU64,
}

/// The bank on this file. Its tables are made where they are missing.
pub(crate) fn router(path: &Path, flaw: Flaw, asked: Arc<Asked>) -> Router {
    let connection = Connection::open(path).unwrap();
    connection
        .busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    connection.execute_batch(TABLES).unwrap();
    let bank = Arc::new(Bank {
        connection: Mutex::new(connection),
        flaw,
        // A token of an earlier process is worth nothing.
        token: format!("of-process-{}", std::process::id()),
        asked,
        withdrawals: AtomicU64::new(0),
    });
    Router::new()
        .route("/notes", get(look).post(note).delete(tear))
        .route("/accounts", post(open))
        .route("/accounts/{id}/freeze", post(freeze))
        .route("/accounts/{id}/withdrawals", post(withdraw))
        .route_layer(from_fn_with_state(bank.clone(), only_with_a_token))
        .route("/", get(async || "ready"))
        .route("/login", post(login))
        .layer(from_fn_with_state(bank.clone(), count))
        .with_state(bank)
}

async fn count(State(bank): State<Arc<Bank>>, request: Request, next: Next) -> Response {
    if bank.asked.shown.load(Ordering::SeqCst) > 0 {
        bank.asked.since_the_bug.fetch_add(1, Ordering::SeqCst);
    }
    next.run(request).await
}

async fn only_with_a_token(
    State(bank): State<Arc<Bank>>,
    request: Request,
    next: Next,
) -> Response {
    let wanted = format!("Bearer {}", bank.token);
    let given = request.headers().get("authorization");
    if given.is_none_or(|given| given.as_bytes() != wanted.as_bytes()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(request).await
}

impl Bank {
    fn change(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> i64 {
        let connection = self.connection.lock().unwrap();
        connection.execute(sql, values).unwrap();
        connection.last_insert_rowid()
    }
}

async fn login(State(bank): State<Arc<Bank>>) -> Json<Value> {
    bank.change("INSERT INTO logins (name) VALUES ('qa')", &[]);
    Json(json!({ "token": bank.token }))
}

async fn look(State(bank): State<Arc<Bank>>) -> Json<Value> {
    let connection = bank.connection.lock().unwrap();
    let number: i64 = connection
        .query_row("SELECT count(*) FROM notes", [], |row| row.get(0))
        .unwrap();
    Json(json!({ "notes": number }))
}

async fn note(State(bank): State<Arc<Bank>>, Json(body): Json<Value>) -> StatusCode {
    bank.change(
        "INSERT INTO notes (text) VALUES (?1)",
        params![body["text"].to_string()],
    );
    StatusCode::NO_CONTENT
}

async fn tear(State(bank): State<Arc<Bank>>) -> StatusCode {
    bank.change(
        "DELETE FROM notes WHERE id = (SELECT max(id) FROM notes)",
        &[],
    );
    StatusCode::NO_CONTENT
}

async fn open(State(bank): State<Arc<Bank>>) -> (StatusCode, Json<Value>) {
    let id = bank.change("INSERT INTO accounts DEFAULT VALUES", &[]);
    (StatusCode::CREATED, Json(json!({ "id": id })))
}

async fn freeze(State(bank): State<Arc<Bank>>, UrlPath(id): UrlPath<i64>) -> StatusCode {
    bank.change("UPDATE accounts SET frozen = 1 WHERE id = ?1", params![id]);
    StatusCode::NO_CONTENT
}

async fn withdraw(
    State(bank): State<Arc<Bank>>,
    UrlPath(id): UrlPath<i64>,
    Json(body): Json<Value>,
) -> StatusCode {
    let number = 1 + bank.withdrawals.fetch_add(1, Ordering::SeqCst);
    let fails = match bank.flaw {
        Flaw::Tires => number > 3,
        Flaw::Stumbles => number % 5 == 3,
        Flaw::Nothing | Flaw::Melts => false,
    };
    if fails {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    let frozen: bool = bank
        .connection
        .lock()
        .unwrap()
        .query_row("SELECT frozen FROM accounts WHERE id = ?1", [id], |row| {
            row.get(0)
        })
        .unwrap();
    if frozen && bank.flaw != Flaw::Melts {
        return StatusCode::CONFLICT;
    }
    let amount = body["amount"].as_i64().unwrap();
    bank.change(
        "INSERT INTO withdrawals (account, amount, was_frozen) VALUES (?1, ?2, ?3)",
        params![id, amount, frozen],
    );
    if frozen {
        bank.asked.shown.fetch_add(1, Ordering::SeqCst);
    }
    StatusCode::CREATED
}
