//! What the schema says of keys and references, for the identity of states.

use std::collections::HashMap;

use tokio_postgres::{Client, Error};

use super::catalog::Catalog;
use crate::identity::{ColumnShape, TableShape, ValueKind};

/// A column, by table and name: its type in short, whether it is filled from a sequence or at random, and the table to which a foreign
/// key of this column alone leads, where that goes to the primary key.
const COLUMNS: &str = "
SELECT a.attrelid, a.attname::text,
       CASE WHEN t.typname = 'uuid' THEN 'uuid' WHEN t.typcategory IN ('D', 'T') THEN 'time'
            WHEN a.atttypid IN (20, 21, 23) THEN 'integer' WHEN t.typcategory IN ('S', 'A') OR t.typname IN ('json', 'jsonb', 'xml') THEN 'text'
            ELSE '' END,
       a.attidentity <> '' OR COALESCE(pg_get_expr(d.adbin, d.adrelid) ~* 'nextval|uuid|gen_random', false),
       (SELECT f.confrelid FROM pg_constraint f
        JOIN pg_index i ON i.indrelid = f.confrelid AND i.indisprimary AND i.indkey::int2[] = f.confkey
        WHERE f.contype = 'f' AND f.conrelid = a.attrelid AND f.conkey = ARRAY[a.attnum] LIMIT 1)
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY ($1)";

/// The shapes of the watched tables.
pub(super) async fn read(client: &Client, catalog: &Catalog) -> Result<Vec<TableShape>, Error> {
    let numbers: Vec<u32> = catalog.tables.iter().map(|watched| watched.oid).collect();
    let mut found: HashMap<(u32, String), ColumnShape> = HashMap::new();
    for row in client.query(COLUMNS, &[&numbers]).await? {
        let to: Option<u32> = row.get(4);
        let to = to.and_then(|oid| catalog.by_number(oid));
        let shape = ColumnShape {
            kind: match row.get(2) {
                "uuid" => ValueKind::Uuid,
                "time" => ValueKind::Time,
                "integer" => ValueKind::Integer,
                "text" => ValueKind::Text,
                _ => ValueKind::Other,
            },
            is_generated: row.get(3),
            references: to.map(|watched| watched.table.name.clone()),
        };
        found.insert((row.get(0), row.get(1)), shape);
    }
    let shapes = catalog.tables.iter().map(|watched| {
        let columns = watched.table.columns.iter();
        let key = watched.key.iter().flatten();
        TableShape {
            table: watched.table.clone(),
            key: key.map(|column| column.position).collect(),
            columns: columns
                .map(|column| {
                    let shape = found.remove(&(watched.oid, column.clone()));
                    shape.unwrap_or_default()
                })
                .collect(),
        }
    });
    Ok(shapes.collect())
}
