//! What makes verdicts worthless is noticed: state outside the declared systems, writes behind the journal's back,
//! writes that nobody asked for, services that do not do the same thing twice.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::config::DbConfig;
use serde_json::{Value, json};

use crate::support::{AnyDatabase, KINDS, Sandbox, Server, one, violations, warnings};

const TABLES: &str = "CREATE TABLE items ({key}, token TEXT);
     CREATE TABLE beats (number INTEGER NOT NULL);
     INSERT INTO items (token) VALUES ('first');
     INSERT INTO beats VALUES (0);";

/// A list of items: the service's database, and what that was before.
struct Scene {
    sandbox: Sandbox,
    database: Arc<AnyDatabase>,
    before: String,
}

impl Scene {
    /// On a database of a kind.
    fn new(kind: &str) -> Self {
        Self::with(kind, "", 2, "")
    }

    /// With more keys of the system, a limit of additions, and more sections in the spec.
    fn with(kind: &str, system: &str, additions: u32, more: &str) -> Self {
        let sandbox = Sandbox::with_spec("");
        let database = AnyDatabase::new(kind, &sandbox, TABLES);
        let spec = format!(
            "
venomqa: 1
name: items
systems: {{ db: {{ {}{system} }} }}
actions:
  - name: add
    request: {{ method: POST, path: /items }}
    max_calls: {additions}
  - name: drop
    request: {{ method: DELETE, path: /items }}
  - name: list
    request: {{ method: GET, path: /items }}
{more}",
            database.location()
        );
        sandbox.write("venomqa.yaml", &spec);
        let before = database.dump();
        Self {
            sandbox,
            database: Arc::new(database),
            before,
        }
    }

