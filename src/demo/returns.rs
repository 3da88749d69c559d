//! `/orders/{id}/returns` and `/returns/{id}/receipt`: goods that come back, and their points with them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use rusqlite::{Connection, OptionalExtension as _};
use serde::Serialize;

use super::bugs::Bug;
use super::errors::Refusal;
use super::input::Id;
use super::orders::{self, Status};
use super::shop::Shop;
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
    shop.write(|tx| {
        let order = orders::find(tx, order_id)?;
        order.check_status(&[Status::Delivered], "returned")?;
        order.advance(tx, Status::Returning)?;
        tx.prepare_cached("INSERT INTO returns (order_id) VALUES (?1)")?
            .execute([order_id])?;
        let announced = Return {
            id: tx.last_insert_rowid(),
            order_id,
            received: false,
        };
        Ok((StatusCode::CREATED, Json(announced)))
    })
}

/// Takes the goods back in, and the points that they earned: as many of them as the customer still has.
async fn receive(State(shop): State<Arc<Shop>>, Id(id): Id) -> Result<Json<Return>, Refusal> {
    shop.write(|tx| {
        let announced = find(tx, id)?;
        if announced.received {
            return Err(Refusal::conflict(
                "return_received",
                format!("return {id} has been received"),
            ));
        }
        tx.prepare_cached("UPDATE returns SET received = 1 WHERE id = ?1")?
            .execute([id])?;
        let order = orders::find(tx, announced.order_id)?.advance(tx, Status::Returned)?;
        for line in &order.lines {
            products::put_back(tx, line.product_id, line.quantity)?;
        }
        let taken_back = if shop.bugs.has(Bug::NegativePoints) {
            order.points()
        } else {
            order
                .points()
                .min(customers::points(tx, order.customer_id)?)
        };
        customers::add_points(tx, order.customer_id, -taken_back)?;
        Ok(Json(Return {
            received: true,
            ..announced
        }))
    })
}

fn find(connection: &Connection, id: i64) -> Result<Return, Refusal> {
    connection
        .prepare_cached("SELECT id, order_id, received FROM returns WHERE id = ?1")?
        .query_row([id], |row| {
            Ok(Return {
                id: row.get(0)?,
                order_id: row.get(1)?,
                received: row.get(2)?,
            })
        })
        .optional()?
        .ok_or_else(|| Refusal::not_found("no_such_return", format!("there is no return {id}")))
}
