//! Processes that come from a service which venomqa has started, wherever they have gone: also those that left its process group,
//! as a service does that makes itself a daemon. They are known by a mark in their environment, which children inherit.
//!
//! Linux only, where the environment of other processes can be read. Elsewhere there are none as far as is known.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The variable that carries the mark.
pub(super) const MARK: &str = "VENOMQA_SERVICE_OF";

/// Pause between two looks whether a process has ended.
const PAUSE: Duration = Duration::from_millis(5);

/// The mark of one start of a service: which venomqa it is that started it, and a number.
#[derive(Clone, Debug)]
pub(super) struct Mark(String);

impl Mark {
    /// A mark that no other start has.
    pub(super) fn new() -> Self {
        static STARTS: AtomicU32 = AtomicU32::new(0);
        let id = process::id();
        let since = began(id).unwrap_or_default();
        let start = STARTS.fetch_add(1, Ordering::Relaxed);
        Self(format!("{id}.{since}.{start}"))
    }

    /// The value of [`MARK`].
    pub(super) fn value(&self) -> &str {
        &self.0
    }

    /// Those that carry it.
    fn processes(&self) -> Vec<u32> {
        let marked = marked().into_iter().filter(|(_, mark)| *mark == self.0);
        marked.map(|(id, _)| id).collect()
    }

    /// Ends those that carry it: politely first, after `grace` by force.
    pub(super) async fn end(&self, grace: Duration) {
        let processes = self.processes();
        end(&processes, grace).await;
    }

    /// Ends those that carry it without asking them.
    pub(super) fn kill(&self) {
        for id in self.processes() {
            signal(id, Signal::Kill);
        }
    }
}

/// A process whose service was started by a venomqa that is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Its number.
    pub id: u32,
    /// Its command line; passwords in it are left out.
    pub command: String,
}

/// The processes that runs have left behind which were killed.
pub fn orphans() -> Vec<Orphan> {
    let here = namespace("self");
    let is_orphan = |(id, mark): &(u32, String)| {
        // Elsewhere the numbers of processes mean others.
        let mut parts = mark.split('.');
        let owner = (|| {
            let id: u32 = parts.next()?.parse().ok()?;
            let since: u64 = parts.next()?.parse().ok()?;
            Some((id, since))
        })();
        here.is_some()
            && namespace(&id.to_string()) == here
            && owner.is_some_and(|(owner, since)| began(owner) != Some(since))
    };
    let left = marked().into_iter().filter(is_orphan);
    left.map(|(id, _)| Orphan {
        id,
        command: command(id),
    })
    .collect()
}

impl Orphan {
    /// Ends all of these: politely first, after `grace` by force. Returns those that are still there.
    pub async fn end_all(all: &[Self], grace: Duration) -> Vec<Self> {
        let ids: Vec<u32> = all.iter().map(|it| it.id).collect();
        end(&ids, grace).await;
        let left = orphans();
        all.iter().filter(|it| left.contains(it)).cloned().collect()
    }
}

async fn end(processes: &[u32], grace: Duration) {
    if processes.is_empty() {
        return;
    }
    for id in processes {
        signal(*id, Signal::Terminate);
    }
    let deadline = Instant::now() + grace;
    let is_left = || processes.iter().any(|id| is_running(*id));
    while is_left() && Instant::now() < deadline {
        sleep(PAUSE).await;
    }
    for id in processes.iter().filter(|id| is_running(**id)) {
        signal(*id, Signal::Kill);
    }
    let deadline = Instant::now() + grace;
    while is_left() && Instant::now() < deadline {
        sleep(PAUSE).await;
    }
}

#[derive(Clone, Copy)]
enum Signal {
    Terminate,
    Kill,
}

#[cfg(target_os = "linux")]
fn signal(id: u32, signal: Signal) {
    use rustix::process::{Pid, kill_process};
    let signal = match signal {
        Signal::Terminate => rustix::process::Signal::TERM,
        Signal::Kill => rustix::process::Signal::KILL,
    };
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    if let Some(id) = id {
        // It may have ended meanwhile. Whoever is still there is seen by the next look.
        let _ = kill_process(id, signal);
    }
}

#[cfg(not(target_os = "linux"))]
fn signal(_: u32, _: Signal) {}

/// All processes with a mark that may be looked into.
fn marked() -> Vec<(u32, String)> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let prefix = format!("{MARK}=");
    ids.filter_map(|id: u32| {
        // A process that is over but not yet waited for has no environment any more; that of others cannot be read.
        let environment = std::fs::read(format!("/proc/{id}/environ")).ok()?;
        let mut variables = environment.split(|byte| *byte == 0);
        let mark = variables.find_map(|it| it.strip_prefix(prefix.as_bytes()))?;
        Some((id, String::from_utf8_lossy(mark).into_owned()))
    })
    .collect()
}

/// When a process began, in ticks of the kernel; `None` where there is none.
fn began(id: u32) -> Option<u64> {
    let line = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in parentheses may hold anything; the 20th field behind it is the 22nd of the line.
    let (_, fields) = line.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// Whether a process is there and does something yet.
fn is_running(id: u32) -> bool {
    let Ok(line) = std::fs::read_to_string(format!("/proc/{id}/stat")) else {
        return false;
    };
    let state = line.rsplit_once(')').map(|(_, fields)| fields.trim_start());
    state.is_some_and(|state| !state.starts_with(['Z', 'X']))
}

fn command(id: u32) -> String {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let words = line
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty());
    let words = words.map(|word| crate::secret::without_password(&String::from_utf8_lossy(word)));
    words.collect::<Vec<_>>().join(" ")
}

/// In which world of process numbers a process lives.
fn namespace(id: &str) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{id}/ns/pid")).ok()
}
