//! From a violation to its reproduction: what was seen, in words, and without secrets.

use serde_json::{Map, Value};

use crate::model::{
    Body, Cell, Confirmation, Evidence, Finding, Model, OracleId, OracleName, Origin, PathStep,
    Reproduction, RowChange, SeenRow, SeenStep, StepRecord, Subject, Violation,
};
use crate::oracle::checks;
use crate::secret::{REDACTED, Secrets, is_secret_field, is_secret_name};

/// Rows of the evidence that a reproduction keeps.
const KEPT_ROWS: usize = 5;
/// Characters of a cell that are kept.
const KEPT_CELL: usize = 60;
/// Characters of a body that are kept.
const KEPT_BODY: usize = 2000;

/// The reproduction of a violation; `None` unless it happened again each time.
pub(crate) fn reproduction(
    model: &Model,
    violation: &Violation,
    origin: Origin,
    secrets: &Secrets,
) -> Option<Reproduction> {
    let Confirmation::Confirmed { times, of } = violation.confirmation else {
        return None;
    };
    let mut secrets = secrets.clone();
    for step in &violation.path {
        if let Some(record) = &step.record {
            learn(&mut secrets, record);
        }
    }
    let finding = &violation.finding;
    let (expected, found) = shown(&finding.evidence, &secrets);
    let several = several_systems(&violation.path);
    Some(Reproduction {
        oracle: accuser(finding),
        kind: finding.kind.clone(),
        severity: finding.severity,
        message: secrets.hide(&finding.message).into_owned(),
        expected,
        found,
        confirmed: (times, of),
        origin,
        path: violation
            .path
            .iter()
            .map(|step| seen(model, step, several, &secrets))
            .collect(),
    })
}

