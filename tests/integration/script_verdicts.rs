//! Scripts judge by the oracle of the reproduction: they fail while the bug is there, and succeed once it is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::{Json, Router};
use serde_json::json;

use crate::support::{Finished, Running, Sandbox, Server, hurl};

/// Each path has something wrong with it while there is the bug.
fn server(bug: Arc<AtomicBool>) -> Server {
    otherwise(bug, Arc::default())
}

/// The same; every path but `/` answers with this status and no JSON, unless it is 0.
fn otherwise(bug: Arc<AtomicBool>, status: Arc<AtomicU16>) -> Server {
    Server::start(Router::new().fallback(async move |request: Request| {
        let status = status.load(Ordering::Relaxed);
        if status != 0 && request.uri().path() != "/" {
            return (StatusCode::from_u16(status).unwrap(), "<p>hello").into_response();
        }
        let bug = bug.load(Ordering::Relaxed);
        match request.uri().path() {
            "/crash" if bug => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            "/create" | "/refund" if bug => StatusCode::OK.into_response(),
            "/create" => StatusCode::CREATED.into_response(),
            "/refund" => StatusCode::CONFLICT.into_response(),
            "/made" if bug => Json(json!({})).into_response(),
            "/made" => Json(json!({ "id": 7 })).into_response(),
            "/list" if bug => Json(json!([{ "id": 1 }])).into_response(),
            "/list" => Json(json!([{ "id": 1 }, { "id": 2 }])).into_response(),
            _ => Json(json!({ "total": if bug { -5 } else { 5 }, "state": if bug { "op\"en" } else { "shut" } })).into_response(),
        }
    }))
}

/// What a reproduction says of its oracle, the status that was seen, the request, and the rest of the spec.
const CASES: [(&str, u16, &str, &str); 9] = [
    ("check: server-error", 500, "path: /crash", ""),
    (
        "check: unexpected-status",
        200,
        "method: POST, path: /create }, expect: { status: [201, 4xx]",
        "",
    ),
    (
        "check: unexpected-body",
        200,
        "path: /total }, expect: { body: [{ jsonpath: $.total, at_least: 0, at_most: 10 }]",
        "",
    ),
    (
        "check: extract-failed, evidence: id",
        200,
        "path: /made }, extract: { id: $.id",
        "",
    ),
    (
        "invariant: a",
        200,
        "path: /total",
        "invariants: [{ name: a, jsonpath: $.state, expect: { not_equals: 'op\"en' } }]",
    ),
    (
        "invariant: a",
        200,
        "path: /",
        "invariants: [{ name: a, request: { path: /total }, jsonpath: $.total, expect: { equals: 5 } }]",
    ),
    (
        "invariant: a",
        200,
        "path: /",
        "invariants: [{ name: a, request: { path: /list }, jsonpath: '$[*].id', expect: { count: 2 } }]",
    ),
    (
        "invariant: a",
        200,
        "path: /",
        "invariants: [{ name: a, request: { path: /total }, jsonpath: $.state, expect: { matches: '^sh.t$' } }]",
    ),
    (
        "invariant: a",
        200,
        "method: POST, path: /refund",
        "systems: { db: { sqlite: a.db } }\ninvariants: [{ name: a, sql: SELECT 1 FROM t }]",
    ),
];

