//! Redirects: an answer like any other, unless the spec says to follow them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use serde_json::Value;

use crate::support::{Sandbox, Server, hurl, run_script, warnings};

/// Requests as they came: method, path, who asks, the body.
type Seen = Arc<Mutex<Vec<String>>>;

fn listener(
    seen: &Seen,
    redirect: impl Fn(&str) -> Option<(u16, String)> + Clone + Send + Sync + 'static,
) -> Server {
    let seen = seen.clone();
    let answer =
        async move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| -> Response {
            let header = |name: &str| {
                headers
                    .get(name)
                    .map_or("", |value| value.to_str().unwrap())
            };
            let (who, cookie) = (header("authorization"), header("cookie"));
            let body = String::from_utf8_lossy(&body);
            seen.lock()
                .unwrap()
                .push(format!("{method} {uri} {who} {cookie} {body}"));
            let path = uri.path();
            let cookie = format!("at{}=1; Path=/", path.replace('/', "-"));
            match redirect(path) {
                Some((status, to)) => {
                    let status = StatusCode::from_u16(status).unwrap();
                    (status, [("location", to), ("set-cookie", cookie)]).into_response()
                }
                None => axum::Json(serde_json::json!({ "id": 7 })).into_response(),
            }
        };
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .fallback(any(answer)),
    )
}

/// Sends `POST /begin` once, with these settings of `http`; what the service saw, and the run.
fn send(
    http: &str,
    redirect: impl Fn(&str) -> Option<(u16, String)> + Clone + Send + Sync + 'static,
) -> (Vec<String>, Value) {
    let sandbox = Sandbox::with_spec(&format!(
        r"
venomqa: 1
name: way
restore: none
http: {{ headers: {{ Authorization: Bearer t0ken-of-ada }}, {http} }}
actions:
  - {{ name: begin, request: {{ method: POST, path: /begin, text: hello }}, max_calls: 1, extract: {{ id: $.id }} }}
"
    ));
    let seen = Seen::default();
    let server = listener(&seen, redirect);
    let run = sandbox
        .venomqa("explore --strategy random --max-steps 1 --report json")
        .at(&server.url())
        .run()
        .only_run();
    let seen = seen.lock().unwrap().clone();
    (seen, run)
}

fn to(status: u16, path: &'static str) -> impl Fn(&str) -> Option<(u16, String)> + Clone {
    move |at| (at == "/begin").then(|| (status, path.to_owned()))
}

#[test]
fn a_redirect_is_the_answer_unless_the_spec_says_to_follow_it() {
    let (seen, run) = send("timeout: 10s", to(303, "/end"));
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(run["actions"][0]["statuses"]["303"], 1, "{run:#}");
}

#[test]
fn a_redirect_is_followed_with_get_or_with_the_method_it_had() {
    let me = "Bearer t0ken-of-ada at-begin=1";
    for (status, next) in [
        (301, format!("GET /end {me} ")),
        (302, format!("GET /end {me} ")),
        (303, format!("GET /end {me} ")),
        (307, format!("POST /end {me} hello")),
        (308, format!("POST /end {me} hello")),
    ] {
        let (seen, run) = send("follow_redirects: 1", to(status, "end#there"));
        assert_eq!(seen[1..], [next], "{status}");
        assert_eq!(run["actions"][0]["statuses"]["200"], 1, "{run:#}");
    }
}

#[test]
fn so_many_redirects_are_followed_and_no_more() {
    let (seen, run) = send("follow_redirects: 3", |at: &str| {
        Some((302, format!("{at}/x")))
    });
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert_eq!(run["actions"][0]["statuses"]["302"], 1, "{run:#}");
}

#[test]
fn another_origin_is_asked_only_where_the_spec_allows_it_and_without_credentials() {
    let there = Seen::default();
    let server = listener(&there, |_| None);
    let away = format!("{}/elsewhere", server.url());
    let allowed = format!("follow_redirects: 2, origins: [\"{}\"]", server.url());
    for (http, status, asked, code) in [
        ("follow_redirects: 2", 302, 0, "redirect-not-followed"),
        (allowed.as_str(), 302, 1, ""),
        // The body may hold a password.
        (allowed.as_str(), 307, 1, "redirect-not-followed"),
    ] {
        let away = away.clone();
        let (_, run) = send(http, move |at| {
            (at == "/begin").then(|| (status, away.clone()))
        });
        let seen = there.lock().unwrap().clone();
        assert_eq!(seen.len(), asked, "{http}: {seen:?}");
        assert!(
            seen.iter().all(|line| line == "GET /elsewhere   "),
            "{seen:?}"
        );
        let codes = warnings(&run);
        assert_eq!(
            codes.contains(&"redirect-not-followed"),
            !code.is_empty(),
            "{run:#}"
        );
    }
}

