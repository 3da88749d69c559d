//! SARIF 2.1.0 (an OASIS standard), for code scanning: one SARIF run for each run, one result for each violation.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::text::printable;
use super::{Destination, Form, Outcome, Report, ReportError, RunReport, violation_text};
use crate::diagnostic::Place;
use crate::event::{self, Failure, OracleKind, Violation, Warning};
use crate::model::Severity;

/// Columns of a body in a message.
const COLUMNS: usize = 300;

/// Collects runs and writes them as one document.
pub struct Sarif {
    destination: Destination,
    runs: Vec<Value>,
}

impl Sarif {
    /// A report that is written to this destination once all runs are over.
    pub fn new(destination: Destination) -> Self {
        Self {
            destination: destination.of(Form::Json),
            runs: Vec::new(),
        }
    }
}

impl Report for Sarif {
    fn run(&mut self, run: &RunReport) {
        self.runs.push(run_json(run));
    }

    fn finish(&mut self, _exit_code: u8) -> Result<(), ReportError> {
        let document = json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": std::mem::take(&mut self.runs),
        });
        self.destination.write("sarif", &format!("{document:#}\n"))
    }
}

fn run_json(run: &RunReport) -> Value {
    let started = &run.started;
    let (rules, ids) = rules(run);
    let results: Vec<Value> = run
        .summary
        .violations
        .iter()
        .map(|found| result(run, found, &ids))
        .collect();
    json!({
        "tool": { "driver": {
            "name": "venomqa",
            "version": started.venomqa,
            "rules": rules,
        } },
        // Without it, the results of one spec would replace those of another.
        "automationDetails": { "id": format!("venomqa/{}/", started.spec.name) },
        "invocations": [{
            "executionSuccessful": !matches!(run.outcome(), Outcome::Failed | Outcome::Interrupted),
            "commandLine": started.repeat,
            "startTimeUtc": started.started_at,
            "toolExecutionNotifications": notifications(run),
        }],
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {
            "outcome": run.outcome().name(),
            "headline": run.headline(),
            "strategy": run.strategy(),
            "steps": run.summary.figures.step,
            "states": run.summary.figures.states,
            "coverage": run.summary.figures.coverage,
            "corpus": run.summary.corpus,
        },
    })
}

/// The rules, and their ids in the same order: every invariant, and each check that found a violation.
fn rules(run: &RunReport) -> (Vec<Value>, Vec<String>) {
    let mut rules = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    for invariant in &run.started.invariants {
        let id = rule_id(OracleKind::Invariant, &invariant.name);
        let text = format!(
            "the invariant `{}` of the spec holds in every state",
            invariant.name
        );
        rules.push(rule(&id, &invariant.name, &text, invariant.severity));
        ids.push(id);
    }
    for found in &run.summary.violations {
        let id = rule_id(found.oracle, &found.name);
        if !ids.contains(&id) {
            let text = format!("the check `{}` that is built into venomqa", found.name);
            rules.push(rule(&id, &found.name, &text, found.severity));
            ids.push(id);
        }
    }
    (rules, ids)
}

fn rule_id(oracle: OracleKind, name: &str) -> String {
    match oracle {
        OracleKind::Invariant => format!("invariant/{name}"),
        OracleKind::Check => format!("check/{name}"),
    }
}

fn rule(id: &str, name: &str, text: &str, severity: Severity) -> Value {
    json!({
        "id": id,
        "name": name,
        "shortDescription": { "text": text },
        "defaultConfiguration": { "level": level(severity) },
        "properties": { "severity": severity, "problem.severity": problem_severity(severity) },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// The severity of a problem that is not about security, in the words of GitHub's code scanning.
fn problem_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "recommendation",
    }
}

fn result(run: &RunReport, found: &Violation, ids: &[String]) -> Value {
    let id = rule_id(found.oracle, &found.name);
    let mut lines = vec![found.message.clone()];
    lines.extend(violation_text::evidence(&found.evidence));
    let mut result = json!({
        "ruleId": id,
        "ruleIndex": ids.iter().position(|known| *known == id),
        "level": level(found.severity),
        "message": { "text": lines.join("\n") },
        "locations": [location(run, violation_text::place(run, found), found.action.as_deref(), None)],
        "occurrenceCount": found.occurrences.max(1),
        "partialFingerprints": { "venomqa/v2": fingerprint(run, found) },
        "baselineState": if found.known { "unchanged" } else { "new" },
        "properties": {
            "cause": found.cause,
            "severity": found.severity,
            "confirmation": violation_text::confirmation(found),
            "path": found.path.iter().map(|step| &step.action).collect::<Vec<_>>(),
        },
    });
    if !found.path.is_empty() {
        result["codeFlows"] = json!([{
            "message": { "text": violation_text::confirmation(found) },
            "threadFlows": [{ "locations": flow(run, found) }],
        }]);
    }
    result
}

/// The path, one location for each step.
fn flow(run: &RunReport, found: &Violation) -> Vec<Value> {
    let several_systems = event::several_systems(&found.path);
    found
        .path
        .iter()
        .enumerate()
        .map(|(position, step)| {
            let mut lines = vec![printable(&step.action)];
            if let Some(exchange) = &step.exchange {
                lines.clear();
                violation_text::path_step(&mut lines, exchange, several_systems, COLUMNS);
            }
            let text: Vec<&str> = lines.iter().map(|line| line.trim_start()).collect();
            let place = violation_text::action_place(run, &step.action);
            json!({
                "location": location(run, place, Some(&step.action), Some(&text.join("\n"))),
                "executionOrder": position + 1,
            })
        })
        .collect()
}

fn location(
    run: &RunReport,
    place: Option<Place>,
    action: Option<&str>,
    text: Option<&str>,
) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": uri(&run.started.spec.path) } });
    if let Some(place) = place {
        physical["region"] = json!({ "startLine": place.line, "startColumn": place.column });
    }
    let mut location = Map::new();
    location.insert("physicalLocation".to_owned(), physical);
    if let Some(action) = action {
        location.insert(
            "logicalLocations".to_owned(),
            json!([{ "name": action, "kind": "function" }]),
        );
    }
    if let Some(text) = text {
        location.insert("message".to_owned(), json!({ "text": text }));
    }
    Value::Object(location)
}

