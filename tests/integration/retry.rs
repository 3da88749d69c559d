//! Asking until something is ready.

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Database, Sandbox, Server, actions, one, run_script, violations};

const SPEC: &str = "
venomqa: 1
name: jobs
systems: { db: { sqlite: jobs.db } }
actions:
  - name: start
    request: { method: POST, path: /jobs }
    max_calls: 1
  - name: wait
    preconditions: [start]
    request: { path: /jobs }
    retry: { until: { status: 200, body: [{ jsonpath: $.state, equals: done }] }, at_most: 400ms, every: 10ms }
    extract: { result: $.result }
    max_calls: 1
  - name: use
    request: { path: '/results/{{ result }}' }
    expect: { status: 200 }
invariants:
  - { name: asked_at_most_ten_times, sql: 'SELECT asked FROM jobs WHERE asked > 10' }
";

/// Jobs that are done when they have been asked for as often as this, at first with 202, then with another state.
fn jobs(database: &Database, done_after: i64) -> Server {
    let connection: Arc<Mutex<Connection>> = Arc::new(Mutex::new(database.open()));
    let create = connection.clone();
    let ask = move || -> i64 {
        let connection = connection.lock().unwrap();
        connection
            .execute("UPDATE jobs SET asked = asked + 1", [])
            .unwrap();
        let asked = connection.query_row("SELECT asked FROM jobs", [], |row| row.get(0));
        asked.unwrap()
    };
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route(
                "/jobs",
                post(async move || {
                    let connection = create.lock().unwrap();
                    connection
                        .execute("INSERT INTO jobs VALUES (0)", [])
                        .unwrap();
                    StatusCode::CREATED
                })
                .get(async move || {
                    let asked = ask();
                    let state = if asked < done_after {
                        "running"
                    } else {
                        "done"
                    };
                    let status = if asked < 3 {
                        StatusCode::ACCEPTED
                    } else {
                        StatusCode::OK
                    };
                    (status, Json(json!({ "state": state, "result": 7 }))).into_response()
                }),
            )
            .route("/results/7", get(async || "here"))
            .fallback(async || StatusCode::NOT_FOUND),
    )
}

fn explore(sandbox: &Sandbox, done_after: i64, code: i32) -> (Value, Server) {
    let database = Database::at(sandbox.path("jobs.db"));
    database.execute("CREATE TABLE jobs (asked INT)");
    let server = jobs(&database, done_after);
    let run = sandbox
        .venomqa(["explore", "--strategy", "bfs", "--max-steps", "20"])
        .args(["--report", "json", "--base-url", &server.url()])
        .run()
        .code(code)
        .only_run();
    (run, server)
}

#[test]
fn the_answer_of_a_step_is_the_one_that_was_waited_for_and_its_rows_are_those_of_all_tries() {
    let sandbox = Sandbox::with_spec(SPEC);
    let (run, _server) = explore(&sandbox, 6, 0);
    assert_eq!(violations(&run), [""; 0], "{run:#}");
    let used = one(&run["actions"], "name", "use");
    assert_ne!(used["runs"], 0, "{run:#}");
    assert_eq!(
        one(&run["actions"], "name", "wait")["always_refused"],
        false
    );
}

#[test]
fn what_happens_while_it_is_asked_belongs_to_the_step() {
    let sandbox = Sandbox::with_spec(&SPEC.replace("asked > 10", "asked > 5"));
    let (run, _server) = explore(&sandbox, 6, 1);
    assert_eq!(violations(&run), ["asked_at_most_ten_times"], "{run:#}");
    let violation = &run["violations"][0];
    assert_eq!(actions(violation), ["start", "wait"]);
    assert_eq!(
        violation["confirmation"]["result"], "confirmed",
        "{violation:#}"
    );
    let step = &violation["path"][1];
    assert_eq!(step["response"]["retries"], 5, "{step:#}");
    assert_eq!(step["rows"][0]["after"]["asked"], 6, "{step:#}");
}

