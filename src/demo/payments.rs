//! `/orders/{id}/payments` and `/payments/{id}/refunds`: money in, and money back.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::bugs::Bug;
use super::errors::Refusal;
use super::input::{Body, Id, check_within};
use super::orders::{self, Order, Status};
use super::shop::Shop;
use super::store::{Failure, Transaction};

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
    shop.write(async |tx: &mut Transaction| {
        let order = orders::find(tx, order_id).await?;
        order.check_status(&[Status::Open], "paid")?;
        let order = order.advance(tx, Status::Paid).await?;
        Ok((StatusCode::CREATED, Json(record(tx, &order).await?)))
    })
    .await
}

/// Pays back a part of a payment.
async fn refund(
    State(shop): State<Arc<Shop>>,
    Id(payment_id): Id,
    Body(NewRefund { amount }): Body<NewRefund>,
) -> Result<(StatusCode, Json<Refund>), Refusal> {
    check_within("amount", amount, 1..=1_000_000_000)?;
    shop.write(async |tx: &mut Transaction| {
        let paid = amount_of(tx, payment_id).await?;
        let refunded = if shop.bugs.has(Bug::RefundBeyondPayment) {
            0
        } else {
            refunded(tx, payment_id).await?
        };
        if refunded + amount > paid {
            return Err(Refusal::conflict(
                "refund_beyond_payment",
                format!("{paid} was paid and {refunded} refunded, {amount} more is too much"),
            ));
        }
        let id = tx
            .insert(
                "INSERT INTO refunds (payment_id, amount) VALUES (?1, ?2)",
                &[payment_id.into(), amount.into()],
            )
            .await?;
        let refund = Refund {
            id,
            payment_id,
            amount,
        };
        Ok((StatusCode::CREATED, Json(refund)))
    })
    .await
}

/// Records that an order was paid in full.
pub(super) async fn record(tx: &mut Transaction, order: &Order) -> Result<Payment, Refusal> {
    let id = tx
        .insert(
            "INSERT INTO payments (order_id, amount) VALUES (?1, ?2)",
            &[order.id.into(), order.total.into()],
        )
        .await?;
    Ok(Payment {
        id,
        order_id: order.id,
        amount: order.total,
    })
}

async fn amount_of(tx: &mut Transaction, payment_id: i64) -> Result<i64, Refusal> {
    let row = tx
        .query_opt(
            "SELECT amount FROM payments WHERE id = ?1",
            &[payment_id.into()],
        )
        .await?
        .ok_or_else(|| {
            Refusal::not_found(
                "no_such_payment",
                format!("there is no payment {payment_id}"),
            )
        })?;
    Ok(row.get(0)?)
}

async fn refunded(tx: &mut Transaction, payment_id: i64) -> Result<i64, Failure> {
    // PostgreSQL's sums of whole numbers have a wider type.
    let row = tx
        .query_one(
            "SELECT CAST(coalesce(sum(amount), 0) AS BIGINT) FROM refunds WHERE payment_id = ?1",
            &[payment_id.into()],
        )
        .await?;
    row.get(0)
}
