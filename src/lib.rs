//! venomqa.

pub mod cli;
pub mod demo;
pub mod evidence;
pub mod explorer;
pub mod expr;
pub mod interrupt;
pub mod model;
pub mod random;
pub mod report;
pub mod world;
