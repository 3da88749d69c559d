//! A run never looks better than it was.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::Value;

use crate::support::{Database, Sandbox, Server, items, one};

const SPEC: &str = r#"
venomqa: 1
name: lamp
systems: { db: { sqlite: lamp.db } }
actions:
  - name: switch_on
    request: { method: POST, path: /on }
    extract: { level: $.level }
  - name: dim
    request: { method: POST, path: /dim }
    preconditions: [switch_on, "level > 5"]
  - name: knock
    request: { method: POST, path: /knock }
  - name: look
    request: { method: GET, path: / }
"#;

fn lamp(sandbox: &Sandbox) -> Server {
    let database = Database::at(sandbox.path("lamp.db"));
    database.execute("CREATE TABLE lamp (lit INTEGER); INSERT INTO lamp VALUES (0)");
    Server::start(
        Router::new()
            .route("/", get(async || "a lamp"))
            .route(
                "/on",
                post(async move || {
                    database.execute("UPDATE lamp SET lit = 1");
                    axum::Json(serde_json::json!({ "level": 3 }))
                }),
            )
            .route("/knock", post(async || StatusCode::NO_CONTENT))
            .route("/dim", post(async || StatusCode::NO_CONTENT)),
    )
}

#[test]
fn an_action_that_never_ran_is_named_with_what_kept_it_away_and_spoils_the_clean_pass() {
    let sandbox = Sandbox::with_spec(SPEC);
    let server = lamp(&sandbox);
    sandbox
        .venomqa("explore")
        .at(&server.url())
        .run()
        .code(0)
        .says(&[
            "never ran dim `level > 5` was not true",
            "no violation found in",
            "but 1 of 4 actions never ran",
            "complete: every reachable state within these limits was visited",
        ])
        .never_says("no violation in");
    let run = sandbox
        .venomqa("explore --report json")
        .at(&server.url())
        .run()
        .code(0)
        .only_run();
    assert_eq!(run["outcome"], "incomplete");
    assert_eq!(one(&run["actions"], "name", "dim")["runs"], 0);
    assert_eq!(run["figures"]["coverage"], 0.75);
}

#[test]
fn an_action_that_never_changes_anything_gets_advice_and_a_safe_one_does_not() {
    let sandbox = Sandbox::with_spec(SPEC);
    let server = lamp(&sandbox);
    let run = sandbox
        .venomqa("explore --report json")
        .at(&server.url())
        .run()
        .code(0)
        .only_run();
    let advice = one(&run["actions"], "name", "knock")["advice"]
        .as_str()
        .unwrap();
    assert!(advice.contains("never changed any state"), "{advice}");
    assert_eq!(one(&run["actions"], "name", "look")["advice"], Value::Null);
    assert_eq!(
        one(&run["actions"], "name", "switch_on")["advice"],
        Value::Null
    );
}

#[test]
fn a_service_that_refuses_everything_is_no_clean_pass() {
    let sandbox = Sandbox::with_spec(
        "
venomqa: 1
actions:
  - name: enter
    request: { method: POST, path: /enter }
restore: replay
reset: { request: { method: POST, path: / } }
",
    );
    let server = Server::start(
        Router::new()
            .route("/", get(async || "ready").post(async || "reset"))
            .route("/enter", post(async || StatusCode::UNAUTHORIZED)),
    );
    let finished = sandbox
        .venomqa("explore")
        .at(&server.url())
        .run()
        .code(3)
        .says(&["no request was accepted, so the run proves nothing"]);
    assert!(!finished.stdout.contains("no violation in"), "{finished}");
}

#[test]
fn what_is_left_to_try_is_counted_when_a_limit_ends_the_run() {
    let sandbox = Sandbox::with_shop();
    sandbox
        .venomqa("explore --max-steps 20 --set bugs=none")
        .run()
        .code(0)
        .says(&["`--max-steps`: all 20 steps were taken", "left to try"]);
}

