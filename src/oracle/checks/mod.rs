//! The built-in oracles. Each is a file and a line in the registry; `docs/checks.md` has a section for each.

mod access_control;
mod ensure_failed;
mod extract_failed;
mod no_answer;
mod probe_wrote;
mod rejected_but_wrote;
mod safe_method_wrote;
mod server_error;
mod too_slow;
mod unexpected_body;
mod unexpected_header;
mod unexpected_status;

use std::collections::BTreeSet;

use crate::model::{Action, Evidence, Severity, StepRecord};

use super::Objection;

/// All checks, in the order in which they are evaluated and in which reports list them.
const REGISTRY: &[Check] = &[
    no_answer::CHECK,
    server_error::CHECK,
    access_control::CHECK,
    unexpected_status::CHECK,
    unexpected_header::CHECK,
    unexpected_body::CHECK,
    too_slow::CHECK,
    extract_failed::CHECK,
    ensure_failed::CHECK,
    probe_wrote::CHECK,
    safe_method_wrote::CHECK,
    rejected_but_wrote::CHECK,
];

/// Names of all checks, in the order of the registry.
pub const NAMES: &[&str] = &{
    let mut names = [""; REGISTRY.len()];
    let mut index = 0;
    while index < REGISTRY.len() {
        names[index] = REGISTRY[index].name;
        index += 1;
    }
    names
};

/// The check that looks at the requests of invariants rather than at steps.
pub const PROBE_WROTE: &str = probe_wrote::CHECK.name;
/// The check that somebody does only what is allowed them.
pub const ACCESS_CONTROL: &str = access_control::CHECK.name;

/// One built-in oracle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    /// What the spec and reports call it.
    pub(super) name: &'static str,
    /// How bad its violations are unless the spec says otherwise; `None` where it is off unless the spec names it.
    pub(super) severity: Option<Severity>,
    /// Checks that come first: where one of them objects to a step, this check is not evaluated.
    pub(super) yields_to: &'static [&'static str],
    /// When and how it is evaluated.
    pub(super) evaluate: Evaluate,
}

/// When and how a check is evaluated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Evaluate {
    /// After a step without an answer, and where the request of an invariant has none: judges what was sent, as a message names it.
    NoAnswer(fn(&str, &StepRecord) -> Option<Objection>),
    /// After every step with an answer.
    Step(fn(&Action, &StepRecord) -> Option<Objection>),
    /// The same, for checks that object to the rows that the step changed.
    Rows(fn(&Action, &StepRecord) -> Option<Objection>),
    /// After every step with an answer: the assertions on the body of its answer, which may need the database.
    Body,
    /// After every accepted step: its post-conditions, which may need the database.
    Ensure,
    /// In every new state: the requests of invariants.
    Probe,
}

/// A check as a run uses it.
#[derive(Clone, Debug)]
pub(super) struct Active {
    /// Its position in the registry.
    pub(super) number: u32,
    pub(super) check: Check,
    /// How bad its violations are in this run.
    pub(super) severity: Severity,
}

/// The objection of a check against changed rows of observed tables, where there are any. `message` makes a sentence of how
/// many rows changed. Objections with different statuses are different bugs.
fn wrote(record: &StepRecord, message: impl Fn(&str) -> String) -> Option<Objection> {
    let rows: Vec<_> = record
        .rows
        .rows()
        .filter(|change| change.is_observed())
        .map(|change| {
            let key: Vec<_> = change.key.iter().map(ToString::to_string).collect();
            format!("{}[{}]", change.table.name, key.join(", "))
        })
        .collect();
    let count = match rows.len() {
        0 => return None,
        1 => "1 row".to_owned(),
        count => format!("{count} rows"),
    };
    Some(Objection {
        kind: record.response.status.to_string(),
        message: message(&count),
        evidence: Evidence::Values {
            expected: "no changed row".to_owned(),
            actual: rows.join(", "),
        },
    })
}

