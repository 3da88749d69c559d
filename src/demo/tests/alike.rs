//! Both databases give the same answers and hold the same rows.

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use reqwest::Method;
use serde_json::{Value, json};

use super::engine::{Engine, Home};
use super::running::RunningShop;
use crate::demo::bugs::Bugs;
use crate::demo::store::{Access, Store};

#[tokio::test]
async fn hundreds_of_requests_are_answered_alike_and_leave_the_same_rows() {
    for (seed, bugs) in [(1, Bugs::ALL), (2, Bugs::NONE)] {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let sqlite = RunningShop::start(Engine::Sqlite, bugs).await;
        let postgres = RunningShop::start(Engine::Postgres, bugs).await;
        let mut refused = 0;
        for number in 0..600 {
            let (method, path, body) = draw(&mut generator);
            let body = body.map(|body| body.to_string());
            let case = format!("seed {seed}, request {number}: {method} {path} {body:?}");
            let expected = sqlite.send(method.clone(), &path, body.as_deref()).await;
            let actual = postgres.send(method, &path, body.as_deref()).await;
            assert_eq!(actual, expected, "{case}");
            assert!(expected.0 < 500, "{case}: {expected:?}");
            refused += usize::from(expected.0 >= 400);
            if number % 25 == 24 {
                let expected = sqlite.home.content().await;
                assert_eq!(postgres.home.content().await, expected, "{case}");
                assert_eq!(postgres.broken().await, sqlite.broken().await, "{case}");
            }
        }
        assert!((100..500).contains(&refused), "{refused} were refused");

        // Something of everything has happened, and no refusal has used up an id.
        for table in [
            "carts",
            "customers",
            "orders",
            "payments",
            "products",
            "refunds",
            "returns",
            "rewards",
            "shipments",
        ] {
            let sql = format!("SELECT max(id), count(*) FROM {table}");
            let [highest, count]: [String; 2] =
                postgres.home.rows(&sql).await.concat().try_into().unwrap();
            let counter = format!("SELECT last_value FROM {table}_id_seq");
            let counted = postgres.home.rows(&counter).await.concat();
            if table == "products" {
                // The newest may have been deleted.
                assert!(counted[0].parse::<u64>().unwrap() >= highest.parse().unwrap());
            } else {
                assert_eq!([&highest, &count], [&counted[0]; 2], "{table}");
            }
        }
    }
}

/// A request that may well be refused, for the ids and the state are left to chance.
fn draw(generator: &mut ChaCha8Rng) -> (Method, String, Option<Value>) {
    let customer = generator.random_range(1..=3);
    let product: i64 = generator.random_range(1..=6);
    let other = generator.random_range(1..=8);
    let id = generator.random_range(1..=8);
    let text = *[
        "mug",
        "WELCOME",
        "O'Hara \"x\"; --",
        "Zo\u{eb} \u{1f375}",
        " ",
        "a\0b",
        "?1 $1",
    ]
    .choose(generator)
    .unwrap();
    let number = generator.random_range(-5..=100);
    let few = generator.random_range(0..=3);
    let card = *["valid", "declined", "stolen"].choose(generator).unwrap();
    let lines =
        json!([{"product_id": product, "quantity": few}, {"product_id": other, "quantity": 1}]);
    let line = json!([{"product_id": product, "quantity": 1}]);
    let post = |path: String, body: Value| (Method::POST, path, Some(body));
    let act = |path: String| (Method::POST, path, None);
    let look = |path: String| (Method::GET, path, None);
    match generator.random_range(0..40) {
        0 => post("/customers".into(), json!({"name": text})),
        1 => post(
            "/products".into(),
            json!({"name": text, "price": number, "stock": few}),
        ),
        2 => post(
            "/coupons".into(),
            json!({"code": text, "percent": number, "max_uses": few}),
        ),
        3 => post(
            "/carts".into(),
            json!({"customer_id": customer, "lines": lines}),
        ),
        4 | 5 => post("/carts".into(), json!({"customer_id": 1, "lines": line})),
        6 | 7 => post(format!("/carts/{id}/coupon"), json!({"code": text})),
        8..=11 => post(format!("/carts/{id}/checkout"), json!({"card": card})),
        12 => post(
            "/orders".into(),
            json!({"customer_id": customer, "lines": lines}),
        ),
        13 | 14 => post("/orders".into(), json!({"customer_id": 1, "lines": line})),
        15 => act(format!("/orders/{id}/cancel")),
        16 => act(format!("/orders/{id}/reorder")),
        17 | 18 => act(format!("/orders/{id}/payments")),
        19 | 20 => act(format!("/orders/{id}/shipments")),
        21 | 22 => act(format!("/shipments/{id}/delivery")),
        23 => act(format!("/orders/{id}/returns")),
        24 => act(format!("/returns/{few}/receipt")),
        25 => act(format!("/customers/{customer}/rewards")),
        26 => post(format!("/payments/{id}/refunds"), json!({"amount": number})),
        27 | 28 => post(
            format!("/products/{product}/stock"),
            json!({"quantity": few}),
        ),
        29 => (Method::DELETE, format!("/products/{other}"), None),
        30 => look("/orders".into()),
        31 => look("/products".into()),
        32 => look(format!("/carts/{id}")),
        33 => look(format!("/customers/{customer}")),
        34 => look(format!("/orders/{}", i64::MAX - id)),
        35 | 36 => act(format!("/shipments/{few}/delivery")),
        37 | 38 => act(format!("/orders/{few}/returns")),
        _ => look(format!("/orders/{id}")),
    }
}

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_nothing_and_holds_up_nobody() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let home = Home::new(engine).await;
        let store = Store::open(home.database()).await.unwrap();
        // More often than there are connections.
        for _ in 0..10 {
            let mut dropped = store.begin(Access::Write).await.unwrap();
            let sql = "INSERT INTO customers (name) VALUES (?1)";
            dropped.execute(sql, &["Ada".into()]).await.unwrap();
        }
        let mut failed = store.begin(Access::Write).await.unwrap();
        let failure = failed
            .execute("DELETE FROM nothing", &[])
            .await
            .unwrap_err();
        assert!(failure.to_string().contains("nothing"), "{failure}");
        failed.roll_back().await.unwrap();

        let mut next = store.begin(Access::Read).await.unwrap();
        let found = next
            .query_all("SELECT id FROM customers", &[])
            .await
            .unwrap();
        assert!(found.is_empty(), "{engine:?}");
        next.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_the_server_has_ended_is_opened_anew() {
    let shop = RunningShop::start(Engine::Postgres, Bugs::NONE).await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE application_name = 'shop' AND datname = current_database()";
    for _ in 0..2 {
        assert_eq!(shop.home.rows(end).await.concat(), ["4"]);
        for _ in 0..6 {
            let (status, body) = shop.send(Method::GET, "/customers/1", None).await;
            assert_eq!(
                (status, body.as_str()),
                (200, r#"{"id":1,"name":"Ada","points":0}"#)
            );
        }
    }
}

#[tokio::test]
async fn a_second_shop_on_the_same_database_finds_what_the_first_has_made() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let shop = RunningShop::start(engine, Bugs::NONE).await;
        let before = shop.home.content().await;
        let (one, other) = tokio::join!(
            Store::open(shop.home.database()),
            Store::open(shop.home.database())
        );
        drop((one.unwrap(), other.unwrap()));
        assert_eq!(shop.home.content().await, before, "{engine:?}");
    }
}
