//! venomqa.

pub mod demo;
pub mod explorer;
pub mod expr;
pub mod interrupt;
pub mod model;
pub mod world;
