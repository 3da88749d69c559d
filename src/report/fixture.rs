//! A run made by hand, for the tests of every format. It goes through the recorder like any other.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::log::{Detail, Recorder, Subject};
use super::{Destination, Report, RunReport};
use crate::diagnostic::Place;
use crate::event::{ActionTally, Event, Failure, Invariant, SpecName, Stop, Warning};
use crate::explorer::budget::Limits;
use crate::explorer::event::{
    ActionSummary, Event as Observed, Progress, RunInfo, StopReason, Summary, TimeSpent,
};
use crate::model::{
    Action, ActionId, Body, Cell, Confirmation, Evidence, Finding, InvariantId, Model, OracleId,
    PathStep, Request, Response, RowChange, RowDelta, Severity, Shrink, ShrinkResult, StepRecord,
    Table, TableId, TableKind, Violation, row_key,
};
use crate::secret::Secrets;
use crate::world::{WorldError, WorldErrorKind};

fn orders() -> Arc<Table> {
    Arc::new(Table {
        id: TableId(1),
        system: "db".into(),
        name: "orders".to_owned(),
        columns: ["id", "status", "total", "refunded", "updated_at"]
            .map(str::to_owned)
            .into(),
        kind: TableKind::Rows,
        observed: true,
        ignored_columns: vec![false, false, false, false, true],
    })
}

fn order(status: &str, refunded: i64) -> crate::model::Row {
    [
        Cell::Integer(1),
        Cell::text(status),
        Cell::Integer(100),
        Cell::Integer(refunded),
        Cell::text("2026-11-23"),
    ]
    .into()
}

fn step(
    action: u32,
    target: &str,
    body: &serde_json::Value,
    status: u16,
    answer: &serde_json::Value,
    rows: (Option<crate::model::Row>, Option<crate::model::Row>),
) -> PathStep {
    PathStep {
        action: ActionId(action),
        record: Some(Arc::new(StepRecord {
            request: Request {
                method: "POST".to_owned(),
                target: target.to_owned(),
                headers: vec![("Authorization".to_owned(), "Bearer s3cret".to_owned())],
                body: Some(body.to_string().into_bytes().into()),
            },
            response: Response {
                status,
                headers: Vec::new(),
                body: Body::new(answer.to_string().into_bytes()),
                duration: Duration::from_millis(2),
            },
            extracted: Vec::new(),
            extract_failures: Vec::new(),
            rows: RowDelta::new(vec![RowChange {
                table: orders(),
                key: row_key([Cell::Integer(1)]),
                before: rows.0,
                after: rows.1,
            }]),
        })),
    }
}

fn violation() -> Violation {
    Violation {
        number: 1,
        finding: Finding {
            oracle: OracleId::Invariant(InvariantId(0)),
            name: "no_over_refund".into(),
            severity: Severity::Critical,
            kind: "rows".to_owned(),
            message: "an order was refunded for more than it cost".to_owned(),
            evidence: Evidence::Rows {
                columns: ["id", "total", "refunded"].map(str::to_owned).into(),
                rows: vec![vec![json!(1), json!(100), json!(200)]],
                total: 1,
                expected: "no row".to_owned(),
            },
        },
        action: Some(ActionId(1)),
        first_step: 37,
        occurrences: 4,
        path: vec![
            step(
                0,
                "/orders",
                &json!({ "amount": 100 }),
                201,
                &json!({ "id": 1, "total": 100, "note": "a very long note ".repeat(20) }),
                (None, Some(order("open", 0))),
            ),
            step(
                1,
                "/orders/1/refund",
                &json!({ "amount": 100 }),
                200,
                &json!({ "refunded": 100 }),
                (Some(order("open", 0)), Some(order("refunded", 100))),
            ),
            step(
                1,
                "/orders/1/refund",
                &json!({ "amount": 100 }),
                200,
                &json!({ "refunded": 200 }),
                (Some(order("refunded", 100)), Some(order("refunded", 200))),
            ),
        ],
        shrink: Shrink {
            found_length: 9,
            requests: 14,
            result: ShrinkResult::Minimal,
        },
        confirmation: Confirmation::Confirmed { times: 3, of: 3 },
    }
}

