//! What a kind of database brings along to be held to the contract.

use crate::world::WorldError;
use crate::world::config::SystemConfig;
use crate::world::system::{Engine, Location, System};

/// A fresh database with two connections of a service to it.
pub(in crate::world::system) trait Fixture: Sized {
    /// The system under test.
    type System: System;

    /// A connection of the service.
    type Connection;

    /// The registered kind of database.
    const ENGINE: &'static dyn Engine;

    /// The module of its tests in each part of the contract.
    const KIND: &'static str;

    /// The column `id` of a table whose keys the database generates.
    const GENERATED_KEY: &'static str;

    /// A schema, and steps that write every kind of value that the database knows.
    const VALUES: Jumps;

    /// A schema with everything that the database has, and what a service may do with it.
    const JUMPS: Jumps;

    /// Begins a transaction that holds a lock which a restore of the table `items` needs.
    const LOCK: &'static str;

    /// A new database with a schema.
    async fn new(schema: &str) -> Self;

    /// A new connection to the database at a location.
    async fn connect(location: &str) -> Self::Connection;

    /// Where it is, as a spec says it.
    fn location(&self) -> String;

    /// Opens the system.
    fn open(config: &SystemConfig, location: &str) -> Result<Self::System, WorldError>;

    /// Executes statements. Where the database refuses one, no transaction is left open.
    async fn execute_on(connection: &Self::Connection, statements: &str) -> Result<(), String>;

    /// A connection of the service.
    fn connection(&self, client: Client) -> &Self::Connection;

    /// A client of the service executes statements.
    async fn execute(&self, client: Client, statements: &str) -> Result<(), String> {
        Self::execute_on(self.connection(client), statements).await
    }

    /// Executes statements that no journal sees.
    async fn bypass(&self, statements: &str);

    /// Statements that make a trigger which executes a statement after an event (`INSERT`, `UPDATE`, `DELETE`) for each row.
    fn trigger(name: &str, event: &str, table: &str, statement: &str) -> String;

    /// Everything that the tables hold, as a client sees it, in a form of the fixture's own making.
    async fn dump(&self, client: Client) -> String;

    /// Everything in the catalogue, with its definition: whatever venomqa may have left there shows.
    async fn catalogue(&self) -> String;

    /// The files around the database but for its own; none where there are no files.
    fn files(&self) -> Vec<String> {
        Vec::new()
    }

    /// The database's own check of its structures.
    async fn assert_sound(&self) {}

    /// Waits until nothing is under way any more for a process that was killed.
    async fn wait_for_the_dead(&self) {}

    /// The configuration of a system on this database.
    fn config(&self) -> SystemConfig {
        config::<Self>(&self.location())
    }
}

/// The configuration of a system on the database at a location.
pub(super) fn config<F: Fixture>(location: &str) -> SystemConfig {
    SystemConfig::new("db", Location::new(F::ENGINE, location))
}

/// Which connection of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::world::system) enum Client {
    /// Enforces foreign keys.
    First,
    /// Has the settings that change what triggers see, where the database knows such settings.
    Second,
}

/// A schema, and steps over it.
#[derive(Clone, Copy, Debug)]
pub(in crate::world::system) struct Jumps {
    /// The schema, with some rows.
    pub(in crate::world::system) schema: &'static str,
    /// Statements of a service. `{n}` and `{m}` stand for small random numbers.
    pub(in crate::world::system) steps: &'static [&'static str],
    /// Further placeholders, and what each may stand for.
    pub(in crate::world::system) words: &'static [(&'static str, &'static [&'static str])],
}
