//! `/orders/{id}/payments` and `/payments/{id}/refunds`: money in, and money back.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

use super::bugs::Bug;
use super::errors::Refusal;
use super::input::{Body, Id, check_within};
use super::orders::{self, Order, Status};
use super::shop::Shop;

#[derive(Serialize)]
pub(super) struct Payment {
    id: i64,
    order_id: i64,
    amount: i64,
}

#[derive(Serialize)]
struct Refund {
    id: i64,
    payment_id: i64,
    amount: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRefund {
    amount: i64,
}

pub(super) fn routes() -> Router<Arc<Shop>> {
    Router::new()
        .route("/orders/{id}/payments", post(pay))
        .route("/payments/{id}/refunds", post(refund))
}

/// Pays an open order in full.
async fn pay(
    State(shop): State<Arc<Shop>>,
    Id(order_id): Id,
) -> Result<(StatusCode, Json<Payment>), Refusal> {
    shop.write(|tx| {
        let order = orders::find(tx, order_id)?;
        order.check_status(&[Status::Open], "paid")?;
        let order = order.advance(tx, Status::Paid)?;
        Ok((StatusCode::CREATED, Json(record(tx, &order)?)))
    })
}

/// Pays back a part of a payment.
async fn refund(
    State(shop): State<Arc<Shop>>,
    Id(payment_id): Id,
    Body(NewRefund { amount }): Body<NewRefund>,
) -> Result<(StatusCode, Json<Refund>), Refusal> {
    check_within("amount", amount, 1..=1_000_000_000)?;
    shop.write(|tx| {
        let paid = amount_of(tx, payment_id)?;
        let refunded = if shop.bugs.has(Bug::RefundBeyondPayment) {
            0
        } else {
            refunded(tx, payment_id)?
        };
        if refunded + amount > paid {
            return Err(Refusal::conflict(
                "refund_beyond_payment",
                format!("{paid} was paid and {refunded} refunded, {amount} more is too much"),
            ));
        }
        tx.prepare_cached("INSERT INTO refunds (payment_id, amount) VALUES (?1, ?2)")?
            .execute([payment_id, amount])?;
        let refund = Refund {
            id: tx.last_insert_rowid(),
            payment_id,
            amount,
        };
        Ok((StatusCode::CREATED, Json(refund)))
    })
}

/// Records that an order was paid in full.
pub(super) fn record(connection: &Connection, order: &Order) -> Result<Payment, Refusal> {
    connection
        .prepare_cached("INSERT INTO payments (order_id, amount) VALUES (?1, ?2)")?
        .execute([order.id, order.total])?;
    Ok(Payment {
        id: connection.last_insert_rowid(),
        order_id: order.id,
        amount: order.total,
    })
}

fn amount_of(connection: &Connection, payment_id: i64) -> Result<i64, Refusal> {
    connection
        .prepare_cached("SELECT amount FROM payments WHERE id = ?1")?
        .query_row([payment_id], |row| row.get(0))
        .optional()?
        .ok_or_else(|| {
            Refusal::not_found(
                "no_such_payment",
                format!("there is no payment {payment_id}"),
            )
        })
}

fn refunded(connection: &Connection, payment_id: i64) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT coalesce(sum(amount), 0) FROM refunds WHERE payment_id = ?1")?
        .query_row([payment_id], |row| row.get(0))
}
