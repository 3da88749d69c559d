//! Waiting for the user between two requests.

use std::io::Write as _;

use tokio::sync::mpsc;

use super::{Problem, Session};
use crate::interrupt::{Interrupt, Urgency};

/// The user's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Enter.
    GoOn,
    /// `q`, the end of the input, or a signal.
    Stop,
}

/// Asks the user.
pub(super) struct Pause {
    lines: mpsc::UnboundedReceiver<String>,
}

impl Pause {
    /// An error where standard input is no terminal.
    pub(super) fn new(session: &Session<'_>) -> Result<Self, Problem> {
        if !session.surroundings.stdin_is_terminal {
            return Err(Problem::usage(
                "`--step` waits for the Enter key, and standard input is no terminal",
            )
            .help("run it in a terminal, or without `--step`"));
        }
        let (sender, lines) = mpsc::unbounded_channel();
        // A read of standard input cannot be cancelled. A thread of its own does it, and the process ends without waiting for it.
        std::thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { lines })
    }

    /// Shows a question and waits for the answer.
    pub(super) async fn ask(&mut self, question: &str, interrupt: &Interrupt) -> Answer {
        let mut stderr = std::io::stderr();
        // Where the question cannot be shown, the answer counts all the same.
        let _ = write!(stderr, "{}", crate::visible::lines(question, false));
        let _ = stderr.flush();
        let line = tokio::select! {
            line = self.lines.recv() => line,
            () = interrupt.reached(Urgency::Soon) => None,
        };
        match line {
            Some(line) if !line.trim().eq_ignore_ascii_case("q") => Answer::GoOn,
            _ => Answer::Stop,
        }
    }
}
