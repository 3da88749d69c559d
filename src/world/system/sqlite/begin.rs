//! The beginning of a run: the copy of the content as it is, and the journal.

use std::collections::HashMap;
use std::sync::Arc;

use super::apply::{Scope, number};
use super::catalog::{self, Catalog};
use super::failure::failed;
use super::form::Form;
use super::lock::RunLock;
use super::recover::{self, Occasion, copy_failed};
use super::safety_copy::{CopyError, LARGEST, SafetyCopy};
use super::session::SqliteSession;
use super::{SqliteSystem, counters, ignored, image, journal, listing, verify};
use crate::world::config::SafetyCopy as Wish;
use crate::world::patterns;
use crate::world::{Warning, WarningCode, WorldError, WorldErrorKind};

impl SqliteSystem {
    /// Undoes what a killed run left, and says so. Then makes the copy, installs the journal and begins the session.
    pub(super) fn start(&mut self) -> Result<Option<String>, WorldError> {
        if self.session.is_some() {
            return Ok(None);
        }
        let lock = RunLock::acquire(&self.path)?;
        let recovered = recover::recover(&mut self.connection, &self.path, Occasion::NextRun)?
            .map(|recovered| recovered.describe(&self.path));
        self.refuse_our_names()?;
        let form = Form::read(&self.connection)
            .map_err(|error| failed(&self.path, "read its journal mode", &error))?;
        let copy = SafetyCopy::of(&self.place);
        let session = self.create(&copy).map_err(|error| match error {
            CopyError::Sql(error) => failed(&self.path, "install the journal", &error),
            error @ CopyError::File(_) => copy_failed(&copy, "keep a copy of the content", &error),
        });
        if session.is_err() {
            // A half-done beginning leaves nothing behind. Where even that fails, the next run finds it.
            let _ = recover::recover(&mut self.connection, &self.place, Occasion::End);
        }
        self.session = Some(session?);
        self.form = Some(form);
        self.lock = Some(lock);
        Ok(recovered)
    }

    /// Tables or triggers named as ours that no run has left.
    fn refuse_our_names(&self) -> Result<(), WorldError> {
        let names: Vec<String> = self
            .connection
            .prepare("SELECT name FROM sqlite_schema ORDER BY name")
            .and_then(|mut statement| {
                statement
                    .query_map([], |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()
            })
            .map_err(|error| failed(&self.path, "read the schema", &error))?;
        match names.iter().find(|name| listing::is_ours(name)) {
            None => Ok(()),
            Some(name) => Err(WorldError::new(
                WorldErrorKind::System,
                format!(
                    "`{}` holds `{name}`, a name that venomqa needs for its journal",
                    self.path.display()
                ),
            )
            .with_help("names that begin with `venomqa_` belong to venomqa: rename it")),
        }
    }

    fn create(&self, copy: &SafetyCopy) -> Result<SqliteSession, CopyError> {
        let connection = &self.connection;
        // From here on nobody else writes.
        let scope = Scope::writing(connection)?;
        let catalog = Catalog::read(connection, &self.config)?;
        let size =
            number(connection, "PRAGMA page_count")? * number(connection, "PRAGMA page_size")?;
        let is_copied = match self.config.safety_copy {
            _ if !catalog.unwatchable.is_empty() => true,
            Wish::Auto => size.unsigned_abs() <= LARGEST,
            Wish::Always => true,
            Wish::Never => false,
        };
        let whole = !catalog.unwatchable.is_empty();
        let run = journal::Run::new(connection, &self.place, &self.config, whole)?;
        if is_copied {
            copy.write(&self.place, &run.id)?;
        }
        let there = catalog::there(connection)?;
        let left_alone = ignored::count(connection, &self.config)?;
        let schema = journal::create(connection, &catalog, &self.config, &run)?;
        let mut counters = counters::CounterValues::default();
        counters.begin(counters::read(connection, &catalog.counters)?);
        let data_version = number(connection, "PRAGMA data_version")?;
        scope.commit()?;
        if is_copied {
            copy.arm()?;
        }
        let system: Arc<str> = self.config.name.as_str().into();
        let images = image::Images::begin(connection, &catalog, &system)?;
        let mut warnings = self.copies_whole(&catalog, images.as_ref());
        warnings.extend(patterns::unmatched(&self.config, &there));
        // Enough for every statement of the loop, the queries of the spec included.
        connection.set_prepared_statement_cache_capacity(catalog.tables.len() * 5 + 256);
        Ok(SqliteSession {
            config: self.config.clone(),
            entries: journal::entries(&catalog),
            touched: vec![false; catalog.tables.len()],
            catalog,
            schema,
            last_entry: 0,
            data_version,
            silent_changes: 0,
            initial: HashMap::new(),
            counters,
            snapshot: verify::Snapshot::default(),
            written: Vec::new(),
            warnings,
            images,
            left_alone,
            inspector: None,
        })
    }

    /// Says so where every state is a copy of the whole database.
    fn copies_whole(&self, catalog: &Catalog, images: Option<&image::Images>) -> Vec<Warning> {
        let Some(images) = images else {
            return Vec::new();
        };
        let why = |table: &catalog::Unwatchable| format!("`{}` ({})", table.name, table.reason);
        let tables: Vec<String> = catalog.unwatchable.iter().map(why).collect();
        vec![
            Warning::new(
                WarningCode::WholeCopies,
                format!(
                    "no journal can watch the table {} of system `{}`: every state is a copy of the whole database, {} KiB",
                    tables.join(", "),
                    self.config.name,
                    images.now.len() / 1024
                ),
            )
            .with_help("name the table under `ignore_tables` if it does not matter, or keep the database small"),
        ]
    }
}
