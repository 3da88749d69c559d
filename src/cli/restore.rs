//! `venomqa restore`: puts databases back that a killed run left changed, and ends services that it left running.

use std::path::Path;
use std::time::Duration;

use super::args::Restore;
use super::{ExitCode, Problem, Session, runtime, specs};
use crate::world::system::sqlite::Sqlite;
use crate::world::system::{Engine, LocationKind};
use crate::world::{Orphan, orphans};

/// How long a service that was left running may take to end by itself.
const GRACE: Duration = Duration::from_secs(3);

pub(super) fn run(session: &Session<'_>, restore: &Restore) -> Result<ExitCode, Problem> {
    let mut code = end_services(session)?;
    for file in &restore.sqlite {
        let shown = file.display().to_string();
        let is_there = file.is_file();
        code = match recover(session, &Sqlite, &shown, false)? {
            Some(done) => code.max(done),
            None if is_there => {
                nothing_to_do(session, &format!("`{shown}`"))?;
                code
            }
            None => return Err(Problem::usage(format!("there is no file `{shown}`"))),
        };
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
            // Where the file is gone, there may be a copy of its content.
            let is_there =
                engine.location_kind() == LocationKind::Url || Path::new(&location).is_file();
            code = match recover(session, engine, &location, system.allow_remote)? {
                Some(done) => code.max(done),
                None if is_there => {
                    nothing_to_do(session, &shown)?;
                    code
                }
                None => {
                    session.result(&format!("{shown} does not exist: nothing to put back\n"))?;
                    code
                }
            };
        }
    }
    Ok(code)
}

/// Ends what killed runs have left running: it would go on writing.
fn end_services(session: &Session<'_>) -> Result<ExitCode, Problem> {
    let left = orphans();
    if left.is_empty() {
        return Ok(ExitCode::Success);
    }
    let stays = runtime()?.block_on(Orphan::end_all(&left, GRACE));
    let mut code = ExitCode::Success;
    for orphan in &left {
        let Orphan { id, command } = orphan;
        if stays.contains(orphan) {
            let message = format!(
                "process {id} (`{command}`), which a killed run had left running, does not end"
            );
            session.complain(&message, Some(&format!("`kill -9 {id}`")));
            code = ExitCode::Failed;
        } else {
            session.result(&format!(
                "ended process {id} (`{command}`), which a killed run had left running\n"
            ))?;
        }
    }
    Ok(code)
}

/// Restores one database and reports what was done; `None` where there was nothing to do.
fn recover(
    session: &Session<'_>,
    engine: &dyn Engine,
    location: &str,
    allow_remote: bool,
) -> Result<Option<ExitCode>, Problem> {
    match runtime()?.block_on(engine.recover(location, allow_remote)) {
        Ok(Some(done)) => session.result(&format!("{done}\n"))?,
        Ok(None) => return Ok(None),
        Err(error) => {
            session.complain(&error.message, error.help.as_deref());
            for detail in &error.details {
                session.note(&format!("  {detail}"));
            }
            return Ok(Some(ExitCode::Failed));
        }
    }
    Ok(Some(ExitCode::Success))
}

fn nothing_to_do(session: &Session<'_>, shown: &str) -> Result<(), Problem> {
    session.result(&format!(
        "{shown} holds no journal of a run: nothing to put back\n"
    ))
}
