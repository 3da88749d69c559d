//! What earlier runs have found is tried before the next walk.

use std::fs;

use serde_json::{Value, json};

use crate::support::{JournalMode, Sandbox, Store, items, store, violations, without_times};

const FILE: &str = ".venomqa/no_refund_beyond_the_total-refund.yaml";

fn explore(sandbox: &Sandbox, store: &Store, more: &str, code: i32) -> Value {
    sandbox
        .venomqa("explore --report json")
        .args(more)
        .env("STORE_URL", store.url())
        .run()
        .code(code)
        .only_run()
}

/// A sandbox whose store has been explored with its bug in it.
fn explored() -> (Sandbox, Store) {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Delete, true);
    let run = explore(&sandbox, &store, "--strategy bfs --max-steps 60", 1);
    assert_eq!(run["corpus"], json!([]));
    assert_eq!(
        run["violations"][0]["replay"],
        format!("venomqa replay {FILE}")
    );
    (sandbox, store)
}

fn outcome(run: &Value) -> &Value {
    assert_eq!(items(&run["corpus"]).len(), 1, "{run:#}");
    &run["corpus"][0]["outcome"]
}

#[test]
fn what_still_fails_is_a_violation_although_the_walk_does_not_come_across_it() {
    let (sandbox, store) = explored();
    let before = (store.dump(), sandbox.read(FILE));
    // One step finds nothing by itself.
    let alone = explore(&sandbox, &store, "--max-steps 1 --no-corpus", 0);
    assert_eq!(violations(&alone), [""; 0]);
    let run = explore(&sandbox, &store, "--max-steps 1", 1);
    assert_eq!(outcome(&run), "still-failing");
    assert_eq!(violations(&run), ["no_refund_beyond_the_total"]);
    let violation = &run["violations"][0];
    assert_eq!(violation["first_step"], 0, "{violation:#}");
    assert_eq!(
        violation["confirmation"]["result"], "confirmed",
        "{violation:#}"
    );
    assert_eq!(items(&violation["path"]).len(), 2, "{violation:#}");
    assert_eq!(run["figures"]["steps"], 1);
    assert_eq!((store.dump(), sandbox.read(FILE)), before);
}

#[test]
fn what_is_tried_first_does_not_change_the_walk() {
    let (sandbox, store) = explored();
    for strategy in ["dfs", "random", "mcts", "coverage"] {
        let flags = format!("--strategy {strategy} --max-steps 80 --seed 7");
        let with = explore(&sandbox, &store, &flags, 1);
        // Alone the walk may well find nothing: it ends with whatever code.
        let without = sandbox
            .venomqa("explore --report json --no-corpus")
            .args(flags)
            .env("STORE_URL", store.url())
            .run()
            .only_run();
        let (with, without) = (without_times(with), without_times(without));
        for part in ["actions", "stop", "warnings"] {
            assert_eq!(with[part], without[part], "{strategy}: {part}");
        }
        for figure in ["steps", "states", "transitions", "untried", "deepest"] {
            let (with, without) = (&with["figures"][figure], &without["figures"][figure]);
            assert_eq!(with, without, "{strategy}: {figure}");
        }
    }
}

#[test]
fn both_findings_of_one_bug_are_one_violation() {
    let (sandbox, store) = explored();
    let run = explore(&sandbox, &store, "--strategy dfs --max-steps 200", 1);
    assert_eq!(violations(&run), ["no_refund_beyond_the_total"]);
    let violation = &run["violations"][0];
    assert!(violation["occurrences"].as_u64() > Some(0), "{violation:#}");
    assert!(violation["first_step"].as_u64() > Some(0), "{violation:#}");
    assert_eq!(fs::read_dir(sandbox.path(".venomqa")).unwrap().count(), 1);
}

#[test]
fn what_does_not_happen_any_more_is_fixed_and_the_file_stays() {
    let (sandbox, store) = explored();
    let file = sandbox.read(FILE);
    store.stop();
    let clean = Store::on(&sandbox, false);
    let run = explore(&sandbox, &clean, "--strategy bfs --max-steps 60", 0);
    assert_eq!(outcome(&run), "fixed");
    assert_eq!(sandbox.read(FILE), file);
    sandbox
        .venomqa("explore --max-steps 5")
        .env("STORE_URL", clean.url())
        .run()
        .code(0)
        .says(&[
            "found before (tried first; a file that is no longer wanted can be deleted)",
            &format!("fixed {FILE}").replace("fixed ", "fixed         "),
        ]);
}

#[test]
fn what_cannot_be_tried_any_more_says_why_and_is_no_failure() {
    let (sandbox, store) = explored();
    for (spec, why) in [
        (
            store::SPEC.replace("- name: refund\n", "- name: pay_back\n"),
            "there is no action `refund` any more",
        ),
        (
            store::SPEC.replace("- name: no_refund_beyond_the_total\n", "- name: another\n"),
            "there is no invariant `no_refund_beyond_the_total` any more",
        ),
        (
            store::SPEC.replace("- name: refund\n", "- name: refund\n    max_calls: 1\n"),
            "step 2 (`refund`) is not possible: its `max_calls: 1` was used up",
        ),
    ] {
        sandbox.write("venomqa.yaml", &spec);
        let run = explore(&sandbox, &store, "--max-steps 1", 0);
        assert_eq!(outcome(&run), "not-tried", "{run:#}");
        assert_eq!(run["corpus"][0]["reason"], why);
    }
    sandbox.write("venomqa.yaml", store::SPEC);
    sandbox.write(FILE, "venomqa: 1\n");
    sandbox
        .venomqa("explore --max-steps 1")
        .env("STORE_URL", store.url())
        .run()
        .code(0)
        .complains(&[
            "warning: `.venomqa/no_refund",
            "cannot be read: it lacks the key `reproduction`",
        ]);
}

#[test]
fn a_bug_that_comes_back_another_way_gets_a_file_of_its_own() {
    let (sandbox, store) = explored();
    // The path in the file holds nothing any more, but the bug is still there.
    let text = sandbox.read(FILE);
    let first = "  - action: refund\n";
    let start = text.find(first).unwrap();
    let end = start + first.len() + text[start + first.len()..].find(first).unwrap();
    sandbox.write(FILE, &format!("{}{}", &text[..start], &text[end..]));
    let run = explore(&sandbox, &store, "--strategy bfs --max-steps 60", 1);
    assert_eq!(outcome(&run), "fixed");
    assert_eq!(
        run["violations"][0]["replay"],
        "venomqa replay .venomqa/no_refund_beyond_the_total-refund-2.yaml"
    );
}

#[test]
fn fail_fast_stops_at_what_is_known() {
    let (sandbox, store) = explored();
    let run = explore(&sandbox, &store, "--fail-fast", 1);
    assert_eq!(run["stop"]["reason"], "fail-fast");
    assert_eq!(run["figures"]["steps"], 0);
    assert_eq!(run["outcome"], "violations");
}

#[test]
fn a_reproduction_of_another_spec_in_the_same_folder_is_left_alone() {
    let (sandbox, store) = explored();
    sandbox.write("other.yaml", store::SPEC);
    let other = sandbox.read(FILE);
    let run = explore(
        &sandbox,
        &store,
        "other.yaml --strategy bfs --max-steps 60",
        1,
    );
    assert_eq!(run["corpus"], json!([]));
    assert_eq!(sandbox.read(FILE), other);
    assert_eq!(
        run["violations"][0]["replay"],
        "venomqa replay .venomqa/no_refund_beyond_the_total-refund-2.yaml"
    );
}
