//! `/coupons`: a discount that can be used so many times.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

use super::errors::Refusal;
use super::input::{Body, check_not_empty, check_within};
use super::shop::Shop;

#[derive(Serialize)]
pub(super) struct Coupon {
    pub(super) code: String,
    pub(super) percent: i64,
    pub(super) max_uses: i64,
    pub(super) used: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCoupon {
    code: String,
    percent: i64,
    max_uses: i64,
}

pub(super) fn routes() -> Router<Arc<Shop>> {
    Router::new().route("/coupons", post(create))
}

async fn create(
    State(shop): State<Arc<Shop>>,
    Body(new): Body<NewCoupon>,
) -> Result<(StatusCode, Json<Coupon>), Refusal> {
    check_not_empty("code", &new.code)?;
    check_within("percent", new.percent, 1..=100)?;
    check_within("max_uses", new.max_uses, 1..=1_000_000)?;
    shop.write(|tx| {
        if look_up(tx, &new.code)?.is_some() {
            return Err(Refusal::conflict(
                "coupon_exists",
                format!("there is a coupon `{}` already", new.code),
            ));
        }
        tx.prepare_cached("INSERT INTO coupons (code, percent, max_uses) VALUES (?1, ?2, ?3)")?
            .execute((&new.code, new.percent, new.max_uses))?;
        let coupon = Coupon {
            code: new.code,
            percent: new.percent,
            max_uses: new.max_uses,
            used: 0,
        };
        Ok((StatusCode::CREATED, Json(coupon)))
    })
}

fn look_up(connection: &Connection, code: &str) -> rusqlite::Result<Option<Coupon>> {
    connection
        .prepare_cached("SELECT code, percent, max_uses, used FROM coupons WHERE code = ?1")?
        .query_row([code], |row| {
            Ok(Coupon {
                code: row.get(0)?,
                percent: row.get(1)?,
                max_uses: row.get(2)?,
                used: row.get(3)?,
            })
        })
        .optional()
}

/// The coupon; refuses one that does not exist or has been used up.
pub(super) fn find_usable(connection: &Connection, code: &str) -> Result<Coupon, Refusal> {
    let coupon = look_up(connection, code)?.ok_or_else(|| {
        Refusal::not_found("no_such_coupon", format!("there is no coupon `{code}`"))
    })?;
    if coupon.used >= coupon.max_uses {
        return Err(Refusal::conflict(
            "coupon_used_up",
            format!("the coupon `{code}` has been used up"),
        ));
    }
    Ok(coupon)
}

/// Counts one use of a coupon.
pub(super) fn count_use(connection: &Connection, code: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE coupons SET used = used + 1 WHERE code = ?1")?
        .execute([code])?;
    Ok(())
}

/// The percentage that a coupon takes off, whether or not it has been used up.
pub(super) fn percent(connection: &Connection, code: &str) -> Result<i64, Refusal> {
    let coupon = look_up(connection, code)?;
    coupon
        .map(|coupon| coupon.percent)
        .ok_or_else(|| Refusal::not_found("no_such_coupon", format!("there is no coupon `{code}`")))
}
