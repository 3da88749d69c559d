//! Reads the schema: which tables and sequences there are, what identifies a row, and what the role may do with them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::{Client, Error};

use super::session::Sessions;
use super::sql::{fields, quoted, row_text};
use crate::model::{Cell, Row, RowKey, Table, TableId, TableKind, row_key};
use crate::world::config::SystemConfig;

/// The tables of a database, as the journal and the restore see them.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// Tables whose rows are journalled and put back, by [`TableId`]. Partitions stand for themselves.
    pub(super) tables: Vec<Watched>,
    /// Sequences that are put back.
    pub(super) sequences: Vec<Sequence>,
    /// The sequences as a table: one row for each.
    pub(super) sequence_table: Option<Arc<Table>>,
    /// What is not put back, in words.
    pub(super) notes: Vec<String>,
    by_number: HashMap<u32, TableId>,
}

/// A table whose rows are journalled and put back.
#[derive(Debug)]
pub(super) struct Watched {
    /// What the rest of the program knows of it. Its columns are those that can be written: generated ones are left
    /// out, they follow from the others.
    pub(super) table: Arc<Table>,
    /// The server's number of the table.
    pub(super) oid: u32,
    /// `"schema"."table"`.
    pub(super) quoted: String,
    /// `schema.table`, for messages.
    pub(super) full_name: String,
    /// What identifies a row; `None` where equal rows cannot be told apart.
    pub(super) key: Option<Vec<KeyColumn>>,
    /// Whether the role may fix how its triggers fire.
    pub(super) is_owned: bool,
    columns: Vec<Column>,
}

/// One column of a key.
#[derive(Debug)]
pub(super) struct KeyColumn {
    /// Position among the columns of [`Table`].
    pub(super) position: usize,
    /// The operator that the index compares with, qualified.
    pub(super) equals: String,
}

#[derive(Debug)]
struct Column {
    name: String,
    is_generated: bool,
    is_integer: bool,
}

/// A sequence that is put back.
#[derive(Debug)]
pub(super) struct Sequence {
    /// The server's number of the sequence.
    pub(super) oid: u32,
    /// `"schema"."sequence"`.
    pub(super) quoted: String,
    /// Name as people write it.
    pub(super) name: String,
    /// Whether sessions take numbers in advance.
    pub(super) caches: bool,
}

/// What the role may not do, and the statement that allows it.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// Statements for the administrator.
    pub(super) grants: Vec<String>,
    /// What no grant can cure, in words.
    pub(super) obstacles: Vec<String>,
}

struct Listed {
    oid: u32,
    schema: String,
    name: String,
    kind: i8,
    from_extension: bool,
    root: Option<(String, String)>,
    rights: Rights,
    filtered: bool,
    is_owned: bool,
}

struct Rights {
    schema: bool,
    table: bool,
}

const TABLES: &str = "
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind,
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'),
       rn.nspname::text, r.relname::text,
       has_schema_privilege(n.oid, 'USAGE'),
       CASE c.relkind WHEN 'r' THEN has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
            AND has_table_privilege(c.oid, 'DELETE') AND has_table_privilege(c.oid, 'TRIGGER')
            WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') AND has_sequence_privilege(c.oid, 'UPDATE')
            ELSE true END,
       c.relkind = 'r' AND row_security_active(c.oid),
       pg_has_role(c.relowner, 'USAGE')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class r ON c.relispartition AND r.oid = pg_partition_root(c.oid)
LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE c.relkind IN ('r', 'm', 'f', 'S') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'venomqa')
ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"";

const COLUMNS: &str = "
SELECT a.attrelid, a.attnum, a.attname::text, a.attgenerated <> '', a.atttypid IN (20, 21, 23)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.oid = ANY ($1)
ORDER BY a.attrelid, a.attnum";

/// Of the indexes in which every row must be unique, the primary key, or else the narrowest.
const KEYS: &str = "
SELECT DISTINCT ON (i.indrelid) i.indrelid,
       array_agg(k.attribute ORDER BY k.place),
       array_agg(format('OPERATOR(%I.%s)', operator_schema.nspname, operator.oprname) ORDER BY k.place)
