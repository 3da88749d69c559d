//! venomqa.

pub mod explorer;
pub mod expr;
pub mod interrupt;
pub mod model;
pub mod report;
pub mod world;
