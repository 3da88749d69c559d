//! A file that is deleted, replaced or overwritten under a run.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::fixture::{InDeleteMode, InWalMode, OnFile, Walk, dump, schema};
use crate::world::config::SafetyCopy;
use crate::world::system::contract::{self, Fixture as _, run as now};
use crate::world::system::sqlite::SqliteSystem;
use crate::world::system::{System as _, SystemState};

const ITEMS: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, n INTEGER);
    CREATE TABLE loose (what TEXT); CREATE INDEX by_name ON items (name);
    INSERT INTO items VALUES (1, 'a', 10), (2, 'b', 20);
    INSERT INTO loose VALUES ('x'), ('y'), ('z'); DELETE FROM loose WHERE what = 'x'; PRAGMA user_version = 5";

type Misfortune = fn(&Path);

/// What may happen to a file that a service has open.
const MISFORTUNES: [(&str, Misfortune); 7] = [
    ("deleted", |path| remove(path)),
    ("replaced by a new one", |path| {
        remove(path);
        let new = Connection::open(path).unwrap();
        new.execute_batch(
            "CREATE TABLE items (id INTEGER PRIMARY KEY); INSERT INTO items VALUES (9)",
        )
        .unwrap();
    }),
    ("replaced by a copy of itself from a dump", |path| {
        let there = Connection::open(path).unwrap();
        let copy = path.with_file_name("copy.db");
        there
            .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
            .unwrap();
        drop(there);
        remove(path);
        fs::rename(copy, path).unwrap();
    }),
    ("replaced by one with another encoding", |path| {
        remove(path);
        let new = Connection::open(path).unwrap();
        new.execute_batch("PRAGMA encoding = 'UTF-16'; CREATE TABLE loose (what TEXT)")
            .unwrap();
    }),
    ("emptied", |path| {
        fs::write(path, "").unwrap();
    }),
    ("overwritten with garbage", |path| {
        fs::write(
            path,
            "no database at all, for as long as it takes".repeat(500),
        )
        .unwrap();
    }),
    ("dropped table by table", |path| {
        let there = Connection::open(path).unwrap();
        let tables: Vec<String> = there
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for table in tables {
            there.execute_batch(&format!("DROP TABLE {table}")).unwrap();
        }
    }),
];

fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let _ = fs::remove_file(name);
    }
}

/// Leaves its first page.
fn cut(path: &Path) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(4096).unwrap();
}

fn content(path: &Path) -> (String, String) {
    let connection = Connection::open(path).unwrap();
    let version: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    let check: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    let schema = schema(&connection);
    (dump(&connection), format!("{version} {schema:#?}"))
}

/// A database of a service that opens it anew for each request.
struct Scene<const WAL: bool> {
    fixture: OnFile<WAL>,
    before: (String, String),
    system: SqliteSystem,
}

impl<const WAL: bool> Scene<WAL> {
    fn new(copy: SafetyCopy) -> Self {
        let fixture = now(OnFile::<WAL>::new(ITEMS));
        // Else the whole content is in the log, and nothing can happen to it.
        now(fixture.execute(contract::Client::First, "PRAGMA wal_checkpoint(TRUNCATE)")).unwrap();
        let before = content(&fixture.path);
        let mut config = fixture.config();
        config.safety_copy = copy;
        config.ignore_tables = vec!["no_such_*".into()];
        let mut system = OnFile::<WAL>::open(&config, &fixture.location()).unwrap();
        assert_eq!(now(system.install()).unwrap(), None);
        now(system.mark_initial()).unwrap();
        now(contract_step(&fixture, &mut system));
        let mut fixture = fixture;
        fixture.hang_up();
        Self {
            fixture,
            before,
            system,
        }
    }

    fn assert_back(&self, after: &str) {
        assert_eq!(content(&self.fixture.path), self.before, "{after}");
        assert_eq!(self.fixture.files(), [""; 0], "{after}");
    }
}

async fn contract_step<const WAL: bool>(fixture: &OnFile<WAL>, system: &mut SqliteSystem) {
    let statements = "UPDATE items SET n = 0; DELETE FROM loose; PRAGMA user_version = 6";
    fixture
        .execute(contract::Client::First, statements)
        .await
        .unwrap();
    system.read(&SystemState::default()).await.unwrap();
}

#[test]
fn what_happens_to_the_file_is_noticed_and_the_content_before_the_run_is_put_back() {
    noticed_and_put_back::<true>();
    noticed_and_put_back::<false>();
}