FROM pg_index i
JOIN pg_class index ON index.oid = i.indexrelid
CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS k(attribute, class, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attribute
JOIN pg_opclass class ON class.oid = k.class
JOIN pg_amop ON pg_amop.amopfamily = class.opcfamily AND pg_amop.amopstrategy = 3
     AND pg_amop.amoplefttype = class.opcintype AND pg_amop.amoprighttype = class.opcintype
JOIN pg_operator operator ON operator.oid = pg_amop.amopopr
JOIN pg_namespace operator_schema ON operator_schema.oid = operator.oprnamespace
WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
  AND i.indrelid = ANY ($1) AND index.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
GROUP BY i.indrelid, i.indexrelid, i.indisprimary, i.indnkeyatts
HAVING bool_and(a.attnotnull AND a.attgenerated = '') AND count(*) = i.indnkeyatts
ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, i.indexrelid";

const SEQUENCES: &str = "
SELECT s.seqrelid, s.seqcache > 1, d.refobjid
FROM pg_sequence s LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid
     AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
WHERE s.seqrelid = ANY ($1)";

/// Triggers and rules that answer even to a session that acts as a replica.
const ALWAYS: &str = "
SELECT tgrelid, format('the trigger %I', tgname), format('ALTER TABLE %s ENABLE TRIGGER %I', tgrelid::regclass, tgname)
FROM pg_trigger WHERE tgenabled IN ('A', 'R') AND NOT tgisinternal AND tgname NOT IN ('venomqa_row', 'venomqa_truncate')
  AND tgrelid = ANY ($1)
UNION ALL
SELECT ev_class, format('the rule %I', rulename), format('ALTER TABLE %s ENABLE RULE %I', ev_class::regclass, rulename)
FROM pg_rewrite WHERE ev_enabled IN ('A', 'R') AND ev_class = ANY ($1)
ORDER BY 1, 2";

impl Catalog {
    /// Reads the schema as this configuration wants it watched; `None`: all of it. Tables are numbered by name, so the
    /// same schema gives the same numbers.
    pub(super) async fn read(
        sessions: &Sessions,
        config: Option<&SystemConfig>,
    ) -> Result<(Self, Missing), Error> {
        let client = &sessions.writer;
        let names = Names {
            default_schema: sessions.default_schema.as_deref(),
            config,
        };
        let (ignored, listed): (Vec<Listed>, Vec<Listed>) = list(client)
            .await?
            .into_iter()
            .partition(|table| names.is_ignored(table));
        let numbers: Vec<u32> = listed.iter().map(|table| table.oid).collect();
        let mut reader = Reader {
            sessions,
            names,
            ignored: ignored.iter().map(|table| table.oid).collect(),
            columns: columns(client, &numbers).await?,
            keys: keys(client, &numbers).await?,
            sequences: sequences(client, &numbers).await?,
            catalog: Self::default(),
            missing: Missing::default(),
        };
        reader.missing.always(client, &numbers).await?;
        for table in &listed {
            let shown = reader.names.shown(&table.schema, &table.name);
            match table.kind as u8 {
                b'm' => reader.note(format!(
                    "the materialized view `{shown}` is not put back: it shows what it showed at its last refresh"
                )),
                b'f' => reader.note(format!(
                    "the foreign table `{shown}` lives in another database: its rows are neither watched nor put back"
                )),
                b'S' => reader.sequence(table, shown),
                _ => reader.table(table, shown),
            }
        }
        Ok(reader.finish())
    }

    /// The watched table with this number.
    pub(super) fn watched(&self, id: TableId) -> Option<&Watched> {
        self.tables.get(id.0 as usize)
    }

    /// The watched table that the server knows under this number.
    pub(super) fn by_number(&self, oid: u32) -> Option<&Watched> {
        self.watched(*self.by_number.get(&oid)?)
    }
}

/// A catalog in the making.
struct Reader<'a> {
    sessions: &'a Sessions,
    names: Names<'a>,
    ignored: HashSet<u32>,
    columns: BTreeMap<u32, Vec<(i16, Column)>>,
    keys: HashMap<u32, Vec<(i16, String)>>,
    sequences: HashMap<u32, (bool, Option<u32>)>,
    catalog: Catalog,
    missing: Missing,
}

