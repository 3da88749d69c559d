//! What the process can know of its surroundings, read once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal as _;

use crate::report::Console;

/// Arguments, environment and terminals. Nothing further in reads any of these by itself.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The command line, the program's name first.
    pub arguments: Vec<OsString>,
    /// Environment variables that are valid Unicode.
    pub variables: BTreeMap<String, String>,
    /// Whether somebody may answer on standard input.
    pub stdin_is_terminal: bool,
    /// Whether somebody watches standard output.
    pub stdout_is_terminal: bool,
    /// Whether somebody watches standard error.
    pub stderr_is_terminal: bool,
    /// Columns of the terminal, if there is one.
    pub columns: Option<usize>,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_this_process() -> Self {
        Self {
            arguments: std::env::args_os().collect(),
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            columns: terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)),
        }
    }

    /// The value of an environment variable.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    /// Columns of a report on standard output.
    pub fn report_columns(&self) -> usize {
        match self.columns {
            Some(columns) if self.stdout_is_terminal => columns,
            _ => Console::DEFAULT_WIDTH,
        }
    }

    /// Whether a stream is decorated where no flag decides: only a terminal, only one that can, and never against
    /// `NO_COLOR` (<https://no-color.org>).
    pub fn wants_color(&self, is_terminal: bool) -> bool {
        let refused = self
            .variables
            .get("NO_COLOR")
            .is_some_and(|value| !value.is_empty());
        let dumb = self
            .variables
            .get("TERM")
            .is_some_and(|terminal| terminal == "dumb");
        is_terminal && !refused && !dumb
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_and_dumb_terminals_are_respected() {
        let with = |name: &str, value: &str| Surroundings {
            variables: [(name.to_owned(), value.to_owned())].into(),
            ..Surroundings::default()
        };
        assert!(Surroundings::default().wants_color(true));
        assert!(!Surroundings::default().wants_color(false));
        assert!(!with("NO_COLOR", "1").wants_color(true));
        assert!(with("NO_COLOR", "").wants_color(true));
        assert!(!with("TERM", "dumb").wants_color(true));
    }

    #[test]
    fn a_pipe_gets_the_default_width_whatever_the_terminal_beside_it() {
        let piped = Surroundings {
            columns: Some(200),
            ..Surroundings::default()
        };
        assert_eq!(piped.report_columns(), Console::DEFAULT_WIDTH);
    }
}
