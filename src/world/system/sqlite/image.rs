//! The fallback for tables that no journal can watch: copies of the whole database, through SQLite's backup.
//!
//! Tables end up here that belong to a full-text index or to a virtual table module which is not built into SQLite, that
//! hide every name of the row number, or that need a function or collation which only the application has. Then every
//! state carries an image of the database, and the cost of a restore grows with the size of the database. Where the table does
//! not matter, `ignore_tables` avoids this cost. The rows of all other tables are journalled as always; a table here is
//! identified by a hash of its content.
//!
//! An image holds the journal as well, so that going back to a state also goes back to the pre-images known there. The
//! content before the run is the [safety copy](super::safety_copy). An image contains ignored tables, too; restoring an image
//! leaves them as they are in the database at that moment.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::apply::cells;
use super::catalog::Catalog;
use super::failure::LOCK_WAIT;
use super::safety_copy::copy_all;
use super::sql::quoted;
use super::{ignored, spared};
use crate::model::{
    Cell, Digest, NetDelta, Row, RowChange, RowKey, Table, TableId, TableKind, row_key,
};
use crate::world::config::SystemConfig;

/// The images of a session in which a state is a copy of the whole database.
#[derive(Debug)]
pub(super) struct Images {
    tables: Vec<Opaque>,
    /// The image of the initial state.
    pub(super) initial: Arc<[u8]>,
    /// The image at the last read or restore.
    pub(super) now: Arc<[u8]>,
}

/// A table that is identified by a hash of its content.
#[derive(Debug)]
struct Opaque {
    table: Arc<Table>,
    /// Query for the content to hash.
    queries: Vec<String>,
    initial: Row,
    now: Row,
}

impl Images {
    /// `None` where the journal can watch every table.
    pub(super) fn begin(
        connection: &Connection,
        catalog: &Catalog,
        system: &Arc<str>,
    ) -> rusqlite::Result<Option<Self>> {
        if catalog.unwatchable.is_empty() {
            return Ok(None);
        }
        let mut tables = Vec::new();
        for (position, unwatchable) in catalog.unwatchable.iter().enumerate() {
            // A virtual table that has no tables of its own may keep its content in any other.
            let all = catalog.tables.iter().map(|watched| &watched.table.name);
            let sources: Vec<&String> = match unwatchable.content.as_slice() {
                [] => all.collect(),
                sources => sources.iter().collect(),
            };
            let queries: Vec<String> = sources
                .into_iter()
                .map(|table| format!("SELECT * FROM {}", quoted(table)))
                .collect();
            let content = content(connection, &queries)?;
            tables.push(Opaque {
                table: Arc::new(Table {
                    id: TableId((catalog.tables.len() + 1 + position) as u32),
                    system: system.clone(),
                    name: unwatchable.name.clone(),
                    columns: vec!["content".to_owned()],
                    kind: TableKind::Rows,
                    observed: unwatchable.observed,
                    ignored_columns: vec![false],
                }),
                queries,
                initial: content.clone(),
                now: content,
            });
        }
        let image = take(connection)?;
        Ok(Some(Self {
            tables,
            initial: image.clone(),
            now: image,
        }))
    }

    /// Marks the present content as that of the initial state.
    pub(super) fn mark_initial(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for opaque in &mut self.tables {
            opaque.initial = content(connection, &opaque.queries)?;
            opaque.now = opaque.initial.clone();
        }
        self.initial = take(connection)?;
        self.now = self.initial.clone();
        Ok(())
    }

    /// Returns the tables that changed. Takes an image of the present content, unless nothing has changed; `is_quiet` says that
    /// the journalled tables and the counters have not changed.
    pub(super) fn look(
        &mut self,
        connection: &Connection,
        is_quiet: bool,
        changes: &mut Vec<RowChange>,
    ) -> rusqlite::Result<()> {
        let mut is_quiet = is_quiet;
        for opaque in &mut self.tables {
            let now = content(connection, &opaque.queries)?;
            if now != opaque.now {
                is_quiet = false;
                changes.push(RowChange {
                    table: opaque.table.clone(),
                    key: whole(),
                    before: Some(std::mem::replace(&mut opaque.now, now.clone())),
                    after: Some(now),
                });
            }
        }
        if !is_quiet {
            self.now = take(connection)?;
        }
        Ok(())
    }

    /// Notes that the database now holds this image, which belongs to a state with this net delta.
    pub(super) fn moved_to(&mut self, image: Arc<[u8]>, delta: &NetDelta) {
        self.now = image;
        for opaque in &mut self.tables {
            opaque.now = opaque.at(delta);
        }
    }

    /// The tables whose content differs from a state.
    pub(super) fn compare(
        &self,
        connection: &Connection,
        delta: &NetDelta,
    ) -> rusqlite::Result<Vec<String>> {
        let mut differences = Vec::new();
        for opaque in &self.tables {
            if content(connection, &opaque.queries)? != opaque.at(delta) {
                differences.push(format!(
                    "table `{}`: its content differs",
                    opaque.table.name
                ));
            }
        }
        Ok(differences)
    }
}

impl Opaque {
    fn at(&self, delta: &NetDelta) -> Row {
        delta
            .current(self.table.id, &whole())
            .and_then(Clone::clone)
            .unwrap_or_else(|| self.initial.clone())
    }
}

/// The key of the one row that stands for a whole table.
fn whole() -> RowKey {
    row_key([])
}

/// A hash of all rows, whatever their order.
fn content(connection: &Connection, queries: &[String]) -> rusqlite::Result<Row> {
    let mut sum = 0_u128;
    for (position, query) in queries.iter().enumerate() {
        let mut statement = connection.prepare_cached(query)?;
        let width = statement.column_count();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&(position as u64).to_le_bytes());
            for cell in &*cells(row, 0, width)? {
                cell.hash_into(&mut hasher);
            }
            sum = sum.wrapping_add(Digest::from_hash(&hasher.finalize()).0);
        }
    }
    Ok([Cell::Blob(sum.to_le_bytes().as_slice().into())].into())
}

/// An image of the database as this connection sees it.
fn take(connection: &Connection) -> rusqlite::Result<Arc<[u8]>> {
    // By way of memory: a copy is free of the write-ahead log, and `serialize` asks for a connection of one's own.
    let mut copy = Connection::open_in_memory()?;
    copy_all(connection, &mut copy)?;
    let mut image: Arc<[u8]> = (*copy.serialize("main")?).into();
    // Where the header asks for a write-ahead log, SQLite would look for one beside the memory.
    if let Some(versions) = Arc::get_mut(&mut image).and_then(|image| image.get_mut(18..20)) {
        versions.fill(1);
    }
    Ok(image)
}

/// Restores the content of a database from an image, except for the ignored tables.
pub(super) fn put(
    connection: &mut Connection,
    image: &[u8],
    database: &Path,
    config: &SystemConfig,
) -> rusqlite::Result<()> {
    let ignored = ignored::tables(connection, config)?;
    let mut copy = Connection::open_in_memory()?;
    copy.deserialize_read_exact("main", image, image.len(), false)?;
    copy.busy_timeout(LOCK_WAIT)?;
    spared::carry_over(&copy, database, config, &ignored)?;
    copy_all(&copy, connection)
}
