//! Reproductions as programs for curl and for hurl, run by the real programs against a real service.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap;
use serde_json::json;

use crate::support::{Finished, Running, Sandbox, Server, vault};

/// Explores the vault until its bug is found, and prints what was found in this language.
fn script(sandbox: &Sandbox, language: &str) -> String {
    let server = vault::start(sandbox, "a", true);
    sandbox
        .venomqa(["explore", "--strategy", "bfs", "--max-steps", "60"])
        .env("VAULT_URL", server.url())
        .env("VAULT_KEY", vault::KEY)
        .run()
        .code(1);
    // The path as it was found is short; a longer one shows more of the languages.
    let file = ".venomqa/never_more_than_two_copies-copy_note.yaml";
    let text = sandbox.read(file);
    let longer = text
        .replace(
            "path:\n",
            "path:\n  - action: read_first\n    request: GET /\n    status: 200\n",
        )
        .replace("actions:\n", &format!("actions:\n{MORE}"));
    let longer = format!(
        "{}{}",
        longer.replace("\nvariables:", &format!("{LATER}\nvariables:")),
        ""
    );
    sandbox.write("longer.yaml", &longer.replace("folder: ..", "folder: ."));
    let finished = sandbox
        .venomqa(["replay", "longer.yaml", "--to", language])
        .env("VAULT_KEY", vault::KEY)
        .env("VENOMQA_PASSWORD", vault::PASSWORD)
        .run()
        .code(0);
    for secret in vault::SECRETS {
        assert!(!finished.stdout.contains(secret), "{finished}");
    }
    finished.stdout
}

const MORE: &str = "  - name: read_first
    request: { path: / }
  - name: rename_note
    request: { method: PUT, path: \"{{ location }}\", form: { title: \"a&b={{ note_id }}\" } }
  - name: read_note
    request: { path: \"{{ location }}\" }
";

const LATER: &str = "  - action: rename_note
    request: PUT /notes/a-1
    status: 200
  - action: read_note
    request: GET /notes/a-1
    status: 200
";

fn run(sandbox: &Sandbox, server: &Server, program: &Path, arguments: &[&str]) -> Finished {
    let mut command = sandbox.command(program);
    command
        .args(arguments)
        .env("VAULT_URL", server.url())
        .env("VAULT_KEY", vault::KEY)
        .env("VENOMQA_PASSWORD", vault::PASSWORD);
    Running::spawn(&mut command, sandbox.dir()).wait()
}

/// A service whose database is as it was before everything, and whose ids are other ones.
fn fresh(sandbox: &Sandbox, bug: bool) -> Server {
    std::fs::remove_file(sandbox.path("vault.db")).unwrap();
    vault::start(sandbox, "z", bug)
}

#[test]
fn a_shell_script_with_curl_takes_the_same_path() {
    let sandbox = Sandbox::with_spec(vault::SPEC);
    let script = script(&sandbox, "curl");
    sandbox.write("repro.sh", &script);
    let server = fresh(&sandbox, true);
    run(&sandbox, &server, Path::new("sh"), &["repro.sh"])
        .code(0)
        .says(&[
            "setup 1: 200",
            "copy_note(times=2): 201",
            "rename_note: 200",
            "read_note: 200",
        ]);
    server.stop();
    let server = fresh(&sandbox, false);
    run(&sandbox, &server, Path::new("sh"), &["repro.sh"])
        .code(1)
        .complains(&["201 was expected; the answer is"]);
    insta::assert_snapshot!(script);
}

#[test]
fn a_hurl_file_takes_the_same_path() {
    let sandbox = Sandbox::with_spec(vault::SPEC);
    let script = script(&sandbox, "hurl");
    sandbox.write("repro.hurl", &script);
    let arguments = |server: &Server| {
        [
            "--test".to_owned(),
            "--variable".to_owned(),
            format!("base_url={}", server.url()),
            "--variable".to_owned(),
            format!("VAULT_KEY={}", vault::KEY),
            "--variable".to_owned(),
            format!("VENOMQA_PASSWORD={}", vault::PASSWORD),
            "--variable".to_owned(),
            "VAULT_LIMIT=2".to_owned(),
            "repro.hurl".to_owned(),
        ]
    };
    let server = fresh(&sandbox, true);
    let words = arguments(&server);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    run(&sandbox, &server, &hurl(), &words).code(0);
    server.stop();
    let server = fresh(&sandbox, false);
    let words = arguments(&server);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let finished = run(&sandbox, &server, &hurl(), &words);
    assert_eq!(finished.status.code(), Some(4), "{finished}");
    insta::assert_snapshot!(script);
}

/// Where `tests/run` installs it, or wherever the path leads.
fn hurl() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hurl/bin/hurl");
    if installed.is_file() {
        return installed;
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .map(|folder| folder.join("hurl"))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!(
                "there is no hurl: `tests/run` installs it, `cargo install hurl` does it by hand"
            )
        })
}

