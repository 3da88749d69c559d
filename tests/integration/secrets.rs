//! Secrets are in no report, no log, and in nothing that is said.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::reports::{FORMATS, into};
use crate::support::{Database, Sandbox, Server};

const BEARER: &str = "bearer-7f3a91c4";
const SESSION: &str = "sid-55e1b0ffaa";
const PASSWORD: &str = "hunter2+horse&co";
const API_KEY: &str = "key/with spaces 99";
const SSN: &str = "078-05-1120";
/// As they are, and as they look in a URL.
const SECRETS: [&str; 8] = [
    BEARER,
    SESSION,
    PASSWORD,
    "hunter2%2Bhorse%26co",
    API_KEY,
    "key%2Fwith%20spaces%2099",
    "key%2Fwith+spaces+99",
    SSN,
];

const SPEC: &str = r#"
venomqa: 1
name: vault
secrets: [token, ssn]
variables: { password: none, db: none }
systems: { db: { sqlite: vault.db } }
http:
  headers: { X-Api-Key: "${API_KEY}" }
setup:
  - request: { method: POST, path: /login, json: { user: qa, password: "{{ password }}" } }
    extract: { token: $.access }
actions:
  - name: add_person
    request:
      method: POST
      path: /people
      query: { key: "${API_KEY}", pw: "{{ password }}" }
      headers: { Authorization: "Bearer {{ token }}" }
      json: { ssn: "078-05-1120" }
    extract: { ssn: $.person.ssn }
    max_calls: 1
  - name: break_down
    request: { path: "/broken?t={{ token }}", headers: { X-Trace: "{{ token }}" } }
  - name: ask_for_number
    preconditions: [add_person]
    request: { path: "/number/{{ ssn }}" }
    expect: { status: 200 }
invariants:
  - name: nobody_is_known
    message: "a person is known"
    sql: SELECT id, ssn, note FROM people
    expect: empty
  - name: no_number_is_told
    jsonpath: $.person.note
    expect: empty
"#;

fn echoed(headers: &HeaderMap, query: Option<&str>) -> String {
    let all: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}={}", value.to_str().unwrap_or_default()))
        .collect();
    format!("{} {}", all.join(" "), query.unwrap_or_default())
}

/// A service that tells whatever it was told.
fn vault(database: &Database, refuses: bool) -> Server {
    let connection: Arc<Mutex<Connection>> = Arc::new(Mutex::new(database.open()));
    let add = async |State(connection): State<Arc<Mutex<Connection>>>| {
        let note = format!("number {SSN} of {BEARER}");
        connection
            .lock()
            .unwrap()
            .execute(
                "INSERT INTO people (ssn, note) VALUES (?1, ?2)",
                [SSN, &note],
            )
            .unwrap();
        let person = json!({ "person": { "ssn": SSN, "note": note } });
        (StatusCode::CREATED, axum::Json(person))
    };
    let login = async move |headers: HeaderMap, body: axum::Json<Value>| {
        if refuses {
            let text = format!("refused: {} {}", body.0, echoed(&headers, None));
            return (StatusCode::FORBIDDEN, text).into_response();
        }
        let cookie = format!("session={SESSION}; Path=/; HttpOnly");
        let answer = axum::Json(json!({ "access": BEARER }));
        ([(header::SET_COOKIE, cookie)], answer).into_response()
    };
    let broken = async |headers: HeaderMap, RawQuery(query): RawQuery| {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            echoed(&headers, query.as_deref()),
        )
    };
    let number = async |headers: HeaderMap| (StatusCode::NOT_FOUND, echoed(&headers, Some(SSN)));
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route("/login", post(login))
            .route("/people", post(add))
            .route("/broken", get(broken))
            .route("/number/{ssn}", get(number))
            .with_state(connection),
    )
}

