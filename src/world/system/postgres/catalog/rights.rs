//! What the role must be allowed to do, and what is in the way of an exact restore.

use tokio_postgres::{Client, Error};

use super::super::session::Sessions;
use super::super::sql::quoted;
use super::listing::Listed;
use super::names::qualified;

/// What the role may not do, and the statement that allows it.
#[derive(Debug, Default)]
pub(in super::super) struct Missing {
    /// Statements for the administrator.
    pub(in super::super) grants: Vec<String>,
    /// What no grant can cure, in words.
    pub(in super::super) obstacles: Vec<String>,
}

/// Triggers and rules that answer even to a session that acts as a replica.
const ALWAYS: &str = "
SELECT tgrelid, format('the trigger %I', tgname), format('ALTER TABLE %s ENABLE TRIGGER %I', tgrelid::regclass, tgname)
FROM pg_trigger WHERE tgenabled IN ('A', 'R') AND NOT tgisinternal AND tgname NOT IN ('venomqa_row', 'venomqa_truncate')
  AND tgrelid = ANY ($1)
UNION ALL
SELECT ev_class, format('the rule %I', rulename), format('ALTER TABLE %s ENABLE RULE %I', ev_class::regclass, rulename)
FROM pg_rewrite WHERE ev_enabled IN ('A', 'R') AND ev_class = ANY ($1)
ORDER BY 1, 2";

/// Event triggers that answer even to what a replica does.
const EVENTS: &str = "SELECT format('%I', evtname) FROM pg_event_trigger WHERE evtenabled IN ('A', 'R') AND evtname !~ '^venomqa_' ORDER BY 1";

/// Casts of the application between the rows of a table and text, which is the form that the journal keeps rows in.
const CASTS: &str = "
SELECT t.typrelid::regclass::text, format('DROP CAST (%s AS %s)', c.castsource::regtype, c.casttarget::regtype)
FROM pg_cast c JOIN pg_type t ON (t.oid = c.castsource AND c.casttarget = 'text'::regtype) OR (t.oid = c.casttarget AND c.castsource = 'text'::regtype)
WHERE t.typrelid = ANY ($1) ORDER BY 1";

/// Tables with deletions or additions that a publication may have the server refuse.
const PUBLISHED: &str = "
SELECT DISTINCT c.oid::regclass::text
FROM pg_class c
JOIN pg_class a ON a.oid = c.oid OR c.relispartition AND a.oid IN (SELECT relid FROM pg_partition_ancestors(c.oid))
JOIN pg_publication_tables t ON t.schemaname = a.relnamespace::regnamespace::name AND t.tablename = a.relname
WHERE c.oid = ANY ($1) AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'DELETE')
ORDER BY 1";

/// Conditions that rows from before them need not meet (`NOT VALID`), on tables and on the domains that are somewhere in
/// the types of their columns: where, which, and of a table's own the rows that do not meet it. One that is not enforced
/// does no harm.
const UNPROVED: &str = "
WITH RECURSIVE used(relation, type) AS (
  SELECT a.attrelid, a.atttypid FROM pg_attribute a WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
  UNION
  SELECT u.relation, inner_type.oid FROM used u JOIN pg_type t ON t.oid = u.type
  CROSS JOIN LATERAL (
    SELECT t.typbasetype UNION ALL SELECT t.typelem
    UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
    UNION ALL SELECT f.atttypid FROM pg_attribute f WHERE t.typrelid <> 0 AND f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped
  ) AS inner_type(oid) WHERE inner_type.oid <> 0)
SELECT c.oid::regclass::text, n.conname::text, format('TABLE %s', c.oid::regclass),
       CASE n.contype WHEN 'c' THEN format('NOT (%s)', pg_get_expr(n.conbin, n.conrelid))
         ELSE (SELECT format('%I IS NULL', attname) FROM pg_attribute WHERE attrelid = c.oid AND attnum = n.conkey[1]) END
FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
WHERE n.conrelid = ANY ($1) AND c.relkind = 'r' AND n.contype IN ('c', 'n') AND NOT n.convalidated
  AND to_jsonb(n)->>'conenforced' IS DISTINCT FROM 'false' AND has_table_privilege(c.oid, 'SELECT')
UNION ALL
SELECT c.oid::regclass::text, n.conname::text, format('DOMAIN %s', n.contypid::regtype), NULL
FROM pg_constraint n JOIN used u ON u.type = n.contypid JOIN pg_class c ON c.oid = u.relation
WHERE c.relkind = 'r' AND n.contypid <> 0 AND NOT n.convalidated
ORDER BY 1, 2";

/// Conditions that ask a function of the application which may answer otherwise another time, or the clock; and generated
/// columns that ask any function of it.
const FICKLE: &str = "
SELECT DISTINCT n.conrelid::regclass::text, n.conname::text, coalesce(p.oid::regprocedure::text, 'the clock'), true
FROM pg_constraint n
CROSS JOIN LATERAL regexp_matches(n.conbin::text, ':funcid ([0-9]+)|(SQLVALUEFUNCTION)', 'g') AS m(found)
LEFT JOIN pg_proc p ON p.oid = m.found[1]::oid
WHERE n.conrelid = ANY ($1) AND n.contype = 'c' AND (p.oid IS NULL OR p.provolatile <> 'i' AND (p.oid >= 16384
  OR p.proname IN ('now', 'clock_timestamp', 'statement_timestamp', 'transaction_timestamp', 'timeofday', 'random', 'current_setting')))
