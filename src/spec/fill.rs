//! From the document as it is written to its values: fills in the environment and applies `--set`.

use serde_json::Value;

use super::Environment;
use super::document::location_keys;
use super::environment::{self, RUN_NAMES, Unfilled, Why};
use super::problems::Problems;
use super::read::one_of;
use super::yaml::{self, Node};
use crate::diagnostic::{Code, Diagnostic, Path, Segment, did_you_mean};

/// The values of a document, every `${NAME}` filled in.
pub(super) fn fill(node: &Node, problems: &mut Problems, environment: &Environment<'_>) -> Value {
    let mut filler = Filler {
        problems,
        environment,
        path: Path::root(),
    };
    filler.value(node)
}

struct Filler<'f> {
    problems: &'f mut Problems,
    environment: &'f Environment<'f>,
    path: Path,
}

impl Filler<'_> {
    fn value(&mut self, node: &Node) -> Value {
        match node {
            Node::Scalar(Value::String(text)) => self.text(text, false),
            Node::Scalar(value) => value.clone(),
            Node::Bare(text) => self.text(text, true),
            Node::List(items) => {
                let items = items.iter().enumerate();
                items
                    .map(|(index, item)| self.below(Segment::Index(index), item))
                    .collect()
            }
            Node::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| {
                        let value = self.below(Segment::Key(entry.key.clone()), &entry.node);
                        (entry.key.clone(), value)
                    })
                    .collect(),
            ),
        }
    }

    fn below(&mut self, segment: Segment, node: &Node) -> Value {
        self.path.push(segment);
        let value = if self.is_overridden() {
            // What stands there is not used, so nothing that it refers to is needed.
            Value::Null
        } else {
            self.value(node)
        };
        self.path.pop();
        value
    }

    /// Whether `--set` gives another value for what stands here.
    fn is_overridden(&self) -> bool {
        let [Segment::Key(section), Segment::Key(name)] = self.path.segments() else {
            return false;
        };
        let mut overrides = self.environment.overrides.iter();
        section == "variables" && overrides.any(|(set, _)| set == name)
    }

    /// Fills in a text. `is_bare` says that it is one reference without quotes, whose value may be a number.
    fn text(&mut self, text: &str, is_bare: bool) -> Value {
        if !text.contains("${") {
            return text.into();
        }
        let is_filled_in_run = is_filled_in_run(&self.path);
        match environment::fill(text, self.environment.variable, is_filled_in_run) {
            Ok(filled) if is_bare && !is_filled_in_run => yaml::scalar(&filled),
            Ok(filled) => Value::String(filled),
            Err(unfilled) => {
                for Unfilled { range, why } in unfilled {
                    self.unfilled(text, &range, &why);
                }
                self.problems.explain(&self.path);
                text.into()
            }
        }
    }

    fn unfilled(&mut self, text: &str, range: &std::ops::Range<usize>, why: &Why) {
        let (message, help) = match why {
            Why::NotSet(name) => (
                format!("the environment variable `{name}` is not set"),
                match did_you_mean(name, RUN_NAMES) {
                    Some(meant) if is_filled_in_run(&self.path) => {
                        format!("did you mean `${{{meant}}}`?")
                    }
                    _ => format!("set it, or give a default: `${{{name}:-...}}`"),
                },
            ),
            Why::KnownOnlyInRun(name) => (
                format!("`${{{name}}}` is known only when the run starts and cannot be used here"),
                format!("it can be used in {}", places_filled_in_run()),
            ),
            Why::CannotEscape(name) => (
                format!(
                    "`${{{name}}}` is filled in here when the run starts and cannot be escaped"
                ),
                "leave it out".to_owned(),
            ),
            Why::NotAName => (
                "`${` starts a reference to the environment, and no name follows".to_owned(),
                "write `${NAME}` or `${NAME:-default}`, or `$${` for the two characters themselves"
                    .to_owned(),
            ),
        };
        self.problems.inside(
            &self.path,
            text,
            range,
            "",
            Diagnostic::error(Code::Environment, message).help(help),
        );
    }
}

/// The places that the run fills in, for messages; [`is_filled_in_run`] decides.
fn places_filled_in_run() -> String {
    let systems = location_keys().map(|(key, _)| format!("`systems.*.{key}`, "));
    let systems: String = systems.collect();
    format!(
        "`service.command`, `service.env`, `service.cwd`, `http.base_url`, {systems}`reset.command`"
    )
}

fn is_filled_in_run(path: &Path) -> bool {
    let keys: Vec<&str> = path
        .segments()
        .iter()
        .filter_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        })
        .collect();
    match keys.as_slice() {
        ["service", "command" | "cwd"]
        | ["service", "env", _]
        | ["http", "base_url"]
        | ["reset", "command"] => true,
        ["systems", _, key] => location_keys().any(|(known, _)| known == *key),
        _ => false,
    }
}

/// `--set NAME=VALUE`: replaces entries of `variables:`.
pub(super) fn apply_overrides(
    tree: &mut Value,
    overrides: &[(String, String)],
    mut refuse: impl FnMut(&str, Diagnostic),
) {
    for (name, value) in overrides {
        let variables = tree.get_mut("variables").and_then(Value::as_object_mut);
        let names: Vec<String> = variables
            .as_ref()
            .map(|variables| variables.keys().cloned().collect())
            .unwrap_or_default();
        if let Some(slot) = variables.and_then(|variables| variables.get_mut(name)) {
            *slot = yaml::scalar(value);
            continue;
        }
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.is_empty() => "the spec has no `variables`".to_owned(),
            None => format!("the spec has {}", one_of(&known)),
        };
        refuse(
            &format!("{name}={value}"),
            Diagnostic::error(
                Code::BadOverride,
                format!("the spec has no variable `{name}` to set"),
            )
            .help(help),
        );
    }
}
