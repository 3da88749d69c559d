//! What services do that are not made for tests: state in the process, writing late, dying and hanging; and what only looks like it.

use serde_json::Value;

use crate::support::{Database, Kind, Sandbox, notes, service, violations, warnings};

fn explore(spec: &str, strategy: &str, code: i32) -> Value {
    let service = service(Kind::Notes);
    let sandbox = Sandbox::with_spec(&format!("venomqa: 1\nname: notes\n{service}{spec}"));
    let database = Database::at(sandbox.path("notes.db"));
    database.execute(notes::SCHEMA);
    let before = database.dump();
    let run = sandbox
        .venomqa(["explore", "--strategy", strategy, "--report", "json"])
        .run()
        .code(code);
    assert_eq!(database.dump(), before);
    run.only_run()
}

const ADD: &str = "
systems: { db: { sqlite: notes.db } }
actions:
  - { name: add, request: { method: POST, path: /add }, max_calls: 3 }
";

#[test]
fn what_a_refused_request_writes_once_in_the_life_of_the_process_is_blamed_on_nobody_else() {
    let spec = format!(
        "checks: {{ rejected-but-wrote: high }}{ADD}  - {{ name: pay, request: {{ method: POST, path: /pay }} }}\n"
    );
    for strategy in ["bfs", "random"] {
        let run = explore(&spec, strategy, 3);
        let warnings = warnings(&run);
        assert!(
            warnings.contains(&"state-outside-systems"),
            "{strategy}: {run:#}"
        );
        assert!(!warnings.contains(&"late-write"), "{strategy}: {run:#}");
    }
}

#[test]
fn started_again_for_each_restore_it_writes_each_time_and_that_is_confirmed() {
    let spec = format!(
        "restore: full\nchecks: {{ rejected-but-wrote: high }}{ADD}  - {{ name: pay, request: {{ method: POST, path: /pay }} }}\n"
    );
    let run = explore(&spec, "bfs", 1);
    assert_eq!(violations(&run), ["rejected-but-wrote"], "{run:#}");
    assert_eq!(run["violations"][0]["confirmation"]["result"], "confirmed");
}

#[test]
fn a_counter_of_requests_and_a_list_without_an_order_are_no_state_in_the_process() {
    let spec = format!(
        "{ADD}  - {{ name: health, request: {{ path: /health }} }}\n  - {{ name: list, request: {{ path: /list }} }}\n"
    );
    for strategy in ["bfs", "dfs", "random"] {
        let run = explore(&spec, strategy, 0);
        let said = warnings(&run);
        assert!(
            said.iter().all(|code| *code == "order-differs"),
            "{strategy}: {run:#}"
        );
    }
}

const LATE: &str = "
actions:
  - { name: late, request: { method: POST, path: /late }, max_calls: 2 }
invariants:
  - { name: few, sql: SELECT count(*) FROM notes, expect: { at_most: 4 } }
";

#[test]
fn rows_are_read_once_a_query_says_that_all_is_written() {
    let settle = "settle: { until: SELECT count(*) = 0 FROM outbox, at_most: 30s }";
    let run = explore(
        &format!("systems: {{ db: {{ sqlite: notes.db, {settle} }} }}{LATE}"),
        "bfs",
        1,
    );
    assert_eq!(violations(&run), ["few"], "{run:#}");
    assert_eq!(warnings(&run), [""; 0], "{run:#}");
    assert_eq!(run["violations"][0]["confirmation"]["result"], "confirmed");
    assert_eq!(run["violations"][0]["path"].as_array().unwrap().len(), 2);
    assert_ne!(run["time"]["settle_ms"], 0.0, "{run:#}");
}

#[test]
fn a_query_that_says_so_may_ask_for_what_the_answer_has_brought() {
    let settle = "settle: { until: 'SELECT :length IS NOT NULL AND count(*) = 0 FROM outbox', at_most: 30s }";
    let late = LATE.replace(
        "max_calls: 2",
        "extract: { length: { header: Content-Length } }, max_calls: 2",
    );
    let run = explore(
        &format!("systems: {{ db: {{ sqlite: notes.db, {settle} }} }}{late}"),
        "bfs",
        1,
    );
    assert_eq!(violations(&run), ["few"], "{run:#}");
    assert_eq!(warnings(&run), [""; 0], "{run:#}");
    assert_eq!(run["violations"][0]["path"].as_array().unwrap().len(), 2);
}

