//! From the installation to the end, and what a killed run leaves behind.

use std::time::Duration;

use super::fixture::{Walk, config, connect, dump, leftovers, run};
use super::support::{self, Cluster};
use crate::random::Random;
use crate::world::system::postgres::{PostgresSystem, recover};
use crate::world::system::{System, SystemState};

const SCHEMA: &str = "
CREATE TABLE orders (id serial PRIMARY KEY, total numeric, double numeric GENERATED ALWAYS AS (total * 2) STORED);
CREATE TABLE loose (what text, at timestamptz DEFAULT now());
CREATE SEQUENCE untouched START 7;
CREATE TABLE items (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO orders (total) VALUES (10), (20.50);
INSERT INTO loose VALUES ('a', '2024-01-01'), ('a', '2024-01-01'), (NULL, NULL);
INSERT INTO items (order_id) VALUES (1), (1), (2)";

const STEPS: [&str; 6] = [
    "INSERT INTO orders (total) VALUES (1), (2); INSERT INTO items (order_id) SELECT id FROM orders",
    "UPDATE orders SET id = id + 100, total = total + 0.01",
    "DELETE FROM loose WHERE what = 'a'; INSERT INTO loose VALUES ('b', now())",
    "TRUNCATE items RESTART IDENTITY",
    "DELETE FROM orders WHERE id = 101; SELECT setval('untouched', 1000)",
    "UPDATE loose SET what = 'same'",
];

#[test]
fn the_end_of_a_run_puts_the_content_before_it_back_and_leaves_no_trace() {
    run(async {
        let mut walk = Walk::new(SCHEMA).await;
        for step in STEPS {
            walk.step(step).await;
        }
        // Written after the last reading, by the service that is still there.
        walk.sql("INSERT INTO orders (total) VALUES (77)").await;
        walk.finish().await;
    });
}

#[test]
fn what_the_setup_wrote_is_the_initial_state_and_is_gone_at_the_end() {
    run(async {
        let mut walk = Walk::new(SCHEMA).await;
        walk.sql("INSERT INTO orders (total) VALUES (5)").await;
        walk.system.mark_initial().await.unwrap();
        assert!(walk.read().await.delta.is_empty());
        let initial = walk.dump().await;
        let start = walk.state.clone();
        walk.step("DELETE FROM orders").await;
        walk.restore(&start).await;
        assert_eq!(walk.dump().await, initial);
        walk.finish().await;
    });
}

#[test]
fn a_killed_run_is_undone_by_a_recovery() {
    run(async {
        for steps in 0..=STEPS.len() {
            let mut walk = Walk::new(SCHEMA).await;
            let start = walk.state.clone();
            for step in &STEPS[..steps] {
                walk.step(step).await;
            }
            if steps % 2 == 1 {
                walk.restore(&start).await;
                walk.sql("INSERT INTO orders (total) VALUES (5)").await;
            }
            // Nothing is cleaned up: the sessions just end.
            drop(walk.system);
            let text = recover(&walk.database.url(), false).await.unwrap().unwrap();
            assert!(text.contains("was put back"), "{text}");
            assert_eq!(dump(&walk.service).await, walk.before);
            assert_eq!(leftovers(&walk.service).await, 0);
            assert_eq!(recover(&walk.database.url(), false).await.unwrap(), None);
        }
    });
}

/// A run as it would be in a process that is killed: its runtime, and with it every socket, is gone at some moment, in the
/// middle of whatever was under way. The time counts from the start, or from when the walk begins.
fn killed(url: &str, after: Duration, from_start: bool, seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let begun = tokio::sync::Notify::new();
    if from_start {
        begun.notify_one();
    }
    let walking = async {
        let mut random = Random::new(seed);
        let mut system = PostgresSystem::open(&config(url), url).unwrap();
        let mut state = SystemState::default();
        let service = connect(url).await;
        system.install().await.unwrap();
        system.mark_initial().await.unwrap();
        let mut states = vec![state.clone()];
        if !from_start {
            begun.notify_one();
        }
        loop {
            // What the database refuses is no step; the walk goes on.
            let _ = service
                .batch_execute(STEPS[random.below(STEPS.len())])
                .await;
            let reading = system.read(&state).await.unwrap();
            state.delta = state.delta.after(&reading.delta);
            states.push(state.clone());
            let to = states[random.below(states.len())].clone();
            system.restore(&state, &to).await.unwrap();
            state = to;
        }
    };
    runtime.block_on(async {
        tokio::select! {
            () = async { begun.notified().await; tokio::time::sleep(after).await } => {}
            () = walking => {}
        }
    });
    runtime.shutdown_background();
}

#[test]
fn a_run_that_is_killed_at_any_moment_is_undone() {
    let database = support::cluster().database();
    database.psql(SCHEMA);
    let before = run(async { dump(&connect(&database.url()).await).await });
    let mut random = Random::new(3);
    let mut recovered = 0;
    for round in 0..50 {
        let after = Duration::from_micros(random.below(80_000) as u64);
        killed(&database.url(), after, round % 3 == 0, round);
        run(async {
            recovered += u32::from(recover(&database.url(), false).await.unwrap().is_some());
            let service = connect(&database.url()).await;
            assert_eq!(dump(&service).await, before, "round {round}");
            assert_eq!(leftovers(&service).await, 0, "round {round}");
        });
    }
    assert!(
        recovered >= 33,
        "{recovered} of 50 runs got far enough to be undone"
    );
}

#[test]
fn the_next_run_recovers_before_it_begins() {
    run(async {
        let mut walk = Walk::new(SCHEMA).await;
        walk.step(STEPS[0]).await;
        drop(walk.system);
        let url = walk.database.url();
        walk.system = PostgresSystem::open(&config(&url), &url).unwrap();
        let text = walk.system.install().await.unwrap().unwrap();
        assert!(text.contains("was put back"), "{text}");
        assert_eq!(dump(&walk.service).await, walk.before);
        walk.system.mark_initial().await.unwrap();
        walk.state = SystemState::default();
        walk.step(STEPS[1]).await;
        walk.finish().await;
    });
}

#[test]
fn a_crash_of_the_server_loses_nothing_of_the_way_back() {
    run(async {
        let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start()));
        if cluster.folder().is_none() {
            return;
        }
        let mut walk = Walk::on(cluster.database(), SCHEMA, |_| {}).await;
        let start = walk.state.clone();
        for step in &STEPS[..4] {
            walk.step(step).await;
        }
        walk.restore(&start).await;
        for step in &STEPS[..2] {
            walk.step(step).await;
        }
        cluster.crash();
        let error = walk.system.read(&walk.state).await.unwrap_err();
        assert!(error.message.contains("is lost"), "{error:?}");
        cluster.up();
        walk.service = connect(&walk.database.url()).await;
        // The same run's end finds the server again ...
        walk.system.uninstall().await.unwrap();
        assert_eq!(dump(&walk.service).await, walk.before);
        assert_eq!(leftovers(&walk.service).await, 0);
        cluster.shut();
    });
}

