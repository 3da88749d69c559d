//! What a request may say, and what may be taken from an answer and expected of it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, Uri};
use axum::routing::{any, get};

use crate::support::{Sandbox, Server, actions, hurl, items, violations};

/// Requests as they came: method, target, chosen headers, the body.
type Seen = Arc<Mutex<Vec<String>>>;

const PAGE: &str = r#"<form><input name="csrf" value="f/1 + &"><i>12</i><i>13</i></form>"#;

/// Answers everything; forgets `Cache-Control` once something was deleted.
fn listener(seen: &Seen) -> Server {
    let seen = seen.clone();
    let answer = async move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let header = |name: &str| {
            let value = headers.get(name);
            value.map_or("", |value| value.to_str().unwrap()).to_owned()
        };
        let kind = header("content-type");
        let kind = kind.split("; boundary").next().unwrap_or_default();
        let body = String::from_utf8_lossy(&body);
        // What separates the parts is everybody's own.
        let body = match body.split_once("\r\n") {
            Some((boundary, _)) if boundary.starts_with("--") => body.replace(boundary, "--"),
            _ => body.into_owned(),
        };
        let (who, cookie) = (header("authorization"), header("cookie"));
        let mut seen = seen.lock().unwrap();
        seen.push(format!("{method} {uri} [{kind}] [{who}] [{cookie}] {body}"));
        let was_deleted = seen.iter().any(|line| line.starts_with("DELETE"));
        let mut response = Response::builder()
            .header("location", "/orders/7?x=1")
            .header("set-cookie", "sid=s-1; Path=/")
            .header("set-cookie", "theme=dark; Path=/");
        if !was_deleted || uri.path() != "/page" {
            response = response.header("cache-control", "no-store");
        }
        response.body(Body::from(PAGE)).unwrap()
    };
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .fallback(any(answer)),
    )
}

const REQUESTS: &str = r#"
venomqa: 1
name: shapes
restore: none
variables: { tag: "a/b c" }
actions:
  - { name: a, request: { path: "/tags/{{ tag }}", query: { tag: [x, "{{ tag }}"] } } }
  - { name: b, request: { method: POST, path: /form, form: { tag: [x, "{{ tag }}"] }, basic: { user: qa, password: "p:w" } } }
  - { name: c, request: { method: PUT, path: /file, file: ./data/note.txt } }
  - { name: d, request: { method: PUT, path: /bytes, base64: aGVsbG8= } }
  - { name: e, request: { method: POST, path: /parts, multipart: { tag: "{{ tag }}", meta: { text: "{}", type: application/json }, file: { file: data/note.txt, type: text/x-note } } } }
  - { name: f, request: { method: POST, path: /numbers, json: { price: 0.10, long: [12345.678901234567890123] } } }
"#;

const SENT: [&str; 6] = [
    "GET /tags/a%2Fb%20c?tag=x&tag=a%2Fb+c [] [] [] ",
    "POST /form [application/x-www-form-urlencoded] [Basic cWE6cDp3] [sid=s-1; theme=dark] tag=x&tag=a%2Fb+c",
    "PUT /file [text/plain] [] [sid=s-1; theme=dark] a note\n",
    "PUT /bytes [application/octet-stream] [] [sid=s-1; theme=dark] hello",
    "POST /parts [multipart/form-data] [] [sid=s-1; theme=dark] --\r\nContent-Disposition: form-data; name=\"tag\"\r\n\r\na/b c\r\n\
     --\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{}\r\n\
     --\r\nContent-Disposition: form-data; name=\"file\"; filename=\"note.txt\"\r\nContent-Type: text/x-note\r\n\r\na note\n\r\n----\r\n",
    "POST /numbers [application/json] [] [sid=s-1; theme=dark] {\"price\":0.10,\"long\":[12345.678901234567890123]}",
];

fn sandbox(spec: &str) -> Sandbox {
    let sandbox = Sandbox::with_spec(spec);
    std::fs::create_dir(sandbox.path("data")).unwrap();
    sandbox.write("data/note.txt", "a note\n");
    sandbox
}

