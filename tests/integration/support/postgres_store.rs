//! The store once more, on PostgreSQL, over a pool of its own that commits as it likes: cascades, a table without a key,
//! identities, sequences, generated columns, partitions, `TRUNCATE`, a second schema, triggers and functions of its own.
//! It connects again when the server was away, as services do.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row};

use super::{Server, store};
use crate::postgres_for_tests::Database;

/// The service, running inside this process, and its database.
pub(crate) struct PostgresStore {
    server: Server,
    pub(crate) database: Database,
}

const TABLES: &str = r#"
CREATE TABLE orders (
    id serial PRIMARY KEY,
    total bigint NOT NULL,
    refunded bigint NOT NULL DEFAULT 0,
    note jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE refunds (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id int NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    amount int NOT NULL,
    cents int GENERATED ALWAYS AS (amount * 100) STORED
);
CREATE TABLE settings (name text PRIMARY KEY, value text);
CREATE TABLE log (line text, at timestamptz);
CREATE TABLE tags (id int PRIMARY KEY, name text UNIQUE, "the ""odd"" column" float8);
CREATE SCHEMA "Other";
CREATE TABLE "Other"."Audit" (what text, order_id int) PARTITION BY LIST (what);
CREATE TABLE "Other"."Deleted" PARTITION OF "Other"."Audit" FOR VALUES IN ('deleted');
CREATE SEQUENCE tickets START 7;
CREATE FUNCTION order_deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO "Other"."Audit" VALUES ('deleted', OLD.id);
    RETURN NULL;
END $$;
CREATE TRIGGER order_deleted AFTER DELETE ON orders FOR EACH ROW EXECUTE FUNCTION order_deleted();
CREATE VIEW open_orders AS SELECT id FROM orders WHERE refunded < total;
INSERT INTO orders (total, refunded, note) VALUES
    (100, 0, NULL), (9007199254740993, 1, '{"b": 1, "a": "two\nlines"}'), (30, 30, '[]'), (5, 0, '1.50'), (7, 0, '"gone"');
DELETE FROM orders WHERE note = '"gone"';
INSERT INTO refunds (order_id, amount) VALUES (2, 1), (3, 10), (3, 20);
INSERT INTO settings VALUES ('colour', 'green'), ('size', '12'), ('odd', E'a,"b"\\(c)');
INSERT INTO log VALUES ('first', NULL), ('first', NULL), (NULL, NULL), ('old', '1999-12-31 23:59:59.123456+05');
INSERT INTO tags VALUES (1, 'old', 0.1), (2, 'taken', 1e300), (7, NULL, NULL);
SELECT nextval('tickets');
"#;

/// The spec of the store, on this database.
pub(crate) fn spec(database: &str) -> String {
    let more = "  - name: empty_log
    request: { method: DELETE, path: /log }
    expect: { status: 204 }
    max_calls: 1
invariants:";
    store::SPEC
        .replace("sqlite: store.db", &format!("postgres: \"{database}\""))
        .replace("invariants:", more)
}

impl PostgresStore {
    /// Starts it on a fresh database with some content. With the bug, refunds never end.
    pub(crate) fn start(database: Database, bug: bool) -> Self {
        database.psql(TABLES);
        let server = Server::start(router(&database.url(), bug));
        Self { server, database }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Its spec.
    pub(crate) fn spec(&self) -> String {
        spec(&self.database.url())
    }

    /// Sends a request without a body, past venomqa. Returns the status.
    pub(crate) fn request(&self, method: &str, path: &str) -> u16 {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(self.server.port().0).unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn dump(&self) -> String {
        dump(&self.database)
    }
}

/// Everything in a database as text: all schemas, relations, columns, conditions, triggers, functions, types, rules and event
/// triggers, then every row of every table and every sequence. Whatever venomqa leaves there is in it.
pub(crate) fn dump(database: &Database) -> String {
    let contents = contents(database).into_iter();
    let lines: Vec<String> = contents
        .map(|(object, line)| format!("{object}: {line}\n"))
        .collect();
    lines.concat()
}

/// The same line by line, each with the name of what it is of. An index is one line.
pub(crate) fn contents(database: &Database) -> Vec<(String, String)> {
    let lines = database.psql(
        r#"
SET extra_float_digits = 3; SET TimeZone = 'UTC';
CREATE FUNCTION pg_temp.content(relation regclass, kind "char") RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN
  RETURN QUERY EXECUTE CASE kind WHEN 'S' THEN format('SELECT last_value || '' '' || is_called FROM %s', relation)
    ELSE format('SELECT content::text FROM ONLY %s AS content', relation) END;
END $$;
WITH mine AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')
SELECT coalesce(json_agg(json_build_array(object, line) ORDER BY object, line), '[]') FROM (
  SELECT nspname::text, 'schema' FROM mine
  UNION ALL SELECT c.oid::regclass::text, format('relation %s %s %s', c.relkind, c.relpersistence, c.reloptions)
    FROM pg_class c JOIN mine ON mine.oid = c.relnamespace WHERE c.relkind NOT IN ('i', 'I')
  UNION ALL SELECT a.attrelid::regclass::text, format('column %s %s %s %s %s', a.attname, a.atttypid::regtype, a.attstorage, a.attstattarget, to_jsonb(a) ->> 'attcompression')
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN mine ON mine.oid = c.relnamespace WHERE a.attnum > 0 AND c.relkind NOT IN ('i', 'I')
  UNION ALL SELECT i.indexrelid::regclass::text, format('index of %s: %s', i.indrelid::regclass, pg_get_indexdef(i.indexrelid))
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN mine ON mine.oid = c.relnamespace
  UNION ALL SELECT conrelid::regclass::text, format('condition %s %s', conname, pg_get_constraintdef(k.oid))
    FROM pg_constraint k JOIN mine ON mine.oid = k.connamespace WHERE conrelid <> 0
  UNION ALL SELECT tgrelid::regclass::text, format('trigger %s %s', tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT p.oid::regprocedure::text, 'function' FROM pg_proc p JOIN mine ON mine.oid = p.pronamespace
  UNION ALL SELECT t.oid::regtype::text, 'type' FROM pg_type t JOIN mine ON mine.oid = t.typnamespace
  UNION ALL SELECT ev_class::regclass::text, format('rule %s %s', rulename, pg_get_ruledef(oid)) FROM pg_rewrite WHERE ev_class >= 16384
  UNION ALL SELECT evtname::text, 'event trigger' FROM pg_event_trigger
  UNION ALL SELECT c.oid::regclass::text, content
    FROM pg_class c JOIN mine ON mine.oid = c.relnamespace, pg_temp.content(c.oid, c.relkind) AS content
    WHERE c.relkind IN ('r', 'S')
) AS all_of_it(object, line);
"#,
    );
    serde_json::from_str(&lines).unwrap()
}

/// Connections that are opened when they are needed, and kept.
#[derive(Clone)]
pub(crate) struct Pool {
    url: Arc<str>,
    idle: Arc<Mutex<Vec<Client>>>,
}

impl Pool {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            idle: Arc::default(),
        }
    }

    /// A connection that works, as far as it is known. It is the caller's until it is put back.
    pub(crate) async fn take(&self) -> Result<Client, Failure> {
        while let Some(client) = self.idle.lock().await.pop() {
            if !client.is_closed() {
                return Ok(client);
            }
        }
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub(crate) async fn put(&self, client: Client) {
        self.idle.lock().await.push(client);
    }

    /// One statement, prepared, in a transaction of its own.
    pub(crate) async fn query(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let client = self.take().await?;
        let rows = client.query(sql, values).await;
        self.put(client).await;
        Ok(rows?)
    }

    /// Several statements, in one transaction.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), Failure> {
        let client = self.take().await?;
        let done = client.batch_execute(sql).await;
        self.put(client).await;
        Ok(done?)
    }
}

/// What the database says when it does not do what it is asked to: a 500.
pub(crate) struct Failure(tokio_postgres::Error);

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{:?}", self.0)).into_response()
    }
}

