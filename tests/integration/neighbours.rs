//! What the files of other tools say can be said in a spec: each test does what one such file does, in words of our own, against a
//! service of our own, which is healthy first and then has a fault.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use indexmap::IndexMap;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Database, Sandbox, Server, items, violations, warnings};

type Parameters = Query<IndexMap<String, String>>;

/// Explores a healthy service, on which every action must have run and all must be well, and one with a fault; what is found there.
fn explored(spec: &str, service: impl Fn(&Sandbox, bool) -> Router) -> Vec<String> {
    let [_, found] = [false, true].map(|has_fault| {
        let sandbox = Sandbox::with_spec(spec);
        sandbox.write("logo.gif", "GIF89a");
        let router = service(&sandbox, has_fault).route("/", get(async || "ready"));
        let server = Server::start(router);
        let run = sandbox
            .venomqa("explore --strategy bfs --max-steps 150 --report json")
            .at(&server.url())
            .run()
            .code(i32::from(has_fault))
            .only_run();
        let found: Vec<String> = violations(&run).into_iter().map(str::to_owned).collect();
        if !has_fault {
            assert_eq!(found, [""; 0], "{run:#}");
            assert_eq!(warnings(&run), [""; 0], "{run:#}");
            let idle = items(&run["actions"])
                .iter()
                .filter(|action| action["runs"] == 0);
            assert_eq!(idle.count(), 0, "{run:#}");
        }
        found
    });
    found
}

fn status(holds: bool) -> StatusCode {
    if holds {
        StatusCode::OK
    } else {
        StatusCode::CONFLICT
    }
}

/// As the files of captures of Hurl: headers, parts of headers, bodies, parts of pages, and JSON of every type, sent on as they came.
const CAPTURES: &str = r#"
venomqa: 1
name: captures
reset: { request: { path: / } }
actions:
  - name: greet
    request: { path: /greeting }
    expect:
      status: 200
      headers: { X-Number: "1", X-Greeting: { matches: "^Hello .*!$" } }
      body: [{ equals: Good morning }]
    extract:
      number: { header: X-Number }
      who: { header: X-Greeting, regex: "Hello (.*)!" }
      said: { body: {} }
  - name: repeat
    request: { path: /same, query: { number: "{{ number }}", who: "{{ who }}", said: "{{ said }}" } }
    expect: { status: 200 }
  - name: read_page
    request: { path: /page }
    extract: { paragraphs: { regex: "<p>(.*?)</p>", all: true } }
  - name: count_paragraphs
    request: { path: /paragraphs, query: { count: "{{ paragraphs | length }}", last: "{{ paragraphs | last }}" } }
    expect: { status: 200 }
  - name: read_values
    request: { path: /values }
    expect:
      body:
        - { jsonpath: $.day, matches: "^[0-9]{4}-[0-9]{2}-[0-9]{2}T" }
        - { jsonpath: $.nothing, equals: null }
        - { jsonpath: $.missing, empty: true }
        - { matches: "^\\{\"object" }
    extract: { object: $.object, list: $.list, nothing: $.nothing, integer: $.integer, big: $.big, decimal: $.decimal, yes: $.yes, text: $.text, day: $.day, all: $ }
  - name: write_values
    request:
      method: PUT
      path: /values
      json: { object: "{{ object }}", list: "{{ list }}", nothing: "{{ nothing }}", integer: "{{ integer }}", big: "{{ big }}", decimal: "{{ decimal }}", yes: "{{ yes }}", text: "{{ text }}", day: "{{ day }}" }
    expect: { status: 200 }
  - name: write_all
    request: { method: PUT, path: /values, json: "{{ all }}" }
    expect: { status: 200 }
"#;

const VALUES: &str = r#"{"object":{"a":[1]},"list":[1,"two"],"nothing":null,"integer":7,"big":1000000000000000000000,"decimal":0.10,"yes":true,"text":"}\"é","day":"2012-04-23T18:25:43.511Z"}"#;

#[test]
fn what_is_taken_from_an_answer_is_sent_as_it_came() {
    let found = explored(CAPTURES, |_, has_fault| {
        let values = if has_fault {
            VALUES.replace("0.10", "0.1")
        } else {
            VALUES.to_owned()
        };
        let greeting = (
            [("X-Number", "1"), ("X-Greeting", "Hello Bob!")],
            "Good morning",
        );
        Router::new()
            .route("/greeting", get(async move || greeting))
            .route(
                "/same",
                get(async |Query(sent): Parameters| {
                    let sent: Vec<&str> = sent.values().map(String::as_str).collect();
                    status(sent == ["1", "Bob", "Good morning"])
                }),
            )
            .route(
                "/page",
                get(async || Html("<body><p>one</p><p>two</p></body>")),
            )
            .route(
                "/paragraphs",
                get(async |Query(sent): Parameters| {
                    status(sent["count"] == "2" && sent["last"] == "two")
                }),
            )
            .route(
                "/values",
                get(async move || ([("Content-Type", "application/json")], values))
                    .put(async |body: String| status(body == VALUES)),
            )
    });
    assert_eq!(found, ["unexpected-status"]);
}

