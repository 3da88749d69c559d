//! The built-in shop on a real PostgreSQL server: the same spec, the same bugs, the same graph as on SQLite, and no trace.

use serde_json::Value;

use crate::postgres_for_tests::{Database, cluster};
use crate::support::{Sandbox, items};

const STRATEGIES: [&str; 6] = ["dfs", "bfs", "coverage", "random", "mcts", "weighted"];

/// Explores the shop on SQLite, or on the database.
fn explore(sandbox: &Sandbox, strategy: &str, database: Option<&Database>, more: &str) -> Value {
    let mut explore = sandbox
        .venomqa(format!("explore --strategy {strategy} --report json"))
        .args(more);
    if let Some(database) = database {
        explore = explore.args(format!("--set db={}", database.url()));
    }
    explore.run().only_run()
}

/// What a run found, without what must differ between two databases: times, and the command that repeats it.
fn found(run: &Value) -> Vec<Value> {
    let violations = items(&run["violations"]).iter().map(|violation| {
        let path = items(&violation["path"]);
        let actions: Vec<&Value> = path.iter().map(|step| &step["action"]).collect();
        serde_json::json!({
            "name": violation["name"],
            "first_step": violation["first_step"],
            "occurrences": violation["occurrences"],
            "confirmation": violation["confirmation"]["result"],
            "evidence": violation["evidence"],
            "path": actions,
        })
    });
    let rest = ["figures", "actions", "stop", "warnings", "outcome"].map(|key| run[key].clone());
    violations.chain(rest).collect()
}

#[test]
fn the_graph_of_the_shop_is_the_same_on_both_databases_whatever_the_strategy() {
    let sandbox = Sandbox::with_shop();
    for strategy in STRATEGIES {
        let database = cluster().database();
        // What the one finds must not help the other.
        // What is put off follows from the references between rows, which the two schemas do not declare alike.
        let flags = "--max-steps 300 --no-corpus --no-postpone";
        let on_sqlite = found(&explore(&sandbox, strategy, None, flags));
        let on_postgres = explore(&sandbox, strategy, Some(&database), flags);
        assert_eq!(found(&on_postgres), on_sqlite, "{strategy}");
        assert!(!items(&on_postgres["violations"]).is_empty(), "{strategy}");
    }
}

#[test]
fn the_clean_shop_on_postgresql_is_explored_without_a_violation() {
    let sandbox = Sandbox::with_shop();
    for strategy in STRATEGIES {
        let database = cluster().database();
        let clean = "--max-steps 200 --set bugs=none";
        let run = explore(&sandbox, strategy, Some(&database), clean);
        assert_eq!(run["violations"], serde_json::json!([]), "{strategy}");
        let warnings = items(&run["warnings"]).iter();
        // About the strategy alone.
        let others = warnings.filter(|warning| warning["code"] != "equal-weights");
        assert_eq!(others.count(), 0, "{strategy}: {run:#}");
    }
}

#[test]
fn nothing_of_a_run_is_left_in_a_postgresql_database() {
    let sandbox = Sandbox::with_shop();
    let database = cluster().database();
    explore(&sandbox, "bfs", Some(&database), "--max-steps 100");
    let rows = "SELECT (SELECT count(*) FROM customers) + (SELECT count(*) FROM products) + (SELECT count(*) FROM orders);";
    assert_eq!(database.psql(rows).trim(), "0");
    let ours = "SELECT count(*) FROM pg_namespace WHERE nspname = 'venomqa';";
    assert_eq!(database.psql(ours).trim(), "0");
    let triggers = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%venomqa%';";
    assert_eq!(database.psql(triggers).trim(), "0");
}

#[test]
fn a_database_that_does_not_answer_is_an_error_without_its_password() {
    let sandbox = Sandbox::with_shop();
    let finished = sandbox
        .venomqa("explore --set db=postgres://qa:s3cret@127.0.0.1:1/shop")
        .run()
        .code(3);
    assert!(!finished.stderr.contains("s3cret"), "{}", finished.stderr);
    assert!(!finished.stdout.contains("s3cret"), "{}", finished.stdout);
}
