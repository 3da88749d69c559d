//! The report for programs.

use serde_json::Value;

use crate::support::{JournalMode, Sandbox, Store, items, store};

#[test]
fn the_json_report_has_its_version_and_every_main_field() {
    let sandbox = Sandbox::with_shop();
    let report = sandbox
        .venomqa("explore --strategy bfs --report json")
        .run()
        .code(1)
        .json();
    assert_eq!(report["version"], 1);
    assert_eq!(report["venomqa"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["exit_code"], 1);
    assert!(
        report["started_at"].as_str().unwrap().ends_with('Z'),
        "{report:#}"
    );
    let run = &report["runs"][0];
    assert_eq!(run["spec"]["name"], "shop");
    assert_eq!(run["spec"]["path"], "specs/shop.yaml");
    assert_eq!(run["strategy"], "bfs");
    assert_eq!(run["seed"], 1);
    assert_eq!(run["limits"]["max_steps"], 500);
    assert_eq!(run["outcome"], "violations");
    assert_eq!(run["stop"]["reason"], "max-steps");
    assert_eq!(run["figures"]["steps"], 500);
    assert_eq!(run["cleanup"], Value::Null);
    assert_eq!(
        run["figures"]["violations"].as_u64().unwrap(),
        items(&run["violations"]).len() as u64
    );
    assert!(run["figures"]["states"].as_u64().unwrap() > 1);
    let runs: u64 = items(&run["actions"])
        .iter()
        .map(|action| action["runs"].as_u64().unwrap())
        .sum();
    assert_eq!(runs, 500, "every step ran one action");
    for part in [
        "total_ms",
        "http_ms",
        "journal_ms",
        "restore_ms",
        "oracles_ms",
    ] {
        assert!(
            run["time"][part].as_f64().unwrap() > 0.0,
            "{part}: {}",
            run["time"]
        );
    }
    let repeat = run["repeat"].as_str().unwrap();
    assert!(repeat.starts_with("venomqa explore"), "{repeat}");
}

#[test]
fn the_command_that_repeats_a_run_repeats_it() {
    let sandbox = Sandbox::with_shop();
    let explore = |arguments: Vec<String>| sandbox.venomqa(arguments).run().code(1).only_run();
    let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    let mut first = explore(words(
        "explore --strategy mcts --seed 5 --max-steps 400 --set price=90 --report json",
    ));
    let repeat = first["repeat"].as_str().unwrap().to_owned();
    let mut again = words(repeat.strip_prefix("venomqa ").unwrap());
    if !repeat.contains("--report") {
        again.extend(words("--report json"));
    }
    let mut second = explore(again);
    assert_eq!(
        first["actions"].take(),
        second["actions"].take(),
        "{repeat}"
    );
}

#[test]
fn an_interrupted_run_reports_what_it_has_so_far() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Wal, true);
    let mut run = sandbox
        .venomqa("explore --max-steps 1000000 --progress-every 1 --strategy bfs")
        .at(&store.url())
        .args("--report json=report.json --report console")
        .start();
    run.wait_for_stderr("violations 1");
    run.signal("INT");
    let finished = run
        .wait()
        .code(130)
        .says(&["interrupted after", store::BUG]);
    let report: Value = serde_json::from_str(&sandbox.read("report.json")).unwrap();
    assert_eq!(report["exit_code"], 130, "{finished}");
    let run = &report["runs"][0];
    assert_eq!(run["outcome"], "interrupted");
    assert_eq!(run["violations"][0]["name"], store::BUG);
    assert!(run["figures"]["steps"].as_u64().unwrap() > 0);
}

#[test]
fn two_reports_cannot_both_have_standard_output() {
    let sandbox = Sandbox::with_shop();
    sandbox
        .venomqa("explore --report json --report console")
        .run()
        .code(2)
        .complains(&["standard output"]);
}
