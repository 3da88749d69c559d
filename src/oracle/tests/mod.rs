//! The oracles, judged from outside through [`Judge`], over a world whose answers a test sets.

mod assertions;
mod states;
mod steps;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use super::{Judge, Judged, Judgement, Oracles};

use crate::expr::{Dialect, JsonPath};
use crate::model::{
    Action, ActionId, Body, Cell, Context, Digest, Effect, Evidence, Finding, Invariant, Model,
    OracleId, Request, RequestTemplate, Response, RowChange, RowDelta, Severity, SqlQuery,
    StepRecord, Subject, Table, TableId, TableKind, row_key,
};
use crate::model::{Assertion, Expectation};
use crate::world::system::QueryRows;
use crate::world::{Arrival, Observe, World, WorldError, WorldErrorKind};

/// A world in which queries and probes have the answers of a test, and which remembers its calls.
#[derive(Default)]
struct Fake {
    tables: HashMap<String, Vec<Arc<Table>>>,
    rows: HashMap<String, Result<Option<QueryRows>, String>>,
    probes: HashMap<String, Option<StepRecord>>,
    calls: Vec<String>,
}

impl World for Fake {
    type Checkpoint = ();

    async fn begin(&mut self) -> Result<Arrival<()>, WorldError> {
        Ok(arrival(None))
    }

    async fn act(&mut self, _: ActionId, _: &Context) -> Result<Arrival<()>, WorldError> {
        Ok(arrival(None))
    }

    async fn restore(&mut self, (): &()) -> Result<(), WorldError> {
        Ok(())
    }

    async fn renew(&mut self) -> Result<Arrival<()>, WorldError> {
        Ok(arrival(None))
    }

    fn requests(&self) -> u64 {
        0
    }
}

impl Observe for Fake {
    async fn tables_read(
        &mut self,
        query: &SqlQuery,
    ) -> Result<Option<Vec<Arc<Table>>>, WorldError> {
        self.calls.push(format!("tables of {}", query.text));
        Ok(self.tables.get(&query.text).cloned())
    }

    async fn query(
        &mut self,
        query: &SqlQuery,
        _: &Context,
    ) -> Result<Option<QueryRows>, WorldError> {
        self.calls.push(query.text.clone());
        self.rows[&query.text]
            .clone()
            .map_err(|message| WorldError::new(WorldErrorKind::System, message))
    }

    async fn probe(
        &mut self,
        request: &RequestTemplate,
        _: &Context,
    ) -> Result<Option<StepRecord>, WorldError> {
        let path = request.path.source();
        self.calls.push(format!("GET {path}"));
        Ok(self.probes[path].clone())
    }
}

impl Fake {
    fn with_rows(mut self, text: &str, columns: &[&str], rows: Value) -> Self {
        let rows = QueryRows {
            columns: columns.iter().map(ToString::to_string).collect(),
            rows: serde_json::from_value(rows).unwrap(),
        };
        self.rows.insert(text.to_owned(), Ok(Some(rows)));
        self
    }

    fn reading(mut self, text: &str, tables: &[&Arc<Table>]) -> Self {
        let tables = tables.iter().map(|table| (*table).clone()).collect();
        self.tables.insert(text.to_owned(), tables);
        self
    }

    fn with_probe(mut self, path: &str, record: StepRecord) -> Self {
        self.probes.insert(path.to_owned(), Some(record));
        self
    }

    /// The calls since this was last read.
    fn calls(&mut self) -> Vec<String> {
        std::mem::take(&mut self.calls)
    }
}

fn table(id: u32, name: &str) -> Arc<Table> {
    Arc::new(Table {
        id: TableId(id),
        system: "db".into(),
        name: name.to_owned(),
        columns: vec!["id".to_owned()],
        kind: TableKind::Rows,
        observed: true,
        ignored_columns: vec![false],
    })
}

fn inserted(table: &Arc<Table>) -> RowChange {
    RowChange {
        table: table.clone(),
        key: row_key([Cell::Integer(1)]),
        before: None,
        after: Some(row_key([Cell::Integer(1)])),
    }
}

fn answer(status: u16, body: &str) -> StepRecord {
    StepRecord {
        request: Request {
            method: "GET".to_owned(),
            target: "/orders".to_owned(),
            headers: Vec::new(),
            body: None,
        },
        response: Response {
            status,
            headers: Vec::new(),
            body: Body::new(body.as_bytes()),
            duration: Duration::from_millis(1),
            no_answer: None,
            is_rate_limit: false,
            has_errors: false,
            is_unready: false,
            retries: 0,
            target: String::new(),
        },
        extracted: Vec::new(),
        extract_failures: Vec::new(),
        rows: RowDelta::default(),
    }
}

fn arrival(record: Option<StepRecord>) -> Arrival<()> {
    Arrival {
        context: Context::empty(1),
        identity: Digest::default(),
        checkpoint: (),
        status: record.as_ref().map_or(0, |record| record.response.status),
        effect: Effect::None,
        wrote: record
            .as_ref()
            .is_some_and(|record| !record.rows.is_empty()),
        record: record.map(Arc::new),
    }
}

fn query(text: &str) -> SqlQuery {
    SqlQuery::for_tests(Dialect::Sqlite, text, &[])
}

fn expecting(assertion: Assertion) -> Expectation {
    Expectation {
        assertions: vec![assertion],
    }
}

fn path(source: &str) -> JsonPath {
    JsonPath::parse(source).unwrap()
}

fn invariant(subject: Subject, assertion: Assertion) -> Invariant {
    Invariant {
        name: "rule".to_owned(),
        severity: Severity::High,
        message: None,
        subject,
        expectation: expecting(assertion),
    }
}

fn sql(text: &str, assertion: Assertion) -> Invariant {
    invariant(Subject::Sql(query(text)), assertion)
}

fn probe(jsonpath: &str, assertion: Assertion) -> Invariant {
    let request = Box::new(RequestTemplate::get("/orders"));
    let jsonpath = path(jsonpath);
    invariant(Subject::Probe { request, jsonpath }, assertion)
}

fn model(actions: Vec<Action>, invariants: Vec<Invariant>) -> Arc<Model> {
    Arc::new(Model {
        actions,
        invariants,
        ..Model::default()
    })
}

/// Oracles with all checks as they are by default.
fn oracles(model: &Arc<Model>) -> Oracles {
    Oracles::new(model.clone(), &IndexMap::new())
}

/// A future that never has to wait: the fake answers at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// How the initial state is judged.
fn begin(oracles: &mut Oracles, world: &mut Fake) -> Result<Judgement, WorldError> {
    let arrival = arrival(None);
    now(oracles.judge(world, Judged::initial(&arrival)))
}

/// How a step of the first action to a new state is judged.
fn step(
    oracles: &mut Oracles,
    world: &mut Fake,
    arrival: &Arrival<()>,
    broken_before: &[OracleId],
) -> Judgement {
    now(oracles.judge(
        world,
        Judged {
            action: Some(ActionId(0)),
            context_before: &Context::empty(1),
            arrival,
            new_state: true,
            broken_before,
            only: None,
        },
    ))
    .unwrap()
}

fn names(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| &*finding.name).collect()
}

fn actual(finding: &Finding) -> &str {
    match &finding.evidence {
        Evidence::Values { actual, .. } => actual,
        Evidence::Rows { .. } => panic!("rows, not values: {finding:?}"),
    }
}
