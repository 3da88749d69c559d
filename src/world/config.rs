//! What a world is built from: the lowered `service`, `http`, `systems` and `restore` sections.

use std::path::PathBuf;
use std::time::Duration;

use crate::expr::{JsonPath, Template};
use crate::model::{Extraction, RequestTemplate, SqlQuery};

/// Everything about the system under test that the spec declares.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// Folder of the spec: relative paths and the service's working directory start here.
    pub base_dir: PathBuf,
    /// The service to start; without it, `base_url` must answer already.
    pub service: Option<ServiceConfig>,
    /// How to talk to it.
    pub http: HttpConfig,
    /// The databases under it.
    pub systems: Vec<SystemConfig>,
    /// How to get back to a state.
    pub restore: RestoreMode,
    /// How `restore: replay` gets back to the initial state.
    pub reset: Option<Reset>,
    /// Requests sent after every restore, for services that cache (`POST /cache/clear`).
    pub after_restore: Vec<RequestTemplate>,
    /// Requests run once, before the initial state.
    pub setup: Vec<SetupStep>,
    /// Waited after each answer before the databases are read, for services that write after they answer.
    pub settle: Duration,
}

/// Text in which `${port}`, `${workdir}` and `${venomqa}` are still open; they are known when the run starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateText(pub String);

impl LateText {
    /// The text with the open names filled in by `value`; names it does not know stay as they are.
    pub fn resolve(&self, value: &dyn Fn(&str) -> Option<String>) -> String {
        let mut resolved = String::with_capacity(self.0.len());
        let mut rest = self.0.as_str();
        while let Some(start) = rest.find("${") {
            resolved.push_str(&rest[..start]);
            let Some(length) = rest[start..].find('}') else {
                break;
            };
            let name = &rest[start + 2..start + length];
            match value(name) {
                Some(value) => resolved.push_str(&value),
                None => resolved.push_str(&rest[start..=start + length]),
            }
            rest = &rest[start + length + 1..];
        }
        resolved.push_str(rest);
        resolved
    }
}

/// `service:`
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Program and arguments; no shell.
    pub command: Vec<LateText>,
    /// Environment variables added to venomqa's own.
    pub env: Vec<(String, LateText)>,
    /// Working directory; the spec's folder where not given.
    pub cwd: Option<LateText>,
    /// Path below `base_url` that answers (any status below 500) once the service is ready.
    pub ready_path: String,
    /// How long it may take to get ready.
    pub ready_timeout: Duration,
}

/// `http:`
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Scheme, host, port, and possibly a path prefix.
    pub base_url: LateText,
    /// Longest wait for a complete answer.
    pub timeout: Duration,
    /// Headers of every request.
    pub headers: Vec<(String, Template)>,
    /// Largest body that is read, in bytes; what comes after is counted and dropped.
    pub max_body: u64,
}

/// One entry of `systems:`
#[derive(Clone, Debug)]
pub struct SystemConfig {
    /// Its key in the spec.
    pub name: String,
    /// Which engine, and where.
    pub engine: EngineConfig,
    /// What identifies a state. Patterns are `table` or `schema.table`, `*` matches anything.
    pub observe_tables: Option<Vec<String>>,
    /// `table.column` patterns left out of the identity.
    pub ignore_columns: Vec<String>,
    /// Tables that are neither journalled nor restored nor observed.
    pub ignore_tables: Vec<String>,
    /// Queries whose results are part of the identity, by name.
    pub observation_queries: Vec<(String, SqlQuery)>,
    /// `allow_remote: true`: the database may be on another machine.
    pub allow_remote: bool,
}

/// The engine of a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineConfig {
    /// A SQLite file.
    Sqlite(LateText),
    /// The URL of a PostgreSQL database.
    Postgres(LateText),
}

/// `restore:`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreMode {
    /// Write back the rows that differ, in every system. The default where a system is declared.
    Database,
    /// Reset the service and replay the path. The default without systems.
    Replay,
    /// Never go back; only for strategies that can do without.
    None,
}

/// `reset:`
#[derive(Clone, Debug)]
pub enum Reset {
    /// Send a request; any 2xx answer will do.
    Request(Box<RequestTemplate>),
    /// Run a program to its end.
    Command(Vec<LateText>),
    /// Restart `service.command`.
    Restart,
}

/// One entry of `setup:`
#[derive(Clone, Debug)]
pub struct SetupStep {
    /// What is sent; an answer that is not 2xx ends the run.
    pub request: RequestTemplate,
    /// What is remembered from the answer.
    pub extract: Vec<Extraction>,
}

impl SystemConfig {
    /// Whether a name of the form `table`, `schema.table` or `table.column` matches a pattern in which `*` stands for
    /// any run of characters.
    pub fn matches(pattern: &str, name: &str) -> bool {
        match pattern.split_once('*') {
            None => pattern == name,
            Some((prefix, rest)) => name.strip_prefix(prefix).is_some_and(|tail| {
                tail.char_indices()
                    .map(|(at, _)| at)
                    .chain([tail.len()])
                    .any(|at| Self::matches(rest, &tail[at..]))
            }),
        }
    }
}

/// The default of `jsonpath:` in a probe invariant: the whole body.
pub fn whole_body() -> Result<JsonPath, crate::expr::ParseError> {
    JsonPath::parse("$")
}
