//! What a run found as a file, and the file run again: without the spec, from anywhere, one request at a time.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::postgres_for_tests::cluster;
use crate::support::{
    Database, Finished, JournalMode, Kind, PostgresStore, Running, Sandbox, Store, credits,
    eventually, postgres_store, service, store, vault,
};

const FOUND: &str = ".venomqa/no_refund_beyond_the_total-refund.yaml";

/// Explores the store with its bug in it; leaves the reproduction behind.
fn explored() -> (Sandbox, Store) {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Wal, true);
    sandbox
        .venomqa("explore --strategy bfs --max-steps 60")
        .env("STORE_URL", store.url())
        .run()
        .code(1)
        .says(&["venomqa replay .venomqa/no_refund_beyond_the_total-refund.yaml"]);
    (sandbox, store)
}

fn replay(sandbox: &Sandbox, store: &Store, more: &str) -> Finished {
    sandbox
        .venomqa(["replay", FOUND])
        .args(more)
        .env("STORE_URL", store.url())
        .run()
}

#[test]
fn the_file_is_the_spec_cut_down_to_the_path_with_what_was_seen() {
    let (sandbox, _store) = explored();
    let text = sandbox.read(FOUND);
    insta::assert_snapshot!(text);
}

#[test]
fn a_reproduction_runs_without_the_spec_and_tells_a_bug_from_its_absence() {
    let (sandbox, store) = explored();
    let before = store.dump();
    fs::remove_file(sandbox.path("venomqa.yaml")).unwrap();
    replay(&sandbox, &store, "").code(1).says(&[
        "CRITICAL  no_refund_beyond_the_total",
        "POST /orders/6/refunds {\"amount\": 60}",
        "orders[6]  refunded 60 -> 120",
        "found {\"id\":6,\"total\":100,\"refunded\":120}",
        "reproduced: `no_refund_beyond_the_total` does not hold after 2 steps",
    ]);
    assert_eq!(store.dump(), before, "a replay leaves no trace");
    store.stop();
    let clean = Store::on(&sandbox, false);
    replay(&sandbox, &clean, "")
        .code(0)
        .says(&[
            "other than in the file: the status is 409, it was 201",
            "not reproduced: `no_refund_beyond_the_total` had nothing to object to after 2 steps",
        ])
        .never_says("expected no row");
    assert_eq!(clean.dump(), before);
}

#[test]
fn a_reproduction_runs_from_any_folder() {
    let (sandbox, store) = explored();
    let elsewhere = Sandbox::new();
    let file = sandbox.path(FOUND);
    elsewhere
        .venomqa([std::ffi::OsStr::new("replay"), file.as_os_str()])
        .env("STORE_URL", store.url())
        .run()
        .code(1)
        .says(&["reproduced:"]);
}

#[test]
fn base_url_and_set_work_as_in_explore() {
    let sandbox = Sandbox::with_spec(
        &store::SPEC
            .replace("name: store", "name: store\nvariables: { amount: 60 }")
            .replace("json: { amount: 60 }", "json: { amount: \"{{ amount }}\" }"),
    );
    let store = Store::start(&sandbox, JournalMode::Delete, true);
    sandbox
        .venomqa("explore --strategy bfs --max-steps 60 --set amount=70")
        .at(&store.url())
        .run()
        .code(1);
    let text = sandbox.read(FOUND);
    assert!(text.contains("amount: 70"), "{text}");
    assert!(
        text.contains(&format!("base_url: {}", store.url())),
        "{text}"
    );
    sandbox.venomqa(["replay", FOUND]).run().code(1);
    sandbox
        .venomqa(["replay", FOUND, "--set", "amount=10"])
        .at(&store.url())
        .run()
        .code(0)
        .says(&["not reproduced"]);
    sandbox
        .venomqa(["replay", FOUND, "--base-url", "http://127.0.0.1:9"])
        .run()
        .code(3)
        .complains(&["the replay could not be started"]);
}