impl Reader<'_> {
    fn note(&mut self, note: String) {
        self.catalog.notes.push(note);
    }

    fn sequence(&mut self, table: &Listed, shown: String) {
        let Some(&(caches, owner)) = self.sequences.get(&table.oid) else {
            return;
        };
        // The numbers of a table that is left alone are left alone as well.
        if owner.is_some_and(|owner| self.ignored.contains(&owner))
            || !self.missing.check(self.sessions, table)
        {
            return;
        }
        if caches {
            self.note(format!(
                "the sequence `{shown}` has a `CACHE`: numbers that a session has taken in advance are lost at a restore, \
                 so ids may differ from one visit of a state to the next"
            ));
        }
        self.catalog.sequences.push(Sequence {
            oid: table.oid,
            quoted: qualified(&table.schema, &table.name),
            name: shown,
            caches,
        });
    }

    fn table(&mut self, table: &Listed, shown: String) {
        let columns = self.columns.remove(&table.oid).unwrap_or_default();
        if columns.iter().all(|(_, column)| column.is_generated) {
            self.note(format!(
                "the table `{shown}` has no column that can be written: it is not watched"
            ));
            return;
        }
        if table.from_extension && !table.rights.all() && !self.sessions.is_superuser {
            self.note(format!(
                "the table `{shown}` belongs to an extension and the role `{}` may not watch it",
                self.sessions.role
            ));
            return;
        }
        if !self.missing.check(self.sessions, table) {
            return;
        }
        let written: Vec<&(i16, Column)> = columns
            .iter()
            .filter(|(_, column)| !column.is_generated)
            .collect();
        let key = self.keys.remove(&table.oid).map(|key| {
            key.into_iter()
                .filter_map(|(attribute, equals)| {
                    let position = written
                        .iter()
                        .position(|(number, _)| *number == attribute)?;
                    Some(KeyColumn { position, equals })
                })
                .collect()
        });
        let id = TableId(self.catalog.tables.len() as u32);
        let written = written
            .iter()
            .map(|(_, column)| column.name.clone())
            .collect();
        self.catalog.by_number.insert(table.oid, id);
        self.catalog.tables.push(Watched {
            table: Arc::new(self.names.describe(id, table, shown, written)),
            oid: table.oid,
            quoted: qualified(&table.schema, &table.name),
            full_name: format!("{}.{}", table.schema, table.name),
            key,
            is_owned: table.is_owned,
            columns: columns.into_iter().map(|(_, column)| column).collect(),
        });
    }

    fn finish(self) -> (Catalog, Missing) {
        let mut catalog = self.catalog;
        if !catalog.sequences.is_empty() {
            catalog.sequence_table = Some(Arc::new(Table {
                id: TableId(catalog.tables.len() as u32),
                system: self.names.system(),
                name: "sequences".to_owned(),
                columns: ["sequence", "last_value", "is_called"]
                    .map(str::to_owned)
                    .into(),
                kind: TableKind::Sequence,
                observed: false,
                ignored_columns: vec![false; 3],
            }));
        }
        (catalog, self.missing)
    }
}

impl Watched {
    /// The row in a text that `row::text` wrote; `None` where it is not a row of this table.
    pub(super) fn row(&self, text: &str) -> Option<Row> {
        let fields = fields(text)?;
        if fields.len() != self.columns.len() {
            return None;
        }
        fields
            .into_iter()
            .zip(&self.columns)
            .filter(|(_, column)| !column.is_generated)
            .map(|(field, column)| match field {
                None => Some(Cell::Null),
                Some(text) if column.is_integer => text.parse().ok().map(Cell::Integer),
                Some(text) => Some(Cell::text(&text)),
            })
            .collect()
    }

    /// A text that casts to the row type of the table.
    pub(super) fn text(&self, row: &Row) -> String {
        let mut cells = row.iter();
        row_text(self.columns.iter().map(|column| {
            if column.is_generated {
                None
            } else {
                cells.next()
            }
        }))
    }

    /// What identifies the row; `None` in a table without a key.
    pub(super) fn key_of(&self, row: &Row) -> Option<RowKey> {
        let key = self.key.as_ref()?;
        Some(row_key(
            key.iter().map(|column| row[column.position].clone()),
        ))
    }

    /// Names of the columns that can be written, quoted.
    pub(super) fn written(&self) -> impl Iterator<Item = String> {
        self.table.columns.iter().map(|column| quoted(column))
    }
}

impl Rights {
    fn all(&self) -> bool {
        self.schema && self.table
    }
}

impl Missing {
    /// Whether nothing is missing.
    pub(super) fn is_empty(&self) -> bool {
        self.grants.is_empty() && self.obstacles.is_empty()
    }

    /// The role may not create the schema of the journal.
    pub(super) fn create(&mut self, sessions: &Sessions) {
        self.grants.push(format!(
            "GRANT CREATE ON DATABASE {} TO {};",
            quoted(&sessions.database_name),
            quoted(&sessions.role)
        ));
    }

