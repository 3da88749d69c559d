//! A run made by hand, for the tests of every format. It goes through the recorder like any other.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Run;
use super::log::{ActionTally, Detail, Entry, Recorder, Subject};
use crate::explorer::budget::Limits;
use crate::explorer::event::{
    ActionSummary, Event, Progress, RunInfo, StopReason, Summary, TimeSpent,
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

fn found() -> Violation {
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
pub(super) fn refunded_twice() -> super::log::Violation {
    let mut summary = summary();
    summary.violations.push(found());
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

/// A run that found nothing.
pub(super) fn run() -> Run {
    recorded(&summary())
}

/// A run whose service could not be started.
pub(super) fn not_started() -> Run {
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

fn recorded(summary: &Summary) -> Run {
    let model = model();
    let subject = Subject {
        spec: "specs/shop.yaml".to_owned(),
        repeat: "venomqa explore specs/shop.yaml --strategy dfs --seed 1 --max-steps 500"
            .to_owned(),
        started_at: "1970-01-01T00:00:00Z".to_owned(),
        actions: Vec::new(),
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
    let Some(Entry::Started(started)) = recorder.entry(&Event::Started(info)) else {
        panic!("a run begins with an entry");
    };
    let mut run = Run::begun(*started);
    run.add(recorder.entry(&Event::Finished(summary)).unwrap());
    run
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
        known: Vec::new(),
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
