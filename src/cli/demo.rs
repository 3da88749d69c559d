//! `venomqa demo`: the built-in shop.

use super::args::{Bugs, Demo, DemoCommand};
use super::{ExitCode, Problem, Session, runtime};
use crate::demo;

pub(super) fn run(_session: &Session<'_>, demo: &Demo) -> Result<ExitCode, Problem> {
    match &demo.command {
        DemoCommand::Serve { port, db, bugs } => serve(demo::Options {
            port: *port,
            db: db.clone(),
            bugs: *bugs == Bugs::All,
        }),
    }
}

fn serve(options: demo::Options) -> Result<ExitCode, Problem> {
    runtime()?
        .block_on(demo::serve(options))
        .map_err(|error| Problem::failed(format!("{error:#}")))?;
    Ok(ExitCode::Success)
}
