//! What makes verdicts worthless is noticed: state outside the declared systems, writes behind the journal's back,
//! writes that nobody asked for, services that do not do the same thing twice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use serde_json::{Value, json};

use crate::support::{Database, Sandbox, Server, violations, warnings};

const SPEC: &str = "
venomqa: 1
name: items
systems: { db: { sqlite: items.db } }
actions:
  - name: add
    request: { method: POST, path: /items }
    max_calls: 2
  - name: drop
    request: { method: DELETE, path: /items }
  - name: list
    request: { method: GET, path: /items }
";

const TABLES: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY, token TEXT);
     CREATE TABLE beats (id INTEGER PRIMARY KEY, number INTEGER NOT NULL);
     INSERT INTO items VALUES (1, 'first');
     INSERT INTO beats VALUES (1, 0);";

/// A list of items: the service, its database, and what that was before.
struct Scene {
    sandbox: Sandbox,
    database: Database,
    before: String,
}

impl Scene {
    fn new(more: &str) -> Self {
        let sandbox = Sandbox::with_spec(&format!("{SPEC}{more}"));
        let database = Database::at(sandbox.path("items.db"));
        database.execute(TABLES);
        let before = database.dump();
        Self {
            sandbox,
            database,
            before,
        }
    }

    fn explore(&self, server: &Server, code: i32) -> Value {
        let finished = self
            .sandbox
            .venomqa([
                "explore",
                "--strategy",
                "dfs",
                "--max-steps",
                "300",
                "--report",
                "json",
            ])
            .args(["--base-url", &server.url()])
            .run()
            .code(code);
        finished.only_run()
    }
}

/// What is wrong with the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    Nothing,
    /// Lists come from memory until an item is added or dropped.
    Caches,
    /// Every item gets another token.
    Random,
    /// The first item is refused with a 500.
    FailsOnce,
    /// Its connection fires no triggers.
    Bypasses,
}

struct Items {
    connection: Mutex<Connection>,
    cache: Mutex<Option<Value>>,
    has_failed: AtomicBool,
    flaw: Flaw,
}

fn items(database: &Database, flaw: Flaw) -> Server {
    let connection = database.open();
    connection
        .set_db_config(
            DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
            flaw != Flaw::Bypasses,
        )
        .unwrap();
    let items = Arc::new(Items {
        connection: Mutex::new(connection),
        cache: Mutex::new(None),
        has_failed: AtomicBool::new(flaw != Flaw::FailsOnce),
        flaw,
    });
    let (added, dropped, listed, cleared) = (items.clone(), items.clone(), items.clone(), items);
    let router = Router::new()
        .route("/", get(async || "ready"))
        .route(
            "/items",
            get(async move || listed.list())
                .post(async move || added.add())
                .delete(async move || dropped.drop_last()),
        )
        .route(
            "/cache/clear",
            post(async move || {
                *cleared.cache.lock().unwrap() = None;
                StatusCode::NO_CONTENT
            }),
        );
    Server::start(router)
}

impl Items {
    fn add(&self) -> StatusCode {
        if !self.has_failed.swap(true, Ordering::SeqCst) {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        let token = if self.flaw == Flaw::Random {
            "hex(randomblob(16))"
        } else {
            "'next'"
        };
        self.change(&format!("INSERT INTO items (token) VALUES ({token})"))
    }

    fn drop_last(&self) -> StatusCode {
        self.change("DELETE FROM items WHERE id = (SELECT max(id) FROM items)")
    }

    fn change(&self, sql: &str) -> StatusCode {
        *self.cache.lock().unwrap() = None;
        self.connection.lock().unwrap().execute_batch(sql).unwrap();
        StatusCode::NO_CONTENT
    }

    fn list(&self) -> Json<Value> {
        let mut cache = self.cache.lock().unwrap();
        if let Some(list) = &*cache {
            return Json(list.clone());
        }
        let number: i64 = self
            .connection
            .lock()
            .unwrap()
            .query_row("SELECT count(*) FROM items", [], |row| row.get(0))
            .unwrap();
        let list = json!({ "number": number });
        if self.flaw == Flaw::Caches {
            *cache = Some(list.clone());
        }
        Json(list)
    }
}

#[track_caller]
fn warning<'r>(run: &'r Value, code: &str) -> &'r Value {
    run["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|warning| warning["code"] == code)
        .unwrap_or_else(|| panic!("no warning `{code}` in {run:#}"))
}

#[test]
fn an_honest_service_raises_no_suspicion() {
    let scene = Scene::new("");
    let server = items(&scene.database, Flaw::Nothing);
    let run = scene.explore(&server, 0);
    assert_eq!(warnings(&run), [""; 0]);
    assert_eq!(run["outcome"], "clean");
    assert_eq!(scene.database.dump(), scene.before);
}

#[test]
fn a_cache_in_the_service_makes_the_run_untrusted_and_names_the_action() {
    let scene = Scene::new("");
    let server = items(&scene.database, Flaw::Caches);
    let run = scene.explore(&server, 3);
    let said = warning(&run, "state-outside-systems");
    assert_eq!(said["untrusted"], true);
    assert!(
        said["message"].as_str().unwrap().contains("`list`"),
        "{said}"
    );
    assert!(
        said["help"].as_str().unwrap().contains("after_restore"),
        "{said}"
    );
    assert_eq!(scene.database.dump(), scene.before);
}

