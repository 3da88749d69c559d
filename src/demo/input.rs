//! What comes in: ids in paths and JSON bodies, refused in the shop's own words when they are wrong.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::errors::Refusal;

/// The `{id}` of the path.
pub(super) struct Id(pub(super) i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::<i64>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(rejection) => Err(Refusal::not_found("no_such_id", rejection.body_text())),
        }
    }
}

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(Refusal::new(
                rejection.status(),
                "bad_body",
                rejection.body_text(),
            )),
        }
    }
}

/// So many of a product, in an order or a cart.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLine {
    pub(super) product_id: i64,
    pub(super) quantity: i64,
}

/// Refuses lines that no order could have.
pub(super) fn check_lines(lines: &[NewLine]) -> Result<(), Refusal> {
    if lines.is_empty() {
        return Err(Refusal::invalid("at least one line is needed"));
    }
    for (at, line) in lines.iter().enumerate() {
        check_within("quantity", line.quantity, 1..=1_000)?;
        if lines[..at]
            .iter()
            .any(|other| other.product_id == line.product_id)
        {
            return Err(Refusal::invalid("each product may have one line only"));
        }
    }
    Ok(())
}

/// Refuses a number outside the range; bounded, so that no sum of them overflows.
pub(super) fn check_within(
    name: &str,
    value: i64,
    range: std::ops::RangeInclusive<i64>,
) -> Result<(), Refusal> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "`{name}` must lie between {} and {}, not {value}",
        range.start(),
        range.end()
    )))
}

/// Refuses an empty text.
pub(super) fn check_not_empty(name: &str, value: &str) -> Result<(), Refusal> {
    if value.trim().is_empty() {
        return Err(Refusal::invalid(format!("`{name}` must not be empty")));
    }
    check_text(name, value)
}

/// Refuses a text that not every database can keep.
pub(super) fn check_text(name: &str, value: &str) -> Result<(), Refusal> {
    if value.contains('\0') {
        return Err(Refusal::invalid(format!(
            "`{name}` must not contain the character U+0000"
        )));
    }
    Ok(())
}
