//! What makes verdicts worthless and only happens on PostgreSQL is noticed: DDL within reach of a plain role, transactions
//! that stay open, writes as a replica. The rest is in `trust`.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};

use crate::postgres_for_tests::{Database, cluster};
use crate::support::postgres_store::{dump, executed, statements};
use crate::support::{Finished, Pool, Sandbox, Server, one, warnings};

const TABLES: &str =
    "CREATE TABLE items (id serial PRIMARY KEY, name text); CREATE TABLE beats (n int);
     INSERT INTO items (name) VALUES ('first'); INSERT INTO beats VALUES (0);";

/// A list of items, its database, and what that was before.
struct Scene {
    sandbox: Sandbox,
    database: Database,
    before: String,
}

impl Scene {
    /// With more actions in the spec, and keys of the system.
    fn new(system: &str, more: &str) -> Self {
        let database = cluster().database();
        database.psql(TABLES);
        Self::on(database, "postgres", system, more)
    }

    fn on(database: Database, role: &str, system: &str, more: &str) -> Self {
        let before = dump(&database);
        let sandbox = Sandbox::with_spec(&format!(
            "
venomqa: 1
name: items
http: {{ base_url: \"${{ITEMS_URL:-http://127.0.0.1:9}}\" }}
systems: {{ db: {{ postgres: \"{}\"{system} }} }}
actions:
  - name: add
    request: {{ method: POST, path: /items }}
    max_calls: 2
  - name: drop
    request: {{ method: DELETE, path: /items }}
  - name: list
    request: {{ method: GET, path: /items }}
{more}",
            database.url_as(role)
        ));
        Self {
            sandbox,
            database,
            before,
        }
    }

    #[track_caller]
    fn explore(&self, server: &Server, code: i32) -> Finished {
        self.sandbox
            .venomqa("explore --strategy dfs --max-steps 300 --report json")
            .at(&server.url())
            .run()
            .code(code)
    }

    #[track_caller]
    fn assert_untouched(&self, after: &Finished) {
        assert_eq!(dump(&self.database), self.before, "{after}");
    }

    /// Items as they should be, with these routes beside them.
    fn serve(&self, more: &[(&str, &'static str)]) -> Server {
        let routes = [
            ("GET /items", "SELECT count(*) FROM items"),
            ("POST /items", "INSERT INTO items (name) VALUES ('next')"),
            (
                "DELETE /items",
                "DELETE FROM items WHERE id = (SELECT max(id) FROM items)",
            ),
        ];
        statements(&self.database.url(), &[&routes, more].concat())
    }
}

const MIGRATE: &str = "  - name: migrate
    preconditions: [add]
    request: { method: POST, path: /migrate }
";

#[test]
fn a_table_that_is_made_during_the_run_ends_it_for_a_superuser() {
    let scene = Scene::new("", MIGRATE);
    let server = scene.serve(&[(
        "POST /migrate",
        "CREATE TABLE IF NOT EXISTS more (id int PRIMARY KEY)",
    )]);
    let finished = scene.explore(&server, 3);
    let error = finished.only_run()["stop"]["error"].clone();
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("has changed during the run: `CREATE TABLE` of `public.more`"),
        "{finished}"
    );
    assert!(
        error["help"].as_str().unwrap().contains("migrations"),
        "{finished}"
    );
    // Somebody else might have made it.
    let run = finished.only_run();
    let left = one(&run["warnings"], "code", "not-restored");
    assert!(
        left.to_string().contains("table `public.more` is new"),
        "{finished}"
    );
    scene.database.psql("DROP TABLE more");
    scene.assert_untouched(&finished);
}

#[test]
fn a_function_that_is_replaced_during_the_run_is_put_back_and_named() {
    let scene = Scene::new("", MIGRATE);
    let define = "CREATE FUNCTION rate() RETURNS int LANGUAGE sql AS 'SELECT 1'";
    scene.database.psql(define);
    let server = scene.serve(&[(
        "POST /migrate",
        "CREATE OR REPLACE FUNCTION rate() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    )]);
    let finished = scene.explore(&server, 3);
    let run = finished.only_run();
    let said = one(&run["warnings"], "code", "database-replaced");
    let message = said["message"].as_str().unwrap();
    assert!(
        message.contains("function `public.rate()`") && message.contains("SELECT 2"),
        "{finished}"
    );
    assert_eq!(scene.database.psql("SELECT rate()"), "1");
    scene.database.psql("DROP FUNCTION rate()");
    scene.assert_untouched(&finished);
}

#[test]
fn a_column_that_comes_during_the_run_ends_it_and_the_way_back_is_told() {
    let scene = Scene::new("", MIGRATE);
    let server = scene.serve(&[("POST /migrate", "ALTER TABLE items ADD COLUMN price int")]);
    let finished = scene.explore(&server, 3);
    let run = finished.only_run();
    let message = run["stop"]["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("`ALTER TABLE` of `public.items`"),
        "{finished}"
    );
    let cleanup = run["cleanup"].to_string();
    assert!(cleanup.contains("no longer has the columns"), "{finished}");
    assert!(
        cleanup.contains("change it back and run `venomqa restore`"),
        "{finished}"
    );
    scene.database.psql("ALTER TABLE items DROP COLUMN price");
    scene
        .sandbox
        .venomqa("restore")
        .run()
        .code(0)
        .says(&["was put back"]);
    let items = "SELECT string_agg(id || name, ' ') FROM items";
    assert_eq!(scene.database.psql(items), "1first");
    assert_eq!(
        scene
            .database
            .psql("SELECT count(*) FROM pg_namespace WHERE nspname = 'venomqa'"),
        "0"
    );
}

#[test]
fn a_table_that_is_made_during_the_run_ends_it_for_a_plain_role_even_at_the_last_step() {
    let database = cluster().database();
    database.psql(TABLES);
    let _role = database.role("venomqa_plain");
    let grant = database.replica("venomqa_plain");
    database.psql(&format!(
        "{grant} GRANT CREATE ON DATABASE {} TO venomqa_plain; GRANT SELECT, INSERT, DELETE, TRIGGER ON ALL TABLES IN SCHEMA public TO venomqa_plain;
         GRANT SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO venomqa_plain",
        database.name
    ));
    let migrate = [(
        "POST /migrate",
        "CREATE TABLE IF NOT EXISTS more (id int PRIMARY KEY)",
    )];
    let scene = Scene::on(database, "venomqa_plain", "", MIGRATE);
    let server = scene.serve(&migrate);
    for steps in ["300", "8"] {
        let finished = scene
            .sandbox
            .venomqa(format!(
                "explore --strategy dfs --max-steps {steps} --report json"
            ))
            .at(&server.url())
            .run();
        let made = scene.database.psql("SELECT to_regclass('more')");
        assert_eq!(made, "more", "{finished}");
        assert!(
            finished.stdout.contains("has changed during the run"),
            "{finished}"
        );
        let finished = finished.code(3);
        scene.database.psql("DROP TABLE IF EXISTS more");
        scene.assert_untouched(&finished);
    }
}

/// A handler that leaves its transaction open, with its connection, as long as the service lives; the answer is a refusal.
fn leaking(scene: &Scene, sql: &'static str) -> Server {
    let pool = Pool::new(&scene.database.url());
    let kept = Arc::new(tokio::sync::Mutex::new(Vec::new()));
    let list = pool.clone();
    let add = pool.clone();
    let touch = pool.clone();
    let router = Router::new().route("/", get(async || "ready")).route(
        "/touch",
        post(async move || executed(touch, "UPDATE items SET name = 'touched' WHERE id = 1").await),
    );
    Server::start(
        router.route(
            "/items",
            get(async move || executed(list, "SELECT count(*) FROM items").await)
                .post(async move || executed(add, "INSERT INTO items (name) VALUES ('next')").await)
                .delete(async move || {
                    let Ok(client) = pool.take().await else {
                        return StatusCode::BAD_GATEWAY;
                    };
                    client.batch_execute("BEGIN").await.unwrap();
                    client.batch_execute(sql).await.unwrap();
                    kept.lock().await.push(client);
                    StatusCode::CONFLICT
                }),
        ),
    )
}

#[test]
fn a_transaction_that_is_left_open_with_a_lock_is_waited_for_and_named_and_nothing_hangs() {
    let scene = Scene::new("", "");
    let spec = scene.sandbox.read("venomqa.yaml");
    let spec = spec.replace("http: { ", "http: { timeout: 1s, ");
    scene.sandbox.write("venomqa.yaml", &spec);
    let server = leaking(
        &scene,
        "UPDATE items SET name = 'locked' /* in the refund handler */ WHERE id = 1",
    );
    let began = std::time::Instant::now();
    let finished = scene.explore(&server, 3);
    // Far from the minute that the patience of these tests is; each wait for a lock takes five seconds.
    assert!(
        began.elapsed() < std::time::Duration::from_secs(45),
        "{finished}"
    );
    let run = finished.only_run();
    let said = one(&run["warnings"], "code", "open-transaction");
    let message = said["message"].as_str().unwrap();
    assert!(message.contains("idle in transaction"), "{said}");
    assert!(message.contains("in the refund handler"), "{said}");
    assert!(
        said["help"]
            .as_str()
            .unwrap()
            .contains("neither commits nor rolls back"),
        "{said}"
    );
    let cleanup = run["cleanup"].to_string();
    assert!(cleanup.contains("in the refund handler"), "{finished}");
    assert!(cleanup.contains("venomqa restore"), "{finished}");
    // The service ends, and with it its transactions.
    server.stop();
    scene.sandbox.venomqa("restore").run().code(0);
    scene.assert_untouched(&finished);
}

#[test]
fn a_request_that_hangs_at_the_lock_of_an_earlier_one_is_told_who_holds_it() {
    let touch = "  - name: touch
    request: { method: POST, path: /touch }
";
    let scene = Scene::new("", touch);
    let spec = scene.sandbox.read("venomqa.yaml");
    let spec = spec.replace("http: { ", "http: { timeout: 1s, ");
    scene.sandbox.write("venomqa.yaml", &spec);
    let server = leaking(
        &scene,
        "UPDATE items SET name = 'locked' /* in the refund handler */ WHERE id = 1",
    );
    // The service is not ours to start again, so its lock stays, and the database cannot be put back.
    let finished = scene.explore(&server, 3);
    let run = finished.only_run();
    let violations = run["violations"].as_array().unwrap();
    let touch = violations
        .iter()
        .find(|it| it["action"] == "touch")
        .unwrap();
    assert_eq!(touch["name"], "no-answer", "{finished}");
    let evidence = touch["evidence"]["actual"].as_str().unwrap();
    assert!(evidence.contains("no answer within 1s"), "{evidence}");
    assert!(
        evidence.contains("neither commits nor rolls back"),
        "{evidence}"
    );
    let told = |words: &[&str]| {
        let mut lines = evidence.lines();
        lines.any(|line| words.iter().all(|word| line.contains(word)))
    };
    assert!(
        told(&[
            "in `db`: session ",
            "idle in transaction",
            "in the refund handler",
            "(locks: items)"
        ]),
        "{finished}"
    );
    assert!(
        told(&["waiting for a lock", "name = 'touched'"]),
        "{finished}"
    );
    server.stop();
    scene.sandbox.venomqa("restore").run().code(0);
    scene.assert_untouched(&finished);
}

#[test]
fn a_transaction_that_commits_a_little_late_is_part_of_its_step() {
    let scene = Scene::new("", "");
    let late = |pool: Pool, sql: &'static str| {
        post(async move || {
            let Ok(client) = pool.take().await else {
                return StatusCode::BAD_GATEWAY;
            };
            client.batch_execute("BEGIN").await.unwrap();
            client.batch_execute(sql).await.unwrap();
            tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_millis(15)).await;
                client.batch_execute("COMMIT").await.unwrap();
                pool.put(client).await;
            });
            StatusCode::ACCEPTED
        })
    };
    let pool = Pool::new(&scene.database.url());
    let (list, remove) = (pool.clone(), pool.clone());
    let server = Server::start(
        Router::new().route("/", get(async || "ready")).route(
            "/items",
            late(pool, "INSERT INTO items (name) VALUES ('late')")
                .get(async move || executed(list, "SELECT count(*) FROM items").await)
                .delete(async move || {
                    executed(remove, "DELETE FROM items WHERE name = 'late'").await
                }),
        ),
    );
    let finished = scene.explore(&server, 0);
    let run = finished.only_run();
    assert_eq!(warnings(&run), [""; 0], "{finished}");
    assert_eq!(run["stop"]["reason"], "complete", "{finished}");
    scene.assert_untouched(&finished);
}

#[test]
fn writes_that_no_trigger_sees_end_the_run_and_name_the_table() {
    let scene = Scene::new("", "");
    // Row triggers are off for this session only; venomqa's role owns no table here, so its triggers are not for replicas.
    let database = &scene.database;
    let _role = database.role("venomqa_bypassed");
    let grant = database.replica("venomqa_bypassed");
    database.psql(&format!(
        "{grant} GRANT CREATE ON DATABASE {} TO venomqa_bypassed; GRANT SELECT, INSERT, DELETE, TRIGGER ON ALL TABLES IN SCHEMA public TO venomqa_bypassed;
         GRANT SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO venomqa_bypassed",
        database.name
    ));
    let spec = scene
        .sandbox
        .read("venomqa.yaml")
        .replace(&database.url(), &database.url_as("venomqa_bypassed"));
    scene.sandbox.write("venomqa.yaml", &spec);
    let server = statements(
        &database.url(),
        &[
            ("GET /items", "SELECT count(*) FROM items"),
            ("POST /items", "INSERT INTO items (name) VALUES ('next')"),
            (
                "DELETE /items",
                "SET LOCAL session_replication_role = replica; DELETE FROM items WHERE id = (SELECT max(id) FROM items)",
            ),
        ],
    );
    if grant.starts_with("GRANT") {
        let finished = scene.explore(&server, 3);
        let run = finished.only_run();
        assert_eq!(run["stop"]["error"]["kind"], "restore", "{finished}");
        let told = run["stop"]["error"].to_string();
        assert!(told.contains("`items`"), "{finished}");
        assert!(told.contains("switches triggers off"), "{finished}");
    } else {
        // A superuser counts as the owner of every table: its triggers see these writes, and they are put back.
        let finished = scene.explore(&server, 0);
        assert_eq!(warnings(&finished.only_run()), [""; 0], "{finished}");
        scene.assert_untouched(&finished);
    }
}
