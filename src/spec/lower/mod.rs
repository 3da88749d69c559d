//! From the document to [`Model`] and [`WorldConfig`](crate::world::config::WorldConfig): every expression compiled, every
//! name a number.
//!
//! A wrong part is reported and replaced by something harmless, so that the rest is checked as well. The result is thrown
//! away when there is an error.

mod action;
mod ensure;
mod expectation;
mod explore;
mod files;
mod for_each;
mod graphql;
mod invariant;
mod links;
mod places;
mod principal;
mod request;
mod retry;
mod secrets;
mod world;

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use super::compile::Compiler;
use super::document::Document;
use super::names::{DeclaredNames, newest};
use super::problems::Problems;
use super::reachability;
use super::{Environment, Places, Spec, Vocabulary};
use crate::diagnostic::{Code, Diagnostic, Path, did_you_mean};
use crate::model::{Model, Names};

pub(super) use world::wrong_url;

/// Compiles the document; relative paths start at `base_dir`. The result is valid only when `problems` holds no error afterwards.
pub(super) fn lower(
    path: &std::path::Path,
    document: &Document,
    known: &DeclaredNames,
    problems: &mut Problems,
    environment: &Environment<'_>,
    base_dir: &std::path::Path,
) -> Spec {
    let systems: IndexSet<String> = document.systems.keys().cloned().collect();
    let mut lowering = Lowering {
        compiler: Compiler::new(problems, known, path),
        known,
        systems: &systems,
        base_url: environment.base_url,
        base_dir,
        vocabulary: environment.vocabulary,
    };
    let mut world = lowering.world(document);
    let (mut actions, facts, dependencies) = lowering.actions(document);
    let mut invariants = lowering.invariants(document);
    world.secrets = lowering.known_secrets(document, &world, &actions, &invariants);
    let checks = lowering.checks(&document.checks);
    let explore = lowering.explore(document, &world);
    lowering.state_from_context(document);
    lowering.unused_constants(document);
    lowering.secrets(&document.secrets);
    let read = lowering.compiler.read;
    reachability::check(&dependencies, problems);

    links::mark(&mut world, &mut actions, &mut invariants);
    let counters = places::number(&mut world, &mut actions, &mut invariants, &known.counters);
    let identity = document.state_from_context.as_ref();
    let identity_variables = known
        .variables
        .iter()
        .map(|name| newest(name))
        .map(|name| match identity {
            Some(names) => names.iter().any(|known| known == name),
            None => read.contains(name),
        })
        .collect();
    let name = document.name.clone().unwrap_or_else(|| {
        path.file_stem().map_or_else(
            || "spec".to_owned(),
            |stem| stem.to_string_lossy().into_owned(),
        )
    });
    Spec {
        path: path.to_owned(),
        model: Arc::new(Model {
            name,
            actions,
            invariants,
            names: Arc::new(Names {
                constants: known.constants.clone(),
                variables: known.variables.clone(),
            }),
            identity_variables,
            pools: known.pools(),
            facts,
            systems: document.systems.len(),
            counters,
        }),
        world,
        checks,
        explore,
        secrets: document.secrets.clone(),
        places: Places::default(),
        written: Arc::default(),
    }
}

/// The work in progress.
struct Lowering<'a> {
    compiler: Compiler<'a>,
    known: &'a DeclaredNames,
    systems: &'a IndexSet<String>,
    base_url: Option<&'a str>,
    /// Where relative paths start.
    base_dir: &'a std::path::Path,
    vocabulary: Vocabulary<'a>,
}