#[test]
fn scripts_follow_what_the_run_followed() {
    let sandbox = Sandbox::with_spec(
        r"
venomqa: 1
name: form
reset: { request: { path: /reset } }
http: { follow_redirects: 5 }
setup:
  - { request: { method: POST, path: /login, form: { user: ada } } }
actions:
  - { name: order, request: { method: POST, path: /orders }, max_calls: 1, expect: { status: 201 } }
",
    );
    let seen = Seen::default();
    let server = listener(&seen, |at| {
        ["/login", "/orders"]
            .contains(&at)
            .then(|| (303, format!("{at}/seen")))
    });
    sandbox
        .venomqa("explore --strategy bfs --max-steps 1")
        .at(&server.url())
        .run()
        .code(1);
    let mut files = std::fs::read_dir(sandbox.path(".venomqa")).unwrap();
    let file = files.next().unwrap().unwrap().path();
    let ways = |lines: &[String]| -> Vec<String> {
        let path = |line: &String| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        lines.iter().map(path).collect()
    };
    let wanted = [
        "POST /login",
        "GET /login/seen",
        "POST /orders",
        "GET /orders/seen",
    ];
    let file = file.to_str().unwrap();
    let curl = sandbox
        .venomqa(["replay", file, "--to", "curl"])
        .run()
        .code(0);
    sandbox.write("bug.sh", &curl.stdout);
    seen.lock().unwrap().clear();
    sandbox.command("sh").arg("bug.sh").status().unwrap();
    assert_eq!(ways(&seen.lock().unwrap()), wanted, "{}", curl.stdout);
    let script = sandbox
        .venomqa(["replay", file, "--to", "hurl"])
        .run()
        .code(0);
    let path = sandbox.write("bug.hurl", &script.stdout);
    seen.lock().unwrap().clear();
    let base = format!("base_url={}", server.url());
    let mut command = sandbox.command(hurl());
    command
        .args(["--test", "--variable", &base])
        .arg(path)
        .status()
        .unwrap();
    assert_eq!(ways(&seen.lock().unwrap()), wanted, "{}", script.stdout);
}

#[test]
fn a_script_follows_a_redirect_with_the_method_that_the_run_took() {
    for (method, status, then) in [
        ("PUT", 303, "GET /seen   "),
        ("DELETE", 302, "GET /seen   "),
        ("PATCH", 301, "GET /seen   "),
        ("PUT", 307, "PUT /seen   hello\n"),
        ("POST", 308, "POST /seen   hello\n"),
        ("POST", 303, "GET /seen   "),
    ] {
        let sandbox = Sandbox::with_spec(&format!(
            r#"
venomqa: 1
name: form
reset: {{ request: {{ path: /reset }} }}
http: {{ follow_redirects: 2 }}
actions:
  - {{ name: order, request: {{ method: {method}, path: /a/begin, text: "hello\n" }}, max_calls: 1, expect: {{ status: 201 }} }}
"#
        ));
        let seen = Seen::default();
        // From one path to the other, both relative.
        let server = listener(&seen, move |at| match at {
            "/a/begin" => Some((status, "../a/b/".to_owned())),
            "/a/b/" => Some((status, "../../seen".to_owned())),
            _ => None,
        });
        sandbox
            .venomqa("explore --strategy bfs --max-steps 1")
            .at(&server.url())
            .run()
            .code(1);
        let without_cookies = |seen: &Seen| -> Vec<String> {
            let lines = seen.lock().unwrap();
            let own = lines.iter().filter(|line| !line.contains("/reset"));
            let plain = own.take(3).map(|line| {
                let cookies = line.split(' ').filter(|word| !word.starts_with("at-"));
                cookies.collect::<Vec<_>>().join(" ")
            });
            plain.collect()
        };
        let wanted = without_cookies(&seen);
        assert_eq!(wanted.len(), 3, "{wanted:?}");
        assert_eq!(
            wanted[2].split_whitespace().collect::<Vec<_>>(),
            then.split_whitespace().collect::<Vec<_>>()
        );
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
            run_script(&sandbox, language, &script, &server);
            let words = |lines: &[String]| -> Vec<Vec<String>> {
                let words = |line: &String| line.split_whitespace().map(str::to_owned).collect();
                lines.iter().map(words).collect()
            };
            assert_eq!(
                words(&without_cookies(&seen)),
                words(&wanted),
                "{language} {script}"
            );
        }
    }
}