#[test]
fn a_state_that_is_broken_before_anything_is_done_is_a_violation_without_a_path() {
    let sandbox = Sandbox::with_spec(&format!(
        "{SPEC}invariants:\n  - name: lit\n    message: it is dark\n    sql: SELECT lit FROM lamp\n    expect: {{ equals: 1 }}\n"
    ));
    let server = lamp(&sandbox);
    let run = sandbox
        .venomqa("explore --report json")
        .at(&server.url())
        .run()
        .code(1)
        .only_run();
    let found = items(&run["violations"]);
    assert_eq!(found.len(), 1, "{run:#}");
    assert_eq!(found[0]["name"], "lit");
    assert_eq!(found[0]["path"], serde_json::json!([]));
    assert_eq!(found[0]["action"], Value::Null);
    sandbox
        .venomqa("explore")
        .at(&server.url())
        .run()
        .code(1)
        .says(&["it is dark", "initial state"]);
}

#[test]
fn a_500_is_a_violation_although_no_invariant_says_so() {
    let sandbox = Sandbox::with_spec(SPEC);
    let database = Database::at(sandbox.path("lamp.db"));
    database.execute("CREATE TABLE lamp (lit INTEGER)");
    let server = Server::start(
        Router::new()
            .route("/", get(async || "a lamp"))
            .route("/on", post(async || StatusCode::INTERNAL_SERVER_ERROR))
            .route("/knock", post(async || StatusCode::NO_CONTENT)),
    );
    sandbox
        .venomqa("explore")
        .at(&server.url())
        .run()
        .code(1)
        .says(&["critical", "server-error", "switch_on"]);
}

const UNJUDGED: &str = r#"
venomqa: 1
name: cart
restore: none
explore: { strategy: random, max_steps: 20 }
actions:
  - { name: look, max_calls: 1, request: { path: /cart } }
  - { name: page, max_calls: 1, request: { path: /page } }
invariants:
  - { name: no_negative_total, jsonpath: "$..total", expect: { at_least: 0 } }
  - { name: no_negative_weight, jsonpath: "$..weight", expect: { at_least: 0 } }
"#;

/// A cart whose answer is this, of this type, and a page that was never meant to be JSON.
fn cart(content_type: &'static str, body: &'static [u8]) -> Server {
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route("/page", get(async || axum::response::Html("<p>")))
            .route(
                "/cart",
                get(async move || ([("content-type", content_type)], body)),
            ),
    )
}

fn judged(content_type: &'static str, body: &'static [u8], code: i32) -> Value {
    let sandbox = Sandbox::with_spec(UNJUDGED);
    let server = cart(content_type, body);
    sandbox
        .venomqa("explore --report json")
        .at(&server.url())
        .run()
        .code(code)
        .only_run()
}

#[test]
fn an_invariant_that_could_not_be_judged_spoils_the_clean_pass_and_says_where_and_why() {
    for (content_type, body, why) in [
        (
            "application/json",
            &b"{\"total\":1,\"weight\":1}{\"total\":-1}"[..],
            "trailing characters at line 1 column 23",
        ),
        (
            "text/plain",
            b"{\"total\": -1",
            "EOF while parsing an object",
        ),
        (
            "application/hal+json",
            b"<html>",
            "expected value at line 1 column 1",
        ),
    ] {
        let run = judged(content_type, body, 0);
        assert_eq!(run["outcome"], "incomplete", "{why}");
        let gaps = run["gaps"].as_array().unwrap();
        let gaps: Vec<&str> = gaps.iter().map(|gap| gap.as_str().unwrap()).collect();
        assert_eq!(gaps.len(), 2, "{gaps:?}");
        for (gap, name) in gaps.iter().zip(["no_negative_total", "no_negative_weight"]) {
            assert!(
                gap.starts_with(&format!("`{name}` could not be judged ")),
                "{gap}"
            );
        }
        let warnings = run["warnings"].to_string();
        assert!(warnings.contains("`no_negative_total` could not be judged after `look`"));
        assert!(warnings.contains(why), "{warnings}");
    }
}

