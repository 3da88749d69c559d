//! The journal: the schema `venomqa` in the database itself, so that an entry commits with the change that it notes.
//!
//! - `venomqa.run`: the format of the journal. Its presence says that a run is under way, or was killed.
//! - `venomqa.journal`: what triggers noted and nobody has read yet: table, row before, row after, as text, and in tables
//!   without a key the places of both.
//! - `venomqa.past`: what has been read, and what restores wrote. Together with the journal it is everything that
//!   happened since the run began.
//! - `venomqa.tables`: the watched tables by number, with their names: a table that is dropped has none any more.
//! - `venomqa.objects`: what there was beside rows; see [`objects`].
//! - `venomqa.sequences`: the sequences as they were before the run.
//! - `venomqa.alive`: one row, in an unlogged table. A crash of the server empties such tables, those of the application
//!   as well. Where the row is gone, what the journal says of unlogged tables is no longer true.
//!
//! Entries have no order, and need none. They are a multiset of rows that were removed (`old`) and added (`new`). Equal rows
//! cancel, and what is left is the difference between two moments, whatever happened in between and in whichever order
//! triggers fired. So the triggers need neither a sequence (it would change the application's `lastval()`) nor a clock.
//!
//! All tables but `venomqa.alive` are logged: they must survive what the rows of the application survive.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{Display, Write as _};

use futures_util::TryStreamExt as _;
use tokio_postgres::{Client, Error};

use super::batches::Noted;
use super::catalog::{Catalog, Watched};
use super::connections::{Connections, TEXT_FORM};
use super::row_multiset::RowMultiset;
use super::sql::literal;
use super::{objects, sequences};

/// Changes when the journal's tables do.
pub(super) const FORMAT: i32 = 9;

/// Number that stands for a change of the schema among the tables of the journal.
pub(super) const SCHEMA_CHANGE: u32 = 0;

/// Number that stands for a change of a view, which only concerns the queries of the spec.
pub(super) const VIEW_CHANGE: u32 = 1;

/// Number that stands for a statement that wrote to a foreign table.
pub(super) const FOREIGN_WRITE: u32 = 2;

/// Number that stands for a refresh of a materialized view.
pub(super) const REFRESH: u32 = 3;

/// From here on numbers are those of tables: what is below belongs to the server itself.
pub(super) const FIRST_TABLE: u32 = 16;

/// Statements that change what the journal has to know. An index, a comment or a grant does not.
const TAGS: &str = "'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'DROP TABLE', 'CREATE SEQUENCE', 'ALTER SEQUENCE', \
     'DROP SEQUENCE', 'ALTER TYPE', 'DROP TYPE', 'CREATE SCHEMA', 'ALTER SCHEMA', 'DROP SCHEMA', 'CREATE EXTENSION', \
     'DROP EXTENSION', 'DROP OWNED', 'ALTER DOMAIN', 'DROP DOMAIN', 'IMPORT FOREIGN SCHEMA', 'CREATE VIEW', 'ALTER VIEW', 'DROP VIEW', \
     'CREATE TRIGGER', 'ALTER TRIGGER', 'DROP TRIGGER', 'CREATE RULE', 'ALTER RULE', 'DROP RULE'";

/// Creates the journal, in one transaction.
pub(super) async fn create(connections: &Connections, catalog: &Catalog) -> Result<(), Error> {
    // A server that crashes in the next moment would forget the journal, and a database without one looks as if another had taken
    // its place.
    let mut text = String::from("BEGIN; SET LOCAL synchronous_commit = local;");
    text.push_str(&tables());
    text.push_str(&functions());
    text.push_str(&sequences::function(catalog));
    for watched in &catalog.tables {
        text.push_str(&triggers(watched));
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "INSERT INTO venomqa.tables VALUES ({}, {});",
            watched.oid,
            literal(&watched.full_name)
        );
    }
    for foreign in &catalog.foreign {
        text.push_str(&foreign_triggers(connections, &foreign.quoted));
    }
    if connections.is_superuser {
        text.push_str(&schema_triggers());
    }
    for sequence in &catalog.sequences {
        let _ = write!(
            text,
            "INSERT INTO venomqa.sequences SELECT {oid}, {}, last_value, is_called, {} FROM {};",
            literal(&sequence.quoted),
            shape(sequence.oid),
            sequence.quoted,
            oid = sequence.oid
        );
    }
    text.push_str("COMMIT");
    let created = connections.writer.batch_execute(&text).await;
    if created.is_err() {
        // The error of the creation is reported; a connection that is gone has rolled back by itself.
        let _ = connections.writer.batch_execute("ROLLBACK").await;
    }
    created
}

