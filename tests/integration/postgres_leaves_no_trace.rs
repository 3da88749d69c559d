//! Whatever happens to the server or to the connections to it: a PostgreSQL database is as it was before the run, and nothing
//! of venomqa is in it. Runs that end, are interrupted or are killed are in `leave_no_trace`.
//!
//! The service is not venomqa's child here. It goes on, and keeps its connections, when venomqa is killed.

use std::time::Duration;

use crate::postgres_for_tests::{Cluster, Database, cluster};
use crate::support::{PostgresStore, Scene, eventually, warnings};

const STRATEGIES: [&str; 6] = ["dfs", "bfs", "coverage", "random", "mcts", "weighted"];

/// A store with the bug, by which refunds never end.
fn on(database: Database) -> Scene {
    Scene::of(PostgresStore::start(database, true))
}

/// Another moment each time, up to so many milliseconds.
fn any_moment(limit: u64) -> Duration {
    let nanoseconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    Duration::from_micros(u64::from(nanoseconds) / 1000 % (limit * 1000))
}

/// A server of its own, for a test that stops it.
struct OwnServer(&'static Cluster);

impl OwnServer {
    /// Nothing where the tests use a server that is not theirs to stop.
    fn start() -> Option<Self> {
        let server = Self(Box::leak(Box::new(Cluster::start())));
        server.0.folder().is_some().then_some(server)
    }

    /// A fast restart is an orderly one; otherwise it is what a power cut comes to.
    fn restart(&self, is_fast: bool) {
        self.0.stop(if is_fast { "INT" } else { "QUIT" });
        self.0.up();
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.0.shut();
    }
}

#[test]
fn after_a_run_that_was_killed_before_the_server_was_restarted() {
    let Some(server) = OwnServer::start() else {
        return;
    };
    let scene = on(server.0.database());
    for (is_fast, by_restore) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut run = scene.under_way("bfs", 40);
        run.kill();
        scene.on_postgres().request("POST", "/log");
        server.restart(is_fast);
        assert_ne!(scene.store.dump(), scene.before);
        // The service has found the server again, and the triggers are there.
        assert_eq!(scene.on_postgres().request("POST", "/log"), 204);
        let finished = if by_restore {
            scene.restore("").code(0).says(&["was put back"])
        } else {
            let finished = scene.explore("--max-steps 30").wait();
            assert!(
                warnings(&finished.only_run()).contains(&"recovered"),
                "{finished}"
            );
            finished
        };
        scene.assert_untouched(&format!("fast: {is_fast}; {finished}"));
    }
}

#[test]
fn after_a_crash_of_the_server_that_emptied_an_unlogged_table() {
    let Some(server) = OwnServer::start() else {
        return;
    };
    let scene = on(server.0.database());
    let database = &scene.on_postgres().database;
    database.psql("CREATE UNLOGGED TABLE sessions (id serial PRIMARY KEY, name text); INSERT INTO sessions (name) VALUES ('a'), ('b')");
    let mut run = scene.under_way("bfs", 40);
    run.kill();
    let service = "INSERT INTO sessions (name) VALUES ('c'); UPDATE sessions SET name = 'B' WHERE name = 'b'; DELETE FROM sessions WHERE name = 'a'";
    database.psql(service);
    // An orderly restart keeps such a table, and what the journal says of it holds.
    server.restart(true);
    scene.restore("").code(0).never_says("unlogged");
    let rows = "SELECT string_agg(name, ' ' ORDER BY id) FROM sessions";
    assert_eq!(database.psql(rows), "a b");

    let mut run = scene.under_way("bfs", 40);
    run.kill();
    database.psql(service);
    server.restart(false);
    database.psql("INSERT INTO sessions (name) VALUES ('after the crash')");
    scene.restore("").code(0).says(&[
        "was put back",
        "emptied these unlogged tables",
        "`sessions`",
    ]);
    assert_eq!(database.psql(rows), "after the crash");
    database.psql("DROP TABLE sessions");
    scene.assert_untouched("a crash of the server");
}

