//! `/customers`: who buys, and the points they collect.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::errors::Refusal;
use super::input::{Body, Id, check_not_empty};
use super::shop::Shop;
use super::store::{Failure, Transaction};

/// What a reward costs.
const REWARD_POINTS: i64 = 5;

#[derive(Serialize)]
struct Customer {
    id: i64,
    name: String,
    points: i64,
}

#[derive(Serialize)]
struct Reward {
    id: i64,
    customer_id: i64,
    points: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCustomer {
    name: String,
}

pub(super) fn routes() -> Router<Arc<Shop>> {
    Router::new()
        .route("/customers", post(create))
        .route("/customers/{id}", get(show))
        .route("/customers/{id}/rewards", post(redeem))
}

async fn create(
    State(shop): State<Arc<Shop>>,
    Body(new): Body<NewCustomer>,
) -> Result<(StatusCode, Json<Customer>), Refusal> {
    check_not_empty("name", &new.name)?;
    shop.write(async |tx: &mut Transaction| {
        let id = tx
            .insert(
                "INSERT INTO customers (name) VALUES (?1)",
                &[(&new.name).into()],
            )
            .await?;
        let customer = Customer {
            id,
            name: new.name,
            points: 0,
        };
        Ok((StatusCode::CREATED, Json(customer)))
    })
    .await
}

async fn show(State(shop): State<Arc<Shop>>, Id(id): Id) -> Result<Json<Customer>, Refusal> {
    shop.read(async |tx: &mut Transaction| Ok(Json(find(tx, id).await?)))
        .await
}

/// Spends points on a reward.
async fn redeem(
    State(shop): State<Arc<Shop>>,
    Id(id): Id,
) -> Result<(StatusCode, Json<Reward>), Refusal> {
    shop.write(async |tx: &mut Transaction| {
        let customer = find(tx, id).await?;
        if customer.points < REWARD_POINTS {
            return Err(Refusal::conflict(
                "too_few_points",
                format!(
                    "a reward costs {REWARD_POINTS} points, there are {}",
                    customer.points
                ),
            ));
        }
        add_points(tx, id, -REWARD_POINTS).await?;
        let reward_id = tx
            .insert(
                "INSERT INTO rewards (customer_id, points) VALUES (?1, ?2)",
                &[id.into(), REWARD_POINTS.into()],
            )
            .await?;
        let reward = Reward {
            id: reward_id,
            customer_id: id,
            points: REWARD_POINTS,
        };
        Ok((StatusCode::CREATED, Json(reward)))
    })
    .await
}

async fn find(tx: &mut Transaction, id: i64) -> Result<Customer, Refusal> {
    let row = tx
        .query_opt(
            "SELECT id, name, points FROM customers WHERE id = ?1",
            &[id.into()],
        )
        .await?
        .ok_or_else(|| {
            Refusal::not_found("no_such_customer", format!("there is no customer {id}"))
        })?;
    Ok(Customer {
        id: row.get(0)?,
        name: row.get(1)?,
        points: row.get(2)?,
    })
}

/// Refuses a customer that does not exist.
pub(super) async fn check_exists(tx: &mut Transaction, id: i64) -> Result<(), Refusal> {
    find(tx, id).await.map(drop)
}

/// The customer's points.
pub(super) async fn points(tx: &mut Transaction, id: i64) -> Result<i64, Refusal> {
    Ok(find(tx, id).await?.points)
}

/// Adds to, or with a negative number takes from, the customer's points.
pub(super) async fn add_points(tx: &mut Transaction, id: i64, points: i64) -> Result<(), Failure> {
    tx.execute(
        "UPDATE customers SET points = points + ?2 WHERE id = ?1",
        &[id.into(), points.into()],
    )
    .await
}
