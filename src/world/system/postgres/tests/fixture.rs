//! A database, the service's connections to it, and venomqa's system on it.

use std::time::Duration;

use tokio_postgres::NoTls;

use super::soundness::{SCHEMA, STEPS};
use super::support::{self, Database};
use crate::model::{RowChange, SqlQuery, TableKind};
use crate::world::WorldError;
use crate::world::config::SystemConfig;
use crate::world::system::contract::{self, Client, Fixture, Jumps};
use crate::world::system::postgres::{Postgres, PostgresSystem};
use crate::world::system::{Engine, Location, Reading};

pub(super) use crate::world::system::contract::{rows, run};

/// A database of the server of the tests.
pub(in crate::world::system) struct OnServer {
    pub(super) service: tokio_postgres::Client,
    second: tokio_postgres::Client,
    pub(super) database: Database,
}

/// A system on such a database.
pub(super) type Walk = contract::Walk<OnServer>;

impl OnServer {
    /// A database that is there, with a schema.
    pub(super) async fn with(database: Database, schema: &str) -> Self {
        let service = connect(&database.url()).await;
        service.batch_execute(schema).await.unwrap();
        Self {
            second: connect(&database.url()).await,
            service,
            database,
        }
    }
}

impl Fixture for OnServer {
    type System = PostgresSystem;
    type Connection = tokio_postgres::Client;

