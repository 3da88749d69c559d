//! What a world is built from: the lowered `service`, `http`, `systems` and `restore` sections.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::system::Location;
use crate::expr::Template;
use crate::model::{Extraction, RequestTemplate, SqlQuery, StatusPattern};
use crate::secret::Secrets;

pub use super::patterns::{Pattern, TableNames};
pub use super::principals::Principal;
pub(crate) use super::principals::secrets_of;

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
    /// How a state is restored.
    pub restore: RestoreMode,
    /// How `restore: replay` restores the initial state.
    pub reset: Option<Reset>,
    /// Requests sent after every restore, for services that cache (`POST /cache/clear`).
    pub after_restore: Vec<RequestTemplate>,
    /// Requests run once, before the initial state.
    pub setup: Vec<SetupStep>,
    /// Who acts.
    pub principals: Arc<[Principal]>,
    /// What must not be shown: the names that the spec gives, and the values that are known before the first request.
    pub secrets: Secrets,
    /// Waited after each answer before the databases are read, for services that write after they answer. No time says that the
    /// service writes nothing then; `None` where the spec says neither.
    pub settle: Option<Duration>,
    /// When two states are the same.
    pub identity: IdentityMode,
    /// The seed of the run.
    pub seed: u64,
}

/// When two states are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdentityMode {
    /// Their rows and values are equal, ids included.
    #[default]
    Exact,
    /// Their rows and values are equal but for generated ids.
    Canonical,
}

impl IdentityMode {
    /// Every mode, by the name that people write.
    pub const NAMES: [(&'static str, Self); 2] =
        [("exact", Self::Exact), ("canonical", Self::Canonical)];

    /// The mode of this name.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::NAMES.into_iter();
        all.find(|(known, _)| *known == name).map(|(_, mode)| mode)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Canonical => "canonical",
        }
    }
}

/// Text in which `${port}`, `${workdir}` and `${venomqa}` are not filled in yet: their values are known when the run starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunText(pub String);

impl RunText {
    /// The text with the names filled in by `value`; names that it does not know stay as they are.
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
    pub command: Vec<RunText>,
    /// Environment variables added to venomqa's own.
    pub env: Vec<(String, RunText)>,
    /// Working directory; the spec's folder where not given.
    pub cwd: Option<RunText>,
    /// Path below `base_url` that answers (any status below 500) once the service is ready.
    pub ready_path: String,
    /// How long it may take to get ready.
    pub ready_timeout: Duration,
    /// Whether it may be started again during the run, to see whether a violation happens again.
    pub restart: bool,
}

/// `http:`
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Scheme, host, port, and possibly a path prefix.
    pub base_url: RunText,
    /// Longest wait for a complete answer.
    pub timeout: Duration,
    /// Other origins (scheme, host and port) to which a value of an answer may lead a request. Credentials never go there.
    pub origins: Vec<RunText>,
    /// Headers of every request to the service.
    pub headers: Vec<(String, Template)>,
    /// Largest body that is read, in bytes; what comes after is counted and dropped.
    pub max_body: u64,
    /// How many redirects in a row are followed.
    pub follow_redirects: u32,
    /// Whether an answer that asks to come back later (429, 503 with `Retry-After`) is waited for.
    pub retry_after: bool,
    /// Time between two requests at the least.
    pub pace: Duration,
    /// Whom to trust over `https`.
    pub tls: Tls,
    /// What all requests go through.
    pub proxy: Option<reqwest::Proxy>,
    /// The header that holds the id of a request.
    pub request_id: Option<String>,
}

/// Whom to trust over `https`, beside those whom this machine trusts.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Issuers of certificates.
    pub ca: Vec<reqwest::Certificate>,
    /// Whether anybody is trusted.
    pub insecure: bool,
}

/// One entry of `systems:`
#[derive(Clone, Debug)]
pub struct SystemConfig {
    /// Its key in the spec.
    pub name: String,
    /// What kind of database it is, and where.
    pub location: Location,
    /// What identifies a state. Patterns are `table` or `schema.table`, `*` matches any run of characters; one that begins with
    /// `!` leaves tables out.
    pub observe_tables: Option<Vec<Pattern>>,
    /// `table.column` patterns left out of the identity.
    pub ignore_columns: Vec<Pattern>,
    /// Tables whose ids tell states apart, even where states are told apart by their canonical form.
    pub keep_ids: Vec<Pattern>,
    /// `table.column` patterns of values that are another one each time, of which only their presence is part of the identity. `None`: they
    /// are looked for.
    pub volatile: Option<Vec<Pattern>>,
    /// Tables that are neither journalled nor restored nor observed.
    pub ignore_tables: Vec<Pattern>,
    /// Tables that post-conditions name, under `changes` of `ensure`.
    pub ensured_tables: Vec<Pattern>,
    /// Queries whose results are part of the identity, by name.
    pub observation_queries: Vec<(String, SqlQuery)>,
    /// When the service has written what it writes after it has answered.
    pub settle: Option<Settle>,
    /// How long one query of the spec may take.
    pub query_timeout: Duration,
    /// `allow_remote: true`: the database may be on another machine.
    pub allow_remote: bool,
    /// Whether a copy of the content before the run is kept beside the database, where it is a file.
    pub safety_copy: SafetyCopy,
}

/// `settle:` of a system.
#[derive(Clone, Debug)]
pub struct Settle {
    /// A query that yields true once the service has written everything.
    pub until: SqlQuery,
    /// How long that may take.
    pub at_most: Duration,
}

