//! Links and pipes that came with a repository: nothing outside is read or written, nothing hangs, nothing is locked twice.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::{Finished, JournalMode, Sandbox, Store, store};

/// The store with its bug, and beside it a file that is nobody's business.
fn scene() -> (Sandbox, Store) {
    let sandbox = Sandbox::with_spec(store::SPEC);
    sandbox.write("outside/private", PRIVATE);
    let store = Store::start(&sandbox, JournalMode::Delete, true);
    (sandbox, store)
}

const PRIVATE: &str = "reproduction: private\n";
const KEPT: &str = ".venomqa/no_refund_beyond_the_total-refund.yaml";

/// Explores until the bug is found. What lies outside is as it was, and is not shown.
#[track_caller]
fn explore(sandbox: &Sandbox, store: &Store, more: &str, code: i32) -> Finished {
    let finished = sandbox
        .venomqa("explore --strategy bfs --max-steps 40")
        .args(more)
        .env("STORE_URL", store.url())
        .run()
        .code(code)
        .never_says("private\n");
    let outside: Vec<_> = fs::read_dir(sandbox.path("outside"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(outside, ["private"], "{finished}");
    assert_eq!(sandbox.read("outside/private"), PRIVATE, "{finished}");
    finished
}

fn pipe(at: &Path) {
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(at).status().unwrap().success());
}

#[test]
fn a_second_run_is_refused_by_whichever_name_of_the_database() {
    let (sandbox, store) = scene();
    let endless = [
        "explore",
        "--max-steps",
        "1000000",
        "--progress-every",
        "1",
        "--no-corpus",
    ];
    let mut first = sandbox
        .venomqa(endless)
        .env("STORE_URL", store.url())
        .start();
    first.wait_for_stderr("step 3/");
    symlink("store.db", sandbox.path("link.db")).unwrap();
    fs::hard_link(sandbox.path("store.db"), sandbox.path("outside/hard.db")).unwrap();
    for name in [
        "store.db",
        "./link.db",
        "outside/../link.db",
        "outside/hard.db",
    ] {
        sandbox.write("second.yaml", &store::SPEC.replace("store.db", name));
        sandbox
            .venomqa("explore second.yaml --no-corpus")
            .env("STORE_URL", store.url())
            .start()
            .wait()
            .code(3)
            .says(&["another venomqa run (process "]);
    }
    first.signal("INT");
    first.wait().code(130);
}

#[test]
fn a_lock_file_that_is_a_link_or_a_pipe_is_refused() {
    let (sandbox, store) = scene();
    let lock = sandbox.path("store.db.venomqa-lock");
    symlink("outside/private", &lock).unwrap();
    explore(&sandbox, &store, "", 3).says(&["it is a symbolic link", "remove it: `rm "]);
    fs::remove_file(&lock).unwrap();
    pipe(&lock);
    explore(&sandbox, &store, "", 3).says(&["it is a pipe, a socket or a device"]);
    fs::remove_file(&lock).unwrap();
    explore(&sandbox, &store, "", 1);
}

#[test]
fn a_folder_of_reproductions_that_is_a_link_is_neither_read_nor_written() {
    let (sandbox, store) = scene();
    symlink("outside", sandbox.path(".venomqa")).unwrap();
    explore(&sandbox, &store, "", 1).complains(&[
        "`.venomqa` cannot be read: it is a symbolic link",
        "the reproduction cannot be written",
        "remove it, or say `--no-corpus`",
    ]);
}

#[test]
fn what_is_no_file_among_the_reproductions_is_not_opened() {
    let (sandbox, store) = scene();
    pipe(&sandbox.path(".venomqa/pipe.yaml"));
    symlink("/dev/zero", sandbox.path(".venomqa/device.yaml")).unwrap();
    symlink("../outside/private", sandbox.path(KEPT)).unwrap();
    explore(&sandbox, &store, "", 1).complains(&[
        "pipe.yaml` cannot be read: it is a pipe",
        "device.yaml` cannot be read: it is a symbolic link",
        "refund.yaml` cannot be read: it is a symbolic link",
    ]);
    for file in ["pipe.yaml", "device.yaml"] {
        let path = format!(".venomqa/{file}");
        sandbox
            .venomqa(["replay", &path])
            .run()
            .code(2)
            .complains(&["which venomqa does not open here"]);
    }
    sandbox
        .venomqa(["replay", KEPT])
        .run()
        .code(2)
        .never_says("private\n");
}

#[test]
fn a_report_is_made_new_for_this_user_alone_and_goes_through_no_link() {
    let (sandbox, store) = scene();
    symlink("outside/private", sandbox.path("link")).unwrap();
    symlink("outside", sandbox.path("linked")).unwrap();
    pipe(&sandbox.path("pipe"));
    let whole = sandbox.path("linked/private");
    for path in [
        "link",
        "linked/private",
        "linked/new/file",
        whole.to_str().unwrap(),
    ] {
        explore(&sandbox, &store, &format!("--report json={path}"), 2)
            .complains(&["is a symbolic link", "remove the link: `rm "]);
    }
    explore(&sandbox, &store, "--report json=pipe", 2).complains(&["it is a pipe"]);
    for format in [
        "console", "json", "log", "html", "junit", "markdown", "github", "sarif",
    ] {
        let old = sandbox.write("report", "old");
        let second = sandbox.path("second");
        let _ = fs::remove_file(&second);
        fs::hard_link(&old, &second).unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o666)).unwrap();
        let flag = format!("{format}=report");
        explore(&sandbox, &store, &format!("--no-corpus --report {flag}"), 1);
        let mode = fs::metadata(&old).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{format}");
        assert_eq!(sandbox.read("second"), "old", "{format}");
    }
}

#[test]
fn a_report_may_go_to_what_the_system_itself_calls_a_file() {
    let (sandbox, store) = scene();
    let flags = |path: &str| format!("json={path}");
    for path in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let finished = explore(&sandbox, &store, &format!("--report {}", flags(path)), 1);
        assert!(
            finished.stdout.contains("\"runs\": ["),
            "{path}: {finished}"
        );
    }
    let finished = explore(
        &sandbox,
        &store,
        &format!("--report {}", flags("/dev/stderr")),
        1,
    );
    assert!(finished.stderr.contains("\"runs\": ["), "{finished}");
    explore(
        &sandbox,
        &store,
        &format!("--report {}", flags("/dev/null")),
        1,
    );
    // Process substitution.
    let mut shell = sandbox.command("bash");
    shell
        .arg("-c")
        .arg(format!(
            "{} explore --max-steps 5 --no-corpus --report json=>(cat >copy); sleep 0.5; cat copy",
            env!("CARGO_BIN_EXE_venomqa")
        ))
        .env("STORE_URL", store.url());
    let finished = crate::support::Running::spawn(&mut shell, sandbox.dir()).wait();
    assert!(finished.stdout.contains("\"runs\": ["), "{finished}");
}

#[test]
fn what_a_link_called_like_the_safety_copy_leads_to_stays() {
    for name in ["store.db.venomqa-before", "store.db.venomqa-before.partial"] {
        let (sandbox, store) = scene();
        symlink("outside/private", sandbox.path(name)).unwrap();
        explore(&sandbox, &store, "--no-corpus", 1);
        // The run removed the link, and nothing else.
        if fs::symlink_metadata(sandbox.path(name)).is_err() {
            symlink("outside/private", sandbox.path(name)).unwrap();
        }
        sandbox.venomqa("restore --sqlite store.db").run().code(0);
        assert_eq!(sandbox.read("outside/private"), PRIVATE);
    }
}
