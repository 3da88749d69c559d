//! What was typed: the command line as clap reads it. Checked and completed in [`options`](super::options).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

/// Finds bugs that live in sequences of API calls.
///
/// venomqa reads a spec (actions, invariants), starts or finds the service, and walks the graph of its reachable states.
/// Between branches it puts the service's database back to the exact earlier state. Every violation comes with a short,
/// confirmed path and the rows that prove it.
#[derive(Debug, Parser)]
#[command(name = "venomqa", version, propagate_version = true, after_help = EXIT_CODES)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Command,

    /// When to use colours; `auto` means on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(super) color: ColorWhen,
}

const EXIT_CODES: &str = "\
Exit codes: 0 no violation, 1 violations, 2 wrong usage or spec, 3 the run could not be trusted or carried out, \
130 interrupted.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The built-in shop
    Demo(Demo),
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
pub(super) struct Demo {
    #[command(subcommand)]
    pub(super) command: DemoCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum DemoCommand {
    /// Run the shop as a service, for a spec of your own
    Serve {
        /// Port on 127.0.0.1; 0 takes a free one and prints it
        #[arg(long, default_value_t = 0)]
        port: u16,

        /// The SQLite file; created where it does not exist
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        db: PathBuf,

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        <CommandLine as clap::CommandFactory>::command().debug_assert();
    }
}
