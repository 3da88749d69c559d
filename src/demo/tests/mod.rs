//! The shop over real HTTP on real databases: its bugs, and its clean twin.

mod alike;
mod engine;
mod running;

use self::engine::Engine;
use self::running::{RunningShop, spec};
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
    each_bug_breaks_its_own_invariant_at_the_end_of_its_path
    the_clean_twin_walks_the_same_paths_unharmed
    a_refusal_is_json_with_the_right_status_and_writes_nothing
    the_last_one_is_sold_once_however_many_ask_at_the_same_time
}

const ORDER: &str =
    r#"POST /orders {"customer_id": 1, "lines": [{"product_id": 1, "quantity": 1}]}"#;
const CART: &str = r#"POST /carts {"customer_id": 1, "lines": [{"product_id": 1, "quantity": 1}]}"#;
const PAY: &str = "POST /orders/1/payments";

/// The requests of the path in the documentation of the bug.
fn shortest_path(bug: Bug) -> &'static [&'static str] {
    match bug {
        Bug::RefundBeyondPayment => &[
            ORDER,
            PAY,
            r#"POST /payments/1/refunds {"amount": 60}"#,
            r#"POST /payments/1/refunds {"amount": 60}"#,
        ],
        Bug::DeletedProductOrdered => &[
            CART,
            "DELETE /products/1",
            r#"POST /carts/1/checkout {"card": "valid"}"#,
        ],
        Bug::NegativeStock => &[
            ORDER,
            "POST /orders/1/cancel",
            "POST /orders/1/reorder",
            "POST /orders/1/reorder",
        ],
        Bug::CouponCountedTwice => &[
            CART,
            r#"POST /carts/1/coupon {"code": "WELCOME"}"#,
            r#"POST /carts/1/checkout {"card": "declined"}"#,
            r#"POST /carts/1/checkout {"card": "valid"}"#,
        ],
        Bug::NegativePoints => &[
            ORDER,
            PAY,
            "POST /orders/1/shipments",
            "POST /shipments/1/delivery",
            "POST /customers/1/rewards",
            "POST /orders/1/returns",
            "POST /returns/1/receipt",
        ],
    }
}

async fn each_bug_breaks_its_own_invariant_at_the_end_of_its_path(engine: Engine) {
    for bug in Bug::ALL {
        for bugs in [Bugs::only(bug), Bugs::ALL] {
            let shop = RunningShop::start(engine, bugs).await;
            for request in shortest_path(bug) {
                assert_eq!(shop.broken().await, [""; 0], "{bug:?} before {request}");
                shop.ask(request).await;
            }
            assert_eq!(shop.broken().await, [bug.invariant()], "{bug:?}");
        }
    }
}

async fn the_clean_twin_walks_the_same_paths_unharmed(engine: Engine) {
    for bug in Bug::ALL {
        let shop = RunningShop::start(engine, Bugs::NONE).await;
        for request in shortest_path(bug) {
            shop.ask(request).await;
            assert_eq!(shop.broken().await, [""; 0], "{bug:?} after {request}");
        }
    }
}

async fn a_refusal_is_json_with_the_right_status_and_writes_nothing(engine: Engine) {
    let shop = RunningShop::start(engine, Bugs::NONE).await;
    for request in [
        ORDER,
        CART,
        r#"POST /carts/1/coupon {"code": "WELCOME"}"#,
        r#"POST /products/1/stock {"quantity": 1}"#,
    ] {
        assert!(shop.ask(request).await.0 < 300, "{request}");
    }
    let before = shop.home.trace().await;
    let cases = r#"
        404 no_such_route GET /nowhere
        405 method_not_allowed PUT /orders
        404 no_such_order GET /orders/9
        404 no_such_id GET /orders/first
        400 bad_body POST /orders {
        422 bad_body POST /orders {"customer_id": 1}
        422 invalid POST /orders {"customer_id": 1, "lines": []}
        422 invalid POST /orders {"customer_id": 1, "lines": [{"product_id": 1, "quantity": -1}]}
        404 no_such_customer POST /orders {"customer_id": 9, "lines": [{"product_id": 1, "quantity": 1}]}
        409 out_of_stock POST /orders {"customer_id": 1, "lines": [{"product_id": 1, "quantity": 2}]}
        404 no_such_product POST /carts {"customer_id": 1, "lines": [{"product_id": 9, "quantity": 1}]}
        409 coupon_applied POST /carts/1/coupon {"code": "WELCOME"}
        402 card_declined POST /carts/1/checkout {"card": "declined"}
        409 product_ordered DELETE /products/1"#;
    for case in cases.trim().lines().map(str::trim) {
        let mut words = case.splitn(3, ' ');
        let mut word = || words.next().unwrap();
        let (status, error, request) = (word(), word(), word());
        let (answered, answer) = shop.ask(request).await;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answered.to_string(), status, "{case}: {answer}");
        assert_eq!(answer["error"], error, "{case}: {answer}");
        assert!(answer["message"].is_string(), "{case}");
        assert_eq!(shop.home.trace().await, before, "{case} wrote");
    }
}

async fn the_last_one_is_sold_once_however_many_ask_at_the_same_time(engine: Engine) {
    let shop = RunningShop::start(engine, Bugs::NONE).await;
    let ask = || shop.ask(ORDER);
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
    let stock = shop.home.rows("SELECT stock FROM products").await;
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
