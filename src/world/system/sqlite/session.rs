//! The session of one run on one database: what the journal has reported so far, and the ways from state to state.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::Connection;

use super::apply::{self, Scope, Write, fetch, number};
use super::catalog::{Catalog, Watched};
use super::failure::failed;
use super::query::Inspector;
use super::schema::{Difference, Schema};
use super::{counters, image, journal, verify};
use crate::model::{NetDelta, Row, RowChange, RowKey, TableId};
use crate::world::config::SystemConfig;
use crate::world::system::SystemState;
use crate::world::system::left_alone::LeftAlone;
use crate::world::{Warning, WorldError};

/// Entries after which the journal is emptied when a restore writes anyway. Every entry holds a row.
const PRUNE_WITH_RESTORE: i64 = 256;

/// Rows of the initial state.
type Initial = HashMap<TableId, HashMap<RowKey, Option<Row>>>;

/// What is known while the journal is installed.
pub(super) struct SqliteSession {
    pub(super) config: SystemConfig,
    pub(super) catalog: Catalog,
    pub(super) schema: Schema,
    /// Reads the new entries of the journal.
    pub(super) entries: String,
    /// The last entry that was read.
    pub(super) last_entry: i64,
    /// `PRAGMA data_version` at the last read or restore.
    pub(super) data_version: i64,
    /// How often the file had changed without an entry in the journal.
    pub(super) silent_changes: u64,
    /// Rows of the initial state, of keys touched during setup or since: `None` where there was none. Rows of other keys
    /// are as they were before the run.
    pub(super) initial: Initial,
    pub(super) counters: counters::CounterValues,
    pub(super) snapshot: verify::Snapshot,
    /// Which tables the run has written to.
    pub(super) touched: Vec<bool>,
    /// What the last restore wrote.
    pub(super) written: Vec<(TableId, RowKey)>,
    /// Said at the next read.
    pub(super) warnings: Vec<Warning>,
    /// Where a table cannot be journalled.
    pub(super) images: Option<image::Images>,
    /// Rows of ignored tables before the run.
    pub(super) left_alone: LeftAlone,
    pub(super) inspector: Option<Inspector>,
}

/// What a look at the journal found.
pub(super) enum Look {
    /// Nobody has written since the last read or restore.
    Unchanged,
    /// Rows changed, perhaps.
    Changes(Vec<RowChange>),
    /// The schema is no longer the one that is journalled.
    OtherSchema(Vec<String>),
    /// The journal is gone.
    NoJournal,
    /// Rows changed, and the journal has no entry of it.
    PastTheJournal(Vec<String>),
}

