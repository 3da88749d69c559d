//! Flags, the spec's `explore:` section, defaults; and exit codes.

use serde_json::Value;

use crate::support::{JournalMode, Sandbox, Store, items, store, texts, violations};

/// One run of the shop that is not expected to fail.
fn shop(arguments: &str) -> Value {
    let sandbox = Sandbox::with_shop();
    let finished = sandbox
        .venomqa("explore --report json")
        .args(arguments)
        .run();
    assert!(matches!(finished.status.code(), Some(0 | 1)), "{finished}");
    finished.only_run()
}

#[test]
fn violations_decide_between_exit_code_0_and_1() {
    let sandbox = Sandbox::with_shop();
    let explore = "explore --strategy bfs --max-steps 500";
    sandbox
        .venomqa(explore)
        .args("--set bugs=none")
        .run()
        .code(0);
    sandbox
        .venomqa(explore)
        .args("--set bugs=all")
        .run()
        .code(1);
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_right() {
    let sandbox = Sandbox::with_shop();
    for (arguments, says) in [
        ("explore --strategy dsf", "dfs"),
        ("explore --max-steps many", "--max-steps"),
        ("explore --max-steps 0", "--max-steps"),
        ("explore --coverage-target 1.5", "--coverage-target"),
        ("explore --time-limit soon", "--time-limit"),
        ("explore --fail-fast=bad", "critical"),
        ("explore --set bugs", "--set"),
        ("explore --set bug=none", "bugs"),
        ("explore --report pdf", "json"),
        ("explore no-such-file.yaml", "no-such-file.yaml"),
        ("exlpore", "explore"),
    ] {
        let finished = sandbox.venomqa(arguments).run().code(2);
        assert!(
            finished.stderr.contains(says),
            "`{says}` is missing: {finished}"
        );
        assert_eq!(finished.stdout, "", "{finished}");
    }
}

#[test]
fn a_folder_without_specs_ends_with_2_and_says_what_to_do() {
    let sandbox = Sandbox::new();
    sandbox
        .venomqa("explore")
        .run()
        .code(2)
        .complains(&["venomqa.yaml", "specs", "venomqa init"]);
}

#[test]
fn fail_fast_stops_at_the_first_violation() {
    let run = shop("--strategy bfs --fail-fast");
    assert_eq!(run["stop"]["reason"], "fail-fast");
    assert_eq!(items(&run["violations"]).len(), 1);
    let found = run["violations"][0]["first_step"].as_u64().unwrap();
    assert_eq!(run["figures"]["steps"], found);
}

#[test]
fn fail_fast_with_a_severity_goes_on_after_milder_violations() {
    let run = shop("--strategy bfs --fail-fast=critical");
    assert_eq!(run["stop"]["reason"], "fail-fast");
    assert_eq!(run["stop"]["severity"], "critical");
    let severities: Vec<_> = texts(&run["violations"], "severity");
    assert_eq!(
        severities
            .iter()
            .filter(|severity| **severity == "critical")
            .count(),
        1
    );
    assert!(
        severities.len() > 1,
        "bfs meets milder ones before: {severities:?}"
    );
}

#[test]
fn a_time_limit_ends_the_run() {
    let run = shop("--time-limit 2s --max-steps 100000000");
    assert_eq!(run["stop"]["reason"], "time-limit");
}

#[test]
fn a_coverage_target_ends_the_run_once_it_is_reached() {
    for target in ["0.5", "50%"] {
        let run = shop(&format!("--coverage-target {target}"));
        assert_eq!(run["stop"]["reason"], "coverage-target");
        let coverage = run["figures"]["coverage"].as_f64().unwrap();
        assert!((0.5..0.7).contains(&coverage), "{coverage}");
    }
}

#[test]
fn max_depth_bounds_every_path_and_max_steps_the_steps() {
    let run = shop("--max-depth 2 --max-steps 5000");
    assert_eq!(run["figures"]["deepest"], 2);
    assert_eq!(run["stop"]["reason"], "complete");
    assert_eq!(run["stop"]["depth_limited"], true);
    let run = shop("--max-steps 17");
    assert_eq!(run["figures"]["steps"], 17);
    assert_eq!(run["stop"]["reason"], "max-steps");
}

#[test]
fn a_flag_beats_the_spec_which_beats_the_default() {
    let sandbox = Sandbox::with_shop();
    let shop = sandbox.read("specs/shop.yaml");
    let (model, _) = shop.split_once("\nexplore:").unwrap();
    let run = |section: &str, flags: &str| {
        sandbox.write("specs/shop.yaml", &format!("{model}\n{section}"));
        let run = sandbox
            .venomqa("explore --report json")
            .args(flags)
            .run()
            .only_run();
        (
            run["strategy"].as_str().unwrap().to_owned(),
            run["limits"]["max_steps"].as_u64().unwrap(),
            run["limits"]["max_depth"].as_u64().unwrap(),
            run["seed"].as_u64().unwrap(),
        )
    };
    assert_eq!(run("", ""), ("auto".to_owned(), 500, 20, 1));
    let section = "explore: { strategy: bfs, max_steps: 30, max_depth: 3, seed: 9 }\n";
    assert_eq!(run(section, ""), ("bfs".to_owned(), 30, 3, 9));
    assert_eq!(
        run(
            section,
            "--strategy random --max-steps 20 --max-depth 4 --seed 8"
        ),
        ("random".to_owned(), 20, 4, 8)
    );
}

#[test]
fn proxies_of_the_environment_are_ignored() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Delete, false);
    let mut run = sandbox.venomqa("explore --max-steps 20").at(&store.url());
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        run = run.env(name, "http://127.0.0.1:9");
    }
    run.run().code(0);
}

#[test]
fn base_url_beats_the_spec_and_the_environment_fills_the_spec() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Delete, true);
    let explore = "explore --strategy bfs --max-steps 60 --report json";
    sandbox.venomqa(explore).run().code(3);
    let run = sandbox
        .venomqa(explore)
        .env("STORE_URL", store.url())
        .run()
        .code(1)
        .only_run();
    assert_eq!(violations(&run), [store::BUG]);
    let run = sandbox
        .venomqa(explore)
        .at(&store.url())
        .env("STORE_URL", "http://127.0.0.1:9")
        .run()
        .code(1)
        .only_run();
    assert_eq!(violations(&run), [store::BUG]);
}