    const ENGINE: &'static dyn Engine = &Postgres;
    const KIND: &'static str = "postgres";
    const GENERATED_KEY: &'static str = "id serial PRIMARY KEY";
    const VALUES: Jumps = Jumps {
        schema: "CREATE TYPE mood AS ENUM ('so so', 'it''s fine');
             CREATE TYPE part AS (name text, amount numeric, tags text[]);
             CREATE DOMAIN positive AS int NOT NULL CHECK (VALUE > 0);
             CREATE TABLE v (id int PRIMARY KEY, b bool, i2 int2, i8 int8, f4 float4, f8 float8, n numeric, m money,
               t text, c char(5), vc varchar(9), q \"char\", by bytea, d date, ti time, tz timetz, ts timestamp, tstz timestamptz,
               iv interval, u uuid, j json, jb jsonb, x xml, mo mood, pa part, pas part[], ia int[], ta text[][], ip inet, ci cidr,
               mac macaddr, bi bit(3), vb varbit, p point, bx box, r int4range, mr tstzrange, tv tsvector, o oid, rc regclass,
               dp positive, pl pg_lsn);
             INSERT INTO v (id, dp) VALUES (1, 1)",
        steps: &[
            r#"INSERT INTO v VALUES (2, true, -32768, 9223372036854775807, 0.1, 0.30000000000000004, 12345678901234567890.123456789000,
               '12.34', E'quo"te, back\\slash (paren) \n tab\t', 'ab', '', 'z', '\x00ff5c22', '4714-11-24 BC', '23:59:60', '12:00+05:30',
               'infinity', '2024-02-29 12:00:00.123456+02', '-1 mon +2 days -03:04:05.6', '6b1b36cb-0e2c-4b0b-8f5e-0f5c5f3c9d11',
               '{"b": 1,   "a": [1.0, null]}', '{"b": 1, "a": [1.0, null]}', '<a b="c">d</a>', 'it''s fine',
               ROW('a "b"', 1.50, ARRAY['x', NULL, 'NULL', '']), ARRAY[ROW('k', 1, NULL)::part, NULL, ROW('', NULL, '{}')::part],
               '[2:3]={1,NULL}', '{{a,b},{c,"d e"}}', '10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', B'101', B'10', '(1.5,2)',
               '(1,1),(0,0)', '[1,5)', '["2024-01-01 00:00+00",)', 'a:1 b:2A', 4294967295, 'v', 7, '16/B374D848')"#,
            "INSERT INTO v (id, f4, f8, n, ts, iv, c, t, jb, dp) VALUES (3, 'NaN', '-Infinity', 'NaN', '-infinity', '0', '', '', 'null', 1),
               (4, '-0', 1e-310, '0.000', '0044-03-15 BC', '1 year', NULL, 'NULL', '\"x\"', 2)",
            "UPDATE v SET tstz = tstz + '1 microsecond', f8 = 1e308 * 10 / 9, by = '' WHERE id = 2",
            "DELETE FROM v WHERE id IN (1, 3)",
        ],
        words: &[],
    };
    const JUMPS: Jumps = Jumps {
        schema: SCHEMA,
        steps: STEPS,
        words: &[],
    };
    const LOCK: &'static str = "BEGIN; SELECT * FROM items FOR UPDATE";

    async fn new(schema: &str) -> Self {
        Self::with(support::cluster().database(), schema).await
    }

    async fn connect(location: &str) -> tokio_postgres::Client {
        connect(location).await
    }

    fn location(&self) -> String {
        self.database.url()
    }

    fn open(config: &SystemConfig, location: &str) -> Result<PostgresSystem, WorldError> {
        PostgresSystem::open(config, location)
    }

    fn connection(&self, client: Client) -> &tokio_postgres::Client {
        match client {
            Client::First => &self.service,
            Client::Second => &self.second,
        }
    }

    async fn execute_on(
        connection: &tokio_postgres::Client,
        statements: &str,
    ) -> Result<(), String> {
        let Err(error) = connection.batch_execute(statements).await else {
            return Ok(());
        };
        let reset = "ROLLBACK; RESET session_replication_role";
        connection.batch_execute(reset).await.unwrap();
        Err(format!("{error:?}"))
    }

    async fn bypass(&self, statements: &str) {
        let unseen = format!("SET venomqa.writer = 'on'; {statements}; RESET venomqa.writer");
        self.service.batch_execute(&unseen).await.unwrap();
    }

    fn trigger(name: &str, event: &str, table: &str, statement: &str) -> String {
        format!(
            "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statement}; RETURN NULL; END $$;
             CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}();"
        )
    }

    async fn dump(&self, client: Client) -> String {
        dump(self.connection(client)).await
    }

    async fn catalogue(&self) -> String {
        let objects = "SELECT coalesce(string_agg(object, E'\\n' ORDER BY object COLLATE \"C\"), '') FROM (
               SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_'
               UNION ALL SELECT 'relation ' || c.oid::regclass || ' ' || relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                 WHERE nspname !~ '^(pg_|information_schema)'
               UNION ALL SELECT 'function ' || p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
                 WHERE nspname !~ '^(pg_|information_schema)'
               UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
               UNION ALL SELECT 'event trigger ' || evtname FROM pg_event_trigger
             ) AS objects(object)";
        let row = self.service.query_one(objects, &[]).await.unwrap();
        row.get(0)
    }

    async fn wait_for_the_dead(&self) {
        let alive = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'";
        // The two clients of the service are.
        while self.service.query(alive, &[]).await.unwrap().len() > 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub(super) fn query(text: &str, names: &[&str]) -> SqlQuery {
    contract::query::<OnServer>(text, names)
}

/// A connection of the service.
pub(super) async fn connect(url: &str) -> tokio_postgres::Client {
    let config: tokio_postgres::Config = url.parse().unwrap();
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client
}

pub(super) fn config(url: &str) -> SystemConfig {
    SystemConfig::new("db", Location::new(&Postgres, url))
}

/// The sequences of a reading.
pub(super) fn sequences(reading: &Reading) -> Vec<&RowChange> {
    reading
        .delta
        .changes()
        .iter()
        .filter(|change| change.table.kind == TableKind::Sequence)
        .collect()
}

/// Everything that a database holds, in a form of its own making: each table's rows sorted, then each sequence.
pub(super) async fn dump(client: &tokio_postgres::Client) -> String {
    let session = "SET extra_float_digits = 3; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; \
                   SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'; SET lc_monetary = 'C'";
    client.batch_execute(session).await.unwrap();
    let tables = client
        .query(
            "SELECT c.oid::regclass::text, c.relkind = 'S' FROM pg_class c \
             WHERE c.relkind IN ('r', 'S') AND c.relpersistence <> 't' \
               AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema|venomqa)' ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    let mut text = String::new();
    for table in tables {
        let name: String = table.get(0);
        let query = if table.get(1) {
            format!("SELECT last_value || ' ' || is_called FROM {name}")
        } else {
            format!(
                "SELECT whole_row::text FROM ONLY {name} AS whole_row ORDER BY whole_row::text COLLATE \"C\""
            )
        };
        text.extend([&*name, "\n"]);
        for row in client.query(&query, &[]).await.unwrap() {
            text.extend(["  ", row.get::<_, &str>(0), "\n"]);
        }
    }
    text
}

/// How much of venomqa is in the database.
pub(super) async fn leftovers(client: &tokio_postgres::Client) -> i64 {
    client
        .query_one(
            "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = 'venomqa') \
             + (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'venomqa%') \
             + (SELECT count(*) FROM pg_event_trigger WHERE evtname LIKE 'venomqa%')",
            &[],
        )
        .await
        .unwrap()
        .get(0)
}
