//! Where a command writes: results to standard output, everything else to standard error.

use std::io::{self, Write};

use anstyle::{AnsiColor, Effects, Style};

use super::ExitCode;
use super::args::ColorWhen;
use super::surroundings::Surroundings;
use crate::visible;

const ERROR: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
const HELP: Style = AnsiColor::Cyan.on_default();

/// The surroundings, and the decisions that follow from them.
pub(super) struct Session<'s> {
    pub(super) surroundings: &'s Surroundings,
    /// Whether standard output is decorated.
    pub(super) color_stdout: bool,
    /// Whether standard error is decorated.
    pub(super) color_stderr: bool,
    /// Whether everything is shown.
    pub(super) is_verbose: bool,
}

/// Something that keeps a command from being carried out.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) code: ExitCode,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Problem {
    /// The command line or a spec is wrong.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self {
            code: ExitCode::Usage,
            message: message.into(),
            help: None,
        }
    }

    /// The command was right, but could not be carried out.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self {
            code: ExitCode::Failed,
            ..Self::usage(message)
        }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }
}

impl<'s> Session<'s> {
    pub(super) fn new(surroundings: &'s Surroundings, color: ColorWhen, is_verbose: bool) -> Self {
        let decide = |is_terminal| match color {
            ColorWhen::Auto => surroundings.wants_color(is_terminal),
            ColorWhen::Always => true,
            ColorWhen::Never => false,
        };
        Self {
            color_stdout: decide(surroundings.stdout_is_terminal),
            color_stderr: decide(surroundings.stderr_is_terminal),
            is_verbose,
            surroundings,
        }
    }

    /// Writes a result for people.
    pub(super) fn result(&self, text: &str) -> Result<(), Problem> {
        self.program(&visible::lines(text, false))
    }

    /// Writes a text for a program, as it is: whoever made it has seen to what stands in it. A reader that has gone away
    /// (`| head`) is no error.
    #[expect(
        clippy::unused_self,
        reason = "writing is the session's business, so that nobody else has to know standard output"
    )]
    pub(super) fn program(&self, text: &str) -> Result<(), Problem> {
        let mut stdout = io::stdout().lock();
        match stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
        {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Problem::failed(
                format!("cannot write to standard output: {error}"),
            )),
            _ => Ok(()),
        }
    }

    /// Writes a part of a result that is decorated where that is wanted.
    pub(super) fn page(&self, text: &str) -> Result<(), Problem> {
        if self.color_stdout {
            self.program(&visible::lines(text, true))
        } else {
            self.result(&anstream::adapter::strip_str(text).to_string())
        }
    }

    /// Writes something that is no result: where it cannot be read, nothing is lost.
    pub(super) fn note(&self, text: &str) {
        let _ = writeln!(self.stderr(), "{}", visible::lines(text, true));
    }

    /// Says what went wrong.
    pub(super) fn complain(&self, message: &str, help: Option<&str>) {
        self.note(&format!("{ERROR}error:{ERROR:#} {message}"));
        if let Some(help) = help {
            self.note(&format!("  {HELP}help:{HELP:#} {help}"));
        }
    }

    /// Says what went wrong, and with which code that ends the process.
    pub(super) fn report(&self, problem: &Problem) -> ExitCode {
        self.complain(&problem.message, problem.help.as_deref());
        problem.code
    }

    fn stderr(&self) -> impl Write + use<> {
        anstream::AutoStream::new(
            io::stderr(),
            if self.color_stderr {
                anstream::ColorChoice::Always
            } else {
                anstream::ColorChoice::Never
            },
        )
    }
}
