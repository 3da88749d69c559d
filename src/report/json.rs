//! The report for programs: one JSON document, described in `docs/report.md`.
//!
//! The same spec, service and seed give the same bytes, apart from fields whose names end in `_ms` and `started_at`.

use serde_json::{Map, Value, json};

use super::{Cause, Destination, Form, Report, ReportError, RunReport};
use crate::event::{Action, ActionTally, Stop};

/// Version of the format. It grows when a field changes its meaning or is removed; a new field does not change it.
pub const VERSION: u32 = 1;

/// Collects runs and writes them as one document.
pub struct Json {
    destination: Destination,
    runs: Vec<Value>,
    started_at: Option<String>,
}

impl Json {
    /// A report that is written to this destination once all runs are over.
    pub fn new(destination: Destination) -> Self {
        Self {
            destination: destination.of(Form::Json),
            runs: Vec::new(),
            started_at: None,
        }
    }
}

impl Report for Json {
    fn run(&mut self, run: &RunReport) {
        self.started_at
            .get_or_insert_with(|| run.started.started_at.clone());
        self.runs.push(run_json(run));
    }

    fn finish(&mut self, exit_code: u8) -> Result<(), ReportError> {
        let document = json!({
            "version": VERSION,
            "venomqa": env!("CARGO_PKG_VERSION"),
            "started_at": self.started_at.take(),
            "exit_code": exit_code,
            "runs": std::mem::take(&mut self.runs),
        });
        self.destination.write("json", &format!("{document:#}\n"))
    }
}

pub(super) fn run_json(run: &RunReport) -> Value {
    let started = &run.started;
    let summary = &run.summary;
    json!({
        "spec": started.spec,
        "strategy": started.strategy,
        "seed": started.seed,
        "limits": started.limits,
        "repeat": started.repeat,
        "merged": started.merged,
        "outcome": run.outcome().name(),
        "headline": run.headline(),
        "gaps": run.gaps(),
        "causes": run.causes().iter().map(cause).collect::<Vec<_>>(),
        "stop": stop(run),
        "cleanup": run.cleanup,
        "figures": figures(run),
        "violations": summary.violations,
        "known_not_seen": summary.known_not_seen,
        "process_unknown": summary.process_unknown,
        "corpus": summary.corpus,
        "actions": run.actions().map(|(declared, seen)| action(declared, seen)).collect::<Vec<_>>(),
        "invariants": invariants(run),
        "warnings": summary.warnings,
        "time": summary.time,
    })
}

/// The declared invariants, each with the number of its evaluations where that number is known.
fn invariants(run: &RunReport) -> Vec<Value> {
    let mut seen = run.summary.invariants.iter();
    let declared = run.started.invariants.iter();
    declared
        .map(|invariant| {
            let mut invariant = json!(invariant);
            if let Some(seen) = seen.next() {
                invariant["judged"] = seen.judged.into();
                invariant["unjudged"] = seen.unjudged.into();
            }
            invariant
        })
        .collect()
}

fn figures(run: &RunReport) -> Value {
    let summary = &run.summary;
    json!({
        "steps": summary.figures.step,
        "states": summary.figures.states,
        "transitions": summary.transitions,
        "untried": summary.untried,
        "postponed": summary.postponed,
        "merged": summary.merges.steps,
        "merges_audited": summary.merges.audited,
        "merges_wrong": summary.merges.wrong,
        "deepest": summary.deepest,
        "unchanged_steps": summary.unchanged_steps,
        "coverage": summary.figures.coverage,
        "actions": run.able(),
        "actions_run": run.able() - run.never_ran().count(),
        "violations": summary.violations.len(),
    })
}

fn cause(cause: &Cause) -> Value {
    let (kind, message) = match cause {
        Cause::Stopped(message) => ("stopped", Some(message)),
        Cause::Cleanup(message) => ("cleanup", Some(message)),
        Cause::Untrusted(message) => ("untrusted", Some(message)),
        Cause::NoStep => ("no-step", None),
    };
    json!({ "kind": kind, "message": message })
}

