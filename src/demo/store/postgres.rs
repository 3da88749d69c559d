//! The shop in a PostgreSQL database, over a small pool of connections of its own.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Column, Config, NoTls, Statement};

use super::{Access, Failure, Row, Value, schema};

/// As many requests are worked on at once. Each takes the connection that has rested longest, so that all are used.
const CONNECTIONS: usize = 4;

/// Whoever holds it writes; everybody else waits. The number means nothing, but no other use of the database has it.
const WRITE_LOCK: &str = "SELECT pg_advisory_xact_lock(7306643)";

/// The pool, and the turns that are taken at it.
pub(in crate::demo) struct Store {
    pool: Arc<Pool>,
    turns: Arc<Semaphore>,
}

/// A connection of the pool, until its end has been said.
pub(in crate::demo) struct Transaction {
    /// Gone once it is back in the pool.
    lent: Option<Box<Lent>>,
}

struct Lent {
    session: Session,
    pool: Arc<Pool>,
    /// Declared last, and so dropped last: others take a turn only when the session is back.
    _turn: OwnedSemaphorePermit,
}

struct Pool {
    config: Config,
    /// Those that rest. One that broke is missing, and opened anew by whoever misses it.
    resting: Mutex<VecDeque<Session>>,
}

/// A connection, and the statements that it has prepared.
struct Session {
    client: Client,
    statements: HashMap<&'static str, Statement>,
}

impl Store {
    pub(super) async fn open(config: &Config) -> Result<Self, Failure> {
        let pool = Pool {
            config: config.clone(),
            resting: Mutex::default(),
        };
        let mut sessions = VecDeque::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            sessions.push_back(pool.connect().await?);
        }
        // Locked, because two shops that start together would both find the tables missing. Quiet, because PostgreSQL
        // notes each table that is there already.
        let script = format!(
            "BEGIN; SET LOCAL client_min_messages = warning; {WRITE_LOCK};\n{}\nCOMMIT",
            schema::on_postgres()
        );
        sessions[0].client.batch_execute(&script).await?;
        *pool.resting() = sessions;
        Ok(Self {
            pool: Arc::new(pool),
            turns: Arc::new(Semaphore::new(CONNECTIONS)),
        })
    }

    pub(super) async fn begin(&self, access: Access) -> Result<Transaction, Failure> {
        let begin = match access {
            Access::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned(),
            // Committed reads, so that what is read after the wait is what the one before has written.
            Access::Write => format!("BEGIN ISOLATION LEVEL READ COMMITTED; {WRITE_LOCK}"),
        };
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|closed| Failure(closed.to_string()))?;
        let rested = self.pool.resting().pop_front();
        let begun = match rested {
            Some(session) if session.client.batch_execute(&begin).await.is_ok() => session,
            // Ended by the server in the meantime, most likely. Nothing of this request is lost yet.
            _ => {
                let session = self.pool.connect().await?;
                session.client.batch_execute(&begin).await?;
                session
            }
        };
        Ok(Transaction {
            lent: Some(Box::new(Lent {
                session: begun,
                pool: Arc::clone(&self.pool),
                _turn: turn,
            })),
        })
    }
}

impl Transaction {
    pub(super) async fn query(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let session = self.session()?;
        let statement = session.prepare(sql, "").await?;
        let rows = session.client.query(&statement, &bound(values)).await?;
        rows.iter().map(read).collect()
    }

    pub(super) async fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<(), Failure> {
        let session = self.session()?;
        let statement = session.prepare(sql, "").await?;
        session.client.execute(&statement, &bound(values)).await?;
        Ok(())
    }

    pub(super) async fn insert(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<i64, Failure> {
        let session = self.session()?;
        let statement = session.prepare(sql, " RETURNING id").await?;
        let row = session.client.query_one(&statement, &bound(values)).await?;
        Ok(row.try_get(0)?)
    }

    /// Commits or rolls back, then gives the connection back.
    pub(super) async fn end(mut self, how: &str) -> Result<(), Failure> {
        self.session()?.client.batch_execute(how).await?;
        if let Some(lent) = self.lent.take() {
            lent.give_back();
        }
        Ok(())
    }

    fn session(&mut self) -> Result<&mut Session, Failure> {
        match &mut self.lent {
            Some(lent) => Ok(&mut lent.session),
            None => Err(Failure("the transaction has ended".to_owned())),
        }
    }
}

impl Drop for Transaction {
    /// Whoever asked has gone away, or a statement failed at the very end: rolled back in the background. Where that is
    /// not possible the connection closes, which rolls back as well.
    fn drop(&mut self) {
        if let (Some(lent), Ok(runtime)) = (self.lent.take(), Handle::try_current()) {
            runtime.spawn(async move {
                if lent.session.client.batch_execute("ROLLBACK").await.is_ok() {
                    lent.give_back();
                }
            });
        }
    }
}

impl Lent {
    fn give_back(self) {
        self.pool.resting().push_back(self.session);
    }
}

impl Pool {
    async fn connect(&self) -> Result<Session, Failure> {
        let (client, connection) = self.config.connect(NoTls).await?;
        // Whoever uses the client is told what went wrong with the connection.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Session {
            client,
            statements: HashMap::new(),
        })
    }

    fn resting(&self) -> MutexGuard<'_, VecDeque<Session>> {
        // Nothing panics while it is held; if it did, the queue would still be one.
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// The statement with this end, which is always the same for the same statement.
    async fn prepare(&mut self, sql: &'static str, end: &str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let text = sql.replace('?', "$") + end;
        let statement = self.client.prepare(&text).await?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        column: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(value) if *column == Type::INT8 => value.to_sql(column, out),
            Self::Text(value) if *column == Type::TEXT => value.to_sql(column, out),
            other => Err(format!("{other:?} does not fit a column of type `{column}`").into()),
        }
    }

    fn accepts(column: &Type) -> bool {
        [Type::INT8, Type::TEXT].contains(column)
    }

    to_sql_checked!();
}

fn bound<'a>(values: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    let values = values.iter();
    values.map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn read(row: &tokio_postgres::Row) -> Result<Row, Failure> {
    let read = |(at, column): (usize, &Column)| {
        Ok(match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map(Value::Integer),
            Type::TEXT => row
                .try_get::<_, Option<String>>(at)?
                .map(|text| Value::Text(text.into())),
            ref other => {
                return Err(Failure(format!(
                    "the column `{}` has the type `{other}`",
                    column.name()
                )));
            }
        }
        .unwrap_or(Value::Null))
    };
    let values: Result<_, Failure> = row.columns().iter().enumerate().map(read).collect();
    values.map(Row)
}
