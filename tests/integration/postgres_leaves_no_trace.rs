//! Whatever happens to venomqa, to its connections or to the server: a PostgreSQL database is as it was before the run, and
//! nothing of venomqa is in it.
//!
//! The service is not venomqa's child here. It goes on, and keeps its connections, when venomqa is killed.

use std::time::Duration;

use crate::postgres_for_tests::{Database, cluster};
use crate::support::{
    Finished, PostgresStore, Running, Sandbox, difference, eventually, warnings,
};

const STRATEGIES: [&str; 6] = ["dfs", "bfs", "coverage", "random", "mcts", "weighted"];

/// The store with its content, and what that was.
struct Scene {
    sandbox: Sandbox,
    store: PostgresStore,
    before: String,
}

impl Scene {
    fn new() -> Self {
        Self::on(cluster().database())
    }

    fn on(database: Database) -> Self {
        let store = PostgresStore::start(database, true);
        let sandbox = Sandbox::with_spec(&store.spec());
        let before = store.dump();
        Self {
            sandbox,
            store,
            before,
        }
    }

    fn explore(&self, flags: &[&str]) -> Running {
        let url = self.store.url();
        let arguments = [&["explore", "--base-url", &url, "--report", "json"], flags];
        self.sandbox.venomqa(arguments.concat()).start()
    }

    /// A run that would go on for long. With the bug, refunds never end.
    fn endless(&self, strategy: &str) -> Running {
        let flags = ["--max-steps", "1000000", "--progress-every", "1"];
        self.explore(&[&["--strategy", strategy], &flags[..]].concat())
    }

    /// The same, `step` steps after its start.
    fn under_way(&self, strategy: &str, step: u64) -> Running {
        let mut run = self.endless(strategy);
        run.wait_for_stderr(&format!("step {step}/"));
        run
    }

    fn restore(&self) -> Finished {
        self.sandbox.venomqa(["restore"]).start().wait()
    }

    /// Until the server has noticed that the process behind its sessions is gone.
    #[track_caller]
    fn wait_for_sessions_to_end(&self) {
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'venomqa' AND datname = current_database()";
        eventually("the sessions of a killed run end", || {
            (self.store.database.psql(sessions) == "0").then_some(())
        });
    }

    #[track_caller]
    fn assert_untouched(&self, after: &str) {
        let now = self.store.dump();
        assert!(
            self.before == now,
            "the database is not as it was before {after}:\n{}",
            difference(&self.before, &now)
        );
    }
}

/// Another moment each time, up to so many milliseconds.
fn any_moment(limit: u64) -> Duration {
    let nanoseconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    Duration::from_micros(u64::from(nanoseconds) / 1000 % (limit * 1000))
}

#[test]
fn after_runs_that_were_killed_at_fifty_moments() {
    let scene = Scene::new();
    let (mut changed, mut journals) = (0, 0);
    for round in 0..50 {
        // One in five is killed while it starts: while the journal is being installed, or before.
        let mut run = if round % 5 == 0 {
            scene.endless("dfs")
        } else {
            scene.under_way(STRATEGIES[round % 6], 2 * round as u64 % 60)
        };
        let moment = any_moment(60);
        std::thread::sleep(moment);
        run.kill();
        let after = format!("round {round}, killed {moment:?} later");
        if round % 5 == 0 {
            // What the server was told before the kill it may still do.
            scene.wait_for_sessions_to_end();
        }
        let killed = scene.store.dump();
        let has_journal = killed.contains("schema venomqa\n");
        if has_journal {
            // The service is there still, and so are the triggers: what it writes now is undone as well.
            assert_eq!(scene.store.request("POST", "/log"), 204, "{after}");
        }
        journals += usize::from(has_journal);
        changed += usize::from(difference(&scene.before, &killed).contains("- "));
        if round % 2 == 0 {
            let restored = scene.restore().code(0);
            assert_eq!(restored.stdout.contains("was put back"), has_journal, "{restored}");
        } else {
            let finished = scene.explore(&["--strategy", "bfs", "--max-steps", "12"]).wait();
            let run = finished.only_run();
            assert_eq!(warnings(&run).contains(&"recovered"), has_journal, "{finished}");
        }
        scene.assert_untouched(&after);
    }
    // Without a recovery the database would not be what it was: otherwise this test could not fail.
    assert!(journals >= 35 && changed >= 25, "{journals} journals, {changed} with rows gone");
}