#[test]
fn the_shop_is_replayed_on_sqlite_and_on_postgresql() {
    let sandbox = Sandbox::with_shop();
    let explore = ["explore", "--strategy", "bfs", "--max-steps", "200"];
    sandbox.venomqa(explore).run().code(1);
    let files = kept(&sandbox, "specs/.venomqa");
    assert!(files.len() >= 2, "{files:?}");
    fs::remove_file(sandbox.path("specs/shop.yaml")).unwrap();
    for file in &files {
        sandbox
            .venomqa(["replay", file])
            .run()
            .code(1)
            .says(&["reproduced:"]);
        sandbox
            .venomqa(format!("replay {file} --set bugs=none"))
            .run()
            .code(0)
            .says(&["not reproduced:"]);
        let database = cluster().database();
        let on_postgres = format!("db={}", database.url());
        sandbox
            .venomqa(format!("replay {file} --set {on_postgres}"))
            .run()
            .code(1)
            .says(&["reproduced:"]);
        let ours = "SELECT count(*) FROM pg_namespace WHERE nspname = 'venomqa';";
        assert_eq!(database.psql(ours).trim(), "0");
    }
}

#[test]
fn the_password_of_a_database_is_asked_for_and_not_written_down() {
    let sandbox = Sandbox::with_shop();
    let database = cluster().database();
    let (scheme, rest) = database
        .url()
        .split_once("://")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let (user, place) = rest.split_once('@').unwrap_or(("postgres", &rest));
    let user = user.split(':').next().unwrap();
    let url = format!("db={scheme}://{user}:s3cr3t-password@{place}");
    sandbox
        .venomqa(format!(
            "explore --strategy bfs --max-steps 150 --set {url}"
        ))
        .run()
        .code(1)
        .never_says("s3cr3t-password");
    let files = kept(&sandbox, "specs/.venomqa");
    assert!(!files.is_empty());
    for file in &files {
        let text = sandbox.read(file);
        assert!(!text.contains("s3cr3t-password"), "{text}");
        assert!(text.contains(":${VENOMQA_DB_PASSWORD}@"), "{text}");
    }
    sandbox
        .venomqa(["replay", &files[0]])
        .run()
        .code(2)
        .complains(&["the environment variable `VENOMQA_DB_PASSWORD` is not set"]);
    sandbox
        .venomqa(["replay", &files[0]])
        .env("VENOMQA_DB_PASSWORD", "s3cr3t-password")
        .run()
        .code(1)
        .never_says("s3cr3t-password");
}

#[test]
fn another_password_can_be_set_for_a_url_that_names_its_user_and_its_password_alike() {
    let store = PostgresStore::start(cluster().database(), true);
    let url = store.database.url();
    let (_, place) = url.split_once('@').unwrap();
    let literal = format!("postgres://postgres:postgres@{place}");
    let in_systems = postgres_store::spec(&literal);
    let in_variables = postgres_store::spec("{{ dsn }}").replace(
        "\nname: store\n",
        &format!("\nname: store\nvariables: {{ dsn: \"{literal}\" }}\n"),
    );
    for (spec, key, name) in [
        (in_systems, "postgres", "VENOMQA_POSTGRES_PASSWORD"),
        (in_variables, "dsn", "VENOMQA_DSN_PASSWORD"),
    ] {
        let sandbox = Sandbox::with_spec(&spec);
        sandbox
            .venomqa("explore --strategy bfs --max-steps 60")
            .at(&store.url())
            .run()
            .code(1)
            .never_says(":postgres@");
        let text = sandbox.read(FOUND);
        let written = format!("{key}: \"postgres://postgres:${{{name}}}@{place}\"");
        assert!(text.contains(&written), "{written} is not in\n{text}");
        assert_eq!(text.matches(&format!("${{{name}}}")).count(), 1, "{text}");
        assert!(!text.contains(":postgres@"), "{text}");
        // The server asks nobody on this machine for a password.
        sandbox
            .venomqa(["replay", FOUND])
            .env(name, "other")
            .run()
            .code(1)
            .says(&["reproduced:"]);
    }
}