type Answer = Result<(StatusCode, Json<Value>), Failure>;

const DONE: (StatusCode, Json<Value>) = (StatusCode::NO_CONTENT, Json(Value::Null));

/// A handler that executes statements.
pub(crate) async fn executed(pool: Pool, sql: &str) -> Answer {
    pool.execute(sql).await?;
    Ok(DONE)
}

fn router(url: &str, bug: bool) -> Router {
    Router::new()
        .route("/", get(async || "store"))
        .route("/orders", post(create_order).get(list_orders))
        .route("/orders/{id}", delete(delete_order))
        .route(
            "/orders/{id}/refunds",
            post(async move |State(pool), id, body| refund(&pool, bug, id, body).await),
        )
        .route("/settings/{name}", put(set))
        .route("/log", post(write_log).delete(empty_log))
        .route("/tags/{name}", put(rename_tag))
        .with_state(Pool::new(url))
}

async fn create_order(State(pool): State<Pool>, Json(body): Json<Value>) -> Answer {
    let total = body["total"].as_i64().unwrap_or(0);
    let rows = pool
        .query(
            "INSERT INTO orders (total) VALUES ($1) RETURNING id",
            &[&total],
        )
        .await?;
    let id: i32 = rows[0].get(0);
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

async fn list_orders(State(pool): State<Pool>) -> Answer {
    let rows = pool.query("SELECT id FROM orders ORDER BY id", &[]).await?;
    let orders = rows.iter().map(|row| json!({ "id": row.get::<_, i32>(0) }));
    Ok((StatusCode::OK, Json(orders.collect())))
}

async fn refund(pool: &Pool, bug: bool, Path(id): Path<i32>, Json(body): Json<Value>) -> Answer {
    let amount = i32::try_from(body["amount"].as_i64().unwrap_or(0)).unwrap_or(0);
    let limit = if bug {
        ""
    } else {
        "AND refunded + $2::int <= total"
    };
    let sql = format!(
        "WITH paid AS (UPDATE orders SET refunded = refunded + $2::int WHERE id = $1 AND $2::int <= total {limit} RETURNING id) \
         INSERT INTO refunds (order_id, amount) SELECT id, $2::int FROM paid RETURNING id"
    );
    if pool.query(&sql, &[&id, &amount]).await?.is_empty() {
        return Ok((StatusCode::CONFLICT, Json(json!({ "refused": amount }))));
    }
    Ok((StatusCode::CREATED, Json(json!({ "refunded": amount }))))
}

async fn delete_order(State(pool): State<Pool>, Path(id): Path<i32>) -> Answer {
    pool.query("DELETE FROM orders WHERE id = $1", &[&id])
        .await?;
    Ok(DONE)
}

async fn set(
    State(pool): State<Pool>,
    Path(name): Path<String>,
    Json(body): Json<Value>,
) -> Answer {
    let value = body["value"].as_str();
    let sql = "INSERT INTO settings VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    pool.query(sql, &[&name, &value]).await?;
    Ok(DONE)
}

async fn write_log(State(pool): State<Pool>) -> Answer {
    executed(
        pool,
        "INSERT INTO log VALUES ('again'); SELECT nextval('tickets')",
    )
    .await
}

async fn empty_log(State(pool): State<Pool>) -> Answer {
    executed(pool, "TRUNCATE log").await
}

/// The new name may be taken: the row that has it goes first.
async fn rename_tag(State(pool): State<Pool>) -> Answer {
    executed(
        pool,
        "DELETE FROM tags WHERE name = 'taken' AND EXISTS (SELECT FROM tags WHERE name = 'old'); \
         UPDATE tags SET name = 'taken' WHERE name = 'old'",
    )
    .await
}

/// A service of which each route (`POST /items`) executes its statements, over one pool, and answers 204, or 500 where the
/// database refuses.
pub(crate) fn statements(url: &str, routes: &[(&str, &'static str)]) -> Server {
    let pool = Pool::new(url);
    super::server::statements(routes, move |sql| executed(pool.clone(), sql))
}
