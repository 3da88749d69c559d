//! Findings of one cause are one violation, two bugs are two, and what a broken state leads to is told with what broke it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Database, Finished, Sandbox, Server, items, one, texts, violations};

const TABLES: &str = "
CREATE TABLE customers (id INTEGER PRIMARY KEY);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INT, refunded INT, note TEXT);
CREATE TABLE payments (id INTEGER PRIMARY KEY, amount INT);
INSERT INTO customers VALUES (1);
INSERT INTO orders VALUES (1, 1, 0, '');
INSERT INTO payments VALUES (1, 5);
";

const SPEC: &str = "
venomqa: 1
name: desk
systems: { db: { sqlite: desk.db } }
";

type Rule = fn(&Connection) -> StatusCode;

/// Runs statements and answers.
fn does(connection: &Connection, sql: &str, status: StatusCode) -> StatusCode {
    connection.execute_batch(sql).unwrap();
    status
}

fn is_there(connection: &Connection, sql: &str) -> bool {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

const HEALTHY: [(&str, Rule); 1] = [("/look", |_| StatusCode::OK)];

fn serve(database: &Database, rules: &[(&'static str, Rule)]) -> Server {
    let connection = Arc::new(Mutex::new(database.open()));
    let mut router = Router::new().route("/", get(async || "ready"));
    for (path, rule) in rules.iter().chain(&HEALTHY) {
        let (connection, rule) = (connection.clone(), *rule);
        let run = async move || rule(&connection.lock().unwrap());
        router = router.route(path, get(run.clone()).post(run));
    }
    Server::start(router)
}

struct Desk {
    sandbox: Sandbox,
    server: Server,
}

impl Desk {
    fn new(rules: &[(&'static str, Rule)], spec: &str) -> Self {
        let sandbox = Sandbox::with_spec(&format!("{SPEC}{spec}"));
        let database = Database::at(sandbox.path("desk.db"));
        database.execute(TABLES);
        let server = serve(&database, rules);
        Self { sandbox, server }
    }

    fn explore(&self, flags: &str) -> Finished {
        self.sandbox
            .venomqa("explore --strategy bfs --max-depth 3 --no-corpus")
            .args(["--base-url", &self.server.url()])
            .args(flags)
            .run()
    }

    fn found(&self) -> Value {
        self.explore("--report json").code(1).only_run()
    }
}

fn action(name: &str) -> String {
    format!("  - {{ name: {name}, request: {{ method: POST, path: /{name} }} }}\n")
}

fn actions(names: &[&str]) -> String {
    let all: String = names.iter().map(|name| action(name)).collect();
    format!("actions:\n{all}")
}

const REFUNDED: &str =
    "  - { name: not_refunded, sql: SELECT id FROM orders WHERE refunded > 1 }\n";
const PAID: &str = "  - { name: paid, sql: SELECT id FROM payments WHERE amount < 0 }\n";

#[test]
fn one_invariant_that_two_actions_break_is_one_violation_that_names_both() {
    let break_it: Rule = |db| does(db, "UPDATE orders SET refunded = 2", StatusCode::OK);
    let desk = Desk::new(
        &[("/refund", break_it), ("/cancel", break_it)],
        &format!("{}invariants:\n{REFUNDED}", actions(&["refund", "cancel"])),
    );
    let run = desk.found();
    assert_eq!(violations(&run), ["not_refunded"], "{run:#}");
    let violation = &run["violations"][0];
    assert_eq!(violation["cause"], "invariant/not_refunded/rows");
    assert_eq!(violation["occurrences"], 2);
    let also = &violation["also_by"][0];
    assert_eq!(
        (&also["action"], &also["steps"]),
        (&"cancel".into(), &1.into()),
        "{run:#}"
    );
    desk.explore("")
        .code(1)
        .says(&["also by: cancel (1 time, from 1 step on)"]);
}

#[test]
fn two_invariants_of_different_tables_are_two_violations_also_on_one_path() {
    let desk = Desk::new(
        &[
            ("/refund", |db| {
                does(db, "UPDATE orders SET refunded = 2", StatusCode::OK)
            }),
            ("/pay", |db| {
                let sql = "UPDATE payments SET amount = -1 WHERE EXISTS (SELECT 1 FROM orders WHERE refunded > 1)";
                does(db, sql, StatusCode::OK)
            }),
        ],
        &format!(
            "{}invariants:\n{REFUNDED}{PAID}",
            actions(&["refund", "pay"])
        ),
    );
    let run = desk.found();
    let mut names = violations(&run);
    names.sort_unstable();
    assert_eq!(names, ["not_refunded", "paid"]);
    for violation in items(&run["violations"]) {
        assert!(violation["consequence_of"].is_null(), "{run:#}");
    }
    assert!(
        run["headline"]
            .as_str()
            .unwrap()
            .starts_with("2 violations")
    );
}

#[test]
fn server_errors_of_two_actions_are_two_violations() {
    let fail: Rule = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let desk = Desk::new(&[("/a", fail), ("/b", fail)], &actions(&["a", "b"]));
    let run = desk.found();
    assert_eq!(texts(&run["violations"], "name"), ["server-error"; 2]);
    assert_eq!(run["violations"][0]["cause"], "check/server-error/500/a");
}

#[test]
fn a_check_of_rows_is_one_cause_for_the_same_columns_and_another_for_others() {
    let desk = Desk::new(
        &[
            ("/a", |db| {
                does(
                    db,
                    "UPDATE orders SET note = note || 'a'",
                    StatusCode::CONFLICT,
                )
            }),
            ("/b", |db| {
                does(
                    db,
                    "UPDATE orders SET note = note || 'b'",
                    StatusCode::CONFLICT,
                )
            }),
            ("/c", |db| {
                does(db, "UPDATE orders SET refunded = 1", StatusCode::CONFLICT)
            }),
        ],
        &format!(
            "checks: {{ rejected-but-wrote: high }}\n{}",
            actions(&["a", "b", "c"])
        ),
    );
    let run = desk
        .explore("--max-steps 12 --report json")
        .code(1)
        .only_run();
    let mut causes: Vec<&str> = items(&run["violations"])
        .iter()
        .map(|violation| violation["cause"].as_str().unwrap())
        .collect();
    causes.sort_unstable();
    let prefix = "check/rejected-but-wrote/409/orders.";
    assert_eq!(
        causes,
        [format!("{prefix}note"), format!("{prefix}refunded")],
        "{run:#}"
    );
}

/// `drop` deletes a customer that an order needs; then `show` fails.
const DROP: (&str, Rule) = ("/drop", |db| {
    does(db, "DELETE FROM customers", StatusCode::OK)
});
const SHOW: (&str, Rule) = ("/show", |db| {
    if is_there(db, "SELECT EXISTS (SELECT 1 FROM customers)") {
        StatusCode::OK
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
});
const HAS_CUSTOMER: &str = "  - { name: has_customer, severity: critical, sql: SELECT id FROM orders WHERE customer NOT IN (SELECT id FROM customers) }\n";

#[test]
fn a_500_that_only_a_broken_state_shows_follows_from_what_broke_it() {
    let desk = Desk::new(
        &[DROP, SHOW],
        &format!("{}invariants:\n{HAS_CUSTOMER}", actions(&["drop", "show"])),
    );
    let run = desk.found();
    let root = one(&run["violations"], "name", "has_customer");
    let error = one(&run["violations"], "name", "server-error");
    assert_eq!(error["consequence_of"], root["number"], "{run:#}");
    assert!(
        run["headline"]
            .as_str()
            .unwrap()
            .contains("1 violation (1 critical)")
    );
    desk.explore("").code(1).says(&[
        "violation 1 of 1",
        "leads to: critical server-error after show",
        "1 violation (1 critical) in ",
        ", with 1 consequence",
    ]);
}

#[test]
fn a_500_that_a_sound_state_shows_as_well_stands_for_itself() {
    let desk = Desk::new(
        &[DROP, ("/show", |_| StatusCode::INTERNAL_SERVER_ERROR)],
        &format!("{}invariants:\n{HAS_CUSTOMER}", actions(&["drop", "show"])),
    );
    let run = desk.found();
    assert_eq!(violations(&run).len(), 2);
    for violation in items(&run["violations"]) {
        assert!(violation["consequence_of"].is_null(), "{run:#}");
    }
}

#[test]
fn a_violation_takes_twelve_lines_at_most_and_all_of_it_with_v() {
    let step: Rule = |db| {
        does(
            db,
            "UPDATE orders SET refunded = refunded + 1",
            StatusCode::OK,
        )
    };
    let desk = Desk::new(
        &[("/refund", step)],
        &format!(
            "{}invariants:\n  - {{ name: few, sql: SELECT * FROM orders WHERE refunded > 2, message: \"{}\" }}\n",
            actions(&["refund"]),
            "far too long a message ".repeat(30)
        ),
    );
    let brief = desk.explore("").code(1);
    let lines = brief
        .stdout
        .lines()
        .take_while(|line| !line.contains("── desk "));
    assert!(lines.count() <= 12, "{brief}");
    assert!(
        brief
            .stderr
            .contains("  found medium few after refund at step "),
        "{brief}"
    );
    assert!(
        brief.stderr.contains("  shrinking violation 1 of 1"),
        "{brief}"
    );
    assert!(
        brief.stderr.contains("  confirming violation 1 of 1"),
        "{brief}"
    );
    desk.explore("-v")
        .code(1)
        .says(&["content-length: 0", "~ orders[1]  refunded 0 -> 1"]);
}

#[test]
fn what_the_initial_state_breaks_is_in_every_report() {
    let desk = Desk::new(
        &[],
        "actions:\n  - { name: look, request: { path: /look } }\ninvariants:\n  - { name: no_orders, sql: SELECT id FROM orders }\n",
    );
    desk.explore("--report junit=r.xml --report markdown=r.md --report sarif=r.json")
        .code(1);
    let xml = desk.sandbox.read("r.xml");
    assert!(
        xml.contains("name=\"no_orders\" classname=\"desk.invariants\">\n      <failure"),
        "{xml}"
    );
    for file in ["r.md", "r.json"] {
        assert!(desk.sandbox.read(file).contains("no_orders"));
    }
}

#[test]
fn a_baseline_accepts_what_is_known_and_fails_on_what_is_new() {
    let refund: Rule = |db| does(db, "UPDATE orders SET refunded = 2", StatusCode::OK);
    let pay: Rule = |db| does(db, "UPDATE payments SET amount = -1", StatusCode::OK);
    let spec = format!(
        "{}invariants:\n{REFUNDED}{PAID}",
        actions(&["refund", "pay"])
    );
    let desk = Desk::new(&[("/refund", refund), ("/pay", |_| StatusCode::OK)], &spec);
    desk.explore("--baseline none.json")
        .code(2)
        .complains(&["--update-baseline"]);
    desk.explore("--baseline known.json --update-baseline")
        .code(0);
    let file = desk.sandbox.read("known.json");
    assert_eq!(
        file,
        r#"{
  "venomqa_baseline": 1,
  "known": [
    {
      "spec": "desk",
      "cause": "invariant/not_refunded/rows",
      "severity": "medium",
      "path": "refund"
    }
  ]
}
"#
    );
    desk.explore("--baseline known.json --fail-fast")
        .code(0)
        .says(&["no new violation in ", "; 1 known (baseline)"]);
    desk.explore("").code(1);

    // Another bug comes, and the old one goes.
    let next = Desk::new(&[("/refund", |_| StatusCode::OK), ("/pay", pay)], &spec);
    next.sandbox.write("known.json", &file);
    next.explore("--baseline known.json").code(1).says(&[
        "violation 1 of 1",
        "not seen",
        "invariant/not_refunded/rows",
        "1 violation (1 medium) in ",
    ]);
    // Every state was visited, so the old one is taken out.
    next.explore("--baseline known.json --update-baseline")
        .code(0);
    let file = next.sandbox.read("known.json");
    assert!(
        file.contains("invariant/paid/rows") && !file.contains("not_refunded"),
        "{file}"
    );
}

/// Each order forgets the stock. A coupon is used as often as one likes, or once.
fn shop_with_coupons(coupon: Rule) -> Desk {
    let order: Rule = |db| {
        let sql = "INSERT INTO orders (customer, refunded, note) SELECT 1, 2, '' WHERE (SELECT count(*) FROM orders) < 2";
        does(db, sql, StatusCode::OK)
    };
    let stock = REFUNDED.replace(
        "{ name: not_refunded,",
        "{ name: stock_adds_up, severity: critical,",
    );
    let coupon_uses =
        "  - { name: coupon_uses, sql: SELECT id FROM orders WHERE length(note) > 1 }\n";
    Desk::new(
        &[("/order", order), ("/coupon", coupon)],
        &format!(
            "{}invariants:\n{stock}{coupon_uses}",
            actions(&["order", "coupon"])
        ),
    )
}

#[test]
fn a_baseline_does_not_accept_another_bug_that_shows_only_behind_a_known_one() {
    let once: Rule = |db| {
        does(
            db,
            "UPDATE orders SET note = 'c' WHERE id > 1",
            StatusCode::OK,
        )
    };
    let often: Rule = |db| {
        let sql = "UPDATE orders SET note = note || 'c' WHERE id > 1 AND length(note) < 2";
        does(db, sql, StatusCode::OK)
    };
    let before = shop_with_coupons(once);
    before
        .explore("--baseline known.json --update-baseline")
        .code(0)
        .says(&["no new violation in ", "; 1 known (baseline)"])
        .complains(&[
            "wrote the baseline `known.json`: it accepts 1 violation",
            "+ desk: invariant/stock_adds_up/rows",
        ]);
    before.explore("--baseline known.json").code(0);
    before
        .explore("--baseline known.json --update-baseline")
        .code(0)
        .complains(&["it accepts 1 violation, as before"]);

    let after = shop_with_coupons(often);
    let run = after.found();
    assert_eq!(run["violations"].as_array().unwrap().len(), 2, "{run:#}");
    for violation in items(&run["violations"]) {
        assert!(violation["consequence_of"].is_null(), "{run:#}");
    }
    after
        .sandbox
        .write("known.json", &before.sandbox.read("known.json"));
    after.explore("--baseline known.json").code(1).says(&[
        "violation 1 of 1",
        "coupon_uses",
        "1 violation (1 medium) in ",
        "; 1 known (baseline)",
    ]);
}

#[test]
fn a_baseline_accepts_a_consequence_only_where_it_names_it() {
    let desk = Desk::new(
        &[DROP, SHOW],
        &format!("{}invariants:\n{HAS_CUSTOMER}", actions(&["drop", "show"])),
    );
    desk.explore("--baseline known.json --update-baseline")
        .code(0)
        .says(&["; 2 known (baseline)"]);
    let file = desk.sandbox.read("known.json");
    assert!(
        file.contains("has_customer") && file.contains("check/server-error/500/show"),
        "{file}"
    );
    desk.explore("--baseline known.json").code(0);

    let mut known: Value = serde_json::from_str(&file).unwrap();
    let entries = known["known"].as_array_mut().unwrap();
    entries.retain(|entry| !entry["cause"].as_str().unwrap().contains("server-error"));
    desk.sandbox.write("known.json", &known.to_string());
    desk.explore("--baseline known.json").code(1).says(&[
        "violation 1 of 1",
        "server-error",
        "; 1 known (baseline)",
    ]);
}

#[test]
fn merged_reports_say_which_run_found_what() {
    let break_it: Rule = |db| does(db, "UPDATE orders SET refunded = 2", StatusCode::OK);
    let desk = Desk::new(
        &[("/refund", break_it)],
        &format!("{}invariants:\n{REFUNDED}", actions(&["refund", "look"])),
    );
    desk.explore("--seed 1 --report log=1.log").code(1);
    desk.explore("--seed 2 --report log=2.log").code(1);
    desk.sandbox
        .venomqa("report merge 1.log 2.log")
        .run()
        .code(0)
        .says(&["found by 2 of 2 runs: bfs seed 1, bfs seed 2"]);
}

#[test]
fn a_bug_that_is_reached_soundly_in_the_end_stands_for_itself() {
    // `mark` fails and marks all the same. `remark` marks as it should, from a state that is found later.
    let mark: Rule = |db| {
        let sql = "UPDATE orders SET note = 'x'";
        does(db, sql, StatusCode::INTERNAL_SERVER_ERROR)
    };
    let ready: Rule = |db| does(db, "UPDATE orders SET note = 'ready'", StatusCode::OK);
    let remark: Rule = |db| {
        let sql = "UPDATE orders SET note = 'x' WHERE note = 'ready'";
        match db.execute(sql, []).unwrap() {
            0 => StatusCode::CONFLICT,
            _ => StatusCode::OK,
        }
    };
    let show: Rule = |db| {
        if is_there(db, "SELECT EXISTS (SELECT 1 FROM orders WHERE note = 'x')") {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        }
    };
    let rules = [
        ("/mark", mark),
        ("/ready", ready),
        ("/remark", remark),
        ("/show", show),
    ];
    for (names, is_consequence) in [
        (&["mark", "show", "ready", "remark"][..], false),
        (&["mark", "show", "ready"][..], true),
    ] {
        let desk = Desk::new(&rules, &actions(names));
        for seed in 1..5 {
            let flags = format!("--seed {seed} --report json");
            let run = desk.explore(&flags).code(1).only_run();
            let after = |name: &str| one(&run["violations"], "action", name).clone();
            let (mark, show) = (after("mark"), after("show"));
            let expected = if is_consequence {
                mark["number"].clone()
            } else {
                Value::Null
            };
            assert_eq!(show["consequence_of"], expected, "seed {seed}: {run:#}");
        }
    }
}

#[test]
fn a_baseline_keeps_what_an_action_showed_that_is_switched_off_now() {
    let refund: Rule = |db| does(db, "UPDATE orders SET refunded = 2", StatusCode::OK);
    let pay: Rule = |db| does(db, "UPDATE payments SET amount = -1", StatusCode::OK);
    let spec = format!(
        "{}invariants:\n{REFUNDED}{PAID}",
        actions(&["refund", "pay"])
    );
    let desk = Desk::new(&[("/refund", refund), ("/pay", pay)], &spec);
    let update = "--baseline known.json --update-baseline";
    desk.explore(update).code(0);
    desk.explore(&format!("{update} --skip pay")).code(0);
    let file = desk.sandbox.read("known.json");
    assert!(
        file.contains("not_refunded") && file.contains("invariant/paid"),
        "{file}"
    );

    let cured = Desk::new(&[("/refund", refund), ("/pay", |_| StatusCode::OK)], &spec);
    cured.sandbox.write("known.json", &file);
    cured.explore(&format!("{update} --only pay")).code(0);
    let file = cured.sandbox.read("known.json");
    assert!(
        file.contains("not_refunded") && !file.contains("invariant/paid"),
        "{file}"
    );
}

#[test]
fn tables_of_one_name_in_two_systems_are_two_causes() {
    let both = SPEC.replace(
        "db: { sqlite: desk.db }",
        "db: { sqlite: desk.db }, other: { sqlite: other.db }",
    );
    let sandbox = Sandbox::with_spec(&format!(
        "{both}checks: {{ rejected-but-wrote: high }}\n{}",
        actions(&["here", "there"])
    ));
    let databases = ["desk.db", "other.db"].map(|file| Database::at(sandbox.path(file)));
    for database in &databases {
        database.execute(TABLES);
    }
    let [here, there] = databases.map(|it| Arc::new(Mutex::new(it.open())));
    let write = |connection: Arc<Mutex<Connection>>| {
        axum::routing::post(async move || {
            let sql = "UPDATE orders SET note = 'x'";
            does(&connection.lock().unwrap(), sql, StatusCode::CONFLICT)
        })
    };
    let router = Router::new().route("/", get(async || "ready"));
    let router = router
        .route("/here", write(here))
        .route("/there", write(there));
    let server = Server::start(router);
    let run = sandbox
        .venomqa("explore --strategy bfs --report json --no-corpus")
        .at(&server.url())
        .run()
        .code(1)
        .only_run();
    let mut causes = texts(&run["violations"], "cause");
    causes.sort_unstable();
    let prefix = "check/rejected-but-wrote/409";
    assert_eq!(
        causes,
        [
            format!("{prefix}/db:orders.note"),
            format!("{prefix}/other:orders.note")
        ]
    );
}
