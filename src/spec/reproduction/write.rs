//! The text of a reproduction.

use indexmap::IndexMap;
use serde_json::Value;

use super::cut::{Cut, cut};
use super::hide::{Hidden, hide};
use super::taken_out;
use crate::model::{OracleName, Reproduction, SeenStep};
use crate::secret::Secrets;
use crate::spec::Spec;
use crate::spec::yaml::{self, Entry, Node};

/// How a reproduction becomes a file.
#[derive(Clone, Copy)]
pub struct WriteOptions<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// The path from the folder of the file to the folder of the spec.
    pub folder: &'a str,
    /// Names of the invariants that the oracle needs: itself, if it is one.
    pub invariants: &'a [String],
    /// What is known to be secret. In what is copied from the spec it is replaced by references to the environment.
    pub secrets: &'a Secrets,
}

/// What [`write()`] leaves to the environment: the names of variables, and the values that they must have.
pub fn left_out(
    spec: &Spec,
    reproduction: &Reproduction,
    invariants: &[String],
) -> IndexMap<String, String> {
    hide(
        &mut cut(spec, reproduction, invariants).sections,
        &spec.world.secrets,
    )
}

/// The values that the spec has where the sections of a reproduction, as they are written, leave them to the environment.
pub(in crate::spec) fn secrets_of(
    written: &Node,
    spec: &Spec,
    reproduction: &Reproduction,
    invariants: &[String],
) -> IndexMap<String, String> {
    let sections = cut(spec, reproduction, invariants).sections;
    taken_out::values(written.entries(), &sections)
}

/// Writes a reproduction as a text that needs nothing but itself and the service.
pub fn write(spec: &Spec, reproduction: &Reproduction, writing: WriteOptions<'_>) -> String {
    let WriteOptions {
        file,
        folder,
        invariants,
        secrets,
    } = writing;
    let Cut {
        mut sections,
        undefined,
    } = cut(spec, reproduction, invariants);
    let hidden = hide(&mut sections, secrets);
    let mut document = vec![
        Entry::new("venomqa", Node::Scalar(1.into())),
        Entry::new("name", Node::text(&spec.model.name)),
        Entry::new(
            "reproduction",
            about(spec, reproduction, folder, &undefined, secrets),
        ),
        Entry::new(
            "path",
            Node::List(
                reproduction
                    .path
                    .iter()
                    .map(|step| seen(step, secrets))
                    .collect(),
            ),
        ),
    ];
    document.extend(sections);
    format!(
        "{}{}",
        header(reproduction, file, &hidden),
        yaml::document(&document)
    )
}

/// The comment at the top: what the file is and how to run it.
fn header(reproduction: &Reproduction, file: &str, hidden: &Hidden) -> String {
    let way = match reproduction.path.len() {
        0 => "it is there before the first request".to_owned(),
        1 => "the request that shows it".to_owned(),
        length => format!("the {length} requests that lead to it"),
    };
    let mut lines = vec![
        format!("A violation that venomqa found, and {way}. Nothing else is needed but the service."),
        String::new(),
        format!("  venomqa replay {file}"),
        String::new(),
        "ends with exit code 1 while it still happens, and with 0 once it does not. `--step` stops after each request, to"
            .to_owned(),
        "look into the database; `--to curl` and `--to hurl` print the requests as a script. Under `path` stands what was"
            .to_owned(),
        "seen: a replay says where it sees something else.".to_owned(),
    ];
    if !hidden.is_empty() {
        let names: Vec<&str> = hidden.keys().map(String::as_str).collect();
        lines.push(String::new());
        lines.push(format!(
            "Secrets are not written down: a replay takes them from the environment, or from the spec as it is now: {}",
            names.join(", ")
        ));
    }
    lines
        .iter()
        .map(|line| format!("# {line}").trim_end().to_owned() + "\n")
        .collect()
}

fn about(
    spec: &Spec,
    reproduction: &Reproduction,
    folder: &str,
    undefined: &[String],
    secrets: &Secrets,
) -> Node {
    let (kind, name) = match &reproduction.oracle {
        OracleName::Invariant(name) => ("invariant", name),
        OracleName::Check(name) => ("check", name),
    };
    let (times, of) = reproduction.confirmed;
    let mut found = reproduction.found.clone();
    redact(&mut found, secrets);
    let mut entries = vec![
        (kind, Node::text(name)),
        ("severity", Node::text(reproduction.severity.name())),
        ("message", text(&reproduction.message, secrets)),
        ("evidence", text(&reproduction.kind, secrets)),
        ("expected", text(&reproduction.expected, secrets)),
        ("found", Node::from(&found)),
        ("confirmed", Node::text(format!("{times} of {of}"))),
        ("spec", Node::text(&reproduction.origin.spec)),
        ("strategy", Node::text(&reproduction.origin.strategy)),
        ("seed", Node::Scalar(reproduction.origin.seed.into())),
        ("folder", Node::text(folder)),
    ];
    if !undefined.is_empty() {
        entries.push((
            "undefined",
            Node::List(undefined.iter().map(Node::text).collect()),
        ));
    }
    // Numbers that are counted depend on what else counts in the spec.
    let counters = &spec.model.counters;
    if !counters.is_empty() {
        let counters = counters.iter().map(Node::text).collect();
        entries.push(("counters", Node::List(counters)));
    }
    Node::map(entries)
}

fn seen(step: &SeenStep, secrets: &Secrets) -> Node {
    let mut entries = vec![
        ("action", Node::text(&step.action)),
        ("request", text(&step.request, secrets)),
    ];
    if let Some(body) = &step.body {
        entries.push(("body", text(body, secrets)));
    }
    entries.push(("status", Node::Scalar(step.status.into())));
    if !step.extracted.is_empty() {
        let extracted = step.extracted.iter().map(|(name, value)| {
            let mut value = value.clone();
            redact(&mut value, secrets);
            (name.as_str(), Node::from(&value))
        });
        entries.push(("extracted", Node::map(extracted)));
    }
    if !step.rows.is_empty() {
        let rows = step
            .rows
            .iter()
            .map(|row| Node::map([(row.row.as_str(), text(&row.change, secrets))]))
            .collect();
        entries.push(("rows", Node::List(rows)));
    }
    Node::map(entries)
}

/// A text that was seen, escaped: nothing in it is filled in when the file is read.
fn text(seen: &str, secrets: &Secrets) -> Node {
    Node::text(escaped(seen, secrets))
}

/// A text that was seen, without what the run learned to be secret afterwards.
fn escaped(seen: &str, secrets: &Secrets) -> String {
    secrets.hide(seen).replace("${", "$${")
}

fn redact(value: &mut Value, secrets: &Secrets) {
    match value {
        Value::String(text) => *text = escaped(text, secrets),
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, secrets)),
        Value::Object(fields) => fields.values_mut().for_each(|field| redact(field, secrets)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
