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

/// Tables that are published with their deletions, and whose rows have no identity: the server refuses to delete them.
const PUBLISHED: &str = "
SELECT c.oid::regclass::text, min(p.pubname::text)
FROM pg_class c
JOIN pg_class a ON a.oid = c.oid OR c.relispartition AND a.oid IN (SELECT relid FROM pg_partition_ancestors(c.oid))
JOIN pg_publication_tables t ON t.schemaname = a.relnamespace::regnamespace::name AND t.tablename = a.relname
JOIN pg_publication p ON p.pubname = t.pubname AND p.pubdelete
WHERE c.oid = ANY ($1) AND c.relkind = 'r'
  AND (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))
GROUP BY c.oid ORDER BY 1";

/// Conditions that rows from before them need not meet (`NOT VALID`), on tables and on the domains of their columns: where,
/// which, and of a table's own the rows that do not meet it. One that is not enforced does no harm.
const UNPROVED: &str = "
SELECT c.oid::regclass::text, n.conname::text, format('TABLE %s', c.oid::regclass),
       CASE n.contype WHEN 'c' THEN format('NOT (%s)', pg_get_expr(n.conbin, n.conrelid))
         ELSE (SELECT format('%I IS NULL', attname) FROM pg_attribute WHERE attrelid = c.oid AND attnum = n.conkey[1]) END
FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
WHERE n.conrelid = ANY ($1) AND c.relkind = 'r' AND n.contype IN ('c', 'n') AND NOT n.convalidated
  AND to_jsonb(n)->>'conenforced' IS DISTINCT FROM 'false' AND has_table_privilege(c.oid, 'SELECT')
UNION ALL
SELECT c.oid::regclass::text, n.conname::text, format('DOMAIN %s', n.contypid::regtype), NULL
FROM pg_constraint n JOIN pg_attribute a ON a.atttypid = n.contypid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_class c ON c.oid = a.attrelid
WHERE a.attrelid = ANY ($1) AND c.relkind = 'r' AND n.contypid <> 0 AND NOT n.convalidated
ORDER BY 1, 2";

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
        for row in client.query(PUBLISHED, &[&numbers]).await? {
            let (table, publication): (String, String) = (row.get(0), row.get(1));
            self.obstacles.push(format!(
                "the publication `{publication}` has the server refuse to delete rows of {table}, which have no identity: \
                 `ALTER TABLE {table} REPLICA IDENTITY FULL`"
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
}
