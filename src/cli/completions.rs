//! `venomqa completions SHELL`

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::args::CommandLine;
use super::{ExitCode, Problem, Session};

pub(super) fn run(session: &Session<'_>, shell: Shell) -> Result<ExitCode, Problem> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "venomqa", &mut script);
    session.program(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::Success)
}
