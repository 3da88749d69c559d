//! Reads the schema: which tables and sequences there are, what identifies a row, and what the role may do with them.

mod listing;
mod names;
mod obstacles;
mod rights;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::Error;

use super::connections::Connections;
use super::sql::{fields, quoted, row_text};
use crate::model::{Cell, Row, RowKey, Table, TableId, TableKind, row_key};
use crate::world::config::SystemConfig;
use crate::world::patterns::{self, TableThere};
use crate::world::system::left_alone::{COUNTED, LeftAlone};
use crate::world::{Warning, WarningCode};
use listing::{Kind, Listed};
use names::{Names, qualified};
pub(super) use rights::Blockers;

/// The tables of a database, as the journal and the restore see them.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// Tables whose rows are journalled and put back, by [`TableId`]. Partitions stand for themselves.
    pub(super) tables: Vec<Watched>,
    /// Sequences that are put back.
    pub(super) sequences: Vec<Sequence>,
    /// The sequences as a table: one row for each.
    pub(super) sequence_table: Option<Arc<Table>>,
    /// Foreign tables that can be watched for being written to.
    pub(super) foreign: Vec<Foreign>,
    /// Whether there are large objects.
    pub(super) has_large_objects: bool,
    /// What is not restored.
    pub(super) notes: Vec<Warning>,
    /// The search path while rows are written: the role's own, then every other schema. Empty where no condition, index or
    /// generated column calls a function of the application that looks up names.
    pub(super) search_path: String,
    /// Tables whose rows are written by way of functions of the application that look up names, by the server's number; with
    /// those of the functions that seem to name what is in several schemas.
    pub(super) searching: BTreeMap<u32, Vec<String>>,
    by_number: HashMap<u32, TableId>,
    sequence_places: HashMap<Cell, usize>,
    sequence_numbers: HashMap<u32, usize>,
}

/// A table whose rows are journalled and put back.
#[derive(Debug)]
pub(super) struct Watched {
    /// The table as the rest of the program sees it. Its columns are those that can be written: generated columns are left out,
    /// because they follow from the others.
    pub(super) table: Arc<Table>,
    /// The server's number of the table.
    pub(super) oid: u32,
    /// `"schema"."table"`.
    pub(super) quoted: String,
    /// `schema.table`, for messages.
    pub(super) full_name: String,
    /// The key; `None` where equal rows cannot be told apart.
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
    /// Whether sessions take numbers in advance, and this role may have them start anew.
    pub(super) restarts: bool,
    /// Whether the sequence is unlogged.
    pub(super) is_unlogged: bool,
}

/// A foreign table: its rows live elsewhere.
#[derive(Debug)]
pub(super) struct Foreign {
    /// `"schema"."table"`.
    pub(super) quoted: String,
}

impl Catalog {
    /// Reads the schema as this configuration wants it watched; `None`: all of it. Tables are numbered by name, so the
    /// same schema gives the same numbers.
    pub(super) async fn read(
        connections: &Connections,
        config: Option<&SystemConfig>,
    ) -> Result<(Self, Blockers), Error> {
        let client = &connections.writer;
        let names = Names {
            default_schema: connections.default_schema.as_deref(),
            config,
        };
        let (ignored, listed): (Vec<Listed>, Vec<Listed>) = listing::list(client)
            .await?
            .into_iter()
            .partition(|table| names.is_ignored(table));
        let numbers: Vec<u32> = listed.iter().map(|table| table.oid).collect();
        let all = ignored.iter().chain(&listed);
        let columns = listing::columns(
            client,
            &all.clone().map(|table| table.oid).collect::<Vec<_>>(),
        )
        .await?;
        let there: Vec<TableThere> = all.map(|table| names.there(table, &columns)).collect();
        let mut reader = Reader {
            connections,
            names,
            ignored: ignored.iter().map(|table| table.oid).collect(),
            columns,
            keys: listing::keys(client, &numbers).await?,
            sequences: listing::sequences(client, &numbers).await?,
            catalog: Self::default(),
            missing: Blockers::default(),
        };
        reader.missing.obstacles(client, &numbers).await?;
        for (message, help) in Blockers::fickle(client, &numbers).await? {
            reader.note(message, Some(help.to_owned()));
        }
        for table in &listed {
            let shown = reader.names.shown(&table.schema, &table.name);
            match table.kind {
                b'm' => reader.note(
                    format!(
                        "the materialized view `{shown}` is not put back: it shows what it showed at its last refresh"
                    ),
                    None,
                ),
                b'f' => reader.foreign(table, &shown),
                b'S' => reader.sequence(table, shown),
                _ => reader.table(table, shown),
            }
        }
        if let Some(config) = config {
            (reader.catalog.notes).extend(patterns::unmatched(config, &there));
        }
        reader.large_objects().await?;
        let searching = Blockers::searching(client, &numbers).await?;
        if !searching.is_empty() {
            reader.catalog.search_path = names::search_path(connections).await?;
        }
        for searching in searching {
            match searching.obstacle() {
                Some(obstacle) => reader.missing.obstacles.push(obstacle),
                None => reader.catalog.notes.extend(searching.warning()),
            }
            for table in searching.tables {
                let functions = reader.catalog.searching.entry(table).or_default();
                if searching.ambiguous.is_some() {
                    functions.push(searching.function.clone());
                }
            }
        }
        Ok(reader.finish())
    }

