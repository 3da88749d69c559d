//! `/coupons`: a discount that can be used so many times.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::errors::Refusal;
use super::input::{Body, check_not_empty, check_within};
use super::shop::Shop;
use super::store::{Failure, Transaction};

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
    shop.write(async |tx: &mut Transaction| {
        if look_up(tx, &new.code).await?.is_some() {
            return Err(Refusal::conflict(
                "coupon_exists",
                format!("there is a coupon `{}` already", new.code),
            ));
        }
        tx.execute(
            "INSERT INTO coupons (code, percent, max_uses) VALUES (?1, ?2, ?3)",
            &[(&new.code).into(), new.percent.into(), new.max_uses.into()],
        )
        .await?;
        let coupon = Coupon {
            code: new.code,
            percent: new.percent,
            max_uses: new.max_uses,
            used: 0,
        };
        Ok((StatusCode::CREATED, Json(coupon)))
    })
    .await
}

async fn look_up(tx: &mut Transaction, code: &str) -> Result<Option<Coupon>, Failure> {
    let row = tx
        .query_opt(
            "SELECT code, percent, max_uses, used FROM coupons WHERE code = ?1",
            &[code.into()],
        )
        .await?;
    row.map(|row| {
        Ok(Coupon {
            code: row.get(0)?,
            percent: row.get(1)?,
            max_uses: row.get(2)?,
            used: row.get(3)?,
        })
    })
    .transpose()
}

/// The coupon; refuses one that does not exist or has been used up.
pub(super) async fn find_usable(tx: &mut Transaction, code: &str) -> Result<Coupon, Refusal> {
    let coupon = look_up(tx, code).await?.ok_or_else(|| {
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
pub(super) async fn count_use(tx: &mut Transaction, code: &str) -> Result<(), Failure> {
    tx.execute(
        "UPDATE coupons SET used = used + 1 WHERE code = ?1",
        &[code.into()],
    )
    .await
}

/// The percentage that a coupon takes off, whether or not it has been used up.
pub(super) async fn percent(tx: &mut Transaction, code: &str) -> Result<i64, Refusal> {
    let coupon = look_up(tx, code).await?;
    coupon
        .map(|coupon| coupon.percent)
        .ok_or_else(|| Refusal::not_found("no_such_coupon", format!("there is no coupon `{code}`")))
}
