//! `venomqa explain-states`: why two states of a run are the same or not.

use std::fs::File;
use std::io::BufReader;

use super::args::ExplainStates;
use super::{ExitCode, Problem, Session};
use crate::report::{self, log};

pub(super) fn run(session: &Session<'_>, options: &ExplainStates) -> Result<ExitCode, Problem> {
    let name = options.log.display().to_string();
    let unreadable = |message: String| {
        Problem::usage(message).help("`venomqa explore --report log=PATH` writes a run log")
    };
    let file = File::open(&options.log)
        .map_err(|error| unreadable(format!("cannot read `{name}`: {error}")))?;
    let mut states = report::ExplainStates::default();
    log::read(&name, BufReader::new(file), |entry| states.entry(entry))
        .map_err(|error| unreadable(error.to_string()))?;
    let unknown = |state: &&u32| !states.has(**state);
    if let Some(state) = [options.a, options.b].iter().find(unknown) {
        return Err(Problem::usage(format!("there is no state {state} in `{name}`"))
            .help("states are numbered as they are found; the steps of the log name them under `from` and `to`"));
    }
    session.page(&states.explain(options.a, options.b))?;
    Ok(ExitCode::Success)
}
