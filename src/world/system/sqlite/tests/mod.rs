//! The journal and the restore against real files, in both journal modes, with a service that keeps its connection open.

mod dialect;
mod fixture;
mod image;
mod kill;
mod life;
mod query;
mod rows;
mod trust;
mod virtual_tables;
mod walk;
