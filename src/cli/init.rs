//! `venomqa init`: a first spec, to be changed.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use super::specs::DEFAULT_SPEC;
use super::{ExitCode, Problem, Session};

const STARTER: &str = include_str!("starter.yaml");

pub(super) fn run(session: &Session<'_>) -> Result<ExitCode, Problem> {
    write(Path::new(DEFAULT_SPEC))?;
    session.result(&format!(
        "wrote `{DEFAULT_SPEC}`: change it to fit your API, check it with `venomqa validate`, run it with `venomqa explore`\n"
    ))?;
    Ok(ExitCode::Success)
}

fn write(path: &Path) -> Result<(), Problem> {
    let shown = path.display();
    let mut file = File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Problem::usage(format!("`{shown}` exists already"))
            .help("move it away first; nothing was written"),
        _ => Problem::failed(format!("cannot write `{shown}`: {error}")),
    })?;
    file.write_all(STARTER.as_bytes())
        .map_err(|error| Problem::failed(format!("cannot write `{shown}`: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic;
    use crate::explorer::strategy;
    use crate::oracle::checks;
    use crate::spec::{self, Environment, Vocabulary};

    fn parse(text: &str) -> spec::Loaded {
        spec::parse(
            Path::new(DEFAULT_SPEC),
            text,
            &Environment {
                variable: &|_| None,
                overrides: &[],
                base_url: None,
                vocabulary: Vocabulary {
                    strategies: strategy::NAMES,
                    strategies_without_restore: &[],
                    checks: checks::NAMES,
                },
            },
        )
    }

    #[test]
    fn the_starter_is_a_spec_without_a_single_complaint() {
        let loaded = parse(STARTER);
        let complaints = diagnostic::render(&loaded.diagnostics, &loaded.sources, false);
        assert!(loaded.diagnostics.is_empty(), "{complaints}");
    }

    #[test]
    fn what_exists_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DEFAULT_SPEC);
        std::fs::write(&path, "mine").unwrap();
        let problem = write(&path).unwrap_err();
        assert_eq!(problem.code, ExitCode::Usage);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }

    #[test]
    fn the_commented_parts_of_the_starter_are_yaml_of_the_same_spec() {
        // Uncommenting an example must not be the first thing that fails.
        let uncommented: String = STARTER
            .lines()
            .map(|line| {
                let example = ["service:", "setup:", "  "];
                match line.strip_prefix("# ") {
                    Some(code) if example.iter().any(|start| code.starts_with(start)) => {
                        format!("{code}\n")
                    }
                    _ => format!("{}\n", line.replace("  # headers", "  headers")),
                }
            })
            .collect();
        assert!(uncommented.contains("\nservice:\n") && uncommented.contains("\nsetup:\n"));
        let loaded = parse(&uncommented);
        let complaints = diagnostic::render(&loaded.diagnostics, &loaded.sources, false);
        assert!(loaded.spec.is_some(), "{complaints}");
    }
}
