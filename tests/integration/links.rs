//! Links of answers that are relative to the request that was answered.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;

use crate::support::{Sandbox, Server, actions, run_script};

const SPEC: &str = r#"
venomqa: 1
name: links
reset: { request: { path: /reset } }
http: { follow_redirects: 3 }
actions:
  - { name: create, request: { method: POST, path: /orders/ }, expect: { status: 201 }, extract: { order: { header: HEADER } }, max_calls: 1 }
  - { name: boom, request: { method: POST, path: "PATH" }, max_calls: 1 }
"#;

type Seen = Arc<Mutex<Vec<String>>>;

/// Answers a new order with this header; everything else that is posted fails.
fn service(header: &'static str, link: &'static str, moved: bool) -> (Server, Seen) {
    let seen = Seen::default();
    let asked = seen.clone();
    let answer = any(async move |method: Method, uri: Uri| -> Response {
        let request = format!("{method} {uri}");
        if method == Method::POST {
            asked.lock().unwrap().push(request.clone());
        }
        match request.as_str() {
            "POST /api/orders/" if moved => {
                let headers = [("location", "../v2/orders/?from=v1")];
                (StatusCode::PERMANENT_REDIRECT, headers).into_response()
            }
            "POST /api/orders/" | "POST /api/v2/orders/?from=v1" => {
                (StatusCode::CREATED, [(header, link)]).into_response()
            }
            _ if method == Method::POST => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            _ => StatusCode::OK.into_response(),
        }
    });
    (Server::start(Router::new().fallback(answer)), seen)
}

#[test]
fn a_relative_link_starts_at_the_request_that_was_answered_in_scripts_as_well() {
    for (header, link, moved, path, asked) in [
        ("location", "1", false, "{{ order }}", "/api/orders/1"),
        (
            "location",
            "../users/2#top",
            false,
            "{{ order }}/pay",
            "/api/users/2/pay",
        ),
        (
            "location",
            "?page=2",
            false,
            "{{ order }}",
            "/api/orders/?page=2",
        ),
        (
            "location",
            "a%20b?x=http://c/d",
            false,
            "{{ order }}",
            "/api/orders/a%20b?x=http://c/d",
        ),
        (
            "content-location",
            "./1",
            false,
            "{{ order }}",
            "/api/orders/1",
        ),
        ("location", "1", true, "{{ order }}", "/api/v2/orders/1"),
        ("location", "/api/1", true, "{{ order }}", "/api/1"),
        // A part of a path stays what it is.
        (
            "location",
            "1",
            false,
            "/orders/{{ order }}/pay",
            "/api/orders/1/pay",
        ),
    ] {
        let spec = SPEC.replace("HEADER", header).replace("PATH", path);
        let sandbox = Sandbox::with_spec(&spec);
        let (server, seen) = service(header, link, moved);
        let base = format!("{}/api", server.url());
        let run = sandbox
            .venomqa("explore --strategy bfs --max-steps 20 --report json")
            .args(["--base-url", &base])
            .run()
            .code(1)
            .only_run();
        assert_eq!(
            actions(&run["violations"][0]),
            ["create", "boom"],
            "{run:#}"
        );
        let asked = format!("POST {asked}");
        let said = seen.lock().unwrap().clone();
        assert!(said.contains(&asked), "{link} {path}: {said:?}");
        let file = std::fs::read_dir(sandbox.path(".venomqa")).unwrap();
        let file = file.map(|entry| entry.unwrap().path()).next().unwrap();
        let file = file.to_str().unwrap();
        for language in ["curl", "hurl"] {
            let script = sandbox
                .venomqa(["replay", file, "--to", language])
                .run()
                .code(0)
                .stdout;
            seen.lock().unwrap().clear();
            let script = script.replace("${base_url%/}", "${base_url%/}/api");
            let script = script.replace("{{base_url}}", "{{base_url}}/api");
            let script = script.replace("{{origin}}", "{{base_url}}");
            let finished = run_script(&sandbox, language, &script, &server);
            let said = seen.lock().unwrap().clone();
            assert_eq!(
                said.last(),
                Some(&asked),
                "{link} {path} {said:?} {script} {}",
                finished.stderr
            );
        }
    }
}
