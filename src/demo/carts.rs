//! `/carts`: what a customer means to buy, and the checkout that turns it into a paid order.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

use super::bugs::Bug;
use super::errors::Refusal;
use super::input::{Body, Id, NewLine, check_lines};
use super::orders::{self, Line, Order, Status};
use super::payments::{self, Payment};
use super::shop::Shop;
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
    shop.write(|tx| {
        customers::check_exists(tx, new.customer_id)?;
        tx.prepare_cached("INSERT INTO carts (customer_id) VALUES (?1)")?
            .execute([new.customer_id])?;
        let id = tx.last_insert_rowid();
        for line in &new.lines {
            let product = products::find(tx, line.product_id)?;
            tx.prepare_cached(
                "INSERT INTO cart_lines (cart_id, product_id, quantity, price) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute([id, product.id, line.quantity, product.price])?;
        }
        Ok((StatusCode::CREATED, Json(find(tx, id)?)))
    })
}

async fn show(State(shop): State<Arc<Shop>>, Id(id): Id) -> Result<Json<Cart>, Refusal> {
    shop.read(|tx| Ok(Json(find(tx, id)?)))
}

async fn apply_coupon(
    State(shop): State<Arc<Shop>>,
    Id(id): Id,
    Body(wanted): Body<ApplyCoupon>,
) -> Result<Json<Cart>, Refusal> {
    shop.write(|tx| {
        let cart = find_open(tx, id)?;
        if let Some(coupon) = cart.coupon {
            return Err(Refusal::conflict(
                "coupon_applied",
                format!("cart {id} has the coupon `{coupon}` already"),
            ));
        }
        let coupon = coupons::find_usable(tx, &wanted.code)?;
        tx.prepare_cached("UPDATE carts SET coupon = ?2 WHERE id = ?1")?
            .execute((id, &coupon.code))?;
        Ok(Json(find(tx, id)?))
    })
}

/// Charges the card, takes the stock, and makes the order.
async fn checkout(
    State(shop): State<Arc<Shop>>,
    Id(id): Id,
    Body(Checkout { card }): Body<Checkout>,
) -> Result<(StatusCode, Json<CheckedOut>), Refusal> {
    let count_coupon_first = shop.bugs.has(Bug::CouponCountedTwice);
    if count_coupon_first {
        shop.write(|tx| match find_open(tx, id)?.coupon {
            Some(code) => Ok(coupons::count_use(
                tx,
                &coupons::find_usable(tx, &code)?.code,
            )?),
            None => Ok(()),
        })?;
    }

    shop.write(|tx| {
        let cart = find_open(tx, id)?;
        let mut total: i64 = cart
            .lines
            .iter()
            .map(|line| line.quantity * line.price)
            .sum();
        if let Some(code) = &cart.coupon {
            total -= total * discount(tx, code, count_coupon_first)? / 100;
        }
        for line in &cart.lines {
            match products::look_up(tx, line.product_id)? {
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
        let order = orders::place(tx, cart.customer_id, Status::Paid, total, cart.lines)?;
        let payment = payments::record(tx, &order)?;
        tx.prepare_cached("UPDATE carts SET ordered = 1 WHERE id = ?1")?
            .execute([id])?;
        Ok((StatusCode::CREATED, Json(CheckedOut { order, payment })))
    })
}

/// The percentage that a coupon takes off. Counts its use, unless that has been done.
fn discount(connection: &Connection, code: &str, counted: bool) -> Result<i64, Refusal> {
    if counted {
        return coupons::percent(connection, code);
    }
    let coupon = coupons::find_usable(connection, code)?;
    coupons::count_use(connection, &coupon.code)?;
    Ok(coupon.percent)
}

fn find(connection: &Connection, id: i64) -> Result<Cart, Refusal> {
    let mut cart = connection
        .prepare_cached("SELECT id, customer_id, coupon, ordered FROM carts WHERE id = ?1")?
        .query_row([id], |row| {
            Ok(Cart {
                id: row.get(0)?,
                customer_id: row.get(1)?,
                coupon: row.get(2)?,
                ordered: row.get(3)?,
                lines: Vec::new(),
            })
        })
        .optional()?
        .ok_or_else(|| Refusal::not_found("no_such_cart", format!("there is no cart {id}")))?;
    cart.lines = connection
        .prepare_cached(
            "SELECT product_id, quantity, price FROM cart_lines WHERE cart_id = ?1 ORDER BY product_id",
        )?
        .query_map([id], Line::from_row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(cart)
}

/// The cart; refuses one that has become an order.
fn find_open(connection: &Connection, id: i64) -> Result<Cart, Refusal> {
    let cart = find(connection, id)?;
    if cart.ordered {
        return Err(Refusal::conflict(
            "cart_ordered",
            format!("cart {id} has been ordered"),
        ));
    }
    Ok(cart)
}
