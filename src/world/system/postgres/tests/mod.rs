//! Against a real server: one throw-away cluster for all tests, a fresh database for each.

#[path = "../../../../../tests/support/postgres.rs"]
#[expect(unreachable_pub, reason = "shared with the integration tests")]
mod support;

use super::{PostgresSystem, recover};

mod fixture;
mod life;
mod queries;
mod rights;
mod rows;
mod schema;
mod sessions;
mod soundness;
mod tls;
