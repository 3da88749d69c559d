//! Services, databases and disks that do not do what they should: a clear message, the right exit code, the database as
//! it was, and no process left behind.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{
    Database, Fault, Finished, JournalMode, Kind, Sandbox, Server, Store, Wire, eventually,
    service, store,
};

/// Explores the clean store over a wire that has this fault, and proves that the database is as it was.
fn explore_over(fault: Fault, spec: &str) -> Finished {
    let sandbox = Sandbox::with_spec(spec);
    let store = Store::start(&sandbox, JournalMode::Delete, false);
    let before = store.dump();
    let wire = Wire::to(store.port(), fault);
    let finished = sandbox
        .venomqa("explore --max-steps 60")
        .at(&wire.url())
        .run();
    assert_eq!(before, store.dump(), "after {finished}");
    finished
}

#[test]
fn a_service_that_closes_the_connection_without_an_answer() {
    explore_over(Fault::Closed, store::SPEC).code(1).says(&[
        "no-answer",
        "`refund` was not answered: no HTTP answer",
        "confirmed",
    ]);
}

#[test]
fn a_service_that_hangs() {
    explore_over(Fault::Silence, &store::spec_with_http("timeout: 400ms"))
        .code(1)
        .says(&[
            "`refund` was not answered: no answer within 400ms",
            "confirmed",
        ]);
}

#[test]
fn a_service_that_answers_garbage() {
    explore_over(Fault::Garbage, store::SPEC)
        .code(1)
        .says(&["`refund` was not answered: no HTTP answer", "confirmed"]);
}

#[test]
fn a_service_that_answers_half_a_body() {
    explore_over(Fault::HalfABody, store::SPEC).code(1).says(&[
        "`refund` was not answered: the answer broke off",
        "confirmed",
    ]);
}

#[test]
fn a_service_that_answers_ten_megabytes() {
    explore_over(Fault::TenMegabytes, store::SPEC)
        .code(0)
        .says(&["no violation"]);
}

#[test]
fn a_body_beyond_max_body_is_cut_and_not_kept() {
    explore_over(Fault::TenMegabytes, &store::spec_with_http("max_body: 1KB")).code(0);
}

#[test]
fn an_address_where_nobody_listens() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let database = Store::database(&sandbox, JournalMode::Delete);
    let before = database.dump();
    sandbox
        .venomqa("explore --base-url http://127.0.0.1:9")
        .run()
        .code(3)
        .says(&["nothing answers at `http://127.0.0.1:9/`", "--base-url"]);
    assert_eq!(before, database.dump());
}

/// Answers whatever comes with an alert of TLS, as a port for TLS does where somebody speaks HTTP.
fn only_tls() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"\x15\x03\x01\x00\x02\x02\x46");
        }
    });
    format!("http://{address}")
}

#[test]
fn an_address_with_the_scheme_of_another_protocol_is_told_as_such() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let _database = Store::database(&sandbox, JournalMode::Delete);
    let server = Server::start(axum::Router::new());
    let secure = server.url().replace("http:", "https:");
    let explore = |url: &str| sandbox.venomqa("explore").at(url).run().code(3);
    explore(&secure).says(&["it does not speak TLS at this port", "say `http://`"]);
    explore(&only_tls()).says(&["is no HTTP server", "say `https://`"]);
}

/// Explores a store that venomqa starts itself, as this kind of service.
fn explore_started(kind: Kind) -> Finished {
    let sandbox = Sandbox::with_spec(&store::spec_with_service(&service(kind)));
    let database = Store::database(&sandbox, JournalMode::Wal);
    let before = database.dump();
    let finished = sandbox.venomqa("explore --max-steps 60").run();
    assert_eq!(before, database.dump(), "after {finished}");
    finished
}

#[test]
fn a_service_that_dies_after_it_has_committed() {
    explore_started(Kind::DyingStore).code(1).says(&[
        "`refund` was not answered",
        "the service was ended by signal",
        "confirmed",
        "thread panicked at refunds: index out of bounds",
    ]);
}

#[test]
fn a_service_that_ends_at_once() {
    explore_started(Kind::ExitsAtOnce).code(3).says(&[
        "the service exited with code 7 before it was ready",
        "no licence found, giving up",
    ]);
}

#[test]
fn a_service_that_never_gets_ready() {
    let section = service(Kind::NeverReady).replace("30s", "300ms");
    let sandbox = Sandbox::with_spec(&store::spec_with_service(&section));
    Store::database(&sandbox, JournalMode::Delete);
    sandbox
        .venomqa("explore")
        .run()
        .code(3)
        .says(&["the service was not ready within 300ms", "service.ready"]);
}

#[test]
fn an_interruption_stops_the_service_whether_it_is_ready_or_not() {
    for kind in [Kind::Store, Kind::NeverReady] {
        let sandbox = Sandbox::with_spec(&store::spec_with_service(&service(kind)));
        let database = Store::database(&sandbox, JournalMode::Wal);
        let before = database.dump();
        let mut run = sandbox
            .venomqa("explore --max-steps 1000000 --progress-every 1")
            .start();
        if kind == Kind::Store {
            run.wait_for_stderr("step 30/");
        } else {
            eventually("the service is started", || {
                (sandbox.processes().len() > 1).then_some(())
            });
        }
        run.signal("INT");
        let finished = run.wait().code(130);
        sandbox.assert_nothing_is_left(&finished.to_string());
        assert_eq!(before, database.dump(), "after {finished}");
    }
}