#[test]
fn lists_forms_files_parts_numbers_and_basic_authentication_arrive() {
    for (number, wanted) in SENT.iter().enumerate() {
        let only = ["a", "b", "c", "d", "e", "f"];
        let sandbox = sandbox(REQUESTS);
        let seen = Seen::default();
        let server = listener(&seen);
        // One action alone: which comes first is the strategy's business.
        let text = REQUESTS.lines().filter(|line| {
            let name = line.trim_start().strip_prefix("- { name: ");
            name.is_none_or(|name| name.starts_with(only[number]))
        });
        let text = text.collect::<Vec<_>>().join("\n");
        sandbox.write("venomqa.yaml", &text);
        let finished = sandbox
            .venomqa("explore --strategy random --max-steps 1")
            .at(&server.url())
            .run()
            .code(0);
        let seen = seen.lock().unwrap().clone();
        let cookies = "[sid=s-1; theme=dark]";
        assert_eq!(seen, [wanted.replace(cookies, "[]")], "{finished}");
    }
}

const TAKEN: &str = r#"
venomqa: 1
name: taken
reset: { request: { path: /reset } }
actions:
  - name: show
    request: { path: /page }
    max_calls: 1
    extract:
      session: { cookie: sid }
      csrf: { body: { regex: 'value="(.*?)"' } }
      number: { header: Location, regex: '/orders/(\d+)' }
      location: { header: Location }
      all: { regex: '<i>(\d+)</i>', all: true }
  - name: send
    request: { method: POST, path: "{{ location }}", headers: { Cookie: "sid={{ session }}" }, json: { csrf: "{{ csrf }}", all: "{{ all }}", number: "{{ number }}" } }
    expect: { status: 201 }
"#;

#[test]
fn values_are_taken_from_cookies_texts_and_parts_of_headers() {
    let sandbox = sandbox(TAKEN);
    let seen = Seen::default();
    let server = listener(&seen);
    let run = sandbox
        .venomqa("explore --strategy bfs --max-steps 3 --report json")
        .at(&server.url())
        .run()
        .code(1)
        .only_run();
    assert_eq!(violations(&run), ["unexpected-status"], "{run:#}");
    let sent = r#"POST /orders/7?x=1 [application/json] [] [sid=s-1] {"csrf":"f/1 + &","all":["12","13"],"number":"7"}"#;
    assert!(seen.lock().unwrap().iter().any(|line| line == sent));
}

const EXPECTED: &str = r#"
venomqa: 1
name: expected
reset: { request: { path: /reset } }
actions:
  - name: remove
    request: { method: DELETE, path: /orders/1 }
    max_calls: 1
  - name: show
    request: { path: /page }
    expect:
      status: 200
      headers: { Cache-Control: no-store, Location: { matches: "^/orders" }, X-None: { empty: true } }
      duration: { at_most: 10s }
      body: [{ contains: csrf }, { matches: "<i>[0-9]+</i>" }]
"#;

#[test]
fn a_header_that_is_forgotten_on_a_path_is_found_and_nothing_else() {
    let sandbox = sandbox(EXPECTED);
    let seen = Seen::default();
    let server = listener(&seen);
    let explore = |text: &str| {
        seen.lock().unwrap().clear();
        sandbox.write("venomqa.yaml", text);
        sandbox
            .venomqa("explore --strategy bfs --max-steps 6 --report json --no-corpus")
            .at(&server.url())
            .run()
            .only_run()
    };
    // Once it was deleted, the service stays so: only the first answers tell.
    let clean = explore(&EXPECTED.replace("method: DELETE, ", ""));
    assert_eq!(violations(&clean), [""; 0], "{clean:#}");
    let run = explore(EXPECTED);
    let named: Vec<&str> = violations(&run);
    assert!(named.contains(&"unexpected-header"), "{run:#}");
    let found = &items(&run["violations"])[0];
    assert!(actions(found).contains(&"show"), "{run:#}");
    let slow = explore(
        &EXPECTED
            .replace("method: DELETE, ", "")
            .replace("10s", "1us"),
    );
    assert!(violations(&slow).contains(&"too-slow"), "{slow:#}");
    let body = explore(
        &EXPECTED
            .replace("method: DELETE, ", "")
            .replace("contains: csrf", "contains: token"),
    );
    assert_eq!(violations(&body), ["unexpected-body"], "{body:#}");
}

