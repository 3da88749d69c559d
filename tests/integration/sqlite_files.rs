//! What others do to a database file between a kill and the next command is never destroyed.

use std::fs;

use crate::support::{Database, JournalMode, Sandbox, Store, difference, store};

#[test]
fn what_was_made_since_a_kill_stays_until_a_restore_which_saves_it() {
    for mode in [JournalMode::Delete, JournalMode::Wal] {
        let sandbox = Sandbox::with_spec(store::SPEC);
        let running = Store::start(&sandbox, mode, true);
        let before = running.dump();
        let endless = ["explore", "--max-steps", "1000000", "--progress-every", "1"];
        let mut run = sandbox
            .venomqa(endless)
            .env("STORE_URL", running.url())
            .start();
        run.wait_for_stderr("step 20/");
        run.kill();
        let database = Database::at(sandbox.path("store.db"));
        database.execute("CREATE TABLE work (line); INSERT INTO work VALUES ('a week of it')");
        let explore = || {
            sandbox
                .venomqa(["explore", "--max-steps", "3", "--no-corpus"])
                .env("STORE_URL", running.url())
                .start()
                .wait()
        };
        explore()
            .code(3)
            .says(&["table `work` was created", "venomqa restore --sqlite"]);
        assert_eq!(database.number("SELECT count(*) FROM work"), 1);
        let restored = sandbox.venomqa(["restore"]).start().wait().code(0);
        assert!(
            restored.stdout.contains("store.db.venomqa-replaced"),
            "{restored}"
        );
        let now = running.dump();
        assert!(now == before, "{}", difference(&before, &now));
        let saved = Database::at(sandbox.path("store.db.venomqa-replaced"));
        assert_eq!(saved.number("SELECT count(*) FROM work"), 1);
        let ours = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'venomqa%'";
        assert_eq!(saved.number(ours), 0);
        let left = fs::read_dir(sandbox.dir()).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_str().unwrap().contains("venomqa-before")
        });
        assert_eq!(left.count(), 0);
        explore().code(0);
    }
}
