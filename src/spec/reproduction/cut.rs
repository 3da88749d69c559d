//! Cuts a spec down to what one path needs.

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use crate::model::{Action, Invariant, Reproduction, Subject};
use crate::spec::Spec;
use crate::spec::yaml::{Entry, Node};
use crate::world::config::RestoreMode;

/// What is left of a spec.
pub(super) struct Cut {
    /// The sections, in the order in which they are written.
    pub(super) sections: Vec<Entry>,
    /// Names that something reads and that have no value on this path.
    pub(super) undefined: Vec<String>,
}

/// Sections that are needed to reach the service, in the order in which they are written.
const WORLD: [&str; 10] = [
    "service",
    "http",
    "principals",
    "systems",
    "restore",
    "reset",
    "after_restore",
    "settle",
    "setup",
    "secrets",
];

/// Keys of an action that tell when it may run. A path is run as it stands.
const GUARDS: [&str; 3] = ["preconditions", "max_calls", "weight"];

/// Cuts the spec down to this reproduction and these invariants.
pub(super) fn cut(spec: &Spec, reproduction: &Reproduction, invariants: &[String]) -> Cut {
    let mut sections: Vec<Entry> = WORLD
        .iter()
        .filter_map(|key| match *key {
            "http" => http(spec),
            "principals" => principals(spec, &acting(spec, reproduction, invariants)),
            "systems" => systems(spec),
            // A spec may owe `restore: none` to a flag or a default; the reproduction says it.
            "restore" if spec.world.restore == RestoreMode::None => {
                Some(Entry::new("restore", Node::text("none")))
            }
            key => Some(Entry::new(key, spec.written.section(key)?.clone())),
        })
        .collect();
    let acting = acting(spec, reproduction, invariants);
    sections.push(Entry::new("actions", actions(spec, reproduction, &acting)));
    let kept = kept_invariants(spec, invariants);
    if !kept.is_empty() {
        sections.push(Entry::new("invariants", Node::List(kept)));
    }

    let mut read: IndexSet<String> = spec
        .model
        .invariants
        .iter()
        .filter(|invariant| invariants.contains(&invariant.name))
        .flat_map(Invariant::queries)
        .flat_map(|query| query.parameters.iter().map(|(name, _)| name.clone()))
        .collect();
    let mut extracted = IndexSet::new();
    for section in &sections {
        names(&section.key, &section.node, &mut read, &mut extracted);
    }
    let constants = &spec.model.names.constants;
    let undefined = spec
        .model
        .names
        .variables
        .iter()
        .filter(|name| read.contains(*name) && !extracted.contains(*name))
        .filter(|name| !constants.contains_key(*name))
        .cloned()
        .collect();
    let variables = variables(spec, &read);
    if !variables.is_empty() {
        sections.insert(0, Entry::new("variables", Node::Map(variables)));
    }
    Cut {
        sections,
        undefined,
    }
}

fn items(node: Option<&Node>) -> &[Node] {
    node.map_or(&[], Node::items)
}

fn named(node: &Node) -> Option<&str> {
    node.field("name")?.as_text()
}

/// `http`, with the base URL that the run used.
fn http(spec: &Spec) -> Option<Entry> {
    let mut written = spec
        .written
        .section("http")
        .map_or_else(Vec::new, |node| node.entries().to_vec());
    if let Some(url) = &spec.written.base_url {
        written.retain(|entry| entry.key != "base_url");
        written.insert(0, Entry::new("base_url", Node::text(escaped(url))));
    }
    (!written.is_empty()).then(|| Entry::new("http", Node::Map(written)))
}

/// The names of those who act on this path, or for these invariants, or before the path.
fn acting(spec: &Spec, reproduction: &Reproduction, invariants: &[String]) -> IndexSet<String> {
    let on_path = reproduction.path.iter().filter_map(|step| {
        let mut actions = spec.model.actions.iter();
        let action = actions.find(|action| action.name == step.action)?;
        action.request.principal
    });
    let probes = spec.model.invariants.iter();
    let probes = probes.filter(|invariant| invariants.contains(&invariant.name));
    let probes = probes.filter_map(|invariant| match &invariant.subject {
        Subject::Probe { request, .. } => request.principal,
        Subject::Sql(_) | Subject::Response { .. } => None,
    });
    let world = &spec.world;
    let before = world.setup.iter().filter_map(|step| step.request.principal);
    let restoring = world
        .after_restore
        .iter()
        .filter_map(|request| request.principal);
    let all = on_path.chain(probes).chain(before).chain(restoring);
    let names = all.filter_map(|id| world.principals.get(id.0 as usize));
    names.map(|principal| principal.name.clone()).collect()
}

/// `principals`, those who act.
fn principals(spec: &Spec, acting: &IndexSet<String>) -> Option<Entry> {
    let written = spec.written.section("principals")?.entries().iter();
    let kept: Vec<Entry> = written
        .filter(|entry| acting.contains(&entry.key))
        .cloned()
        .collect();
    (!kept.is_empty()).then(|| Entry::new("principals", Node::Map(kept)))
}