fn stop(run: &RunReport) -> Value {
    let mut stop = json!(run.summary.stop);
    if let Stop::Failed { path, .. } = &run.summary.stop {
        stop["error"]["path"] = json!(path);
        if let Value::Object(fields) = &mut stop {
            fields.remove("path");
        }
    }
    stop["message"] = json!(run.stop_sentence());
    stop
}

fn action(action: &Action, seen: &ActionTally) -> Value {
    let statuses: Map<String, Value> = seen
        .statuses
        .iter()
        .map(|(status, runs)| (status.to_string(), json!(runs)))
        .collect();
    json!({
        "name": action.name,
        "switched_off": action.switched_off,
        "method": action.method,
        "path": action.path,
        "place": action.place,
        "runs": seen.runs,
        "statuses": statuses,
        "new_states": seen.new_states,
        "unchanged": seen.unchanged,
        "always_refused": seen.always_refused,
        "never_ran": seen.never_ran,
        "advice": seen.advice,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, found};
    use super::*;
    use crate::event::Failure;
    use crate::model::Severity;

    fn written(runs: &[RunReport]) -> String {
        fixture::written(Json::new, runs)
    }

    #[test]
    fn the_document_has_its_version_and_all_runs() {
        let document: Value = serde_json::from_str(&written(&[found(), fixture::run()])).unwrap();
        assert_eq!(document["version"], VERSION);
        assert_eq!(document["started_at"], "1970-01-01T00:00:00Z");
        assert_eq!(document["exit_code"], 1);
        assert_eq!(document["runs"][0]["outcome"], "violations");
        assert_eq!(document["runs"][1]["outcome"], "clean");
    }

    #[test]
    fn a_violation_has_its_whole_path_and_its_evidence() {
        let document: Value = serde_json::from_str(&written(&[found()])).unwrap();
        let violation = &document["runs"][0]["violations"][0];
        assert_eq!(violation["confirmation"]["result"], "confirmed");
        assert_eq!(violation["evidence"]["rows"], json!([[1, 100, 200]]));
        let step = &violation["path"][1];
        assert_eq!(step["action"], "refund_order(n=100)");
        assert_eq!(step["request"]["body"]["json"], json!({ "amount": 100 }));
        assert_eq!(step["rows"][0]["before"]["refunded"], 0);
        assert_eq!(step["rows"][0]["after"]["refunded"], 100);
    }

    #[test]
    fn credentials_are_redacted() {
        let text = written(&[found()]);
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains(crate::secret::REDACTED));
    }

    #[test]
    fn every_field_is_in_the_documentation() {
        fn names(value: &Value, found: &mut std::collections::BTreeSet<String>) {
            match value {
                Value::Object(fields) => {
                    for (name, value) in fields {
                        found.insert(name.clone());
                        // What the service and the spec call things is theirs.
                        if !["json", "before", "after", "extracted", "statuses"]
                            .contains(&name.as_str())
                        {
                            names(value, found);
                        }
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| names(item, found)),
                _ => {}
            }
        }
        let mut failed = fixture::run();
        failed.summary.stop = Stop::Failed {
            error: Failure {
                kind: "service".to_owned(),
                message: "gone".to_owned(),
                details: Vec::new(),
                help: None,
            },
            path: Vec::new(),
        };
        let mut fast = fixture::run();
        fast.summary.stop = Stop::FailFast {
            severity: Severity::High,
        };
        let document: Value = serde_json::from_str(&written(&[found(), failed, fast])).unwrap();
        let mut fields = std::collections::BTreeSet::new();
        names(&document, &mut fields);
        let page = include_str!("../../docs/report.md");
        let missing: Vec<_> = fields
            .iter()
            .filter(|name| !page.contains(&format!("`{name}`")))
            .collect();
        assert!(missing.is_empty(), "docs/report.md lacks {missing:?}");
    }
}
