//! The walk: choose, restore, act, observe, judge, record.
//!
//! [`explore`] is the one loop. It walks any [`World`](crate::world::World), lets any [`strategy`] choose and any
//! [`Judge`](crate::oracle::Judge) judge, and tells an
//! [`Observer`] what happens. It prints nothing and knows no strategy, oracle or database by name.

mod action_tally;
pub mod budget;
mod calibration;
mod causes;
mod clock;
mod determinism;
mod emitter;
mod enabled;
mod explored;
pub mod graph;
mod guard_state;
mod invariant_tallies;
mod late_hints;
mod lost_login;
mod merges;
mod observer;
mod path_replay;
mod process_state;
mod proving_time;
mod regressions;
mod samples;
mod shrink_and_confirm;
mod silence;
mod spool;
mod step_records;
pub mod strategy;
#[cfg(test)]
mod testing;
mod violations;
mod walk;

pub use observer::Observer;
pub use walk::{Options, explore, not_started};