#[test]
fn an_answer_is_judged_whatever_its_encoding_and_beside_what_json_libraries_refuse() {
    for (content_type, body) in [
        ("application/json", &b"{\"total\":-5,\"weight\":1e999}"[..]),
        ("application/json", b"\xef\xbb\xbf{\"total\":-5,\"weight\":1}"),
        ("application/json", b"{\"total\":-5,\"weight\":1,\"by\":\"\\ud800\"}"),
        ("application/json; charset=latin1", b"{\"total\":-5,\"weight\":1,\"by\":\"\xe9\"}"),
        ("application/json", b"\xff\xfe{\0\"\0t\0o\0t\0a\0l\0\"\0:\0-\x005\0,\0\"\0w\0e\0i\0g\0h\0t\0\"\0:\x001\0}\0"),
        ("application/x-ndjson", b"{\"total\":1,\"weight\":1}\n{\"total\":-5}\n"),
    ] {
        let run = judged(content_type, body, 1);
        assert_eq!(items(&run["violations"]).len(), 1, "{body:?}");
        assert_eq!(run["gaps"], serde_json::json!([]), "{body:?}");
    }
    let clean = judged("application/json", b"{\"total\":5,\"weight\":1}", 0);
    assert_eq!(clean["outcome"], "clean");
}

#[test]
fn an_invariant_that_never_found_what_it_speaks_of_spoils_the_clean_pass() {
    let run = judged("application/json", b"{\"total\":5}", 0);
    assert_eq!(run["outcome"], "incomplete");
    assert_eq!(
        run["gaps"],
        serde_json::json!(["`no_negative_weight` was never judged"])
    );
    let invariants = run["invariants"].as_array().unwrap();
    let judged = invariants.iter().map(|invariant| &invariant["judged"]);
    let is_judged: Vec<bool> = judged.map(|times| *times != 0).collect();
    assert_eq!(is_judged, [true, false]);
}

#[test]
fn a_pattern_that_matches_nothing_is_said_with_its_place_and_one_that_matches_is_not() {
    for (settings, told) in [
        (
            "observe_tables: [lamp, lmap]",
            "`lmap` under `observe_tables` of system `db` matches no table (venomqa.yaml:4:58)",
        ),
        (
            "ignore_columns: [lamp.lti]",
            "`lamp.lti` under `ignore_columns` of system `db` matches no column (venomqa.yaml:4:52)",
        ),
        (
            "observe_tables: ['*', '!lamps'], ignore_tables: []",
            "`!lamps` under",
        ),
        (
            "ignore_tables: [metrics]",
            "`metrics` under `ignore_tables`",
        ),
        (
            "observe_tables: ['*', '!sqlite*'], ignore_columns: ['*.lit']",
            "`!sqlite*` under",
        ),
        ("observe_tables: [lamp], ignore_columns: ['*.lit']", ""),
    ] {
        let written = format!("sqlite: lamp.db, {settings} }} }}");
        let sandbox = Sandbox::with_spec(&SPEC.replace("sqlite: lamp.db } }", &written));
        let server = lamp(&sandbox);
        let run = sandbox
            .venomqa(["explore", "--base-url", &server.url(), "--report", "json"])
            .run()
            .only_run();
        let warnings = run["warnings"].as_array().unwrap();
        let about: Vec<&Value> = warnings
            .iter()
            .filter(|warning| warning["code"] == "pattern-matches-nothing")
            .collect();
        assert_eq!(about.len(), usize::from(!told.is_empty()), "{warnings:?}");
        assert!(
            about
                .iter()
                .all(|it| it["message"].as_str().unwrap().contains(told)),
            "{about:?}"
        );
        assert!(
            about
                .iter()
                .all(|it| it["help"].as_str().unwrap().contains("lamp")),
            "{about:?}"
        );
    }
}