/// A violation as reports see it.
pub(super) fn refunded_twice() -> crate::event::Violation {
    let mut summary = summary();
    summary.violations.push(violation());
    recorded(&summary).summary.violations.remove(0)
}

/// What a report knows of one action.
pub(super) fn seen(runs: u64, statuses: &[(u16, u64)], new_states: u64) -> ActionTally {
    ActionTally {
        runs,
        statuses: statuses.to_vec(),
        new_states,
        always_refused: runs > 0 && statuses.iter().all(|(status, _)| *status >= 400),
        ..ActionTally::default()
    }
}

fn tally(runs: u64, statuses: &[(u16, u64)], new_states: u64) -> ActionSummary {
    ActionSummary {
        runs,
        statuses: statuses.to_vec(),
        new_states,
        ..ActionSummary::default()
    }
}

/// What a format makes of runs.
pub(super) fn written<R: Report>(format: fn(Destination) -> R, runs: &[RunReport]) -> String {
    let shared = Shared::default();
    let mut report = format(Destination::stdout(Box::new(shared.clone())));
    for run in runs {
        report.run(run);
    }
    report.finish(1).unwrap();
    String::from_utf8(shared.0.take()).unwrap()
}

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

/// One run of each kind, by name: what was found, nothing, too little, failed, interrupted, killed, and one whose texts
/// are all hostile.
pub(super) fn every_kind() -> Vec<(&'static str, RunReport)> {
    let mut incomplete = run();
    incomplete.summary.actions[1] = ActionTally {
        never_ran: Some("`create_order` has not run".to_owned()),
        ..ActionTally::default()
    };
    let mut interrupted = found();
    interrupted.summary.stop = Stop::Interrupted;
    let mut killed = found();
    killed.summary.stop = Stop::CutOff;
    let mut untrusted = run();
    untrusted.summary.warnings.push(Warning {
        code: "rows-changed-alone".to_owned(),
        message: "rows of `jobs` changed".to_owned(),
        help: Some("name them in `ignore_tables`".to_owned()),
        untrusted: true,
    });
    vec![
        ("violations", found()),
        ("clean", run()),
        ("incomplete", incomplete),
        ("failed", not_started()),
        ("untrusted", untrusted),
        ("interrupted", interrupted),
        ("killed", killed),
        ("hostile", hostile()),
    ]
}

/// What nobody wants in a report.
pub(super) const HOSTILE: &str = "<script>alert('x')</script> ]]> & \"q\" | `a` ```` *b* [l](u) ::error::x %0A,: \u{1b}[31m\u{0}\u{fffe}\u{fffd}\r\n\n</details>\t\u{85}";

/// A run in which every text is [`HOSTILE`].
fn hostile() -> RunReport {
    let mut run = found();
    let text = || HOSTILE.to_owned();
    run.started.spec = SpecName {
        name: text(),
        path: text(),
    };
    run.started.repeat = text();
    for action in &mut run.started.actions {
        action.name = text();
        action.base_name = text();
    }
    for invariant in &mut run.started.invariants {
        invariant.name = text();
    }
    run.summary.actions[0].never_ran = Some(text());
    run.summary.actions[0].runs = 0;
    run.summary.warnings.push(Warning {
        code: "hostile".to_owned(),
        message: text(),
        help: Some(text()),
        untrusted: false,
    });
    run.summary.stop = Stop::Failed {
        error: Failure {
            kind: "service".to_owned(),
            message: text(),
            details: vec![text()],
            help: Some(text()),
        },
        path: vec![text()],
    };
    let found = &mut run.summary.violations[0];
    found.name = text();
    found.message = text();
    found.action = Some(text());
    found.confirmation.reason = Some(text());
    found.shrink.reason = Some(text());
    found.evidence = Evidence::Rows {
        columns: vec![text()],
        rows: vec![vec![json!(HOSTILE)]],
        total: 1,
        expected: text(),
    };
    for step in &mut found.path {
        step.action = text();
        if let Some(seen) = &mut step.exchange {
            seen.request.target = text();
            seen.response.body = Some(crate::event::Body {
                length: 9,
                cut: true,
                json: None,
                text: Some(text()),
            });
            seen.extract_failures = vec![text()];
            for header in &mut seen.request.headers {
                header.value = text();
            }
            for row in &mut seen.rows {
                row.table = text();
            }
        }
    }
    run
}