    fn check(&mut self, sessions: &Sessions, table: &Listed) -> bool {
        let role = quoted(&sessions.role);
        let name = qualified(&table.schema, &table.name);
        if !table.rights.schema {
            self.grants.push(format!(
                "GRANT USAGE ON SCHEMA {} TO {role};",
                quoted(&table.schema)
            ));
        }
        if !table.rights.table {
            self.grants.push(if table.kind as u8 == b'S' {
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

    async fn always(&mut self, client: &Client, numbers: &[u32]) -> Result<(), Error> {
        for row in client.query(ALWAYS, &[&numbers]).await? {
            let (what, cure): (String, String) = (row.get(1), row.get(2));
            self.obstacles.push(format!(
                "{what} is enabled for replicas, so it would fire when venomqa puts rows back: `{cure}`"
            ));
        }
        Ok(())
    }
}

/// How tables are named and matched.
struct Names<'a> {
    default_schema: Option<&'a str>,
    config: Option<&'a SystemConfig>,
}

impl Names<'_> {
    fn is_ignored(&self, table: &Listed) -> bool {
        self.config.is_some_and(|config| {
            let root = table.root.as_ref();
            self.any(&config.ignore_tables, &table.schema, &table.name, root)
        })
    }

    fn shown(&self, schema: &str, name: &str) -> String {
        if self.default_schema == Some(schema) {
            name.to_owned()
        } else {
            format!("{schema}.{name}")
        }
    }

    fn system(&self) -> Arc<str> {
        self.config.map_or("", |config| config.name.as_str()).into()
    }

    /// Whether a pattern names the table, with or without its schema, or the partitioned table that it is a part of.
    fn any(
        &self,
        patterns: &[String],
        schema: &str,
        name: &str,
        root: Option<&(String, String)>,
    ) -> bool {
        let own = |schema: &str, name: &str| {
            patterns.iter().any(|pattern| {
                SystemConfig::matches(pattern, &format!("{schema}.{name}"))
                    || SystemConfig::matches(pattern, &self.shown(schema, name))
            })
        };
        own(schema, name) || root.is_some_and(|(schema, name)| own(schema, name))
    }

    fn describe(&self, id: TableId, table: &Listed, shown: String, columns: Vec<String>) -> Table {
        let observed = self.config.is_none_or(|config| {
            config.observe_tables.as_ref().is_none_or(|patterns| {
                self.any(patterns, &table.schema, &table.name, table.root.as_ref())
            })
        });
        let ignored_columns = columns
            .iter()
            .map(|column| {
                self.config.is_some_and(|config| {
                    let root = table
                        .root
                        .as_ref()
                        .map(|(schema, name)| (schema.clone(), format!("{name}.{column}")));
                    let own = format!("{}.{column}", table.name);
                    self.any(&config.ignore_columns, &table.schema, &own, root.as_ref())
                })
            })
            .collect();
        Table {
            id,
            system: self.system(),
            name: shown,
            columns,
            kind: TableKind::Rows,
            observed,
            ignored_columns,
        }
    }
}

fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

async fn list(client: &Client) -> Result<Vec<Listed>, Error> {
    let rows = client.query(TABLES, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| Listed {
            oid: row.get(0),
            schema: row.get(1),
            name: row.get(2),
            kind: row.get(3),
            from_extension: row.get(4),
            root: row
                .get::<_, Option<String>>(5)
                .zip(row.get::<_, Option<String>>(6)),
            rights: Rights {
                schema: row.get(7),
                table: row.get(8),
            },
            filtered: row.get(9),
            is_owned: row.get(10),
        })
        .collect())
}

async fn columns(
    client: &Client,
    numbers: &[u32],
) -> Result<BTreeMap<u32, Vec<(i16, Column)>>, Error> {
    let mut columns: BTreeMap<u32, Vec<(i16, Column)>> = BTreeMap::new();
    for row in client.query(COLUMNS, &[&numbers]).await? {
        let column = Column {
            name: row.get(2),
            is_generated: row.get(3),
            is_integer: row.get(4),
        };
        columns
            .entry(row.get(0))
            .or_default()
            .push((row.get(1), column));
    }
    Ok(columns)
}

async fn keys(client: &Client, numbers: &[u32]) -> Result<HashMap<u32, Vec<(i16, String)>>, Error> {
    let rows = client.query(KEYS, &[&numbers]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let attributes: Vec<i16> = row.get(1);
            let operators: Vec<String> = row.get(2);
            (row.get(0), attributes.into_iter().zip(operators).collect())
        })
        .collect())
}

async fn sequences(
    client: &Client,
    numbers: &[u32],
) -> Result<HashMap<u32, (bool, Option<u32>)>, Error> {
    let rows = client.query(SEQUENCES, &[&numbers]).await?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), (row.get(1), row.get(2))))
        .collect())
}
