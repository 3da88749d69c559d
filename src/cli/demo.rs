//! `venomqa demo`: the built-in shop, explored from anywhere or run as a service of its own.

use std::path::Path;

use super::args::{Bugs, Demo, DemoCommand};
use super::explore::{Named, explore_all};
use super::values::Assignment;
use super::{ExitCode, Problem, Session, runtime, specs};
use crate::demo;

/// The spec of the shop, as it lies in the source tree.
const SPEC: &str = include_str!("../../specs/shop.yaml");
/// How diagnostics call it. Without a folder, so that relative paths in it begin where the user stands.
const SPEC_NAME: &str = "shop.yaml";

pub(super) fn run(session: &Session<'_>, demo: &Demo) -> Result<ExitCode, Problem> {
    match &demo.command {
        None => explore(session, demo),
        Some(DemoCommand::Spec) => {
            session.program(SPEC)?;
            Ok(ExitCode::Success)
        }
        Some(DemoCommand::Serve { port, db, bugs }) => serve(demo::Options {
            port: *port,
            db: demo::Database::parse(db).map_err(|error| Problem::failed(format!("{error:#}")))?,
            bugs: *bugs == Bugs::All,
        }),
    }
}

fn explore(session: &Session<'_>, demo: &Demo) -> Result<ExitCode, Problem> {
    let mut values = demo.values.clone();
    if let Some(url) = &demo.db {
        values.set.push(Assignment {
            name: "db".to_owned(),
            value: url.clone(),
        });
    }
    let specs = match specs::parse(session, Path::new(SPEC_NAME), SPEC, &values) {
        Ok(specs) => specs,
        Err(code) => return Ok(code),
    };
    session.note("  the built-in shop has bugs planted in it; `venomqa demo spec` prints what is explored here; explored from a file it keeps reproductions");
    let named = specs
        .into_iter()
        .map(|spec| Named {
            spec,
            name: format!("{SPEC_NAME} (built in)"),
            command: vec!["demo".to_owned()],
            keeps_corpus: false,
        })
        .collect();
    explore_all(session, named, &demo.flags, &values)
}

fn serve(options: demo::Options) -> Result<ExitCode, Problem> {
    runtime()?
        .block_on(demo::serve(options))
        .map_err(|error| Problem::failed(format!("{error:#}")))?;
    Ok(ExitCode::Success)
}
