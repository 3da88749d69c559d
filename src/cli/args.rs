//! What was typed: the command line as clap reads it. Checked and completed in [`options`](super::options).

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use super::formats::ReportRequest;
use super::values::{
    Assignment, ReportParser, StrategyName, parse_assignment, parse_base_url, parse_duration,
    parse_severity, parse_share,
};
use crate::model::Severity;

/// Finds bugs that live in sequences of API calls.
///
/// venomqa reads a spec (actions, invariants), starts or finds the service, and walks the graph of its reachable states.
/// Between branches it puts the service's database back to the exact earlier state. Every violation comes with a
/// confirmed path and the rows that prove it.
#[derive(Debug, Parser)]
#[command(name = "venomqa", version, propagate_version = true, after_help = EXIT_CODES)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Command,

    /// When to use colours; `auto` means on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(super) color: ColorWhen,

    /// Show of every violation all rows, headers and bodies, not only the essential
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
}

const EXIT_CODES: &str = "\
Exit codes: 0 no violation, 1 violations, 2 wrong usage or spec, 3 the run could not be trusted or carried out, \
130 interrupted.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Explore a service and report what is wrong with it
    Explore(Explore),
    /// Check specs without starting anything
    Validate(Validate),
    /// Write a commented starter spec, `venomqa.yaml`
    Init,
    /// Explore the built-in shop and find the bugs planted in it
    Demo(Demo),
    /// Run a reproduction again: the minimal path of a violation that was found before
    Replay(Replay),
    /// Put databases back that a killed run changed, and end what it left running
    Restore(Restore),
    /// Render finished runs again from their logs, or merge those of a CI matrix
    Report(Report),
    /// Say why two states of a finished run are the same or not
    ExplainStates(ExplainStates),
    /// Print the JSON Schema of the spec, for editors
    Schema,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// When output is decorated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
pub(super) struct Explore {
    #[command(flatten)]
    pub(super) specs: Specs,

    #[command(flatten)]
    pub(super) flags: ExploreFlags,

    #[command(flatten)]
    pub(super) values: SpecValues,
}

#[derive(Debug, Args)]
pub(super) struct Validate {
    #[command(flatten)]
    pub(super) specs: Specs,

    #[command(flatten)]
    pub(super) values: SpecValues,
}

#[derive(Debug, Args)]
pub(super) struct Specs {
    /// Specs, or folders of specs; left out: ./venomqa.yaml, else every .yaml and .yml file in ./specs
    #[arg(value_name = "SPEC", value_hint = ValueHint::FilePath)]
    pub(super) specs: Vec<PathBuf>,
}

/// Flags that fill in a spec.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct SpecValues {
    /// Where the service answers, instead of `http.base_url`
    #[arg(long, value_name = "URL", value_parser = parse_base_url)]
    pub(super) base_url: Option<String>,

    /// Give a variable of the spec another value; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_assignment)]
    pub(super) set: Vec<Assignment>,
}

/// Flags of a run. Each beats the spec's `explore:` section, which beats the default.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "How to explore")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct ExploreFlags {
    /// In which order states and actions are tried [default: auto]
    #[arg(long, value_parser = StrategyName)]
    pub(super) strategy: Option<String>,

    /// When two states are the same: `exact`, ids included, or `canonical`, whatever generated ids are [default: exact]
    #[arg(long, value_name = "MODE", value_parser = ["exact", "canonical"])]
    pub(super) identity: Option<String>,

    /// Steps to take at the most [default: 500]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_steps: Option<u64>,

    /// Longest path, in steps from the initial state [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_depth: Option<u32>,

    /// Stop once this share of the actions has run: 0.8, or 80%
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(super) coverage_target: Option<f64>,

    /// Stop after this time: 30s, 5m, 1h30m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) time_limit: Option<Duration>,

    /// Stop at the first violation, or at the first one that is at least this bad
    #[arg(
        long,
        value_name = "SEVERITY",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "low",
        value_parser = parse_severity
    )]
    pub(super) fail_fast: Option<Severity>,

    /// The seed of every random choice; the same seed takes the same steps [default: 1]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,

    /// Take each step in its turn, also where it would most likely repeat what is known
    #[arg(long)]
    pub(super) no_postpone: bool,

    /// Steps between two lines of progress [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) progress_every: Option<u64>,

    /// Run these actions alone; `*` matches anything; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) only: Vec<String>,

    /// Leave these actions out; `*` matches anything; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) skip: Vec<String>,

    /// Fail the run for findings that could not be confirmed and for what was not looked at, too
    #[arg(long)]
    pub(super) strict: bool,

    /// Accept the violations that this file names: only new ones fail the run
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) baseline: Option<PathBuf>,

    /// Write what the run has confirmed into the file of `--baseline`; then it fails nothing
    #[arg(long, requires = "baseline")]
    pub(super) update_baseline: bool,

    /// Neither try nor write the reproductions in `.venomqa/` beside the spec
    #[arg(long)]
    pub(super) no_corpus: bool,

    /// Report to write, to standard output or to a file; may be repeated [default: console]
    #[arg(long, value_name = "FORMAT[=PATH]", value_parser = ReportParser)]
    pub(super) report: Vec<ReportRequest>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Demo {
    #[command(subcommand)]
    pub(super) command: Option<DemoCommand>,

    /// Run the shop on this empty PostgreSQL database instead of a SQLite file: `postgres://USER@HOST/DATABASE`
    #[arg(long, value_name = "URL")]
    pub(super) db: Option<String>,

    #[command(flatten)]
    pub(super) flags: ExploreFlags,

    #[command(flatten)]
    pub(super) values: SpecValues,
}