/// Explores it, with every format in a file; everything that was written, by name.
fn everything(refuses: bool, code: i32) -> Vec<(String, String)> {
    let sandbox = Sandbox::with_spec(SPEC);
    let database = Database::at(sandbox.path("vault.db"));
    database
        .open()
        .execute_batch("CREATE TABLE people (id INTEGER PRIMARY KEY, ssn TEXT, note TEXT)")
        .unwrap();
    let service = vault(&database, refuses);
    let run = sandbox
        .venomqa("explore --max-steps 20")
        .at(&service.url())
        .args(["--set", &format!("password={PASSWORD}")])
        .args("--set db=postgres://qa:hunter2%2Bhorse%26co@127.0.0.1/x")
        .args(into("--report", "reports"))
        .env("API_KEY", API_KEY)
        .run()
        .code(code);
    let mut all = vec![
        ("stdout".to_owned(), run.stdout),
        ("stderr".to_owned(), run.stderr),
    ];
    for format in FORMATS {
        all.push((
            format.to_owned(),
            sandbox.read(&format!("reports/{format}")),
        ));
    }
    all
}

#[track_caller]
fn assert_no_secret(all: &[(String, String)], secrets: &[&str]) {
    for (name, text) in all {
        for secret in secrets {
            let leak = text.find(secret).map(|at| {
                let start = text[..at]
                    .char_indices()
                    .rev()
                    .nth(80)
                    .map_or(0, |(at, _)| at);
                &text[start..at + secret.len()]
            });
            assert!(
                leak.is_none(),
                "`{secret}` is in {name}: …{}",
                leak.unwrap()
            );
        }
        if name != "stderr" {
            assert!(
                text.contains("[redacted]"),
                "nothing was hidden in {name}:\n{text}"
            );
        }
    }
}

#[test]
fn no_report_shows_what_is_secret() {
    let all = everything(false, 1);
    let (_, console) = &all[0];
    for found in ["nobody_is_known", "server-error", "no_number_is_told"] {
        assert!(console.contains(found), "{found} is not in\n{console}");
    }
    assert_no_secret(&all, &SECRETS);
}

#[test]
fn a_service_that_refuses_setup_and_repeats_what_it_was_told_betrays_nothing() {
    let all = everything(true, 3);
    let (_, console) = &all[0];
    assert!(console.contains("refused:"), "{console}");
    assert_no_secret(&all, &SECRETS);
}

/// Values that no spec calls secret, by the place whose name says so.
const UNNAMED: [&str; 11] = [
    "of-setup/1a2b+ c",
    "of-query/1a2b+ c",
    "of-form/1a2b+ c",
    "of-json/1a2b+ c",
    "of-header/1a2b+ c",
    "of-cookie/1a2b",
    "of-session/1a2b",
    "of-answer/1a2b+ c",
    "of-location/1a2b",
    "of-row/1a2b+ c",
    "of-extract/1a2b+ c",
];

const UNNAMED_SPEC: &str = r#"
venomqa: 1
name: leaky
variables: { asked: "of-query/1a2b+ c", client: none }
systems: { db: { sqlite: vault.db } }
setup:
  - request: { method: POST, path: /login, form: { user: qa, password: "of-setup/1a2b+ c" } }
    extract: { session: { header: Session-Token } }
actions:
  - name: add_person
    request:
      method: POST
      path: /people
      query: { access_token: "{{ asked }}" }
      headers: { X-Client-Key: "{{ client }}", Session-Token: "{{ session }}" }
      json: { api_key: "of-json/1a2b+ c" }
    extract: { auth_code: $.code }
    max_calls: 1
  - name: sign_in
    request: { method: POST, path: /broken, form: { user: qa, password: "of-form/1a2b+ c" } }
    expect: { status: 200 }
  - name: break_down
    preconditions: [add_person]
    request: { path: /broken, headers: { X-Trace: "{{ session }} {{ auth_code }}" } }
invariants:
  - name: nobody_is_known
    message: "a person is known"
    sql: SELECT id, reset_token, note FROM people
    expect: empty
"#;

/// A value as it looks in forms, in URLs, in a URL inside of a URL, in pages, in base64 and in blobs.
fn forms_of(value: &str) -> [String; 8] {
    let pair = format!("qa:{value}");
    let hexadecimal = value.bytes().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").unwrap();
        digits
    });
    let encoded = |text: &str| -> String {
        url::form_urlencoded::byte_serialize(text.as_bytes())
            .collect::<String>()
            .replace('+', "%20")
    };
    [
        value.to_owned(),
        url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
        encoded(value),
        encoded(&encoded(value)),
        value.replace('/', "&#x2F;").replace('+', "&#43;"),
        BASE64.encode(value),
        BASE64.encode(pair),
        hexadecimal,
    ]
}