#[test]
fn what_never_comes_is_a_violation_that_says_how_often_it_was_asked() {
    let spec = SPEC.replace("invariants:", "x-none:");
    // It stays at 202 where nobody asks three times.
    let sandbox = Sandbox::with_spec(&spec.replace(
        "at_most: 400ms, every: 10ms",
        "at_most: 300ms, every: 200ms",
    ));
    let (run, _server) = explore(&sandbox, 6, 1);
    // Asked for the second time, it is no longer at 202.
    let found = ["unexpected-body", "unexpected-status"];
    assert_eq!(violations(&run), found, "{run:#}");
    let status = one(&run["violations"], "name", "unexpected-status");
    assert_eq!(
        status["message"],
        "`wait` was answered with 202 instead of 200, after 2 tries"
    );

    let sandbox = Sandbox::with_spec(&spec);
    let (run, _server) = explore(&sandbox, 1_000_000, 1);
    assert_eq!(violations(&run), ["unexpected-body"], "{run:#}");
    assert_eq!(one(&run["actions"], "name", "use")["runs"], 0, "{run:#}");
    let message = run["violations"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with(
            r#"`$.state` in the answer to `wait`: expected `"done"`, but it is `"running"`"#
        ),
        "{message}"
    );
    assert!(message.contains(" tries"), "{message}");
}

#[test]
fn scripts_ask_again_as_well() {
    for language in ["curl", "hurl"] {
        let sandbox = Sandbox::with_spec(&SPEC.replace(
            "expect: { status: 200 }\ninv",
            "expect: { status: 404 }\ninv",
        ));
        let (run, server) = explore(&sandbox, 6, 1);
        assert_eq!(violations(&run), ["unexpected-status"], "{run:#}");
        server.stop();
        let file = std::fs::read_dir(sandbox.path(".venomqa")).unwrap();
        let file = file.map(|entry| entry.unwrap().path()).next().unwrap();
        let script = sandbox
            .venomqa([
                "replay".as_ref(),
                file.as_os_str(),
                "--to".as_ref(),
                language.as_ref(),
            ])
            .run()
            .code(0)
            .stdout;
        let database = Database::at(sandbox.path("again.db"));
        database.execute("CREATE TABLE jobs (asked INT)");
        let server = jobs(&database, 6);
        let finished = run_script(&sandbox, language, &script, &server);
        let failed = if language == "curl" { 1 } else { 4 };
        finished.code(failed);
        let asked = database
            .open()
            .query_row("SELECT asked FROM jobs", [], |row| row.get(0));
        assert_eq!(asked, Ok(6), "{script}");
    }
}

#[test]
fn what_cannot_be_waited_for_is_said() {
    let spec = SPEC.replace("until: { status: 200, body: [{ jsonpath: $.state, equals: done }] }, at_most: 400ms, every: 10ms", "until: {}, every: 1m");
    Sandbox::with_spec(&spec)
        .venomqa("validate")
        .run()
        .code(2)
        .complains(&[
            "`actions[1].retry.until` waits for nothing",
            "the first pause is longer than all the time",
            "venomqa.yaml:12:",
        ]);
}

#[test]
fn a_server_error_is_not_waited_out_unless_it_is_listed() {
    let spec = "
venomqa: 1
name: report
restore: none
actions:
  - name: read
    request: { path: /report }
    retry: { until: { status: 200 }, at_most: 1m, every: 10ms }
    max_calls: 1
";
    let explore = |spec: &str, failures: u32, status: StatusCode, code: i32| {
        let asked = Arc::new(Mutex::new(0));
        let count = asked.clone();
        let report = get(async move || {
            *count.lock().unwrap() += 1;
            if *count.lock().unwrap() > failures {
                StatusCode::OK
            } else {
                status
            }
        });
        let router = Router::new().route("/", get(async || "ready"));
        let server = Server::start(router.route("/report", report));
        let run = Sandbox::with_spec(spec)
            .venomqa("explore --strategy random --max-steps 1 --report json")
            .args(["--base-url", &server.url()])
            .run()
            .code(code)
            .only_run();
        server.stop();
        let asked = *asked.lock().unwrap();
        (violations(&run).concat(), asked)
    };
    let failed = StatusCode::INTERNAL_SERVER_ERROR;
    let (found, _) = explore(spec, u32::MAX, failed, 1);
    assert_eq!(found, "server-error");
    // A gateway that waits for the service.
    let (found, asked) = explore(spec, 3, StatusCode::BAD_GATEWAY, 0);
    assert_eq!((found.as_str(), asked), ("", 4));
    let listed = spec.replace(
        "    max_calls",
        "    expect: { status: [200, 5xx] }\n    max_calls",
    );
    let (found, asked) = explore(&listed, 3, failed, 0);
    assert_eq!((found.as_str(), asked), ("", 4));
}

