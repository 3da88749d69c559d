//! The report for programs: one JSON document, described in `docs/report.md`.
//!
//! The same spec, service and seed give the same bytes, apart from fields whose names end in `_ms` and `started_at`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::{Cause, Destination, Report, ReportError, Run, redact};
use crate::explorer::budget::Limits;
use crate::explorer::event::{StopReason, Summary, TimeSpent};
use crate::model::{
    ActionId, Body, Confirmation, Evidence, Model, OracleId, PathStep, Row, RowChange, Severity,
    Shrink, ShrinkResult, StepRecord, Table, Violation,
};
use crate::world::{Warning, WorldError};

/// Version of the format. It grows when a field changes its meaning or goes away; new fields may come without notice.
pub const VERSION: u32 = 1;

/// Collects runs and writes them as one document.
pub struct Json {
    destination: Destination,
    started_at: SystemTime,
    runs: Vec<Value>,
}

impl Json {
    /// A report that goes there once all runs are over; `started_at` is its date.
    pub fn new(destination: Destination, started_at: SystemTime) -> Self {
        Self {
            destination,
            started_at,
            runs: Vec::new(),
        }
    }
}

impl Report for Json {
    fn run(&mut self, run: &Run) {
        self.runs.push(run_json(run));
    }

    fn finish(&mut self, exit_code: u8) -> Result<(), ReportError> {
        let document = json!({
            "version": VERSION,
            "venomqa": env!("CARGO_PKG_VERSION"),
            "started_at": date(self.started_at),
            "exit_code": exit_code,
            "runs": std::mem::take(&mut self.runs),
        });
        self.destination.write("json", &format!("{document:#}\n"))
    }
}

fn run_json(run: &Run) -> Value {
    let summary = &run.summary;
    json!({
        "spec": { "name": run.model.name, "path": run.spec },
        "strategy": run.strategy,
        "seed": run.seed,
        "limits": limits(&run.limits),
        "repeat": run.repeat,
        "outcome": run.outcome().name(),
        "headline": run.headline(),
        "gaps": run.gaps(),
        "causes": run.causes().iter().map(cause).collect::<Vec<_>>(),
        "stop": stop(run),
        "cleanup": run.cleanup.as_ref().map(world_error),
        "figures": figures(run, summary),
        "violations": summary.violations.iter().map(|found| violation(&run.model, found)).collect::<Vec<_>>(),
        "actions": actions(run),
        "invariants": run.model.invariants.iter().map(|invariant| json!({
            "name": invariant.name,
            "severity": invariant.severity.name(),
        })).collect::<Vec<_>>(),
        "warnings": summary.warnings.iter().map(warning).collect::<Vec<_>>(),
        "time": time(&summary.time),
    })
}

fn limits(limits: &Limits) -> Value {
    json!({
        "max_steps": limits.max_steps,
        "max_depth": limits.max_depth,
        "coverage_target": limits.coverage_target,
        "time_limit_ms": limits.time_limit.map(milliseconds),
        "fail_fast": limits.fail_fast.map(Severity::name),
    })
}