/// A service that repeats every secret in whatever it answers and stores.
fn leaky(database: &Database) -> Server {
    let connection: Arc<Mutex<Connection>> = Arc::new(Mutex::new(database.open()));
    let everything = || -> String {
        let forms = UNNAMED.iter().flat_map(|value| forms_of(value));
        forms.collect::<Vec<_>>().join(" | ")
    };
    let people = async move |State(connection): State<Arc<Mutex<Connection>>>| {
        connection
            .lock()
            .unwrap()
            .execute(
                "INSERT INTO people (reset_token, note) VALUES ('of-row/1a2b+ c', ?1)",
                [everything()],
            )
            .unwrap();
        let headers = [
            (header::SET_COOKIE, "sid=of-cookie/1a2b; Path=/"),
            (header::LOCATION, "/reset?token=of-location%2F1a2b"),
        ];
        let answer = json!({ "refresh_token": "of-answer/1a2b+ c", "code": "of-extract/1a2b+ c" });
        (StatusCode::CREATED, headers, axum::Json(answer))
    };
    let login = async || {
        (
            [("session-token", "of-session/1a2b")],
            axum::Json(json!({})),
        )
    };
    let broken = async move || {
        let said = json!({ "error": everything(), "inside": json!({ "error": everything() }).to_string() });
        (StatusCode::INTERNAL_SERVER_ERROR, axum::Json(said))
    };
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route("/login", post(login))
            .route("/people", post(people))
            .route("/broken", get(broken).post(broken))
            .with_state(connection),
    )
}

#[test]
fn what_stands_under_a_name_that_says_so_is_in_no_artefact() {
    let sandbox = Sandbox::with_spec(UNNAMED_SPEC);
    let database = Database::at(sandbox.path("vault.db"));
    database
        .open()
        .execute_batch("CREATE TABLE people (id INTEGER PRIMARY KEY, reset_token TEXT, note TEXT)")
        .unwrap();
    let service = leaky(&database);
    let explored = sandbox
        .venomqa("explore --max-steps 12")
        .at(&service.url())
        .args("--strategy bfs")
        .args(["--set", &format!("client={}", UNNAMED[4])])
        .args(into("--report", "reports"))
        .run()
        .code(1);
    let mut all = vec![
        ("stdout".to_owned(), explored.stdout),
        ("stderr".to_owned(), explored.stderr),
    ];
    for format in FORMATS {
        all.push((
            format.to_owned(),
            sandbox.read(&format!("reports/{format}")),
        ));
    }
    let files: Vec<_> = std::fs::read_dir(sandbox.path(".venomqa"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|kind| kind == "yaml"))
        .collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(&file).unwrap();
        let values: Vec<(&str, &str)> = [
            ("VENOMQA_PASSWORD", UNNAMED[0]),
            ("VENOMQA_ASKED", UNNAMED[1]),
            ("VENOMQA_API_KEY", UNNAMED[3]),
            ("VENOMQA_CLIENT", UNNAMED[4]),
            ("VENOMQA_PASSWORD_2", UNNAMED[2]),
        ]
        .into();
        // A replay sees the values of its own path. It cannot know what only other actions send, which this service repeats all
        // the same.
        let unknown = |value: &str| match value.split('/').next() {
            Some("of-form") => !text.contains("sign_in"),
            Some("of-setup" | "of-session") => false,
            _ => !text.contains("add_person"),
        };
        let known: Vec<String> = (UNNAMED.iter().filter(|value| !unknown(value)))
            .flat_map(|value| forms_of(value))
            .collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        for to in [None, Some("curl"), Some("hurl")] {
            let mut command = vec!["replay".to_owned(), name.clone()];
            command.extend(
                to.iter()
                    .flat_map(|to| ["--to".to_owned(), (*to).to_owned()]),
            );
            let mut replay = sandbox.venomqa(command);
            for (name, value) in &values {
                replay = replay.env(name, value);
            }
            let shown = replay.run();
            let replayed = [
                (
                    format!("replay of {name} to {to:?}, stdout"),
                    shown.stdout + "\n[redacted]",
                ),
                ("stderr".to_owned(), shown.stderr),
            ];
            assert_no_secret(&replayed, &known);
        }
        all.push((name, text + "\n[redacted]"));
    }
    let forms: Vec<String> = UNNAMED.iter().flat_map(|value| forms_of(value)).collect();
    let forms: Vec<&str> = forms.iter().map(String::as_str).collect();
    assert_no_secret(&all, &forms);
}

