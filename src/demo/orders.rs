//! `/orders`: what was bought.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::bugs::Bug;
use super::errors::Refusal;
use super::input::{Body, Id, NewLine, check_lines};
use super::shop::Shop;
use super::store::{Failure, FromValue, Row, Transaction, Value};
use super::{customers, products};

#[derive(Serialize)]
pub(super) struct Order {
    pub(super) id: i64,
    pub(super) customer_id: i64,
    pub(super) status: Status,
    pub(super) total: i64,
    pub(super) lines: Vec<Line>,
}

/// So many of a product at a price, in an order or a cart.
#[derive(Serialize)]
pub(super) struct Line {
    pub(super) product_id: i64,
    pub(super) quantity: i64,
    pub(super) price: i64,
}

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Open,
    Paid,
    Shipped,
    Delivered,
    Returning,
    Returned,
    Cancelled,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOrder {
    customer_id: i64,
    lines: Vec<NewLine>,
}

pub(super) fn routes() -> Router<Arc<Shop>> {
    Router::new()
        .route("/orders", get(list).post(create))
        .route("/orders/{id}", get(show))
        .route("/orders/{id}/cancel", post(cancel))
        .route("/orders/{id}/reorder", post(reorder))
}

async fn list(State(shop): State<Arc<Shop>>) -> Result<Json<Vec<Order>>, Refusal> {
    shop.read(async |tx: &mut Transaction| {
        let rows = tx
            .query_all("SELECT id FROM orders ORDER BY id", &[])
            .await?;
        let mut orders = Vec::with_capacity(rows.len());
        for row in rows {
            orders.push(find(tx, row.get(0)?).await?);
        }
        Ok(Json(orders))
    })
    .await
}

/// Orders on invoice, at today's price, to be paid later.
async fn create(
    State(shop): State<Arc<Shop>>,
    Body(new): Body<NewOrder>,
) -> Result<(StatusCode, Json<Order>), Refusal> {
    check_lines(&new.lines)?;
    shop.write(async |tx: &mut Transaction| {
        customers::check_exists(tx, new.customer_id).await?;
        let mut lines = Vec::with_capacity(new.lines.len());
        for line in new.lines {
            let product = products::find(tx, line.product_id).await?;
            products::check_stock(&product, line.quantity)?;
            lines.push(Line {
                product_id: product.id,
                quantity: line.quantity,
                price: product.price,
            });
        }
        let total = lines.iter().map(|line| line.quantity * line.price).sum();
        let order = place(tx, new.customer_id, Status::Open, total, lines).await?;
        Ok((StatusCode::CREATED, Json(order)))
    })
    .await
}

async fn show(State(shop): State<Arc<Shop>>, Id(id): Id) -> Result<Json<Order>, Refusal> {
    shop.read(async |tx: &mut Transaction| Ok(Json(find(tx, id).await?)))
        .await
}

/// Calls an order off and puts its goods back. Money that was paid for it is a matter of refunds.
async fn cancel(State(shop): State<Arc<Shop>>, Id(id): Id) -> Result<Json<Order>, Refusal> {
    shop.write(async |tx: &mut Transaction| {
        let order = find(tx, id).await?;
        order.check_status(&[Status::Open, Status::Paid], "cancelled")?;
        for line in &order.lines {
            products::put_back(tx, line.product_id, line.quantity).await?;
        }
        Ok(Json(order.advance(tx, Status::Cancelled).await?))
    })
    .await
}

/// Orders the same again as in a cancelled order, at the price of then.
async fn reorder(
    State(shop): State<Arc<Shop>>,
    Id(id): Id,
) -> Result<(StatusCode, Json<Order>), Refusal> {
    shop.write(async |tx: &mut Transaction| {
        let cancelled = find(tx, id).await?;
        cancelled.check_status(&[Status::Cancelled], "ordered again")?;
        if !shop.bugs.has(Bug::NegativeStock) {
            for line in &cancelled.lines {
                products::check_stock(&products::find(tx, line.product_id).await?, line.quantity)?;
            }
        }
        let total = cancelled
            .lines
            .iter()
            .map(|line| line.quantity * line.price)
            .sum();
        let order = place(
            tx,
            cancelled.customer_id,
            Status::Open,
            total,
            cancelled.lines,
        )
        .await?;
        Ok((StatusCode::CREATED, Json(order)))
    })
    .await
}

