//! The two connections of a run.
//!
//! The *writer* reads the journal and writes rows. Everything that changes how a value is written as text is fixed on it,
//! and it acts as a replica, so that no trigger, foreign key or rule fires when it writes. The *reader*
//! runs the queries of the spec: read-only, with the names (`search_path`) that the role sees anywhere else.

use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client, Config, NoTls, Socket};

use super::address::Address;
use super::failure::{failed, no_connection};
use super::tls;
use crate::world::{WorldError, WorldErrorKind};

/// Key of the advisory lock that a run holds. Locks belong to one database, so it can be the same everywhere.
const RUN_LOCK: i64 = 8_243_107_338_930_713_204;

/// How long a lock of another session is waited for.
pub(super) const LOCK_WAIT_SECONDS: u32 = 5;

/// How long the lock of another run is waited for, how often its session is seen at rest meanwhile, and how far apart the looks are.
/// The session of a run that was killed is never at rest for long: it ends with the statement that it executes, whose locks
/// it may wait for.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_RESTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// Whether the session that has the lock of a run executes a statement; `NULL` where the role may not know.
const LOCK_HOLDER: &str = "
SELECT a.state <> 'idle' FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid::int8 << 32 | l.objid::int8 = $1
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())";

/// What fixes the text form of values, in both directions. The triggers of the journal set the same.
pub(super) const TEXT_FORM: &[(&str, &str)] = &[
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("quote_all_identifiers", "off"),
];