/// A word that is the name of the user, of the database and the password.
const WORD: &str = "postgres://shop:shop@127.0.0.1/shop";

/// How a password that is no secret elsewhere looks where it is one.
const PLACES: [&str; 5] = [
    ":shop@",
    "%3Ashop%40",
    "password=shop",
    r#""password":"shop""#,
    r#""password": "shop""#,
];

#[test]
fn a_password_that_is_the_name_of_the_user_too_is_hidden_where_the_service_repeats_it() {
    let spec = format!(
        r#"
venomqa: 1
name: teller
variables: {{ dsn: "{WORD}" }}
systems: {{ db: {{ sqlite: vault.db }} }}
actions:
  - name: tell
    request:
      method: POST
      path: /tell
      query: {{ dsn: "{{{{ dsn }}}}" }}
      json: {{ dsn: "{{{{ dsn }}}}", settings: host=127.0.0.1 password=shop user=shop }}
  - name: show
    request: {{ path: /show, headers: {{ X-Database: "{{{{ dsn }}}}" }} }}
"#
    );
    let sandbox = Sandbox::with_spec(&spec);
    Database::at(sandbox.path("vault.db"))
        .open()
        .execute_batch("CREATE TABLE people (id INTEGER PRIMARY KEY)")
        .unwrap();
    let tell = async |RawQuery(query): RawQuery, body: String| {
        let text = format!("cannot reach {WORD}: {} {body}", query.unwrap_or_default());
        (StatusCode::INTERNAL_SERVER_ERROR, text)
    };
    let show = async || {
        let told = json!({ "dsn": WORD, "owner": "shop", "password": "shop" });
        (StatusCode::INTERNAL_SERVER_ERROR, axum::Json(told))
    };
    let service = Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route("/tell", post(tell))
            .route("/show", get(show)),
    );
    let explored = sandbox
        .venomqa("explore --max-steps 20")
        .at(&service.url())
        .args(into("--report", "reports"))
        .run()
        .code(1);
    let mut all = vec![("explore".to_owned(), explored.stdout + &explored.stderr)];
    for format in FORMATS {
        let text = sandbox.read(&format!("reports/{format}"));
        all.push((format.to_owned(), text));
    }
    let files: Vec<_> = std::fs::read_dir(sandbox.path(".venomqa"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|kind| kind == "yaml"))
        .collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        let name = file.display().to_string();
        let replayed = sandbox
            .venomqa(["replay", &name])
            .env("VENOMQA_DSN_PASSWORD", "shop")
            .env("VENOMQA_SETTINGS_PASSWORD", "shop")
            .run()
            .code(1);
        let shown = replayed.stdout + &replayed.stderr;
        assert!(shown.contains("postgres://shop:[redacted]@"), "{shown}");
        all.push((format!("the replay of {name}"), shown));
        all.push((name, std::fs::read_to_string(file).unwrap()));
    }
    for (name, text) in &all {
        for place in PLACES {
            assert!(!text.contains(place), "`{place}` is in {name}:\n{text}");
        }
    }
    let (_, console) = &all[0];
    assert!(
        console.contains("postgres://shop:[redacted]@127.0.0.1/shop"),
        "{console}"
    );
}

