//! A folder of its own for each test, and the built binary started in it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Finished, Running, eventually};

const SHOP: &str = include_str!("../../../specs/shop.yaml");

/// The arguments of a command: a text of words without spaces in them, or a list.
pub(crate) trait Words {
    fn words(self) -> Vec<OsString>;
}

impl Words for &str {
    fn words(self) -> Vec<OsString> {
        self.split_whitespace().map(OsString::from).collect()
    }
}

impl Words for String {
    fn words(self) -> Vec<OsString> {
        self.as_str().words()
    }
}

impl<T: AsRef<OsStr>> Words for &[T] {
    fn words(self) -> Vec<OsString> {
        self.iter().map(|word| word.as_ref().to_owned()).collect()
    }
}

impl<T: AsRef<OsStr>> Words for Vec<T> {
    fn words(self) -> Vec<OsString> {
        self.as_slice().words()
    }
}

impl<T: AsRef<OsStr>, const N: usize> Words for [T; N] {
    fn words(self) -> Vec<OsString> {
        self.as_slice().words()
    }
}

/// A folder with everything that one test has, removed at its end. Processes that are still there then are ended.
pub(crate) struct Sandbox {
    root: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let root = new_folder();
        let sandbox = Self { root };
        for folder in [sandbox.dir(), &sandbox.temp_dir(), &sandbox.home()] {
            fs::create_dir_all(folder).unwrap();
        }
        sandbox
    }

    /// A sandbox with a spec in it that is found by itself.
    pub(crate) fn with_spec(text: &str) -> Self {
        let sandbox = Self::new();
        sandbox.write("venomqa.yaml", text);
        sandbox
    }

    /// A sandbox with the built-in shop's spec among its specs.
    pub(crate) fn with_shop() -> Self {
        let sandbox = Self::new();
        sandbox.write("specs/shop.yaml", SHOP);
        sandbox
    }

    /// Where commands run.
    pub(crate) fn dir(&self) -> &Path {
        self.root.path()
    }

    /// Where commands put their temporary files. Also what all processes of this test are known by.
    fn temp_dir(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The built binary with these arguments, in this folder, with an environment that has nothing from outside in it.
    pub(crate) fn venomqa(&self, words: impl Words) -> Invocation<'_> {
        let mut command = self.command(env!("CARGO_BIN_EXE_venomqa"));
        command.args(words.words());
        Invocation {
            sandbox: self,
            command,
        }
    }

    /// Any other program, in the same surroundings.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("TMPDIR", self.temp_dir())
            .current_dir(self.dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Fails when a process of this test is still there, or a temporary file.
    #[track_caller]
    pub(crate) fn assert_nothing_is_left(&self, after: &str) {
        // A process that was killed takes a moment to disappear.
        eventually(&format!("no process is left after {after}"), || {
            self.processes().is_empty().then_some(())
        });
        let files: Vec<_> = fs::read_dir(self.temp_dir())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(files.is_empty(), "{after} left {files:?}");
    }

    /// The processes that were started in this sandbox, by whomever: all of them have its temporary folder in their
    /// environment.
    #[cfg(target_os = "linux")]
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mark = format!("TMPDIR={}", self.temp_dir().display()).into_bytes();
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|id: &u32| {
                // A process that is over but not yet waited for has no environment any more.
                fs::read(format!("/proc/{id}/environ"))
                    .is_ok_and(|all| all.split(|byte| *byte == 0).any(|one| one == mark))
            })
            .collect()
    }

    /// Elsewhere there is no way to look into the environment of other processes.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn processes(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Ends the processes that are still there without asking them.
    pub(crate) fn kill_processes(&self) {
        for id in self.processes() {
            super::running::signal(id, "KILL");
        }
    }
}

/// In memory where that is possible: the tests wait for hundreds of commits, and none of them is about power cuts.
fn new_folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir()
        && let Ok(folder) = TempDir::with_prefix_in("venomqa-test-", memory)
    {
        return folder;
    }
    TempDir::with_prefix("venomqa-test-").unwrap()
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.kill_processes();
    }
}

/// A command that is about to be run.
pub(crate) struct Invocation<'s> {
    sandbox: &'s Sandbox,
    command: Command,
}

impl Invocation<'_> {
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn args(mut self, words: impl Words) -> Self {
        self.command.args(words.words());
        self
    }

    /// Explores the service at this address.
    pub(crate) fn at(self, url: &str) -> Self {
        self.args(["--base-url", url])
    }

    /// Runs it to its end. Whatever it started must have ended, too, and its temporary files must be gone.
    #[track_caller]
    pub(crate) fn run(self) -> Finished {
        let sandbox = self.sandbox;
        let finished = self.start().wait();
        sandbox.assert_nothing_is_left(&finished.to_string());
        finished
    }

    /// Starts it with nobody to read its standard output.
    #[track_caller]
    pub(crate) fn run_unread(mut self) -> Finished {
        Running::spawn_unread(&mut self.command, self.sandbox.dir()).wait()
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn start(mut self) -> Running {
        Running::spawn(&mut self.command, self.sandbox.dir())
    }
}