/// Records an order and takes its goods from the stock, which the caller has looked at.
pub(super) async fn place(
    tx: &mut Transaction,
    customer_id: i64,
    status: Status,
    total: i64,
    lines: Vec<Line>,
) -> Result<Order, Refusal> {
    let id = tx
        .insert(
            "INSERT INTO orders (customer_id, status, total) VALUES (?1, ?2, ?3)",
            &[customer_id.into(), status.name().into(), total.into()],
        )
        .await?;
    for line in &lines {
        products::take(tx, line.product_id, line.quantity).await?;
        tx.execute(
            "INSERT INTO order_lines (order_id, product_id, quantity, price) VALUES (?1, ?2, ?3, ?4)",
            &[id, line.product_id, line.quantity, line.price].map(Value::from),
        )
        .await?;
    }
    Ok(Order {
        id,
        customer_id,
        status,
        total,
        lines,
    })
}

/// The order; refuses where there is none.
pub(super) async fn find(tx: &mut Transaction, id: i64) -> Result<Order, Refusal> {
    let order = tx
        .query_opt(
            "SELECT id, customer_id, status, total FROM orders WHERE id = ?1",
            &[id.into()],
        )
        .await?
        .ok_or_else(|| Refusal::not_found("no_such_order", format!("there is no order {id}")))?;
    let lines = tx
        .query_all(
            "SELECT product_id, quantity, price FROM order_lines WHERE order_id = ?1 ORDER BY product_id",
            &[id.into()],
        )
        .await?;
    Ok(Order {
        id: order.get(0)?,
        customer_id: order.get(1)?,
        status: order.get(2)?,
        total: order.get(3)?,
        lines: lines.iter().map(Line::from_row).collect::<Result<_, _>>()?,
    })
}

impl Order {
    /// Refuses where the order is in none of these; `done` completes "cannot be ...".
    pub(super) fn check_status(&self, allowed: &[Status], done: &str) -> Result<(), Refusal> {
        if allowed.contains(&self.status) {
            return Ok(());
        }
        Err(Refusal::conflict(
            "wrong_status",
            format!(
                "order {} is {} and cannot be {done}",
                self.id,
                self.status.name()
            ),
        ))
    }

    /// The order, one status further.
    pub(super) async fn advance(
        mut self,
        tx: &mut Transaction,
        status: Status,
    ) -> Result<Self, Refusal> {
        tx.execute(
            "UPDATE orders SET status = ?2 WHERE id = ?1",
            &[self.id.into(), status.name().into()],
        )
        .await?;
        self.status = status;
        Ok(self)
    }

    /// The points that it earns once it is delivered: one for every ten euros.
    pub(super) fn points(&self) -> i64 {
        self.total / 10
    }
}

impl Line {
    /// From `product_id, quantity, price`.
    pub(super) fn from_row(row: &Row) -> Result<Self, Failure> {
        Ok(Self {
            product_id: row.get(0)?,
            quantity: row.get(1)?,
            price: row.get(2)?,
        })
    }
}

impl Status {
    const ALL: [Self; 7] = [
        Self::Open,
        Self::Paid,
        Self::Shipped,
        Self::Delivered,
        Self::Returning,
        Self::Returned,
        Self::Cancelled,
    ];

    /// The word in the database, the same as in JSON.
    const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Returning => "returning",
            Self::Returned => "returned",
            Self::Cancelled => "cancelled",
        }
    }
}

impl FromValue for Status {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        let Value::Text(name) = value else {
            return None;
        };
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}
