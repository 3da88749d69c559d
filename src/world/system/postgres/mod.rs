//! A PostgreSQL database under the service.
//!
//! Row triggers write what changes into the schema `venomqa` ([`journal`]); a step's delta is what is left of those
//! entries when equal rows have cancelled ([`row_multiset`]). A restore writes the rows that differ ([`apply`]). The cost of a step
//! depends on the rows that it touched and on the number of sequences, not on the size of the database.
//!
//! In reading order: [`address`] and [`connections`] connect, [`catalog`] reads the schema, [`journal`] installs the triggers,
//! [`pg_session`] reads what a step did and restores states, by [`poll`]s of the database. [`schema_changes`] notices that tables have
//! changed, [`sequences`] that sequences have moved. [`apply`] writes rows, in [`batches`]; [`ctid_hints`] finds rows that have no
//! key. [`verify`] proves restores, [`rehearsal`] tries them beforehand. [`bind`] and [`query`] run the queries of the spec,
//! [`mod@recover`] undoes a run, [`lock_diagnosis`] names the sessions that hold locks.

mod address;
mod apply;
mod batches;
mod bind;
mod catalog;
mod connections;
mod ctid_hints;
mod definitions;
mod failure;
mod journal;
mod lock_diagnosis;
mod objects;
mod pg_session;
mod poll;
mod query;
mod recover;
mod rehearsal;
mod row_multiset;
mod schema_changes;
mod sequences;
mod shapes;
mod sql;
mod tls;
mod verify;

#[cfg(test)]
pub(super) mod tests;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::Value;
use tokio_postgres::error::SqlState;

use super::query_limit::QueryLimit;
use super::{Engine, LocationKind, QueryRows, Reading, System, SystemState};
use crate::expr::Dialect;
use crate::identity::TableShape;
use crate::interrupt::Interrupt;
use crate::model::{SqlQuery, Table};
use crate::world::config::SystemConfig;
use crate::world::system::left_alone::LeftAlone;
use crate::world::{Warning, WarningCode, WorldError, WorldErrorKind};

use address::Address;
use catalog::{Blockers, Catalog};
use connections::Connections;
use failure::failed;
use pg_session::PgSession;
use recover::Recovered;

/// How often the end of a run connects again when its connection is lost meanwhile.
const RECONNECTIONS: u32 = 2;

/// How long a statement that was cancelled is waited for.
const CANCEL_WAIT: Duration = Duration::from_secs(1);

/// How long between two requests to cancel it.
const CANCEL_PAUSE: Duration = Duration::from_millis(100);

/// How long the end of a run waits for a server that is being restarted, and how often it looks.
const RESTART_PATIENCE: Duration = Duration::from_secs(5);
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// What to do about things that are not as they were.
const LEFT_BEHIND: &str = "look at each: rows that are lost come back from a backup only; what is new may be dropped if nobody needs it, \
     and what is defined anew can be defined as it was, which is said here";

/// What to do about things that were not rows and were put back.
const PUT_BACK: &str = "a state that was left did not take such changes along, so what was seen after them cannot be relied on; \
     let migrations come before the run. Where the change was not the run's, make it again: what it had defined is in the message";

/// PostgreSQL as a kind of database.
#[derive(Debug)]
pub struct Postgres;

#[async_trait(?Send)]
impl Engine for Postgres {
    fn key(&self) -> &'static str {
        "postgres"
    }

    fn description(&self) -> &'static str {
        "URL of a PostgreSQL database: `postgres://user@127.0.0.1:5432/shop`."
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["postgres", "postgresql"]
    }

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn location_kind(&self) -> LocationKind {
        LocationKind::Url
    }

    fn example(&self) -> &'static str {
        "postgres://user@127.0.0.1:5432/name"
    }

    fn open(&self, config: &SystemConfig, location: &str) -> Result<Box<dyn System>, WorldError> {
        Ok(Box::new(PostgresSystem::open(config, location)?))
    }

    async fn recover(
        &self,
        location: &str,
        allow_remote: bool,
    ) -> Result<Option<String>, WorldError> {
        recover(location, allow_remote).await
    }
}