fn noticed_and_put_back<const WAL: bool>() {
    for (what, happens) in MISFORTUNES {
        let mut scene = Scene::<WAL>::new(SafetyCopy::Auto);
        happens(&scene.fixture.path);
        let error = now(scene.system.read(&SystemState::default()));
        // With a write-ahead log, what is in it hides the file for a while.
        if let Err(error) = error {
            assert!(error.message.contains("shop.db"), "{what}: {error:?}");
        } else {
            assert!(WAL && what.starts_with("overwritten"), "{what}");
        }
        let told = now(scene.system.uninstall()).unwrap();
        assert!(told.iter().any(|told| told.untrusted), "{what}: {told:?}");
        scene.assert_back(what);
    }
}

#[test]
fn a_killed_run_is_undone_although_the_file_is_not_the_same() {
    for (what, happens) in MISFORTUNES {
        let mut scene = Scene::<false>::new(SafetyCopy::Auto);
        let config = scene.fixture.config();
        // The process is gone, and its connections with it.
        let place = scene.fixture.location();
        drop(scene.system);
        happens(&scene.fixture.path);
        let has_journal = what.contains("copy of itself");
        if scene.fixture.path.exists() && !has_journal {
            // What is there may be somebody's work of a week.
            if let Ok(mut next) = InDeleteMode::open(&config, &place) {
                let error = now(next.install()).unwrap_err();
                assert!(error.help.unwrap().contains("venomqa restore"), "{what}");
            }
        }
        let text = now(InDeleteMode::ENGINE.recover(&place, false)).unwrap();
        let text = text.unwrap();
        assert!(text.contains("put back"), "{what}");
        let saved = scene.fixture.take_saved().len();
        let is_saved = ["new one", "encoding", "garbage"]
            .iter()
            .any(|it| what.contains(it));
        assert_eq!(saved, usize::from(is_saved), "{what}");
        assert_eq!(text.contains("venomqa-replaced"), is_saved, "{text}");
        scene.system = InDeleteMode::open(&config, &place).unwrap();
        scene.assert_back(what);
        assert_eq!(
            now(InDeleteMode::ENGINE.recover(&place, false)).unwrap(),
            None
        );
    }
}

#[test]
fn a_journal_in_the_log_of_a_file_that_was_cut_off_is_not_believed() {
    let scene = Scene::<true>::new(SafetyCopy::Auto);
    let path = &scene.fixture.path;
    let config = scene.fixture.config();
    let place = scene.fixture.location();
    // Somebody else has it open, so the log stays when the process is gone.
    let other = Connection::open(path).unwrap();
    let _: i64 = other
        .query_row("SELECT count(*) FROM items", [], |row| row.get(0))
        .unwrap();
    drop(scene.system);
    cut(path);
    let mut next = InWalMode::open(&config, &place).unwrap();
    let error = now(next.install()).unwrap_err();
    assert!(error.help.unwrap().contains("venomqa restore"));
    drop(next);
    let text = now(InWalMode::ENGINE.recover(&place, false))
        .unwrap()
        .unwrap();
    assert!(text.contains("cut off or damaged"), "{text}");
    drop(other);
    assert_eq!(scene.fixture.take_saved().len(), 1, "{text}");
    assert_eq!(content(path), scene.before);
}

#[test]
fn without_a_copy_a_file_that_lost_its_name_is_had_back_from_the_open_connection() {
    for (what, happens) in &MISFORTUNES[..2] {
        let mut scene = Scene::<true>::new(SafetyCopy::Never);
        assert_eq!(scene.fixture.files(), ["shop.db.venomqa-lock"]);
        happens(&scene.fixture.path);
        now(scene.system.read(&SystemState::default())).unwrap_err();
        now(scene.system.uninstall()).unwrap();
        scene.assert_back(what);
    }
}

#[test]
fn without_a_copy_what_is_lost_is_said() {
    let mut scene = Scene::<false>::new(SafetyCopy::Never);
    let (_, emptied) = MISFORTUNES[4];
    emptied(&scene.fixture.path);
    let error = now(scene.system.uninstall()).unwrap_err();
    assert!(error.message.contains("was emptied"), "{error:?}");
    assert!(error.help.unwrap().contains("lost"));
    // What the log does not have is gone with the end of the file.
    let mut scene = Scene::<true>::new(SafetyCopy::Never);
    cut(&scene.fixture.path);
    let error = now(scene.system.read(&SystemState::default())).unwrap_err();
    assert!(error.message.contains("cut off"), "{error:?}");
    let said = format!("{:?}", now(scene.system.uninstall()));
    assert!(
        said.contains("which is lost") || said.contains("is damaged"),
        "{said}"
    );
}

#[test]
fn the_copy_is_private_and_gone_at_the_end() {
    let walk = Walk::begin(ITEMS);
    let copy = walk.path.with_file_name("shop.db.venomqa-before");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    // It is a database of its own, write-ahead log or not.
    assert_eq!(content(&copy).0, walk.before);
    walk.finish();
}

