//! Notes on `notes.db`, with a quirk behind each path.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::Connection;
use serde_json::{Value, json};

/// What the database of the notes holds at first.
pub(crate) const SCHEMA: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);
    CREATE TABLE outbox (id INTEGER PRIMARY KEY);
    CREATE TABLE stock (n INT); INSERT INTO stock VALUES (10);
    INSERT INTO notes (text) VALUES ('a'), ('b'), ('c')";

/// The service on this file.
pub(crate) fn router(path: &Path) -> Router {
    let path: Arc<Path> = path.into();
    let execute = move |sql: &str| {
        let connection = Connection::open(&path).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection.execute_batch(sql).unwrap();
        let mut ids = connection.prepare("SELECT id FROM notes").unwrap();
        let ids = ids.query_map([], |row| row.get::<_, i64>(0)).unwrap();
        ids.collect::<Result<Vec<_>, _>>().unwrap()
    };
    let requests = Arc::new(AtomicU64::new(0));
    let counted = requests.clone();
    let count = axum::middleware::from_fn(
        move |request: axum::extract::Request, next: axum::middleware::Next| {
            counted.fetch_add(1, Ordering::SeqCst);
            next.run(request)
        },
    );
    let added = Arc::new(AtomicU64::new(0));
    let memory = added.clone();
    let (add, late, pay, list, look, check) = (
        execute.clone(),
        execute.clone(),
        execute.clone(),
        execute.clone(),
        execute.clone(),
        execute,
    );
    let turns = requests.clone();
    Router::new()
        .route("/", get(async || "ready"))
        // Counts in its memory as well.
        .route(
            "/add",
            post(async move || {
                added.fetch_add(1, Ordering::SeqCst);
                add("INSERT INTO notes (text) VALUES ('x')");
                StatusCode::CREATED
            }),
        )
        .route(
            "/memory",
            get(async move || -> Json<Value> {
                let rows = look("").len() as u64 - 3;
                Json(json!({ "rows": rows, "memory": memory.load(Ordering::SeqCst) }))
            }),
        )
        // Writes after it has answered, and says in its outbox that it will.
        .route(
            "/late",
            post(async move || {
                late("INSERT INTO outbox DEFAULT VALUES");
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(40));
                    late("INSERT INTO notes (text) VALUES ('x'); DELETE FROM outbox");
                });
                StatusCode::ACCEPTED
            }),
        )
        // Refuses, but takes from the stock the first time in its life.
        .route(
            "/pay",
            post({
                let is_paid = AtomicBool::new(false);
                let is_paid = Arc::new(is_paid);
                async move || {
                    if !is_paid.swap(true, Ordering::SeqCst) {
                        pay("UPDATE stock SET n = n - 1");
                    }
                    StatusCode::CONFLICT
                }
            }),
        )
        .route(
            "/health",
            get(async move || Json(json!({ "requests": requests.load(Ordering::SeqCst) }))),
        )
        // In another order each time.
        .route(
            "/list",
            get(async move || {
                let mut ids = list("");
                let by = turns.load(Ordering::SeqCst) as usize % ids.len();
                ids.rotate_left(by);
                Json(ids)
            }),
        )
        // Dies of four notes.
        .route(
            "/check",
            get(async move || {
                if check("").len() > 3 {
                    std::process::abort();
                }
                Json(json!({}))
            }),
        )
        .route("/hang", post(std::future::pending::<StatusCode>))
        .layer(count)
}