/// Settings of both sessions. Those that a server does not know are left out.
const BOTH: &[(&str, &str)] = &[
    ("client_min_messages", "warning"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("transaction_timeout", "0"),
    ("row_security", "off"),
    ("jit", "off"),
    ("standard_conforming_strings", "on"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
];

/// The writer's plans are made once and must do for tables that grow: by key, never by scanning. Its commits need not
/// wait for the disk: whatever is flushed later flushes them as well, so a crash leaves a consistent earlier moment.
const WRITER: &[(&str, &str)] = &[
    ("search_path", "pg_catalog, pg_temp"),
    ("synchronous_commit", "off"),
    ("default_transaction_read_only", "off"),
    ("statement_timeout", "0"),
    ("xmloption", "content"),
    ("array_nulls", "on"),
    ("plan_cache_mode", "force_generic_plan"),
    ("max_parallel_workers_per_gather", "0"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

const READER: &[(&str, &str)] = &[("default_transaction_read_only", "on")];

/// The connections, and what the server said of itself and of the role when they were made.
pub(super) struct Connections {
    /// Reads the journal and writes rows.
    pub(super) writer: Client,
    /// Runs the queries of the spec.
    pub(super) reader: Client,
    /// `160004` for 16.4.
    pub(super) server_version: i32,
    /// Number of the database.
    pub(super) database: u32,
    /// Its name.
    pub(super) database_name: String,
    /// The role that venomqa connects as.
    pub(super) role: String,
    /// Whether it is a superuser.
    pub(super) is_superuser: bool,
    /// The schema in which unqualified names are found first.
    pub(super) default_schema: Option<String>,
    /// The reader's `search_path`.
    pub(super) search_path: String,
    /// Whether the role may act as a replica. Otherwise triggers would fire during a restore.
    pub(super) is_replica: bool,
}

impl Connections {
    /// Connects twice.
    pub(super) async fn open(address: &Address) -> Result<Self, WorldError> {
        let writer = connect(address).await?;
        let reader = connect(address).await?;
        let cannot = |error: &tokio_postgres::Error| failed(address, "set up a session", error);
        let row = reader
            .query_one(
                "SELECT current_setting('server_version_num')::int, d.oid, d.datname::text, current_user::text, r.rolsuper, \
                 current_schema()::text, current_setting('search_path') \
                 FROM pg_catalog.pg_database d, pg_catalog.pg_roles r \
                 WHERE d.datname = current_database() AND r.rolname = current_user",
                &[],
            )
            .await
            .map_err(|error| cannot(&error))?;
        let version: i32 = row.get(0);
        if version < 130_000 {
            return Err(WorldError::new(
                WorldErrorKind::System,
                format!("`{address}` runs PostgreSQL {}", version / 10_000),
            )
            .with_help("venomqa needs PostgreSQL 13 or newer"));
        }
        set(&writer, TEXT_FORM.iter().chain(BOTH).chain(WRITER))
            .await
            .map_err(|error| cannot(&error))?;
        set(&reader, TEXT_FORM.iter().chain(BOTH).chain(READER))
            .await
            .map_err(|error| cannot(&error))?;
        for session in [&writer, &reader] {
            session
                .batch_execute(&format!(
                    "SET lock_timeout = '{LOCK_WAIT_SECONDS}s'; SET venomqa.writer = 'on'"
                ))
                .await
                .map_err(|error| cannot(&error))?;
        }
        let is_replica = match writer
            .batch_execute("SET session_replication_role = replica")
            .await
        {
            Ok(()) => true,
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => false,
            Err(error) => return Err(cannot(&error)),
        };
        Ok(Self {
            writer,
            reader,
            server_version: version,
            database: row.get(1),
            database_name: row.get(2),
            role: row.get(3),
            is_superuser: row.get(4),
            default_schema: row.get(5),
            search_path: row.get(6),
            is_replica,
        })
    }
}

impl Connections {
    /// How long a statement of the reader may take at the most: the server's own limit, for a run that is killed.
    pub(super) async fn limit_reader(
        &self,
        address: &Address,
        limit: Duration,
    ) -> Result<(), WorldError> {
        let text = format!("SET statement_timeout = '{}ms'", limit.as_millis());
        let set = self.reader.batch_execute(&text).await;
        set.map_err(|error| failed(address, "set up a session", &error))
    }

    /// Whether the writer's session is still there.
    pub(super) async fn answer(&self) -> bool {
        self.writer.batch_execute("").await.is_ok()
    }

    /// Gives the lock of the run back. The end of the session does so as well.
    pub(super) async fn unlock(&self) {
        let unlock = "SELECT pg_advisory_unlock($1)";
        // A session that is lost has given it back.
        let _ = self.writer.query(unlock, &[&RUN_LOCK]).await;
    }

    /// Takes the lock that says that a run is using this database. The server releases it when the writer's session ends, however
    /// it ends.
    pub(super) async fn lock(&self, address: &Address) -> Result<(), WorldError> {
        let cannot =
            |error: tokio_postgres::Error| failed(address, "take the lock of the run", &error);
        let began = Instant::now();
        let mut rests = 0;
        while rests < LOCK_RESTS && began.elapsed() < LOCK_PATIENCE {
            let row = self
                .writer
                .query_one("SELECT pg_try_advisory_lock($1)", &[&RUN_LOCK])
                .await
                .map_err(cannot)?;
            if row.get(0) {
                return Ok(());
            }
            let holder = self.writer.query_opt(LOCK_HOLDER, &[&RUN_LOCK]).await;
            let is_busy = holder.map_err(cannot)?.and_then(|row| row.get(0));
            rests += u32::from(is_busy != Some(true));
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        Err(WorldError::new(
            WorldErrorKind::System,
            format!("another venomqa run is using the database `{address}`"),
        )
        .with_help("wait for it to end, or give each run a database of its own; one spec names a database once, under `systems`"))
    }
}

/// Has the server end the statement under way. Whether that succeeds shows in how the statement ends.
pub(super) async fn cancel(address: &Address, token: CancelToken) {
    let _ = if address.config.get_ssl_mode() == tokio_postgres::config::SslMode::Disable {
        token.cancel_query(NoTls).await
    } else {
        match tls::connector(address) {
            Ok(tls) => token.cancel_query(tls).await,
            Err(_) => return,
        }
    };
}

async fn set(
    client: &Client,
    settings: impl Iterator<Item = &'static (&'static str, &'static str)>,
) -> Result<(), tokio_postgres::Error> {
    let (names, values): (Vec<&str>, Vec<&str>) = settings.copied().unzip();
    client
        .query(
            "SELECT pg_catalog.set_config(s.name, v.value, false) FROM unnest($1::text[], $2::text[]) AS v(name, value) \
             JOIN pg_catalog.pg_settings s ON lower(s.name) = lower(v.name)",
            &[&names, &values],
        )
        .await?;
    Ok(())
}

async fn connect(address: &Address) -> Result<Client, WorldError> {
    // A Unix socket speaks no TLS.
    if address.config.get_ssl_mode() == tokio_postgres::config::SslMode::Disable {
        return connect_with(address, &address.config, NoTls).await;
    }
    connect_with(address, &address.config, tls::connector(address)?).await
}

async fn connect_with<T>(address: &Address, config: &Config, tls: T) -> Result<Client, WorldError>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config
        .connect(tls)
        .await
        .map_err(|error| no_connection(address, &error))?;
    tokio::spawn(async move {
        // The statement that finds the connection gone reports how it ended.
        let _ = connection.await;
    });
    Ok(client)
}
