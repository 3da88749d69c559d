//! Servers that crash, are out of reach, or on another machine.

use super::fixture::{OnServer, Walk, config, connect, dump, leftovers, run};
use super::support::{self, Cluster};
use crate::world::system::System as _;
use crate::world::system::postgres::PostgresSystem;

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
fn a_crash_of_the_server_loses_nothing_of_the_way_back() {
    run(async {
        let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start()));
        if cluster.folder().is_none() {
            return;
        }
        // Before anything else was written.
        let mut walk = Walk::on(OnServer::with(cluster.database(), SCHEMA).await, |_| {}).await;
        cluster.crash();
        cluster.up();
        walk.service = connect(&walk.database.url()).await;
        let told = walk.system.uninstall().await.unwrap();
        assert!(told.is_empty(), "{told:?}");
        assert_eq!(leftovers(&walk.service).await, 0);
        let mut walk = Walk::on(OnServer::with(cluster.database(), SCHEMA).await, |_| {}).await;
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
