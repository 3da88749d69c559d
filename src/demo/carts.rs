//! `/carts`: what a customer means to buy, and the checkout that turns it into a paid order.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::bugs::Bug;
use super::errors::Refusal;
use super::input::{Body, Id, NewLine, check_lines, check_text};
use super::orders::{self, Line, Order, Status};
use super::payments::{self, Payment};
use super::shop::Shop;
use super::store::{Transaction, Value};
use super::{coupons, customers, products};

#[derive(Serialize)]
struct Cart {
    id: i64,
    customer_id: i64,
    coupon: Option<String>,
    ordered: bool,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCart {
    customer_id: i64,
    lines: Vec<NewLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplyCoupon {
    code: String,
}

/// The cards that the shop's payment provider knows.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Card {
    Valid,
    Declined,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Checkout {
    card: Card,
}

#[derive(Serialize)]
struct CheckedOut {
    order: Order,
    payment: Payment,
}

pub(super) fn routes() -> Router<Arc<Shop>> {
    Router::new()
        .route("/carts", post(open))
        .route("/carts/{id}", get(show))
        .route("/carts/{id}/coupon", post(apply_coupon))
        .route("/carts/{id}/checkout", post(checkout))
}

async fn open(
    State(shop): State<Arc<Shop>>,
    Body(new): Body<NewCart>,
) -> Result<(StatusCode, Json<Cart>), Refusal> {
    check_lines(&new.lines)?;
    shop.write(async |tx: &mut Transaction| {
        customers::check_exists(tx, new.customer_id).await?;
        let mut lines = Vec::with_capacity(new.lines.len());
        for line in new.lines {
            let product = products::find(tx, line.product_id).await?;
            lines.push(Line {
                product_id: product.id,
                quantity: line.quantity,
                price: product.price,
            });
        }
        let id = tx
            .insert(
                "INSERT INTO carts (customer_id) VALUES (?1)",
                &[new.customer_id.into()],
            )
            .await?;
        for line in &lines {
            tx.execute(
                "INSERT INTO cart_lines (cart_id, product_id, quantity, price) VALUES (?1, ?2, ?3, ?4)",
                &[id, line.product_id, line.quantity, line.price].map(Value::from),
            )
            .await?;
        }
        Ok((StatusCode::CREATED, Json(find(tx, id).await?)))
    })
    .await
}

async fn show(State(shop): State<Arc<Shop>>, Id(id): Id) -> Result<Json<Cart>, Refusal> {
    shop.read(async |tx: &mut Transaction| Ok(Json(find(tx, id).await?)))
        .await
}

async fn apply_coupon(
    State(shop): State<Arc<Shop>>,
    Id(id): Id,
    Body(wanted): Body<ApplyCoupon>,
) -> Result<Json<Cart>, Refusal> {
    check_text("code", &wanted.code)?;
    shop.write(async |tx: &mut Transaction| {
        let cart = find_open(tx, id).await?;
        if let Some(coupon) = cart.coupon {
            return Err(Refusal::conflict(
                "coupon_applied",
                format!("cart {id} has the coupon `{coupon}` already"),
            ));
        }
        let coupon = coupons::find_usable(tx, &wanted.code).await?;
        tx.execute(
            "UPDATE carts SET coupon = ?2 WHERE id = ?1",
            &[id.into(), (&coupon.code).into()],
        )
        .await?;
        Ok(Json(find(tx, id).await?))
    })
    .await
}

/// Charges the card, takes the stock, and makes the order.
async fn checkout(
    State(shop): State<Arc<Shop>>,
    Id(id): Id,
    Body(Checkout { card }): Body<Checkout>,
) -> Result<(StatusCode, Json<CheckedOut>), Refusal> {
    let count_coupon_first = shop.bugs.has(Bug::CouponCountedTwice);
    if count_coupon_first {
        shop.write(async |tx: &mut Transaction| {
            if let Some(code) = find_open(tx, id).await?.coupon {
                let coupon = coupons::find_usable(tx, &code).await?;
                coupons::count_use(tx, &coupon.code).await?;
            }
            Ok(())
        })
        .await?;
    }

    shop.write(async |tx: &mut Transaction| {
        let cart = find_open(tx, id).await?;
        let mut total: i64 = cart
            .lines
            .iter()
            .map(|line| line.quantity * line.price)
            .sum();
        if let Some(code) = &cart.coupon {
            total -= total * discount(tx, code, count_coupon_first).await? / 100;
        }
        for line in &cart.lines {
            match products::look_up(tx, line.product_id).await? {
                Some(product) => products::check_stock(&product, line.quantity)?,
                None if shop.bugs.has(Bug::DeletedProductOrdered) => {}
                None => {
                    return Err(Refusal::conflict(
                        "product_gone",
                        format!("product {} is no longer sold", line.product_id),
                    ));
                }
            }
        }
        if card == Card::Declined {
            return Err(Refusal::declined());
        }
        let order = orders::place(tx, cart.customer_id, Status::Paid, total, cart.lines).await?;
        let payment = payments::record(tx, &order).await?;
        tx.execute("UPDATE carts SET ordered = 1 WHERE id = ?1", &[id.into()])
            .await?;
        Ok((StatusCode::CREATED, Json(CheckedOut { order, payment })))
    })
    .await
}

/// The percentage that a coupon takes off. Counts its use, unless that has been done.
async fn discount(tx: &mut Transaction, code: &str, counted: bool) -> Result<i64, Refusal> {
    if counted {
        return coupons::percent(tx, code).await;
    }
    let coupon = coupons::find_usable(tx, code).await?;
    coupons::count_use(tx, &coupon.code).await?;
    Ok(coupon.percent)
}

async fn find(tx: &mut Transaction, id: i64) -> Result<Cart, Refusal> {
    let cart = tx
        .query_opt(
            "SELECT id, customer_id, coupon, ordered FROM carts WHERE id = ?1",
            &[id.into()],
        )
        .await?
        .ok_or_else(|| Refusal::not_found("no_such_cart", format!("there is no cart {id}")))?;
    let lines = tx
        .query_all(
            "SELECT product_id, quantity, price FROM cart_lines WHERE cart_id = ?1 ORDER BY product_id",
            &[id.into()],
        )
        .await?;
    Ok(Cart {
        id: cart.get(0)?,
        customer_id: cart.get(1)?,
        coupon: cart.get(2)?,
        ordered: cart.get(3)?,
        lines: lines.iter().map(Line::from_row).collect::<Result<_, _>>()?,
    })
}

/// The cart; refuses one that has become an order.
async fn find_open(tx: &mut Transaction, id: i64) -> Result<Cart, Refusal> {
    let cart = find(tx, id).await?;
    if cart.ordered {
        return Err(Refusal::conflict(
            "cart_ordered",
            format!("cart {id} has been ordered"),
        ));
    }
    Ok(cart)
}