/// The names in a list that are among these; one name stays as it is.
fn among(node: &Node, acting: &IndexSet<String>) -> Node {
    let is_kept = |item: &&Node| item.as_text().is_some_and(|name| acting.contains(name));
    match node {
        Node::List(items) => Node::List(items.iter().filter(is_kept).cloned().collect()),
        Node::Scalar(_) if !is_kept(&node) => Node::List(Vec::new()),
        other => other.clone(),
    }
}

/// `systems`, without the queries that only tell states apart.
fn systems(spec: &Spec) -> Option<Entry> {
    let written = spec.written.section("systems")?;
    let systems = written
        .entries()
        .iter()
        .map(|system| {
            let kept = system
                .node
                .entries()
                .iter()
                .filter(|entry| entry.key != "observation_queries")
                .cloned()
                .collect();
            Entry::new(&system.key, Node::Map(kept))
        })
        .collect();
    Some(Entry::new("systems", Node::Map(systems)))
}

/// The actions on the path, each with the parameter values that are used there.
fn actions(spec: &Spec, reproduction: &Reproduction, acting: &IndexSet<String>) -> Node {
    let mut used: IndexMap<&str, Vec<&Action>> = IndexMap::new();
    for step in &reproduction.path {
        let found = spec
            .model
            .actions
            .iter()
            .find(|action| action.name == step.action);
        if let Some(action) = found {
            let variants = used.entry(&action.base_name).or_default();
            if !variants.iter().any(|known| known.name == action.name) {
                variants.push(action);
            }
        }
    }
    // Post-conditions are judged where one of them is what does not hold.
    let keeps_ensure = reproduction.oracle.name() == "ensure-failed";
    let kept = items(spec.written.section("actions"))
        .iter()
        .filter_map(|written| {
            let variants = used.get(named(written)?)?;
            let entries = written
                .entries()
                .iter()
                .filter(|entry| !GUARDS.contains(&entry.key.as_str()))
                .filter(|entry| entry.key != "ensure" || keeps_ensure)
                .map(|entry| match entry.key.as_str() {
                    "parameters" => Entry::new("parameters", parameters(variants)),
                    "as" | "allow" => Entry::new(&entry.key, among(&entry.node, acting)),
                    _ => entry.clone(),
                })
                .collect();
            Some(Node::Map(entries))
        });
    Node::List(kept.collect())
}

fn parameters(variants: &[&Action]) -> Node {
    let mut values: IndexMap<&str, Vec<&Value>> = IndexMap::new();
    for action in variants {
        for (name, value) in action.parameters.iter() {
            let known = values.entry(name).or_default();
            if !known.contains(&value) {
                known.push(value);
            }
        }
    }
    Node::map(
        values
            .into_iter()
            .map(|(name, values)| (name, Node::List(values.into_iter().map(filled).collect()))),
    )
}

fn kept_invariants(spec: &Spec, names: &[String]) -> Vec<Node> {
    items(spec.written.section("invariants"))
        .iter()
        .filter(|written| named(written).is_some_and(|name| names.iter().any(|kept| kept == name)))
        .cloned()
        .collect()
}

/// The constants that are read; those that the command line replaced with their new values.
fn variables(spec: &Spec, read: &IndexSet<String>) -> Vec<Entry> {
    let Some(written) = spec.written.section("variables") else {
        return Vec::new();
    };
    written
        .entries()
        .iter()
        .filter(|entry| read.contains(&entry.key))
        .map(|entry| {
            let value = spec.model.names.constants.get(&entry.key);
            match value {
                Some(value) if spec.written.replaced.contains(&entry.key) => {
                    Entry::new(&entry.key, filled(value))
                }
                _ => entry.clone(),
            }
        })
        .collect()
}

/// A value that is filled in already: its text is escaped, so that nothing in it is filled in again.
fn filled(value: &Value) -> Node {
    let mut node = Node::from(value);
    escape(&mut node);
    node
}

fn escape(node: &mut Node) {
    match node {
        Node::Scalar(Value::String(text)) => *text = escaped(text),
        Node::Scalar(_) | Node::Bare(_) => {}
        Node::List(items) => items.iter_mut().for_each(escape),
        Node::Map(entries) => entries.iter_mut().for_each(|entry| escape(&mut entry.node)),
    }
}

fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

/// Collects every word that a template may read, and every name that is extracted. Superfluous words do no harm.
fn names(key: &str, node: &Node, read: &mut IndexSet<String>, extracted: &mut IndexSet<String>) {
    match node {
        Node::Scalar(Value::String(text)) => read.extend(words(text)),
        Node::Scalar(_) | Node::Bare(_) => {}
        Node::List(items) if key == "clear" => {
            for item in items {
                if let Node::Scalar(Value::String(name)) = item {
                    read.insert(name.clone());
                }
            }
        }
        Node::List(items) => {
            for item in items {
                names(key, item, read, extracted);
            }
        }
        Node::Map(entries) => {
            for entry in entries {
                if key == "extract" {
                    extracted.insert(entry.key.clone());
                }
                read.extend(words(&entry.key));
                names(&entry.key, &entry.node, read, extracted);
            }
        }
    }
}

/// The words of a text that may hold a template.
fn words(text: &str) -> impl Iterator<Item = String> {
    let is_template = text.contains("{{") || text.contains("{%");
    let text = if is_template { text } else { "" };
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
}
