//! Notices changes of the schema for roles that may not create event triggers.
//!
//! To compare the schema takes a scan of the catalog. So it is done where a transaction has had a number and left no row in the
//! journal. One that changes the schema and writes rows as well looks like any other, so it is also done now and then.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, Error};

/// How often the schema is compared without a reason.
const INTERVAL: Duration = Duration::from_millis(200);

/// Tables, columns and sequences; views, with what they select; materialized views, with the file that their last refresh
/// has made; triggers, rules and conditions, by the transaction that made each of them what it is.
const SIGNATURE: &str = "
SELECT md5(coalesce(string_agg(format('%s %s %s %s %s %s %s %s %s %s', c.oid, c.relnamespace, c.relname, c.relkind,
         c.relpersistence, a.attname, a.atttypid, a.atttypmod, (SELECT s FROM pg_sequence s WHERE s.seqrelid = c.oid),
         c.relispartition),
         E'\\n' ORDER BY c.oid, a.attnum) FILTER (WHERE c.relkind NOT IN ('v', 'm')), '')),
       md5(coalesce(string_agg(format('%s %s %s %s', c.oid, c.relnamespace, c.relname,
         (SELECT w.xmin FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.rulename = '_RETURN')), E'\\n' ORDER BY c.oid)
         FILTER (WHERE c.relkind = 'v' AND coalesce(a.attnum, 1) = 1), '')),
       md5(coalesce(string_agg(format('%s %s', c.oid, c.relfilenode), E'\\n' ORDER BY c.oid)
         FILTER (WHERE c.relkind = 'm' AND coalesce(a.attnum, 1) = 1), '')),
       (SELECT md5(coalesce(string_agg(format('%s %s', made.oid, made.xmin), E'\\n' ORDER BY made.oid, made.xmin::text), '')) FROM (
          SELECT oid, xmin, tgrelid FROM pg_trigger WHERE NOT tgisinternal
          UNION ALL SELECT oid, xmin, ev_class FROM pg_rewrite WHERE rulename <> '_RETURN'
          UNION ALL SELECT oid, xmin, conrelid FROM pg_constraint WHERE contype = 'c'
        ) AS made(oid, xmin, relation) JOIN pg_class c ON c.oid = made.relation JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'venomqa'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'S', 'v', 'm') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'venomqa')";

/// The schema as it was last seen.
pub(super) struct Schema {
    /// Tables, views, materialized views, and what belongs to tables.
    signature: [String; 4],
    looked: Instant,
    is_due: bool,
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Tables, columns or sequences, or what belongs to them.
    Tables,
    /// What a view selects.
    Views,
    /// What a materialized view shows.
    Refreshed,
}

impl Schema {
    /// Reads the schema.
    pub(super) async fn read(client: &Client) -> Result<Self, Error> {
        Ok(Self {
            signature: signature(client).await?,
            looked: Instant::now(),
            is_due: false,
        })
    }

    /// Has the next check compare the schema.
    pub(super) fn suspect(&mut self) {
        self.is_due = true;
    }

    /// What has changed, where it is time to compare. A change of tables is reported again until it is undone.
    pub(super) async fn changes(&mut self, client: &Client) -> Result<Vec<Change>, Error> {
        if !self.is_due && self.looked.elapsed() < INTERVAL {
            return Ok(Vec::new());
        }
        let now = signature(client).await?;
        self.looked = Instant::now();
        let kinds = [
            Change::Tables,
            Change::Views,
            Change::Refreshed,
            Change::Tables,
        ];
        let mut changes = Vec::new();
        for ((kind, before), now) in kinds.into_iter().zip(&mut self.signature).zip(now) {
            if *before != now {
                changes.push(kind);
                if kind != Change::Tables {
                    *before = now;
                }
            }
        }
        self.is_due = changes.contains(&Change::Tables);
        Ok(changes)
    }
}

async fn signature(client: &Client) -> Result<[String; 4], Error> {
    let row = client.query_one(SIGNATURE, &[]).await?;
    Ok([row.get(0), row.get(1), row.get(2), row.get(3)])
}
