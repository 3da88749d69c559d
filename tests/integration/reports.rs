//! Reports in every format, rendered again from the log, and merged.

use serde_json::Value;

use crate::support::{JournalMode, Kind, Sandbox, Store, items, service, store};

/// Every format that there is.
pub(crate) const FORMATS: [&str; 8] = [
    "console", "json", "log", "html", "junit", "markdown", "github", "sarif",
];

/// The arguments that have every format written to a file of its own.
pub(crate) fn into(flag: &str, folder: &str) -> Vec<String> {
    FORMATS
        .iter()
        .flat_map(|format| [flag.to_owned(), format!("{format}={folder}/{format}")])
        .collect()
}

#[track_caller]
fn assert_rendered_again(sandbox: &Sandbox) {
    sandbox
        .venomqa("report first/log")
        .args(into("--to", "again"))
        .run()
        .code(0);
    for format in FORMATS {
        let (first, again) = (
            sandbox.read(&format!("first/{format}")),
            sandbox.read(&format!("again/{format}")),
        );
        assert!(!first.is_empty(), "{format}");
        assert!(first == again, "{format} differs:\n{first}\n---\n{again}");
    }
}

#[test]
fn every_format_is_rendered_again_byte_for_byte() {
    let sandbox = Sandbox::with_shop();
    sandbox
        .venomqa("explore --max-steps 150")
        .args(into("--report", "first"))
        .run()
        .code(1);
    assert_rendered_again(&sandbox);
    let again = sandbox.venomqa("report first/log --exit-code").run();
    assert_eq!(again.code(1).stdout, sandbox.read("first/console"));
}

#[test]
fn a_run_that_failed_is_rendered_again_too() {
    let sandbox = Sandbox::with_spec(&store::spec_with_service(&service(Kind::ExitsAtOnce)));
    sandbox
        .venomqa("explore")
        .args(into("--report", "first"))
        .run()
        .code(3);
    assert_rendered_again(&sandbox);
    assert!(sandbox.read("first/junit").contains("<error "), "junit");
    assert!(
        sandbox.read("first/github").starts_with("::error "),
        "github"
    );
}

#[test]
fn the_log_of_a_killed_run_says_what_it_had_seen() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Wal, true);
    let mut run = sandbox
        .venomqa("explore --max-steps 1000000 --progress-every 1 --strategy bfs")
        .at(&store.url())
        .args("--report log=run.log")
        .start();
    run.wait_for_stderr("violations 1");
    run.kill();
    let mut json = sandbox
        .venomqa("report run.log --to json")
        .run()
        .code(0)
        .complains(&["the run was killed"])
        .only_run();
    assert_eq!(json["outcome"], "failed");
    assert_eq!(json["stop"]["reason"], "cut-off");
    let found = json["violations"][0].take();
    assert_eq!(found["name"], store::BUG);
    assert_eq!(found["confirmation"]["result"], "not-tried");
    assert!(items(&found["path"]).len() > 1, "{found}");
    sandbox.venomqa("report run.log --exit-code").run().code(3);
    sandbox
        .venomqa("report run.log")
        .args(into("--to", "all"))
        .run()
        .code(0);
}

#[test]
fn the_runs_of_a_matrix_become_one() {
    let sandbox = Sandbox::with_shop();
    for (strategy, seed) in [("bfs", "1"), ("dfs", "1"), ("random", "7")] {
        sandbox
            .venomqa(format!(
                "explore --max-steps 120 --no-corpus --strategy {strategy} --seed {seed}"
            ))
            .args(["--report", &format!("log={strategy}.log")])
            .run();
    }
    let merge = |logs: &[&str]| -> Value {
        sandbox
            .venomqa("report merge --to json")
            .args(logs)
            .run()
            .code(0)
            .only_run()
    };
    let all = merge(&["bfs.log", "dfs.log", "random.log"]);
    assert_eq!(all["figures"]["steps"], 360);
    assert_eq!(all["strategy"], "bfs, dfs, random");
    assert_eq!(items(&all["merged"]).len(), 3);
    let states = |run: &Value| run["figures"]["states"].as_u64().unwrap();
    let parts: Vec<u64> = items(&all["merged"])
        .iter()
        .map(|part| part["states"].as_u64().unwrap())
        .collect();
    // The walks overlap, but none of them has seen everything.
    assert!(states(&all) > *parts.iter().max().unwrap(), "{parts:?}");
    assert!(states(&all) < parts.iter().sum(), "{parts:?}");
    assert_eq!(all, merge(&["random.log", "bfs.log", "dfs.log"]));
    sandbox
        .venomqa("report merge bfs.log random.log --to log=two.log")
        .run()
        .code(0);
    assert_eq!(all, merge(&["two.log", "dfs.log"]));
    sandbox
        .venomqa("report merge two.log dfs.log")
        .args(into("--to", "all"))
        .run()
        .code(0);
}

#[test]
fn what_is_no_run_log_is_an_error_with_its_place() {
    let sandbox = Sandbox::with_shop();
    sandbox
        .venomqa("explore --max-steps 5 --report log=run.log")
        .run();
    let log = sandbox.read("run.log");
    let lines: Vec<&str> = log.lines().collect();
    let newer = lines[0].replacen("\"version\":1", "\"version\":2", 1);
    let broken = format!(
        "{}\n{{\"event\":\"step\",\"step\":\n{}\n",
        lines[0], lines[2]
    );
    for (name, text, says) in [
        (
            "newer.log",
            newer.as_str(),
            "newer.log:1: the log has format 2, this venomqa reads format 1",
        ),
        (
            "broken.log",
            broken.as_str(),
            "broken.log:2: this is no line of a run log",
        ),
        (
            "headless.log",
            lines[1],
            "headless.log:1: a run log begins with an entry `started`",
        ),
        ("empty.log", "", "empty.log:1: there is no run in it"),
        (
            "spec.log",
            "venomqa: 1\n",
            "spec.log:1: this is no line of a run log",
        ),
    ] {
        sandbox.write(name, text);
        sandbox
            .venomqa(["report", name])
            .run()
            .code(2)
            .complains(&[says]);
    }
    sandbox
        .venomqa("report none.log")
        .run()
        .code(2)
        .complains(&["none.log"]);
    sandbox
        .venomqa("report run.log --to log=./run.log")
        .run()
        .code(2)
        .complains(&["overwrite"]);
    assert_eq!(sandbox.read("run.log"), log);
    sandbox
        .venomqa("report run.log --to json --to sarif")
        .run()
        .code(2)
        .complains(&["standard output", "--to sarif=PATH"]);
    sandbox
        .venomqa("report run.log --to html")
        .run()
        .code(2)
        .complains(&["--to html=PATH"]);
}
