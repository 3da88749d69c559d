//! `venomqa restore`: puts databases back that a killed run left changed.

use std::path::{Component, Path, PathBuf};

use super::args::Restore;
use super::{ExitCode, Problem, Session, runtime, specs};
use crate::spec::Spec;
use crate::world::config::EngineConfig;
use crate::world::{WorldError, system};

pub(super) fn run(session: &Session<'_>, restore: &Restore) -> Result<ExitCode, Problem> {
    let mut code = ExitCode::Success;
    for file in &restore.sqlite {
        if !file.is_file() {
            return Err(Problem::usage(format!(
                "there is no file `{}`",
                file.display()
            )));
        }
        code = code.max(recover(session, file)?);
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
            match place(spec, &system.engine) {
                Place::File(file) if file.is_file() => {
                    code = code.max(recover(session, &file)?);
                }
                Place::Server(url) => {
                    let name = format!("the database of the system `{}`", system.name);
                    let recovered = runtime()?.block_on(system::postgres::recover(url, system.allow_remote));
                    code = code.max(tell(session, &name, recovered)?);
                }
                Place::File(file) => {
                    session.result(&format!("`{}` does not exist: nothing to put back\n", file.display()))?;
                }
                Place::OfTheRun => session.result(&format!(
                    "`{}` of {} is in the folder of a run, which no other run uses: nothing to put back\n",
                    system.name,
                    spec.path.display()
                ))?,
            }
        }
    }
    Ok(code)
}

/// Where a system lies.
enum Place<'spec> {
    File(PathBuf),
    /// A database server, by URL.
    Server(&'spec str),
    /// In a folder that each run makes anew.
    OfTheRun,
}

fn place<'spec>(spec: &Spec, engine: &'spec EngineConfig) -> Place<'spec> {
    let text = match engine {
        EngineConfig::Sqlite(text) => text,
        EngineConfig::Postgres(text) if !text.0.contains("${") => return Place::Server(&text.0),
        EngineConfig::Postgres(_) => return Place::OfTheRun,
    };
    if text.0.contains("${") {
        Place::OfTheRun
    } else {
        // `./` in the middle of a path says nothing to a reader.
        let file = spec.world.base_dir.join(&text.0);
        Place::File(
            file.components()
                .filter(|part| !matches!(part, Component::CurDir))
                .collect(),
        )
    }
}

fn recover(session: &Session<'_>, file: &Path) -> Result<ExitCode, Problem> {
    tell(
        session,
        &format!("`{}`", file.display()),
        system::recover(file),
    )
}

fn tell(
    session: &Session<'_>,
    name: &str,
    recovered: Result<Option<String>, WorldError>,
) -> Result<ExitCode, Problem> {
    match recovered {
        Ok(Some(done)) => session.result(&format!("{done}\n"))?,
        Ok(None) => session.result(&format!(
            "{name} holds no journal of a run: nothing to put back\n"
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