#[test]
fn no_secret_is_in_any_file_and_none_is_shown() {
    let sandbox = Sandbox::with_spec(vault::SPEC);
    let server = vault::start(&sandbox, "a", true);
    let explored = sandbox
        .venomqa("explore --strategy bfs --max-steps 60")
        .env("VAULT_URL", server.url())
        .env("VAULT_KEY", vault::KEY)
        .run()
        .code(1);
    let files = kept(&sandbox, ".venomqa");
    assert_eq!(files.len(), 1, "{files:?}");
    let text = sandbox.read(&files[0]);
    server.stop();
    // Ids of another start: nothing in the file may depend on them.
    let server = vault::start(&sandbox, "b", true);
    let replayed = sandbox
        .venomqa(["replay", &files[0]])
        .env("VAULT_URL", server.url())
        .env("VAULT_KEY", vault::KEY)
        .env("VENOMQA_PASSWORD", vault::PASSWORD)
        .run()
        .code(1)
        .says(&["/notes/b-1/copies"]);
    for secret in vault::SECRETS {
        for shown in [&text, &explored.stderr, &replayed.stdout, &replayed.stderr] {
            assert!(!shown.contains(secret), "{secret} is in\n{shown}");
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_wrong_with_a_reproduction_is_shown_at_its_place() {
    let (sandbox, store) = explored();
    let good = sandbox.read(FOUND);
    for (from, to, told) in [
        (
            "  - action: refund\n",
            "  - action: refnd\n",
            "unknown action `refnd`",
        ),
        (
            "invariant: no_refund",
            "invariant: no_rfund",
            "unknown invariant `no_rfund",
        ),
        (
            "severity: critical\n  message",
            "severity: dreadful\n  message",
            "`reproduction.severity` must be",
        ),
        ("seed: 1", "sed: 1", "unknown key `sed`"),
        (
            "confirmed: 3 of 3",
            "confirmed: often",
            "a count such as `3 of 3`",
        ),
        (
            "status: 201",
            "status: fine",
            "`path[0].status` must be a whole number",
        ),
        (
            "reproduction:\n",
            "reproductions:\n",
            "the file lacks the key `reproduction`",
        ),
        (
            "    request: POST",
            "    requests: POST",
            "unknown key `requests`",
        ),
    ] {
        let broken = good.replacen(from, to, 1);
        assert_ne!(broken, good, "{from}");
        sandbox.write(FOUND, &broken);
        replay(&sandbox, &store, "").code(2).complains(&[
            told,
            "--> .venomqa/no_refund_beyond_the_total-refund.yaml:",
            "nothing was started",
        ]);
    }
    sandbox
        .venomqa("replay missing.yaml")
        .run()
        .code(2)
        .complains(&["there is no file `missing.yaml`"]);
    sandbox
        .venomqa("replay venomqa.yaml")
        .run()
        .code(2)
        .complains(&["only reproductions can be replayed"]);
    sandbox.write(FOUND, &good);
    sandbox
        .venomqa(["explore", FOUND])
        .env("STORE_URL", store.url())
        .run()
        .code(2)
        .complains(&["this is a reproduction, not a spec"]);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_a_warning() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Delete, true);
    // Where a folder is wanted there is a file: that stops even root.
    sandbox.write(".venomqa", "");
    sandbox
        .venomqa("explore --strategy bfs --max-steps 60")
        .env("STORE_URL", store.url())
        .run()
        .code(1)
        .complains(&["warning: the reproduction cannot be written to `.venomqa/no_refund"]);
}

#[test]
fn without_a_corpus_nothing_is_written() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Delete, true);
    sandbox
        .venomqa("explore --strategy bfs --max-steps 60 --no-corpus")
        .env("STORE_URL", store.url())
        .run()
        .code(1)
        .never_says("venomqa replay");
    assert!(!sandbox.path(".venomqa").exists());
}

#[test]
fn stepping_needs_a_terminal() {
    let (sandbox, store) = explored();
    replay(&sandbox, &store, "--step")
        .code(2)
        .complains(&["standard input is no terminal"]);
}

/// `venomqa replay --step` in a terminal of its own.
fn stepping(sandbox: &Sandbox, store: &Store) -> Running {
    let command = format!("{} replay {FOUND} --step", env!("CARGO_BIN_EXE_venomqa"));
    let mut script = sandbox.command("script");
    script
        .args(["--quiet", "--flush", "--return", "/dev/null"])
        .args(["--command", &command])
        .env("STORE_URL", store.url())
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped());
    Running::spawn(&mut script, sandbox.dir())
}

