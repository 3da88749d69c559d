//! Against a real server: one throw-away cluster for all tests, a fresh database for each.

use super::{PostgresSystem, recover};
use crate::postgres_for_tests as support;

mod beyond;
mod calls;
mod fixture;
mod life;
mod queries;
mod rehearsals;
mod rights;
mod round_trips;
mod rows;
mod schema;
mod sequences;
mod sessions;
mod soundness;
mod tls;
