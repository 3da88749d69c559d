//! The walk: choose, restore, act, observe, judge, record.
//!
//! [`explore`] is the one loop. It walks any [`World`](crate::world::World), lets any [`strategy`] choose and any
//! [`Judge`](crate::oracle::Judge) judge, and reports what happens as [`event`]s. It prints nothing and knows no strategy, oracle
//! or database by name.

mod action_summary;
pub mod budget;
mod clock;
mod determinism;
mod emitter;
mod enabled;
pub mod event;
mod explored;
pub mod graph;
mod guard_state;
mod path_replay;
mod regressions;
mod shrink_and_confirm;
mod stop;
pub mod strategy;
#[cfg(test)]
mod testing;
mod violations;
mod walk;

pub use walk::{Options, explore, not_started};