/// As the HTTP suite of venom: parts of lists, headers, durations, bodies made of variables, files, links, one of several statuses.
const SUITE: &str = r#"
venomqa: 1
name: suite
reset: { request: { path: / } }
variables: { input: this my input }
actions:
  - name: list
    request: { path: /apis }
    expect:
      status: 200
      body:
        - { contains: /servers }
        - { jsonpath: $.error, empty: true }
        - { jsonpath: "$.apis[*]", not_empty: true }
        - { jsonpath: "$.apis[0].path", equals: /domains }
    extract: { first: "$.apis[0].path" }
  - name: follow
    request: { path: "{{ first }}" }
    expect: { status: 404 }
  - name: log_out
    request: { method: POST, path: /logout, headers: { Content-Type: application/json }, text: '{"user": "{{ input }}"}' }
    expect:
      status: 401
      headers: { X-Query-Id: { matches: "." } }
      body: [{ contains: this my input }]
      duration: { at_most: 30s }
  - name: upload
    request: { method: POST, path: /logout, multipart: { file: { file: logo.gif } } }
    expect: { status: [401, 415] }
  - name: list_rules
    request: { path: /rules }
    expect:
      status: 200
      body:
        - { jsonpath: "$[*]", count: { at_least: 8 } }
        - { jsonpath: "$[*].name", count: 8, contains: rule 3 }
        - { jsonpath: "$[0].examples", not_empty: true }
        - { jsonpath: "$[0].secret", empty: true }
  - name: post_to_list
    request: { method: POST, path: /apis }
    expect: { status: 405, body: [{ equals: "" }] }
"#;

#[test]
fn lists_headers_files_and_refusals_are_asserted() {
    let found = explored(SUITE, |_, has_fault| {
        let apis = json!({ "apis": [{ "path": "/domains" }, { "path": "/servers" }] });
        let rule = |number: u8| json!({ "name": format!("rule {number}"), "examples": ["a"] });
        let rules: Vec<Value> = (0..8).map(rule).collect();
        let log_out = async move |headers: HeaderMap, body: Bytes| -> Response {
            let is_file = !headers["content-type"].to_str().unwrap().contains("json");
            let code = if is_file {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            } else {
                StatusCode::UNAUTHORIZED
            };
            let id = if has_fault { "" } else { "7f" };
            (code, [("X-Query-Id", id)], body).into_response()
        };
        Router::new()
            .route("/apis", get(async move || Json(apis)))
            .route("/rules", get(async move || Json(rules)))
            .route("/logout", post(log_out))
    });
    assert_eq!(found, ["unexpected-header"]);
}

/// As the tests of tavern's server: a login whose token goes with each request, numbers that are stored and doubled.
const NUMBERS: &str = r#"
venomqa: 1
name: numbers
systems: { db: { sqlite: numbers.db } }
principals:
  user:
    login: { request: { method: POST, path: /login, json: { user: test-user, password: "${PASSWORD:-correct-password}" } }, extract: { token: $.token } }
    headers: { Authorization: "bearer {{ token }}" }
  stranger: {}
actions:
  - name: post_number
    as: [user, stranger]
    allow: [user]
    request: { method: POST, path: /numbers, json: { name: small, number: 123 } }
    expect: { status: 201, headers: { Content-Type: application/json } }
    extract: { name: $.name }
    max_calls: 1
  - name: show_number
    as: user
    request: { path: /numbers, query: { name: "{{ name }}" } }
    expect: { status: 200 }
  - name: double
    as: user
    request: { method: POST, path: /double, json: { name: "{{ name }}" } }
    expect: { status: 200, duration: { at_most: 30s } }
    max_calls: 3
  - name: show_unknown
    as: user
    request: { path: /numbers, query: { name: other } }
    expect: { status: 404, body: [{ jsonpath: $.error, equals: Unknown number }] }
invariants:
  - name: a_number_is_doubled
    sql: SELECT number, doubled FROM numbers WHERE number <> 123 * (1 << doubled)
  - name: what_is_shown_is_stored
    as: user
    request: { path: /numbers, query: { name: "{{ name }}" } }
    jsonpath: $.number
    expect: { equals_sql: SELECT number FROM numbers }
