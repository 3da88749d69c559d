//! From a violation to its reproduction: what was seen, in words. Secrets have been taken out of everything that comes in.

use serde_json::{Map, Value};

use crate::event::{self, ConfirmationResult, PathStep};
use crate::model::{
    Evidence, Finding, Model, OracleId, OracleName, Origin, Reproduction, SeenRow, SeenStep,
    Subject,
};
use crate::oracle::checks;
use crate::secret::REDACTED;

/// Rows of the evidence that a reproduction keeps.
const KEPT_ROWS: usize = 5;
/// Characters of a cell that are kept.
const KEPT_CELL: usize = 60;
/// Characters of a body that are kept.
const KEPT_BODY: usize = 2000;

/// The reproduction of a violation; `None` unless it happened again each time.
pub(crate) fn reproduction(violation: &event::Violation, origin: Origin) -> Option<Reproduction> {
    let confirmation = &violation.confirmation;
    if confirmation.result != ConfirmationResult::Confirmed {
        return None;
    }
    let (expected, found) = shown(&violation.evidence);
    let several = event::several_systems(&violation.path);
    Some(Reproduction {
        oracle: violation.oracle_name(),
        kind: violation.kind.clone(),
        severity: violation.severity,
        message: violation.message.clone(),
        expected,
        found,
        confirmed: (confirmation.times?, confirmation.of?),
        origin,
        path: violation
            .path
            .iter()
            .map(|step| seen(step, several))
            .collect(),
    })
}

/// The oracle of a finding, by name.
pub(crate) fn oracle_name(finding: &Finding) -> OracleName {
    let name = finding.name.to_string();
    match finding.oracle {
        OracleId::Invariant(_) => OracleName::Invariant(name),
        OracleId::Check(_) => OracleName::Check(name),
    }
}

/// The invariants that an oracle needs to judge: itself, if it is one; all that send requests, if that is what it
/// looks at.
pub(crate) fn invariants_of(model: &Model, oracle: &OracleName) -> Vec<String> {
    let sends = |subject: &Subject| matches!(subject, Subject::Probe { .. });
    model
        .invariants
        .iter()
        .filter(|invariant| match oracle {
            OracleName::Invariant(name) => invariant.name == *name,
            OracleName::Check(name) => name == checks::PROBE_WROTE && sends(&invariant.subject),
        })
        .map(|invariant| invariant.name.clone())
        .collect()
}

/// What was seen of one step. Systems are named only where there are several.
pub(crate) fn seen(step: &PathStep, several: bool) -> SeenStep {
    let action = step.action.clone();
    let Some(seen) = &step.exchange else {
        return SeenStep {
            action,
            ..SeenStep::default()
        };
    };
    SeenStep {
        action,
        request: format!("{} {}", seen.request.method, seen.request.target),
        body: seen.request.body.as_ref().map(body),
        status: seen.response.status,
        extracted: seen.extracted.clone().into_iter().collect(),
        rows: seen
            .rows
            .iter()
            .filter_map(|change| row(change, several))
            .collect(),
    }
}

/// A body on one line.
pub(crate) fn body(body: &event::Body) -> String {
    let text = match (&body.json, &body.text) {
        (Some(json), _) => spaced(json),
        (None, text) => text.clone().unwrap_or_default(),
    };
    clip(&text, KEPT_BODY)
}

/// JSON on one line, with room to breathe.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(spaced).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, field)| format!("{}: {}", Value::from(name.as_str()), spaced(field)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// One row in words; `None` where nothing changed but columns that tell no states apart.
fn row(change: &event::RowChange, several: bool) -> Option<SeenRow> {
    let text = change.in_words(several, cell)?;
    let parts = text.parts.join(", ");
    let change = match text.sign {
        '+' => format!("inserted ({parts})"),
        '-' => format!("deleted ({parts})"),
        _ if parts.is_empty() => return None,
        _ => parts,
    };
    Some(SeenRow {
        row: text.name,
        change,
    })
}

/// A cell as a value: text in quotes, so that `"1"` is not `1`; not so a blob (`x'0aff'`).
fn cell(value: &Value) -> String {
    let is_blob = |text: &str| {
        let digits = text
            .strip_prefix("x'")
            .and_then(|text| text.strip_suffix('\''));
        digits.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
    };
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) if text == REDACTED || is_blob(text) => clip(text, KEPT_CELL),
        Value::String(text) => Value::String(clip(text, KEPT_CELL)).to_string(),
        other => clip(&other.to_string(), KEPT_CELL),
    }
}

fn clip(text: &str, characters: usize) -> String {
    if text.chars().nth(characters).is_none() {
        return text.to_owned();
    }
    text.chars().take(characters).chain(['…']).collect()
}

/// What should have been found, and what was.
pub(crate) fn shown(evidence: &Evidence) -> (String, Value) {
    match evidence {
        Evidence::Rows {
            columns,
            rows,
            total,
            expected,
        } => {
            let mut found: Vec<Value> = rows
                .iter()
                .take(KEPT_ROWS)
                .map(|row| {
                    let fields: Map<String, Value> =
                        columns.iter().cloned().zip(row.iter().cloned()).collect();
                    fields.into()
                })
                .collect();
            if *total > found.len() {
                found.push(format!("… and {} more", total - found.len()).into());
            }
            (expected.clone(), found.into())
        }
        Evidence::Values { expected, actual } => (expected.clone(), actual.as_str().into()),
    }
}