#[test]
fn a_login_waits_as_well_and_makes_up_another_nonce_each_time() {
    let spec = r#"
venomqa: 1
name: members
restore: none
principals:
  anna:
    login:
      request: { method: POST, path: /login, json: { nonce: "{{ uuid() }}" } }
      retry: { until: { status: 200 }, at_most: 1m, every: 10ms }
      extract: { token: $.token }
    headers: { Authorization: "Bearer {{ token }}" }
actions:
  - { name: read, as: anna, request: { path: /read } }
"#;
    let nonces: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = nonces.clone();
    let login = post(async move |Json(body): Json<Value>| {
        let mut seen = seen.lock().unwrap();
        let nonce = body["nonce"].as_str().unwrap().to_owned();
        if seen.is_empty() {
            // Not ready yet at first: the same request comes again.
            seen.push(nonce);
            return StatusCode::ACCEPTED.into_response();
        }
        if seen[1..].contains(&nonce) {
            return StatusCode::CONFLICT.into_response();
        }
        seen.push(nonce);
        Json(json!({ "token": format!("token-{}", seen.len()) })).into_response()
    });
    // A token is good for three requests.
    let uses: Arc<Mutex<std::collections::HashMap<String, u32>>> = Arc::default();
    let read = get(async move |headers: axum::http::HeaderMap| {
        let token = headers["authorization"].to_str().unwrap().to_owned();
        let mut uses = uses.lock().unwrap();
        let used = uses.entry(token).or_default();
        *used += 1;
        if *used > 3 {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::OK
        }
    });
    let router = Router::new().route("/", get(async || "ready"));
    let server = Server::start(router.route("/login", login).route("/read", read));
    let run = Sandbox::with_spec(spec)
        .venomqa("explore --strategy random --max-steps 12 --report json")
        .args(["--base-url", &server.url()])
        .run()
        .code(0)
        .only_run();
    assert_eq!(run["outcome"], "clean", "{run:#}");
    assert!(nonces.lock().unwrap().len() > 3, "{nonces:?}");
}

#[test]
fn a_script_ends_a_retry_where_the_run_ended_it() {
    let spec = "
venomqa: 1
name: report
reset: { request: { path: /reset } }
actions:
  - name: read
    request: { path: /report }
    retry: { until: { status: [201, 202] }, at_most: 1s, every: 10ms }
    max_calls: 1
";
    // Not there yet, then broken; a gateway that waits says nothing.
    let answers = [404, 502, 500];
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let report = get(async move || {
        let mut count = count.lock().unwrap();
        *count += 1;
        StatusCode::from_u16(answers[(*count - 1) % 3]).unwrap()
    });
    let router = Router::new().route("/", get(async || "ready"));
    let server = Server::start(
        router
            .route("/report", report)
            .route("/reset", get(async || "reset")),
    );
    let sandbox = Sandbox::with_spec(spec);
    let run = sandbox
        .venomqa("explore --strategy bfs --max-steps 1 --report json")
        .args(["--base-url", &server.url()])
        .run()
        .code(1)
        .only_run();
    assert_eq!(violations(&run), ["server-error"], "{run:#}");
    let file = std::fs::read_dir(sandbox.path(".venomqa")).unwrap();
    let file = file.map(|entry| entry.unwrap().path()).next().unwrap();
    let file = file.to_str().unwrap();
    let curl = sandbox
        .venomqa(["replay", file, "--to", "curl"])
        .run()
        .code(0)
        .stdout;
    *asked.lock().unwrap() = 0;
    run_script(&sandbox, "curl", &curl, &server).code(1);
    assert_eq!(*asked.lock().unwrap(), 3, "{curl}");
    let hurl = sandbox
        .venomqa(["replay", file, "--to", "hurl"])
        .run()
        .code(2);
    hurl.complains(&[
        "was answered with 500, which ends its `retry`",
        "`--to curl` ends there",
    ]);
}