const SCRIPTED: &str = r#"
venomqa: 1
name: scripted
reset: { request: { path: /reset } }
variables: { tag: "a/b c" }
actions:
  - name: show
    request: { path: /page }
    max_calls: 1
    extract: { csrf: { regex: 'value="(.*?)"' }, session: { cookie: sid } }
  - name: upload
    preconditions: [show]
    request: { method: POST, path: "/files/{{ csrf }}", headers: { Cookie: "sid={{ session }}" }, basic: { user: qa, password: pw-1 }, multipart: { tag: "{{ tag }}", file: { file: data/note.txt, type: text/x-note } } }
    expect: { status: 201 }
"#;

/// What came from `venomqa` and from the scripts that it writes as the last request, with the name of each.
fn sent_by_scripts(spec: &str) -> [(&'static str, String); 3] {
    let sandbox = sandbox(spec);
    let seen = Seen::default();
    let server = listener(&seen);
    let last = || seen.lock().unwrap().last().cloned().unwrap_or_default();
    sandbox
        .venomqa("explore --strategy bfs --max-steps 3")
        .at(&server.url())
        .run()
        .code(1);
    let itself = last();
    let mut files = std::fs::read_dir(sandbox.path(".venomqa")).unwrap();
    let file = files.next().unwrap().unwrap().path();
    let file = file.to_str().unwrap();
    let by_script = |language: &'static str| {
        let script = sandbox
            .venomqa(["replay", file, "--to", language])
            .run()
            .code(0)
            .stdout;
        assert!(!script.contains("pw-1"), "{script}");
        sandbox.write("bug", &script);
        seen.lock().unwrap().clear();
        let base = format!("base_url={}", server.url());
        let mut command = if language == "curl" {
            sandbox.command("sh")
        } else {
            let mut command = sandbox.command(hurl());
            command.args(["--test", "--variable", &base]);
            command
        };
        command.env("BASE_URL", server.url());
        command.env("VENOMQA_PASSWORD", "pw-1");
        command.env("HURL_VARIABLE_VENOMQA_PASSWORD", "pw-1");
        let output = command.arg("bug").output().unwrap();
        let last = last();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!last.is_empty(), "{language}: {script}\n{said}");
        (language, last)
    };
    [("itself", itself), by_script("curl"), by_script("hurl")]
}

#[test]
fn scripts_take_and_send_the_same() {
    let wanted = "[multipart/form-data] [Basic cWE6cHctMQ==]";
    for (language, last) in sent_by_scripts(SCRIPTED) {
        assert!(last.starts_with("POST /files/f%2F1"), "{language}: {last}");
        for part in [wanted, "a/b c", "a note", "note.txt", "text/x-note"] {
            assert!(last.contains(part), "{language}: {last}");
        }
    }
}

const KEYS: &str = r#"
venomqa: 1
name: keys
reset: { request: { path: /reset } }
variables: { tag: "a/b c" }
actions:
  - name: show
    request: { path: /page }
    max_calls: 1
    extract: { csrf: { regex: 'value="(.*?)"' }, ids: { regex: '<i>(\d+)</i>', all: true } }
  - name: allocate
    preconditions: [show]
    request: { method: PUT, path: /allocations, json: { "{{ csrf }}": { "n-{{ tag }}": 1 }, id: "{{ csrf }}" } }
    expect: { status: 201 }
"#;

#[test]
fn keys_of_a_json_body_are_filled_in() {
    let wanted = r#"{"f/1 + &":{"n-a/b c":1},"id":"f/1 + &"}"#;
    for (language, last) in sent_by_scripts(KEYS) {
        let (_, body) = last.split_once("[] ").unwrap();
        let body = body.split_once("] ").unwrap().1;
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body.to_string(), wanted, "{language}: {last}");
    }
}
