//! A service in which everything is behind a password, a token, a key and a cookie, and whose ids are other ones on every
//! start. Whoever copies a note does so as often as they like, which is the bug.

use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::{Database, Sandbox, Server};

pub(crate) const PASSWORD: &str = "hunter2-hunter2";
pub(crate) const TOKEN: &str = "tok-0123456789";
pub(crate) const KEY: &str = "key-0123456789";
pub(crate) const COOKIE: &str = "sess-0123456789";

/// What must be in no file and in no output.
pub(crate) const SECRETS: [&str; 4] = [PASSWORD, TOKEN, KEY, COOKIE];

pub(crate) const SPEC: &str = r##"
venomqa: 1
name: vault
variables:
  user: ada
  unused: 1
  password: hunter2-hunter2
  api_key: "${VAULT_KEY}"
  limit: ${VAULT_LIMIT:-2}
http:
  base_url: "${VAULT_URL:-http://127.0.0.1:9}"
  headers: { Authorization: "Bearer {{ token }}", X-Api-Key: "{{ api_key }}", Accept: application/json }
systems:
  db: { sqlite: vault.db }
setup:
  - request: { method: POST, path: /login, form: { user: "{{ user }}", password: "{{ password }}" } }
    extract: { token: $.token }
actions:
  - name: write_note
    request:
      method: POST
      path: /notes
      json: { title: "it's {{ user }}'s \\ \"$HOME\"", tags: [a, 1, null], by: "{{ user }}", limit: "{{ limit }}" }
    expect: { status: 201 }
    extract: { note_id: $.note.id, first_tag: "$.note.tags[*]", location: { header: Location } }
    max_calls: 1
  - name: copy_note
    parameters: { times: [2, 1] }
    request:
      method: POST
      path: "/notes/{{ note_id }}/copies"
      query: { times: "{{ times }}", why: "{{ user }} & co" }
      headers: { X-Reason: "#1: {{ first_tag }}" }
      text: "copy {{ note_id }}\n# `x` \\ "
    expect: { status: [201, 409] }
  - name: rename_note
    request: { method: PUT, path: "{{ location }}", form: { title: "a&b={{ note_id }}" } }
    expect: { status: 200 }
  - name: read_note
    request: { path: "{{ location }}" }
    expect: { status: 200 }
invariants:
  - name: never_more_than_two_copies
    severity: high
    message: a note was copied more than twice
    sql: SELECT id, copies, owner_token FROM notes WHERE copies > 2
"##;

/// The service, running inside this process on `vault.db` of a sandbox. `prefix` begins its ids.
pub(crate) fn start(sandbox: &Sandbox, prefix: &'static str, bug: bool) -> Server {
    let database = Database::at(sandbox.path("vault.db"));
    database.execute(
        "CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, title TEXT NOT NULL, owner_token TEXT NOT NULL, copies INTEGER NOT NULL)",
    );
    let vault = Vault {
        connection: Arc::new(Mutex::new(database.open())),
        prefix,
        bug,
    };
    let inside = Router::new()
        .route("/notes", post(write))
        .route("/notes/{id}", get(read).put(rename))
        .route("/notes/{id}/copies", post(copy))
        .layer(from_fn(check))
        .with_state(vault);
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route("/login", post(log_in))
            .merge(inside),
    )
}

#[derive(Clone)]
struct Vault {
    connection: Arc<Mutex<Connection>>,
    prefix: &'static str,
    bug: bool,
}

fn form(body: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect()
}

async fn log_in(body: String) -> Response {
    let fields = form(&body);
    let expected = [("user", "ada"), ("password", PASSWORD)];
    if !expected
        .iter()
        .all(|(name, value)| fields.contains(&((*name).to_owned(), (*value).to_owned())))
    {
        return StatusCode::FORBIDDEN.into_response();
    }
    let cookie = format!("sid={COOKIE}; Path=/; HttpOnly");
    (
        [(header::SET_COOKIE, cookie)],
        Json(json!({ "token": TOKEN })),
    )
        .into_response()
}

/// Lets nobody in who has not everything.
async fn check(request: Request, next: Next) -> Response {
    let headers: &HeaderMap = request.headers();
    let has = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
    let is_in = has("authorization", &format!("Bearer {TOKEN}"))
        && has("x-api-key", KEY)
        && has("cookie", &format!("sid={COOKIE}"))
        && has("accept", "application/json");
    if is_in {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

async fn write(State(vault): State<Vault>, Json(note): Json<Value>) -> Response {
    let title = "it's ada's \\ \"$HOME\"";
    if note != json!({ "title": title, "tags": ["a", 1, null], "by": "ada", "limit": 2 }) {
        return (StatusCode::BAD_REQUEST, note.to_string()).into_response();
    }
    let connection = vault.connection.lock().unwrap();
    let count: i64 = connection
        .query_row("SELECT count(*) FROM notes", [], |row| row.get(0))
        .unwrap();
    let id = format!("{}-{}", vault.prefix, count + 1);
    connection
        .execute(
            "INSERT INTO notes VALUES (?1, ?2, ?3, 0)",
            params![id, title, TOKEN],
        )
        .unwrap();
    let location = [(header::LOCATION, format!("/notes/{id}"))];
    let body = json!({ "note": { "id": id, "tags": ["a", "b"] } });
    (StatusCode::CREATED, location, Json(body)).into_response()
}

async fn copy(
    State(vault): State<Vault>,
    Path(id): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let is_good = query
        .iter()
        .any(|(name, value)| name == "why" && value == "ada & co")
        && headers
            .get("x-reason")
            .is_some_and(|reason| reason == "#1: a")
        && headers
            .get("content-type")
            .is_some_and(|kind| kind == "text/plain")
        && body == format!("copy {id}\n# `x` \\ ");
    let times = query
        .iter()
        .find(|(name, _)| name == "times")
        .and_then(|(_, value)| value.parse::<i64>().ok());
    let (true, Some(times)) = (is_good, times) else {
        return (
            StatusCode::BAD_REQUEST,
            format!("{query:?} {headers:?} {body:?}"),
        )
            .into_response();
    };
    let connection = vault.connection.lock().unwrap();
    let most = if vault.bug { i64::MAX } else { 2 };
    let changed = connection
        .execute(
            "UPDATE notes SET copies = copies + ?2 WHERE id = ?1 AND copies + ?2 <= ?3",
            params![id, times, most],
        )
        .unwrap();
    if changed == 1 {
        StatusCode::CREATED.into_response()
    } else {
        StatusCode::CONFLICT.into_response()
    }
}

async fn rename(State(vault): State<Vault>, Path(id): Path<String>, body: String) -> Response {
    let fields = form(&body);
    let title = format!("a&b={id}");
    if fields != [("title".to_owned(), title.clone())] {
        return (StatusCode::BAD_REQUEST, format!("{fields:?}")).into_response();
    }
    let connection = vault.connection.lock().unwrap();
    connection
        .execute("UPDATE notes SET title = ?2 WHERE id = ?1", [&id, &title])
        .unwrap();
    StatusCode::OK.into_response()
}

async fn read(State(vault): State<Vault>, Path(id): Path<String>) -> Response {
    let connection = vault.connection.lock().unwrap();
    let found: Result<i64, _> =
        connection.query_row("SELECT copies FROM notes WHERE id = ?1", [&id], |row| {
            row.get(0)
        });
    match found {
        Ok(copies) => Json(json!({ "id": id, "copies": copies })).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