impl SqliteSession {
    /// Reads the journal and looks the rows up, in one transaction. `known` is the state that the content was in.
    pub(super) fn look(
        &mut self,
        connection: &Connection,
        known: &NetDelta,
    ) -> rusqlite::Result<Look> {
        // Most readings find that nothing changed. This statement is a transaction of its own.
        if number(connection, "PRAGMA data_version")? == self.data_version {
            return Ok(Look::Unchanged);
        }
        let scope = Scope::reading(connection)?;
        let version = number(connection, "PRAGMA data_version")?;
        if number(connection, "PRAGMA schema_version")? != self.schema.version {
            let now = Schema::read(connection, &self.config)?;
            if !now.has_journal() {
                return Ok(Look::NoJournal);
            }
            let differences = self.schema.differences(&now);
            if !differences.is_empty() {
                let differences = differences.iter().map(Difference::describe).collect();
                return Ok(Look::OtherSchema(differences));
            }
            // Statistics were gathered, or the file was vacuumed: both leave every row where it was.
            if !journal::rows_are_where_they_were(connection)? {
                return Ok(Look::PastTheJournal(vec![
                    "the rows of tables without an `INTEGER PRIMARY KEY` were numbered anew"
                        .to_owned(),
                ]));
            }
            self.schema = now;
        }
        let (last, keys) = self.learn_keys(connection)?;
        let mut changes = Vec::with_capacity(keys.len());
        for (id, key) in keys {
            let Some(watched) = self.catalog.tables.get(id.0 as usize) else {
                continue;
            };
            let after = fetch(connection, watched, &key)?;
            let before = match known.current(id, &key) {
                Some(row) => row.clone(),
                None => initial_row(&self.initial, id, &key).cloned(),
            };
            self.touched[id.0 as usize] = true;
            changes.push(RowChange {
                table: watched.table.clone(),
                key,
                before,
                after,
            });
        }
        let counters = counters::read(connection, &self.catalog.counters)?;
        let is_quiet = changes.is_empty() && counters == self.counters.now;
        self.counters
            .moved_to(&self.catalog.counters, counters, &mut changes);
        if let Some(images) = &mut self.images {
            images.look(connection, is_quiet, &mut changes)?;
        }
        if changes.is_empty() {
            // Somebody wrote, and no trigger recorded it: to an ignored table, or a pragma, or past the journal. Every
            // table is compared to find out, and less and less often, since it costs a look at each row.
            self.silent_changes += 1;
            if self.silent_changes.is_power_of_two() {
                let every = vec![true; self.touched.len()];
                let differences = self.differences(connection, known, &every)?;
                if !differences.is_empty() {
                    return Ok(Look::PastTheJournal(differences));
                }
            }
        }
        scope.commit()?;
        self.last_entry = last;
        self.data_version = version;
        Ok(Look::Changes(changes))
    }

    /// Reads what the journal has got since the last time: the number of the last entry, and each key once.
    fn new_keys(&self, connection: &Connection) -> rusqlite::Result<(i64, Vec<(TableId, RowKey)>)> {
        let nothing_to_learn = |_: &Watched, _: &RowKey, _: &rusqlite::Row<'_>| Ok(());
        new_keys(
            connection,
            &self.entries,
            &self.catalog,
            self.last_entry,
            nothing_to_learn,
        )
    }

