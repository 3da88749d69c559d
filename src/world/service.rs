//! The service as a child process: started in its own process group, its output kept, always stopped.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessGroup};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::guard::Guard;
use super::offspring::{MARK, Mark};
use super::{WorldError, WorldErrorKind};

/// How long a service may take to stop by itself before it is killed.
const GRACE: Duration = Duration::from_millis(if cfg!(test) { 300 } else { 3000 });

/// Bytes of output that are kept, the newest.
const KEPT_LOG: usize = 64 * 1024;

/// Lines of the log that an error shows.
pub(super) const LOG_LINES: usize = 20;

/// Longest line of the log that is shown, in characters.
const SHOWN_LINE: usize = 400;

/// A running process and those that it started.
#[derive(Debug)]
pub(super) struct Service {
    child: Box<dyn ChildWrapper>,
    log: Log,
    readers: Vec<JoinHandle<()>>,
    name: String,
    guard: Option<Guard>,
    /// Of a service, not of a command.
    mark: Option<Mark>,
}

/// What to start.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    /// Program and arguments.
    pub(super) command: Vec<String>,
    /// Environment variables beside venomqa's own.
    pub(super) env: Vec<(String, String)>,
    /// Working directory.
    pub(super) cwd: PathBuf,
}

impl Launch {
    /// The command as people type it.
    pub(super) fn shown(&self) -> String {
        let words = self
            .command
            .iter()
            .map(|word| crate::secret::without_password(word));
        words.collect::<Vec<_>>().join(" ")
    }
}

impl Service {
    /// Starts a process as [`Service::spawn`] does, which ends also when venomqa is killed with SIGKILL.
    pub(super) fn spawn_guarded(launch: &Launch) -> Result<Self, WorldError> {
        let mark = Mark::new();
        let mut service = Self::start(launch, Some(mark.clone()))?;
        let leader = service.child.id();
        service.guard = leader.and_then(|id| Guard::of_group(id, &mark));
        Ok(service)
    }

    /// Starts a process. It leads a process group of its own, so that Ctrl-C in a terminal reaches venomqa alone, which
    /// then puts the database back before it stops the service. What it leaves behind outside its group goes on running: a command
    /// that resets a service may start that.
    pub(super) fn spawn(launch: &Launch) -> Result<Self, WorldError> {
        Self::start(launch, None)
    }

    fn start(launch: &Launch, mark: Option<Mark>) -> Result<Self, WorldError> {
        let Some((program, arguments)) = launch.command.split_first() else {
            return Err(WorldError::new(
                WorldErrorKind::Service,
                "`service.command` is empty",
            ));
        };
        // Where a relative program is looked for differs between platforms once the child has another working
        // directory; here it is always relative to that directory.
        let path = if program.contains('/') {
            launch.cwd.join(program)
        } else {
            PathBuf::from(program)
        };
        let marked = mark.iter().map(|mark| (MARK, mark.value()));
        let mut command = CommandWrap::with_new(path, |command| {
            command
                .args(arguments)
                .envs(launch.env.iter().map(|(name, value)| (name, value)))
                .envs(marked)
                .current_dir(&launch.cwd)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
        });
        #[cfg(unix)]
        command.wrap(ProcessGroup::leader());
        command.wrap(KillOnDrop);
        let mut child = command.spawn().map_err(|error| {
            let help = if launch.cwd.is_dir() {
                format!(
                    "a relative program is looked for in the service's working directory, `{}`",
                    launch.cwd.display()
                )
            } else {
                format!(
                    "its working directory `{}` does not exist",
                    launch.cwd.display()
                )
            };
            WorldError::new(
                WorldErrorKind::Service,
                format!("cannot start `{}`: {error}", launch.shown()),
            )
            .with_help(help)
            .with_source(error)
        })?;
        let log = Log::default();
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout().take() {
            readers.push(tokio::spawn(keep(stdout, log.clone())));
        }
        if let Some(stderr) = child.stderr().take() {
            readers.push(tokio::spawn(keep(stderr, log.clone())));
        }
        Ok(Self {
            child,
            log,
            readers,
            guard: None,
            mark,
            // Without its folder, which differs between machines.
            name: Path::new(program).file_name().map_or_else(
                || program.clone(),
                |name| name.to_string_lossy().into_owned(),
            ),
        })
    }