/// A run that found a violation.
pub(super) fn found() -> RunReport {
    let mut run = run();
    run.summary.violations.push(refunded_twice());
    run.summary.figures.violations = 1;
    run.started.invariants = vec![
        Invariant {
            name: "no_over_refund".to_owned(),
            severity: Severity::Critical,
            place: Some(Place {
                line: 30,
                column: 5,
            }),
        },
        Invariant {
            name: "no_negative_total".to_owned(),
            severity: Severity::Low,
            place: None,
        },
    ];
    run
}

/// A run that found nothing.
pub(super) fn run() -> RunReport {
    recorded(&summary())
}

/// A run whose service could not be started.
pub(super) fn not_started() -> RunReport {
    let error = WorldError::new(WorldErrorKind::Service, "`./shop` does not exist")
        .with_help("build it first");
    recorded(&Summary::not_started(&model(), &Limits::default(), &error))
}

fn model() -> Model {
    Model {
        name: "shop".to_owned(),
        actions: ["create_order", "refund_order(n=100)"]
            .map(Action::named)
            .into(),
        ..Model::default()
    }
}

fn recorded(summary: &Summary) -> RunReport {
    let model = model();
    let subject = Subject {
        spec: "specs/shop.yaml".to_owned(),
        repeat: "venomqa explore specs/shop.yaml --strategy dfs --seed 1 --max-steps 500"
            .to_owned(),
        started_at: "1970-01-01T00:00:00Z".to_owned(),
        actions: vec![Some(Place { line: 9, column: 5 }), None],
        invariants: Vec::new(),
        secrets: Secrets::default(),
    };
    let mut recorder = Recorder::new(&model, subject, Detail::Whole);
    let limits = Limits::default();
    let info = RunInfo {
        model: &model,
        strategy: "dfs",
        seed: 1,
        limits: &limits,
    };
    let Some(Event::Started(started)) = recorder.entry(&Observed::Started(info)) else {
        panic!("a run begins with an entry");
    };
    let mut builder = super::RunBuilder::new(*started, Detail::Whole);
    builder.add(recorder.entry(&Observed::Finished(summary)).unwrap());
    builder.into_report()
}

fn summary() -> Summary {
    Summary {
        progress: Progress {
            step: 40,
            max_steps: 500,
            states: 12,
            coverage: 1.0,
            violations: 0,
        },
        stop: StopReason::Complete {
            depth_limited: false,
        },
        transitions: 40,
        untried: 0,
        deepest: 4,
        unchanged_steps: 3,
        actions: vec![
            tally(20, &[(201, 20)], 6),
            tally(20, &[(200, 12), (409, 8)], 5),
        ],
        violations: Vec::new(),
        regressions: Vec::new(),
        warnings: Vec::new(),
        time: TimeSpent {
            total: Duration::from_millis(800),
            http: Duration::from_millis(600),
            journal: Duration::from_millis(40),
            restore: Duration::from_millis(80),
            oracles: Duration::from_millis(40),
            shrink: Duration::ZERO,
            confirm: Duration::from_millis(8),
        },
    }
}
