//! Reproductions: a spec cut down to one path, with what was seen on it.
//!
//! [`write()`] writes the file, [`parse`](super::parse_reproduction) reads it as strictly as a spec, [`read_summary`] reads
//! only the sections that a spec does not have.

mod cut;
mod document;
mod hide;
pub mod outline;
mod taken_out;
mod write;

use std::path::PathBuf;

use serde_json::Value;

use super::Spec;
use super::load::folder_of;
use super::load::items;
use super::problems::Problems;
use super::read;
use super::yaml;
use crate::diagnostic::{Code, Diagnostic, Path, Sources, did_you_mean};
use crate::model::{
    ActionId, Model, OracleName, Origin, Reproduction, SeenRow, SeenStep, Severity,
};

pub use hide::{TAKEN_OUT, environment_name};
pub(super) use write::secrets_of;
pub use write::{WriteOptions, left_out, write};

use document::{About, Sections, Step, Times};

/// Name of the folder, beside the spec, that reproductions are kept in.
pub(crate) const FOLDER: &str = ".venomqa";

/// Sections that a spec does not have.
pub(super) const KEYS: [&str; 2] = ["reproduction", "path"];

/// A reproduction, read and compiled.
#[derive(Clone, Debug)]
pub struct CompiledReproduction {
    /// The actions of the path, the one invariant, and the world.
    pub spec: Spec,
    /// What the file says was seen.
    pub reproduction: Reproduction,
    /// The path as numbers of the model; empty where the initial state is broken already.
    pub path: Vec<ActionId>,
}

/// The result of reading a reproduction.
#[derive(Debug)]
pub struct LoadedReproduction {
    /// The reproduction; `None` exactly when one of the diagnostics is an error.
    pub case: Option<CompiledReproduction>,
    /// Errors and warnings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics point into.
    pub sources: Sources,
}

/// The two sections as they were read.
pub(super) struct Read {
    about: About,
    path: Vec<Step>,
}

/// Reads the two sections and ignores the others.
pub(super) fn read_sections(tree: &Value, problems: &mut Problems) -> Option<Read> {
    let root = Path::root();
    let others: Vec<&str> = tree
        .as_object()?
        .keys()
        .map(String::as_str)
        .filter(|key| *key != KEYS[0])
        .collect();
    if tree.get(KEYS[0]).is_none() {
        problems.at_key(
            &root,
            "",
            Diagnostic::error(Code::MissingKey, "the file lacks the key `reproduction`")
                .help("only reproductions can be replayed; a spec is run with `venomqa explore`"),
        );
        return None;
    }
    let sections = problems.read::<Sections>(tree, &root, &others);
    let path = items(tree, problems);
    if tree.get(KEYS[1]).is_none() {
        problems.at_key(
            &root,
            "",
            Diagnostic::error(Code::MissingKey, "the file lacks the key `path`")
                .help("list the steps: `path: [{ action: create_order }]`"),
        );
    }
    Some(Read {
        about: sections?.reproduction,
        path,
    })
}

impl Read {
    /// Names that something reads and that have no value on the path.
    pub(super) fn undefined(&self) -> &[String] {
        &self.about.undefined
    }

    /// The calls of `counter()` in the spec that the file was made from.
    pub(super) fn counters(&self) -> &[String] {
        &self.about.counters
    }

    /// Where relative paths start.
    pub(super) fn base_dir(&self, file: &std::path::Path) -> PathBuf {
        let folder = folder_of(file);
        match &self.about.folder {
            Some(below) => folder.join(below),
            None => folder,
        }
    }

    /// Finds what the sections name in the model.
    pub(super) fn resolve(
        self,
        model: &Model,
        checks: &[&str],
        problems: &mut Problems,
    ) -> Option<(Reproduction, Vec<ActionId>)> {
        let oracle = self.oracle(model, checks, problems)?;
        let mut path = Vec::with_capacity(self.path.len());
        for step in &self.path {
            let found = model
                .action_ids()
                .find(|id| model.action(*id).name == step.action);
            if let Some(id) = found {
                path.push(id);
                continue;
            }
            let names = model.actions.iter().map(|action| action.name.as_str());
            let mut diagnostic = Diagnostic::error(
                Code::UnknownAction,
                format!("unknown action `{}`", step.action),
            );
            diagnostic = match did_you_mean(&step.action, names) {
                Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
                None => diagnostic.help("declare it under `actions`"),
            };
            let at = Path::root().key(KEYS[1]).index(step.position).key("action");
            problems.at_value(&at, "no such action", diagnostic);
        }
        Some((self.into_reproduction(oracle), path))
    }

