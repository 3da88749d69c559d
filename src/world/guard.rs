//! Sees to it that the service does not outlive venomqa, also when that is killed with SIGKILL.
//!
//! A parent-death signal would need unsafe code, exists on Linux only, and reaches only the process itself, not those that it has
//! started. So a small process waits at the end of a pipe: when venomqa is gone, so is the other end of the pipe.

use std::process::Stdio;

use tokio::process::{Child, Command};

/// Ends the group politely, and after three seconds by force.
const SCRIPT: &str = r#"
read -r _ && exit
kill -TERM "-$1" || exit
for _ in 1 2 3; do
    sleep 1
    kill -0 "-$1" || exit
done
kill -KILL "-$1"
"#;

/// Waits for the end of venomqa, to end a process group then. Dropped, it ends and does nothing.
#[derive(Debug)]
pub(super) struct Guard {
    /// Its standard input is the pipe.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "held so that the pipe stays open")
    )]
    process: Child,
}

impl Guard {
    /// Guards the group that this process leads. `None` where there is no shell to do so: then a SIGKILL leaves the service
    /// running, as it always did, and everything else is as ever.
    pub(super) fn of_group(leader: u32) -> Option<Self> {
        if !cfg!(unix) {
            return None;
        }
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "venomqa-guard", &leader.to_string()])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        // What is sent to venomqa's group, such as Ctrl-C, is not for the guard.
        #[cfg(unix)]
        command.process_group(0);
        let process = command.spawn().ok()?;
        Some(Self { process })
    }

    /// Closes the pipe, as the end of venomqa does.
    #[cfg(test)]
    pub(super) fn let_go(&mut self) {
        self.process.stdin = None;
    }
}
