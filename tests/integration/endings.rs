//! The first Ctrl-C and the time limit end whatever is under way, with a report.

use crate::support::{
    Database, Fault, JournalMode, Kind, Sandbox, Store, Wire, eventually, service, signal, store,
};

const ENDLESS: &str = "invariants:
  - name: endless
    sql: WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c) SELECT count(*) FROM c, orders WHERE x < 0
";

#[test]
fn one_interruption_ends_a_request_that_is_never_answered() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Wal, true);
    let before = store.dump();
    let wire = Wire::to(store.port(), Fault::Silence);
    let mut run = sandbox
        .venomqa(["explore", "--strategy", "bfs", "--progress-every", "1"])
        .args(["--base-url", &wire.url()])
        .start();
    // The next step is the refund, which is never answered.
    run.wait_for_stderr("step 1/");
    run.signal("INT");
    run.wait().code(130).says(&["interrupted"]);
    assert_eq!(store.dump(), before);
}

#[test]
fn the_time_limit_ends_a_request_that_is_never_answered() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Wal, true);
    let before = store.dump();
    let wire = Wire::to(store.port(), Fault::Silence);
    let run = sandbox
        .venomqa(["explore", "--strategy", "bfs", "--time-limit", "2s"])
        .args(["--report", "json", "--base-url", &wire.url()])
        .run()
        .code(0)
        .only_run();
    assert_eq!(run["stop"]["reason"], "time-limit", "{run:#}");
    assert_eq!(store.dump(), before);
}

#[test]
fn one_interruption_ends_a_query_without_an_end() {
    let spec = store::SPEC.replace("invariants:\n", ENDLESS);
    assert_ne!(spec, store::SPEC);
    let sandbox = Sandbox::with_spec(&spec);
    let store = Store::start(&sandbox, JournalMode::Delete, false);
    let before = store.dump();
    let run = sandbox
        .venomqa(["explore", "--base-url", &store.url()])
        .start();
    eventually("the journal is there", || {
        let journal = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'venomqa%'";
        (Database::at(sandbox.path("store.db")).number(journal) > 0).then_some(())
    });
    run.signal("INT");
    run.wait().code(130);
    assert_eq!(before, store.dump());
}

#[test]
fn the_time_limit_ends_the_wait_for_a_service_that_never_answers() {
    let spec = r#"
venomqa: 1
name: silent
restore: replay
service: { command: [sleep, "60"], ready: { timeout: 60s } }
http: { base_url: "http://127.0.0.1:${port}" }
actions:
  - name: look
    request: { path: / }
"#;
    let sandbox = Sandbox::with_spec(spec);
    sandbox
        .venomqa(["explore", "--time-limit", "1s"])
        .run()
        .code(3)
        .says(&["`--time-limit` was reached"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_is_killed_takes_the_service_that_it_started_with_it() {
    let sandbox = Sandbox::with_shop();
    let mut run = sandbox
        .venomqa(["explore", "--strategy", "random", "--max-steps", "1000000"])
        .args(["--progress-every", "1"])
        .start();
    run.wait_for_stderr("step 5/");
    run.kill();
    eventually("the service and its guard end", || {
        sandbox.processes().is_empty().then_some(())
    });
}

/// A service that leaves the process group in which it was started, as a daemon does.
#[cfg(target_os = "linux")]
fn daemon() -> Sandbox {
    let spec = format!(
        "venomqa: 1\nname: daemon\nrestore: none\n{}actions: [{{ name: look, request: {{ path: / }} }}]\n",
        service(Kind::Credits)
    );
    Sandbox::with_spec(&spec.replace(
        "command: [",
        "command: [\"setsid\", \"--fork\", \"--wait\", ",
    ))
}

#[cfg(target_os = "linux")]
#[test]
fn a_service_that_leaves_its_process_group_is_stopped_all_the_same() {
    let sandbox = daemon();
    sandbox
        .venomqa("explore --strategy random --max-steps 3")
        .run()
        .code(0);
    assert_eq!(sandbox.processes(), [0; 0]);

    let mut run = sandbox
        .venomqa("explore --strategy random --max-steps 1000000 --progress-every 1")
        .start();
    run.wait_for_stderr("step 5/");
    run.kill();
    eventually("the service and its guard end", || {
        sandbox.processes().is_empty().then_some(())
    });
}

#[cfg(target_os = "linux")]
#[test]
fn restore_ends_and_names_what_a_killed_run_and_its_killed_guard_left_running() {
    let sandbox = daemon();
    let mut run = sandbox
        .venomqa("explore --strategy random --max-steps 1000000 --progress-every 1")
        .start();
    run.wait_for_stderr("step 5/");
    let is_guard = |id: &u32| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("venomqa-guard")
    };
    let guard = sandbox.processes().into_iter().find(is_guard).unwrap();
    signal(guard, "KILL");
    run.kill();
    assert!(!sandbox.processes().is_empty());
    sandbox
        .venomqa("restore")
        .run()
        .code(0)
        .says(&["ended process ", "which a killed run had left running"]);
    assert_eq!(sandbox.processes(), [0; 0]);
}
