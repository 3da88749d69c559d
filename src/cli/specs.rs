//! Which specs are meant, and reading all of them before anything is started.

use std::path::{Path, PathBuf};

use super::args::SpecValues;
use super::{ExitCode, Problem, Session};
use crate::diagnostic;
use crate::explorer::strategy;
use crate::model::Severity;
use crate::oracle::checks;
use crate::spec::{self, Environment, Loaded, Spec, Vocabulary};

/// The spec that is meant when none is named.
pub(super) const DEFAULT_SPEC: &str = "venomqa.yaml";
/// The folder whose specs are meant when there is no such file either.
const SPEC_FOLDER: &str = "specs";

/// The specs that were named, or those that lie where specs lie. A folder stands for the specs in it.
pub(super) fn find(named: &[PathBuf]) -> Result<Vec<PathBuf>, Problem> {
    if !named.is_empty() {
        let mut found = Vec::new();
        for path in named {
            if path.is_dir() {
                let specs = in_folder(path)?;
                if specs.is_empty() {
                    return Err(Problem::usage(format!(
                        "there is no .yaml or .yml file in `{}`",
                        path.display()
                    )));
                }
                found.extend(specs);
            } else if let Some(severity) = severity(path) {
                return Err(
                    Problem::usage(format!("there is no file `{severity}`")).help(format!(
                        "a severity stands behind a `=`: `--fail-fast={severity}`"
                    )),
                );
            } else {
                found.push(path.clone());
            }
        }
        return Ok(found);
    }
    let default = Path::new(DEFAULT_SPEC);
    if default.exists() {
        return Ok(vec![default.to_owned()]);
    }
    let folder = Path::new(SPEC_FOLDER);
    let found = if folder.is_dir() {
        in_folder(folder)?
    } else {
        Vec::new()
    };
    if found.is_empty() {
        return Err(Problem::usage(format!(
            "no spec was named, and there is neither `{DEFAULT_SPEC}` nor a .yaml file in `{SPEC_FOLDER}/` here"
        ))
        .help("name a spec, or write a first one with `venomqa init`; `venomqa demo` needs none"));
    }
    Ok(found)
}

/// The severity that this is the name of, unless there is such a file.
fn severity(path: &Path) -> Option<Severity> {
    Severity::ALL
        .into_iter()
        .find(|severity| path == Path::new(severity.name()) && !path.exists())
}

/// The specs of a folder, by name.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let unreadable = |error| {
        Problem::usage(format!(
            "cannot read the folder `{}`: {error}",
            folder.display()
        ))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_yaml && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads these specs. Everything that is wrong with any of them is shown before the first error ends it.
pub(super) fn load(
    session: &Session<'_>,
    paths: &[PathBuf],
    values: &SpecValues,
) -> Result<Vec<Spec>, ExitCode> {
    let loaded = paths
        .iter()
        .map(|path| with_environment(session, values, |environment| spec::load(path, environment)))
        .collect();
    all(session, loaded)
}

/// Reads a spec that is no file.
pub(super) fn parse(
    session: &Session<'_>,
    path: &Path,
    text: &str,
    values: &SpecValues,
) -> Result<Vec<Spec>, ExitCode> {
    let loaded = with_environment(session, values, |environment| {
        spec::parse(path, text, environment)
    });
    all(session, vec![loaded])
}

/// Reads something against the environment, the flags, and the names that other rooms know.
pub(super) fn with_environment<T>(
    session: &Session<'_>,
    values: &SpecValues,
    read: impl FnOnce(&Environment<'_>) -> T,
) -> T {
    let overrides: Vec<(String, String)> = values
        .set
        .iter()
        .map(|assignment| (assignment.name.clone(), assignment.value.clone()))
        .collect();
    read(&Environment {
        variable: &|name| session.surroundings.variable(name),
        overrides: &overrides,
        base_url: values.base_url.as_deref(),
        vocabulary: Vocabulary {
            strategies: strategy::NAMES,
            strategies_without_restore: &strategy::without_restore(),
            checks: checks::NAMES,
        },
    })
}

/// The specs; the exit code where one of them cannot be run.
fn all(session: &Session<'_>, loaded: Vec<Loaded>) -> Result<Vec<Spec>, ExitCode> {
    let mut specs = Vec::new();
    let (mut errors, mut total) = (0, 0);
    for one in loaded {
        if !one.diagnostics.is_empty() {
            session.note(&diagnostic::render(
                &one.diagnostics,
                &one.sources,
                session.color_stderr,
            ));
        }
        errors += one
            .diagnostics
            .iter()
            .filter(|problem| problem.is_error())
            .count();
        total += 1;
        specs.extend(one.spec);
    }
    if specs.len() == total {
        return Ok(specs);
    }
    let plural = if errors == 1 { "" } else { "s" };
    session.complain(
        &format!(
            "{errors} error{plural} in the spec{}; nothing was started",
            if total == 1 { "" } else { "s" }
        ),
        None,
    );
    Err(ExitCode::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_specs_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.yaml", "c.json", "d.yaml.bak"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = find(&[folder.path().to_owned()]).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["a.yaml", "b.yml"]);
    }

    #[test]
    fn a_severity_in_the_place_of_a_spec_is_what_fail_fast_was_meant_to_get() {
        let problem = find(&["critical".into()]).unwrap_err();
        assert_eq!(problem.code, ExitCode::Usage);
        let help = problem.help.unwrap();
        assert!(help.contains("--fail-fast=critical"), "{help}");
    }

    #[test]
    fn an_empty_folder_is_wrong_usage() {
        let folder = tempfile::tempdir().unwrap();
        let problem = find(&[folder.path().to_owned()]).unwrap_err();
        assert_eq!(problem.code, ExitCode::Usage);
        assert!(problem.message.contains(".yaml"), "{}", problem.message);
    }
}