    /// Counts the rows of the tables that `ignore_tables` names, as far as the role may read them.
    pub(super) async fn count_ignored(
        connections: &Connections,
        config: &SystemConfig,
    ) -> Result<LeftAlone, Error> {
        let mut left = LeftAlone::default();
        if config.ignore_tables.is_empty() {
            return Ok(left);
        }
        let client = &connections.writer;
        let names = Names {
            default_schema: connections.default_schema.as_deref(),
            config: Some(config),
        };
        let listed = listing::list(client).await?.into_iter();
        for table in listed
            .filter(|table| table.kind == b'r' && table.rights.all() && names.is_ignored(table))
        {
            let query = format!(
                "SELECT count(*) FROM (SELECT FROM {} LIMIT {}) AS counted",
                qualified(&table.schema, &table.name),
                COUNTED + 1
            );
            let rows: i64 = client.query_one(&query, &[]).await?.get(0);
            left.add(names.shown(&table.schema, &table.name), rows.unsigned_abs());
        }
        Ok(left)
    }

    /// The place of the sequence with this number.
    pub(super) fn sequence_numbered(&self, number: u32) -> Option<usize> {
        self.sequence_numbers.get(&number).copied()
    }

    /// The place of the sequence with this name.
    pub(super) fn sequence_place(&self, name: &Cell) -> Option<usize> {
        self.sequence_places.get(name).copied()
    }

    /// The watched table with this number.
    pub(super) fn watched(&self, id: TableId) -> Option<&Watched> {
        self.tables.get(id.0 as usize)
    }

    /// The watched tables whose rows cannot be written without a function of the application that looks up names.
    pub(super) fn searching(&self) -> impl Iterator<Item = &Watched> {
        self.searching.keys().filter_map(|oid| self.by_number(*oid))
    }

    /// Whether rows of the table with this number are written by way of a function that seems to name what is in several schemas.
    pub(super) fn is_ambiguous(&self, oid: u32) -> bool {
        self.searching
            .get(&oid)
            .is_some_and(|functions| !functions.is_empty())
    }

    /// The watched table that the server knows under this number.
    pub(super) fn by_number(&self, oid: u32) -> Option<&Watched> {
        self.watched(*self.by_number.get(&oid)?)
    }
}

/// A catalog that is being read.
struct Reader<'a> {
    connections: &'a Connections,
    names: Names<'a>,
    ignored: HashSet<u32>,
    columns: BTreeMap<u32, Vec<(i16, Column)>>,
    keys: HashMap<u32, Vec<(i16, String)>>,
    sequences: HashMap<u32, Kind>,
    catalog: Catalog,
    missing: Blockers,
}

impl Reader<'_> {
    fn note(&mut self, message: String, help: Option<String>) {
        let mut note = Warning::new(WarningCode::NotRestored, message);
        note.help = help;
        self.catalog.notes.push(note);
    }

    fn foreign(&mut self, table: &Listed, shown: &str) {
        self.note(
            format!(
                "the rows of the foreign table `{shown}` live in another database: they are not put back"
            ),
            None,
        );
        if table.rights.all() {
            self.catalog.foreign.push(Foreign {
                quoted: qualified(&table.schema, &table.name),
            });
        }
    }

    async fn large_objects(&mut self) -> Result<(), Error> {
        let row = self
            .connections
            .writer
            .query_one("SELECT EXISTS (SELECT FROM pg_largeobject_metadata)", &[])
            .await?;
        if row.get(0) {
            self.catalog.has_large_objects = true;
            self.note(
                "the database holds large objects: they are neither watched nor put back"
                    .to_owned(),
                Some(
                    "a service that writes to them cannot be explored exactly; `bytea` columns can"
                        .to_owned(),
                ),
            );
        }
        Ok(())
    }

    fn sequence(&mut self, table: &Listed, shown: String) {
        let Some(&kind) = self.sequences.get(&table.oid) else {
            return;
        };
        // The sequences of an ignored table are ignored as well.
        if kind
            .owner
            .is_some_and(|owner| self.ignored.contains(&owner))
            || !self.missing.check(self.connections, table)
        {
            return;
        }
        let quoted = qualified(&table.schema, &table.name);
        if kind.caches {
            self.note(
                format!(
                    "the sequence `{shown}` has a `CACHE`: a session of the service goes on with the numbers that it took in \
                     advance, or loses them at a restore, so ids differ from one visit of a state to the next"
                ),
                Some(format!(
                    "run `ALTER SEQUENCE {quoted} CACHE 1` in the database under test: then ids are the same at every visit"
                )),
            );
        }
        let place = self.catalog.sequences.len();
        self.catalog
            .sequence_places
            .insert(Cell::text(&shown), place);
        self.catalog.sequence_numbers.insert(table.oid, place);
        self.catalog.sequences.push(Sequence {
            oid: table.oid,
            quoted,
            name: shown,
            restarts: kind.caches && table.is_owned,
            is_unlogged: kind.is_unlogged,
        });
    }

    fn table(&mut self, table: &Listed, shown: String) {
        let columns = self.columns.remove(&table.oid).unwrap_or_default();
        if columns.iter().all(|(_, column)| column.is_generated) {
            self.note(
                format!("the table `{shown}` has no column that can be written: it is not watched"),
                None,
            );
            return;
        }
        if table.from_extension && !table.rights.all() && !self.connections.is_superuser {
            self.note(
                format!(
                    "the table `{shown}` belongs to an extension and the role `{}` may not watch it",
                    self.connections.role
                ),
                None,
            );
            return;
        }
        if !self.missing.check(self.connections, table) {
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

    fn finish(self) -> (Catalog, Blockers) {
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

    /// The text of what can be written of a row, as SQL over the row's alias.
    pub(super) fn whole(&self, alias: &str) -> String {
        let columns: Vec<String> = self
            .written()
            .map(|column| format!("{alias}.{column}"))
            .collect();
        format!("ROW({})::text", columns.join(", "))
    }
}