#[test]
fn a_service_that_does_not_exist() {
    let section = "service: { command: [./no-such-program] }\n";
    let sandbox = Sandbox::with_spec(&store::spec_with_service(section));
    Store::database(&sandbox, JournalMode::Delete);
    sandbox
        .venomqa("explore")
        .run()
        .code(3)
        .says(&["cannot start `./no-such-program`"]);
}

#[test]
fn a_service_that_does_not_stop_and_has_a_child_is_stopped_with_its_child() {
    // Every command of these tests checks that it leaves no process behind.
    // It finds the bug of the store, and starts the service again to confirm it.
    explore_started(Kind::Stubborn).code(1);
}

#[test]
fn a_database_that_somebody_has_locked() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Delete, false);
    let before = store.dump();
    let holder = Database::at(sandbox.path("store.db")).open();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let finished = sandbox
        .venomqa("explore")
        .at(&store.url())
        .run()
        .code(3)
        .says(&["store.db", "locked"]);
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(before, store.dump(), "after {finished}");
}

#[test]
fn a_database_that_may_not_be_written() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Delete, false);
    let before = store.dump();
    let path = sandbox.path("store.db");
    let change = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    change(0o444);
    // To root no file is read-only: then the run has to go on.
    let writable = std::fs::File::options().append(true).open(&path).is_ok();
    let finished = sandbox
        .venomqa("explore --max-steps 20")
        .at(&store.url())
        .run();
    change(0o644);
    if writable {
        finished.code(0);
    } else {
        finished.code(3).says(&["store.db", "is read-only"]);
    }
    assert_eq!(before, store.dump());
}

#[test]
fn a_file_that_is_no_database() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let server = Server::start(axum::Router::new());
    sandbox.write("store.db", "this is no database, whatever its name says");
    sandbox
        .venomqa("explore")
        .at(&server.url())
        .run()
        .code(3)
        .says(&["store.db", "is not a SQLite database"]);
    assert!(sandbox.read("store.db").starts_with("this is no database"));
}

#[test]
fn a_database_that_is_not_there() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let server = Server::start(axum::Router::new());
    sandbox
        .venomqa("explore")
        .at(&server.url())
        .run()
        .code(3)
        .says(&["store.db"]);
    assert!(
        !sandbox.path("store.db").exists(),
        "it was created by accident"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_is_full_does_not_keep_the_other_reports_from_being_written() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Delete, true);
    let before = store.dump();
    let finished = sandbox
        .venomqa("explore --strategy bfs --max-steps 60 --report json=/dev/full --report console")
        .at(&store.url())
        .run()
        .code(3)
        .complains(&["/dev/full", "No space left on device"])
        .says(&[store::BUG]);
    assert_eq!(before, store.dump(), "after {finished}");
}

#[test]
fn a_report_that_cannot_be_written_is_known_before_anything_is_started() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    sandbox.write("no", "a file where a folder would have to be");
    let store = Store::start(&sandbox, JournalMode::Delete, true);
    let before = store.dump();
    let finished = sandbox
        .venomqa("explore --report json=no/such/folder/report.json")
        .at(&store.url())
        .run()
        .code(2)
        .complains(&["the report cannot be written to `no/such/folder/report.json`"]);
    assert!(!finished.stderr.contains("step "), "{finished}");
    assert_eq!(before, store.dump(), "after {finished}");
}

#[test]
fn a_setup_that_is_refused_ends_the_run_with_the_answer() {
    let spec = store::SPEC.replace(
        "setup:\n",
        "setup:\n  - request: { method: POST, path: \"/orders/3/refunds\", json: { amount: 1000 } }\n",
    );
    let sandbox = Sandbox::with_spec(&spec);
    let store = Store::start(&sandbox, JournalMode::Delete, false);
    let before = store.dump();
    sandbox
        .venomqa("explore")
        .at(&store.url())
        .run()
        .code(3)
        .says(&[
            "setup request 1: `POST /orders/3/refunds`: expected a 2xx answer, got 409",
            r#"{"refused":1000}"#,
        ]);
    assert_eq!(before, store.dump());
}

#[test]
fn a_query_without_an_end_is_given_up_with_the_time_of_the_run() {
    let endless = "invariants:
  - name: endless
    sql: WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c) SELECT count(*) FROM c, orders WHERE x < 0
";
    let spec = store::SPEC.replace("invariants:\n", endless);
    assert_ne!(spec, store::SPEC);
    let sandbox = Sandbox::with_spec(&spec);
    let store = Store::start(&sandbox, JournalMode::Delete, false);
    let before = store.dump();
    sandbox
        .venomqa("explore --time-limit 1s")
        .at(&store.url())
        .run()
        .code(3)
        .says(&["the SQL of invariant `endless`", "`time_limit`"]);
    assert_eq!(before, store.dump());
}
