//! The store with the content that must be there after whatever happens.

use std::fs;

use super::{
    Finished, JournalMode, PostgresStore, Running, Sandbox, Store, difference, eventually, store,
};
use crate::postgres_for_tests::cluster;

/// What the store stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite(JournalMode),
    Postgres,
}

/// The service with its database.
pub(crate) enum AnyStore {
    Sqlite(Store),
    Postgres(PostgresStore),
}

impl AnyStore {
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(store) => store.url(),
            Self::Postgres(store) => store.url(),
        }
    }

    pub(crate) fn dump(&self) -> String {
        match self {
            Self::Sqlite(store) => store.dump(),
            Self::Postgres(store) => store.dump(),
        }
    }
}

/// The store with its content, and what that was.
pub(crate) struct Scene {
    pub(crate) sandbox: Sandbox,
    pub(crate) store: AnyStore,
    pub(crate) before: String,
}

impl Scene {
    /// With the bug, refunds never end.
    pub(crate) fn new(on: On, bug: bool) -> Self {
        let sandbox = Sandbox::with_spec(store::SPEC);
        let store = match on {
            On::Sqlite(mode) => Store::start(&sandbox, mode, bug),
            On::Postgres => return Self::of(PostgresStore::start(cluster().database(), bug)),
        };
        Self::over(sandbox, AnyStore::Sqlite(store))
    }

    /// Over this store.
    pub(crate) fn of(store: PostgresStore) -> Self {
        let sandbox = Sandbox::with_spec(&store.spec());
        Self::over(sandbox, AnyStore::Postgres(store))
    }

    pub(crate) fn over(sandbox: Sandbox, store: AnyStore) -> Self {
        let before = store.dump();
        Self {
            sandbox,
            store,
            before,
        }
    }

    /// The store where it stands on PostgreSQL.
    pub(crate) fn on_postgres(&self) -> &PostgresStore {
        match &self.store {
            AnyStore::Postgres(store) => store,
            AnyStore::Sqlite(_) => panic!("it stands on SQLite"),
        }
    }

    pub(crate) fn explore(&self, flags: &str) -> Running {
        let explore = self.sandbox.venomqa("explore --report json").args(flags);
        explore.at(&self.store.url()).start()
    }

    /// A run that would go on for long.
    pub(crate) fn endless(&self, strategy: &str) -> Running {
        self.explore(&format!(
            "--strategy {strategy} --max-steps 1000000 --progress-every 1"
        ))
    }

    /// The same, `step` steps after its start.
    pub(crate) fn under_way(&self, strategy: &str, step: u64) -> Running {
        let mut run = self.endless(strategy);
        run.wait_for_stderr(&format!("step {step}/"));
        run
    }

    /// Until the server of a killed run's database has noticed that its process is gone: what it was told before, it may
    /// still do.
    #[track_caller]
    pub(crate) fn wait_for_sessions_to_end(&self) {
        let AnyStore::Postgres(store) = &self.store else {
            return;
        };
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'venomqa' AND datname = current_database()";
        eventually("the sessions of a killed run end", || {
            (store.database.psql(sessions) == "0").then_some(())
        });
    }

    #[track_caller]
    pub(crate) fn restore(&self, arguments: &str) -> Finished {
        self.sandbox
            .venomqa("restore")
            .args(arguments)
            .start()
            .wait()
    }

    #[track_caller]
    pub(crate) fn assert_untouched(&self, after: &str) {
        assert_untouched(&self.sandbox, &self.before, &self.store.dump(), after);
    }
}

#[track_caller]
pub(crate) fn assert_untouched(sandbox: &Sandbox, before: &str, dump: &str, after: &str) {
    assert!(
        before == dump,
        "the database is not as it was before {after}:\n{}",
        difference(before, dump)
    );
    let files: Vec<_> = fs::read_dir(sandbox.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("store.db"))
        .filter(|name| !["store.db", "store.db-wal", "store.db-shm"].contains(&&**name))
        .filter(|name| name != "store.db-journal" || !is_cold(&sandbox.path(name)))
        .collect();
    assert!(files.is_empty(), "{after} left {files:?}");
}

/// Whether a rollback journal of SQLite holds nothing yet. A process that is killed before it has written its first page
/// leaves such a one behind, and SQLite removes it with the next write.
fn is_cold(journal: &std::path::Path) -> bool {
    fs::read(journal)
        .unwrap()
        .first()
        .is_none_or(|byte| *byte == 0)
}