#[test]
fn while_a_step_is_looked_at_the_database_holds_its_state() {
    let (sandbox, store) = explored();
    let database = Database::at(sandbox.path("store.db"));
    let refunded = || database.number("SELECT coalesce(max(refunded), 0) FROM orders WHERE id = 6");
    let before = store.dump();
    assert_eq!(refunded(), 0);
    let mut running = stepping(&sandbox, &store);
    let mut keys = running.stdin();
    running.wait_for_stdout("after step 1 of 2");
    running.wait_for_stdout("Enter sends `refund`");
    assert_eq!(refunded(), 60);
    keys.write_all(b"\n").unwrap();
    running.wait_for_stdout("after step 2 of 2");
    assert_eq!(refunded(), 120);
    keys.write_all(b"\n").unwrap();
    let finished = running.wait();
    assert_eq!(finished.status.code(), Some(1), "{finished}");
    assert!(finished.stdout.contains("reproduced"), "{finished}");
    assert_eq!(store.dump(), before);

    let mut running = stepping(&sandbox, &store);
    let mut keys = running.stdin();
    running.wait_for_stdout("after step 1 of 2");
    keys.write_all(b"q\n").unwrap();
    let finished = running.wait();
    assert_eq!(finished.status.code(), Some(130), "{finished}");
    assert_eq!(store.dump(), before);
}

#[cfg(target_os = "linux")]
#[test]
fn a_replay_that_is_killed_leaves_a_database_that_restore_puts_back() {
    let (sandbox, store) = explored();
    let before = store.dump();
    let mut running = stepping(&sandbox, &store);
    let keys = running.stdin();
    running.wait_for_stdout("after step 1 of 2");
    let venomqa: Vec<u32> = sandbox
        .processes()
        .into_iter()
        .filter(|id| {
            fs::read_to_string(format!("/proc/{id}/comm"))
                .is_ok_and(|name| name.trim() == "venomqa")
        })
        .collect();
    assert_eq!(venomqa.len(), 1);
    sandbox
        .command("sh")
        .args(["-c", &format!("kill -KILL {}", venomqa[0])])
        .status()
        .unwrap();
    drop(keys);
    drop(running);
    eventually("no process is left", || {
        sandbox.processes().is_empty().then_some(())
    });
    assert_ne!(store.dump(), before, "the killed replay changed something");
    sandbox.venomqa("restore --sqlite store.db").run().code(0);
    assert_eq!(store.dump(), before);
}

/// The reproductions in a folder, by name.
fn kept(sandbox: &Sandbox, folder: &str) -> Vec<String> {
    let mut files: Vec<String> = fs::read_dir(sandbox.path(folder))
        .unwrap()
        .map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_service_without_a_database_is_started_and_its_violation_replayed() {
    let text = format!("{}{}", credits::SPEC, service(Kind::Credits));
    let sandbox = Sandbox::with_spec(&text);
    let explore = ["explore", "--strategy", "bfs", "--max-steps", "40"];
    sandbox.venomqa(explore).run().code(1);
    let files = kept(&sandbox, ".venomqa");
    assert!(
        files.contains(&".venomqa/nothing_is_free-undo.yaml".to_owned()),
        "{files:?}"
    );
    for file in &files {
        sandbox
            .venomqa(["replay", file])
            .run()
            .code(1)
            .says(&["reproduced: `nothing_is_free`"]);
        let clean = sandbox
            .read(file)
            .replace(": Credits\n", ": CleanCredits\n");
        sandbox.write("clean.yaml", &clean);
        sandbox
            .venomqa("replay clean.yaml")
            .run()
            .code(0)
            .says(&["not reproduced: `nothing_is_free`"]);
    }
}

#[test]
fn an_initial_state_that_is_broken_already_has_a_reproduction_without_a_request() {
    let broken = store::SPEC.replace("WHERE refunded > total", "WHERE id = 6");
    let sandbox = Sandbox::with_spec(&broken);
    let store = Store::start(&sandbox, JournalMode::Delete, true);
    sandbox
        .venomqa("explore --max-steps 5")
        .env("STORE_URL", store.url())
        .run()
        .code(1);
    let file = ".venomqa/no_refund_beyond_the_total-initial-state.yaml";
    let text = sandbox.read(file);
    assert!(text.contains("path: []\n"), "{text}");
    sandbox
        .venomqa(["replay", file])
        .env("STORE_URL", store.url())
        .run()
        .code(1)
        .says(&["reproduced:", "in the initial state"]);
}