/// The format of the journal that is there, and when its run began; `None` where there is none.
pub(super) async fn found(client: &Client) -> Result<Option<(i32, String)>, Error> {
    let present = client
        .query_one(
            // A schema of the user's may have the same name, and a table in it as well.
            "SELECT count(*) = 3 FROM pg_attribute WHERE attrelid = to_regclass('venomqa.run') AND NOT attisdropped \
             AND attname IN ('format', 'version', 'started')",
            &[],
        )
        .await?
        .get::<_, bool>(0);
    if !present {
        return Ok(None);
    }
    let row = client
        .query_one(
            "SELECT format, to_char(started, 'YYYY-MM-DD HH24:MI:SS \"UTC\"') FROM venomqa.run",
            &[],
        )
        .await?;
    Ok(Some((row.get(0), row.get(1))))
}

/// The application's tables that a crash of the server has emptied since the run began: its unlogged ones.
pub(super) async fn emptied(client: &Client) -> Result<HashSet<u32>, Error> {
    let rows = client
        .query(
            "SELECT oid FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r' AND relnamespace <> 'venomqa'::regnamespace \
             AND NOT EXISTS (SELECT FROM venomqa.alive)",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Frees the space of entries that were read. Does nothing where a transaction of the service has the journal in use.
pub(super) const SHRINK: &str = "DO $$ BEGIN
  LOCK TABLE venomqa.journal IN ACCESS EXCLUSIVE MODE NOWAIT;
  IF NOT EXISTS (SELECT FROM venomqa.journal) THEN TRUNCATE venomqa.journal; END IF;
EXCEPTION WHEN lock_not_available THEN NULL;
END $$";

/// Adds entries to the past: the tables, whether a row was removed or added, and the rows as texts.
pub(super) const NOTE: &str = "INSERT INTO venomqa.past SELECT t, CASE WHEN w THEN r END, CASE WHEN NOT w THEN r END \
     FROM unnest($1::oid[], $2::bool[], $3::text[]) AS u(t, w, r)";

/// What the journal knows of the time since the run began.
#[derive(Default)]
pub(super) struct Past {
    /// What is left of it when equal rows have cancelled.
    pub(super) rows: RowMultiset,
    /// Tables whose rows cannot be put back as they are now, by number: why not.
    pub(super) unfit: BTreeMap<u32, String>,
}

/// Reads the past, but for the tables in `emptied`.
pub(super) async fn past(
    client: &Client,
    catalog: &Catalog,
    emptied: &HashSet<u32>,
) -> Result<Past, Error> {
    let mut past = Past::default();
    let entries = client
        .query_raw::<_, &i32, _>("SELECT tbl, old, new FROM venomqa.past", [])
        .await?;
    let mut entries = std::pin::pin!(entries);
    while let Some(entry) = entries.try_next().await? {
        let number: u32 = entry.get(0);
        if number < FIRST_TABLE || emptied.contains(&number) {
            continue;
        }
        let Some(watched) = catalog.by_number(number) else {
            past.unfit.insert(number, "was dropped".to_owned());
            continue;
        };
        for (column, came) in [(1, false), (2, true)] {
            let Some(text) = entry.get::<_, Option<&str>>(column) else {
                continue;
            };
            let Some(row) = watched.row(text) else {
                let why = "no longer has the columns that it had";
                past.unfit.insert(number, why.to_owned());
                continue;
            };
            if came {
                past.rows.add(watched.table.id, row);
            } else {
                past.rows.remove(watched.table.id, row);
            }
        }
    }
    Ok(past)
}

/// The names of the tables that were watched when the run began, by number.
pub(super) async fn names(client: &Client) -> Result<BTreeMap<u32, String>, Error> {
    let rows = client
        .query("SELECT oid, name FROM venomqa.tables", &[])
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Forgets what has been put back: everything but the rows of these tables.
pub(super) fn forget_others(tables: &[u32]) -> String {
    let numbers: Vec<String> = tables.iter().map(u32::to_string).collect();
    format!(
        "DELETE FROM venomqa.past WHERE tbl NOT IN ({})",
        numbers.join(", ")
    )
}

/// Removes the journal but for what these tables wait for; the rest has been put back, and nothing is watched any more.
pub(super) fn keep_only(tables: &[u32]) -> String {
    let numbers: Vec<String> = tables.iter().map(u32::to_string).collect();
    format!(
        "{}; DELETE FROM venomqa.sequences; DELETE FROM venomqa.objects; DELETE FROM venomqa.tables WHERE oid NOT IN ({});
         DO $$ DECLARE f regprocedure; BEGIN
           FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'venomqa'::regnamespace LOOP EXECUTE format('DROP FUNCTION %s CASCADE', f); END LOOP;
         END $$",
        forget_others(tables),
        numbers.join(", ")
    )
}

/// Replaces the past by what is left of it when equal rows have cancelled. Returns how many entries that is. A past that cannot be
/// read stays as it is, for the recovery to say why.
pub(super) async fn sum_up(client: &Client, catalog: &Catalog) -> Result<u64, Error> {
    let Past { rows: past, unfit } = past(client, catalog, &HashSet::new()).await?;
    if !unfit.is_empty() {
        return Ok(u64::MAX / 8);
    }
    let mut left: Vec<(u32, bool, String)> = Vec::new();
    for (id, row, count) in past.rows() {
        if let Some(watched) = catalog.watched(id) {
            let entry = (watched.oid, count < 0, watched.text(row));
            left.extend((0..count.unsigned_abs()).map(|_| entry.clone()));
        }
    }
    let rows: Vec<(u32, bool, &str)> = left
        .iter()
        .map(|(table, went, row)| (*table, *went, row.as_str()))
        .collect();
    let note = client.prepare(NOTE).await?;
    client.batch_execute("BEGIN; TRUNCATE venomqa.past").await?;
    for noted in Noted::of(&rows) {
        if let Err(error) = noted.write(client, &note).await {
            client.batch_execute("ROLLBACK").await?;
            return Err(error);
        }
    }
    client.batch_execute("COMMIT").await?;
    Ok(rows.len() as u64)
}

fn tables() -> String {
    // A publication of all tables refuses to write to one whose rows have no identity.
    format!(
        "CREATE SCHEMA venomqa;
         COMMENT ON SCHEMA venomqa IS 'journal of a venomqa run; `venomqa restore` puts the database back and removes it';
         CREATE TABLE venomqa.run (format int, version text, started timestamptz);
         INSERT INTO venomqa.run VALUES ({FORMAT}, {}, now());
         CREATE TABLE venomqa.journal (tbl oid NOT NULL, old text, new text, went tid, came tid);
         CREATE TABLE venomqa.past (tbl oid NOT NULL, old text, new text);
         CREATE TABLE venomqa.tables (oid oid, name text);
         {}
         CREATE TABLE venomqa.sequences (oid oid, name text, last_value bigint, is_called boolean, shape text);
         ALTER TABLE venomqa.journal REPLICA IDENTITY FULL; ALTER TABLE venomqa.past REPLICA IDENTITY FULL;
         ALTER TABLE venomqa.tables REPLICA IDENTITY FULL; ALTER TABLE venomqa.objects REPLICA IDENTITY FULL;
         ALTER TABLE venomqa.sequences REPLICA IDENTITY FULL;
         CREATE UNLOGGED TABLE venomqa.alive AS SELECT 1;",
        literal(env!("CARGO_PKG_VERSION")),
        objects::keep(),
    )
}

/// The trigger functions. They run with venomqa's rights, whoever writes, and note values in the text form of the writer session.
fn functions() -> String {
    let mut form = String::new();
    for (name, value) in TEXT_FORM {
        // `DateStyle` is a list, whose values are quoted one by one.
        let values: Vec<String> = value.split(", ").map(literal).collect();
        let _ = write!(form, " SET {name} = {}", values.join(", "));
    }
    let head = format!(
        "RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp{form} AS"
    );
    format!(
        "CREATE FUNCTION venomqa.note_row() {head} $$ BEGIN
           INSERT INTO venomqa.journal VALUES (TG_RELID, OLD::text, NEW::text);
           RETURN NULL;
         END $$;
         CREATE FUNCTION venomqa.note_keyless_row() {head} $$ BEGIN
           INSERT INTO venomqa.journal VALUES (TG_RELID, OLD::text, NEW::text, OLD.ctid, NEW.ctid);
           RETURN NULL;
         END $$;
         CREATE FUNCTION venomqa.note_truncate() {head} $$ BEGIN
           EXECUTE format('INSERT INTO venomqa.journal SELECT $1, (venomqa_row.*)::text, NULL, venomqa_row.ctid FROM ONLY %s AS venomqa_row', TG_RELID::regclass)
             USING TG_RELID;
           RETURN NULL;
         END $$;
         CREATE FUNCTION venomqa.note_foreign() {head} $$ BEGIN
           INSERT INTO venomqa.journal VALUES ({FOREIGN_WRITE}, TG_OP, TG_RELID::regclass::text);
           RETURN NULL;
         END $$;"
    )
}

/// Notes that a statement wrote to a foreign table. A trigger for each row would change how the wrapper writes.
fn foreign_triggers(connections: &Connections, table: &str) -> String {
    let truncate = if connections.server_version >= 160_000 {
        " OR TRUNCATE"
    } else {
        ""
    };
    format!(
        "CREATE TRIGGER venomqa_foreign AFTER INSERT OR UPDATE OR DELETE{truncate} ON {table} FOR EACH STATEMENT \
           EXECUTE FUNCTION venomqa.note_foreign();"
    )
}

/// The triggers of one table. They do not fire for venomqa's own sessions.
fn triggers(watched: &Watched) -> String {
    let table = &watched.quoted;
    let others = "WHEN (pg_catalog.current_setting('venomqa.writer', true) IS DISTINCT FROM 'on')";
    let note = if watched.key.is_some() {
        "note_row"
    } else {
        "note_keyless_row"
    };
    let mut text = format!(
        "CREATE TRIGGER venomqa_row AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW {others} \
           EXECUTE FUNCTION venomqa.{note}();
         CREATE TRIGGER venomqa_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {others} \
           EXECUTE FUNCTION venomqa.note_truncate();"
    );
    if watched.is_owned {
        // Rows that the service loads as a replica are noted as well.
        for trigger in ["venomqa_row", "venomqa_truncate"] {
            let _ = write!(text, "ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger};");
        }
    }
    text
}

/// What a sequence is, without its value: a restart is no change of the schema.
fn shape(oid: impl Display) -> String {
    format!(
        "(SELECT concat_ws(' ', s, c.relpersistence, c.relnamespace, c.relname) \
         FROM pg_catalog.pg_sequence AS s JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid WHERE s.seqrelid = {oid})"
    )
}

/// Notes every change of the schema as an entry, and switches triggers of the journal on again that a statement has switched off
/// (`DISABLE TRIGGER USER`). Only a superuser may create these; without them the schema is compared now and then.
fn schema_triggers() -> String {
    let head = "RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS";
    let number =
        format!("CASE object_type WHEN 'view' THEN {VIEW_CHANGE} ELSE {SCHEMA_CHANGE} END::oid");
    let of_command = format!(
        "CASE command_tag WHEN 'REFRESH MATERIALIZED VIEW' THEN {REFRESH}::oid ELSE {number} END"
    );
    let shape = shape("objid");
    let mine = "IF current_setting('venomqa.writer', true) = 'on' THEN RETURN; END IF;";
    format!(
        "CREATE FUNCTION venomqa.note_ddl() {head} $$ DECLARE mine record; BEGIN {mine}
           INSERT INTO venomqa.journal
           SELECT DISTINCT {of_command}, command_tag, object_identity FROM pg_event_trigger_ddl_commands()
           WHERE schema_name IS DISTINCT FROM 'pg_temp' AND object_type NOT IN ('index', 'function') AND object_identity !~ ' on pg_temp'
             AND NOT (command_tag = 'ALTER SEQUENCE' AND EXISTS (SELECT FROM venomqa.sequences AS known WHERE known.oid = objid AND known.shape = {shape}));
           FOR mine IN SELECT tgrelid::regclass AS of_table, tgname FROM pg_trigger WHERE tgname IN ('venomqa_row', 'venomqa_truncate') AND tgenabled <> 'A' LOOP
             EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', mine.of_table, mine.tgname);
           END LOOP;
         END $$;
         CREATE FUNCTION venomqa.note_drop() {head} $$ BEGIN {mine}
           INSERT INTO venomqa.journal
           SELECT DISTINCT {number}, tg_tag, object_identity FROM pg_event_trigger_dropped_objects()
           WHERE NOT is_temporary AND original AND object_type NOT IN ('index', 'function') AND object_identity !~ ' on pg_temp';
         END $$;
         CREATE EVENT TRIGGER venomqa_ddl ON ddl_command_end WHEN TAG IN ({TAGS}, 'REFRESH MATERIALIZED VIEW') EXECUTE FUNCTION venomqa.note_ddl();
         CREATE EVENT TRIGGER venomqa_drop ON sql_drop WHEN TAG IN ({TAGS}) EXECUTE FUNCTION venomqa.note_drop();
         ALTER EVENT TRIGGER venomqa_ddl ENABLE ALWAYS;
         ALTER EVENT TRIGGER venomqa_drop ENABLE ALWAYS;"
    )
}
