//! Reads tables, columns, keys and sequences from the server's catalog.

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::{Client, Error};

use super::Column;

/// A relation that may hold rows.
pub(super) struct Listed {
    /// The server's number.
    pub(super) oid: u32,
    /// The schema of the relation.
    pub(super) schema: String,
    /// The name of the relation.
    pub(super) name: String,
    /// The kind of relation, as in `pg_class.relkind`.
    pub(super) kind: u8,
    /// Whether an extension made it.
    pub(super) from_extension: bool,
    /// Schema and name of the partitioned table that it is a part of.
    pub(super) root: Option<(String, String)>,
    /// The rights of the role.
    pub(super) rights: Rights,
    /// Whether row-level security hides rows from the role.
    pub(super) filtered: bool,
    /// Whether the role has the rights of the relation's owner.
    pub(super) is_owned: bool,
}

/// The rights of the role on a relation.
pub(super) struct Rights {
    /// Use the schema.
    pub(super) schema: bool,
    /// Read, write and watch the table.
    pub(super) table: bool,
}

/// The properties of a sequence.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// Whether sessions take numbers in advance.
    pub(super) caches: bool,
    /// Whether the sequence is unlogged.
    pub(super) is_unlogged: bool,
    /// The table that it belongs to.
    pub(super) owner: Option<u32>,
}

const TABLES: &str = "
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind,
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'),
       rn.nspname::text, r.relname::text,
       has_schema_privilege(n.oid, 'USAGE'),
       CASE c.relkind WHEN 'r' THEN has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
            AND has_table_privilege(c.oid, 'DELETE') AND has_table_privilege(c.oid, 'TRIGGER')
            WHEN 'f' THEN has_table_privilege(c.oid, 'TRIGGER')
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
SELECT s.seqrelid, s.seqcache > 1, c.relpersistence = 'u', d.refobjid
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid
     AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
WHERE s.seqrelid = ANY ($1)";

/// Every table, materialized view, foreign table and sequence of the application, by name.
pub(super) async fn list(client: &Client) -> Result<Vec<Listed>, Error> {
    let rows = client.query(TABLES, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| Listed {
            oid: row.get(0),
            schema: row.get(1),
            name: row.get(2),
            kind: row.get::<_, i8>(3) as u8,
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

/// The columns of tables, in order.
pub(super) async fn columns(
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

/// What identifies the rows of tables: columns, and the operators that their index compares with.
pub(super) async fn keys(
    client: &Client,
    numbers: &[u32],
) -> Result<HashMap<u32, Vec<(i16, String)>>, Error> {
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

/// The properties of the sequences among these.
pub(super) async fn sequences(
    client: &Client,
    numbers: &[u32],
) -> Result<HashMap<u32, Kind>, Error> {
    let rows = client.query(SEQUENCES, &[&numbers]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let kind = Kind {
                caches: row.get(1),
                is_unlogged: row.get(2),
                owner: row.get(3),
            };
            (row.get(0), kind)
        })
        .collect())
}

impl Rights {
    /// All rights that a run needs.
    pub(super) fn all(&self) -> bool {
        self.schema && self.table
    }
}
