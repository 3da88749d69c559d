//! `venomqa restore`: puts databases back that a killed run left changed.

use std::path::Path;

use super::args::Restore;
use super::{ExitCode, Problem, Session, runtime, specs};
use crate::world::system::sqlite::Sqlite;
use crate::world::system::{Engine, LocationKind};

pub(super) fn run(session: &Session<'_>, restore: &Restore) -> Result<ExitCode, Problem> {
    let mut code = ExitCode::Success;
    for file in &restore.sqlite {
        let shown = file.display().to_string();
        if !file.is_file() {
            return Err(Problem::usage(format!("there is no file `{shown}`")));
        }
        code = code.max(recover(
            session,
            &Sqlite,
            &shown,
            false,
            &format!("`{shown}`"),
        )?);
    }
    if !restore.sqlite.is_empty() {
        return Ok(code);
    }
    let paths = specs::find(&restore.specs.specs)?;
    let loaded = match specs::load(session, &paths, &restore.values) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    for spec in &loaded {
        for system in &spec.world.systems {
            if system.location.is_of_the_run() {
                session.result(&format!(
                    "`{}` of {} is in the folder of a run, which no other run uses: nothing to put back\n",
                    system.name,
                    spec.path.display()
                ))?;
                continue;
            }
            let engine = system.location.engine;
            let location = system.location.resolve(&spec.world.base_dir, &|_| None);
            let shown = match engine.location_kind() {
                LocationKind::File => format!("`{location}`"),
                // A URL may hold a password.
                LocationKind::Url => format!("the database of the system `{}`", system.name),
            };
            if engine.location_kind() == LocationKind::File && !Path::new(&location).is_file() {
                session.result(&format!("{shown} does not exist: nothing to put back\n"))?;
                continue;
            }
            code = code.max(recover(
                session,
                engine,
                &location,
                system.allow_remote,
                &shown,
            )?);
        }
    }
    Ok(code)
}

/// Restores one database and reports what was done; messages call it `shown`.
fn recover(
    session: &Session<'_>,
    engine: &dyn Engine,
    location: &str,
    allow_remote: bool,
    shown: &str,
) -> Result<ExitCode, Problem> {
    match runtime()?.block_on(engine.recover(location, allow_remote)) {
        Ok(Some(done)) => session.result(&format!("{done}\n"))?,
        Ok(None) => session.result(&format!(
            "{shown} holds no journal of a run: nothing to put back\n"
        ))?,
        Err(error) => {
            session.complain(&error.message, error.help.as_deref());
            for detail in &error.details {
                session.note(&format!("  {detail}"));
            }
            return Ok(ExitCode::Failed);
        }
    }
    Ok(ExitCode::Success)
}