"#;

#[test]
fn a_number_is_stored_and_doubled_by_whoever_has_logged_in() {
    let found = explored(NUMBERS, |sandbox, has_fault| {
        let database = Database::at(sandbox.path("numbers.db"));
        database.execute(
            "CREATE TABLE numbers (name TEXT PRIMARY KEY, number INTEGER, doubled INTEGER)",
        );
        let connection = Arc::new(Mutex::new(database.open()));
        let stored = |connection: &Connection, name: &str| {
            let row = connection.query_row(
                "SELECT number FROM numbers WHERE name = ?1",
                [name],
                |row| row.get::<_, i64>(0),
            );
            row.map_or_else(
                |_| {
                    let error = Json(json!({ "error": "Unknown number" }));
                    (StatusCode::NOT_FOUND, error).into_response()
                },
                |number| Json(json!({ "name": name, "number": number })).into_response(),
            )
        };
        let may = |headers: &HeaderMap| {
            headers
                .get("authorization")
                .is_some_and(|token| token == "bearer t0k3n-of-user")
        };
        let (writer, reader) = (connection.clone(), connection.clone());
        let double = if has_fault {
            // Right the first time.
            "UPDATE numbers SET number = number + 123, doubled = doubled + 1"
        } else {
            "UPDATE numbers SET number = number * 2, doubled = doubled + 1"
        };
        Router::new()
            .route(
                "/login",
                post(async |Json(sent): Json<Value>| {
                    if sent["password"] == "correct-password" {
                        Json(json!({ "token": "t0k3n-of-user" })).into_response()
                    } else {
                        StatusCode::UNAUTHORIZED.into_response()
                    }
                }),
            )
            .route(
                "/numbers",
                get(async move |Query(sent): Parameters, headers: HeaderMap| {
                    if may(&headers) {
                        stored(&reader.lock().unwrap(), &sent["name"])
                    } else {
                        StatusCode::UNAUTHORIZED.into_response()
                    }
                })
                .post(async move |headers: HeaderMap, Json(sent): Json<Value>| {
                    if !may(&headers) {
                        return StatusCode::UNAUTHORIZED.into_response();
                    }
                    let connection = writer.lock().unwrap();
                    let (name, number) = (sent["name"].as_str(), sent["number"].as_i64());
                    connection
                        .execute(
                            "INSERT OR REPLACE INTO numbers VALUES (?1, ?2, 0)",
                            (name, number),
                        )
                        .unwrap();
                    (StatusCode::CREATED, stored(&connection, name.unwrap())).into_response()
                }),
            )
            .route(
                "/double",
                post(async move |Json(sent): Json<Value>| {
                    let connection = connection.lock().unwrap();
                    connection.execute(double, []).unwrap();
                    stored(&connection, sent["name"].as_str().unwrap())
                }),
            )
    });
    assert_eq!(found, ["a_number_is_doubled"]);
}

/// As the examples of Step CI: posts of a service that keeps nothing, cookies, basic authentication, forms, uploads.
const POSTS: &str = r#"
venomqa: 1
name: posts
reset: { request: { path: / } }
variables: { resource: posts }
actions:
  - name: post
    request: { method: POST, path: "/{{ resource }}", json: { title: Hello!, body: This is the body, author: 1 } }
    expect: { status: 201, body: [{ jsonpath: $.id, equals: 101, at_least: 0 }] }
    extract: { id: $.id }
  - name: show_post
    request: { path: "/{{ resource }}/{{ id }}" }
    expect: { status: 404, headers: { Content-Type: application/json }, body: [{ equals: "{}" }] }
  - name: send_cookie
    request: { path: /cookies, headers: { Cookie: wows=world } }
    expect: { status: 200, body: [{ jsonpath: $.cookies.wows, equals: world }] }
  - name: authenticate
    request: { path: /basic-auth, basic: { user: hello, password: world } }
    expect: { status: 2xx }
  - name: send_form
    request: { method: POST, path: /form, form: { name: hello, tag: [a, b] } }
    expect: { status: 200, body: [{ equals: name=hello&tag=a&tag=b }] }
  - name: upload
    request: { method: POST, path: /files, multipart: { title: x, file: { file: logo.gif, type: image/gif } } }
    expect: { status: 200, body: [{ contains: GIF89a }, { contains: image/gif }] }
"#;

