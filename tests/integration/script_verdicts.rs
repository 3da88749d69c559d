//! Scripts judge by the oracle of the reproduction: they fail while the bug is there, and succeed once it is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::{Json, Router};
use serde_json::json;

use crate::support::{Finished, Running, Sandbox, Server, hurl};

/// Each path has something wrong with it while there is the bug.
fn server(bug: Arc<AtomicBool>) -> Server {
    Server::start(Router::new().fallback(async move |request: Request| {
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

#[test]
fn a_script_fails_while_the_bug_is_there_and_succeeds_once_it_is_not() {
    for case in CASES {
        let bug = Arc::new(AtomicBool::new(true));
        let server = server(Arc::clone(&bug));
        let sandbox = Sandbox::with_spec(&reproduction(case).replace(
            "restore: none\n",
            if case.3.contains("sqlite") {
                ""
            } else {
                "restore: none\n"
            },
        ));
        for language in ["curl", "hurl"] {
            let script = sandbox
                .venomqa(format!("replay venomqa.yaml --to {language}"))
                .env("SERVICE_URL", server.url())
                .run()
                .code(0)
                .stdout;
            sandbox.write(&format!("repro.{language}"), &script);
        }
        let url = format!("base_url={}", server.url());
        let curl = ["sh", "repro.curl"];
        let hurl = [
            hurl(),
            "--test".into(),
            "--variable".into(),
            url.into(),
            "repro.hurl".into(),
        ];
        let hurl: Vec<&str> = hurl.iter().map(|word| word.to_str().unwrap()).collect();
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
