//! What only PostgreSQL has, against a real server: one throw-away cluster for all tests, a fresh database for each. The
//! rest is in [`contract`](crate::world::system::contract).

use crate::postgres_for_tests as support;

mod beyond;
mod calls;
mod definitions;
mod dialect;
pub(in crate::world::system) mod fixture;
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