#[test]
fn posts_cookies_credentials_forms_and_files_are_sent() {
    let found = explored(POSTS, |_, has_fault| {
        let header = |headers: &HeaderMap, name: &str| headers[name].to_str().unwrap().to_owned();
        Router::new()
            .route(
                "/posts",
                post(async || (StatusCode::CREATED, Json(json!({ "id": 101 })))),
            )
            .route(
                "/posts/{id}",
                get(async move |Path(id): Path<u32>| {
                    let code = if has_fault && id == 101 {
                        StatusCode::OK
                    } else {
                        StatusCode::NOT_FOUND
                    };
                    (code, Json(json!({})))
                }),
            )
            .route(
                "/cookies",
                get(async move |headers: HeaderMap| {
                    let cookie = header(&headers, "cookie");
                    let (name, value) = cookie.split_once('=').unwrap();
                    Json(json!({ "cookies": { name: value } }))
                }),
            )
            .route(
                "/basic-auth",
                get(async move |headers: HeaderMap| {
                    status(header(&headers, "authorization") == "Basic aGVsbG86d29ybGQ=")
                }),
            )
            .route("/form", post(async |body: String| body))
            .route("/files", post(async |body: String| body))
    });
    assert_eq!(found, ["unexpected-status"]);
}

/// As tavern's tests of retries: a job is asked for until it is done.
const JOBS: &str = r#"
venomqa: 1
name: jobs
reset: { request: { method: POST, path: /reset } }
actions:
  - name: start
    request: { method: POST, path: /jobs }
    expect: { status: 201 }
    extract: { job: $.id }
    max_calls: 1
  - name: wait
    request: { path: "/jobs/{{ job }}" }
    retry: { until: { status: 200, body: [{ jsonpath: $.status, equals: ready }] }, at_most: 500ms, every: 1ms }
"#;

#[test]
fn a_job_is_asked_for_until_it_is_done() {
    let found = explored(JOBS, |_, has_fault| {
        let asked = Arc::new(Mutex::new(0));
        let (reset, start) = (asked.clone(), asked.clone());
        let begin = |asked: &Mutex<i32>| *asked.lock().unwrap() = 0;
        let poll = async move || {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            let is_ready = *asked > 2 && !has_fault;
            Json(json!({ "status": if is_ready { "ready" } else { "running" } }))
        };
        Router::new()
            .route("/reset", post(async move || begin(&reset)))
            .route(
                "/jobs",
                post(async move || {
                    begin(&start);
                    (StatusCode::CREATED, Json(json!({ "id": 7 })))
                }),
            )
            .route("/jobs/7", get(poll))
    });
    assert_eq!(found, ["unexpected-body"]);
}

/// As the examples of Step CI that make values up and speak GraphQL.
const ACCOUNTS: &str = r#"
venomqa: 1
name: accounts
reset: { request: { method: POST, path: /reset } }
actions:
  - name: sign_up
    request: { method: POST, path: /accounts, headers: { Idempotency-Key: "{{ uuid() }}" }, json: { email: "{{ fake.email() }}" } }
    expect: { status: 201 }
    extract: { account: $.id }
    max_calls: 2
  - name: ask
    request: { path: /graphql, graphql: { query: "query ($id: Int!) { account(id: $id) { email } }", variables: { id: "{{ account }}" } } }
    expect: { status: 200, body: [{ jsonpath: $.errors, empty: true }, { jsonpath: $.data.account.email, contains: "@" }] }
"#;

#[test]
fn values_are_made_up_and_asked_for_in_graphql() {
    let found = explored(ACCOUNTS, |_, has_fault| {
        let emails = Arc::new(Mutex::new(Vec::<Value>::new()));
        let (reset, stored) = (emails.clone(), emails.clone());
        let sign_up = async move |headers: HeaderMap, Json(sent): Json<Value>| {
            let mut stored = stored.lock().unwrap();
            let is_new = !stored.contains(&sent["email"]);
            if !is_new || headers["idempotency-key"].len() != 36 {
                return StatusCode::CONFLICT.into_response();
            }
            stored.push(sent["email"].clone());
            let id = json!({ "id": stored.len() });
            (StatusCode::CREATED, Json(id)).into_response()
        };
        let ask = async move |Json(sent): Json<Value>| {
            let emails = emails.lock().unwrap();
            let id = sent["variables"]["id"].as_u64().unwrap() as usize;
            // Right for the first account.
            let is_asked = sent["query"].as_str().unwrap().contains("account(id: $id)");
            match emails.get(id - 1) {
                Some(email) if is_asked && !(has_fault && id > 1) => {
                    Json(json!({ "data": { "account": { "email": email } } }))
                }
                _ => Json(json!({ "errors": [{ "message": "no such account" }] })),
            }
        };
        Router::new()
            .route("/reset", post(async move || reset.lock().unwrap().clear()))
            .route("/accounts", post(sign_up))
            .route("/graphql", post(ask))
    });
    assert_eq!(found, ["unexpected-body"]);
}
