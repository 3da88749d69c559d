//! A run that is killed, in a process of its own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rusqlite::Connection;

use super::fixture::{MODES, config, database, dump, now, recover, schema};
use super::walk::{NASTY, act};
use crate::world::system::sqlite::SqliteSystem;
use crate::world::system::{System, SystemState};

/// Set in the process that is to be killed: the path of the database.
const VICTIM: &str = "VENOMQA_TEST_VICTIM";

#[test]
fn a_run_killed_at_any_moment_is_undone() {
    if let Ok(path) = std::env::var(VICTIM) {
        explore_until_killed(Path::new(&path));
    }
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for mode in MODES {
        let (_folder, path, service) = database(mode, NASTY);
        let before = (dump(&service), schema(&service));
        for _ in 0..5 {
            let mut victim = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "world::system::sqlite::tests::kill::a_run_killed_at_any_moment_is_undone",
                ])
                .env(VICTIM, &path)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let deadline = Instant::now() + Duration::from_secs(30);
            while !path.with_extension("db.venomqa-lock").exists() {
                assert!(Instant::now() < deadline, "the other process never began");
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(random.random_range(0..60)));
            // SIGKILL: no destructor runs.
            victim.kill().unwrap();
            victim.wait().unwrap();
            recover(&path).unwrap();
            assert_eq!(
                (dump(&service), schema(&service)),
                before,
                "journal mode {mode}"
            );
            assert!(!path.with_extension("db.venomqa-lock").exists());
        }
        let integrity: String = service
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(integrity, "ok");
    }
}

fn explore_until_killed(path: &Path) -> ! {
    let service = Connection::open(path).unwrap();
    service.busy_timeout(Duration::from_secs(5)).unwrap();
    let mut system = SqliteSystem::open(&config(path), path).unwrap();
    now(system.install()).unwrap();
    now(system.mark_initial()).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(u64::from(std::process::id()));
    let mut here = SystemState::default();
    loop {
        act(&service, &mut random);
        let reading = now(system.read(&here)).unwrap();
        here.delta = here.delta.after(&reading.delta);
        if random.random_bool(0.2) {
            now(system.restore(&here, &SystemState::default())).unwrap();
            here = SystemState::default();
        }
    }
}
