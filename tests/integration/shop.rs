//! The bugs planted in the built-in shop, and its clean twin.

use serde_json::Value;

use crate::support::{Sandbox, items, one, texts, violations, without_times};

const STRATEGIES: [&str; 6] = ["dfs", "bfs", "coverage", "random", "mcts", "weighted"];

/// The invariants that the planted bugs break, sorted.
const BUGS: [&str; 5] = [
    "a_coupon_counts_once_per_cart",
    "every_order_line_has_its_product",
    "no_refund_beyond_the_payment",
    "points_are_never_negative",
    "stock_is_never_negative",
];

fn explore(sandbox: &Sandbox, strategy: &str, steps: &str, more: &str, code: i32) -> Value {
    sandbox
        .venomqa(format!(
            "explore --strategy {strategy} --max-steps {steps} --report json"
        ))
        .args(more)
        .run()
        .code(code)
        .only_run()
}

#[track_caller]
fn assert_all_confirmed(run: &Value) {
    for violation in items(&run["violations"]) {
        assert_eq!(
            violation["confirmation"]["result"], "confirmed",
            "{violation:#}"
        );
    }
}

#[test]
fn bfs_finds_short_bugs_on_shortest_paths_within_500_steps() {
    let sandbox = Sandbox::with_shop();
    let run = explore(&sandbox, "bfs", "500", "", 1);
    assert_all_confirmed(&run);
    let shortest = |name: &str| {
        items(&run["violations"])
            .iter()
            .filter(|violation| violation["name"] == name)
            .map(|violation| items(&violation["path"]).len())
            .min()
    };
    assert_eq!(shortest("every_order_line_has_its_product"), Some(3));
    for four_steps in [
        "no_refund_beyond_the_payment",
        "stock_is_never_negative",
        "a_coupon_counts_once_per_cart",
    ] {
        assert_eq!(shortest(four_steps), Some(4), "{four_steps}");
    }
}

#[test]
fn coverage_finds_every_bug_within_5000_steps() {
    let sandbox = Sandbox::with_shop();
    let run = explore(&sandbox, "coverage", "5000", "", 1);
    assert_eq!(violations(&run), BUGS);
    assert_all_confirmed(&run);
}

#[test]
fn mcts_finds_every_bug_within_5000_steps() {
    let sandbox = Sandbox::with_shop();
    let run = explore(&sandbox, "mcts", "5000", "", 1);
    assert_eq!(violations(&run), BUGS);
    assert_all_confirmed(&run);
}

#[test]
fn no_strategy_reports_a_violation_of_the_shop_without_bugs() {
    for strategy in STRATEGIES {
        let sandbox = Sandbox::with_shop();
        let run = explore(&sandbox, strategy, "1000", "--set bugs=none", 0);
        assert!(violations(&run).is_empty(), "{strategy}: {run:#}");
        let warnings = run["warnings"].as_array().unwrap().iter();
        let codes: Vec<&Value> = warnings.map(|warning| &warning["code"]).collect();
        let expected: &[&str] = if strategy == "weighted" {
            &["equal-weights"]
        } else {
            &[]
        };
        assert_eq!(codes, expected, "{strategy}");
    }
}

#[test]
fn a_violation_shows_its_path_and_its_rows() {
    let sandbox = Sandbox::with_shop();
    let run = explore(&sandbox, "bfs", "500", "", 1);
    let found = one(&run["violations"], "name", "no_refund_beyond_the_payment");
    let path: Vec<_> = texts(&found["path"], "action");
    assert_eq!(
        path,
        [
            "create_order",
            "pay_order",
            "refund_payment",
            "refund_payment"
        ]
    );
    let last = &found["path"][3];
    assert_eq!(last["request"]["method"], "POST");
    assert_eq!(last["request"]["target"], "/payments/1/refunds");
    assert_eq!(last["request"]["body"]["json"]["amount"], 60);
    assert_eq!(last["response"]["status"], 201);
    let refund = one(&last["rows"], "table", "refunds");
    assert_eq!(refund["before"], Value::Null);
    assert_eq!(refund["after"]["amount"], 60);
    let evidence = &found["evidence"];
    assert_eq!(
        evidence["columns"],
        serde_json::json!(["order_id", "paid", "refunded"])
    );
    assert_eq!(evidence["rows"], serde_json::json!([[1, 100, 120]]));
}

#[test]
fn the_same_seed_gives_the_same_reports_for_every_strategy() {
    for strategy in STRATEGIES {
        let twice: Vec<_> = (0..2)
            .map(|_| {
                let sandbox = Sandbox::with_shop();
                let finished = sandbox
                    .venomqa(format!("explore --strategy {strategy} --max-steps 300 --seed 7 --report console --report json=report.json"))
                    .run();
                let json: Value = serde_json::from_str(&sandbox.read("report.json")).unwrap();
                (finished.report(), finished.notes(), without_times(json))
            })
            .collect();
        assert_eq!(twice[0].0, twice[1].0, "console report of {strategy}");
        assert_eq!(twice[0].1, twice[1].1, "stderr of {strategy}");
        assert_eq!(twice[0].2, twice[1].2, "JSON report of {strategy}");
    }
}

#[test]
fn another_seed_takes_other_steps() {
    let runs = ["1", "2"].map(|seed| {
        let sandbox = Sandbox::with_shop();
        let flags = format!("--seed {seed} --set bugs=none");
        let mut run = explore(&sandbox, "random", "100", &flags, 0);
        assert_eq!(run["seed"].to_string(), seed);
        run["actions"].take()
    });
    assert_ne!(runs[0], runs[1]);
}