#[test]
fn a_password_that_is_the_name_of_the_user_too_is_hidden_in_the_log_of_a_service_that_fails() {
    let spec = r#"
venomqa: 1
name: teller
service:
  command: [sh, -c, "echo \"$DSN is what shop connects to\"; echo \"$SETTINGS\"; exit 1"]
  env: { DSN: "WORD", SETTINGS: "host=127.0.0.1 user=shop password = 'shop'" }
http: { base_url: "http://127.0.0.1:9" }
systems: { db: { sqlite: vault.db } }
actions:
  - name: show
    request: { path: /show }
"#;
    let sandbox = Sandbox::with_spec(&spec.replace("WORD", WORD));
    Database::at(sandbox.path("vault.db"))
        .open()
        .execute_batch("CREATE TABLE people (id INTEGER PRIMARY KEY)")
        .unwrap();
    sandbox
        .venomqa("explore --max-steps 20")
        .run()
        .code(3)
        .says(&[
            "postgres://shop:[redacted]@127.0.0.1/shop is what shop connects to",
            "host=127.0.0.1 user=shop password = '[redacted]'",
        ])
        .never_says(":shop@")
        .never_says("'shop'");
}

const REFRESH_SPEC: &str = r#"
venomqa: 1
name: refresher
systems: { db: { sqlite: vault.db } }
actions:
  - name: refresh
    request: { method: POST, path: /refresh, json: { token_type: refresh } }
    extract: { refresh_token: $.refresh_token }
invariants:
  - name: no_refresh_rows
    message: "there is a row of refresh"
    severity: critical
    sql: SELECT id, token_type, token FROM sessions WHERE token_type = 'refresh'
    expect: empty
"#;

#[test]
fn a_word_under_the_name_of_a_secret_hides_no_name() {
    let sandbox = Sandbox::with_spec(REFRESH_SPEC);
    let database = Database::at(sandbox.path("vault.db"));
    database
        .open()
        .execute_batch(
            "CREATE TABLE sessions (id INTEGER PRIMARY KEY, token_type TEXT, token TEXT, secret TEXT)",
        )
        .unwrap();
    let connection = Arc::new(Mutex::new(database.open()));
    let refresh = async move || {
        connection
            .lock()
            .unwrap()
            .execute(
                "INSERT INTO sessions (token_type, token, secret) VALUES ('refresh', 'refresh', 'no_refresh_rows')",
                [],
            )
            .unwrap();
        axum::Json(json!({ "token": "refresh", "refresh_token": "no_refresh_rows" }))
    };
    let service = Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route("/refresh", post(refresh)),
    );
    let explored = sandbox
        .venomqa("explore --max-steps 3")
        .at(&service.url())
        .args("--report junit=junit.xml")
        .run()
        .code(1);
    let junit = sandbox.read("junit.xml");
    assert!(junit.contains(r#"failures="1""#), "{junit}");
    assert!(junit.contains("no_refresh_rows"), "{junit}");
    let (_, command) = explored
        .stdout
        .split_once("venomqa replay ")
        .unwrap_or_else(|| panic!("{}", explored.stdout));
    let file = command.split_whitespace().next().unwrap();
    assert!(sandbox.path(file).exists(), "{file}");
}

/// A service that closes the connection without an answer.
fn hanging_up() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            use std::io::{Read as _, Write as _};
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            if request[..length].starts_with(b"GET / ") {
                let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
                stream.write_all(answer).unwrap();
            }
        }
    });
    format!("http://{address}")
}

#[test]
fn a_request_without_an_answer_shows_no_secret() {
    let spec = r#"
venomqa: 1
name: silent
systems: { db: { sqlite: vault.db } }
variables: { first: of-hung, last: up-1a2b }
actions:
  - name: ask
    request: { path: /ask, query: { access_token: "{{ first }}-{{ last }}" } }
"#;
    let sandbox = Sandbox::with_spec(spec);
    Database::at(sandbox.path("vault.db"))
        .open()
        .execute_batch("CREATE TABLE people (id INTEGER PRIMARY KEY)")
        .unwrap();
    sandbox
        .venomqa("explore --max-steps 3")
        .at(&hanging_up())
        .run()
        .code(1)
        .says(&["/ask?access_token=[redacted]", "`ask` was not answered"])
        .never_says("of-hung-up-1a2b");
}
