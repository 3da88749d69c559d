//! Transactions that stay open, locks, and connections that end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_postgres::Client;

use super::fixture::{Walk, connect, dump, leftovers, rows, run};
use super::support;
use crate::world::WorldErrorKind;
use crate::world::system::{System, SystemState};

#[test]
fn a_transaction_that_ends_a_little_later_is_waited_for() {
    run(async {
        let mut walk = Walk::new("CREATE TABLE t (id int PRIMARY KEY)").await;
        walk.sql("BEGIN; INSERT INTO t VALUES (1)").await;
        let commit = async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            walk.fixture.service.batch_execute("COMMIT").await.unwrap();
        };
        let (reading, ()) = tokio::join!(walk.system.read(&walk.state), commit);
        let reading = reading.unwrap();
        assert_eq!(rows(&reading), ["t: - -> 1"]);
        assert!(reading.warnings.is_empty(), "{:?}", reading.warnings);
        walk.state.delta = walk.state.delta.after(&reading.delta);
        walk.finish().await;
    });
}

#[test]
fn a_transaction_that_stays_open_is_reported_once_with_its_query() {
    run(async {
        let mut walk =
            Walk::new("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)")
                .await;
        walk.sql("BEGIN").await;
        walk.sql("UPDATE t SET n = 2 /* of the handler */").await;
        let reading = walk.read().await;
        assert!(reading.delta.is_empty());
        let [warning] = &*reading.warnings else {
            panic!("{:?}", reading.warnings);
        };
        assert_eq!(warning.code.name(), "open-transaction");
        assert!(
            warning.message.contains("idle in transaction"),
            "{}",
            warning.message
        );
        assert!(
            warning.message.contains("of the handler"),
            "{}",
            warning.message
        );
        assert!(walk.read().await.warnings.is_empty());
        walk.sql("ROLLBACK").await;
        walk.finish().await;
    });
}

#[test]
fn a_prepared_transaction_is_reported_as_open_and_as_holder_of_its_locks() {
    run(async {
        let mut walk =
            Walk::new("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)")
                .await;
        let allowed = walk
            .service
            .query_one("SHOW max_prepared_transactions", &[])
            .await
            .unwrap();
        if allowed.get::<_, &str>(0) == "0" {
            // A server of the user's, which refuses to prepare any: there is nothing to report.
            assert!(support::cluster().folder().is_none());
            return;
        }
        let start = walk.state.clone();
        walk.step("INSERT INTO t VALUES (2, 2)").await;
        let name = format!("of the handler {}", walk.database.url());
        walk.sql(&format!(
            "BEGIN; UPDATE t SET n = 3 WHERE id = 2; PREPARE TRANSACTION '{name}'"
        ))
        .await;
        let reading = walk.read().await;
        assert!(reading.delta.is_empty());
        let [warning] = &*reading.warnings else {
            panic!("{:?}", reading.warnings);
        };
        assert_eq!(warning.code.name(), "open-transaction");
        let told = format!("transaction `{name}`, prepared for ");
        assert!(warning.message.contains(&told), "{}", warning.message);
        let error = walk.try_restore(&start).await.unwrap_err();
        let details = error.details.join("; ");
        assert!(details.contains(&told), "{error:?}");
        assert!(details.ends_with("(locks: t)"), "{details}");
        walk.sql(&format!("COMMIT PREPARED '{name}'")).await;
        let reading = walk.read().await;
        assert_eq!(rows(&reading), ["t: 2|2 -> 2|3"]);
        walk.finish().await;
    });
}

#[test]
fn a_reading_that_meets_a_lock_gives_up_and_names_who_holds_it() {
    run(async {
        let mut walk = Walk::new(
            "CREATE TABLE t (id serial PRIMARY KEY); CREATE TABLE u (id serial PRIMARY KEY)",
        )
        .await;
        let job = connect(&walk.database.url()).await;
        job.batch_execute("BEGIN; TRUNCATE t RESTART IDENTITY /* of the job */")
            .await
            .unwrap();
        walk.sql("INSERT INTO u DEFAULT VALUES").await;
        let error = walk.try_read().await.unwrap_err();
        let details = error.details.join("; ");
        assert!(details.contains("of the job"), "{error:?}");
        job.batch_execute("ROLLBACK").await.unwrap();
        walk.read().await;
        walk.finish().await;
    });
}

