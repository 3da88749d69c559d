//! Whatever happens: the database is as it was before the run, down to the row numbers, and nothing of venomqa is in it.
//!
//! The service is not venomqa's child here. It has its connections open all the time, as in real life.

use std::fs;

use crate::support::{
    Database, Fault, Finished, JournalMode, Running, Sandbox, Store, Wire, difference, eventually,
    store, violations, warnings,
};

const MODES: [JournalMode; 2] = [JournalMode::Delete, JournalMode::Wal];

/// The store with its content, and what that was.
struct Scene {
    sandbox: Sandbox,
    store: Store,
    before: String,
}

impl Scene {
    fn new(mode: JournalMode, bug: bool) -> Self {
        let sandbox = Sandbox::with_spec(store::SPEC);
        let store = Store::start(&sandbox, mode, bug);
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

    /// A run that would go on for long, `step` steps after its start. With the bug, refunds never end.
    fn under_way(&self, strategy: &str, step: u64) -> Running {
        let mut run = self.explore(&[
            "--strategy",
            strategy,
            "--max-steps",
            "1000000",
            "--progress-every",
            "1",
        ]);
        run.wait_for_stderr(&format!("step {step}/"));
        run
    }

    #[track_caller]
    fn assert_untouched(&self, after: &str) {
        assert_untouched(&self.sandbox, &self.before, &self.store.dump(), after);
    }
}

#[track_caller]
fn assert_untouched(sandbox: &Sandbox, before: &str, dump: &str, after: &str) {
    assert!(
        before == dump,
        "the database is not as it was before {after}:\n{}",
        difference(before, dump)
    );
    let files: Vec<_> = fs::read_dir(sandbox.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("store.db"))
        .filter(|name| !["store.db", "store.db-wal", "store.db-shm"].contains(&&**name))
        .filter(|name| name != "store.db-journal" || !is_cold(&sandbox.path(name)))
        .collect();
    assert!(files.is_empty(), "{after} left {files:?}");
}

/// Whether a rollback journal of SQLite holds nothing yet. A process that is killed before it has written its first page
/// leaves such a one behind, and SQLite removes it with the next write.
fn is_cold(journal: &std::path::Path) -> bool {
    fs::read(journal)
        .unwrap()
        .first()
        .is_none_or(|byte| *byte == 0)
}

#[test]
fn after_a_run_without_violations() {
    for mode in MODES {
        let scene = Scene::new(mode, false);
        let finished = scene.explore(&["--max-steps", "400"]).wait().code(0);
        scene.assert_untouched(&finished.to_string());
        assert_eq!(warnings(&finished.only_run()), [""; 0], "{finished}");
    }
}

#[test]
fn after_a_run_with_violations_for_every_strategy() {
    for (position, strategy) in ["dfs", "bfs", "coverage", "random", "mcts", "weighted"]
        .into_iter()
        .enumerate()
    {
        let scene = Scene::new(MODES[position % 2], true);
        let finished = scene
            .explore(&["--strategy", strategy, "--max-steps", "300"])
            .wait()
            .code(1);
        assert_eq!(violations(&finished.only_run()), [store::BUG], "{finished}");
        scene.assert_untouched(&finished.to_string());
    }
}

#[test]
fn after_an_interruption() {
    for mode in MODES {
        for signal in ["INT", "TERM"] {
            let scene = Scene::new(mode, true);
            let run = scene.under_way("dfs", 40);
            run.signal(signal);
            let finished = run.wait().code(130);
            scene.assert_untouched(&finished.to_string());
        }
    }
}

#[test]
fn after_an_interruption_that_cannot_wait_for_an_answer() {
    let Scene {
        sandbox,
        store,
        before,
    } = Scene::new(JournalMode::Wal, true);
    let wire = Wire::to(store.port(), Fault::Silence);
    let mut run = sandbox
        .venomqa(["explore", "--strategy", "bfs", "--progress-every", "1"])
        .args(["--base-url", &wire.url()])
        .start();
    // The next step is the refund, which is committed and then never answered.
    run.wait_for_stderr("step 1/");
    eventually("the refund is committed", || {
        let refunded = "SELECT count(*) FROM orders WHERE refunded = 60";
        (Database::at(sandbox.path("store.db")).number(refunded) > 0).then_some(())
    });
    run.signal("INT");
    // Two signals that are sent at once arrive as one.
    run.wait_for_stderr("stopping after the request under way");
    run.signal("INT");
    let finished = run.wait().code(130);
    assert_untouched(&sandbox, &before, &store.dump(), &finished.to_string());
}

#[test]
fn after_a_service_that_was_killed_during_the_run() {
    for mode in MODES {
        let scene = Scene::new(mode, true);
        let run = scene.under_way("bfs", 40);
        let Scene {
            sandbox,
            store,
            before,
        } = scene;
        store.stop();
        let finished = run.wait().code(3);
        let dump = Database::at(sandbox.path("store.db")).dump();
        assert_untouched(&sandbox, &before, &dump, &finished.to_string());
    }
}

#[test]
fn after_a_run_that_was_killed_once_restore_has_been_run() {
    for mode in MODES {
        let scene = Scene::new(mode, true);
        let mut run = scene.under_way("bfs", 30);
        run.kill();
        let killed = scene.store.dump();
        assert!(
            killed.contains("venomqa_"),
            "the journal is gone before anybody removed it"
        );
        let restored = restore(&scene, &["venomqa.yaml"]).code(0);
        scene.assert_untouched(&restored.to_string());
        // Nothing is left to do, and that is no error.
        let again = restore(&scene, &["--sqlite", "store.db"]).code(0);
        scene.assert_untouched(&again.to_string());
    }
}

#[test]
fn after_a_run_that_was_killed_once_another_run_is_over() {
    for mode in MODES {
        let scene = Scene::new(mode, true);
        let mut run = scene.under_way("dfs", 30);
        run.kill();
        let finished = scene
            .explore(&["--strategy", "bfs", "--max-steps", "60"])
            .wait()
            .code(1);
        assert!(
            warnings(&finished.only_run()).contains(&"recovered"),
            "{finished}"
        );
        scene.assert_untouched(&finished.to_string());
    }
}

#[test]
fn after_runs_that_were_killed_at_any_moment() {
    for round in 0..10 {
        let scene = Scene::new(MODES[round % 2], true);
        // Sometimes before the first step: while the journal is being installed.
        let mut run = if round < 3 {
            scene.explore(&["--max-steps", "1000000"])
        } else {
            scene.under_way(["bfs", "random", "coverage"][round % 3], 3 * round as u64)
        };
        // Any moment will do, and another one each time.
        let nanoseconds = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .subsec_nanos();
        let moment = std::time::Duration::from_micros(u64::from(nanoseconds) % 20_000);
        std::thread::sleep(moment);
        run.kill();
        let after = format!("round {round}, killed {moment:?} later");
        if round % 4 < 2 {
            restore(&scene, &[]).code(0);
        } else {
            scene.explore(&["--max-steps", "30"]).wait().code(0);
        }
        scene.assert_untouched(&after);
    }
}

#[test]
fn with_a_full_text_index_that_no_trigger_can_watch() {
    for mode in MODES {
        let sandbox = Sandbox::with_spec(store::SPEC);
        Store::database(&sandbox, mode).execute(
            "CREATE VIRTUAL TABLE search USING fts5 (line);
             INSERT INTO search SELECT line FROM log;
             CREATE TRIGGER log_is_searched AFTER INSERT ON log BEGIN
                 INSERT INTO search VALUES (new.line);
             END;",
        );
        let store = Store::on(&sandbox, true);
        let before = store.dump();
        let scene = Scene {
            sandbox,
            store,
            before,
        };
        let finished = scene
            .explore(&["--strategy", "bfs", "--max-steps", "80"])
            .wait()
            .code(1);
        assert_eq!(violations(&finished.only_run()), [store::BUG], "{finished}");
        scene.assert_untouched(&finished.to_string());
        let mut run = scene.under_way("bfs", 30);
        run.kill();
        let restored = restore(&scene, &[]).code(0);
        scene.assert_untouched(&restored.to_string());
    }
}

#[test]
fn after_somebody_locked_the_database_for_good_once_it_is_free_again() {
    let scene = Scene::new(JournalMode::Delete, true);
    let run = scene.under_way("dfs", 20);
    let holder = Database::at(scene.sandbox.path("store.db")).open();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let finished = run.wait().code(3);
    holder.execute_batch("ROLLBACK").unwrap();
    let told = finished.only_run();
    assert!(told["cleanup"].to_string().contains("locked"), "{finished}");
    assert!(
        told["cleanup"].to_string().contains("venomqa restore"),
        "{finished}"
    );
    let restored = restore(&scene, &[]).code(0);
    scene.assert_untouched(&restored.to_string());
}

#[test]
fn two_runs_on_one_database_do_not_mix() {
    let scene = Scene::new(JournalMode::Wal, true);
    let first = scene.under_way("dfs", 10);
    let second = scene.explore(&["--max-steps", "10"]).wait().code(3);
    let said = second.stdout.clone() + &second.stderr;
    assert!(said.contains("another venomqa run"), "{second}");
    restore(&scene, &["--sqlite", "store.db"]).code(3);
    first.signal("INT");
    let finished = first.wait().code(130);
    scene.assert_untouched(&finished.to_string());
}

fn restore(scene: &Scene, arguments: &[&str]) -> Finished {
    let arguments = [&["restore"], arguments].concat();
    scene.sandbox.venomqa(arguments).start().wait()
}