#[derive(Debug, Subcommand)]
pub(super) enum DemoCommand {
    /// Print the spec that the demo explores
    Spec,
    /// Run the shop as a service, for a spec of your own
    Serve {
        /// Port on 127.0.0.1; 0 takes a free one and prints it
        #[arg(long, default_value_t = 0)]
        port: u16,

        /// A SQLite file, created where it does not exist, or `postgres://USER@HOST/DATABASE`
        #[arg(
            long,
            value_name = "FILE|URL",
            value_hint = ValueHint::FilePath,
            env = "VENOMQA_DEMO_DB",
            hide_env_values = true
        )]
        db: OsString,

        /// Which of the planted bugs are in
        #[arg(long, value_enum, default_value_t)]
        bugs: Bugs,
    },
}

/// Which of the planted bugs are in the shop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Bugs {
    /// Every one
    #[default]
    All,
    /// None: the clean twin
    None,
}

#[derive(Debug, Args)]
pub(super) struct ExplainStates {
    /// The log of the run; `venomqa explore --report log=PATH` writes it
    #[arg(value_name = "LOG", value_hint = ValueHint::FilePath)]
    pub(super) log: PathBuf,

    /// Number of a state, as the steps of the log name it; 0 is the initial state
    #[arg(value_name = "A")]
    pub(super) a: u32,

    /// Number of the other; the same number tells by which ways that state was reached
    #[arg(value_name = "B")]
    pub(super) b: u32,
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The reproduction; `venomqa explore` writes them to `.venomqa/` beside the spec
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) file: PathBuf,

    /// Stop after each request, so that the database can be looked into
    #[arg(long)]
    pub(super) step: bool,

    /// Run nothing; print the requests as a shell script (curl and jq) or as a Hurl file
    #[arg(long, value_enum, value_name = "LANGUAGE", conflicts_with = "step")]
    pub(super) to: Option<ScriptLanguage>,

    #[command(flatten)]
    pub(super) values: SpecValues,
}

/// What a reproduction can be printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ScriptLanguage {
    /// A POSIX shell script that needs curl and jq
    Curl,
    /// A file for hurl
    Hurl,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    #[command(flatten)]
    pub(super) specs: Specs,

    /// A SQLite file to put back, instead of those that specs declare; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with = "specs", value_hint = ValueHint::FilePath)]
    pub(super) sqlite: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) values: SpecValues,
}

/// The help of `venomqa report`, which is mostly about what it does not do.
const REPORT_HELP: &str = "\
A run log is what `venomqa explore --report log=PATH` writes; that of a run that was killed can be read, too. The exit code \
is 0 when the reports were written, whatever they say, unless `--exit-code` is given.";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = REPORT_HELP)]
pub(super) struct Report {
    #[command(subcommand)]
    pub(super) command: Option<ReportCommand>,

    #[command(flatten)]
    pub(super) runs: ReportRuns,
}

#[derive(Debug, Subcommand)]
pub(super) enum ReportCommand {
    /// Make one run of all runs over the same spec
    ///
    /// For the jobs of a CI matrix that explore one spec with several strategies or seeds. Runs over different specs stay
    /// apart, in one report.
    Merge(ReportRuns),
}

/// Which runs, and what becomes of them.
#[derive(Debug, Args)]
pub(super) struct ReportRuns {
    /// Run logs; `-` reads standard input
    #[arg(value_name = "RUN", required = true, value_hint = ValueHint::FilePath)]
    pub(super) from: Vec<PathBuf>,

    /// Report to write, to standard output or to a file; may be repeated [default: console]
    #[arg(long, value_name = "FORMAT[=PATH]", value_parser = ReportParser)]
    pub(super) to: Vec<ReportRequest>,

    /// End with the exit code of the runs: 1 where they found violations, 3 where one failed, 130 where one was interrupted
    #[arg(long)]
    pub(super) exit_code: bool,

    /// With `--exit-code`: 1 for findings that could not be confirmed and for what was not looked at, too
    #[arg(long, requires = "exit_code")]
    pub(super) strict: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        <CommandLine as clap::CommandFactory>::command().debug_assert();
    }

    fn explore(arguments: &[&str]) -> Result<ExploreFlags, String> {
        let line = ["venomqa", "explore"].iter().chain(arguments);
        match CommandLine::try_parse_from(line) {
            Ok(CommandLine {
                command: Command::Explore(explore),
                ..
            }) => Ok(explore.flags),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_bare_fail_fast_stops_at_any_violation() {
        assert_eq!(
            explore(&["--fail-fast"]).unwrap().fail_fast,
            Some(Severity::Low)
        );
        assert_eq!(
            explore(&["--fail-fast=high"]).unwrap().fail_fast,
            Some(Severity::High)
        );
        // The value needs its `=`, so that a spec can follow.
        assert_eq!(
            explore(&["--fail-fast", "specs/shop.yaml"])
                .unwrap()
                .fail_fast,
            Some(Severity::Low)
        );
    }

    #[test]
    fn a_misspelt_strategy_gets_a_suggestion() {
        let error = explore(&["--strategy", "dsf"]).unwrap_err();
        assert!(error.contains("did you mean `dfs`?"), "{error}");
        assert!(error.contains("coverage"), "{error}");
    }

    #[test]
    fn a_run_of_no_steps_is_refused() {
        for flag in [
            "--max-steps",
            "--max-depth",
            "--progress-every",
            "--time-limit",
            "--coverage-target",
        ] {
            let error = explore(&[flag, "0"]).unwrap_err();
            assert!(error.contains(flag), "{error}");
        }
    }
}
