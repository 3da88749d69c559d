//! How the process ends. Also described in `docs/diagnostics.md` and in the README.

use crate::report::{Outcome, RunReport};

/// What the process ends with. Ordered by precedence: where several apply, the greatest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitCode {
    /// 0: the command did what it was asked to, and a run found no confirmed violation.
    Success,
    /// 1: a run found violations that were confirmed; with `--strict`, anything that keeps it from being clean.
    Violations,
    /// 2: the command line or a spec is wrong; nothing was started.
    Usage,
    /// 3: a run could not be carried out, left something behind, or its verdicts cannot be relied on; or a report could
    /// not be written.
    Failed,
    /// 130: the user asked to stop (SIGINT or SIGTERM) before the run was over.
    Interrupted,
}

impl ExitCode {
    /// The number.
    pub fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Violations => 1,
            Self::Usage => 2,
            Self::Failed => 3,
            Self::Interrupted => 130,
        }
    }

    /// What a run ends with. `strict` is no less than what `--strict` asks for: what was not confirmed, and what was not looked
    /// at, fails the run as well.
    pub fn of_run(run: &RunReport, strict: bool) -> Self {
        match run.outcome() {
            Outcome::Incomplete if strict => Self::Violations,
            Outcome::Clean | Outcome::Incomplete => Self::Success,
            Outcome::Violations => Self::Violations,
            Outcome::Failed => Self::Failed,
            Outcome::Interrupted => Self::Interrupted,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode::{Failed, Interrupted, Success, Usage, Violations};

    #[test]
    fn an_interruption_beats_a_failure_beats_wrong_usage_beats_violations() {
        assert!(
            Interrupted > Failed && Failed > Usage && Usage > Violations && Violations > Success
        );
    }

    #[test]
    fn the_numbers_are_those_of_the_documentation() {
        let numbers =
            [Success, Violations, Usage, Failed, Interrupted].map(super::ExitCode::number);
        assert_eq!(numbers, [0, 1, 2, 3, 130]);
    }
}
