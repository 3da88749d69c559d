//! `/products`: what is sold, for how much, and how many there are.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::errors::Refusal;
use super::input::{Body, Id, check_not_empty, check_within};
use super::shop::Shop;
use super::store::{Failure, Row, Transaction};

#[derive(Serialize)]
pub(super) struct Product {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) price: i64,
    pub(super) stock: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewProduct {
    name: String,
    price: i64,
    stock: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivery {
    quantity: i64,
}

pub(super) fn routes() -> Router<Arc<Shop>> {
    Router::new()
        .route("/products", get(list).post(create))
        .route("/products/{id}", get(show).delete(remove))
        .route("/products/{id}/stock", post(restock))
}

async fn list(State(shop): State<Arc<Shop>>) -> Result<Json<Vec<Product>>, Refusal> {
    shop.read(async |tx: &mut Transaction| {
        let rows = tx
            .query_all(
                "SELECT id, name, price, stock FROM products ORDER BY id",
                &[],
            )
            .await?;
        let products: Result<_, Failure> = rows.iter().map(Product::from_row).collect();
        Ok(Json(products?))
    })
    .await
}

async fn create(
    State(shop): State<Arc<Shop>>,
    Body(new): Body<NewProduct>,
) -> Result<(StatusCode, Json<Product>), Refusal> {
    check_not_empty("name", &new.name)?;
    check_within("price", new.price, 1..=1_000_000)?;
    check_within("stock", new.stock, 0..=1_000_000)?;
    shop.write(async |tx: &mut Transaction| {
        let id = tx
            .insert(
                "INSERT INTO products (name, price, stock) VALUES (?1, ?2, ?3)",
                &[(&new.name).into(), new.price.into(), new.stock.into()],
            )
            .await?;
        let product = Product {
            id,
            name: new.name,
            price: new.price,
            stock: new.stock,
        };
        Ok((StatusCode::CREATED, Json(product)))
    })
    .await
}

async fn show(State(shop): State<Arc<Shop>>, Id(id): Id) -> Result<Json<Product>, Refusal> {
    shop.read(async |tx: &mut Transaction| Ok(Json(find(tx, id).await?)))
        .await
}

/// Takes a product off the shelves. One that was ever ordered stays: its orders need it.
async fn remove(State(shop): State<Arc<Shop>>, Id(id): Id) -> Result<StatusCode, Refusal> {
    shop.write(async |tx: &mut Transaction| {
        find(tx, id).await?;
        let ordered = tx
            .query_opt(
                "SELECT order_id FROM order_lines WHERE product_id = ?1 LIMIT 1",
                &[id.into()],
            )
            .await?;
        if ordered.is_some() {
            return Err(Refusal::conflict(
                "product_ordered",
                format!("product {id} was ordered and cannot be deleted"),
            ));
        }
        tx.execute("DELETE FROM products WHERE id = ?1", &[id.into()])
            .await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

async fn restock(
    State(shop): State<Arc<Shop>>,
    Id(id): Id,
    Body(delivery): Body<Delivery>,
) -> Result<Json<Product>, Refusal> {
    check_within("quantity", delivery.quantity, 1..=1_000_000)?;
    shop.write(async |tx: &mut Transaction| {
        find(tx, id).await?;
        put_back(tx, id, delivery.quantity).await?;
        Ok(Json(find(tx, id).await?))
    })
    .await
}

impl Product {
    /// From `id, name, price, stock`.
    fn from_row(row: &Row) -> Result<Self, Failure> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            price: row.get(2)?,
            stock: row.get(3)?,
        })
    }
}

/// The product, if it has not been deleted.
pub(super) async fn look_up(tx: &mut Transaction, id: i64) -> Result<Option<Product>, Failure> {
    let row = tx
        .query_opt(
            "SELECT id, name, price, stock FROM products WHERE id = ?1",
            &[id.into()],
        )
        .await?;
    row.as_ref().map(Product::from_row).transpose()
}

/// The product; refuses where there is none.
pub(super) async fn find(tx: &mut Transaction, id: i64) -> Result<Product, Refusal> {
    look_up(tx, id)
        .await?
        .ok_or_else(|| Refusal::not_found("no_such_product", format!("there is no product {id}")))
}

/// Refuses where fewer than this are left.
pub(super) fn check_stock(product: &Product, quantity: i64) -> Result<(), Refusal> {
    if product.stock >= quantity {
        return Ok(());
    }
    Err(Refusal::conflict(
        "out_of_stock",
        format!(
            "{} of product {} are left, {quantity} wanted",
            product.stock, product.id
        ),
    ))
}

/// Takes from the stock, without looking how much there is.
pub(super) async fn take(tx: &mut Transaction, id: i64, quantity: i64) -> Result<(), Failure> {
    put_back(tx, id, -quantity).await
}

/// Adds to the stock. Nothing happens where the product is gone.
pub(super) async fn put_back(tx: &mut Transaction, id: i64, quantity: i64) -> Result<(), Failure> {
    tx.execute(
        "UPDATE products SET stock = stock + ?2 WHERE id = ?1",
        &[id.into(), quantity.into()],
    )
    .await
}
