//! The built program against real services on real SQLite files and a real PostgreSQL server.
//!
//! Each module is a point of what the program promises. `support` holds the folder and process builder, the services and
//! the look into databases. A test that fails shows the command, its folder, its exit code and all of its output.

#![expect(
    clippy::unwrap_used,
    reason = "what cannot be unwrapped in a test is how the test fails"
)]

mod answers;
mod canonical_states;
mod causes;
mod commands;
mod confirm;
mod corpus;
mod database_changes;
mod endings;
mod ensure;
mod examples;
mod explore;
mod flags;
mod for_each;
mod fuzz;
mod graphql;
mod honesty;
mod hostile_files;
mod hostile_text;
mod html;
mod json_report;
mod late_writes;
mod leave_no_trace;
mod links;
mod lost_login;
mod made_up;
mod misbehaving;
mod neighbours;
mod not_judged;
mod postgres;
mod postgres_leaves_no_trace;
mod postgres_rights;
mod postgres_trust;
// The one server of this process.
#[expect(unreachable_pub, dead_code, reason = "shared with the unit tests")]
#[path = "../support/postgres.rs"]
mod postgres_for_tests;
mod principals;
mod process_state;
mod queries;
mod rate_limits;
mod real_services;
mod redirects;
mod replay;
mod reports;
mod reproduction;
mod requests;
mod retry;
mod script_extracts;
mod script_values;
mod script_verdicts;
mod scripts;
mod secret_places;
mod secrets;
mod selection;
mod sessions;
mod shop;
mod shrink;
mod sqlite_files;
#[cfg(unix)]
mod sqlite_limits;
mod states;
mod support;
mod torture;
mod trust;
mod validate;
