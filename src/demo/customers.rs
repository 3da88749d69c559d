//! `/customers`: who buys, and the points they collect.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

use super::errors::Refusal;
use super::input::{Body, Id, check_not_empty};
use super::shop::Shop;

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
    shop.write(|tx| {
        tx.prepare_cached("INSERT INTO customers (name) VALUES (?1)")?
            .execute([&new.name])?;
        let customer = Customer {
            id: tx.last_insert_rowid(),
            name: new.name,
            points: 0,
        };
        Ok((StatusCode::CREATED, Json(customer)))
    })
}

async fn show(State(shop): State<Arc<Shop>>, Id(id): Id) -> Result<Json<Customer>, Refusal> {
    shop.read(|tx| Ok(Json(find(tx, id)?)))
}

/// Spends points on a reward.
async fn redeem(
    State(shop): State<Arc<Shop>>,
    Id(id): Id,
) -> Result<(StatusCode, Json<Reward>), Refusal> {
    shop.write(|tx| {
        let customer = find(tx, id)?;
        if customer.points < REWARD_POINTS {
            return Err(Refusal::conflict(
                "too_few_points",
                format!(
                    "a reward costs {REWARD_POINTS} points, there are {}",
                    customer.points
                ),
            ));
        }
        add_points(tx, id, -REWARD_POINTS)?;
        tx.prepare_cached("INSERT INTO rewards (customer_id, points) VALUES (?1, ?2)")?
            .execute([id, REWARD_POINTS])?;
        let reward = Reward {
            id: tx.last_insert_rowid(),
            customer_id: id,
            points: REWARD_POINTS,
        };
        Ok((StatusCode::CREATED, Json(reward)))
    })
}

fn find(connection: &Connection, id: i64) -> Result<Customer, Refusal> {
    connection
        .prepare_cached("SELECT id, name, points FROM customers WHERE id = ?1")?
        .query_row([id], |row| {
            Ok(Customer {
                id: row.get(0)?,
                name: row.get(1)?,
                points: row.get(2)?,
            })
        })
        .optional()?
        .ok_or_else(|| Refusal::not_found("no_such_customer", format!("there is no customer {id}")))
}

/// Refuses a customer that does not exist.
pub(super) fn check_exists(connection: &Connection, id: i64) -> Result<(), Refusal> {
    find(connection, id).map(drop)
}

/// The customer's points.
pub(super) fn points(connection: &Connection, id: i64) -> Result<i64, Refusal> {
    Ok(find(connection, id)?.points)
}

/// Adds to, or with a negative number takes from, the customer's points.
pub(super) fn add_points(connection: &Connection, id: i64, points: i64) -> Result<(), Refusal> {
    connection
        .prepare_cached("UPDATE customers SET points = points + ?2 WHERE id = ?1")?
        .execute([id, points])?;
    Ok(())
}
