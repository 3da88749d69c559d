//! The walk: choose, restore, act, observe, judge, record.
//!
//! [`explore`] is the one loop. It walks any [`World`](crate::world::World), asks any [`Judge`](crate::oracle::Judge), lets any [`strategy`] choose, and tells what
//! happens through [`event`]s. It never prints and knows no strategy, oracle or database by name.

pub mod budget;
mod determinism;
mod enabled;
pub mod event;
pub mod graph;
mod guard_state;
mod path_replay;
mod regressions;
mod shrink_and_confirm;
pub mod strategy;
mod summary;
mod violations;
mod walk;

pub use walk::{Options, explore, not_started};