/// `safety_copy:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SafetyCopy {
    /// A copy of a database that is not too large for that.
    #[default]
    Auto,
    /// A copy, however large.
    Always,
    /// No copy, unless there is no other way to restore the database.
    Never,
}

/// `restore:`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreMode {
    /// Write back the rows that differ, in every system. The default where a system is declared.
    Database,
    /// Write them back, and start the service again each time.
    Full,
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
    Command(Vec<RunText>),
    /// Restart `service.command`.
    Restart,
}

/// One entry of `setup:`, or a request of a login.
#[derive(Clone, Debug)]
pub struct SetupStep {
    /// What is sent.
    pub request: RequestTemplate,
    /// Statuses of a good answer, any other ends the run; where there are none, every 2xx is good.
    pub status: Vec<StatusPattern>,
    /// What is remembered from the answer.
    pub extract: Vec<Extraction>,
}

impl SystemConfig {
    /// How long one query may take by default.
    pub const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

    /// A system whose tables are all watched, and all part of the identity of states.
    pub fn new(name: &str, location: Location) -> Self {
        Self {
            name: name.to_owned(),
            location,
            observe_tables: None,
            ignore_columns: Vec::new(),
            keep_ids: Vec::new(),
            volatile: None,
            ignore_tables: Vec::new(),
            ensured_tables: Vec::new(),
            observation_queries: Vec::new(),
            settle: None,
            query_timeout: Self::QUERY_TIMEOUT,
            allow_remote: false,
            safety_copy: SafetyCopy::default(),
        }
    }

    /// Whether `ignore_tables` matches the table.
    pub fn ignores(&self, table: &TableNames) -> bool {
        table.match_one_of(&self.ignore_tables, None)
    }

    /// Whether `observe_tables` matches the table, or is left out.
    pub fn observes(&self, table: &TableNames) -> bool {
        let Some(patterns) = &self.observe_tables else {
            return true;
        };
        let (out, within): (Vec<_>, Vec<_>) =
            patterns.iter().partition(|pattern| pattern.leaves_out());
        let are_all = within.is_empty() && !out.is_empty();
        (are_all || table.match_one_of(within, None)) && !table.match_one_of(out, None)
    }

    /// Whether `keep_ids` matches the table.
    pub fn keeps_ids(&self, table: &TableNames) -> bool {
        table.match_one_of(&self.keep_ids, None)
    }

    /// Whether `volatile` matches the column.
    pub fn is_volatile(&self, table: &TableNames, column: &str) -> bool {
        table.match_one_of(self.volatile.iter().flatten(), Some(column))
    }

    /// Whether `ignore_columns` matches the column.
    pub fn ignores_column(&self, table: &TableNames, column: &str) -> bool {
        table.match_one_of(&self.ignore_columns, Some(column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::system::postgres::Postgres;

    fn config() -> SystemConfig {
        SystemConfig::new(
            "db",
            Location::new(
                &Postgres,
                "postgres://qa:s3cret@127.0.0.1/shop?password=s3cret",
            ),
        )
    }

    #[test]
    fn a_configuration_is_shown_without_the_password_of_its_url() {
        let text = format!("{:?}", config());
        assert!(text.contains("qa:[redacted]@127.0.0.1/shop"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }

    #[test]
    fn a_pattern_matches_a_table_by_its_name_with_or_without_its_schema() {
        let table = TableNames::default()
            .or("orders", "public.orders")
            .or("sales", "public.sales");
        let ignores = |pattern: &str| {
            SystemConfig {
                ignore_tables: vec![pattern.into()],
                ..config()
            }
            .ignores(&table)
        };
        for pattern in [
            "orders",
            "public.orders",
            "public.*",
            "*",
            "*.orders",
            "o*s",
            "sales",
        ] {
            assert!(ignores(pattern), "{pattern}");
        }
        for pattern in ["p*", "order", "Orders", "billing.*", "orders.*", "", "*x"] {
            assert!(!ignores(pattern), "{pattern}");
        }
        let ignores_column = |pattern: &str| {
            SystemConfig {
                ignore_columns: vec![pattern.into()],
                ..config()
            }
            .ignores_column(&table, "at")
        };
        for pattern in [
            "*.at",
            "orders.at",
            "public.orders.at",
            "orders.*",
            "sales.a*",
        ] {
            assert!(ignores_column(pattern), "{pattern}");
        }
        for pattern in ["at", "public.at", "other.at", "*.id"] {
            assert!(!ignores_column(pattern), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_begins_with_an_exclamation_mark_leaves_tables_out() {
        let observes = |patterns: &[&str], table: &str| {
            SystemConfig {
                observe_tables: Some(patterns.iter().map(|it| (*it).into()).collect()),
                ..config()
            }
            .observes(&TableNames::default().or(table, format!("public.{table}")))
        };
        for (patterns, orders, audit) in [
            (&["*", "!audit"][..], true, false),
            (&["!audit", "*"], true, false),
            (&["!audit"], true, false),
            (&["!public.au*"], true, false),
            (&["orders", "!*"], false, false),
            (&["orders", "audit"], true, true),
            (&[], false, false),
        ] {
            assert_eq!(observes(patterns, "orders"), orders, "{patterns:?}");
            assert_eq!(observes(patterns, "audit"), audit, "{patterns:?}");
        }
    }
}
