//! A run made by hand, for the tests of every format. Its secrets are hidden like those of any other.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{Destination, Report, RunReport};
use crate::diagnostic::Place;
use crate::event::{
    self, ActionTally, Confirmation, Exchange, Failure, Figures, Finished, Invariant, OracleKind,
    PathStep, Shrink, ShrinkResult, SpecName, Started, Stop, Time, Violation, Warning,
};
use crate::explorer::budget::Limits;
use crate::explorer::{self, Options};
use crate::interrupt::Interrupt;
use crate::model::{
    Action, Body, Cell, Evidence, Model, Request, Response, RowChange, RowDelta, Severity,
    StepRecord, Table, TableId, TableKind, row_key,
};
use crate::secret::Secrets;
use crate::world::{WorldError, WorldErrorKind};

const CREATE: &str = "create_order";
const REFUND: &str = "refund_order(n=100)";

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
    action: &str,
    target: &str,
    body: &serde_json::Value,
    status: u16,
    answer: &serde_json::Value,
    rows: (Option<crate::model::Row>, Option<crate::model::Row>),
) -> PathStep {
    PathStep {
        action: action.to_owned(),
        exchange: Some(Exchange::of(&StepRecord {
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
                no_answer: None,
                is_rate_limit: false,
                has_errors: false,
                is_unready: false,
                retries: 0,
                target: String::new(),
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

/// A violation as reports see it.
pub(super) fn refunded_twice() -> Violation {
    let violation = Violation {
        number: 1,
        oracle: OracleKind::Invariant,
        name: "no_over_refund".to_owned(),
        severity: Severity::Critical,
        message: "an order was refunded for more than it cost".to_owned(),
        action: Some(REFUND.to_owned()),
        first_step: 37,
        occurrences: 4,
        kind: "rows".to_owned(),
        evidence: Evidence::Rows {
            columns: ["id", "total", "refunded"].map(str::to_owned).into(),
            rows: vec![vec![json!(1), json!(100), json!(200)]],
            total: 1,
            expected: "no row".to_owned(),
        },
        path: vec![
            step(
                CREATE,
                "/orders",
                &json!({ "amount": 100 }),
                201,
                &json!({ "id": 1, "total": 100, "note": "a very long note ".repeat(20) }),
                (None, Some(order("open", 0))),
            ),
            step(
                REFUND,
                "/orders/1/refund",
                &json!({ "amount": 100 }),
                200,
                &json!({ "refunded": 100 }),
                (Some(order("open", 0)), Some(order("refunded", 100))),
            ),
            step(
                REFUND,
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
            reason: None,
        },
        confirmation: Confirmation::tried(3, 3, None),
        replay: None,
        cause: "invariant/no_over_refund/rows".to_owned(),
        also_by: Vec::new(),
        consequence_of: None,
        known: false,
        runs: Vec::new(),
    };
    Secrets::default().hidden(&violation).unwrap()
}

/// The tally of one action.
pub(super) fn seen(runs: u64, statuses: &[(u16, u64)], new_states: u64) -> ActionTally {
    ActionTally {
        runs,
        statuses: statuses.to_vec(),
        new_states,
        always_refused: runs > 0 && statuses.iter().all(|(status, _)| *status >= 400),
        ..ActionTally::default()
    }
}

/// The text that a format writes for runs.
pub(super) fn written<R: Report>(format: fn(Destination) -> R, runs: &[RunReport]) -> String {
    let shared = Shared::default();
    let mut report = format(Destination::stdout(Box::new(shared.clone())));
    for run in runs {
        report.run(run);
    }
    report.finish(1).unwrap();
    String::from_utf8(shared.0.take()).unwrap()
}

/// A buffer that a report writes to and a test reads.
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

/// One run of each outcome, by name, a run that was killed, and a run whose texts are all hostile.
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

/// A text that breaks out of its place in each format, unless the format escapes it.
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
    report(Finished {
        figures: Figures {
            step: 40,
            max_steps: 500,
            states: 12,
            coverage: 1.0,
            violations: 0,
        },
        stop: Stop::Complete {
            depth_limited: false,
        },
        transitions: 40,
        untried: 0,
        postponed: 0,
        repetitions: 0,
        merges: crate::event::Merges::default(),
        deepest: 4,
        unchanged_steps: 3,
        actions: vec![
            seen(20, &[(201, 20)], 6),
            seen(20, &[(200, 12), (409, 8)], 5),
        ],
        invariants: Vec::new(),
        violations: Vec::new(),
        known_not_seen: Vec::new(),
        process_unknown: None,
        corpus: Vec::new(),
        warnings: Vec::new(),
        time: Time {
            total: Duration::from_millis(808),
            http: Duration::from_millis(600),
            journal: Duration::from_millis(40),
            restore: Duration::from_millis(80),
            settle: Duration::ZERO,
            start: Duration::ZERO,
            oracles: Duration::from_millis(40),
            engine: Duration::from_millis(40),
            shrink: Duration::ZERO,
            confirm: Duration::from_millis(8),
        },
    })
}

/// A run whose service could not be started.
pub(super) fn not_started() -> RunReport {
    let error = WorldError::new(WorldErrorKind::Service, "`./shop` does not exist")
        .with_help("build it first");
    report(explorer::not_started(&model(), &options(), &error))
}

fn model() -> Model {
    Model {
        name: "shop".to_owned(),
        actions: [CREATE, REFUND].map(Action::named).into(),
        ..Model::default()
    }
}

fn options() -> Options {
    Options {
        strategy: "dfs".to_owned(),
        limits: Limits::default(),
        seed: 1,
        postpone: true,
        interrupt: Interrupt::default(),
        regressions: Vec::new(),
        known: std::collections::BTreeSet::new(),
    }
}

fn report(summary: Finished) -> RunReport {
    let (model, options) = (model(), options());
    let places = [Some(Place { line: 9, column: 5 }), None];
    let started = Started {
        version: event::VERSION,
        venomqa: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: "1970-01-01T00:00:00Z".to_owned(),
        spec: SpecName {
            name: model.name.clone(),
            path: "specs/shop.yaml".to_owned(),
        },
        strategy: options.strategy,
        seed: options.seed,
        limits: (&options.limits).into(),
        repeat: "venomqa explore specs/shop.yaml --strategy dfs --seed 1 --max-steps 500"
            .to_owned(),
        actions: (model.actions.iter().zip(places))
            .map(|(action, place)| event::Action::of(action, place))
            .collect(),
        invariants: Vec::new(),
        merged: Vec::new(),
    };
    RunReport {
        summary,
        ..RunReport::begun(started)
    }
}