impl Lowering<'_> {
    /// Reports a problem of the value at a path.
    fn at_value(&mut self, at: &Path, label: &str, diagnostic: Diagnostic) {
        self.compiler.problems.at_value(at, label, diagnostic);
    }

    /// Reports a problem of the key at a path.
    fn at_key(&mut self, at: &Path, label: &str, diagnostic: Diagnostic) {
        self.compiler.problems.at_key(at, label, diagnostic);
    }

    /// Warns about a secret whose name is almost that of a variable: misspelt, it would hide nothing. Other names cannot be
    /// checked, because headers, fields and columns are not declared.
    fn secrets(&mut self, names: &[String]) {
        for (position, name) in names.iter().enumerate() {
            let is_known =
                self.known.constants.contains_key(name) || self.known.variables.contains(name);
            let variables = self.known.constants.keys().chain(&self.known.variables);
            if !is_known && let Some(meant) = did_you_mean(name, variables.map(String::as_str)) {
                self.at_value(
                    &Path::root().key("secrets").index(position),
                    "no variable",
                    Diagnostic::warning(
                        Code::UnknownName,
                        format!("no variable is called `{name}`; it hides only headers, fields and columns of that name"),
                    )
                    .help(format!("did you mean `{meant}`?")),
                );
            }
        }
    }

    /// The position of a system: the named one, or the only one.
    fn system(&mut self, name: Option<(&str, &Path)>, used_at: &Path) -> usize {
        if self
            .compiler
            .problems
            .is_broken(&Path::root().key("systems"))
        {
            return 0;
        }
        let names: Vec<&str> = self.systems.iter().map(String::as_str).collect();
        match (name, names.as_slice()) {
            (Some((name, at)), _) => {
                if let Some(index) = self.systems.get_index_of(name) {
                    return index;
                }
                let help = match did_you_mean(name, names.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None if names.is_empty() => "declare it under `systems`".to_owned(),
                    None => format!("declared are {}", super::read::one_of(&names)),
                };
                self.at_value(
                    at,
                    "no such system",
                    Diagnostic::error(Code::UnknownSystem, format!("unknown system `{name}`"))
                        .help(help),
                );
            }
            (None, [_]) => {}
            (None, []) => self.at_key(
                used_at,
                "needs a database",
                Diagnostic::error(Code::UnknownSystem, "SQL without a system to run it on")
                    .help("declare the database: `systems: { db: { sqlite: path/to/file.db } }`"),
            ),
            (None, [..]) => self.at_key(
                used_at,
                "on which system?",
                Diagnostic::error(
                    Code::MissingKey,
                    "there are several systems, and this does not say which",
                )
                .help(format!(
                    "add `system:` with {}",
                    super::read::one_of(&names)
                )),
            ),
        }
        0
    }

    fn checks(
        &mut self,
        checks: &IndexMap<String, super::document::CheckLevel>,
    ) -> IndexMap<String, Option<crate::model::Severity>> {
        let known = self.vocabulary.checks;
        let section = Path::root().key("checks");
        let mut lowered = IndexMap::new();
        for (name, level) in checks {
            if !known.contains(&name.as_str()) {
                let help = match did_you_mean(name, known.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("there is {}", super::read::one_of(known)),
                };
                self.at_key(
                    &section.key(name),
                    "no such check",
                    Diagnostic::error(Code::UnknownCheck, format!("unknown check `{name}`"))
                        .help(help),
                );
            }
            lowered.insert(name.clone(), level.severity());
        }
        lowered
    }

    fn state_from_context(&mut self, document: &Document) {
        let section = Path::root().key("state_from_context");
        for (index, name) in document.state_from_context.iter().flatten().enumerate() {
            if !self.known.variables.contains(name) {
                self.never_extracted(name, &section.index(index));
            }
        }
    }

    /// Reports a name in a list of variables that nothing extracts.
    fn never_extracted(&mut self, name: &str, at: &Path) {
        let help = match did_you_mean(name, self.known.variables.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if self.known.constants.contains_key(name) => {
                "it is a constant, and never changes".to_owned()
            }
            None => format!("let an action extract it: `extract: {{ {name}: $.{name} }}`"),
        };
        self.at_value(
            at,
            "no action and no setup extracts this",
            Diagnostic::error(Code::UnknownName, format!("`{name}` is never extracted")).help(help),
        );
    }

    fn unused_constants(&mut self, document: &Document) {
        // An expression that does not parse may read it.
        if self.compiler.problems.has_errors() {
            return;
        }
        let section = Path::root().key("variables");
        for name in document.variables.keys() {
            if !self.compiler.read.contains(name) {
                self.at_key(
                    &section.key(name),
                    "",
                    Diagnostic::warning(
                        Code::UnusedVariable,
                        format!("nothing reads the variable `{name}`"),
                    )
                    .help("remove it, or use it in a template, a condition or SQL"),
                );
            }
        }
    }

    /// Reports names that are declared twice.
    fn duplicates<'n>(&mut self, what: &str, names: impl Iterator<Item = (&'n str, Path)>) {
        let mut first: HashMap<&str, Path> = HashMap::new();
        for (name, at) in names {
            match first.get(name) {
                None => {
                    first.insert(name, at);
                }
                Some(earlier) => {
                    let diagnostic = self.compiler.problems.beside(
                        earlier,
                        "first here",
                        Diagnostic::error(
                            Code::DuplicateName,
                            format!("two {what} have the name `{name}`"),
                        )
                        .help("rename one of the two"),
                    );
                    self.at_value(&at, "again here", diagnostic);
                }
            }
        }
    }
}