/// The oracle of a finding, by name.
pub(crate) fn accuser(finding: &Finding) -> OracleName {
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

/// Learns what this step shows of secrets: headers that let somebody act as the user, and what stands under secret
/// names.
pub(crate) fn learn(secrets: &mut Secrets, record: &StepRecord) {
    for (name, value) in record
        .request
        .headers
        .iter()
        .chain(&record.response.headers)
    {
        secrets.learn_header(name, value);
    }
    for (name, value) in &record.extracted {
        if is_secret_name(name) || secrets.has_name(name) {
            secrets.learn(value);
        }
    }
    let sent = record
        .request
        .body
        .as_ref()
        .map(|body| Body::new(body.clone()));
    for body in sent.iter().chain([&record.response.body]) {
        if let Some(value) = body.json() {
            secrets.learn_fields(value);
        }
    }
}

/// What was seen of one step. Names of systems are written only where there are several.
pub(crate) fn seen(model: &Model, step: &PathStep, several: bool, secrets: &Secrets) -> SeenStep {
    let action = model.action(step.action).name.clone();
    let Some(record) = &step.record else {
        return SeenStep {
            action,
            ..SeenStep::default()
        };
    };
    let request = format!("{} {}", record.request.method, record.request.target);
    SeenStep {
        action,
        request: secrets.hide(&request).into_owned(),
        body: record
            .request
            .body
            .as_ref()
            .and_then(|bytes| body(&Body::new(bytes.clone()), secrets)),
        status: record.response.status,
        extracted: record
            .extracted
            .iter()
            .map(|(name, value)| {
                let mut value = value.clone();
                hide_fields(&mut value, secrets);
                if is_secret_name(name) || secrets.has_name(name) {
                    value = REDACTED.into();
                }
                (name.clone(), value)
            })
            .collect(),
        rows: record
            .rows
            .rows()
            .filter_map(|change| row(change, several, secrets))
            .collect(),
    }
}

/// Whether the steps changed rows of several systems.
pub(crate) fn several_systems(path: &[PathStep]) -> bool {
    let mut systems = path
        .iter()
        .filter_map(|step| step.record.as_ref())
        .flat_map(|record| record.rows.rows())
        .map(|change| &change.table.system);
    let first = systems.next();
    systems.any(|system| Some(system) != first)
}

/// A body as it is shown: on one line, secrets taken out; `None` when it is empty.
pub(crate) fn body(body: &Body, secrets: &Secrets) -> Option<String> {
    if body.length == 0 {
        return None;
    }
    let text = match body.json() {
        Some(json) => {
            let mut json = Value::clone(json);
            hide_fields(&mut json, secrets);
            spaced(&json)
        }
        None => secrets.hide(&body.text()).into_owned(),
    };
    Some(clip(&text, KEPT_BODY))
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

/// Takes out what is known to be secret, and what stands under names that say so.
fn hide_fields(value: &mut Value, secrets: &Secrets) {
    fn by_name(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    if is_secret_field(name) && (field.is_string() || field.is_number()) {
                        *field = REDACTED.into();
                    } else {
                        by_name(field);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(by_name),
            _ => {}
        }
    }
    secrets.hide_in(value);
    by_name(value);
}

/// One row in words. Columns that tell no states apart are dates and the like, other ones on every run: a row of which
/// nothing else changed is left out.
fn row(change: &RowChange, several: bool, secrets: &Secrets) -> Option<SeenRow> {
    let table = &change.table;
    let key: Vec<String> = change.key.iter().map(|part| cell(part, secrets)).collect();
    let system = if several {
        format!("{}.", table.system)
    } else {
        String::new()
    };
    let columns = || {
        table
            .columns
            .iter()
            .enumerate()
            .filter(|(position, _)| table.ignored_columns.get(*position) != Some(&true))
    };
    let shown = |name: &str, value: &Cell| {
        let is_secret = is_secret_field(name) || secrets.has_name(name);
        if is_secret && *value != Cell::Null {
            REDACTED.to_owned()
        } else {
            cell(value, secrets)
        }
    };
    let all = |row: &[Cell]| {
        let cells: Vec<String> = columns()
            .filter_map(|(position, name)| {
                Some(format!("{name} {}", shown(name, row.get(position)?)))
            })
            .collect();
        cells.join(", ")
    };
    let text = match (&change.before, &change.after) {
        (None, Some(after)) => format!("inserted ({})", all(after)),
        (Some(before), None) => format!("deleted ({})", all(before)),
        (Some(before), Some(after)) => {
            let changed: Vec<String> = columns()
                .filter_map(|(position, name)| {
                    let (before, after) = (before.get(position)?, after.get(position)?);
                    (before != after).then(|| {
                        format!("{name} {} -> {}", shown(name, before), shown(name, after))
                    })
                })
                .collect();
            changed.join(", ")
        }
        (None, None) => return None,
    };
    (!text.is_empty()).then(|| SeenRow {
        row: format!("{system}{}[{}]", table.name, key.join(", ")),
        change: text,
    })
}

/// A cell as a value: text in quotes, so that `"1"` is not `1`.
fn cell(cell: &Cell, secrets: &Secrets) -> String {
    match cell {
        Cell::Text(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            Value::String(clip(&secrets.hide(&text), KEPT_CELL)).to_string()
        }
        other => clip(&secrets.hide(&other.to_string()), KEPT_CELL),
    }
}

fn clip(text: &str, characters: usize) -> String {
    if text.chars().nth(characters).is_none() {
        return text.to_owned();
    }
    text.chars().take(characters).chain(['…']).collect()
}

/// Learns the constants whose names say that they are secret.
pub(crate) fn learn_constants(secrets: &mut Secrets, model: &Model) {
    for (name, value) in &model.names.constants {
        if is_secret_name(name) || secrets.has_name(name) {
            secrets.learn(value);
        }
    }
}

/// What should have been found, and what was, without secrets.
pub(crate) fn shown(found: &Evidence, secrets: &Secrets) -> (String, Value) {
    let (expected, mut found) = evidence(found);
    hide_fields(&mut found, secrets);
    (secrets.hide(&expected).into_owned(), found)
}

/// What should have been found, and what was.
fn evidence(evidence: &Evidence) -> (String, Value) {
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
