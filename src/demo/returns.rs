//! `/orders/{id}/returns` and `/returns/{id}/receipt`: goods that come back, and their points with them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;

use super::bugs::Bug;
use super::errors::Refusal;
use super::input::Id;
use super::orders::{self, Status};
use super::shop::Shop;
use super::store::Transaction;
use super::{customers, products};

#[derive(Serialize)]
struct Return {
    id: i64,
    order_id: i64,
    received: bool,
}

pub(super) fn routes() -> Router<Arc<Shop>> {
    Router::new()
        .route("/orders/{id}/returns", post(request))
        .route("/returns/{id}/receipt", post(receive))
}

/// Announces that a delivered order is coming back.
async fn request(
    State(shop): State<Arc<Shop>>,
    Id(order_id): Id,
) -> Result<(StatusCode, Json<Return>), Refusal> {
    shop.write(async |tx: &mut Transaction| {
        let order = orders::find(tx, order_id).await?;
        order.check_status(&[Status::Delivered], "returned")?;
        order.advance(tx, Status::Returning).await?;
        let id = tx
            .insert(
                "INSERT INTO returns (order_id) VALUES (?1)",
                &[order_id.into()],
            )
            .await?;
        let announced = Return {
            id,
            order_id,
            received: false,
        };
        Ok((StatusCode::CREATED, Json(announced)))
    })
    .await
}

/// Takes the goods back in, and the points that they earned: as many of them as the customer still has.
async fn receive(State(shop): State<Arc<Shop>>, Id(id): Id) -> Result<Json<Return>, Refusal> {
    shop.write(async |tx: &mut Transaction| {
        let announced = find(tx, id).await?;
        if announced.received {
            return Err(Refusal::conflict(
                "return_received",
                format!("return {id} has been received"),
            ));
        }
        tx.execute(
            "UPDATE returns SET received = 1 WHERE id = ?1",
            &[id.into()],
        )
        .await?;
        let order = orders::find(tx, announced.order_id)
            .await?
            .advance(tx, Status::Returned)
            .await?;
        for line in &order.lines {
            products::put_back(tx, line.product_id, line.quantity).await?;
        }
        let taken_back = if shop.bugs.has(Bug::NegativePoints) {
            order.points()
        } else {
            order
                .points()
                .min(customers::points(tx, order.customer_id).await?)
        };
        customers::add_points(tx, order.customer_id, -taken_back).await?;
        Ok(Json(Return {
            received: true,
            ..announced
        }))
    })
    .await
}

async fn find(tx: &mut Transaction, id: i64) -> Result<Return, Refusal> {
    let row = tx
        .query_opt(
            "SELECT id, order_id, received FROM returns WHERE id = ?1",
            &[id.into()],
        )
        .await?
        .ok_or_else(|| Refusal::not_found("no_such_return", format!("there is no return {id}")))?;
    Ok(Return {
        id: row.get(0)?,
        order_id: row.get(1)?,
        received: row.get(2)?,
    })
}
