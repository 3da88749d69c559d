//! Whatever happens: the database is as it was before the run, down to the row numbers, and nothing of venomqa is in it.
//!
//! The service is not venomqa's child here. It has its connections open all the time, as in real life.

use std::time::Duration;

use crate::support::{
    AnyStore, Database, Fault, JournalMode, On, Sandbox, Scene, Store, Wire, assert_untouched,
    difference, eventually, store, violations, warnings,
};

const MODES: [JournalMode; 2] = [JournalMode::Delete, JournalMode::Wal];
const KINDS: [On; 3] = [
    On::Sqlite(JournalMode::Delete),
    On::Sqlite(JournalMode::Wal),
    On::Postgres,
];
const STRATEGIES: [&str; 6] = ["dfs", "bfs", "coverage", "random", "mcts", "weighted"];

#[test]
fn after_a_run_without_violations() {
    for on in KINDS {
        let scene = Scene::new(on, false);
        let finished = scene.explore("--max-steps 400").wait().code(0);
        scene.assert_untouched(&finished.to_string());
        assert_eq!(warnings(&finished.only_run()), [""; 0], "{finished}");
    }
}

#[test]
fn after_a_run_with_violations_for_every_strategy() {
    for (position, strategy) in STRATEGIES.into_iter().enumerate() {
        for on in [On::Sqlite(MODES[position % 2]), On::Postgres] {
            let scene = Scene::new(on, true);
            let finished = scene
                .explore(&format!("--strategy {strategy} --max-steps 300"))
                .wait()
                .code(1);
            assert_eq!(violations(&finished.only_run()), [store::BUG], "{finished}");
            scene.assert_untouched(&finished.to_string());
        }
    }
}

#[test]
fn after_an_interruption() {
    for on in KINDS {
        for signal in ["INT", "TERM"] {
            let scene = Scene::new(on, true);
            let run = scene.under_way("dfs", 40);
            run.signal(signal);
            let finished = run.wait().code(130);
            scene.assert_untouched(&finished.to_string());
        }
    }
}

#[test]
fn after_runs_that_were_killed_at_any_moment_of_a_sqlite_database() {
    for mode in MODES {
        killed_at_any_moment(On::Sqlite(mode), 15);
    }
}

#[test]
fn after_runs_that_were_killed_at_any_moment_of_a_postgresql_database() {
    killed_at_any_moment(On::Postgres, 50);
}

/// Kills runs at moments that are others each time, and has the database put back by `venomqa restore` or the next run.
fn killed_at_any_moment(on: On, rounds: usize) {
    let scene = Scene::new(on, true);
    let (mut changed, mut journals) = (0, 0);
    for round in 0..rounds {
        // One in five is killed while it starts: while the journal is being installed, or before.
        let mut run = if round % 5 == 0 {
            scene.endless("dfs")
        } else {
            scene.under_way(STRATEGIES[round % 6], 2 * round as u64 % 60)
        };
        let nanoseconds = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .subsec_nanos();
        let moment = Duration::from_micros(u64::from(nanoseconds) / 1000 % 60_000);
        std::thread::sleep(moment);
        run.kill();
        let after = format!("{on:?}, round {round}, killed {moment:?} later");
        if round % 5 == 0 {
            scene.wait_for_sessions_to_end();
        }
        let killed = scene.store.dump();
        let has_journal = ["venomqa: schema\n", "venomqa_"]
            .iter()
            .any(|name| killed.contains(name));
        if has_journal && let AnyStore::Postgres(store) = &scene.store {
            // The service is there still, and so are the triggers: what it writes now is undone as well.
            assert_eq!(store.request("POST", "/log"), 204, "{after}");
        }
        journals += usize::from(has_journal);
        changed += usize::from(difference(&scene.before, &killed).contains("- "));
        if round % 2 == 0 {
            let restored = scene.restore("").code(0);
            assert_eq!(
                restored.stdout.contains("put back,") || restored.stdout.contains("was put back"),
                has_journal,
                "{restored}"
            );
        } else {
            let finished = scene.explore("--strategy bfs --max-steps 12").wait();
            let run = finished.only_run();
            assert_eq!(
                warnings(&run).contains(&"recovered"),
                has_journal,
                "{finished}"
            );
        }
        scene.assert_untouched(&after);
    }
    // Without a recovery the database would not be what it was: otherwise this test could not fail.
    assert!(
        journals * 10 >= rounds * 7 && changed * 2 >= rounds,
        "{journals} journals, {changed} with rows gone, of {rounds}"
    );
}

#[test]
fn after_an_interruption_that_cannot_wait_for_an_answer() {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, JournalMode::Wal, true);
    let before = store.dump();
    let wire = Wire::to(store.port(), Fault::Silence);
    let mut run = sandbox
        .venomqa("explore --strategy bfs --progress-every 1")
        .at(&wire.url())
        .start();
    // The next step is the refund, which is committed and then never answered.
    run.wait_for_stderr("step 1/");
    eventually("the refund is committed", || {
        let refunded = "SELECT count(*) FROM orders WHERE refunded = 60";
        (Database::at(sandbox.path("store.db")).number(refunded) > 0).then_some(())
    });
    run.signal("INT");
    // Two signals that are sent at once arrive as one.
    run.wait_for_stderr("stopping: what is under way");
    run.signal("INT");
    let finished = run.wait().code(130);
    assert_untouched(&sandbox, &before, &store.dump(), &finished.to_string());
}

#[test]
fn after_a_service_that_was_killed_during_the_run() {
    for mode in MODES {
        let scene = Scene::new(On::Sqlite(mode), true);
        let run = scene.under_way("bfs", 40);
        let Scene {
            sandbox,
            store: AnyStore::Sqlite(store),
            before,
        } = scene
        else {
            unreachable!("it stands on SQLite");
        };
        store.stop();
        let finished = run.wait().code(3);
        let dump = Database::at(sandbox.path("store.db")).dump();
        assert_untouched(&sandbox, &before, &dump, &finished.to_string());
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
        let store = AnyStore::Sqlite(Store::on(&sandbox, true));
        let before = store.dump();
        let scene = Scene {
            sandbox,
            store,
            before,
        };
        let finished = scene
            .explore("--strategy bfs --max-steps 80")
            .wait()
            .code(1);
        assert_eq!(violations(&finished.only_run()), [store::BUG], "{finished}");
        scene.assert_untouched(&finished.to_string());
        let mut run = scene.under_way("bfs", 30);
        run.kill();
        let restored = scene.restore("").code(0);
        scene.assert_untouched(&restored.to_string());
    }
}

#[test]
fn after_somebody_locked_the_database_for_good_once_it_is_free_again() {
    let scene = Scene::new(On::Sqlite(JournalMode::Delete), true);
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
    let restored = scene.restore("").code(0);
    scene.assert_untouched(&restored.to_string());
}

#[test]
fn two_runs_on_one_database_do_not_mix() {
    for on in KINDS {
        let scene = Scene::new(on, true);
        let first = scene.under_way("dfs", 10);
        let second = scene.explore("--max-steps 10").wait().code(3);
        let said = second.stdout.clone() + &second.stderr;
        assert!(said.contains("another venomqa run"), "{second}");
        let database = match on {
            On::Sqlite(_) => "--sqlite store.db",
            On::Postgres => "",
        };
        scene.restore(database).code(3);
        first.signal("INT");
        let finished = first.wait().code(130);
        scene.assert_untouched(&finished.to_string());
        // Nothing is left to do, and that is no error.
        let again = scene.restore(database).code(0);
        scene.assert_untouched(&again.to_string());
    }
}
