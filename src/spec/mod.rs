//! From text to a checked model. The only room that knows YAML.
//!
//! ```text
//! text --yaml---> tree with places   (syntax, duplicate keys, merge keys)
//!      --fill---> JSON tree          (`${NAME}`, `--set`)
//!      --read---> Document           (unknown and missing keys, wrong types)
//!      --lower--> Model, WorldConfig (every expression compiled, every action and invariant a number)
//! ```
//!
//! Each stage reports what is wrong and goes on, so that one run reports everything. After this room no expression is
//! parsed, and actions and invariants are numbers.

mod compile;
mod document;
mod environment;
mod fill;
mod load;
mod lower;
mod names;
mod problems;
mod reachability;
mod read;
pub mod reproduction;
mod schema;
mod written;
mod yaml;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use crate::diagnostic::{Diagnostic, Place, Sources};
use crate::model::{Model, Severity};
use crate::world::config::WorldConfig;

pub use document::duration;
pub use load::{load, load_reproduction, parse, parse_reproduction, secrets_of_reproduction};
pub use schema::schema;
pub use written::Written;

/// What a spec says, checked and compiled.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Where it was read from.
    pub path: PathBuf,
    /// What can be done and what must hold.
    pub model: Arc<Model>,
    /// What it is done to.
    pub world: WorldConfig,
    /// Built-in checks that the spec names: a severity, or `None` for off.
    pub checks: IndexMap<String, Option<Severity>>,
    /// How to explore, as far as the spec says.
    pub explore: ExploreSection,
    /// The text, for what is copied from it.
    pub written: Arc<Written>,
    /// Names under `secrets:`.
    pub secrets: Vec<String>,
    /// Places of actions and invariants in the text.
    pub places: Places,
}

/// Where the parts of a model stand in the text of the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// For each action of the model.
    pub actions: Vec<Option<Place>>,
    /// For each invariant of the model.
    pub invariants: Vec<Option<Place>>,
}

/// `explore:`; what is `None` is left to flags and defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExploreSection {
    /// Name of the strategy; one of [`Vocabulary::strategies`].
    pub strategy: Option<String>,
    /// Steps to take at the most.
    pub max_steps: Option<u64>,
    /// Longest path, in steps.
    pub max_depth: Option<u32>,
    /// Share of the actions after which to stop, 0 to 1.
    pub coverage_target: Option<f64>,
    /// Time after which to stop.
    pub time_limit: Option<Duration>,
    /// Seed of every random choice.
    pub seed: Option<u64>,
    /// Whether steps that would most likely repeat what is known come last.
    pub postpone: Option<bool>,
    /// Steps between two progress events.
    pub progress_every: Option<u64>,
    /// Mildest severity at which to stop.
    pub fail_fast: Option<Severity>,
}

/// What a spec depends on besides its own text.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// `--set NAME=VALUE`: replace entries of `variables:`.
    pub overrides: &'a [(String, String)],
    /// `--base-url`: replaces `http.base_url`.
    pub base_url: Option<&'a str>,
    /// The names that other rooms know.
    pub vocabulary: Vocabulary<'a>,
}

/// Names that a spec may use and that other rooms define.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    /// Strategies.
    pub strategies: &'a [&'a str],
    /// The strategies that need no restore.
    pub strategies_without_restore: &'a [&'a str],
    /// Built-in checks.
    pub checks: &'a [&'a str],
}

/// The result of reading a spec.
#[derive(Debug)]
pub struct Loaded {
    /// The spec; `None` exactly when one of the diagnostics is an error.
    pub spec: Option<Spec>,
    /// Errors and warnings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics point into.
    pub sources: Sources,
}

#[cfg(test)]
mod tests;