#[test]
fn a_cache_that_is_emptied_after_every_restore_is_fine() {
    let scene = Scene::new("after_restore:\n  - request: { method: POST, path: /cache/clear }\n");
    let server = items(&scene.database, Flaw::Caches);
    let run = scene.explore(&server, 0);
    assert_eq!(warnings(&run), [""; 0]);
}

#[test]
fn a_value_that_is_another_one_each_time_is_named_unless_it_is_ignored() {
    let scene = Scene::new("");
    let server = items(&scene.database, Flaw::Random);
    let run = scene.explore(&server, 0);
    let said = warning(&run, "non-deterministic");
    let message = said["message"].as_str().unwrap();
    assert!(
        message.contains("`add`") && message.contains("items.token"),
        "{said}"
    );
    assert_eq!(scene.database.dump(), scene.before);

    let scene = Scene::new("");
    scene.sandbox.write(
        "venomqa.yaml",
        &SPEC.replace("items.db }", "items.db, ignore_columns: [items.token] }"),
    );
    let server = items(&scene.database, Flaw::Random);
    let run = scene.explore(&server, 0);
    assert_eq!(warnings(&run), [""; 0]);
    assert_eq!(run["stop"]["reason"], "complete");
    assert_eq!(scene.database.dump(), scene.before);
}

#[test]
fn writes_that_no_trigger_sees_end_the_run_and_name_the_table() {
    let scene = Scene::new("");
    let server = items(&scene.database, Flaw::Bypasses);
    let run = scene.explore(&server, 3);
    assert_eq!(run["stop"]["error"]["kind"], "restore", "{run:#}");
    let told = run["stop"]["error"]["details"].to_string();
    assert!(told.contains("table `items`"), "{run:#}");
    let help = run["stop"]["error"]["help"].as_str().unwrap();
    assert!(help.contains("triggers switched off"), "{run:#}");
    assert_eq!(
        scene
            .database
            .number("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'venomqa%'"),
        0
    );
}

#[test]
fn a_request_of_an_invariant_that_writes_is_a_violation_and_is_undone() {
    let scene = Scene::new(
        "invariants:\n  - name: adding_works\n    request: { method: POST, path: /items }\n    jsonpath: $.error\n    expect: empty\n",
    );
    let server = items(&scene.database, Flaw::Nothing);
    let run = scene.explore(&server, 1);
    assert!(violations(&run).contains(&"probe-wrote"), "{run:#}");
    assert_eq!(run["stop"]["reason"], "complete", "{run:#}");
    assert_eq!(scene.database.dump(), scene.before);
}

#[test]
fn a_violation_that_does_not_happen_again_is_told_as_unconfirmed() {
    let scene = Scene::new("");
    let server = items(&scene.database, Flaw::FailsOnce);
    let run = scene.explore(&server, 1);
    assert_eq!(violations(&run), ["server-error"]);
    let confirmation = &run["violations"][0]["confirmation"];
    assert_eq!(confirmation["result"], "unconfirmed", "{run:#}");
    assert_eq!(
        (&confirmation["times"], &confirmation["of"]),
        (&0.into(), &3.into())
    );
    let reason = confirmation["reason"].as_str().unwrap();
    assert!(
        reason.contains("step 1 (`add`) was answered 204 instead of 500"),
        "{reason}"
    );
    assert_eq!(run["violations"][0]["shrink"]["result"], "not-tried");
    assert_eq!(scene.database.dump(), scene.before);
}

/// Writes all the time, whether there is a request or not.
struct Heart {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Heart {
    fn beating(database: &Database) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let connection = database.open();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                connection
                    .execute_batch("UPDATE beats SET number = number + 1")
                    .unwrap();
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn a_job_in_the_background_is_reported_with_its_table() {
    let scene = Scene::new("");
    // Long enough for the job to write between two requests at least once.
    scene.sandbox.write(
        "venomqa.yaml",
        &SPEC.replace("max_calls: 2", "max_calls: 30"),
    );
    let server = items(&scene.database, Flaw::Nothing);
    let heart = Heart::beating(&scene.database);
    let run = scene.explore(&server, 0);
    drop(heart);
    let said = warning(&run, "background-write");
    assert!(
        said["message"].as_str().unwrap().contains("`beats`"),
        "{said}"
    );
    assert!(
        said["help"].as_str().unwrap().contains("ignore_tables"),
        "{said}"
    );
}

#[test]
fn a_table_that_is_ignored_is_neither_watched_nor_put_back() {
    let scene = Scene::new("");
    scene.sandbox.write(
        "venomqa.yaml",
        &SPEC.replace("items.db }", "items.db, ignore_tables: [beats] }"),
    );
    let server = items(&scene.database, Flaw::Nothing);
    let heart = Heart::beating(&scene.database);
    let run = scene.explore(&server, 0);
    drop(heart);
    assert_eq!(warnings(&run), [""; 0]);
    assert_eq!(run["stop"]["reason"], "complete");
    assert!(scene.database.number("SELECT number FROM beats") > 0);
    assert_eq!(violations(&run), [""; 0]);
}
