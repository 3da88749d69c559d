//! A service that does more to its database file than write rows: whatever it is, the content before the run is back, and where
//! more than rows had changed the run says so.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};

use crate::support::{Database, Sandbox, Server, difference, warnings};

const SPEC: &str = r"
venomqa: 1
name: maintenance
systems: { db: { sqlite: data/a.db, ignore_tables: [log] } }
actions:
  - { name: look, request: { path: / } }
  - { name: add, request: { method: POST, path: /do/add }, max_calls: 2 }
  - { name: tidy, request: { method: POST, path: /do/tidy }, max_calls: 2 }
";

const TABLES: &str = "CREATE TABLE loose (what TEXT, n INTEGER); CREATE TABLE log (line TEXT);
    CREATE TABLE items (id INTEGER PRIMARY KEY, n INTEGER); CREATE INDEX by_n ON items (n);
    INSERT INTO items VALUES (1, 1), (2, 2); INSERT INTO loose VALUES ('a', 1), ('b', 2), ('c', 3); DELETE FROM loose WHERE n = 1;
    PRAGMA user_version = 4";

const ADD: &str = "UPDATE loose SET n = n + 1 WHERE what = 'b'; INSERT INTO items (n) VALUES (3)";

/// What a service does to its database file.
type Tidy = fn(&Database);

struct Scene {
    sandbox: Sandbox,
    server: Server,
    database: Database,
    before: String,
}

impl Scene {
    /// A service whose action `tidy` does this.
    fn new(more: &str, tidy: Tidy) -> Self {
        let sandbox = Sandbox::with_spec(SPEC);
        std::fs::create_dir(sandbox.path("data")).unwrap();
        Self::in_folder(sandbox, more, tidy)
    }

    fn in_folder(sandbox: Sandbox, more: &str, tidy: Tidy) -> Self {
        let database = Database::at(sandbox.path("data/a.db"));
        database.execute(&format!("PRAGMA journal_mode = wal; {TABLES}; {more}"));
        let used = database.clone();
        let act = move |what: String| {
            if what == "tidy" {
                tidy(&used);
                return StatusCode::OK;
            }
            match used.open().execute_batch(ADD) {
                Ok(()) => StatusCode::OK,
                Err(_) => StatusCode::INSUFFICIENT_STORAGE,
            }
        };
        let server = Server::start(Router::new().route("/", get(async || "there")).route(
            "/do/{what}",
            post(async move |Path(what): Path<String>| act(what)),
        ));
        let before = database.dump();
        Self {
            sandbox,
            server,
            database,
            before,
        }
    }

    fn explore(&self, code: i32) -> serde_json::Value {
        let url = self.server.url();
        let finished = self
            .sandbox
            .venomqa("explore --report json --max-steps 30")
            .at(&url)
            .run()
            .code(code);
        finished.only_run()
    }

    #[track_caller]
    fn assert_back(&self) {
        let now = self.database.dump();
        assert!(now == self.before, "{}", difference(&self.before, &now));
        let mut left: Vec<String> = std::fs::read_dir(self.sandbox.path("data"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.retain(|name| !["a.db", "a.db-wal", "a.db-shm"].contains(&&**name));
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn maintenance_that_moves_no_row_is_no_trouble() {
    let scene = Scene::new("", |database| {
        database.execute(
            "VACUUM; ANALYZE; REINDEX; PRAGMA user_version = 9; PRAGMA application_id = 9",
        );
    });
    let run = scene.explore(0);
    assert_eq!(warnings(&run), [""; 0], "{run}");
    scene.assert_back();
}

#[test]
fn what_happens_beside_rows_is_undone_and_named() {
    let changes: [(&str, Tidy); 4] = [
        ("`by_n` was dropped", |database| {
            database.execute("DROP INDEX IF EXISTS by_n");
        }),
        ("`loose` was dropped", |database| {
            database.execute("DROP TABLE IF EXISTS loose");
        }),
        ("`fresh` was created", |database| {
            database.execute("CREATE TABLE IF NOT EXISTS fresh (n INTEGER)");
        }),
        ("replaced by another file", |database| {
            for ending in ["", "-wal", "-shm"] {
                let mut path = database.path().as_os_str().to_owned();
                path.push(ending);
                let _ = std::fs::remove_file(path);
            }
            database.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, n INTEGER)");
        }),
    ];
    for (named, tidy) in changes {
        let scene = Scene::new("", tidy);
        let run = scene.explore(3);
        assert!(run.to_string().contains(named), "{named}: {run}");
        assert!(
            warnings(&run).contains(&"database-replaced"),
            "{named}: {run}"
        );
        scene.assert_back();
    }
}

#[test]
fn an_ignored_table_beside_a_full_text_index_keeps_what_the_run_wrote_and_that_is_said() {
    let scene = Scene::new("CREATE VIRTUAL TABLE found USING fts5 (line)", |database| {
        database.execute("INSERT INTO log VALUES ('tidied'); INSERT INTO found VALUES ('tidied')");
    });
    let run = scene.explore(0);
    assert!(warnings(&run).contains(&"not-restored"), "{run}");
    assert!(scene.database.number("SELECT count(*) FROM log") > 1);
    scene.database.execute("DELETE FROM log");
    scene.assert_back();
}