#[test]
fn a_list_in_another_order_is_a_violation_only_where_the_sql_names_an_order() {
    const LIST: &str = "
venomqa: 1
name: list
systems: { db: { sqlite: list.db } }
actions:
  - { name: look, request: { method: GET, path: / } }
invariants:
  - name: list_agrees
    request: { method: GET, path: / }
    jsonpath: $[*].id
    expect: { equals_sql: SELECT id FROM items }
";
    let judged = |sql: &str, answer: &'static str| {
        let sandbox = Sandbox::with_spec(&LIST.replace("SELECT id FROM items", sql));
        let database = Database::at(sandbox.path("list.db"));
        database.execute(
            "CREATE TABLE items (id INTEGER PRIMARY KEY); INSERT INTO items VALUES (1), (2), (3)",
        );
        let json = [("content-type", "application/json")];
        let server = Server::start(Router::new().route("/", get(async move || (json, answer))));
        sandbox
            .venomqa(["explore", "--base-url", &server.url()])
            .run()
    };
    let other_order = r#"[{"id": 3}, {"id": 1}, {"id": 2}]"#;
    let ordered = "SELECT id FROM items ORDER BY id";
    judged("SELECT id FROM items", other_order).code(0);
    judged(
        "SELECT id FROM (SELECT id FROM items ORDER BY id)",
        other_order,
    )
    .code(0);
    judged(ordered, other_order)
        .code(1)
        .says(&["the same values in another order: item 1 is `3`, not `1`"]);
    judged(ordered, r#"[{"id": 1}, {"id": 2}, {"id": 3}]"#).code(0);
    judged(
        "SELECT id FROM items",
        r#"[{"id": 3}, {"id": 1}, {"id": 4}]"#,
    )
    .code(1)
    .says(&["in any order", "`4` has no row of its own, `2` is missing"]);
}

#[test]
fn advice_to_save_steps_is_given_for_accepted_requests_that_change_nothing_at_all() {
    let spec = "
venomqa: 1
name: advice
systems: { db: { sqlite: advice.db, ignore_columns: [t.at] } }
actions:
  - { name: fail, request: { method: POST, path: /fail } }
  - { name: refuse, request: { method: POST, path: /refuse } }
  - { name: touch, request: { method: POST, path: /touch } }
  - { name: knock, request: { method: POST, path: /knock } }
  - { name: succeed, request: { method: POST, path: /knock }, expect: { status: 403 } }
checks: { server-error: off }
";
    let sandbox = Sandbox::with_spec(spec);
    let database = Database::at(sandbox.path("advice.db"));
    database.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER); INSERT INTO t VALUES (1, 0)",
    );
    let touch = async move || {
        database.execute("UPDATE t SET at = at + 1");
        StatusCode::NO_CONTENT
    };
    let server = Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route("/fail", post(async || StatusCode::INTERNAL_SERVER_ERROR))
            .route(
                "/refuse",
                post(async || (StatusCode::FORBIDDEN, "no   entry")),
            )
            .route("/touch", post(touch))
            .route("/knock", post(async || StatusCode::NO_CONTENT)),
    );
    let url = server.url();
    let explore = ["explore", "--base-url", &url, "--report"];
    let run = sandbox.venomqa(explore).args(["json"]).run().only_run();
    let advice = |name: &str| one(&run["actions"], "name", name)["advice"].clone();
    let knock = "`knock` never changed any state in 1 run; a precondition could save those steps";
    assert_eq!(advice("knock"), knock);
    assert_eq!(advice("touch"), Value::Null);
    // It was not refused, though it should have been: that is a violation.
    assert_eq!(advice("succeed"), Value::Null);
    assert_eq!(
        advice("fail"),
        "`fail` was refused every time; the last answer was 500 without a body"
    );
    assert_eq!(
        advice("refuse"),
        "`refuse` was refused every time; the last answer was 403: no entry"
    );
    sandbox
        .venomqa(explore)
        .args(["console", "--max-steps", "1"])
        .run()
        .says(&["the only step was taken"]);
}
