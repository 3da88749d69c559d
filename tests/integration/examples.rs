//! The examples, whole: services of others that are installed at pinned versions, and the bugs that are found in them.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;

use crate::postgres_for_tests::{Database, cluster};
use crate::support::{Sandbox, items, violations, warnings};

/// Explores an example with its own spec. It is installed first, where that has not been done, with the settings of whoever runs the
/// tests.
fn explore(name: &str, flags: &[&str]) -> Value {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name);
    {
        let _one_at_a_time = INSTALLING.lock();
        let start = folder.join("start");
        let installed = Command::new(&start).arg("install").output().unwrap();
        assert!(
            installed.status.success(),
            "`{} install`: {}",
            start.display(),
            String::from_utf8_lossy(&installed.stderr)
        );
    }
    let spec = folder.join("venomqa.yaml");
    Sandbox::new()
        .venomqa("explore --report json --no-corpus")
        .args([spec.to_str().unwrap()])
        .args(flags)
        .run()
        .code_among(&[0, 1])
        .only_run()
}

/// Fails unless these were found, each confirmed, and nothing is doubtful.
#[track_caller]
fn assert_found(run: &Value, names: &[&str]) {
    assert_eq!(violations(run), names, "{run:#}");
    for violation in items(&run["violations"]) {
        assert_eq!(
            violation["confirmation"]["result"], "confirmed",
            "{violation:#}"
        );
    }
    assert_eq!(warnings(run), [""; 0], "{run:#}");
}

#[test]
fn soul_cli_takes_names_for_sql_and_pages_that_are_not_there() {
    let run = explore(
        "soul-cli",
        &["--strategy", "coverage", "--max-steps", "400"],
    );
    let wanted = [
        "balances_are_the_sum_of_moves",
        "next_page_is_there",
        "unexpected-body",
        "unexpected-status",
    ];
    assert_found(&run, &wanted);
}

/// A URL that the service's own library reads: it wants the folder of a socket among the parameters.
fn with_socket(database: &Database) -> String {
    cluster().folder().map_or_else(
        || database.url(),
        |folder| {
            let (name, folder) = (&database.name, folder.display());
            format!("postgres://postgres@/{name}?host={folder}")
        },
    )
}

/// One bug, and no false alarm beside it.
#[test]
fn placement_leaves_a_consumer_behind_on_both_databases() {
    let database = cluster().database();
    let on_postgres = format!("db={}", with_socket(&database));
    for set in ["db=", &on_postgres] {
        let flags = ["--strategy", "bfs", "--max-steps", "150", "--set", set];
        let run = explore("placement", &flags);
        assert_found(&run, &["every_consumer_has_an_allocation"]);
    }
}

#[test]
fn the_shop_in_fastapi_has_the_bugs_that_are_planted_and_no_others() {
    let wanted = [
        "goods_are_on_the_shelf_or_in_an_order",
        "no_refund_beyond_the_payment",
        "nothing_is_shipped_that_was_cancelled",
        "server-error",
        "uses_of_a_coupon_are_its_orders",
    ];
    assert_found(&explore("shop-fastapi", &[]), &wanted);
    assert_found(&explore("shop-fastapi", &["--set", "bugs=none"]), &[]);
}
