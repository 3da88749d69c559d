//! A process under way.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use super::{Finished, PATIENCE, eventually};

/// A command that is running. Dropped, it is killed.
pub(crate) struct Running {
    shown: String,
    dir: PathBuf,
    child: Child,
    stdout: Option<Reader>,
    stderr: Reader,
}

impl Running {
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command, dir: &Path) -> Self {
        let shown = shown(command);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
        Self {
            shown,
            dir: dir.to_owned(),
            stdout: Some(Reader::of(child.stdout.take().unwrap())),
            stderr: Reader::of(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Starts it and closes the reading end of its standard output at once, as `| head -0` does.
    #[track_caller]
    pub(crate) fn spawn_unread(command: &mut Command, dir: &Path) -> Self {
        let shown = shown(command);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = command
            .stdout(Stdio::from(writer))
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
        Self {
            shown,
            dir: dir.to_owned(),
            stdout: None,
            stderr: Reader::of(child.stderr.take().unwrap()),
            child,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, if it was given one.
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Waits until its standard error says this.
    #[track_caller]
    pub(crate) fn wait_for_stderr(&mut self, text: &str) -> String {
        self.wait_for(text, |running| running.stderr.so_far())
    }

    /// Waits until its standard error says this, or it ends.
    pub(crate) fn wait_for_stderr_or_end(&mut self, text: &str) {
        eventually(&format!("{} says `{text}` or ends", self.shown), || {
            let said = self.stderr.so_far().contains(text);
            (said || self.child.try_wait().unwrap().is_some()).then_some(())
        });
    }

    /// Waits until its standard output says this.
    #[track_caller]
    pub(crate) fn wait_for_stdout(&mut self, text: &str) -> String {
        self.wait_for(text, |running| running.stdout.as_ref().unwrap().so_far())
    }

    #[track_caller]
    fn wait_for(&mut self, text: &str, so_far: impl Fn(&Self) -> String) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = so_far(self);
            if said.contains(text) {
                return said;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{} never said `{text}` ({ended:?}):\n{said}",
                self.shown
            );
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Sends a signal by its name: `INT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// SIGKILL, and waits until it is over.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Finished {
        let deadline = Instant::now() + PATIENCE;
        let (status, late) = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break (status, false);
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                break (self.child.wait().unwrap(), true);
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        };
        let finished = Finished {
            command: self.shown.clone(),
            dir: self.dir.clone(),
            status,
            stdout: self.stdout.take().map_or_else(String::new, Reader::all),
            stderr: self.stderr.take().all(),
        };
        assert!(!late, "it did not end within {PATIENCE:?}: {finished}");
        finished
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail where it is over already, as it should be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shown(command: &Command) -> String {
    let mut words = vec![
        Path::new(command.get_program())
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    ];
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

/// Sends a signal by its name. The standard library knows SIGKILL only, and only for children; every shell has `kill`.
pub(crate) fn signal(process: u32, name: &str) {
    // It may be over by now; who cares looks.
    let _ = Command::new("sh")
        .args(["-c", &format!("kill -{name} {process}")])
        .stderr(Stdio::null())
        .status();
}

/// Reads a pipe to its end, in a thread, so that a process never waits for its reader.
#[derive(Default)]
struct Reader {
    read: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let read = Arc::new(Mutex::new(Vec::new()));
        let kept = read.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                kept.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self {
            read,
            thread: Some(thread),
        }
    }

    fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.read.lock().unwrap()).into_owned()
    }

    /// What was read until the pipe was closed by everybody who had it.
    fn all(self) -> String {
        if let Some(thread) = &self.thread {
            eventually("the output of the process is closed", || {
                thread.is_finished().then_some(())
            });
        }
        self.so_far()
    }
}
