//! Sees to it that the service does not outlive venomqa, also when that is killed with SIGKILL.
//!
//! A parent-death signal would need unsafe code, exists on Linux only, and reaches only the process itself, not those that it has
//! started. So a small process waits at the end of a pipe: when venomqa is gone, so is the other end of the pipe. It ends the group, and
//! on Linux whoever has left the group but still carries its [mark](super::offspring).

use std::process::Stdio;

use tokio::process::{Child, Command};

use super::offspring::{MARK, Mark};

/// Ends the group and those with the mark politely, and after three seconds by force.
const SCRIPT: &str = r#"
read -r _ && exit
group=$1 mark=$2
marked() { grep -lzxF -e "$mark" /proc/[0-9]*/environ | tr -dc '0-9\n'; }
kill -TERM "-$group" || group=
kill -TERM $(marked)
for _ in 1 2 3; do
    sleep 1
    [ -z "$group" ] || kill -0 "-$group" || group=
    [ -n "$group$(marked)" ] || exit
done
[ -z "$group" ] || kill -KILL "-$group"
kill -KILL $(marked)
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
    /// Guards the group that this process leads, and those that carry the mark. `None` where there is no shell to do so: then a SIGKILL leaves the service
    /// running, as it always did, and everything else is as ever.
    pub(super) fn of_group(leader: u32, mark: &Mark) -> Option<Self> {
        if !cfg!(unix) {
            return None;
        }
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "venomqa-guard", &leader.to_string()])
            .arg(format!("{MARK}={}", mark.value()))
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