#[test]
fn after_a_server_that_was_restarted_during_the_run() {
    let Some(server) = OwnServer::start() else {
        return;
    };
    let scene = on(server.0.database());
    for is_fast in [true, false] {
        let run = scene.under_way("dfs", 40);
        server.restart(is_fast);
        let finished = run.wait().code(3);
        scene.assert_untouched(&finished.to_string());
    }
}

#[test]
fn after_a_server_that_went_away_for_long_during_the_run() {
    let Some(server) = OwnServer::start() else {
        return;
    };
    let scene = on(server.0.database());
    let run = scene.under_way("coverage", 40);
    server.0.crash();
    let finished = run.wait().code(3);
    assert!(finished.stdout.contains("venomqa restore"), "{finished}");
    server.0.up();
    assert_ne!(scene.store.dump(), scene.before);
    scene.restore("").code(0).says(&["was put back"]);
    scene.assert_untouched(&finished.to_string());
}

#[test]
fn after_connections_that_were_cut_at_any_moment() {
    let scene = on(cluster().database());
    let cut = |which: &str| {
        scene.on_postgres().database.psql(&format!(
            "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
             WHERE application_name = 'venomqa' AND datname = current_database() ORDER BY backend_start {which}) AS s"
        ))
    };
    for round in 0..18 {
        let run = if round % 6 == 0 {
            // While it starts. Two sessions are there at the latest when the journal is.
            let run = scene.endless("bfs");
            eventually("the run is connected", || {
                (cut("LIMIT 2") != "0").then_some(())
            });
            run
        } else {
            let run = scene.under_way(STRATEGIES[round % 6], 3 * round as u64);
            std::thread::sleep(any_moment(30));
            // Both, the first, or the second; the last may be cut once more while the run cleans up.
            cut(["", "LIMIT 1", "OFFSET 1"][round % 3]);
            run
        };
        if round % 4 == 3 {
            std::thread::sleep(any_moment(40));
            cut("");
        }
        let finished = run.wait().code(3);
        let told = finished.only_run().to_string() + &finished.stderr;
        assert!(
            told.contains("is lost") || told.contains("cannot connect"),
            "{finished}"
        );
        let now = scene.store.dump();
        if now != scene.before {
            scene.restore("").code(0).says(&["was put back"]);
        }
        scene.assert_untouched(&format!("round {round}: {finished}"));
    }
}

#[test]
fn a_database_that_is_dropped_during_the_run_is_said_to_be() {
    let Some(server) = OwnServer::start() else {
        return;
    };
    let scene = on(server.0.database());
    let run = scene.under_way("bfs", 40);
    let name = &scene.on_postgres().database.name;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    server.0.psql("postgres", &drop);
    let finished = run.wait().code(3);
    for said in [
        "was dropped during the run",
        "comes back from a backup only",
    ] {
        assert!(finished.stdout.contains(said), "{finished}");
    }
}

#[test]
fn what_was_defined_anew_before_a_kill_is_as_it_was_and_what_is_new_stays_and_is_named() {
    let scene = on(cluster().database());
    let mut run = scene.under_way("bfs", 40);
    run.kill();
    scene.wait_for_sessions_to_end();
    let database = &scene.on_postgres().database;
    database.psql("DROP VIEW open_orders; CREATE TABLE theirs AS SELECT 7 AS n");
    let finished = scene.restore("").code(3);
    for said in ["table `public.theirs` is new", "view `public.open_orders`"] {
        assert!(format!("{finished}").contains(said), "{said}: {finished}");
    }
    assert_eq!(database.psql("SELECT n FROM theirs"), "7");
    database.psql("DROP TABLE theirs");
    scene.assert_untouched(&finished.to_string());
    scene.restore("").code(0);
}
