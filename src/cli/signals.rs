//! Signals become the user's wish to stop. Nothing is killed: whatever happens, databases are put back and services
//! stopped.

use std::io::Write as _;

use super::Problem;
use crate::interrupt::{Interrupt, Urgency};

/// Turns each signal that asks to stop into a request. On a thread of its own, for a query of SQLite keeps the thread of the run.
pub(super) fn listen(interrupt: Interrupt) -> Result<(), Problem> {
    let cannot = |error| Problem::failed(format!("cannot listen for signals: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(cannot)?;
    let mut signals = {
        let _guard = runtime.enter();
        Signals::new().map_err(cannot)?
    };
    let forward = async move {
        loop {
            signals.next().await;
            interrupt.request();
            let note = match interrupt.urgency() {
                Urgency::None => continue,
                Urgency::Soon => "  stopping: what is under way may take half a second more",
                Urgency::Now => "  giving up what is under way; putting everything back",
            };
            // The request to stop counts even where the note cannot be written.
            let _ = writeln!(std::io::stderr(), "{note}");
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(forward))
        .map_err(cannot)?;
    Ok(())
}

/// SIGINT (Ctrl-C), SIGTERM, and SIGHUP for a terminal that was closed.
#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Ctrl-C.
#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