fn figures(run: &Run, summary: &Summary) -> Value {
    json!({
        "steps": summary.progress.step,
        "states": summary.progress.states,
        "transitions": summary.transitions,
        "untried": summary.untried,
        "deepest": summary.deepest,
        "unchanged_steps": summary.unchanged_steps,
        "coverage": summary.progress.coverage,
        "actions": run.model.actions.len(),
        "actions_run": run.model.actions.len() - run.never_ran().count(),
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

fn stop(run: &Run) -> Value {
    let name = match &run.summary.stop {
        StopReason::Complete { .. } => "complete",
        StopReason::MaxSteps => "max-steps",
        StopReason::TimeLimit => "time-limit",
        StopReason::CoverageTarget => "coverage-target",
        StopReason::FailFast(_) => "fail-fast",
        StopReason::Interrupted => "interrupted",
        StopReason::Failed { .. } => "failed",
    };
    let mut stop = json!({ "reason": name, "message": run.stop_sentence() });
    match &run.summary.stop {
        StopReason::Complete { depth_limited } => stop["depth_limited"] = json!(depth_limited),
        StopReason::FailFast(severity) => stop["severity"] = json!(severity.name()),
        StopReason::Failed {
            kind,
            message,
            details,
            help,
            path,
        } => {
            stop["error"] = json!({
                "kind": kind,
                "message": message,
                "details": details,
                "help": help,
                "path": path.iter().map(|id| action_name(&run.model, *id)).collect::<Vec<_>>(),
            });
        }
        _ => {}
    }
    stop
}

fn world_error(error: &WorldError) -> Value {
    json!({
        "kind": error.kind,
        "message": error.message,
        "details": error.details,
        "help": error.help,
    })
}

fn violation(model: &Model, violation: &Violation) -> Value {
    let finding = &violation.finding;
    let oracle = match finding.oracle {
        OracleId::Invariant(_) => "invariant",
        OracleId::Check(_) => "check",
    };
    json!({
        "number": violation.number,
        "oracle": oracle,
        "name": *finding.name,
        "severity": finding.severity.name(),
        "message": finding.message,
        "action": violation.action.map(|id| action_name(model, id)),
        "first_step": violation.first_step,
        "occurrences": violation.occurrences,
        "shrink": shrink(&violation.shrink),
        "confirmation": confirmation(&violation.confirmation),
        "evidence": evidence(&finding.evidence),
        "path": violation.path.iter().map(|step| path_step(model, step)).collect::<Vec<_>>(),
    })
}

fn shrink(shrink: &Shrink) -> Value {
    let (result, reason) = match &shrink.result {
        ShrinkResult::NotTried(reason) => ("not-tried", Some(reason)),
        ShrinkResult::Minimal => ("minimal", None),
        ShrinkResult::Unfinished(reason) => ("unfinished", Some(reason)),
        ShrinkResult::TakenBack(reason) => ("taken-back", Some(reason)),
    };
    json!({
        "result": result,
        "found_length": shrink.found_length,
        "requests": shrink.requests,
        "reason": reason,
    })
}

fn confirmation(confirmation: &Confirmation) -> Value {
    let (result, attempts, reason) = match confirmation {
        Confirmation::Confirmed { times, of } => ("confirmed", Some((times, of)), None),
        Confirmation::Unconfirmed { times, of, reason } => {
            ("unconfirmed", Some((times, of)), Some(reason))
        }
        Confirmation::NotTried(reason) => ("not-tried", None, Some(reason)),
    };
    json!({
        "result": result,
        "times": attempts.map(|(times, _)| times),
        "of": attempts.map(|(_, of)| of),
        "reason": reason,
    })
}

fn evidence(evidence: &Evidence) -> Value {
    match evidence {
        Evidence::Rows {
            columns,
            rows,
            total,
            expected,
        } => json!({
            "kind": "rows",
            "expected": expected,
            "columns": columns,
            "rows": rows,
            "total": total,
        }),
        Evidence::Values { expected, actual } => json!({
            "kind": "values",
            "expected": expected,
            "actual": actual,
        }),
    }
}

fn path_step(model: &Model, step: &PathStep) -> Value {
    let mut value = json!({ "action": action_name(model, step.action) });
    if let Some(record) = &step.record {
        value["request"] = request(record);
        value["response"] = json!({
            "status": record.response.status,
            "headers": headers(&record.response.headers),
            "body": body(&record.response.body),
            "duration_ms": milliseconds(record.response.duration),
        });
        value["extracted"] = Value::Object(
            record
                .extracted
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect::<Map<_, _>>(),
        );
        value["extract_failures"] = json!(record.extract_failures);
        value["rows"] = record.rows.rows().map(row_change).collect();
    }
    value
}

fn request(record: &StepRecord) -> Value {
    json!({
        "method": record.request.method,
        "target": record.request.target,
        "headers": headers(&record.request.headers),
        "body": match &record.request.body {
            Some(bytes) => body(&Body::new(bytes.clone())),
            None => Value::Null,
        },
    })
}

/// A list, because names may repeat. The answer's `date` is left out: it says nothing and differs on every run.
fn headers(headers: &[(String, String)]) -> Value {
    headers
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("date"))
        .map(|(name, value)| json!({ "name": name, "value": redact::header_value(name, value) }))
        .collect()
}

fn body(body: &Body) -> Value {
    if body.length == 0 {
        return Value::Null;
    }
    let mut value = json!({ "length": body.length, "cut": body.is_cut() });
    match body.json() {
        Some(parsed) => value["json"] = Value::clone(parsed),
        None => value["text"] = json!(body.text()),
    }
    value
}

fn row_change(change: &RowChange) -> Value {
    json!({
        "system": *change.table.system,
        "table": change.table.name,
        "key": change.key.iter().collect::<Vec<_>>(),
        "before": change.before.as_ref().map(|cells| row(&change.table, cells)),
        "after": change.after.as_ref().map(|cells| row(&change.table, cells)),
    })
}

fn row(table: &Table, cells: &Row) -> Map<String, Value> {
    table
        .columns
        .iter()
        .zip(cells.iter())
        .map(|(column, cell)| (column.clone(), cell.to_json()))
        .collect()
}

fn actions(run: &Run) -> Value {
    let refused: Vec<&str> = run
        .always_refused()
        .map(|(action, _)| action.name.as_str())
        .collect();
    run.actions()
        .map(|(_, action, seen)| {
            let statuses: Map<String, Value> = seen
                .statuses
                .iter()
                .map(|(status, runs)| (status.to_string(), json!(runs)))
                .collect();
            json!({
                "name": action.name,
                "method": action.request.method,
                "path": action.request.path.source(),
                "runs": seen.runs,
                "statuses": statuses,
                "new_states": seen.new_states,
                "unchanged": seen.unchanged,
                "always_refused": refused.contains(&action.name.as_str()),
                "never_ran": seen.never_ran,
                "advice": seen.advice,
            })
        })
        .collect()
}

fn warning(warning: &Warning) -> Value {
    json!({
        "code": warning.code,
        "message": warning.message,
        "help": warning.help,
        "untrusted": warning.untrusted,
    })
}

fn time(time: &TimeSpent) -> Value {
    json!({
        "total_ms": milliseconds(time.total),
        "http_ms": milliseconds(time.http),
        "journal_ms": milliseconds(time.journal),
        "restore_ms": milliseconds(time.restore),
        "oracles_ms": milliseconds(time.oracles),
        "engine_ms": milliseconds(time.engine()),
        "shrink_ms": milliseconds(time.shrink),
        "confirm_ms": milliseconds(time.confirm),
    })
}

fn action_name(model: &Model, id: ActionId) -> &str {
    &model.action(id).name
}

/// Milliseconds with microseconds behind the point.
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

/// `2026-11-23T18:30:00Z` (RFC 3339).
fn date(time: SystemTime) -> String {
    // A clock before 1970 is shown as 1970: a date is no reason to fail.
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days to civil date after Howard Hinnant: years begin in March, so that the leap day comes last.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest % 3600 / 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io;
    use std::rc::Rc;

    use super::super::sample;
    use super::*;

    /// What was written, for the one who asked for it.
    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(runs: &[Run]) -> String {
        let shared = Shared::default();
        let mut report = Json::new(Destination::stdout(Box::new(shared.clone())), UNIX_EPOCH);
        for run in runs {
            report.run(run);
        }
        report.finish(1).unwrap();
        String::from_utf8(shared.0.take()).unwrap()
    }

    fn found() -> Run {
        let mut run = sample::run();
        run.summary.violations.push(sample::refunded_twice());
        run
    }

    #[test]
    fn the_document_has_its_version_and_all_runs() {
        let document: Value = serde_json::from_str(&written(&[found(), sample::run()])).unwrap();
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
        assert!(text.contains(redact::REDACTED));
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
        let mut failed = sample::run();
        failed.summary.stop = StopReason::Failed {
            kind: crate::world::WorldErrorKind::Service,
            message: "gone".to_owned(),
            details: Vec::new(),
            help: None,
            path: Vec::new(),
        };
        let mut fast = sample::run();
        fast.summary.stop = StopReason::FailFast(Severity::High);
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

    #[test]
    fn dates_are_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_458_377, "2026-11-23T18:26:17Z"),
        ] {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