    fn oracle(
        &self,
        model: &Model,
        checks: &[&str],
        problems: &mut Problems,
    ) -> Option<OracleName> {
        let at = Path::root().key(KEYS[0]);
        let (name, key, code, known): (_, _, _, Vec<&str>) =
            match (&self.about.invariant, &self.about.check) {
                (Some(name), None) => (
                    name,
                    "invariant",
                    Code::UnknownName,
                    model
                        .invariants
                        .iter()
                        .map(|invariant| invariant.name.as_str())
                        .collect(),
                ),
                (None, Some(name)) => (name, "check", Code::UnknownCheck, checks.to_vec()),
                _ => {
                    if !problems.is_broken(&at) {
                        problems.at_key(
                            &at,
                            "",
                            Diagnostic::error(
                                Code::Contradiction,
                                "a reproduction names what it breaks: `invariant` or `check`",
                            )
                            .help("keep exactly one"),
                        );
                    }
                    return None;
                }
            };
        if !known.contains(&name.as_str()) {
            let help = match did_you_mean(name, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if known.is_empty() => "declare it under `invariants`".to_owned(),
                None => format!("there is {}", read::one_of(&known)),
            };
            problems.at_value(
                &at.key(key),
                &format!("no such {key}"),
                Diagnostic::error(code, format!("unknown {key} `{name}`")).help(help),
            );
            return None;
        }
        Some(if key == "check" {
            OracleName::Check(name.clone())
        } else {
            OracleName::Invariant(name.clone())
        })
    }

    fn into_reproduction(self, oracle: OracleName) -> Reproduction {
        let about = self.about;
        let Times(times, of) = about.confirmed.unwrap_or(Times(0, 0));
        Reproduction {
            oracle,
            kind: about.evidence.unwrap_or_default(),
            severity: Severity::from(about.severity),
            message: about.message,
            expected: about.expected.unwrap_or_default(),
            found: about.found.map(|found| found.0).unwrap_or_default(),
            confirmed: (times, of),
            origin: Origin {
                spec: about.spec.unwrap_or_default(),
                strategy: about.strategy.unwrap_or_default(),
                seed: about.seed.unwrap_or_default(),
            },
            path: self.path.into_iter().map(seen).collect(),
        }
    }
}

fn seen(step: Step) -> SeenStep {
    SeenStep {
        action: step.action,
        request: step.request.unwrap_or_default(),
        body: step.body,
        status: step.status.unwrap_or_default(),
        extracted: step
            .extracted
            .into_iter()
            .map(|(name, value)| (name, value.0))
            .collect(),
        rows: step
            .rows
            .into_iter()
            .map(|row| SeenRow {
                row: row.row,
                change: row.change,
            })
            .collect(),
    }
}

/// Reads the violation and the path of a reproduction, without the environment and the sections of the spec. That is enough
/// to run its path with another model. An error is a sentence.
pub fn read_summary(text: &str) -> Result<Reproduction, String> {
    let (oracle, read) = read_alone(text)?;
    Ok(read.into_reproduction(oracle))
}

/// The same, and the spec that the reproduction was made from. `file` holds the text.
pub(super) fn read_with_spec(
    file: &std::path::Path,
    text: &str,
) -> Result<(Reproduction, PathBuf), String> {
    let (oracle, read) = read_alone(text)?;
    let folder = read.base_dir(file);
    let reproduction = read.into_reproduction(oracle);
    let spec = folder.join(&reproduction.origin.spec);
    Ok((reproduction, spec))
}

fn read_alone(text: &str) -> Result<(OracleName, Read), String> {
    let tree = yaml::read(text)?;
    let part = |key: &str| {
        tree.get(key)
            .cloned()
            .ok_or_else(|| format!("it lacks the key `{key}`"))
    };
    let about: About = serde_json::from_value(part(KEYS[0])?)
        .map_err(|error| format!("`reproduction`: {error}"))?;
    let path: Vec<Step> =
        serde_json::from_value(part(KEYS[1])?).map_err(|error| format!("`path`: {error}"))?;
    let oracle = match (&about.invariant, &about.check) {
        (Some(name), None) => OracleName::Invariant(name.clone()),
        (None, Some(name)) => OracleName::Check(name.clone()),
        _ => return Err("it must name either an `invariant` or a `check`".to_owned()),
    };
    Ok((oracle, Read { about, path }))
}
