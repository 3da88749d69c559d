//! Services that take only so many requests: they are waited for, and what is lost all the same is a gap.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Database, Sandbox, Server, texts, violations, warnings};

/// What stands under `http` comes first, what `pay` expects second.
fn spec(http: &str, expect: &str) -> String {
    format!(
        "
venomqa: 1
name: till
http: {{ {http} }}
systems: {{ db: {{ sqlite: till.db }} }}
setup: [{{ request: {{ method: POST, path: /open }} }}]
actions:
  - {{ name: pay, request: {{ method: POST, path: /pay }}, max_calls: 3{expect} }}
  - {{ name: look, request: {{ path: /look }} }}
invariants:
  - {{ name: no_debt, request: {{ path: /look }}, jsonpath: $.paid, expect: {{ at_least: 0 }} }}
"
    )
}

/// A refusal, in place of an answer.
type Refusal = fn() -> Response;

fn too_many() -> Response {
    StatusCode::TOO_MANY_REQUESTS.into_response()
}

fn too_many_for_an_hour() -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "3600")]).into_response()
}

fn too_many_for_a_moment() -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0.01")]).into_response()
}

/// The date is over.
fn unavailable() -> Response {
    let headers = [("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")];
    (StatusCode::SERVICE_UNAVAILABLE, headers).into_response()
}

/// A till that refuses the requests to these paths by turns: every `every`th of them. A refusal leaves a row behind.
fn till(database: &Database, refusal: Refusal, paths: &'static [&str], every: u64) -> Server {
    let connection: Arc<Mutex<Connection>> = Arc::new(Mutex::new(database.open()));
    let seen = Arc::new(Mutex::new(0_u64));
    let answer = move |path: &'static str| {
        let connection = connection.lock().unwrap();
        let mut seen = seen.lock().unwrap();
        *seen += u64::from(paths.contains(&path));
        if paths.contains(&path) && seen.is_multiple_of(every) {
            connection
                .execute("UPDATE till SET refused = refused + 1", [])
                .unwrap();
            return refusal();
        }
        if path == "/pay" {
            connection
                .execute("UPDATE till SET paid = paid + 1", [])
                .unwrap();
        }
        let paid: i64 = connection
            .query_row("SELECT paid FROM till", [], |row| row.get(0))
            .unwrap();
        axum::Json(serde_json::json!({ "paid": paid })).into_response()
    };
    let (open, pay, look) = (answer.clone(), answer.clone(), answer);
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route("/open", post(async move || open("/open")))
            .route("/pay", post(async move || pay("/pay")))
            .route("/look", get(async move || look("/look"))),
    )
}

fn explore(spec: &str, refusal: Refusal, paths: &'static [&str], every: u64, code: i32) -> Value {
    let sandbox = Sandbox::with_spec(spec);
    let database = Database::at(sandbox.path("till.db"));
    database.execute("CREATE TABLE till (paid INT, refused INT); INSERT INTO till VALUES (0, 0)");
    let before = database.dump();
    let server = till(&database, refusal, paths, every);
    let run = sandbox
        .venomqa("explore --report json --max-steps 60")
        .at(&server.url())
        .run()
        .code(code)
        .only_run();
    assert_eq!(before, database.dump());
    run
}

/// A run in which every answer came in the end.
fn assert_whole(run: &Value) {
    assert_eq!(run["outcome"], "clean", "{run:#}");
    assert_eq!(run["stop"]["reason"], "complete", "{run:#}");
    assert_eq!(warnings(run), ["rate-limited"], "{run:#}");
    assert_eq!(
        run["figures"]["states"], 4,
        "a refusal makes no state: {run:#}"
    );
    for action in run["actions"].as_array().unwrap() {
        let statuses = action["statuses"].as_object().unwrap();
        assert!(statuses.keys().all(|status| status == "200"), "{action:#}");
    }
}

