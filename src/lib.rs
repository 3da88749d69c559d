//! venomqa.

pub mod explorer;
pub mod expr;
pub mod model;
pub mod world;
