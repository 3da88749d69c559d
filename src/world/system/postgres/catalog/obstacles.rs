//! What makes an exact restore impossible whatever the rights of the role, and what may differ after a restore.

use tokio_postgres::{Client, Error};

use super::super::sql::quoted;
use super::rights::Blockers;
use crate::world::{Warning, WarningCode};

/// Triggers and rules that fire even in a session that acts as a replica.
const ALWAYS: &str = "
SELECT tgrelid, format('the trigger %I', tgname), format('ALTER TABLE %s ENABLE TRIGGER %I', tgrelid::regclass, tgname)
FROM pg_trigger WHERE tgenabled IN ('A', 'R') AND NOT tgisinternal AND tgname NOT IN ('venomqa_row', 'venomqa_truncate')
  AND tgrelid = ANY ($1)
UNION ALL
SELECT ev_class, format('the rule %I', rulename), format('ALTER TABLE %s ENABLE RULE %I', ev_class::regclass, rulename)
FROM pg_rewrite WHERE ev_enabled IN ('A', 'R') AND ev_class = ANY ($1)
ORDER BY 1, 2";

/// Event triggers that fire even in such a session.
const EVENTS: &str = "SELECT format('%I', evtname) FROM pg_event_trigger WHERE evtenabled IN ('A', 'R') AND evtname !~ '^venomqa_' ORDER BY 1";

/// Casts of the application between the rows of a table and text: the journal keeps rows as text.
const CASTS: &str = "
SELECT t.typrelid::regclass::text, format('DROP CAST (%s AS %s)', c.castsource::regtype, c.casttarget::regtype)
FROM pg_cast c JOIN pg_type t ON (t.oid = c.castsource AND c.casttarget = 'text'::regtype) OR (t.oid = c.casttarget AND c.castsource = 'text'::regtype)
WHERE t.typrelid = ANY ($1) ORDER BY 1";

/// Published tables: the server may refuse to delete their rows.
const PUBLISHED: &str = "
SELECT DISTINCT c.oid::regclass::text
FROM pg_class c
JOIN pg_class a ON a.oid = c.oid OR c.relispartition AND a.oid IN (SELECT relid FROM pg_partition_ancestors(c.oid))
JOIN pg_publication_tables t ON t.schemaname = a.relnamespace::regnamespace::name AND t.tablename = a.relname
WHERE c.oid = ANY ($1) AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'DELETE')
ORDER BY 1";

/// The types of the columns of these tables, and whatever is in them.
const USED: &str = "
WITH RECURSIVE used(relation, type) AS (
  SELECT a.attrelid, a.atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  WHERE a.attrelid = ANY ($1) AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
  UNION
  SELECT u.relation, inner_type.oid FROM used u JOIN pg_type t ON t.oid = u.type
  CROSS JOIN LATERAL (
    SELECT t.typbasetype UNION ALL SELECT t.typelem
    UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
    UNION ALL SELECT f.atttypid FROM pg_attribute f WHERE t.typrelid <> 0 AND f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped
  ) AS inner_type(oid) WHERE inner_type.oid <> 0)";

/// Conditions that older rows need not meet (`NOT VALID`), of tables and of the domains in the types of their columns: the table, the
/// condition, who has it, and for a table's own the SQL of the rows that do not meet it. Conditions that are not enforced are left out.
const UNPROVED: &str = "
SELECT c.oid::regclass::text, n.conname::text, format('TABLE %s', c.oid::regclass),
       CASE n.contype WHEN 'c' THEN format('NOT (%s)', pg_get_expr(n.conbin, n.conrelid))
         ELSE (SELECT format('%I IS NULL', attname) FROM pg_attribute WHERE attrelid = c.oid AND attnum = n.conkey[1]) END
FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
WHERE n.conrelid = ANY ($1) AND c.relkind = 'r' AND n.contype IN ('c', 'n') AND NOT n.convalidated
  AND to_jsonb(n)->>'conenforced' IS DISTINCT FROM 'false' AND has_table_privilege(c.oid, 'SELECT')
UNION ALL
SELECT c.oid::regclass::text, n.conname::text, format('DOMAIN %s', n.contypid::regtype), NULL
FROM pg_constraint n JOIN used u ON u.type = n.contypid JOIN pg_class c ON c.oid = u.relation
WHERE n.contypid <> 0 AND NOT n.convalidated
ORDER BY 1, 2";