/// One PostgreSQL database. Connects when the journal is installed.
pub struct PostgresSystem {
    config: SystemConfig,
    address: Address,
    session: Option<PgSession>,
    is_installed: bool,
    /// Whether the journal was there.
    has_journal: bool,
    /// Rows of ignored tables before the run.
    left_alone: LeftAlone,
    /// What could not be put back at the end so far, in words.
    lost: Vec<String>,
    interrupt: Interrupt,
}

impl fmt::Debug for PostgresSystem {
    // By hand: the configuration holds the URL, and with it a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PostgresSystem")
            .field("name", &self.config.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl PostgresSystem {
    /// The database at a URL. Nothing is connected to yet. An error where the URL is none, or where the database is on
    /// another machine and the spec does not allow that.
    pub fn open(config: &SystemConfig, url: &str) -> Result<Self, WorldError> {
        let address = Address::parse(url)?;
        if !config.allow_remote && !address.is_local() {
            return Err(address.refuse_remote());
        }
        Ok(Self {
            config: config.clone(),
            address,
            session: None,
            is_installed: false,
            has_journal: false,
            lost: Vec::new(),
            left_alone: LeftAlone::default(),
            interrupt: Interrupt::default(),
        })
    }

    /// What is to be said at the end of a run that put so much back.
    async fn end_warnings(
        &self,
        connections: &Connections,
        recovered: &Recovered,
    ) -> Result<Vec<Warning>, WorldError> {
        let counted = Catalog::count_ignored(connections, &self.config)
            .await
            .map_err(|error| failed(&self.address, "count the rows of ignored tables", &error))?;
        let mut warnings = self.left_alone.differences(&counted, &self.config.name);
        if !recovered.lost.is_empty() {
            let message = format!(
                "`{}` was put back to its content before the run, but for this: {}",
                self.address,
                recovered.lost.join("; ")
            );
            warnings.push(
                Warning::new(WarningCode::NotRestored, message)
                    .with_help(LEFT_BEHIND)
                    .untrusted(),
            );
        }
        if !recovered.put_back.is_empty() {
            let message = format!(
                "more than rows changed in `{}` during the run: {}",
                self.address,
                recovered.put_back.join("; ")
            );
            warnings.push(
                Warning::new(WarningCode::DatabaseReplaced, message)
                    .with_help(PUT_BACK)
                    .untrusted(),
            );
        }
        Ok(warnings)
    }

    fn journal_is_gone(&self) -> WorldError {
        WorldError::new(
            WorldErrorKind::Restore,
            format!(
                "`{}` no longer holds the journal: the database was dropped and made again, or restored from a dump, during the run",
                self.address
            ),
        )
        .with_help(
            "the content before the run is lost, unless you have a backup; keep what drops or restores the database out of the spec",
        )
    }

    /// What has to be watched, and what keeps a run from starting.
    async fn wanted(&self, connections: &Connections) -> Result<(Catalog, Blockers), WorldError> {
        let cannot = |error| failed(&self.address, "read the schema", &error);
        let (catalog, mut missing) = Catalog::read(connections, Some(&self.config))
            .await
            .map_err(cannot)?;
        missing
            .encoding(&connections.writer)
            .await
            .map_err(cannot)?;
        let may_create = connections
            .writer
            .query_one(
                "SELECT has_database_privilege(current_database(), 'CREATE')",
                &[],
            )
            .await
            .map_err(cannot)?;
        if !may_create.get::<_, bool>(0) {
            missing.create(connections);
        }
        if missing.is_empty() && connections.is_replica {
            for watched in catalog.searching() {
                let outcome = rehearsal::rehearse(&connections.writer, &catalog, watched).await;
                let obstacle = outcome.map_err(cannot)?.obstacle(&catalog, watched);
                missing.obstacles.extend(obstacle);
            }
        }
        Ok((catalog, missing))
    }

    fn session(&mut self) -> Result<&mut PgSession, WorldError> {
        self.session.as_mut().ok_or_else(|| {
            WorldError::new(
                WorldErrorKind::System,
                format!("the journal is not installed in `{}`", self.address),
            )
        })
    }
}

/// Puts the database at a URL back to its content before a run that was killed, and removes the journal. The text says
/// what was done; `None` where no run has left anything. An error where a run is still using it.
pub async fn recover(url: &str, allow_remote: bool) -> Result<Option<String>, WorldError> {
    let address = Address::parse(url)?;
    if !allow_remote && !address.is_local() {
        return Err(address.refuse_remote());
    }
    let connections = Connections::open(&address).await?;
    connections.lock(&address).await?;
    if !connections.is_replica {
        return Err(refuse(&connections, &address, Blockers::default()));
    }
    let recovered = recover::recover(&connections, &address, None, &mut Vec::new()).await;
    connections.unlock().await;
    match recovered? {
        Some(recovered) if !recovered.lost.is_empty() => {
            Err(recovered.error(&address).with_help(LEFT_BEHIND))
        }
        recovered => Ok(recovered.map(|recovered| recovered.describe(&address))),
    }
}

#[async_trait(?Send)]
impl System for PostgresSystem {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn end_with(&mut self, interrupt: &Interrupt) {
        self.interrupt = interrupt.clone();
    }

    async fn install(&mut self) -> Result<Option<String>, WorldError> {
        let connections = Connections::open(&self.address).await?;
        connections.lock(&self.address).await?;
        if !connections.is_replica {
            // Without that right a journal that is there cannot be recovered either.
            let (_, missing) = self.wanted(&connections).await?;
            return Err(refuse(&connections, &self.address, missing));
        }
        let recovered = recover::recover(&connections, &self.address, None, &mut Vec::new())
            .await?
            .map(|recovered| recovered.describe(&self.address));
        let (catalog, missing) = self.wanted(&connections).await?;
        if !missing.is_empty() {
            return Err(refuse(&connections, &self.address, missing));
        }
        // From here on the journal may be there, also where the connection is lost.
        self.is_installed = true;
        if let Err(error) = journal::create(&connections, &catalog).await {
            let explained =
                lock_diagnosis::explain(&connections, &self.address, "install the journal", &error)
                    .await;
            return Err(if error.code() == Some(&SqlState::DUPLICATE_SCHEMA) {
                explained.with_help("the journal needs that name; rename the schema that has it")
            } else {
                explained
            });
        }
        self.has_journal = true;
        objects::forget_ignored(&connections, &self.config)
            .await
            .map_err(|error| failed(&self.address, "read the schema", &error))?;
        self.left_alone = Catalog::count_ignored(&connections, &self.config)
            .await
            .map_err(|error| failed(&self.address, "count the rows of ignored tables", &error))?;
        let limit = self.config.query_timeout.saturating_add(CANCEL_WAIT);
        connections.limit_reader(&self.address, limit).await?;
        self.session = Some(PgSession::new(self.address.clone(), connections, catalog).await?);
        Ok(recovered)
    }

    async fn mark_initial(&mut self) -> Result<(), WorldError> {
        self.session()?.mark_initial().await
    }

    async fn read(&mut self, known: &SystemState) -> Result<Reading, WorldError> {
        self.session()?.read(&known.delta).await
    }

    async fn restore(&mut self, from: &SystemState, to: &SystemState) -> Result<bool, WorldError> {
        self.session()?.restore(&from.delta, &to.delta).await
    }

    fn restores_over_strays(&self) -> bool {
        true
    }

    async fn shapes(&mut self) -> Result<Vec<TableShape>, WorldError> {
        let address = self.address.clone();
        let session = self.session()?;
        let shapes = shapes::read(&session.connections.reader, session.catalog()).await;
        shapes.map_err(|error| failed(&address, "read the schema", &error))
    }

    async fn conclude(&mut self) -> Result<(), WorldError> {
        self.session()?.conclude().await
    }

    async fn verify(&mut self, state: &SystemState) -> Result<(), WorldError> {
        self.session()?.verify(&state.delta).await
    }

    async fn lock_holders(&mut self) -> Vec<String> {
        match &self.session {
            // The holders explain another error, which is reported without them where they cannot be read.
            Some(session) => lock_diagnosis::holders(&session.connections)
                .await
                .unwrap_or_default(),
            None => Vec::new(),
        }
    }

    async fn prepare(&mut self, query: &SqlQuery) -> Result<Option<Vec<Arc<Table>>>, WorldError> {
        self.session()?.tables(query).await
    }

    async fn query(
        &mut self,
        query: &SqlQuery,
        parameters: &[Value],
    ) -> Result<QueryRows, WorldError> {
        let limit = QueryLimit::begin(self.config.query_timeout, &self.interrupt);
        let address = self.address.clone();
        let session = self.session()?;
        let token = session.cancel_token();
        let mut rows = pin!(session.query(query, parameters));
        tokio::select! {
            biased;
            rows = &mut rows => rows,
            () = limit.over() => {
                let error = limit.error();
                // A request to cancel that comes before the statement has begun is lost, so it is sent until the statement ends.
                let ended = async {
                    loop {
                        let cancel = connections::cancel(&address, token.clone());
                        let ended = tokio::time::timeout(CANCEL_PAUSE, &mut rows);
                        if tokio::join!(cancel, ended).1.is_ok() {
                            break;
                        }
                    }
                };
                // The session is of use again once the statement has ended; a server that does not answer is not waited for.
                let _ = tokio::time::timeout(CANCEL_WAIT, ended).await;
                Err(error)
            }
        }
    }

    async fn uninstall(&mut self) -> Result<Vec<Warning>, WorldError> {
        if !self.is_installed {
            return Ok(Vec::new());
        }
        let address = &self.address;
        let mut alive = self
            .session
            .take()
            .filter(PgSession::is_connected)
            .map(|session| session.connections);
        let mut attempt = 0;
        let warnings = loop {
            let connections = match alive.take() {
                Some(connections) => connections,
                None => open_again(address).await?,
            };
            let config = Some(&self.config);
            match recover::recover(&connections, address, config, &mut self.lost).await {
                Ok(recovered) => {
                    // The session's end would do so too, only later.
                    connections.unlock().await;
                    break match recovered {
                        Some(recovered) => self.end_warnings(&connections, &recovered).await?,
                        None if self.has_journal => return Err(self.journal_is_gone()),
                        None => Vec::new(),
                    };
                }
                Err(error) if attempt >= RECONNECTIONS || connections.answer().await => {
                    return Err(error);
                }
                // The connection is lost; the journal is still in the database.
                Err(_) => attempt += 1,
            }
        };
        self.is_installed = false;
        Ok(warnings)
    }
}

/// Connects once more after a connection was lost. A server that is being restarted is waited for.
async fn open_again(address: &Address) -> Result<Connections, WorldError> {
    let began = Instant::now();
    let connections = loop {
        match Connections::open(address).await {
            Ok(connections) => break connections,
            Err(error) if error.help.as_deref() == Some(failure::NO_DATABASE) => {
                return Err(WorldError::new(
                    error.kind,
                    format!("`{address}` was dropped during the run"),
                )
                .with_help(failure::NO_DATABASE));
            }
            Err(error) if began.elapsed() >= RESTART_PATIENCE => return Err(error),
            Err(_) => tokio::time::sleep(RESTART_PAUSE).await,
        }
    };
    connections.lock(address).await?;
    Ok(connections)
}

/// The error that lists what keeps a run from starting.
fn refuse(connections: &Connections, address: &Address, mut missing: Blockers) -> WorldError {
    if !connections.is_replica {
        let role = sql::quoted(&connections.role);
        missing.grants.insert(
            0,
            if connections.server_version >= 150_000 {
                format!("GRANT SET ON PARAMETER session_replication_role TO {role};")
            } else {
                format!("ALTER ROLE {role} SUPERUSER;")
            },
        );
    }
    missing.grants.sort();
    missing.grants.dedup();
    if missing.grants.is_empty() {
        return WorldError::new(
            WorldErrorKind::System,
            format!("`{address}` cannot be put back exactly"),
        )
        .with_details(missing.obstacles)
        .with_help("change it in the database under test, or leave the table to `ignore_tables`");
    }
    WorldError::new(
        WorldErrorKind::System,
        format!(
            "the role `{}` may not do what a restore in `{address}` needs",
            connections.role
        ),
    )
    .with_details(missing.grants.into_iter().chain(missing.obstacles))
    .with_help(
        "have a superuser run these statements in that database: rows are put back as a replica would \
         (`session_replication_role`), so that neither triggers nor foreign keys answer to it",
    )
}
