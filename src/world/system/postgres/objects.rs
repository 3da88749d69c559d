//! What stands beside rows: relations that a run makes or drops, and triggers that it switches off. Row triggers tell nothing of
//! that, so it is listed at the start and compared at the end.

use tokio_postgres::Error;

use super::connections::Connections;
use crate::world::config::{SystemConfig, TableNames};

/// Number, kind as statements call it, name, the statement that makes it where it holds no rows of its own. Without what goes
/// with something else: indexes of constraints, sequences of columns, partitions, members of extensions.
const RELATIONS: &str = "
SELECT c.oid, CASE c.relkind WHEN 'i' THEN 'INDEX' WHEN 'I' THEN 'INDEX' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
         WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS kind,
       format('%I.%I', n.nspname, c.relname) AS name, n.nspname::text AS schema,
       coalesce((SELECT t.relname FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid WHERE x.indexrelid = c.oid), c.relname)::text AS of_table,
       CASE WHEN c.relkind IN ('i', 'I') THEN pg_get_indexdef(c.oid)
            WHEN c.relkind = 'v' THEN format('CREATE VIEW %I.%I AS %s', n.nspname, c.relname, pg_get_viewdef(c.oid)) END AS made_by
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'i', 'I', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't' AND NOT c.relispartition
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'venomqa')
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid)
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                  AND (d.deptype = 'e' OR d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
                       AND c.relkind = 'S'))";

/// Number, statement that says whether and when it fires.
const TRIGGERS: &str = "
SELECT t.oid, format('ALTER TABLE %s %s TRIGGER %I', t.tgrelid::regclass,
         CASE t.tgenabled WHEN 'O' THEN 'ENABLE' WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, t.tgname) AS setting
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND t.tgname NOT LIKE 'venomqa\\_%' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'venomqa')";

/// Keeps the lists in the journal, as they are before the run.
pub(super) fn keep() -> String {
    format!(
        "CREATE TABLE venomqa.relations AS {RELATIONS}; CREATE TABLE venomqa.triggers AS {TRIGGERS};"
    )
}

/// Undoes what can be undone without touching rows that somebody may need, and names the rest. At the end of a run that has
/// this configuration, what is new was made by it; after a kill, tables that are new may be somebody's work of a week.
pub(super) async fn put_back(
    connections: &Connections,
    of_run: Option<&SystemConfig>,
) -> Result<Vec<String>, Error> {
    let client = &connections.writer;
    let is_ignored = |schema: &str, table: &str| {
        let long = format!("{schema}.{table}");
        let is_default = connections.default_schema.as_deref() == Some(schema);
        let short = if is_default { table } else { &long };
        of_run.is_some_and(|config| config.ignores(&TableNames::default().or(short, &*long)))
    };
    let mut left = Vec::new();
    let created = client
        .query(
            &format!(
                "SELECT kind, name, schema, of_table FROM ({RELATIONS}) AS now WHERE oid NOT IN (SELECT oid FROM venomqa.relations) \
                 ORDER BY array_position(ARRAY['VIEW', 'MATERIALIZED VIEW', 'INDEX', 'FOREIGN TABLE', 'TABLE', 'SEQUENCE'], kind), oid DESC"
            ),
            &[],
        )
        .await?;
    for row in created {
        let (kind, name): (&str, &str) = (row.get(0), row.get(1));
        let statement = format!("DROP {kind} IF EXISTS {name}");
        if is_ignored(row.get(2), row.get(3)) {
            continue;
        }
        if kind.ends_with("TABLE") && of_run.is_none() {
            left.push(format!(
                "{} `{name}` is new: `{statement}`, if the run made it",
                kind.to_lowercase()
            ));
        } else if let Err(error) = client.batch_execute(&statement).await {
            left.push(format!(
                "{} `{name}` is new: {}",
                kind.to_lowercase(),
                words(&error)
            ));
        }
    }
    let dropped = client
        .query(
            &format!(
                "SELECT kind, name, made_by FROM venomqa.relations WHERE oid NOT IN (SELECT oid FROM ({RELATIONS}) AS now) \
                 AND made_by IS NOT NULL ORDER BY kind, oid"
            ),
            &[],
        )
        .await?;
    for row in dropped {
        let (kind, name, made_by): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        if let Err(error) = client.batch_execute(made_by).await {
            left.push(format!(
                "{} `{name}` was dropped: {}",
                kind.to_lowercase(),
                words(&error)
            ));
        }
    }
    let switched = client
        .query(
            &format!(
                "SELECT before.setting FROM venomqa.triggers AS before JOIN ({TRIGGERS}) AS now USING (oid) WHERE before.setting <> now.setting"
            ),
            &[],
        )
        .await?;
    for row in switched {
        let setting: &str = row.get(0);
        if let Err(error) = client.batch_execute(setting).await {
            left.push(format!(
                "a trigger is not as it was, `{setting}`: {}",
                words(&error)
            ));
        }
    }
    Ok(left)
}

fn words(error: &Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |error| error.message().to_owned())
}
