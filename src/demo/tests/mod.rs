//! The shop over real HTTP on real databases: its bugs, and its clean twin.

mod alike;
mod engine;
mod walker;

use std::collections::BTreeMap;

use rand::SeedableRng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use reqwest::Method;

use self::engine::Engine;
use self::walker::{Walker, spec};
use super::{Bug, Bugs, Database, Options, serve};

/// Makes tests of functions that take the database.
macro_rules! on_both_databases {
    ($($name:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test] async fn $name() { super::$name(super::Engine::Sqlite).await; })*
        }
        mod on_postgres {
            $(#[tokio::test] async fn $name() { super::$name(super::Engine::Postgres).await; })*
        }
    };
}

on_both_databases! {
    each_bug_alone_breaks_its_own_invariant_at_the_end_of_its_path
    all_bugs_together_do_not_hide_one_another
    the_clean_twin_walks_the_same_paths_unharmed
    the_clean_twin_keeps_every_invariant_on_random_walks
    the_same_path_answers_the_same_on_every_shop
    a_refusal_is_json_with_the_right_status_and_writes_nothing
    the_last_one_is_sold_once_however_many_ask_at_the_same_time
}

fn json(body: &str) -> serde_json::Value {
    serde_json::from_str(body).unwrap()
}

/// The path in the documentation of the bug.
fn shortest_path(bug: Bug) -> &'static [&'static str] {
    match bug {
        Bug::RefundBeyondPayment => &[
            "create_order",
            "pay_order",
            "refund_payment",
            "refund_payment",
        ],
        Bug::DeletedProductOrdered => &["open_cart", "delete_product", "checkout(card=valid)"],
        Bug::NegativeStock => &["create_order", "cancel_order", "reorder", "reorder"],
        Bug::CouponCountedTwice => &[
            "open_cart",
            "apply_coupon",
            "checkout(card=declined)",
            "checkout(card=valid)",
        ],
        Bug::NegativePoints => &[
            "create_order",
            "pay_order",
            "ship_order",
            "deliver_order",
            "redeem_points",
            "request_return",
            "receive_return",
        ],
    }
}

async fn each_bug_alone_breaks_its_own_invariant_at_the_end_of_its_path(engine: Engine) {
    for bug in Bug::ALL {
        let mut walker = Walker::start(engine, Bugs::only(bug)).await;
        for action in shortest_path(bug) {
            assert_eq!(walker.broken().await, [""; 0], "{bug:?} before {action}");
            walker.run(action).await;
        }
        assert_eq!(walker.broken().await, [bug.invariant()], "{bug:?}");
    }
}

async fn all_bugs_together_do_not_hide_one_another(engine: Engine) {
    for bug in Bug::ALL {
        let mut walker = Walker::start(engine, Bugs::ALL).await;
        for action in shortest_path(bug) {
            walker.run(action).await;
        }
        assert_eq!(walker.broken().await, [bug.invariant()], "{bug:?}");
    }
}

async fn the_clean_twin_walks_the_same_paths_unharmed(engine: Engine) {
    for bug in Bug::ALL {
        let mut walker = Walker::start(engine, Bugs::NONE).await;
        for action in shortest_path(bug) {
            walker.run(action).await;
            assert_eq!(walker.broken().await, [""; 0], "{bug:?} after {action}");
        }
    }
}

async fn the_clean_twin_keeps_every_invariant_on_random_walks(engine: Engine) {
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let mut succeeded: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..20 {
        let mut walker = Walker::start(engine, Bugs::NONE).await;
        let mut path = Vec::new();
        for _ in 0..25 {
            // Of two drawn, the one that has worked less often: a plain draw hardly ever gets as far as a return.
            let enabled = walker.enabled();
            let drawn = [(); 2].map(|()| enabled.choose(&mut generator).unwrap());
            let action = drawn
                .into_iter()
                .min_by_key(|action| succeeded.get(*action))
                .unwrap();
            path.push(action.clone());
            let status = walker.run(action).await;
            assert_eq!(walker.broken().await, [""; 0], "after {path:?}");
            *succeeded.entry(action.clone()).or_default() += usize::from(status < 300);

            let (_, orders) = walker.send(Method::GET, "/orders", None).await;
            let listed: Vec<String> = json(&orders)
                .as_array()
                .unwrap()
                .iter()
                .map(|order| order["id"].to_string())
                .collect();
            let stored = walker.home.rows("SELECT id FROM orders ORDER BY id").await;
            assert_eq!(listed, stored.concat());
        }
    }
    // A walk that never got anywhere would prove nothing: every action has worked, but for the one that never can.
    let never: Vec<_> = succeeded
        .iter()
        .filter(|(_, times)| **times == 0)
        .map(|(action, _)| action.as_str())
        .collect();
    assert_eq!(never, ["checkout(card=declined)"]);
    assert_eq!(succeeded.len(), 17);
}

