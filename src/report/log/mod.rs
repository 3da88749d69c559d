//! The run log: everything that happened during a run, as plain data, one [`Event`](crate::event::Event) after another.
//!
//! [`Recorder`] makes these of the explorer's events and takes secrets out; [`writer`](mod@write) puts them into a file, one JSON
//! object a line; [`read`](fn@read) gets them back. `docs/log.md` describes the format.

mod read;
mod record;
mod write;

pub use read::{LogError, read};
pub use record::{Detail, Recorder, Subject};
pub use write::Log;

#[cfg(test)]
mod tests;
