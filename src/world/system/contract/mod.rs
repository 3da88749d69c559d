//! What every kind of database must do: one set of tests, run against each of them.
//!
//! A test is a function that is generic over a [`Fixture`]; `contract!` makes a test of it for each fixture. What only one
//! kind of database has (VACUUM, sequences, row-level security, ...) is tested in its own folder, with the same [`Walk`].

mod catalogue;
mod changes;
mod crash;
mod fixture;
mod identity;
mod jumps;
mod keys;
mod life;
mod locks;
mod queries;
mod restore;
mod values;
mod walk;

pub(in crate::world::system) use fixture::{Client, Fixture, Jumps};
pub(in crate::world::system) use jumps::jump_at_random;
pub(in crate::world::system) use walk::{Walk, query, rows};

/// Runs on one thread, as a run does.
pub(in crate::world::system) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Makes a test of each function for every kind of database. A new kind is one line here.
macro_rules! contract {
    ($($test:ident),+ $(,)?) => {
        contract!(@ sqlite_delete, $crate::world::system::sqlite::tests::fixture::InDeleteMode, $($test),+);
        contract!(@ sqlite_wal, $crate::world::system::sqlite::tests::fixture::InWalMode, $($test),+);
        contract!(@ postgres, $crate::world::system::postgres::tests::fixture::OnServer, $($test),+);
    };
    (@ $kind:ident, $fixture:ty, $($test:ident),+) => {
        mod $kind {
            $(
                #[test]
                fn $test() {
                    $crate::world::system::contract::run(super::$test::<$fixture>());
                }
            )+
        }
    };
}
use contract;
