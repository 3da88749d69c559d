//! What is written is what is read, and what is documented.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::event::{Event, Step, Stop, Warning};
use crate::report::{Reports, fixture};
use crate::secret::Secrets;

/// The lines of a log with every kind of entry, and every field that there can be.
fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for (_, mut run) in fixture::every_kind() {
        run.initial = Some("00".to_owned());
        run.steps = run
            .summary
            .violations
            .iter()
            .flat_map(|found| &found.path)
            .map(|step| Step {
                step: 1,
                from: 0,
                action: 0,
                to: 1,
                new_state: true,
                fingerprint: "01".to_owned(),
                status: 201,
                judged: Vec::new(),
                broken: Vec::new(),
                exchange: step.exchange.clone(),
            })
            .collect();
        let figures = run.summary.figures;
        let violations = run.summary.violations.clone();
        lines.extend(run.into_entries());
        lines.push(Event::Progress(figures));
        lines.extend(
            violations
                .into_iter()
                .map(|found| Event::Violation(Box::new(found))),
        );
        lines.push(Event::Warning(Warning {
            code: "a".to_owned(),
            message: String::new(),
            help: None,
            untrusted: false,
        }));
    }
    lines
        .iter()
        .map(|entry| serde_json::to_string(entry).unwrap())
        .collect()
}

fn entries(log: &str) -> Result<Vec<Event>, LogError> {
    let mut entries = Vec::new();
    read("a.log", log.as_bytes(), |entry| entries.push(entry))?;
    Ok(entries)
}

#[test]
fn what_is_written_is_what_is_read() {
    let lines = lines();
    let read = entries(&lines.join("\n")).unwrap();
    let again: Vec<String> = read
        .iter()
        .map(|entry| serde_json::to_string(entry).unwrap())
        .collect();
    assert_eq!(lines, again);
}

#[test]
fn any_text_of_a_log_may_be_a_secret() {
    fn texts(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => {
                found.insert(text.clone());
            }
            Value::Number(number) => {
                found.insert(number.to_string());
            }
            Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            Value::Object(fields) => fields.values().for_each(|item| texts(item, found)),
            Value::Null | Value::Bool(_) => {}
        }
    }
    let lines = lines();
    let mut found = BTreeSet::new();
    for line in &lines {
        texts(&serde_json::from_str(line).unwrap(), &mut found);
    }
    let secrets = Secrets::named(found.iter().cloned());
    for text in found {
        secrets.learn(&text.into());
    }
    for event in entries(&lines.join("\n")).unwrap() {
        let hidden = secrets.hidden(&event).unwrap();
        let (hidden, event) = (json!(hidden), json!(event));
        assert_eq!(hidden["event"], event["event"]);
        assert_eq!(hidden["fingerprint"], event["fingerprint"]);
    }
}

#[test]
fn a_number_comes_back_as_it_was() {
    let mut lines = lines();
    let number = "1.25e-201";
    let with_number = lines[0].replacen(
        "\"coverage_target\":null",
        &format!("\"coverage_target\":{number}"),
        1,
    );
    assert_ne!(with_number, lines[0]);
    lines[0] = with_number;
    let once = serde_json::to_string(&entries(&lines[0]).unwrap()[0]).unwrap();
    let twice = serde_json::to_string(&entries(&once).unwrap()[0]).unwrap();
    assert_eq!(once, twice);
}

#[test]
fn only_the_end_of_a_log_may_be_missing() {
    let lines = lines();
    let log = lines.join("\n");
    let whole = entries(&log).unwrap().len();
    assert_eq!(entries(&log[..log.len() - 3]).unwrap().len(), whole - 1);
    let error = entries(&format!("{}\n{}\n", lines[0], &lines[1][..9])).unwrap_err();
    assert_eq!(error.line, 2);
    let error = entries(&format!("{}\n\u{0}\n{}\n", lines[0], lines[1])).unwrap_err();
    assert_eq!(error.line, 2);
}

#[test]
fn a_run_without_an_end_was_killed() {
    let lines = lines();
    let mut reports = Reports::default();
    let mut replay = reports.log_replay();
    let mut over = Vec::new();
    // Cut off, and another run behind it.
    let log = [&lines[0], &lines[1], &lines[0]]
        .map(|line| format!("{line}\n"))
        .concat();
    read("a.log", log.as_bytes(), |entry| {
        over.extend(replay.entry(entry));
    })
    .unwrap();
    over.extend(replay.end());
    assert_eq!(over.len(), 2);
    assert!(over.iter().all(|run| run.summary.stop == Stop::CutOff));
}

#[test]
fn every_field_is_in_the_documentation() {
    fn names(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    found.insert(name.clone());
                    // What the service and the spec call things is theirs.
                    if !["json", "before", "after", "extracted"].contains(&name.as_str()) {
                        names(value, found);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| names(item, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    for line in lines() {
        let value: Value = serde_json::from_str(&line).unwrap();
        found.insert(value["event"].as_str().unwrap().to_owned());
        names(&value, &mut found);
    }
    let page = include_str!("../../../docs/log.md");
    let missing: Vec<_> = found
        .iter()
        .filter(|name| !page.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "docs/log.md lacks {missing:?}");
    assert!(found.len() > 80, "{found:?}");
}