#[test]
fn what_a_job_writes_and_takes_back_is_no_inexact_restore() {
    run(async {
        let mut walk =
            Walk::new("CREATE TABLE t (id int PRIMARY KEY, locked bool); INSERT INTO t VALUES (1, false), (2, false)")
                .await;
        let start = walk.state.clone();
        walk.step("UPDATE t SET locked = true WHERE id = 2").await;
        let there = walk.state.clone();
        let url = walk.database.url();
        let is_over = Arc::new(AtomicBool::new(false));
        let end = is_over.clone();
        // In a thread of its own: it must write in the midst of a check.
        let job = std::thread::spawn(move || {
            run(async {
                let job = connect(&url).await;
                while !end.load(Ordering::Relaxed) {
                    for locked in [true, false] {
                        let set = format!("UPDATE t SET locked = {locked} WHERE id = 1");
                        job.batch_execute(&set).await.unwrap();
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        });
        for round in 0..300 {
            walk.read().await;
            walk.restore(if round % 2 == 0 { &start } else { &there })
                .await;
        }
        is_over.store(true, Ordering::Relaxed);
        job.join().unwrap();
        walk.read().await;
        walk.restore(&start).await;
        walk.finish().await;
    });
}

#[test]
fn a_restore_that_meets_a_lock_gives_up_and_names_who_holds_it() {
    run(async {
        let mut walk =
            Walk::new("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)")
                .await;
        let start = walk.state.clone();
        walk.step("UPDATE t SET n = 2").await;
        let there = walk.dump().await;
        walk.sql("BEGIN").await;
        walk.sql("SELECT * FROM t FOR UPDATE /* by a forgotten handler */")
            .await;
        let error = walk.system.restore(&walk.state, &start).await.unwrap_err();
        assert!(error.message.contains("keeps a lock"), "{error:?}");
        assert!(
            error
                .details
                .iter()
                .any(|line| line.contains("forgotten handler") && line.contains("locks: t")),
            "{error:?}"
        );
        walk.sql("COMMIT").await;
        assert_eq!(walk.dump().await, there, "nothing was written by half");
        walk.restore(&start).await;
        walk.finish().await;
    });
}

#[test]
fn what_a_job_commits_while_a_restore_waits_for_its_lock_is_put_back_as_well() {
    run(async {
        let mut walk = Walk::new(
            "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1); CREATE TABLE log (what text)",
        )
        .await;
        let start = walk.state.clone();
        walk.step("UPDATE t SET n = 2").await;
        let two = walk.state.clone();
        walk.step("UPDATE t SET n = 3; INSERT INTO t VALUES (5, 5)")
            .await;
        let three = walk.state.clone();
        walk.step("DELETE FROM t WHERE id = 5").await;
        let without = walk.state.clone();
        let job = connect(&walk.database.url()).await;
        for (from, to, work) in [
            (&three, &start, "UPDATE t SET n = 50 WHERE id = 1"),
            (&three, &two, "UPDATE t SET n = 50 WHERE id = 1"),
            (
                &three,
                &start,
                "UPDATE t SET n = 50; INSERT INTO log VALUES ('x')",
            ),
            (&three, &start, "DELETE FROM t WHERE id = 1"),
            (&without, &three, "INSERT INTO t VALUES (5, 50)"),
        ] {
            walk.restore(to).await;
            let content = walk.dump().await;
            walk.restore(from).await;
            job.batch_execute(&format!("BEGIN; {work}")).await.unwrap();
            let working = commit_once_somebody_waits(&job, &walk.fixture.service);
            let (restored, ()) = tokio::join!(walk.system.restore(from, to), working);
            restored.unwrap_or_else(|error| panic!("{work}: {error:?}"));
            walk.state = to.clone();
            assert_eq!(walk.dump().await, content, "{work}");
            let reading = walk.read().await;
            assert!(reading.delta.is_empty(), "{work}: {:?}", reading.delta);
            assert_eq!(
                reading.warnings.first().map(|warning| warning.code.name()),
                Some("background-write"),
                "{work}"
            );
        }
        walk.restore(&start).await;
        walk.finish().await;
    });
}

/// Commits the transaction of `job` when another session of the database waits for a lock.
async fn commit_once_somebody_waits(job: &Client, observer: &Client) {
    let waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while observer.query(waiting, &[]).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    job.batch_execute("COMMIT").await.unwrap();
}

#[test]
fn what_a_job_commits_while_the_content_before_the_run_is_put_back_is_undone_as_well() {
    run(async {
        for work in [
            "INSERT INTO t VALUES (2, 50)",
            "UPDATE t SET n = 50 WHERE id = 1",
            "DELETE FROM t WHERE id = 1",
            "INSERT INTO t VALUES (4, 50)",
        ] {
            let mut walk = Walk::new(
                "CREATE TABLE t (id int PRIMARY KEY, n int UNIQUE); INSERT INTO t VALUES (1, 1), (2, 2), (3, 50)",
            )
            .await;
            walk.step("DELETE FROM t WHERE id > 1; UPDATE t SET n = 9 WHERE id = 1")
                .await;
            let job = connect(&walk.database.url()).await;
            job.batch_execute(&format!("BEGIN; {work}")).await.unwrap();
            let (ended, ()) = tokio::join!(
                walk.system.uninstall(),
                commit_once_somebody_waits(&job, &walk.fixture.service)
            );
            ended.unwrap_or_else(|error| panic!("{work}: {error:?}"));
            assert_eq!(walk.dump().await, walk.before, "{work}");
            assert_eq!(leftovers(&walk.service).await, 0);
        }
    });
}

#[test]
fn a_row_that_went_past_the_journal_leaves_it_in_place_and_nothing_is_said_to_be_back() {
    run(async {
        let mut walk =
            Walk::new("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)")
                .await;
        walk.step("DELETE FROM t").await;
        walk.sql("SET venomqa.writer = 'on'; INSERT INTO t VALUES (1, 100)")
            .await;
        let error = walk.system.uninstall().await.unwrap_err();
        let help = error.help.unwrap_or_default();
        assert!(!help.contains("is back"), "{help}");
        assert!(leftovers(&walk.service).await > 0);
        walk.sql("DELETE FROM t; RESET venomqa.writer").await;
        walk.finish().await;
    });
}

#[test]
fn jobs_of_which_one_is_always_at_work_are_not_waited_for() {
    run(async {
        let mut walk = Walk::configured(
            "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1); CREATE TABLE beats (id int PRIMARY KEY, n int);
             INSERT INTO beats SELECT i, 0 FROM generate_series(1, 3) i",
            |config| config.ignore_tables = vec!["beats".into()],
        )
        .await;
        let start = walk.state.clone();
        let is_over = Arc::new(AtomicBool::new(false));
        let jobs: Vec<_> = (1..=3)
            .map(|id| {
                let (url, end) = (walk.database.url(), is_over.clone());
                std::thread::spawn(move || {
                    run(async {
                        let job = connect(&url).await;
                        while !end.load(Ordering::Relaxed) {
                            let beat = format!("BEGIN; UPDATE beats SET n = n + 1 WHERE id = {id}");
                            job.batch_execute(&beat).await.unwrap();
                            tokio::time::sleep(Duration::from_millis(10 * id)).await;
                            job.batch_execute("COMMIT").await.unwrap();
                        }
                    });
                })
            })
            .collect();
        for _ in 0..20 {
            let reading = walk.step("UPDATE t SET n = n + 1").await;
            assert_eq!(rows(&reading).len(), 1);
            assert!(reading.warnings.is_empty(), "{:?}", reading.warnings);
            walk.restore(&start).await;
        }
        is_over.store(true, Ordering::Relaxed);
        for job in jobs {
            job.join().unwrap();
        }
        walk.system.uninstall().await.unwrap();
    });
}

#[test]
fn a_session_in_the_way_of_the_end_is_named_and_the_content_is_back_nevertheless() {
    run(async {
        let mut walk =
            Walk::new("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)")
                .await;
        walk.step("UPDATE t SET n = 2").await;
        let reader = connect(&walk.database.url()).await;
        reader
            .batch_execute("BEGIN; SELECT * FROM t /* idle */")
            .await
            .unwrap();
        let error = walk.system.uninstall().await.unwrap_err();
        assert!(
            error.details.iter().any(|line| line.contains("/* idle */")),
            "{error:?}"
        );
        assert_eq!(walk.dump().await, walk.before);
        reader.batch_execute("COMMIT").await.unwrap();
        walk.finish().await;
    });
}

#[test]
fn a_lost_connection_ends_the_run_with_a_clear_error_and_the_end_repairs_it() {
    run(async {
        let mut walk =
            Walk::new("CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t DEFAULT VALUES").await;
        walk.step("INSERT INTO t DEFAULT VALUES").await;
        let state = walk.state.clone();
        walk.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'venomqa' AND datname = current_database()").await;
        let error = walk.system.read(&state).await.unwrap_err();
        assert_eq!(error.kind, WorldErrorKind::System);
        assert!(error.message.contains("is lost"), "{error:?}");
        assert!(error.help.unwrap().contains("venomqa restore"));
        walk.finish().await;
    });
}

#[test]
fn what_the_service_writes_between_two_reads_is_neither_lost_nor_told_twice() {
    run(async {
        let mut walk = Walk::new("CREATE TABLE t (id serial PRIMARY KEY, n int)").await;
        let writer = connect(&walk.database.url()).await;
        let writing = async {
            for _ in 0..300 {
                writer
                    .batch_execute(
                        "INSERT INTO t (n) VALUES (1); UPDATE t SET n = n + 1 WHERE id % 7 = 0",
                    )
                    .await
                    .unwrap();
            }
        };
        let mut state = walk.state.clone();
        let reading = async {
            for _ in 0..150 {
                let reading = walk.system.read(&state).await.unwrap();
                state.delta = state.delta.after(&reading.delta);
            }
        };
        tokio::join!(writing, reading);
        walk.state = state;
        walk.read().await;
        let there = (walk.state.clone(), dump(&walk.service).await);
        walk.restore(&SystemState::default()).await;
        assert_eq!(dump(&walk.service).await, walk.before);
        walk.restore(&there.0).await;
        assert_eq!(dump(&walk.service).await, there.1);
        walk.finish().await;
    });
}
