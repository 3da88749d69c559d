//! The walk: choose, restore, act, observe, judge, record.
//!
//! [`explore`] is the one loop. It walks any [`World`](crate::world::World), asks any [`Judge`](crate::oracle::Judge), lets any [`strategy`] choose, and tells what
//! happens through [`event`]s. It never prints and knows no strategy, oracle or database by name.

pub mod budget;
mod engine;
pub mod event;
pub mod graph;
mod guard;
mod known;
mod outcome;
mod proof;
mod retrace;
mod situation;
pub mod strategy;
mod trial;
mod violations;

pub use engine::{Options, explore, not_started};
pub use known::{Known, KnownOutcome, Now};