/// What is evaluated when a row is written (conditions of tables and of domains, stored generated columns, indexes) and the functions
/// in its expression. `NULL` stands for the clock or the session. Whether the entry of a row in an index is right can be proved for the
/// keys of B-trees only: the conditions of partial indexes, and the keys of other indexes, are an `unproved index`.
const ASKED: &str = ",
expression(relation, kind, name, tree) AS (
  SELECT conrelid, 'condition', conname::text, conbin::text FROM pg_constraint WHERE conrelid = ANY ($1) AND contype = 'c'
  UNION ALL
  SELECT u.relation, 'condition', n.conname::text, n.conbin::text FROM pg_constraint n JOIN used u ON u.type = n.contypid WHERE n.contype = 'c'
  UNION ALL
  SELECT a.attrelid, 'generated column', a.attname::text, d.adbin::text
  FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = ANY ($1) AND a.attgenerated = 's'
  UNION ALL
  SELECT i.indrelid, x.kind, i.indexrelid::regclass::text, x.tree
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
  CROSS JOIN LATERAL (VALUES (CASE m.amname WHEN 'btree' THEN 'index' ELSE 'unproved index' END, i.indexprs::text),
    ('unproved index', i.indpred::text)) AS x(kind, tree)
  WHERE i.indrelid = ANY ($1)),
asked(relation, kind, name, function) AS (
  SELECT DISTINCT e.relation, e.kind, e.name, m.found[1]::oid
  FROM expression e CROSS JOIN LATERAL regexp_matches(e.tree, ':(?:op)?funcid ([0-9]+)|SQLVALUEFUNCTION', 'g') AS m(found)),
mine AS (
  SELECT p.oid, p.proname, p.prosrc, p.provolatile,
         EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search_path=%') AS has_path
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
  WHERE p.oid >= 16384 AND l.lanname NOT IN ('c', 'internal') AND p.pronamespace <> coalesce(to_regnamespace('venomqa')::oid, 0))";

/// Conditions whose result may change, and generated columns that call a function of the application.
const FICKLE: &str = "
SELECT DISTINCT a.kind, a.relation::regclass::text, a.name, coalesce('calls ' || p.oid::regprocedure::text, 'depends on the clock or the session')
FROM asked a LEFT JOIN pg_proc p ON p.oid = a.function
WHERE CASE a.kind WHEN 'condition' THEN coalesce(p.provolatile, 's') <> 'i'
  WHEN 'generated column' THEN a.function IN (SELECT oid FROM mine) ELSE false END
ORDER BY 1, 2, 3, 4";

/// Functions of the application that are evaluated when a row is written and look up names along the search path, and those
/// that these name in turn: the tables, a name in the text of the function that is in several schemas, and whether an index of which
/// nothing can be proved depends on the function.
const SEARCHING: &str = ",
reached(relation, is_unproved, oid) AS (
  SELECT a.relation, a.kind = 'unproved index', m.oid FROM asked a JOIN mine m ON m.oid = a.function
  UNION
  SELECT r.relation, r.is_unproved, m.oid FROM reached r JOIN mine f ON f.oid = r.oid AND NOT f.has_path JOIN mine m ON f.prosrc ~* ('\\m' || m.proname || '\\M')
  WHERE m.proname ~ '^[a-z0-9_]+$'),
several(name) AS (
  SELECT name FROM (
    SELECT p.proname::text, p.pronamespace FROM mine m JOIN pg_proc p USING (oid)
    UNION ALL
    SELECT c.relname::text, c.relnamespace FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
  ) AS named(name, space) JOIN pg_namespace n ON n.oid = named.space
  WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'venomqa')
  GROUP BY name HAVING count(DISTINCT space) > 1)
SELECT r.oid::regprocedure::text, array_agg(DISTINCT r.relation), string_agg(DISTINCT r.relation::regclass::text, ', ' ORDER BY r.relation::regclass::text),
       (SELECT min(s.name) FROM several s WHERE m.prosrc ~* ('\\m' || regexp_replace(s.name, '([^a-zA-Z0-9_])', '\\\\\\1', 'g') || '\\M')),
       bool_or(r.is_unproved)