async fn the_same_path_answers_the_same_on_every_shop(engine: Engine) {
    let mut generator = ChaCha8Rng::seed_from_u64(7);
    let mut first = Walker::start(engine, Bugs::ALL).await;
    let mut second = Walker::start(engine, Bugs::ALL).await;
    for _ in 0..60 {
        let enabled = first.enabled();
        assert_eq!(enabled, second.enabled());
        let action = enabled.choose(&mut generator).unwrap();
        assert_eq!(first.run(action).await, second.run(action).await);
        assert_eq!(first.context(), second.context(), "after {action}");
        assert_eq!(
            first.broken().await,
            second.broken().await,
            "after {action}"
        );
    }
}

async fn a_refusal_is_json_with_the_right_status_and_writes_nothing(engine: Engine) {
    let mut walker = Walker::start(engine, Bugs::NONE).await;
    for action in ["create_order", "open_cart", "apply_coupon", "restock"] {
        assert!(walker.run(action).await < 300);
    }
    let before = walker.home.trace().await;
    let cases: [(Method, &str, Option<&str>, u16, &str); 14] = [
        (Method::GET, "/nowhere", None, 404, "no_such_route"),
        (Method::PUT, "/orders", None, 405, "method_not_allowed"),
        (Method::GET, "/orders/9", None, 404, "no_such_order"),
        (Method::GET, "/orders/first", None, 404, "no_such_id"),
        (Method::POST, "/orders", Some("{"), 400, "bad_body"),
        (
            Method::POST,
            "/orders",
            Some(r#"{"customer_id": 1}"#),
            422,
            "bad_body",
        ),
        (
            Method::POST,
            "/orders",
            Some(r#"{"customer_id": 1, "lines": []}"#),
            422,
            "invalid",
        ),
        (
            Method::POST,
            "/orders",
            Some(r#"{"customer_id": 1, "lines": [{"product_id": 1, "quantity": -1}]}"#),
            422,
            "invalid",
        ),
        (
            Method::POST,
            "/orders",
            Some(r#"{"customer_id": 9, "lines": [{"product_id": 1, "quantity": 1}]}"#),
            404,
            "no_such_customer",
        ),
        (
            Method::POST,
            "/orders",
            Some(r#"{"customer_id": 1, "lines": [{"product_id": 1, "quantity": 2}]}"#),
            409,
            "out_of_stock",
        ),
        (
            Method::POST,
            "/carts",
            Some(r#"{"customer_id": 1, "lines": [{"product_id": 9, "quantity": 1}]}"#),
            404,
            "no_such_product",
        ),
        (
            Method::POST,
            "/carts/1/coupon",
            Some(r#"{"code": "WELCOME"}"#),
            409,
            "coupon_applied",
        ),
        (
            Method::POST,
            "/carts/1/checkout",
            Some(r#"{"card": "declined"}"#),
            402,
            "card_declined",
        ),
        (Method::DELETE, "/products/1", None, 409, "product_ordered"),
    ];
    for (method, path, body, status, error) in cases {
        let case = format!("{method} {path} {body:?}");
        let (answered, answer) = walker.send(method, path, body).await;
        let answer = json(&answer);
        assert_eq!(
            (answered, answer["error"].as_str()),
            (status, Some(error)),
            "{case}"
        );
        assert!(answer["message"].is_string(), "{case}");
        assert_eq!(walker.home.trace().await, before, "{case} wrote");
    }
}

async fn the_last_one_is_sold_once_however_many_ask_at_the_same_time(engine: Engine) {
    let walker = Walker::start(engine, Bugs::NONE).await;
    let order = r#"{"customer_id": 1, "lines": [{"product_id": 1, "quantity": 1}]}"#;
    let ask = || walker.send(Method::POST, "/orders", Some(order));
    let answers = tokio::join!(ask(), ask(), ask(), ask(), ask());
    let mut statuses = [
        answers.0.0,
        answers.1.0,
        answers.2.0,
        answers.3.0,
        answers.4.0,
    ];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409]);
    let stock = walker.home.rows("SELECT stock FROM products").await;
    assert_eq!(stock.concat(), ["0"]);
}

#[test]
fn every_bug_has_an_invariant_in_the_spec_and_a_query_to_prove_it() {
    let spec = spec();
    let invariants = spec["invariants"].as_array().unwrap();
    for bug in Bug::ALL {
        let invariant = invariants
            .iter()
            .find(|invariant| invariant["name"] == bug.invariant());
        assert!(invariant.is_some_and(|it| it["sql"].is_string()), "{bug:?}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        port: 0,
        db: Database::Sqlite(folder.path().to_owned()),
        bugs: false,
    };
    let error = serve(options).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("cannot open the database `{}`", folder.path().display())
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        port,
        db: Database::Sqlite(folder.path().join("shop.db")),
        bugs: true,
    };
    let error = serve(options).await.unwrap_err().to_string();
    assert_eq!(error, format!("cannot listen on port {port} of 127.0.0.1"));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named_without_the_password() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let url = format!("postgres://qa:s3cret@127.0.0.1:{port}/shop");
    let options = Options {
        port: 0,
        db: Database::parse(url.as_ref()).unwrap(),
        bugs: true,
    };
    let error = format!("{:#}", serve(options).await.unwrap_err());
    let opened = format!("cannot open the database `postgres://qa@127.0.0.1:{port}/shop`: ");
    assert!(error.starts_with(&opened), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}