#[test]
fn an_answer_429_is_waited_for_and_leaves_no_trace_in_what_is_found() {
    for refusal in [too_many as Refusal, too_many_for_a_moment, unavailable] {
        let run = explore(&spec("", ""), refusal, &["/open", "/pay", "/look"], 5, 0);
        assert_whole(&run);
        let message = run["warnings"][0]["message"].as_str().unwrap();
        assert!(message.contains("s were waited"), "{message}");
    }
}

#[test]
fn a_login_of_setup_is_waited_for_too() {
    let sandbox = Sandbox::with_spec(&spec("", ""));
    let database = Database::at(sandbox.path("till.db"));
    database.execute("CREATE TABLE till (paid INT, refused INT); INSERT INTO till VALUES (0, 0)");
    let first = Arc::new(Mutex::new(true));
    let refuse_once = move || {
        if std::mem::take(&mut *first.lock().unwrap()) {
            return too_many();
        }
        StatusCode::NO_CONTENT.into_response()
    };
    let server = Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route("/open", post(async move || refuse_once()))
            .route("/pay", post(async || "paid"))
            .route("/look", get(async || r#"{"paid": 0}"#)),
    );
    let run = sandbox.venomqa("explore --report json").at(&server.url());
    assert_eq!(warnings(&run.run().code(0).only_run()), ["rate-limited"]);
}

#[test]
fn an_answer_that_is_lost_to_a_rate_limit_is_a_gap_and_no_violation() {
    for expect in [
        "",
        ", expect: { status: 200 }",
        ", expect: { status: [2xx, 4xx] }",
    ] {
        let run = explore(&spec("", expect), too_many_for_an_hour, &["/pay"], 2, 0);
        assert_eq!(run["outcome"], "incomplete", "{run:#}");
        assert_eq!(run["stop"]["reason"], "rate-limited", "{run:#}");
        assert_eq!(violations(&run), [""; 0]);
        let gap = run["gaps"][0].as_str().unwrap();
        assert!(
            gap.contains("lost to rate limits (429): action `pay`"),
            "{gap}"
        );
        assert!(!run["headline"].as_str().unwrap().contains("complete:"));
    }
}

#[test]
fn a_429_that_the_spec_lists_is_an_answer_like_any_other() {
    let expect = ", expect: { status: [200, 429] }";
    let run = explore(&spec("", expect), too_many_for_an_hour, &["/pay"], 1, 0);
    assert_eq!(run["outcome"], "clean", "{run:#}");
    assert_ne!(run["actions"][0]["statuses"]["429"], Value::Null, "{run:#}");
}

#[test]
fn where_waiting_is_switched_off_a_429_is_judged_and_is_a_gap() {
    let off = "retry_after: false";
    let run = explore(&spec(off, ""), too_many, &["/pay"], 2, 0);
    assert_eq!(warnings(&run), ["answers-lost"], "{run:#}");
    assert_eq!(run["outcome"], "incomplete", "{run:#}");
    let run = explore(
        &spec(off, ", expect: { status: 200 }"),
        too_many,
        &["/pay"],
        1,
        1,
    );
    assert_eq!(violations(&run), ["unexpected-status"], "{run:#}");
}

#[test]
fn a_503_without_a_date_and_one_that_stays_are_findings() {
    fn broken() -> Response {
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    }
    fn broken_for_an_hour() -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "3600")]).into_response()
    }
    for refusal in [broken as Refusal, broken_for_an_hour] {
        let run = explore(&spec("", ""), refusal, &["/pay"], 1, 1);
        assert_eq!(
            texts(&run["violations"], "name"),
            ["server-error"],
            "{run:#}"
        );
    }
}

#[test]
fn a_rate_limit_of_the_spec_spaces_all_requests() {
    let began = Instant::now();
    let run = explore(&spec("rate_limit: 100/s", ""), too_many, &[], 1, 0);
    assert_eq!(run["outcome"], "clean", "{run:#}");
    // Seven steps, and the requests of `setup` and of the invariant.
    assert!(began.elapsed() >= Duration::from_millis(80));
}