/// What a step changed of observed tables, of so many systems: `orders.status`, or `orders` where whole rows came or went; sorted. Columns that the
/// identity leaves out do not count where others changed.
pub(super) fn written(record: &StepRecord, systems: usize) -> Vec<String> {
    let mut names = BTreeSet::new();
    for change in record.rows.rows().filter(|change| change.is_observed()) {
        let table = &change.table;
        let (Some(before), Some(after)) = (&change.before, &change.after) else {
            names.insert(table.name_among(systems));
            continue;
        };
        let cells = before.iter().zip(after.iter());
        for (index, (column, (before, after))) in table.columns.iter().zip(cells).enumerate() {
            let is_ignored = table.ignored_columns.get(index) == Some(&true);
            if before != after && !is_ignored {
                names.insert(format!("{}.{column}", table.name_among(systems)));
            }
        }
    }
    names.into_iter().collect()
}

/// The checks that are not `off`, with the severities of the spec.
pub(super) fn active(settings: &indexmap::IndexMap<String, Option<Severity>>) -> Vec<Active> {
    REGISTRY
        .iter()
        .enumerate()
        .filter_map(|(number, check)| {
            let setting = settings.get(check.name).copied();
            let severity = setting.unwrap_or(check.severity)?;
            Some(Active {
                number: number as u32,
                check: *check,
                severity,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_documented_with_its_default_severity() {
        let page = include_str!("../../../docs/checks.md");
        for check in REGISTRY {
            let (_, section) = page
                .split_once(&format!("\n## {}\n", check.name))
                .unwrap_or_else(|| panic!("docs/checks.md has no section `{}`", check.name));
            let section = section.split("\n## ").next().unwrap();
            let severity = check.severity.map_or_else(
                || "Off unless the spec names it.".to_owned(),
                |severity| format!("Default severity: {severity}."),
            );
            assert!(section.contains(&severity), "{}: {severity}", check.name);
            let row = format!("\n| [`{0}`](#{0}) |", check.name);
            assert!(page.contains(&row), "the table lacks `{}`", check.name);
        }
        let sections = page.matches("\n## ").count();
        assert_eq!(sections, REGISTRY.len(), "a section without a check");
    }

    #[test]
    fn a_check_yields_only_to_checks_before_it() {
        for (index, check) in REGISTRY.iter().enumerate() {
            for other in check.yields_to {
                assert!(
                    NAMES[..index].contains(other),
                    "{} yields to {other}",
                    check.name
                );
            }
        }
    }

    #[test]
    fn every_example_of_the_page_is_a_legal_spec() {
        let page = include_str!("../../../docs/checks.md");
        let examples: Vec<&str> = page
            .split("```yaml\n")
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap())
            .collect();
        assert_eq!(examples.len(), REGISTRY.len() + 1);
        for example in examples {
            let mut text =
                "venomqa: 1\nname: example\nhttp: { base_url: http://127.0.0.1:1 }\nprincipals: { admin: {}, nobody: {} }\n".to_owned();
            if !example.starts_with("systems:") {
                text.push_str("systems: { db: { sqlite: shop.db } }\n");
            }
            let (top, action) = if example.starts_with("- name:") {
                ("", example)
            } else {
                (example, "")
            };
            text.push_str(top);
            text.push_str(
                "actions:\n- { name: create, request: { method: POST, path: /carts }, extract: { cart_id: $.cart, order_id: $.order } }\n",
            );
            text.push_str(action);
            let environment = crate::spec::Environment {
                variable: &|name| (name == "workdir").then(|| ".".to_owned()),
                overrides: &[],
                base_url: None,
                vocabulary: crate::spec::Vocabulary {
                    strategies: &[],
                    strategies_without_restore: &[],
                    checks: NAMES,
                },
            };
            let loaded =
                crate::spec::parse(std::path::Path::new("example.yaml"), &text, &environment);
            let problems: Vec<&str> = loaded
                .diagnostics
                .iter()
                .filter(|problem| problem.severity == crate::diagnostic::Severity::Error)
                .map(|problem| problem.message.as_str())
                .collect();
            assert!(problems.is_empty(), "{problems:?}\n{text}");
        }
    }
}