#[test]
fn what_a_language_cannot_say_is_refused_with_the_reason() {
    let sandbox = Sandbox::with_spec(vault::SPEC);
    script(&sandbox, "curl");
    let text = sandbox.read("longer.yaml").replace(
        "path: \"{{ location }}\" }",
        "path: \"{{ location }}?{{ token | upper }}\" }",
    );
    sandbox.write("longer.yaml", &text);
    sandbox
        .venomqa(["replay", "longer.yaml", "--to", "hurl"])
        .env("VAULT_KEY", vault::KEY)
        .env("VENOMQA_PASSWORD", vault::PASSWORD)
        .run()
        .code(2)
        .complains(&["is computed, which only venomqa can do"]);
}

/// A value in which everything stands that some shell, URL or form could take for its own.
const HOSTILE: &str = "@private.txt \"it's\" \\n $HOME `id` $(id) [1-9]{a,b} %41 a+b&c=d#e?f ü\n\n";

const ECHO: &str = r#"
venomqa: 1
name: echo
reproduction:
  check: server-error
  severity: high
  message: it was refused
  confirmed: 3 of 3
  spec: echo.yaml
  strategy: bfs
  seed: 1
  folder: .
path:
  - { action: give, status: 200, extracted: { x: a, n: 12 } }
  - { action: text, status: 200 }
  - { action: longer_text, status: 200 }
  - { action: constant_text, status: 200 }
  - { action: json, status: 200 }
  - { action: constant_json, status: 200 }
  - { action: form, status: 200 }
  - { action: query, status: 200 }
http: { base_url: "${ECHO_URL}" }
restore: none
actions:
  - { name: give, request: { path: /give }, extract: { x: $..x, n: "$.list[1].n" } }
  - { name: text, request: { method: POST, path: /, text: "{{ x }}", headers: { X-Empty: "" } } }
  - { name: longer_text, request: { method: POST, path: /, text: "$HOME '{{ x }}' \\ `{{ n }}`\n" } }
  - { name: constant_text, request: { method: POST, path: /, text: "@private.txt\n" } }
  - name: json
    request:
      method: PUT
      path: /
      json: { x: "{{ x }}", n: "{{ n }}", both: "<{{ x }}{{ n }}>", "k$`\"": "\\$HOME`id`", list: [1.50, null, "{{ n }}"] }
  - { name: constant_json, request: { method: PUT, path: /, json: { a: "it's $HOME\n\"" } } }
  - { name: form, request: { method: PATCH, path: /, form: { "f[]": "{{ x }}", n: "{{ n }}" } } }
  - { name: query, request: { path: "/[1-3]/{a,b}/{{ n }}", query: { "q[]": "{{ x }}", n: "{{ n }}" } } }
"#;

/// A service that gives the hostile value away and notes what comes back.
fn echo(notes: Arc<Mutex<Vec<String>>>) -> Server {
    Server::start(Router::new().fallback(async move |request: Request| {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let header = |headers: &HeaderMap, name| format!("{:?}", headers.get(name));
        let kind = header(&parts.headers, "content-type");
        // A space in a form or a query is `+` or `%20`.
        let pairs =
            |text: &[u8]| -> Vec<_> { url::form_urlencoded::parse(text).into_owned().collect() };
        let sent = if kind.contains("form") {
            format!("{:?}", pairs(&body))
        } else {
            format!("{body:?}")
        };
        let query = pairs(parts.uri.query().unwrap_or_default().as_bytes());
        let empty = header(&parts.headers, "x-empty");
        let (method, path) = (parts.method, parts.uri.path());
        notes
            .lock()
            .unwrap()
            .push(format!("{method} {path} {query:?} {kind} {empty} {sent}"));
        axum::Json(json!({ "x": HOSTILE, "list": [{}, { "n": 12 }] }))
    }))
}

#[test]
fn every_value_reaches_the_service_as_it_is() {
    let sandbox = Sandbox::with_spec(ECHO);
    sandbox.write("private.txt", "private");
    let notes = Arc::default();
    let server = echo(Arc::clone(&notes));
    let noted = || std::mem::take(&mut *notes.lock().unwrap());
    sandbox
        .venomqa(["replay", "venomqa.yaml"])
        .env("ECHO_URL", server.url())
        .run()
        .code(0);
    let mut expected = noted();
    // Whether the service answers at all is asked first.
    expected.drain(..expected.len() - 8);
    let script = sandbox
        .venomqa(["replay", "venomqa.yaml", "--to", "curl"])
        .env("ECHO_URL", server.url())
        .run()
        .code(0)
        .stdout;
    sandbox.write("repro.sh", &script);
    for shell in ["sh", "bash"] {
        let mut command = sandbox.command(shell);
        command.arg("repro.sh").env("ECHO_URL", server.url());
        Running::spawn(&mut command, sandbox.dir()).wait().code(0);
        assert_eq!(noted(), expected, "{shell}: {script}");
    }
}
