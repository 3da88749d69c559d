//! Servers and a system for the tests of this room: real sockets, and rows that live in memory.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::config::{
    HttpConfig, IdentityMode, RestoreMode, RunText, SystemConfig, Tls, WorldConfig,
};
use super::system::sqlite::Sqlite;
use super::system::{Location, QueryRows, Reading, System, SystemState};
use super::{Warning, WorldError, WorldErrorKind};
use crate::expr::{JsonPath, JsonTemplate, Template};
use crate::interrupt::Interrupt;
use crate::model::{
    Action, BodyTemplate, Cell, ExtractSource, Extraction, Model, Names, RequestTemplate,
    RowChange, RowDelta, SqlQuery, Table, TableId, TableKind, VariableId, row_key,
};
use crate::secret::Secrets;

/// A server that answers each request with whatever bytes `answer` gives for its head and body; `None` closes the
/// connection. Speaks as little HTTP as possible, so that it can get it wrong.
pub(super) struct RawServer {
    pub(super) address: SocketAddr,
    pub(super) connections: Arc<AtomicUsize>,
}

impl RawServer {
    pub(super) fn start(
        mut answer: impl FnMut(&str, &[u8]) -> Option<Vec<u8>> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                serve(&stream.unwrap(), &mut answer);
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Serves here, and never returns.
    pub(super) fn serve_on(port: u16, mut answer: impl FnMut(&str, &[u8]) -> Option<Vec<u8>>) -> ! {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        loop {
            let (stream, _) = listener.accept().unwrap();
            serve(&stream, &mut answer);
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn serve(stream: &TcpStream, answer: &mut impl FnMut(&str, &[u8]) -> Option<Vec<u8>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&line);
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let Some(bytes) = answer(&head, &body) else {
            return;
        };
        let unfinished = bytes.ends_with(b"<cut>");
        let bytes = bytes.strip_suffix(b"<cut>").unwrap_or(&bytes);
        if (&*stream).write_all(bytes).is_err() || unfinished {
            return;
        }
    }
}

/// A well-formed answer.
pub(super) fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub(super) fn http_config(base_url: &str) -> HttpConfig {
    HttpConfig {
        origins: Vec::new(),
        base_url: RunText(base_url.to_owned()),
        timeout: Duration::from_secs(5),
        headers: Vec::new(),
        max_body: 16 * 1024 * 1024,
        follow_redirects: 0,
        retry_after: true,
        pace: Duration::ZERO,
        tls: Tls::default(),
        proxy: None,
        request_id: None,
    }
}

pub(super) fn world_config(base_url: &str) -> WorldConfig {
    WorldConfig {
        base_dir: std::env::temp_dir(),
        service: None,
        http: http_config(base_url),
        systems: Vec::new(),
        restore: RestoreMode::Database,
        reset: None,
        after_restore: Vec::new(),
        setup: Vec::new(),
        principals: Vec::new().into(),
        secrets: Secrets::default(),
        settle: None,
        identity: IdentityMode::Exact,
        seed: 1,
    }
}

pub(super) fn request(method: &str, path: &str) -> RequestTemplate {
    RequestTemplate {
        method: method.to_owned(),
        ..RequestTemplate::get(path)
    }
    .with_path(path)
}

impl RequestTemplate {
    fn with_path(mut self, path: &str) -> Self {
        self.path = Template::parse(path).unwrap();
        self
    }

    pub(super) fn with_json(mut self, body: &Value) -> Self {
        self.body = BodyTemplate::Json(JsonTemplate::parse(body).unwrap());
        self
    }
}

pub(super) fn action(name: &str, method: &str, path: &str) -> Action {
    Action {
        request: request(method, path),
        ..Action::named(name)
    }
}

pub(super) fn extraction(variable: u32, name: &str, path: &str) -> Extraction {
    Extraction {
        variable: VariableId(variable),
        name: name.to_owned(),
        source: ExtractSource::JsonPath(JsonPath::parse(path).unwrap()),
        pattern: None,
        all: false,
        optional: false,
        is_link: false,
    }
}

pub(super) fn model(actions: Vec<Action>, variables: &[&str]) -> Arc<Model> {
    Arc::new(Model {
        actions,
        names: Arc::new(Names {
            variables: variables.iter().map(|name| (*name).to_owned()).collect(),
            ..Names::default()
        }),
        identity_variables: vec![true; variables.len()],
        ..Model::default()
    })
}

pub(super) fn interrupt() -> Interrupt {
    Interrupt::default()
}

/// Rows in memory: the table `items` (id, value). The "service" of a test writes with [`Store::put`], which journals.
#[derive(Clone, Default)]
pub(super) struct Store(Arc<Mutex<Rows>>);

#[derive(Default)]
struct Rows {
    now: BTreeMap<i64, i64>,
    /// Rows as they were when they were first touched since the journal was last read.
    journal: BTreeMap<i64, Option<i64>>,
    initial: BTreeMap<i64, i64>,
    before_run: Option<BTreeMap<i64, i64>>,
    /// Writes one row less than it should: what a restore must never do.
    sloppy: bool,
    restores: usize,
    /// How often it will refuse to be uninstalled.
    refusals: usize,
    /// Where the service of the test listens, and whether it still did when this was uninstalled.
    service: Option<(String, u16)>,
    service_was_up: bool,
}

impl Store {
    pub(super) fn put(&self, id: i64, value: Option<i64>) {
        let mut rows = self.0.lock().unwrap();
        let before = rows.now.get(&id).copied();
        rows.journal.entry(id).or_insert(before);
        match value {
            Some(value) => rows.now.insert(id, value),
            None => rows.now.remove(&id),
        };
    }

    pub(super) fn rows(&self) -> Vec<(i64, i64)> {
        let rows = self.0.lock().unwrap();
        rows.now.iter().map(|(id, value)| (*id, *value)).collect()
    }

    pub(super) fn restores(&self) -> usize {
        self.0.lock().unwrap().restores
    }

    pub(super) fn get_sloppy(&self) {
        self.0.lock().unwrap().sloppy = true;
    }

    /// Refuses to be uninstalled, so many times.
    pub(super) fn refuse(&self, times: usize) {
        self.0.lock().unwrap().refusals = times;
    }

    /// Looks for the service when it is uninstalled.
    pub(super) fn look_for(&self, service: (String, u16)) {
        self.0.lock().unwrap().service = Some(service);
    }

    pub(super) fn service_was_up(&self) -> bool {
        self.0.lock().unwrap().service_was_up
    }

    pub(super) fn has_journal(&self) -> bool {
        self.0.lock().unwrap().before_run.is_some()
    }

    pub(super) fn config() -> SystemConfig {
        SystemConfig::new("db", Location::new(&Sqlite, "in memory"))
    }

    pub(super) fn open(&self) -> Box<dyn System> {
        Box::new(FakeSystem {
            store: self.clone(),
            table: Arc::new(Table {
                id: TableId(0),
                system: "db".into(),
                name: "items".to_owned(),
                columns: vec!["id".to_owned(), "value".to_owned()],
                kind: TableKind::Rows,
                observed: true,
                ignored_columns: vec![false, false],
            }),
        })
    }
}

struct FakeSystem {
    store: Store,
    table: Arc<Table>,
}

fn row(id: i64, value: Option<i64>) -> Option<Arc<[Cell]>> {
    Some([Cell::Integer(id), Cell::Integer(value?)].into())
}

#[async_trait(?Send)]
impl System for FakeSystem {
    fn end_with(&mut self, _: &Interrupt) {}

    fn name(&self) -> &'static str {
        "db"
    }

    async fn install(&mut self) -> Result<Option<String>, WorldError> {
        let mut store = self.store.0.lock().unwrap();
        store.before_run = Some(store.now.clone());
        store.journal.clear();
        Ok(None)
    }

    async fn mark_initial(&mut self) -> Result<(), WorldError> {
        let mut store = self.store.0.lock().unwrap();
        store.initial = store.now.clone();
        store.journal.clear();
        Ok(())
    }

    async fn read(&mut self, _known: &SystemState) -> Result<Reading, WorldError> {
        let mut store = self.store.0.lock().unwrap();
        let journal = std::mem::take(&mut store.journal);
        let changes = journal
            .into_iter()
            .map(|(id, before)| RowChange {
                table: self.table.clone(),
                key: row_key([Cell::Integer(id)]),
                before: row(id, before),
                after: row(id, store.now.get(&id).copied()),
            })
            .collect();
        Ok(Reading {
            delta: RowDelta::new(changes),
            ..Reading::default()
        })
    }

    async fn restore(&mut self, from: &SystemState, to: &SystemState) -> Result<bool, WorldError> {
        let mut store = self.store.0.lock().unwrap();
        store.restores += 1;
        let way = from.delta.way_to(&to.delta);
        let skipped = usize::from(store.sloppy);
        for change in way.changes().iter().skip(skipped) {
            let Some(Cell::Integer(id)) = change.key.first() else {
                panic!("a key of this table is one integer");
            };
            match change.after.as_ref().map(|row| row[1].clone()) {
                Some(Cell::Integer(value)) => store.now.insert(*id, value),
                _ => store.now.remove(id),
            };
        }
        store.journal.clear();
        Ok(false)
    }

    async fn verify(&mut self, state: &SystemState) -> Result<(), WorldError> {
        let store = self.store.0.lock().unwrap();
        let mut expected = store.initial.clone();
        for change in state.delta.changes() {
            let Some(Cell::Integer(id)) = change.key.first() else {
                panic!("a key of this table is one integer");
            };
            match change.after.as_ref().map(|row| row[1].clone()) {
                Some(Cell::Integer(value)) => expected.insert(*id, value),
                _ => expected.remove(id),
            };
        }
        if expected == store.now {
            return Ok(());
        }
        Err(WorldError::new(
            WorldErrorKind::Restore,
            "table `items` is not as it was",
        ))
    }

    async fn prepare(&mut self, _query: &SqlQuery) -> Result<Option<Vec<Arc<Table>>>, WorldError> {
        Ok(Some(vec![self.table.clone()]))
    }

    async fn query(
        &mut self,
        _query: &SqlQuery,
        parameters: &[Value],
    ) -> Result<QueryRows, WorldError> {
        let store = self.store.0.lock().unwrap();
        Ok(QueryRows {
            columns: vec!["count".to_owned(), "parameters".to_owned()],
            rows: vec![vec![json!(store.now.len()), json!(parameters)]],
        })
    }

    async fn uninstall(&mut self) -> Result<Vec<Warning>, WorldError> {
        let mut store = self.store.0.lock().unwrap();
        if store.refusals > 0 {
            store.refusals -= 1;
            return Err(WorldError::new(WorldErrorKind::System, "it is locked"));
        }
        if let Some(before) = store.before_run.take() {
            store.now = before;
        }
        if let Some(address) = store.service.clone() {
            store.service_was_up = std::net::TcpStream::connect(address).is_ok();
        }
        Ok(Vec::new())
    }
}
