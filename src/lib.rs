//! `venomqa` finds bugs that live in *sequences* of API calls: `create -> refund -> refund`.
//!
//! # The words
//!
//! One word per thing, in code, YAML, messages and documentation.
//!
//! - **spec**: the YAML file; declares *actions* (HTTP requests with *preconditions*, `max_calls`, values to *extract*)
//!   and *invariants* (SQL or JSONPath assertions that must hold in every state).
//! - **service**: the API under test, a real process reached over HTTP.
//! - **system**: a stateful thing under the service that can be watched and put back: a database.
//! - **journal**: the tables and triggers that venomqa installs in a system to learn what a step touched.
//! - **row delta**: the rows that one step changed; **net delta**: how a state differs from the initial one.
//! - **state**: what the identity distinguishes: observed rows, context, and the facts that guards read.
//! - **step**: one execution of one action from one state. **transition**: (state, action) -> state. **path**:
//!   transitions from the initial state.
//! - **checkpoint / restore**: remember a state / put every system, the context and the cookies back to it.
//! - **check**: a built-in oracle; an invariant is a user's oracle. **violation**: what an oracle reports, with the path that shows it.
//!
//! # The rooms, in reading order
//!
//! Data flows one way: spec -> model -> explorer -> world and oracle -> events -> report.
//!
//! 1. [`model`]: what is explored; pure values.
//! 2. [`expr`]: the small languages of the spec, compiled once.
//! 3. [`spec`] and [`diagnostic`]: text to model, and everything that can be wrong with it.
//! 4. [`identity`]: what makes two states the same. [`explorer`]: the one loop, the strategies, and the events that are its only way out.
//! 5. [`world`]: the system under test; all I/O is below this line.
//! 6. [`oracle`]: judges steps and states. [`evidence`]: shrinks, confirms and keeps violations.
//! 7. [`report`]: folds events. [`cli`]: what was typed.
//! 8. [`demo`]: the built-in shop, a real service with planted bugs.
//!
//! `docs/architecture.md` says why the walls stand where they do.

pub mod cli;
pub mod demo;
pub mod diagnostic;
pub mod event;
pub mod evidence;
pub mod explorer;
pub mod expr;
pub mod identity;
pub mod interrupt;
pub mod model;
mod number;
pub mod oracle;
mod own_files;
pub mod random;
pub mod report;
mod secret;
mod shell;
pub mod spec;
mod visible;
pub mod world;

// One server for all tests of this crate: two copies of this module would start theirs in the same folder.
#[cfg(test)]
#[path = "../tests/support/postgres.rs"]
#[expect(unreachable_pub, reason = "shared with the integration tests")]
mod postgres_for_tests;