FROM reached r JOIN mine m USING (oid)
WHERE m.prosrc <> '' AND NOT m.has_path
GROUP BY r.oid, m.prosrc ORDER BY 1";

impl Blockers {
    /// Adds a database whose texts may be in no encoding.
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

    /// Adds what would make a restore impossible.
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
            // Which identity a publication needs depends on its columns and conditions, so the server is asked.
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
        for row in client
            .query(&[USED, UNPROVED].concat(), &[&numbers])
            .await?
        {
            let (table, name, owner): (String, String, String) =
                (row.get(0), row.get(1), row.get(2));
            if let Some(wrong) = row.get::<_, Option<String>>(3) {
                let look = format!("SELECT EXISTS (SELECT FROM ONLY {table} WHERE {wrong})");
                match client.query_one(&look, &[]).await {
                    Ok(row) if !row.get::<_, bool>(0) => continue,
                    // A function of the condition that fails in this session proves nothing about the rows.
                    Err(error) if error.as_db_error().is_none() => return Err(error),
                    Ok(_) | Err(_) => {}
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

    /// What may differ after a restore: messages, each with its help.
    pub(super) async fn fickle(
        client: &Client,
        numbers: &[u32],
    ) -> Result<Vec<(String, &'static str)>, Error> {
        let rows = client
            .query(&[USED, ASKED, FICKLE].concat(), &[&numbers])
            .await?;
        let lines = rows.iter().map(|row| {
            let (kind, table, name, asked): (&str, &str, &str, &str) =
                (row.get(0), row.get(1), row.get(2), row.get(3));
            if kind == "condition" {
                (
                    format!(
                        "the condition `{name}` of {table} {asked}: a row that met it once may not meet it when it is put back"
                    ),
                    "a row that is refused then ends the run, and is put back by `venomqa restore` once the condition is dropped",
                )
            } else {
                (
                    format!(
                        "the generated column `{name}` of {table} {asked}: what it holds is computed again when its row is put back"
                    ),
                    "a function that depends on nothing but its arguments computes the same again; of another the value may change",
                )
            }
        });
        Ok(lines.collect())
    }

    /// Functions of the application that are evaluated when rows are written and look up names along the search path.
    pub(super) async fn searching(
        client: &Client,
        numbers: &[u32],
    ) -> Result<Vec<Searching>, Error> {
        let rows = client
            .query(&[USED, ASKED, SEARCHING].concat(), &[&numbers])
            .await?;
        Ok(rows
            .iter()
            .map(|row| Searching {
                function: row.get(0),
                tables: row.get(1),
                names: row.get(2),
                ambiguous: row.get(3),
                is_unproved: row.get(4),
            })
            .collect())
    }
}

/// A function of the application that looks up names along the search path.
pub(super) struct Searching {
    /// The function, as a statement names it.
    pub(super) function: String,
    /// The server's numbers of the tables whose rows it is evaluated for.
    pub(super) tables: Vec<u32>,
    /// The names of these tables.
    names: String,
    /// The names in the text of the function that several schemas have.
    pub(super) ambiguous: Option<String>,
    /// Whether an index depends on it in which the entries of rows cannot be checked.
    is_unproved: bool,
}

impl Searching {
    /// What makes an exact restore impossible, where the function may find one thing or another and nobody can check what it found.
    pub(super) fn obstacle(&self) -> Option<String> {
        let name = self.ambiguous.as_ref().filter(|_| self.is_unproved)?;
        let function = &self.function;
        Some(format!(
            "the function {function} is asked when rows are written, and names `{name}`, which is in several schemas: which \
             of them it finds depends on the session: `ALTER FUNCTION {function} SET search_path = ...`"
        ))
    }

    /// What to warn of, where the function may find one thing or another.
    pub(super) fn warning(&self) -> Option<Warning> {
        let name = self.ambiguous.as_ref()?;
        let function = &self.function;
        let message = format!(
            "the function {function} is evaluated when rows of {} are written, and seems to name `{name}`, which is in several \
             schemas: which of them it finds depends on the session that writes",
            self.names
        );
        Some(Warning::new(WarningCode::AmbiguousFunction, message).with_help(format!(
            "`ALTER FUNCTION {function} SET search_path = ...` makes it find the same in every session; the rows of these tables \
             are checked, and the run ends where they would not come back as they were"
        )))
    }
}
