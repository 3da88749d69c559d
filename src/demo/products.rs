//! `/products`: what is sold, for how much, and how many there are.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::{Deserialize, Serialize};

use super::errors::Refusal;
use super::input::{Body, Id, check_not_empty, check_within};
use super::shop::Shop;

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
    shop.read(|tx| {
        let products = tx
            .prepare_cached("SELECT id, name, price, stock FROM products ORDER BY id")?
            .query_map([], from_row)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Json(products))
    })
}

async fn create(
    State(shop): State<Arc<Shop>>,
    Body(new): Body<NewProduct>,
) -> Result<(StatusCode, Json<Product>), Refusal> {
    check_not_empty("name", &new.name)?;
    check_within("price", new.price, 1..=1_000_000)?;
    check_within("stock", new.stock, 0..=1_000_000)?;
    shop.write(|tx| {
        tx.prepare_cached("INSERT INTO products (name, price, stock) VALUES (?1, ?2, ?3)")?
            .execute((&new.name, new.price, new.stock))?;
        let product = Product {
            id: tx.last_insert_rowid(),
            name: new.name,
            price: new.price,
            stock: new.stock,
        };
        Ok((StatusCode::CREATED, Json(product)))
    })
}

async fn show(State(shop): State<Arc<Shop>>, Id(id): Id) -> Result<Json<Product>, Refusal> {
    shop.read(|tx| Ok(Json(find(tx, id)?)))
}

/// Takes a product off the shelves. One that was ever ordered stays: its orders need it.
async fn remove(State(shop): State<Arc<Shop>>, Id(id): Id) -> Result<StatusCode, Refusal> {
    shop.write(|tx| {
        find(tx, id)?;
        if tx
            .prepare_cached("SELECT 1 FROM order_lines WHERE product_id = ?1 LIMIT 1")?
            .exists([id])?
        {
            return Err(Refusal::conflict(
                "product_ordered",
                format!("product {id} was ordered and cannot be deleted"),
            ));
        }
        tx.prepare_cached("DELETE FROM products WHERE id = ?1")?
            .execute([id])?;
        Ok(StatusCode::NO_CONTENT)
    })
}

async fn restock(
    State(shop): State<Arc<Shop>>,
    Id(id): Id,
    Body(delivery): Body<Delivery>,
) -> Result<Json<Product>, Refusal> {
    check_within("quantity", delivery.quantity, 1..=1_000_000)?;
    shop.write(|tx| {
        find(tx, id)?;
        put_back(tx, id, delivery.quantity)?;
        Ok(Json(find(tx, id)?))
    })
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product {
        id: row.get(0)?,
        name: row.get(1)?,
        price: row.get(2)?,
        stock: row.get(3)?,
    })
}

/// The product, if it has not been deleted.
pub(super) fn look_up(connection: &Connection, id: i64) -> rusqlite::Result<Option<Product>> {
    connection
        .prepare_cached("SELECT id, name, price, stock FROM products WHERE id = ?1")?
        .query_row([id], from_row)
        .optional()
}

/// The product; refuses where there is none.
pub(super) fn find(connection: &Connection, id: i64) -> Result<Product, Refusal> {
    look_up(connection, id)?
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
pub(super) fn take(connection: &Connection, id: i64, quantity: i64) -> rusqlite::Result<()> {
    put_back(connection, id, -quantity)
}

/// Adds to the stock. Nothing happens where the product is gone.
pub(super) fn put_back(connection: &Connection, id: i64, quantity: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE products SET stock = stock + ?2 WHERE id = ?1")?
        .execute([id, quantity])?;
    Ok(())
}