UNION
SELECT a.attrelid::regclass::text, a.attname::text, p.oid::regprocedure::text, false
FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
CROSS JOIN LATERAL regexp_matches(d.adbin::text, ':funcid ([0-9]+)', 'g') AS m(found)
JOIN pg_proc p ON p.oid = m.found[1]::oid
WHERE a.attrelid = ANY ($1) AND a.attgenerated = 's' AND p.oid >= 16384
ORDER BY 1, 2, 3";

impl Missing {
    /// Whether nothing is missing.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.grants.is_empty() && self.obstacles.is_empty()
    }

    /// The role may not create the schema of the journal.
    pub(in super::super) fn create(&mut self, sessions: &Sessions) {
        self.grants.push(format!(
            "GRANT CREATE ON DATABASE {} TO {};",
            quoted(&sessions.database_name),
            quoted(&sessions.role)
        ));
    }

    /// Whether the role may watch and write the table; notes what would allow it.
    pub(super) fn check(&mut self, sessions: &Sessions, table: &Listed) -> bool {
        let role = quoted(&sessions.role);
        let name = qualified(&table.schema, &table.name);
        if !table.rights.schema {
            self.grants.push(format!(
                "GRANT USAGE ON SCHEMA {} TO {role};",
                quoted(&table.schema)
            ));
        }
        if !table.rights.table {
            self.grants.push(if table.kind == b'S' {
                format!("GRANT SELECT, UPDATE ON SEQUENCE {name} TO {role};")
            } else {
                format!("GRANT SELECT, INSERT, DELETE, TRIGGER ON {name} TO {role};")
            });
        }
        if table.filtered {
            self.grants.push(format!("ALTER ROLE {role} BYPASSRLS;"));
        }
        table.rights.all() && !table.filtered
    }

    /// Notes a database whose texts may be no text.
    pub(in super::super) async fn encoding(&mut self, client: &Client) -> Result<(), Error> {
        let encoding = client.query_one("SHOW server_encoding", &[]).await?;
        if encoding.get::<_, &str>(0) == "SQL_ASCII" {
            self.obstacles.push(
                "the encoding of the database is SQL_ASCII: it may hold bytes that are no text in any encoding, and cannot be \
                 read as such; make one with `CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0` for tests"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Notes what would stand in the way of a restore.
    pub(super) async fn obstacles(
        &mut self,
        client: &Client,
        numbers: &[u32],
    ) -> Result<(), Error> {
        for row in client.query(ALWAYS, &[&numbers]).await? {
            let (what, cure): (String, String) = (row.get(1), row.get(2));
            self.obstacles.push(format!(
                "{what} is enabled for replicas, so it would fire when venomqa puts rows back: `{cure}`"
            ));
        }
        for row in client.query(EVENTS, &[]).await? {
            let name: String = row.get(0);
            self.obstacles.push(format!(
                "the event trigger {name} is enabled for replicas, so it would fire when venomqa installs its journal: \
                 `ALTER EVENT TRIGGER {name} ENABLE`"
            ));
        }
        for row in client.query(CASTS, &[&numbers]).await? {
            let (table, cure): (String, String) = (row.get(0), row.get(1));
            self.obstacles.push(format!(
                "a cast of the application stands for the text of rows of {table}, which is what the journal keeps: `{cure}`"
            ));
        }
        for row in client.query(PUBLISHED, &[&numbers]).await? {
            let table: String = row.get(0);
            // Which identity a publication wants depends on its columns and conditions: the server knows best.
            let refused = client
                .batch_execute(&format!("EXPLAIN DELETE FROM ONLY {table}"))
                .await;
            let Err(error) = refused else { continue };
            let Some(why) = error.as_db_error() else {
                return Err(error);
            };
            self.obstacles.push(format!(
                "the server refuses to delete rows of {table}: {}{}: `ALTER TABLE {table} REPLICA IDENTITY FULL`, or take it \
                 out of the publication",
                why.message(),
                why.detail().map_or_else(String::new, |detail| format!(" ({detail})"))
            ));
        }
        for row in client.query(UNPROVED, &[&numbers]).await? {
            let (table, name, owner): (String, String, String) =
                (row.get(0), row.get(1), row.get(2));
            if let Some(wrong) = row.get::<_, Option<String>>(3) {
                let look = format!("SELECT EXISTS (SELECT FROM ONLY {table} WHERE {wrong})");
                if !client.query_one(&look, &[]).await?.get::<_, bool>(0) {
                    continue;
                }
            }
            self.obstacles.push(format!(
                "rows of {table} need not meet the condition {name}, which is `NOT VALID`, so once deleted they could not be \
                 put back: correct them, and `ALTER {owner} VALIDATE CONSTRAINT {}`",
                quoted(&name)
            ));
        }
        Ok(())
    }

    /// What may be otherwise when rows are put back, in words, and what that comes to.
    pub(super) async fn fickle(
        client: &Client,
        numbers: &[u32],
    ) -> Result<Vec<(String, &'static str)>, Error> {
        let rows = client.query(FICKLE, &[&numbers]).await?;
        let told = rows.iter().map(|row| {
            let (table, name, asked): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
            if row.get(3) {
                (
                    format!(
                        "the condition `{name}` of {table} asks {asked}: a row that met it once may not meet it when it is put back"
                    ),
                    "a row that is refused then ends the run, and is put back by `venomqa restore` once the condition is dropped",
                )
            } else {
                (
                    format!(
                        "the generated column `{name}` of {table} asks {asked}: what it holds is computed again when its row is put back"
                    ),
                    "a function that depends on nothing but its arguments computes the same again; of another the value may change",
                )
            }
        });
        Ok(told.collect())
    }
}
