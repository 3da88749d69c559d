//! Secrets beside templates, in texts, pages and bytes, under the names that people give them; and what has to stay.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::reports::{FORMATS, into};
use crate::support::{Sandbox, Server};

/// Each stands in one place only.
const SECRETS: [&str; 12] = [
    "of-header-9f3a",
    "of-text-9f3a",
    "of-page-9f3a",
    "of-password-field-9f3a",
    "of-session-9f3a",
    "of-jwt-9f3a",
    "of-otp-9f3a",
    "of-csrf-9f3a",
    "of-auth-header-9f3a",
    "of-body-authorization-9f3a",
    "of-pass-phrase-9f3a",
    "of-variable-9f3a",
];

/// What ordinary fields hold.
const OPEN: [&str; 4] = [
    "an-author-9f3a",
    "pinned-note-9f3a",
    "a-country-9f3a",
    "an-opinion-9f3a",
];

const SPEC: &str = r#"
venomqa: 1
name: places
restore: replay
reset: { request: { path: / } }
variables: { user: somebody, passphrase: of-variable-9f3a }
http:
  headers: { Authorization: "ApiKey {{ user }}:of-header-9f3a" }
actions:
  - name: tell
    request: { method: POST, path: /tell, text: "user=somebody password=of-text-9f3a {{ user }} {{ passphrase }}" }
"#;

fn teller() -> Server {
    let tell = async |body: String| {
        let page = "<form><input type=hidden name=csrf_token value=of-page-9f3a>\
                    <input type='password' value='of-password-field-9f3a'></form>";
        let bytes = SECRETS
            .iter()
            .map(|secret| BASE64.encode([b"\xff\xfe", secret.as_bytes(), b"\x80"].concat()))
            .collect::<Vec<_>>();
        let told = json!({
            "sessionId": SECRETS[4], "jwt": SECRETS[5], "otp": SECRETS[6],
            "Authorization": format!("Bearer {}", SECRETS[9]), "passphrase": SECRETS[10],
            "page": page, "bytes": bytes, "again": SECRETS, "body": body,
            "author": OPEN[0], "pinned": OPEN[1], "country_code": OPEN[2], "opinion": OPEN[3],
            "token_count": 314_159,
        });
        let headers = [
            ("x-csrf", SECRETS[7]),
            ("x-auth-user", SECRETS[8]),
            (header::CONTENT_TYPE.as_str(), "application/json"),
        ];
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        (status, headers, told.to_string()).into_response()
    };
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route("/tell", post(tell)),
    )
}

fn assert_hidden(name: &str, text: &str) {
    for secret in SECRETS {
        let encoded = BASE64.encode([b"\xff\xfe", secret.as_bytes(), b"\x80"].concat());
        for form in [secret, encoded.as_str()] {
            assert!(!text.contains(form), "`{form}` is in {name}:\n{text}");
        }
    }
}

#[test]
fn secrets_in_unusual_places_are_in_no_artefact_and_ordinary_fields_stay() {
    let sandbox = Sandbox::with_spec(SPEC);
    let service = teller();
    let explored = sandbox
        .venomqa(["explore", "--max-steps", "3", "--base-url", &service.url()])
        .args(into("--report", "reports"))
        .run()
        .code(1);
    assert_hidden("what is said", &(explored.stdout + &explored.stderr));
    for format in FORMATS {
        assert_hidden(format, &sandbox.read(&format!("reports/{format}")));
    }
    let report = sandbox.read("reports/json");
    for open in OPEN.iter().chain(&["314159"]) {
        assert!(report.contains(open), "`{open}` is hidden in\n{report}");
    }
    let file = ".venomqa/server-error-tell.yaml";
    let text = sandbox.read(file);
    assert_hidden(file, &text);
    assert!(text.contains("ApiKey {{ user }}:${VENOMQA_"), "{text}");
    let replayed = sandbox.venomqa(["replay", file]).run().code(1);
    assert_hidden("the replay", &(replayed.stdout + &replayed.stderr));
    for to in ["curl", "hurl"] {
        let script = sandbox.venomqa(["replay", file, "--to", to]).run().code(0);
        assert_hidden(to, &(script.stdout + &script.stderr));
    }
}

#[test]
fn the_lines_of_a_spec_that_a_problem_shows_hold_no_secret() {
    let sandbox = Sandbox::new();
    for (spec, mistake) in [
        (
            "variables: { password: hunter-9f3a, ssn: 078-05-1120, x: ",
            "a flow mapping without an end",
        ),
        (
            "http: { headers: { Authorization: Bearer hunter-9f3a }, base_urll: hunter-9f3a }",
            "an unknown key",
        ),
        (
            "variables: { password: { a: hunter-9f3a }, ssn: 078-05-1120 }\nhttp: { timeout: hunter-9f3a, X: 1 }\nsetup: [{ request: { form: { password: hunter-9f3a }, pth: / } }]",
            "the same value elsewhere",
        ),
    ] {
        let text = format!("venomqa: 1\nsecrets: [ssn]\n{spec}\n");
        sandbox.write("venomqa.yaml", &text);
        let finished = sandbox.venomqa(["validate"]).run().code(2);
        let said = finished.stdout + &finished.stderr;
        for secret in ["hunter-9f3a", "078-05-1120"] {
            assert!(!said.contains(secret), "{mistake}: {said}");
        }
    }
}

const LOGIN: &str = r#"
venomqa: 1
name: login
restore: replay
reset: { request: { path: / } }
variables: { password: "", user: qa }
setup:
  - request: { method: POST, path: /login, form: { user: "{{ user }}", password: "{{ password }}" } }
actions:
  - name: break
    request: { method: POST, path: /break }
    max_calls: 1
"#;

#[test]
fn the_printed_replay_works_as_printed_where_a_flag_gave_the_secret() {
    let login = async |body: String| {
        if body.contains("password=of-the-flag-9f3a") {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        }
    };
    let service = Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route("/login", post(login))
            .route("/break", post(async || StatusCode::INTERNAL_SERVER_ERROR)),
    );
    // The placeholder in the spec may be nothing, a word, or a reference that is not set.
    for placeholder in ["\"\"", "none", "\"${NOT_SET}\""] {
        let spec = LOGIN.replace("password: \"\"", &format!("password: {placeholder}"));
        let sandbox = Sandbox::with_spec(&spec);
        let run = sandbox
            .venomqa(["explore", "--report", "json", "--base-url", &service.url()])
            .args(["--set", "password=of-the-flag-9f3a", "--set", "user=anna"])
            .env("QA_PASSWORD", "of-the-flag-9f3a")
            .run()
            .code(1)
            .only_run();
        let command = run["violations"][0]["replay"].as_str().unwrap();
        assert!(!command.contains("9f3a"), "{command}");
        let binary = env!("CARGO_BIN_EXE_venomqa");
        let command = command.replace("venomqa replay", &format!("{binary} replay"));
        let pasted = |set: Option<(&str, &str)>| {
            let mut shell = sandbox.command("sh");
            shell.arg("-c").arg(&command).envs(set);
            let output = shell.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.status.code(), said)
        };
        let (code, said) = pasted(Some(("QA_PASSWORD", "of-the-flag-9f3a")));
        assert_eq!(code, Some(1), "{command}: {said}");
        let (code, said) = pasted(None);
        assert_ne!(code, Some(0), "{command}: {said}");
        let run = sandbox
            .venomqa(["explore", "--report", "json", "--base-url", &service.url()])
            .args(["--no-corpus", "--set", "password=of-the-flag-9f3a"])
            .run()
            .code(1);
        assert!(!run.stdout.contains("9f3a"), "{run}");
    }
}
