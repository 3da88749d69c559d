//! The command line: what was typed becomes checked options, a command runs, the result becomes an exit code.
//!
//! The only room that knows clap. Nothing in here explores, judges or formats a report.

mod args;
mod completions;
mod corpus;
mod demo;
mod exit_code;
mod explain_states;
mod explore;
mod formats;
mod init;
mod options;
mod pause;
mod replay;
mod report;
mod report_file;
mod restore;
mod schema;
mod secret_words;
mod selection;
mod session;
mod signals;
mod specs;
mod surroundings;
mod validate;
mod values;

use clap::Parser as _;

use args::{ColorWhen, Command, CommandLine};
pub use exit_code::ExitCode;
use session::{Problem, Session};
pub use surroundings::Surroundings;

/// Runs the command that was typed. Returns the exit code of the process.
pub fn run(surroundings: &Surroundings) -> ExitCode {
    let line = match CommandLine::try_parse_from(&surroundings.arguments) {
        Ok(line) => line,
        Err(error) => {
            let session = Session::new(surroundings, ColorWhen::Auto, false);
            let text = error.render().ansi().to_string();
            if error.use_stderr() {
                session.note(text.trim_end());
                return ExitCode::Usage;
            }
            let shown = session.page(&text).map(|()| ExitCode::Success);
            return shown.unwrap_or_else(|problem| session.report(&problem));
        }
    };
    let session = Session::new(surroundings, line.color, line.verbose);
    let done = match &line.command {
        Command::Explore(explore) => explore::run(&session, explore),
        Command::Validate(validate) => validate::run(&session, validate),
        Command::Init => init::run(&session),
        Command::Demo(demo) => demo::run(&session, demo),
        Command::Replay(replay) => replay::run(&session, replay),
        Command::Restore(restore) => restore::run(&session, restore),
        Command::Report(report) => report::run(&session, report),
        Command::ExplainStates(options) => explain_states::run(&session, options),
        Command::Schema => schema::run(&session),
        Command::Completions { shell } => completions::run(&session, *shell),
    };
    done.unwrap_or_else(|problem| session.report(&problem))
}

/// A runtime for one walk: a walk is sequential, and threads would only add to every request.
fn runtime() -> Result<tokio::runtime::Runtime, Problem> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::failed(format!("cannot start the asynchronous runtime: {error}")))
}