    #[track_caller]
    fn explore(&self, server: &Server, code: i32) -> Value {
        let finished = self
            .sandbox
            .venomqa("explore --strategy dfs --max-steps 300 --report json")
            .at(&server.url())
            .run()
            .code(code);
        finished.only_run()
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(self.database.dump(), self.before);
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
    database: Arc<AnyDatabase>,
    cache: Mutex<Option<i64>>,
    has_failed: AtomicBool,
    added: AtomicU32,
    flaw: Flaw,
}

fn items(scene: &Scene, flaw: Flaw) -> Server {
    let items = Arc::new(Items {
        database: scene.database.clone(),
        cache: Mutex::new(None),
        has_failed: AtomicBool::new(flaw != Flaw::FailsOnce),
        added: AtomicU32::new(0),
        flaw,
    });
    let (added, dropped, listed, cleared) = (items.clone(), items.clone(), items.clone(), items);
    let router = Router::new()
        .route("/", get(async || "ready"))
        .route(
            "/items",
            get(async move || listed.list().await)
                .post(async move || added.add().await)
                .delete(async move || dropped.drop_last().await),
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
    async fn add(&self) -> StatusCode {
        if !self.has_failed.swap(true, Ordering::SeqCst) {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        let token = match self.flaw {
            Flaw::Random => self.added.fetch_add(1, Ordering::SeqCst),
            _ => 0,
        };
        self.change(&format!(
            "INSERT INTO items (token) VALUES ('next {token}')"
        ))
        .await
    }

    async fn drop_last(&self) -> StatusCode {
        self.change("DELETE FROM items WHERE id = (SELECT max(id) FROM items)")
            .await
    }

    async fn change(&self, sql: &str) -> StatusCode {
        *self.cache.lock().unwrap() = None;
        match (self.flaw, &*self.database) {
            (Flaw::Bypasses, AnyDatabase::Sqlite(database)) => {
                let connection = database.open();
                let triggers = DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER;
                connection.set_db_config(triggers, false).unwrap();
                connection.execute_batch(sql).unwrap();
            }
            (_, database) => database.execute(sql).await,
        }
        StatusCode::NO_CONTENT
    }

    async fn list(&self) -> Json<Value> {
        let known = *self.cache.lock().unwrap();
        let number = match known {
            Some(number) => number,
            None => self.database.number("SELECT count(*) FROM items").await,
        };
        if self.flaw == Flaw::Caches {
            *self.cache.lock().unwrap() = Some(number);
        }
        Json(json!({ "number": number }))
    }
}

#[test]
fn an_honest_service_raises_no_suspicion() {
    for kind in KINDS {
        let scene = Scene::new(kind);
        let run = scene.explore(&items(&scene, Flaw::Nothing), 0);
        assert_eq!(warnings(&run), [""; 0]);
        assert_eq!(run["outcome"], "clean");
        assert_eq!(run["stop"]["reason"], "complete");
        scene.assert_untouched();
    }
}

#[test]
fn a_cache_in_the_service_makes_the_run_untrusted_and_names_the_action() {
    for kind in KINDS {
        let scene = Scene::new(kind);
        let run = scene.explore(&items(&scene, Flaw::Caches), 3);
        let said = one(&run["warnings"], "code", "state-outside-systems");
        assert_eq!(said["untrusted"], true);
        assert!(
            said["message"].as_str().unwrap().contains("`list`"),
            "{said}"
        );
        assert!(
            said["help"].as_str().unwrap().contains("after_restore"),
            "{said}"
        );
        scene.assert_untouched();
    }
}

#[test]
fn a_cache_that_is_emptied_after_every_restore_is_fine() {
    let emptied = "after_restore:\n  - request: { method: POST, path: /cache/clear }\n";
    for kind in KINDS {
        let scene = Scene::with(kind, "", 2, emptied);
        let run = scene.explore(&items(&scene, Flaw::Caches), 0);
        assert_eq!(warnings(&run), [""; 0]);
        scene.assert_untouched();
    }
}

#[test]
fn a_value_that_is_another_one_each_time_is_named_unless_it_is_ignored() {
    for kind in KINDS {
        let scene = Scene::new(kind);
        let run = scene.explore(&items(&scene, Flaw::Random), 0);
        let said = one(&run["warnings"], "code", "non-deterministic");
        let message = said["message"].as_str().unwrap();
        assert!(
            message.contains("`add`") && message.contains("items.token"),
            "{said}"
        );
        scene.assert_untouched();

        let scene = Scene::with(kind, ", ignore_columns: [items.token]", 2, "");
        let run = scene.explore(&items(&scene, Flaw::Random), 0);
        assert_eq!(warnings(&run), [""; 0]);
        assert_eq!(run["stop"]["reason"], "complete");
        scene.assert_untouched();
    }
}

#[test]
fn writes_that_no_trigger_sees_end_the_run_and_name_the_table() {
    let scene = Scene::new("sqlite");
    let run = scene.explore(&items(&scene, Flaw::Bypasses), 3);
    assert_eq!(run["stop"]["error"]["kind"], "restore", "{run:#}");
    let details = run["stop"]["error"]["details"].to_string();
    assert!(details.contains("table `items`"), "{run:#}");
    let help = run["stop"]["error"]["help"].as_str().unwrap();
    assert!(help.contains("triggers switched off"), "{run:#}");
    assert!(!scene.database.dump().contains("venomqa"), "{run:#}");
}

#[test]
fn a_request_of_an_invariant_that_writes_is_a_violation_and_is_undone() {
    let writes = "invariants:\n  - name: adding_works\n    request: { method: POST, path: /items }\n    jsonpath: $.error\n    expect: empty\n";
    for kind in KINDS {
        let scene = Scene::with(kind, "", 2, writes);
        let run = scene.explore(&items(&scene, Flaw::Nothing), 1);
        assert!(violations(&run).contains(&"probe-wrote"), "{run:#}");
        assert_eq!(run["stop"]["reason"], "complete", "{run:#}");
        scene.assert_untouched();
    }
}

#[test]
fn a_violation_that_does_not_happen_again_is_reported_as_unconfirmed() {
    let scene = Scene::new("sqlite");
    let run = scene.explore(&items(&scene, Flaw::FailsOnce), 0);
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
    scene.assert_untouched();
}

/// Writes all the time, whether there is a request or not.
struct Heart {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Heart {
    fn beating(scene: &Scene) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, database) = (stop.clone(), scene.database.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                while !stopped.load(Ordering::SeqCst) {
                    database
                        .execute("UPDATE beats SET number = number + 1")
                        .await;
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
            });
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
    for kind in KINDS {
        // Long enough for the job to write between two requests at least once.
        let scene = Scene::with(kind, "", 30, "");
        let server = items(&scene, Flaw::Nothing);
        let heart = Heart::beating(&scene);
        let run = scene.explore(&server, 0);
        drop(heart);
        let said = one(&run["warnings"], "code", "background-write");
        assert!(
            said["message"].as_str().unwrap().contains("`beats`"),
            "{said}"
        );
        assert!(
            said["help"].as_str().unwrap().contains("ignore_tables"),
            "{said}"
        );
    }
}

#[test]
fn a_table_that_is_ignored_is_neither_watched_nor_put_back() {
    for kind in KINDS {
        let scene = Scene::with(kind, ", ignore_tables: [beats]", 2, "");
        let server = items(&scene, Flaw::Nothing);
        let heart = Heart::beating(&scene);
        let run = scene.explore(&server, 0);
        drop(heart);
        assert_eq!(warnings(&run), [""; 0]);
        assert_eq!(run["stop"]["reason"], "complete");
        assert_eq!(violations(&run), [""; 0]);
        assert_ne!(
            scene.database.dump(),
            scene.before,
            "the beats are left alone"
        );
    }
}
