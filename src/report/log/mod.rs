//! The run log: everything that happened during a run, as plain data, one [`Event`](crate::event::Event) after another.
//!
//! [`Log`] writes events into a file, one JSON object a line; [`read`](fn@read) gets them back. `docs/log.md` describes the
//! format.

mod read;
mod write;

pub use read::{LogError, read};
pub use write::Log;

#[cfg(test)]
mod tests;
