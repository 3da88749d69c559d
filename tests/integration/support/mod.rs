//! What the tests stand on: a folder and a process for each test, services to explore, and a look into databases.

mod any_database;
pub(crate) mod bank;
mod browser;
pub(crate) mod club;
pub(crate) mod credits;
mod database;
mod finished;
mod hurl;
pub(crate) mod notes;
pub(crate) mod postgres_store;
mod process;
mod running;
mod sandbox;
mod scene;
mod server;
mod sql_service;
pub(crate) mod store;
pub(crate) mod vault;
mod wire;

pub(crate) use any_database::{AnyDatabase, KINDS};
pub(crate) use browser::{Browser, key};
pub(crate) use database::Database;
pub(crate) use finished::{
    Finished, actions, items, one, texts, violations, warnings, without_times,
};
pub(crate) use hurl::{hurl, run_script};
pub(crate) use postgres_store::{Pool, PostgresStore};
pub(crate) use process::{Kind, service};
pub(crate) use running::{Running, signal};
pub(crate) use sandbox::Sandbox;
pub(crate) use scene::{AnyStore, On, Scene, assert_untouched};
pub(crate) use server::{Port, Server};
pub(crate) use sql_service::{Location, SqlService, Statement};
pub(crate) use store::{JournalMode, Store};
pub(crate) use wire::{Fault, Wire};

use std::time::{Duration, Instant};

/// Longest wait for anything. Only a test that fails ever waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something is there. The place of the caller and `what` are in the message when it never is.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The lines of two texts that are not in both.
pub(crate) fn difference(before: &str, after: &str) -> String {
    let only = |mine: &str, other: &str, sign: char| -> String {
        let other: Vec<_> = other.lines().collect();
        mine.lines()
            .filter(|line| !other.contains(line))
            .fold(String::new(), |text, line| {
                text + &format!("{sign} {line}\n")
            })
    };
    only(before, after, '-') + &only(after, before, '+')
}
