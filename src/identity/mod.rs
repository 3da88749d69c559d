//! What makes two states the same: the canonical form of their rows and of the context.
//!
//! Ids that a database makes up (sequences, UUIDs) mean nothing by themselves, so "create A, create B" and "create B,
//! create A" are one state. The *canonical form* describes a state without such ids. Rows that refer to each other, and the
//! variables that name them, make up a *component*; each component is written out alone, with every generated id replaced by
//! the position of its row, and the form of a state is the multiset of the forms of its components.
//!
//! Equal forms mean states that are equal but for the names of generated ids, always. States that are equal but for
//! them may have different forms where rows form rings; then a state is explored twice, and nothing is lost.
//!
//! - [`Schema`]: what the columns of the tables are: keys, references, values, or times that tell nothing.
//! - [`Identity`]: computes the canonical form of a state from that of the state before and the rows of one step.
//! - [`Tables`]: finds that out from what databases say of their tables.
//! - [`Calibration`]: finds out which columns hold another value each time.
//! - [`Canonical`]: one state in canonical form. A few words; what states have in common is kept once, in [`Identity`].
//! - [`LeftOut`]: what tells two states apart that are taken for one.

mod calibration;
mod canonical;
mod components;
mod form;
mod left_out;
mod pool;
mod schema;
mod shape;
mod surroundings;
mod tables;
#[cfg(test)]
mod tests;

pub use calibration::Calibration;
pub use canonical::{Canonical, Change, Identity};
pub use components::{Component, ComponentId};
pub use left_out::{LeftOut, Touched};
pub use pool::{KnownRow, NodeId, Presence, RowId};
pub use schema::{ColumnRole, Schema, TableNumber, TableRoles};
pub use shape::{ColumnShape, TableShape, ValueKind};
pub use surroundings::Texts;
pub(crate) use tables::looks_random;
pub use tables::{KeyKind, Tables};
