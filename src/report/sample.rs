//! A run made by hand, for the tests of every format.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Run;
use crate::explorer::budget::Limits;
use crate::explorer::event::{ActionSummary, Progress, StopReason, Summary, TimeSpent};
use crate::model::{
    Action, ActionId, Body, Cell, Confirmation, Evidence, Finding, InvariantId, Model, OracleId,
    PathStep, Request, Response, RowChange, RowDelta, Severity, Shrink, ShrinkResult, StepRecord,
    Table, TableId, TableKind, Violation, row_key,
};

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

pub(super) fn refunded_twice() -> Violation {
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

pub(super) fn seen(runs: u64, statuses: &[(u16, u64)], new_states: u64) -> ActionSummary {
    ActionSummary {
        runs,
        statuses: statuses.to_vec(),
        new_states,
        ..ActionSummary::default()
    }
}

pub(super) fn run() -> Run {
    let actions = ["create_order", "refund_order(n=100)"].map(Action::named);
    Run {
        spec: "specs/shop.yaml".to_owned(),
        model: Arc::new(Model {
            name: "shop".to_owned(),
            actions: actions.into(),
            ..Model::default()
        }),
        strategy: "dfs".to_owned(),
        seed: 1,
        limits: Limits::default(),
        repeat: "venomqa explore specs/shop.yaml --strategy dfs --seed 1 --max-steps 500"
            .to_owned(),
        summary: Summary {
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
                seen(20, &[(201, 20)], 6),
                seen(20, &[(200, 12), (409, 8)], 5),
            ],
            violations: Vec::new(),
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
        },
        cleanup: None,
    }
}