    /// How it ended, if it has.
    pub(super) fn exited(&mut self) -> Option<ExitStatus> {
        // An error means that the process cannot be waited for, so it is not there any more, and nobody knows how it
        // ended; what it was doing fails by itself then.
        self.child.try_wait().ok().flatten()
    }

    /// How it ended, if it ends within this time.
    pub(super) async fn exits_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            let exited = self.exited();
            if exited.is_some() || Instant::now() >= deadline {
                return exited;
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// The last lines that it wrote, stdout and stderr as they came.
    pub(super) async fn log_tail(&mut self, lines: usize) -> Vec<String> {
        if self.exited().is_some() {
            // What it wrote last is still in the pipes. A grandchild may hold them open, so do not wait for ever.
            let deadline = Instant::now() + Duration::from_millis(300);
            for reader in &mut self.readers {
                if !reader.is_finished() {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let _ = timeout(left, reader).await;
                }
            }
        } else {
            // Let the readers run once.
            sleep(Duration::from_millis(1)).await;
        }
        self.log.tail(lines)
    }

    /// The last lines of its log under a heading, for [`WorldError::details`].
    pub(super) async fn log_details(&mut self) -> Vec<String> {
        let lines = self.log_tail(LOG_LINES).await;
        if lines.is_empty() {
            return vec![format!("`{}` wrote nothing", self.name)];
        }
        let mut details = vec![format!("the last lines of `{}`:", self.name)];
        details.extend(lines.into_iter().map(|line| format!("  {line}")));
        details
    }

    /// Stops the process, everything in its group, and what has left the group: first politely, after a grace period by force.
    pub(super) async fn stop(mut self) {
        if self.exited().is_none() && self.terminate() {
            self.exits_within(GRACE).await;
        }
        // Whoever is left of the group. That nobody is left is the usual case, and no error.
        let _ = self.child.start_kill();
        self.exits_within(GRACE).await;
        if let Some(mark) = &self.mark {
            mark.end(GRACE).await;
        }
    }

    #[cfg(unix)]
    fn terminate(&self) -> bool {
        const SIGTERM: i32 = 15;
        self.child.signal(SIGTERM).is_ok()
    }

    #[cfg(not(unix))]
    fn terminate(&self) -> bool {
        false
    }
}

impl Drop for Service {
    /// After an error or a panic nobody waits for a polite end.
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        if let Some(mark) = &self.mark {
            mark.kill();
        }
        for reader in &self.readers {
            reader.abort();
        }
    }
}

/// How a process ended, in words: `exited with code 3`, `was ended by signal 9`.
pub(super) fn ending(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("was ended by signal {signal}");
    }
    match status.code() {
        Some(code) => format!("exited with code {code}"),
        None => format!("ended: {status}"),
    }
}

/// The newest output of a process.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<VecDeque<u8>>>);

impl Log {
    fn append(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = &bytes[bytes.len().saturating_sub(KEPT_LOG)..];
        let excess = (kept.len() + bytes.len()).saturating_sub(KEPT_LOG);
        kept.drain(..excess);
        kept.extend(bytes);
    }

    fn tail(&self, lines: usize) -> Vec<String> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(kept.make_contiguous()).into_owned();
        drop(kept);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..]
            .iter()
            .map(|line| {
                // A log may hold escape codes, which must not reach the user's terminal.
                line.chars()
                    .filter(|character| *character == '\t' || !character.is_control())
                    .take(SHOWN_LINE)
                    .collect()
            })
            .collect()
    }
}

/// Reads all that a process writes, always, so that a full pipe never makes it wait.
async fn keep(mut output: impl AsyncRead + Unpin, log: Log) {
    let mut buffer = vec![0; 8 * 1024];
    while let Ok(length) = output.read(&mut buffer).await {
        if length == 0 {
            break;
        }
        log.append(&buffer[..length]);
    }
}

#[cfg(test)]
mod tests;