fn reproduction((oracle, status, request, rest): (&str, u16, &str, &str)) -> String {
    format!(
        "
venomqa: 1
name: verdict
reproduction: {{ {oracle}, severity: high, message: it is wrong, confirmed: 3 of 3, folder: . }}
path: [{{ action: last, status: {status} }}]
http: {{ base_url: \"${{SERVICE_URL}}\" }}
restore: none
actions: [{{ name: last, request: {{ {request} }} }}]
{rest}
"
    )
}

fn run(sandbox: &Sandbox, server: &Server, words: &[&str]) -> Finished {
    let mut command = sandbox.command(words[0]);
    command.args(&words[1..]).env("SERVICE_URL", server.url());
    Running::spawn(&mut command, sandbox.dir()).wait()
}

/// The reproduction in both languages.
fn scripts(case: (&str, u16, &str, &str), server: &Server) -> Sandbox {
    let restore = if case.3.contains("sqlite") {
        ""
    } else {
        "restore: none\n"
    };
    let sandbox = Sandbox::with_spec(&reproduction(case).replace("restore: none\n", restore));
    for language in ["curl", "hurl"] {
        let script = sandbox
            .venomqa(format!("replay venomqa.yaml --to {language}"))
            .env("SERVICE_URL", server.url())
            .run()
            .code(0)
            .stdout;
        sandbox.write(&format!("repro.{language}"), &script);
    }
    sandbox
}

fn with_hurl(server: &Server) -> Vec<String> {
    let url = format!("base_url={}", server.url());
    let program = hurl().to_str().unwrap().to_owned();
    let words = ["--test", "--variable", &url, "repro.hurl"];
    std::iter::once(program)
        .chain(words.map(str::to_owned))
        .collect()
}

#[test]
fn an_answer_that_says_nothing_of_the_bug_is_no_verdict() {
    for case in CASES {
        let bug = Arc::new(AtomicBool::new(true));
        let status = Arc::new(AtomicU16::new(0));
        let server = otherwise(bug, Arc::clone(&status));
        let sandbox = scripts(case, &server);
        for other in [401, 503, 302, 200] {
            let says_nothing = match case.0 {
                "check: server-error" | "check: unexpected-status" => other == 401,
                // The status that was seen.
                _ if case.3.contains("sqlite") => other != 200,
                _ => true,
            };
            if !says_nothing {
                continue;
            }
            status.store(other, Ordering::Relaxed);
            run(&sandbox, &server, &["sh", "repro.curl"])
                .code(3)
                .complains(&["| <p>hello"]);
            let hurl = with_hurl(&server);
            let hurl: Vec<&str> = hurl.iter().map(String::as_str).collect();
            let judged = run(&sandbox, &server, &hurl);
            assert_ne!(judged.status.code(), Some(0), "{other}: {judged}");
        }
    }
}

#[test]
fn a_script_that_cannot_run_ends_with_2() {
    let server = server(Arc::default());
    let case = CASES[0];
    let text = reproduction(case).replace("\"${SERVICE_URL}\"", "\"http://${MY_HOST}\"");
    let sandbox = Sandbox::with_spec(&text);
    let script = sandbox
        .venomqa("replay venomqa.yaml --to curl")
        .env("MY_HOST", "127.0.0.1:9")
        .run()
        .code(0)
        .stdout;
    sandbox.write("repro.curl", &script);
    for shell in ["sh", "bash"] {
        run(&sandbox, &server, &[shell, "repro.curl"])
            .code(2)
            .complains(&["MY_HOST"]);
    }
}

#[test]
fn a_script_fails_while_the_bug_is_there_and_succeeds_once_it_is_not() {
    for case in CASES {
        let bug = Arc::new(AtomicBool::new(true));
        let server = server(Arc::clone(&bug));
        let sandbox = scripts(case, &server);
        let (curl, hurl) = (["sh", "repro.curl"], with_hurl(&server));
        let hurl: Vec<&str> = hurl.iter().map(String::as_str).collect();
        run(&sandbox, &server, &curl)
            .code(1)
            .complains(&["it is wrong"]);
        run(&sandbox, &server, &hurl).code(4);
        bug.store(false, Ordering::Relaxed);
        run(&sandbox, &server, &curl).code(0);
        run(&sandbox, &server, &hurl).code(0);
        let script = sandbox.read("repro.curl");
        assert_eq!(
            script.contains("SELECT 1 FROM t"),
            case.3.contains("sqlite"),
            "{script}"
        );
    }
}

#[test]
fn a_request_before_the_last_that_is_answered_otherwise_is_no_verdict() {
    let server = server(Arc::default());
    let text = reproduction(CASES[0])
        .replace("path: [", "path: [{ action: first, status: 201 }, ")
        .replace(
            "actions: [",
            "actions: [{ name: first, request: { path: /total } }, ",
        );
    let sandbox = Sandbox::with_spec(&text);
    let script = sandbox
        .venomqa("replay venomqa.yaml --to curl")
        .env("SERVICE_URL", server.url())
        .run()
        .code(0)
        .stdout;
    sandbox.write("repro.curl", &script);
    run(&sandbox, &server, &["sh", "repro.curl"])
        .code(3)
        .complains(&["201 was expected", "| {\"total\":5"]);
}
