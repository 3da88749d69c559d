//! What only SQLite has: replaced rows, rows without a rowid, virtual tables, statistics, the lock file. The rest is in
//! [`contract`](crate::world::system::contract).

mod dialect;
mod everything;
pub(in crate::world::system) mod fixture;
mod image;
mod lost_file;
mod query;
mod rows;
mod schema_changes;
mod trust;
mod virtual_tables;
