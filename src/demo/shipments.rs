//! `/orders/{id}/shipments` and `/shipments/{id}/delivery`: goods on their way, and points on arrival.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;

use super::customers;
use super::errors::Refusal;
use super::input::Id;
use super::orders::{self, Status};
use super::shop::Shop;
use super::store::Transaction;

#[derive(Serialize)]
struct Shipment {
    id: i64,
    order_id: i64,
    delivered: bool,
}

pub(super) fn routes() -> Router<Arc<Shop>> {
    Router::new()
        .route("/orders/{id}/shipments", post(ship))
        .route("/shipments/{id}/delivery", post(deliver))
}

/// Sends off a paid order.
async fn ship(
    State(shop): State<Arc<Shop>>,
    Id(order_id): Id,
) -> Result<(StatusCode, Json<Shipment>), Refusal> {
    shop.write(async |tx: &mut Transaction| {
        let order = orders::find(tx, order_id).await?;
        order.check_status(&[Status::Paid], "shipped")?;
        order.advance(tx, Status::Shipped).await?;
        let id = tx
            .insert(
                "INSERT INTO shipments (order_id) VALUES (?1)",
                &[order_id.into()],
            )
            .await?;
        let shipment = Shipment {
            id,
            order_id,
            delivered: false,
        };
        Ok((StatusCode::CREATED, Json(shipment)))
    })
    .await
}

/// Records that a shipment has arrived, and credits the points of its order.
async fn deliver(State(shop): State<Arc<Shop>>, Id(id): Id) -> Result<Json<Shipment>, Refusal> {
    shop.write(async |tx: &mut Transaction| {
        let shipment = find(tx, id).await?;
        if shipment.delivered {
            return Err(Refusal::conflict(
                "shipment_delivered",
                format!("shipment {id} has been delivered"),
            ));
        }
        tx.execute(
            "UPDATE shipments SET delivered = 1 WHERE id = ?1",
            &[id.into()],
        )
        .await?;
        let order = orders::find(tx, shipment.order_id)
            .await?
            .advance(tx, Status::Delivered)
            .await?;
        customers::add_points(tx, order.customer_id, order.points()).await?;
        Ok(Json(Shipment {
            delivered: true,
            ..shipment
        }))
    })
    .await
}

async fn find(tx: &mut Transaction, id: i64) -> Result<Shipment, Refusal> {
    let row = tx
        .query_opt(
            "SELECT id, order_id, delivered FROM shipments WHERE id = ?1",
            &[id.into()],
        )
        .await?
        .ok_or_else(|| {
            Refusal::not_found("no_such_shipment", format!("there is no shipment {id}"))
        })?;
    Ok(Shipment {
        id: row.get(0)?,
        order_id: row.get(1)?,
        delivered: row.get(2)?,
    })
}
