//! A machine that gives too little: a full disk, a limit on the size of files, few file descriptors, a folder that cannot be written.
//! The cause is said, and once it is cured `venomqa restore` finishes.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};

use crate::support::{Database, Finished, JournalMode, Running, Sandbox, Store, difference, store};

const VENOMQA: &str = env!("CARGO_BIN_EXE_venomqa");

/// Runs a script of bash that knows the program as `$VENOMQA`.
fn script(sandbox: &Sandbox, wrapper: &[&str], text: &str, store: Option<&Store>) -> Finished {
    let (program, arguments) = wrapper.split_first().unwrap_or((&"bash", &[]));
    let mut command = sandbox.command(program);
    command.args(arguments);
    if !wrapper.is_empty() {
        command.arg("bash");
    }
    command.args(["-c", text]).env("VENOMQA", VENOMQA);
    if let Some(store) = store {
        command.env("STORE_URL", store.url());
    }
    Running::spawn(&mut command, sandbox.dir()).wait()
}

/// All that was shown, for lines are wrapped at blanks.
fn words(finished: &Finished) -> String {
    let shown = format!("{} {}", finished.stdout, finished.stderr);
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a program can be run here.
fn can(command: &[&str]) -> bool {
    Command::new(command[0])
        .args(&command[1..])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[track_caller]
fn assert_same(before: &str, now: &str, after: &Finished) {
    assert!(before == now, "{}\n{after}", difference(before, now));
}

/// The store, and what is in it.
fn scene(mode: JournalMode) -> (Sandbox, Store, String) {
    let sandbox = Sandbox::with_spec(store::SPEC);
    let store = Store::start(&sandbox, mode, false);
    let before = store.dump();
    (sandbox, store, before)
}

/// What venomqa has left beside the database.
fn left(sandbox: &Sandbox) -> Vec<String> {
    fs::read_dir(sandbox.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".venomqa-"))
        .collect()
}

/// `$1`: what fills the disk but for a rest.
const ON_A_SMALL_DISK: &str = "
    mkdir small && mount -t tmpfs -o size=2m none small || exit 99
    explore() { $VENOMQA explore specs/shop.yaml --set db=sqlite:$PWD/small/shop.db --set bugs=none --no-corpus --max-steps $1; }
    explore 5 >/dev/null || exit 98
    cp small/shop.db before.db
    head -c FILL /dev/zero >small/fill
    explore 3000
    echo full: $?
    rm small/fill
    $VENOMQA restore --sqlite small/shop.db
    echo restored: $?
    cp small/shop.db after.db
    ls small";

#[test]
fn a_full_disk_is_said_and_with_room_the_content_is_back() {
    let namespace = ["unshare", "--user", "--map-root-user", "--mount"];
    let probe = [&namespace[..], &["mount", "-t", "tmpfs", "none", "/mnt"]].concat();
    if !can(&probe) {
        // The limit on the size of files, in the next test, is what remains.
        eprintln!("NOT TESTED: this machine lets nobody mount a small disk");
        return;
    }
    // Full while the journal is installed, and full in the middle of the run.
    for fill in ["1474k", "1374k"] {
        let sandbox = Sandbox::with_shop();
        let text = ON_A_SMALL_DISK.replace("FILL", fill);
        let finished = script(&sandbox, &namespace, &text, None)
            .code(0)
            .says(&["no space left for", "full: 3", "restored: 0"])
            .never_says("shop.db.venomqa-");
        let dump = |name: &str| Database::at(sandbox.path(name)).dump();
        assert_same(&dump("before.db"), &dump("after.db"), &finished);
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_said_and_without_it_the_content_is_back() {
    for mode in [JournalMode::Wal, JournalMode::Delete] {
        let (sandbox, store, before) = scene(mode);
        let kilobytes = fs::metadata(sandbox.path("store.db")).unwrap().len() / 1024;
        // Too little for a copy; enough for the journal, and not for the run.
        for limit in [kilobytes / 2, kilobytes + 4, kilobytes + 400] {
            let text = format!(
                "trap '' XFSZ; ulimit -f {limit}; $VENOMQA explore --strategy bfs --max-steps 300 --no-corpus"
            );
            let finished = script(&sandbox, &[], &text, Some(&store));
            // Steps are written to the file as they come: the last limit is met in the middle of them, or never.
            assert!(
                words(&finished).contains("ulimit -f") || limit > kilobytes + 300,
                "{finished}"
            );
            let restored = sandbox.venomqa(["restore"]).start().wait().code(0);
            assert_same(&before, &store.dump(), &restored);
            assert_eq!(left(&sandbox), [""; 0], "{restored}");
        }
    }
}

#[test]
fn too_few_file_descriptors_are_said_and_nothing_is_left() {
    let (sandbox, store, before) = scene(JournalMode::Wal);
    let mut said = 0;
    for descriptors in 10..34 {
        let text = format!(
            "ulimit -n {descriptors}; $VENOMQA explore --strategy bfs --max-steps 20 --no-corpus"
        );
        let finished = script(&sandbox, &[], &text, Some(&store));
        let is_said = words(&finished).contains("Too many open files");
        let is_done = finished.stdout.contains("no violation");
        assert!(is_said || is_done, "{descriptors}: {finished}");
        said += usize::from(is_said);
        let restored = sandbox.venomqa(["restore"]).start().wait().code(0);
        assert_same(&before, &store.dump(), &restored);
        assert_eq!(left(&sandbox), [""; 0], "{descriptors}: {finished}");
    }
    assert!(said > 0, "none of these were too few");
}

#[test]
fn a_folder_that_cannot_be_written_is_said() {
    // The superuser may write everywhere, unless the right to do so is given up.
    let without: &[&str] = &[
        "setpriv",
        "--bounding-set=-dac_override,-dac_read_search",
        "--inh-caps=-all",
    ];
    let is_superuser = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    let wrapper = if is_superuser { without } else { &[] };
    if is_superuser && !can(&[without, &["true"]].concat()) {
        eprintln!("NOT TESTED: the superuser cannot give up rights here; run this as another user");
        return;
    }
    for mode in [JournalMode::Delete, JournalMode::Wal] {
        let (sandbox, store, before) = scene(mode);
        let rights = |mode: u32| {
            fs::set_permissions(sandbox.dir(), fs::Permissions::from_mode(mode)).unwrap();
        };
        rights(0o555);
        let text = "$VENOMQA explore --max-steps 20 --no-corpus; echo code: $?";
        let finished = script(&sandbox, wrapper, text, Some(&store));
        rights(0o755);
        let finished = finished.says(&["code: 3", "must be writable for"]);
        assert_same(&before, &store.dump(), &finished);
        assert_eq!(left(&sandbox), [""; 0], "{finished}");
    }
}