#[test]
fn a_copy_that_says_nothing_is_never_put() {
    let file = now(InWalMode::new(ITEMS));
    let partial = file.path.with_file_name("shop.db.venomqa-before.partial");
    fs::write(&partial, "half a copy").unwrap();
    let before = content(&file.path);
    let recovered = now(InWalMode::ENGINE.recover(&file.location(), false));
    assert_eq!(recovered.unwrap(), None);
    assert!(!partial.exists());
    assert_eq!(content(&file.path), before);
}

#[test]
#[cfg(unix)]
fn a_copy_is_put_into_the_file_that_it_is_of_and_no_other() {
    let mut scene = Scene::<false>::new(SafetyCopy::Auto);
    let (path, place) = (scene.fixture.path.clone(), scene.fixture.location());
    let second = path.with_file_name("second.db");
    fs::hard_link(&path, &second).unwrap();
    drop(scene.system);
    // By its other name it is put back from the same copy, which is gone then.
    let other = second.to_str().unwrap();
    now(InDeleteMode::ENGINE.recover(other, false))
        .unwrap()
        .unwrap();
    fs::remove_file(&second).unwrap();
    assert_eq!(
        now(InDeleteMode::ENGINE.recover(&place, false)).unwrap(),
        None
    );
    scene.system = InDeleteMode::open(&scene.fixture.config(), &place).unwrap();
    scene.assert_back("by another name");
    // A copy that was moved here with its note is not that of the file that is here.
    now(scene.system.install()).unwrap();
    drop(scene.system);
    let ending = |ending: &str| path.with_file_name(format!("shop.db{ending}"));
    let elsewhere = path.with_file_name("elsewhere.db");
    fs::write(&elsewhere, "").unwrap();
    for name in [".venomqa-before", ".venomqa-before.of"] {
        fs::rename(
            ending(name),
            path.with_file_name(format!("elsewhere.db{name}")),
        )
        .unwrap();
    }
    let error = now(InDeleteMode::ENGINE.recover(elsewhere.to_str().unwrap(), false)).unwrap_err();
    assert!(
        error.message.contains("the copy of another database"),
        "{error:?}"
    );
    now(InDeleteMode::ENGINE.recover(&place, false))
        .unwrap()
        .unwrap();
    assert_eq!(content(&path), scene.before);
}

#[test]
#[cfg(unix)]
fn a_file_behind_a_link_is_back_where_it_was_with_its_rights() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    for (is_killed, copy) in [
        (false, SafetyCopy::Auto),
        (false, SafetyCopy::Never),
        (true, SafetyCopy::Auto),
    ] {
        let mut fixture = now(OnFile::<true>::new(ITEMS));
        fixture.hang_up();
        let before = content(&fixture.path);
        let link = fixture.path.with_file_name("link");
        symlink("shop.db", &link).unwrap();
        fs::set_permissions(&fixture.path, fs::Permissions::from_mode(0o640)).unwrap();
        let mut config = fixture.config();
        config.safety_copy = copy;
        let place = link.to_str().unwrap();
        let mut system = OnFile::<true>::open(&config, place).unwrap();
        now(system.install()).unwrap();
        now(system.mark_initial()).unwrap();
        remove(&fixture.path);
        if is_killed {
            drop(system);
            now(InWalMode::ENGINE.recover(place, false))
                .unwrap()
                .unwrap();
        } else {
            now(system.read(&SystemState::default())).unwrap_err();
            now(system.uninstall()).unwrap();
        }
        assert!(link.symlink_metadata().unwrap().is_symlink());
        let mode = fixture.path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(content(&fixture.path), before);
        assert_eq!(fixture.files(), ["link"]);
    }
}

#[test]
#[cfg(unix)]
fn a_link_that_no_longer_leads_to_the_database_is_said() {
    let mut fixture = now(OnFile::<false>::new(ITEMS));
    fixture.hang_up();
    let before = content(&fixture.path);
    let link = fixture.path.with_file_name("link");
    std::os::unix::fs::symlink("shop.db", &link).unwrap();
    let mut system = OnFile::<false>::open(&fixture.config(), link.to_str().unwrap()).unwrap();
    now(system.install()).unwrap();
    now(system.mark_initial()).unwrap();
    Connection::open(&fixture.path)
        .unwrap()
        .execute_batch("DELETE FROM items")
        .unwrap();
    fs::remove_file(&link).unwrap();
    fs::write(&link, "").unwrap();
    now(system.read(&SystemState::default())).unwrap_err();
    let told = now(system.uninstall()).unwrap();
    assert!(
        told[0].untrusted && told[0].help.as_ref().unwrap().contains("ln -sfn"),
        "{told:?}"
    );
    assert_eq!(content(&fixture.path), before);
    assert_eq!(fixture.files(), ["link"]);
}