#[test]
fn what_comes_late_is_seen_before_a_restart_ends_it() {
    let late = LATE.replace("max_calls: 2", "max_calls: 3");
    for restore in ["full", "replay", "database"] {
        let spec = format!("restore: {restore}\nsystems: {{ db: {{ sqlite: notes.db }} }}{late}");
        let run = explore(&spec, "bfs", 1);
        assert_eq!(violations(&run), ["few"], "{restore}: {run:#}");
        assert_eq!(warnings(&run), ["late-write"], "{restore}: {run:#}");
        let violation = &run["violations"][0];
        assert_eq!(violation["confirmation"]["result"], "confirmed", "{run:#}");
        assert_eq!(violation["path"].as_array().unwrap().len(), 2, "{run:#}");
    }
}

#[test]
fn what_has_not_settled_in_time_is_said_and_is_a_gap() {
    let settle = "settle: { until: SELECT 0, at_most: 1ms }";
    let spec = format!(
        "systems: {{ db: {{ sqlite: notes.db, {settle} }} }}
actions: [{{ name: add, request: {{ method: POST, path: /add }}, max_calls: 2 }}]\n"
    );
    let run = explore(&spec, "bfs", 0);
    assert_eq!(warnings(&run), ["not-settled"], "{run:#}");
    let message = run["warnings"][0]["message"].as_str().unwrap();
    assert!(
        message.contains(" times: `SELECT 0` was not true yet"),
        "{message}"
    );
    assert_eq!(run["outcome"], "incomplete", "{run:#}");
}

#[test]
fn replaying_a_path_puts_databases_back_beside_the_memory_of_the_process() {
    let spec = format!(
        "restore: replay{ADD}invariants:
  - {{ name: few, sql: SELECT count(*) FROM notes, expect: {{ at_most: 4 }} }}
  - {{ name: memory_is_right, request: {{ path: /memory }}, jsonpath: \"$[?@.rows != @.memory]\", expect: empty }}\n"
    );
    let run = explore(&spec, "bfs", 1);
    assert_eq!(violations(&run), ["few"], "{run:#}");
    assert_eq!(warnings(&run), [""; 0], "{run:#}");
    let violation = &run["violations"][0];
    assert_eq!(violation["confirmation"]["result"], "confirmed", "{run:#}");
    let rows = &violation["path"][1]["rows"];
    assert_eq!(rows.as_array().unwrap().len(), 1, "{violation:#}");
}

#[test]
fn a_service_that_dies_of_the_request_of_an_invariant_gives_no_answer() {
    let spec = format!(
        "{ADD}invariants:
  - {{ name: can_be_checked, request: {{ path: /check }}, jsonpath: $, expect: not_empty }}\n"
    );
    let run = explore(&spec, "bfs", 1);
    assert_eq!(violations(&run), ["no-answer"], "{run:#}");
    let violation = &run["violations"][0];
    assert_eq!(violation["confirmation"]["result"], "confirmed", "{run:#}");
    let message = violation["message"].as_str().unwrap();
    assert!(
        message.starts_with("the request of the invariant `can_be_checked` was not answered"),
        "{message}"
    );
    assert!(
        violation["evidence"].to_string().contains("GET /check"),
        "{violation:#}"
    );
}

#[test]
fn an_action_that_hangs_is_not_tried_for_ever_and_is_confirmed() {
    let spec = "
http: { timeout: 1100ms }
systems: { db: { sqlite: notes.db } }
actions:
  - { name: add, request: { method: POST, path: /add }, max_calls: 5 }
  - { name: hang, request: { method: POST, path: /hang } }
";
    let run = explore(spec, "bfs", 1);
    assert_eq!(violations(&run), ["no-answer"], "{run:#}");
    assert_eq!(run["violations"][0]["confirmation"]["result"], "confirmed");
    assert_eq!(warnings(&run), ["given-up"], "{run:#}");
    let message = run["warnings"][0]["message"].as_str().unwrap();
    assert_eq!(
        message,
        "`hang` waited for an answer in vain 3 times in a row, and was not tried in 3 more states"
    );
}
