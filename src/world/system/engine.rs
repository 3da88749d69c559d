//! The kinds of databases: everything that the rest of venomqa must know of one before it is opened.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use async_trait::async_trait;

use super::{System, postgres, sqlite};
use crate::expr::Dialect;
use crate::secret::without_password;
use crate::world::WorldError;
use crate::world::config::{RunText, SystemConfig};

/// Every kind of database. A new one is one line here.
pub const ENGINES: [&dyn Engine; 2] = [&sqlite::Sqlite, &postgres::Postgres];

/// Opens the system that `config` declares, at its location made complete; see [`Engine::open`].
pub fn open(config: &SystemConfig, location: &str) -> Result<Box<dyn System>, WorldError> {
    config.location.engine.open(config, location)
}

/// A kind of database.
#[async_trait(?Send)]
pub trait Engine: Sync {
    /// Its key below `systems.NAME` in the spec.
    fn key(&self) -> &'static str;

    /// What the JSON schema says about that key.
    fn description(&self) -> &'static str;

    /// The schemes by which `systems.NAME.url` means this engine.
    fn schemes(&self) -> &'static [&'static str];

    /// How it reads SQL.
    fn dialect(&self) -> Dialect;

    /// What kind of text says where a database is.
    fn location_kind(&self) -> LocationKind;

    /// Such a text, for help texts.
    fn example(&self) -> &'static str;

    /// Opens the database at a location that is complete. Nothing is written yet. An error where it is not there, is not
    /// what the spec says, or is on another machine without `allow_remote`.
    fn open(&self, config: &SystemConfig, location: &str) -> Result<Box<dyn System>, WorldError>;

    /// Puts the database at a location back to its content before a run that was killed, and removes the journal. The
    /// text says what was done; `None` where no run has left a journal. An error where a run is still using it.
    async fn recover(
        &self,
        location: &str,
        allow_remote: bool,
    ) -> Result<Option<String>, WorldError>;
}

/// What kind of text says where a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocationKind {
    /// The path of a file, relative to the folder of the spec. Below `url`, the path follows the scheme.
    File,
    /// A URL, which may hold a password.
    Url,
}

/// Which kind of database a system is, and where it is. Shown without a password.
#[derive(Clone)]
pub struct Location {
    /// The kind.
    pub engine: &'static dyn Engine,
    /// The text of the spec.
    pub text: RunText,
}

impl Location {
    /// A location below the key of an engine.
    pub fn new(engine: &'static dyn Engine, text: impl Into<String>) -> Self {
        Self {
            engine,
            text: RunText(text.into()),
        }
    }

    /// The location that a value of `systems.NAME.url` means; `None` where its scheme belongs to no engine.
    pub fn of_url(url: &str) -> Option<Self> {
        let (scheme, path) = url.split_once(':')?;
        let engine = ENGINES
            .into_iter()
            .find(|engine| engine.schemes().contains(&scheme))?;
        Some(match engine.location_kind() {
            LocationKind::File => Self::new(engine, path),
            LocationKind::Url => Self::new(engine, url),
        })
    }

    /// The complete location: `name` fills in the names that are known only when a run starts, and a path starts at
    /// `base_dir`.
    pub fn resolve(&self, base_dir: &Path, name: &dyn Fn(&str) -> Option<String>) -> String {
        let text = self.text.resolve(name);
        match self.engine.location_kind() {
            // `./` in the middle of a path says nothing to a reader.
            LocationKind::File => base_dir
                .join(text)
                .components()
                .filter(|part| !matches!(part, Component::CurDir))
                .collect::<PathBuf>()
                .to_string_lossy()
                .into_owned(),
            LocationKind::Url => text,
        }
    }

    /// Whether the location is known only while a run lasts.
    pub fn is_of_the_run(&self) -> bool {
        self.text.0.contains("${")
    }
}

impl PartialEq for Location {
    fn eq(&self, other: &Self) -> bool {
        self.engine.key() == other.engine.key() && self.text == other.text
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple(self.engine.key())
            .field(&without_password(&self.text.0))
            .finish()
    }
}
