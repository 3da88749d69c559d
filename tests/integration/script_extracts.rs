//! What scripts take out of answers, as the spec says it: parts of headers, of values and of texts.

use std::sync::{Arc, Mutex};

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::support::{Database, Finished, Sandbox, Server, run_script, violations};

const SPEC: &str = r#"
venomqa: 1
name: parts
systems: { db: { sqlite: parts.db } }
variables: { tags: [red, "a b"] }
actions:
  - name: login
    request: { method: POST, path: /login }
    expect: { status: 302 }
    extract:
      code: { header: Location, regex: "code=([^&]+)" }
      number: { cookie: session, regex: "[0-9]+" }
    max_calls: 1
  - name: page
    preconditions: [login]
    request: { path: /page }
    extract: { whole: { body: {} }, word: { body: { regex: "name=(\\w+)" } } }
    max_calls: 1
  - name: list
    preconditions: [page]
    request: { path: /list }
    extract: { digits: { jsonpath: "$[0].id", regex: "[0-9]" }, ALL }
    max_calls: 1
  - name: boom
    preconditions: [list]
    request: { method: POST, path: /boom, query: { tag: "{{ tags }}" }, json: { code: "{{ code }}", number: "{{ number }}", whole: "{{ whole }}", word: "{{ word }}", digit: "{{ digits }}" } }
"#;

/// What `boom` was sent: query and body.
type Got = Arc<Mutex<Vec<(String, Value)>>>;

/// Answers with other values each time that it is started.
fn service(seed: u32) -> (Server, Got) {
    let got = Got::default();
    let seen = got.clone();
    let login = move || async move {
        let location = format!("/callback?state=x&code=c-{seed}&more=1");
        let cookie = format!("session=s{seed}x");
        let headers = [("location", location), ("set-cookie", cookie)];
        (StatusCode::FOUND, headers)
    };
    let page = move || async move { format!("the page \"name=w{seed}\" ends\n") };
    let list = move || async move { Json(json!([{ "id": seed }, { "id": 7 }])) };
    let boom = async move |RawQuery(query): RawQuery, Json(body): Json<Value>| {
        seen.lock().unwrap().push((query.unwrap_or_default(), body));
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let router = Router::new()
        .route("/", get(async || "ready"))
        .route("/login", post(login))
        .route("/page", get(page))
        .route("/list", get(list))
        .route("/boom", post(boom));
    (Server::start(router), got)
}

/// The reproduction of the bug, in these words.
fn replay(spec: &str, language: &str) -> (Sandbox, Finished) {
    let sandbox = Sandbox::with_spec(spec);
    Database::at(sandbox.path("parts.db")).execute("CREATE TABLE parts (n INT)");
    let (server, _) = service(12);
    let run = sandbox
        .venomqa("explore --strategy bfs --max-steps 60 --report json")
        .args(["--base-url", &server.url()])
        .run()
        .code(1)
        .only_run();
    assert_eq!(violations(&run), ["server-error"], "{run:#}");
    let file = std::fs::read_dir(sandbox.path(".venomqa")).unwrap();
    let file = file.map(|entry| entry.unwrap().path()).next().unwrap();
    let finished = sandbox
        .venomqa(["replay", file.to_str().unwrap(), "--to", language])
        .run();
    (sandbox, finished)
}

#[test]
fn scripts_take_parts_of_headers_of_values_and_whole_texts_out_of_answers() {
    for (language, code) in [("curl", 1), ("hurl", 4)] {
        let (sandbox, finished) = replay(&SPEC.replace(", ALL", ""), language);
        let script = finished.code(0).stdout;
        let (server, got) = service(34);
        run_script(&sandbox, language, &script, &server).code(code);
        let body = json!({
            "code": "c-34", "number": "34", "whole": "the page \"name=w34\" ends\n", "word": "w34", "digit": "3",
        });
        let sent = got.lock().unwrap().clone();
        let query = sent.first().map(|(query, _)| query.replace("%20", "+"));
        assert_eq!(query.as_deref(), Some("tag=red&tag=a+b"), "{script}");
        assert_eq!(sent[0].1, body, "{script}");
    }
}

#[test]
fn a_list_of_all_that_was_found_is_refused_with_that_reason() {
    let spec = SPEC
        .replace("ALL", "ids: { jsonpath: '$[*].id', all: true }")
        .replace("digit: ", "ids: \"{{ ids }}\", digit: ");
    for language in ["curl", "hurl"] {
        let (_sandbox, finished) = replay(&spec, language);
        let said = finished.to_string();
        assert!(
            said.contains("a list of all that was found in an answer"),
            "{said}"
        );
        assert!(!said.contains("is not defined"), "{said}");
    }
}
