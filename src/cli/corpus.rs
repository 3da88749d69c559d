//! Keeps what a run has found as reproductions beside the spec.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;

use super::args::SpecValues;
use super::{Session, secret_words, specs};
use crate::event::{Finished, RegressionOutcome};
use crate::evidence::{self, Corpus, Destination};
use crate::model::{Model, Origin, Regression, Reproduction};
use crate::oracle::Oracles;
use crate::shell::quoted_path;
use crate::spec::reproduction::{self, WriteOptions};
use crate::spec::{self, Spec};

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
        let settings = settings(session, spec, &reproduction, path);
        commands.push(Some(format!(
            "{settings}venomqa replay {}",
            quoted_path(path)
        )));
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

/// What a shell has to set in front of the command that runs a reproduction: the secrets that neither the environment nor the
/// spec has, for `--set` gave them.
fn settings(
    session: &Session<'_>,
    source: &Spec,
    reproduction: &Reproduction,
    file: &Path,
) -> String {
    let left_out = reproduction::left_out(
        source,
        reproduction,
        &evidence::invariants_of(&source.model, &reproduction.oracle),
    );
    if left_out.is_empty() {
        return String::new();
    }
    let in_spec = specs::with_environment(session, &SpecValues::default(), |environment| {
        spec::secrets_of_reproduction(file, environment, evidence::invariants_of)
    });
    let mut settings = String::new();
    for (name, value) in &left_out {
        let found = (session.surroundings.variables.get(name)).or_else(|| in_spec.get(name));
        if found != Some(value) {
            let under = name.trim_start_matches(reproduction::TAKEN_OUT);
            let word = secret_words::word(session.surroundings, under, value, name);
            // Writing to a string cannot fail.
            let _ = write!(settings, "{name}={word} ");
        }
    }
    settings
}

/// What makes a file of a reproduction writable.
fn cure(error: ErrorKind) -> &'static str {
    match error {
        ErrorKind::Other => "remove it",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space",
        _ => "make the folder writable",
    }
}