#[test]
fn a_long_run_is_undone_from_a_past_that_was_summed_up() {
    run(async {
        let mut walk = Walk::new("CREATE TABLE t (id int PRIMARY KEY, n int); CREATE TABLE k (n int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 3000) i; INSERT INTO k SELECT n FROM t").await;
        for _ in 0..6 {
            walk.step("UPDATE t SET n = n + 1; UPDATE k SET n = n + 1")
                .await;
        }
        let past: i64 = walk
            .service
            .query_one("SELECT count(*) FROM venomqa.past", &[])
            .await
            .unwrap()
            .get(0);
        assert!(past < 36_000, "{past}");
        walk.finish().await;
    });
}

#[test]
fn a_database_on_another_machine_is_refused_without_leave() {
    let mut config = config("postgres://db.example.org/shop");
    let error =
        PostgresSystem::open(&config, "postgres://qa:s3cret@db.example.org/shop").unwrap_err();
    assert!(error.message.contains("not on this machine"), "{error:?}");
    assert!(
        error
            .help
            .as_deref()
            .unwrap()
            .contains("allow_remote: true")
    );
    assert!(!format!("{error:?}").contains("s3cret"));
    config.allow_remote = true;
    assert!(PostgresSystem::open(&config, "postgres://db.example.org/shop").is_ok());
}

#[test]
fn a_server_that_does_not_answer_is_said_so_without_the_password() {
    run(async {
        let url = "postgres://qa:s3cret@127.0.0.1:1/shop";
        let mut system = PostgresSystem::open(&config(url), url).unwrap();
        let error = system.install().await.unwrap_err();
        assert!(
            error
                .message
                .contains("cannot connect to `postgres://qa@127.0.0.1:1/shop`"),
            "{error:?}"
        );
        assert!(!format!("{error:?}").contains("s3cret"));
        assert!(!format!("{system:?}").contains("s3cret"));
        // Nothing was installed, so there is nothing to remove.
        system.uninstall().await.unwrap();
        let database = support::cluster().database();
        let url = format!("{}x", database.url());
        let mut system = PostgresSystem::open(&config(&url), &url).unwrap();
        let error = system.install().await.unwrap_err();
        assert!(error.message.contains("does not exist"), "{error:?}");
    });
}

#[test]
fn an_empty_database_can_be_watched() {
    run(async {
        let mut walk = Walk::new("SELECT 1").await;
        assert!(walk.read().await.delta.is_empty());
        walk.finish().await;
    });
}

#[test]
fn a_publication_of_all_tables_does_not_stop_a_run() {
    run(async {
        let mut walk = Walk::new(
            "CREATE TABLE t (id serial PRIMARY KEY, n int); INSERT INTO t (n) VALUES (1), (2); CREATE PUBLICATION p FOR ALL TABLES",
        )
        .await;
        walk.jump_about(&[
            "INSERT INTO t (n) VALUES (3)",
            "UPDATE t SET n = 5 WHERE id = 1",
            "DELETE FROM t WHERE id = 2",
        ])
        .await;
        walk.finish().await;
    });
}