    /// [`SqliteSession::new_keys`]; the first entry of a key since the initial state also tells what its row was there.
    fn learn_keys(
        &mut self,
        connection: &Connection,
    ) -> rusqlite::Result<(i64, Vec<(TableId, RowKey)>)> {
        let initial = &mut self.initial;
        let existed = 2 + journal::key_width(&self.catalog);
        let learn = |watched: &Watched, key: &RowKey, entry: &rusqlite::Row<'_>| {
            let rows = initial.entry(watched.table.id).or_default();
            if !rows.contains_key(key) {
                let row = if entry.get(existed)? {
                    let width = watched.table.columns.len();
                    Some(apply::cells(entry, existed + 1, width)?)
                } else {
                    None
                };
                rows.insert(key.clone(), row);
            }
            Ok(())
        };
        new_keys(
            connection,
            &self.entries,
            &self.catalog,
            self.last_entry,
            learn,
        )
    }

    /// The content as it is now is that of the initial state.
    pub(super) fn mark_initial(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let scope = Scope::reading(connection)?;
        self.initial.clear();
        for watched in &self.catalog.tables {
            let keys = journal::keys_before(connection, watched)?;
            self.touched[watched.table.id.0 as usize] = !keys.is_empty();
            let mut rows = HashMap::with_capacity(keys.len());
            for key in keys {
                // The row may be there under a key that is equal but not the same, and unknown to the journal.
                if let Some(row) = apply::fetch_equal(connection, watched, &key)? {
                    rows.insert(watched.key.of(&key, &row), Some(row));
                }
                rows.entry(key).or_insert(None);
            }
            self.initial.insert(watched.table.id, rows);
        }
        self.counters
            .begin(counters::read(connection, &self.catalog.counters)?);
        self.last_entry = self.new_keys(connection)?.0;
        self.data_version = number(connection, "PRAGMA data_version")?;
        self.snapshot = verify::Snapshot::take(connection, &self.catalog)?;
        self.written.clear();
        if let Some(images) = &mut self.images {
            images.mark_initial(connection)?;
        }
        scope.commit()
    }

    /// Writes the rows in which two states differ, and what somebody wrote in between, in one transaction.
    pub(super) fn restore(
        &mut self,
        connection: &Connection,
        from: &NetDelta,
        to: &NetDelta,
    ) -> rusqlite::Result<()> {
        let way = from.way_to(to);
        let scope = Scope::writing(connection)?;
        let version = number(connection, "PRAGMA data_version")?;
        let mut last = self.last_entry;
        let mut strays = Vec::new();
        if version != self.data_version {
            let keys;
            (last, keys) = self.learn_keys(connection)?;
            strays = self.strays(connection, keys, from, to)?;
        }
        let mut writes = Vec::with_capacity(way.changes().len() + strays.len());
        for change in way.changes() {
            // Counters are written last, all together.
            let Some(watched) = self.catalog.tables.get(change.table.id.0 as usize) else {
                continue;
            };
            writes.push(Write {
                watched,
                key: &change.key,
                // A row that somebody wrote in between may be there although `from` does not know it.
                remove: change.before.is_some() || !strays.is_empty(),
                insert: change.after.as_ref(),
            });
        }
        for (id, key, row) in &strays {
            let Some(watched) = self.catalog.tables.get(id.0 as usize) else {
                continue;
            };
            if !way
                .changes()
                .iter()
                .any(|change| change.table.id == *id && change.key == *key)
            {
                writes.push(Write {
                    watched,
                    key,
                    remove: true,
                    insert: row.as_ref(),
                });
            }
        }
        apply::write(connection, &writes)?;
        self.written.clear();
        self.written.extend(
            writes
                .iter()
                .map(|write| (write.watched.table.id, write.key.clone())),
        );
        let counters = self.counters.at(&self.catalog.counters, to);
        counters::write(connection, &self.catalog.counters, &counters)?;
        let prune = last >= PRUNE_WITH_RESTORE;
        if prune {
            journal::empty(connection, self.touched_tables())?;
        }
        scope.commit()?;
        // Only what is committed counts as seen.
        self.last_entry = if prune { 0 } else { last };
        self.data_version = version;
        self.counters.now = counters;
        Ok(())
    }

    /// [`SqliteSession::restore`] where a state is a copy of the whole database. The copy holds the journal of its time.
    pub(super) fn put_image(
        &mut self,
        connection: &mut Connection,
        path: &Path,
        to: &SystemState,
    ) -> rusqlite::Result<()> {
        let Some(images) = &mut self.images else {
            return Ok(());
        };
        let image = to.image.clone().unwrap_or_else(|| images.initial.clone());
        image::put(connection, &image, path, &self.config)?;
        images.moved_to(image, &to.delta);
        self.counters.now = self.counters.at(&self.catalog.counters, &to.delta);
        self.written.clear();
        let scope = Scope::reading(connection)?;
        self.last_entry = number(connection, journal::LAST)?;
        self.data_version = number(connection, "PRAGMA data_version")?;
        self.schema.version = number(connection, "PRAGMA schema_version")?;
        scope.commit()
    }

    /// Rows that somebody wrote since the last read, with what they have to be in `to`. They are put back like the
    /// others, and reported.
    fn strays(
        &mut self,
        connection: &Connection,
        keys: Vec<(TableId, RowKey)>,
        from: &NetDelta,
        to: &NetDelta,
    ) -> rusqlite::Result<Vec<(TableId, RowKey, Option<Row>)>> {
        let mut strays = Vec::new();
        for (id, key) in keys {
            let Some(watched) = self.catalog.tables.get(id.0 as usize) else {
                continue;
            };
            self.touched[id.0 as usize] = true;
            let initial = initial_row(&self.initial, id, &key).cloned();
            let expected = from.current(id, &key).unwrap_or(&initial);
            if fetch(connection, watched, &key)? != *expected {
                let table = &watched.table;
                self.warnings
                    .push(Warning::background_rows(&table.system, &table.name));
            }
            let row = to.current(id, &key).cloned().unwrap_or(initial);
            strays.push((id, key, row));
        }
        Ok(strays)
    }

    /// How the content differs from that of a state; see [`verify`].
    pub(super) fn verify(
        &self,
        connection: &Connection,
        delta: &NetDelta,
    ) -> rusqlite::Result<Vec<String>> {
        let scope = Scope::reading(connection)?;
        // Where somebody has written since the restore the next read will find it, and say so. Those tables prove
        // nothing until then.
        let unread = self.new_keys(connection)?.1;
        let mut tables = self.touched.clone();
        for (id, _) in &unread {
            if let Some(table) = tables.get_mut(id.0 as usize) {
                *table = false;
            }
        }
        let mut differences = self.differences(connection, delta, &tables)?;
        let counters = &self.catalog.counters;
        if unread.is_empty()
            && counters::read(connection, counters)? != self.counters.at(counters, delta)
        {
            differences.push(
                "the counters in `sqlite_sequence`, `user_version` or `application_id` differ"
                    .to_owned(),
            );
        }
        if let Some(images) = &self.images {
            differences.extend(images.compare(connection, delta)?);
        }
        scope.commit()?;
        Ok(differences)
    }

    /// How these tables differ from what a state says they hold. To be called within a transaction.
    fn differences(
        &self,
        connection: &Connection,
        delta: &NetDelta,
        tables: &[bool],
    ) -> rusqlite::Result<Vec<String>> {
        let initial = |id: TableId, key: &RowKey| initial_row(&self.initial, id, key);
        self.snapshot.compare(
            connection,
            &self.catalog,
            tables,
            &self.written,
            delta,
            &initial,
        )
    }

    /// The connection that checks queries, opened when the first one comes.
    pub(super) fn inspector(
        &mut self,
        path: &Path,
    ) -> Result<(&mut Inspector, &Catalog), WorldError> {
        let inspector = match self.inspector.take() {
            Some(inspector) => inspector,
            None => Inspector::open(path)
                .map_err(|error| failed(path, "open it for queries", &error))?,
        };
        Ok((self.inspector.insert(inspector), &self.catalog))
    }

    /// Empties a journal that has grown long without a restore.
    pub(super) fn prune(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let scope = Scope::writing(connection)?;
        // Somebody may have written since the read: those entries are still needed.
        if self.new_keys(connection)?.0 != self.last_entry {
            return Ok(());
        }
        journal::empty(connection, self.touched_tables())?;
        scope.commit()?;
        self.last_entry = 0;
        Ok(())
    }

    /// The tables that entries which have been read may belong to.
    fn touched_tables(&self) -> impl Iterator<Item = &Watched> {
        let touched = self.catalog.tables.iter().zip(&self.touched);
        touched.filter_map(|(watched, touched)| touched.then_some(watched))
    }
}

/// Reads the entries after a number: the number of the last one, and each key once. Every entry is handed to `see`.
fn new_keys(
    connection: &Connection,
    entries: &str,
    catalog: &Catalog,
    after: i64,
    mut see: impl FnMut(&Watched, &RowKey, &rusqlite::Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<(i64, Vec<(TableId, RowKey)>)> {
    let mut statement = connection.prepare_cached(entries)?;
    statement.raw_bind_parameter(1, after)?;
    let mut rows = statement.raw_query();
    let mut last = after;
    let mut keys = Vec::new();
    while let Some(entry) = rows.next()? {
        last = entry.get(0)?;
        let id = TableId(entry.get(1)?);
        let Some(watched) = catalog.watched(id) else {
            continue;
        };
        let key = apply::cells(entry, 2, watched.key.width())?;
        see(watched, &key, entry)?;
        keys.push((id, key));
    }
    keys.sort_unstable();
    keys.dedup();
    Ok((last, keys))
}

/// The row under a key that was touched, in the initial state; `None` where there was none.
fn initial_row<'a>(initial: &'a Initial, id: TableId, key: &RowKey) -> Option<&'a Row> {
    initial.get(&id)?.get(key)?.as_ref()
}
