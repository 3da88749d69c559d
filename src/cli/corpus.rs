//! Keeps what a run has found as reproductions beside the spec.

use std::io::ErrorKind;

use super::Session;
use crate::event::{Finished, RegressionOutcome};
use crate::evidence::{self, Corpus, Destination};
use crate::model::{Model, Origin, Regression};
use crate::oracle::Oracles;
use crate::secret;
use crate::shell::{quoted, quoted_path};
use crate::spec::Spec;
use crate::spec::reproduction::{self, WriteOptions};

/// The violations that earlier runs have kept, for the explorer to run again.
pub(super) fn regressions(corpus: &Corpus, model: &Model, oracles: &Oracles) -> Vec<Regression> {
    corpus
        .kept()
        .map(|(file, reproduction)| {
            let path = corpus.path(file).display().to_string();
            Regression::new(
                path,
                reproduction,
                model,
                oracles.find(&reproduction.oracle),
            )
        })
        .collect()
}

/// Writes the confirmed violations of a run, from which secrets have been taken out. For each violation, the command that
/// runs it again, where there is a file. A file that cannot be written is a warning, not a failure.
pub(super) fn keep(
    session: &Session<'_>,
    spec: &Spec,
    corpus: &Corpus,
    finished: &Finished,
    (strategy, seed): (&str, u64),
) -> Vec<Option<String>> {
    let model = &spec.model;
    // A fixed regression keeps its file, which guards against its return; so does one that could not be run.
    let is_kept = |file: &str| {
        let path = corpus.path(file).display().to_string();
        let mut tried = finished.corpus.iter();
        tried.any(|tried| tried.file == path && tried.outcome != RegressionOutcome::StillFailing)
    };
    let mut commands = Vec::with_capacity(finished.violations.len());
    let mut refused = None;
    for violation in &finished.violations {
        let origin = Origin {
            spec: corpus.spec().to_owned(),
            strategy: strategy.to_owned(),
            seed,
        };
        let Some(reproduction) = evidence::reproduction(violation, origin) else {
            commands.push(None);
            continue;
        };
        let file = match corpus.place(model, &reproduction, &is_kept) {
            Destination::Keep(file) => file,
            Destination::Write(file) => {
                let writing = WriteOptions {
                    file: &file,
                    folder: evidence::TO_SPEC,
                    invariants: &evidence::invariants_of(model, &reproduction.oracle),
                    secrets: &spec.world.secrets,
                };
                let text = reproduction::write(spec, &reproduction, writing);
                if let Err(error) = corpus.write(&file, &text) {
                    refused = Some((corpus.path(&file), error));
                    commands.push(None);
                    continue;
                }
                file
            }
        };
        let path = corpus.path(&file);
        let here = std::env::current_dir().unwrap_or_default();
        // Shorter, and right in another checkout as well.
        let path = path.strip_prefix(here).unwrap_or(&path);
        let mut command = format!("venomqa replay {}", quoted_path(path));
        for name in &spec.written.replaced {
            // The spec has another value, and the file has none.
            if secret::is_secret_name(name) || spec.world.secrets.has_name(name) {
                let setting = quoted(format!("{name}={}", secret::REDACTED));
                command = format!("{command} --set {setting}");
            }
        }
        commands.push(Some(command));
    }
    if let Some((path, error)) = refused {
        session.note(&format!(
            "  warning: the reproduction cannot be written to `{}`: {error}",
            path.display()
        ));
        session.note(&format!(
            "  help: {}, or say `--no-corpus`",
            cure(error.kind())
        ));
    }
    commands
}

/// What makes a file of a reproduction writable.
fn cure(error: ErrorKind) -> &'static str {
    match error {
        ErrorKind::Other => "remove it",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space",
        _ => "make the folder writable",
    }
}
