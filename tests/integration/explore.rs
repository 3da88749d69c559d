//! The command that must work from a fresh clone.

use regex::Regex;

use crate::support::{JournalMode, Sandbox, Store, items, store};

#[test]
fn explore_without_arguments_finds_specs_and_bugs() {
    let sandbox = Sandbox::with_shop();
    sandbox
        .venomqa("explore --strategy dfs --max-steps 500")
        .run()
        .code(1)
        .says(&[
            "no_refund_beyond_the_payment",
            "more money was refunded than was paid",
            "violations (",
        ]);
}

/// The records of 1,500 steps alone would take nearly twice as much as is allowed here.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_by_the_records_of_steps() {
    let sandbox = Sandbox::with_shop();
    let mut run = sandbox
        .venomqa("explore --strategy random --max-steps 2000")
        .start();
    let status = format!("/proc/{}/status", run.id());
    let mut peak_after = |step: u32| {
        run.wait_for_stderr(&format!("step {step}/"));
        let status = std::fs::read_to_string(&status).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap()
    };
    let (early, late) = (peak_after(500), peak_after(2_000));
    assert!(late - early < 2_500, "{early} kB, then {late} kB");
    run.wait().code(1);
}

#[test]
fn venomqa_yaml_comes_before_the_folder_of_specs() {
    let sandbox = Sandbox::with_shop();
    sandbox.write(
        "venomqa.yaml",
        &sandbox
            .read("specs/shop.yaml")
            .replace("name: shop", "name: corner_shop"),
    );
    sandbox
        .venomqa("explore --max-steps 5")
        .run()
        .code(0)
        .says(&["corner_shop"]);
}

#[test]
fn paths_in_a_spec_start_at_the_folder_of_the_spec() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "apis/store/spec.yaml",
        &store::SPEC.replace("sqlite: store.db", "sqlite: ../../store.db"),
    );
    let store = Store::start(&sandbox, JournalMode::Delete, true);
    for named in ["apis/store/spec.yaml", "apis/store"] {
        sandbox
            .venomqa(format!("explore {named} --strategy bfs --max-steps 40"))
            .env("STORE_URL", store.url())
            .run()
            .code(1)
            .says(&[store::BUG]);
    }
}

#[test]
fn every_spec_of_a_folder_is_explored() {
    let sandbox = Sandbox::with_shop();
    sandbox.write(
        "specs/second.yaml",
        &sandbox
            .read("specs/shop.yaml")
            .replace("name: shop", "name: corner_shop"),
    );
    let report = sandbox
        .venomqa("explore --max-steps 5 --report json")
        .run()
        .code(0)
        .json();
    let names: Vec<_> = items(&report["runs"])
        .iter()
        .map(|run| run["spec"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["corner_shop", "shop"]);
}

#[test]
fn progress_is_on_stderr_and_the_report_alone_on_stdout() {
    let sandbox = Sandbox::with_shop();
    let finished = sandbox.venomqa("explore --max-steps 500").run().code(1);
    let line =
        Regex::new(r"(?m)^  step (\d+)/500 \| states \d+ \| coverage \d+% \| violations \d+$")
            .unwrap();
    let steps: Vec<u64> = line
        .captures_iter(&finished.stderr)
        .map(|found| found[1].parse().unwrap())
        .collect();
    assert_eq!(
        steps,
        (1..=10).map(|n| n * 50).collect::<Vec<_>>(),
        "{finished}"
    );
    assert!(!finished.stdout.contains("| coverage"), "{finished}");
}

#[test]
fn the_last_progress_is_shown_between_two_lines() {
    let sandbox = Sandbox::with_shop();
    sandbox
        .venomqa("explore --max-steps 25 --progress-every 10")
        .run()
        .complains(&["step 10/25 |", "step 20/25 |", "step 25/25 |"]);
}

#[test]
fn the_report_has_violations_the_command_and_figures() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Delete, true);
    let finished = sandbox
        .venomqa("explore --strategy bfs --max-steps 60")
        .env("STORE_URL", store.url())
        .run()
        .code(1);
    insta::assert_snapshot!(finished.report(), @r#"
    ── violation 1 of 1 ────────────────────────────────────────────────────────────────────────────────
     CRITICAL  no_refund_beyond_the_total
     an order was refunded for more than it cost
      1 │ refund  POST /orders/6/refunds {"amount": 60} → 201
      2 │ refund  POST /orders/6/refunds {"amount": 60} → 201
     expected no row, found 1 row
       id 6, total 100, refunded 120
     confirmed 3 of 3; seen once, at step 17
     venomqa replay .venomqa/no_refund_beyond_the_total-refund.yaml

    ── store ───────────────────────────────────────────────────────────────────────────────────────────

      states       31, the deepest 2 steps from the initial one
      transitions  60 in 60 steps; 10 left the state as it was
      coverage     100%, 8 of 8 actions
      ended        `--max-steps`: all 60 steps were taken; 166 enabled (state, action) pairs left to try
      process      not known whether the service keeps state in its process: it is not venomqa's to
                   start again (`service.command` lets venomqa start it, `restart: false` forbids it)
      time         [TIME]
      strategy     bfs, seed 1
      repeat       venomqa explore venomqa.yaml --strategy bfs --seed 1 --max-steps 60

      action                   runs  new states  answers
      create_order                7           3  201 x 7
      refund                      7           3  201 x 7
      delete_order                7           2  204 x 7
      set_colour(colour=red)      8           4  204 x 8
      set_colour(colour=blue)     8           4  204 x 8
      write_log                   8           7  204 x 8
      rename_tag                  8           7  204 x 8
      list_orders                 7           0  200 x 7

    1 violation (1 critical) in 60 steps
    "#);
}

#[test]
fn neither_colours_nor_cursor_movements_reach_a_pipe() {
    let sandbox = Sandbox::with_shop();
    sandbox
        .venomqa("explore --max-steps 100")
        .env("TERM", "xterm-256color")
        .run()
        .never_says("\u{1b}");
}

#[test]
fn colours_are_there_for_those_who_ask() {
    let sandbox = Sandbox::with_shop();
    let finished = sandbox
        .venomqa("explore --max-steps 5 --color always")
        .run()
        .code(0);
    assert!(finished.stdout.contains("\u{1b}["), "{finished}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::with_shop();
    let finished = sandbox
        .venomqa("explore --max-steps 100 --set bugs=none")
        .run_unread()
        .code(0);
    assert!(!finished.stderr.contains("roken pipe"), "{finished}");
    assert!(!finished.stderr.contains("panicked"), "{finished}");
    sandbox.assert_nothing_is_left("a run that nobody read");
}