/// The identity of a violation over several runs: the spec, and its cause.
fn fingerprint(run: &RunReport, found: &Violation) -> String {
    let parts = [
        run.started.spec.name.as_str(),
        &rule_id(found.oracle, &found.name),
        &found.kind,
        match &*found.cause {
            "" => violation_text::base_action(run, found).unwrap_or_default(),
            cause => cause,
        },
    ];
    // As JSON, so that no part can run into the next.
    let hash = blake3::hash(json!(parts).to_string().as_bytes());
    hash.to_hex()[..32].to_owned()
}

fn notifications(run: &RunReport) -> Vec<Value> {
    let mut all = Vec::new();
    for error in run.errors() {
        let Failure {
            kind,
            message,
            details,
            help,
        } = error;
        let mut lines = vec![message.clone()];
        lines.extend(details.iter().cloned());
        lines.extend(help.iter().map(|help| format!("help: {help}")));
        all.push(notification(kind, "error", &lines.join("\n")));
    }
    for warning in &run.summary.warnings {
        let Warning {
            code,
            message,
            help,
            untrusted,
        } = warning;
        let level = if *untrusted { "error" } else { "warning" };
        let help = help
            .as_ref()
            .map_or_else(String::new, |help| format!("\nhelp: {help}"));
        all.push(notification(code, level, &format!("{message}{help}")));
    }
    for (action, seen) in run.never_ran() {
        let text = format!(
            "`{}` never ran: {}",
            action.name,
            violation_text::never_ran(seen)
        );
        let mut said = notification("never-ran", "warning", &text);
        said["locations"] = json!([location(run, action.place, Some(&action.name), None)]);
        all.push(said);
    }
    all
}

fn notification(id: &str, level: &str, text: &str) -> Value {
    json!({ "descriptor": { "id": id }, "level": level, "message": { "text": text } })
}

/// A path as a URI reference. A relative path stays relative; the reader of the report resolves it against the root of the
/// sources.
fn uri(path: &str) -> String {
    let path = path.replace('\\', "/");
    let mut uri = String::new();
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.trim_start_matches("./").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn document(runs: &[RunReport]) -> Value {
        serde_json::from_str(&fixture::written(Sarif::new, runs)).unwrap()
    }

    #[test]
    fn a_violation_is_a_result_with_its_rule_its_line_and_its_path() {
        let document = document(&[fixture::found()]);
        let run = &document["runs"][0];
        let result = &run["results"][0];
        assert_eq!(result["ruleId"], "invariant/no_over_refund");
        let rule = &run["tool"]["driver"]["rules"][0];
        assert_eq!(rule["id"], result["ruleId"]);
        assert_eq!(result["ruleIndex"], 0);
        assert_eq!(result["level"], "error");
        assert_eq!(result["occurrenceCount"], 4);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "specs/shop.yaml");
        assert_eq!(
            place["region"],
            json!({ "startLine": 30, "startColumn": 5 })
        );
        let flow = result["codeFlows"][0]["threadFlows"][0]["locations"]
            .as_array()
            .unwrap();
        assert_eq!(flow.len(), 3);
        let text = flow[2]["location"]["message"]["text"].as_str().unwrap();
        assert!(text.starts_with("POST /orders/1/refund\n"), "{text}");
        assert!(text.contains("refunded 100 -> 200"), "{text}");
    }

    #[test]
    fn a_fingerprint_tells_violations_apart_and_nothing_else() {
        let of = |run: &RunReport| fingerprint(run, &run.summary.violations[0]);
        let run = fixture::found();
        let mut again = run.clone();
        again.started.seed = 7;
        again.summary.violations[0].path.truncate(1);
        again.summary.violations[0].first_step = 2;
        assert_eq!(of(&run), of(&again));
        let mut other = run.clone();
        other.summary.violations[0].kind = "another".to_owned();
        assert_ne!(of(&run), of(&other));
    }

    #[test]
    fn a_severity_has_its_level() {
        let levels: Vec<&str> = Severity::ALL.iter().map(|one| level(*one)).collect();
        assert_eq!(levels, ["note", "warning", "error", "error"]);
    }

    #[test]
    fn only_a_run_that_could_be_carried_out_was_successful() {
        for (name, run) in fixture::every_kind() {
            let document = document(&[run]);
            let invocation = &document["runs"][0]["invocations"][0];
            let good = ["violations", "clean", "incomplete"].contains(&name);
            assert_eq!(invocation["executionSuccessful"], good, "{name}");
            let errors = invocation["toolExecutionNotifications"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|said| said["level"] == "error")
                .count();
            assert_eq!(
                errors > 0,
                ["failed", "untrusted", "hostile"].contains(&name),
                "{name}"
            );
        }
    }

    #[test]
    fn a_path_becomes_a_reference() {
        assert_eq!(uri("specs/a b.yaml"), "specs/a%20b.yaml");
        assert_eq!(uri("./specs/ä.yaml"), "specs/%C3%A4.yaml");
        assert_eq!(uri(r"specs\a.yaml"), "specs/a.yaml");
        assert_eq!(uri("/tmp/a.yaml"), "file:///tmp/a.yaml");
    }
}
