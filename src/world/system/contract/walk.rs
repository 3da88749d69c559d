//! A system on a real database, going from state to state as the engine does.

use std::ops::{Deref, DerefMut};

use super::fixture::{Client, Fixture};
use crate::model::{Cell, Row, SqlQuery};
use crate::world::WorldError;
use crate::world::config::SystemConfig;
use crate::world::system::{Reading, System, SystemState};

/// A database, the system on it, and the state in which the system believes it to be.
pub(in crate::world::system) struct Walk<F: Fixture> {
    pub(in crate::world::system) fixture: F,
    pub(in crate::world::system) system: F::System,
    pub(in crate::world::system) state: SystemState,
    /// The content before the run.
    pub(in crate::world::system) before: String,
    /// The catalogue before the run.
    pub(super) catalogue: String,
}

impl<F: Fixture> Walk<F> {
    /// On a fresh database with a schema.
    pub(in crate::world::system) async fn new(schema: &str) -> Self {
        Self::configured(schema, |_| {}).await
    }

    /// [`Walk::new`] with changes to the configuration.
    pub(in crate::world::system) async fn configured(
        schema: &str,
        change: impl FnOnce(&mut SystemConfig),
    ) -> Self {
        Self::on(F::new(schema).await, change).await
    }

    /// On a database that is there already.
    pub(in crate::world::system) async fn on(
        fixture: F,
        change: impl FnOnce(&mut SystemConfig),
    ) -> Self {
        let mut config = fixture.config();
        change(&mut config);
        let mut walk = Self {
            before: fixture.dump(Client::First).await,
            catalogue: fixture.catalogue().await,
            system: F::open(&config, &fixture.location()).unwrap(),
            state: SystemState::default(),
            fixture,
        };
        assert_eq!(walk.system.install().await.unwrap(), None);
        walk.system.mark_initial().await.unwrap();
        let reading = walk.read().await;
        assert!(reading.delta.is_empty(), "{:?}", reading.delta);
        walk
    }

    /// The service executes statements.
    pub(in crate::world::system) async fn sql(&self, statements: &str) {
        self.fixture
            .execute(Client::First, statements)
            .await
            .unwrap_or_else(|error| panic!("{statements}: {error}"));
    }

    /// The service tries to execute statements, which the database refuses.
    pub(in crate::world::system) async fn refused(&self, statements: &str) {
        let done = self.fixture.execute(Client::First, statements).await;
        assert!(done.is_err(), "{statements}");
    }

    /// What the last statements did; the state moves on.
    pub(in crate::world::system) async fn read(&mut self) -> Reading {
        self.try_read().await.unwrap()
    }

    pub(in crate::world::system) async fn try_read(&mut self) -> Result<Reading, WorldError> {
        let reading = self.system.read(&self.state).await?;
        self.state.delta = self.state.delta.after(&reading.delta);
        self.state.image.clone_from(&reading.image);
        Ok(reading)
    }

    /// A step: the service executes statements, and what changed is read.
    pub(in crate::world::system) async fn step(&mut self, statements: &str) -> Reading {
        self.sql(statements).await;
        self.read().await
    }

    /// Back to a state, which is verified.
    pub(in crate::world::system) async fn restore(&mut self, to: &SystemState) {
        self.try_restore(to).await.unwrap();
        self.system.verify(to).await.unwrap();
    }

    pub(in crate::world::system) async fn try_restore(
        &mut self,
        to: &SystemState,
    ) -> Result<(), WorldError> {
        self.system.restore(&self.state, to).await?;
        self.state = to.clone();
        Ok(())
    }

    /// The content as the service sees it.
    pub(in crate::world::system) async fn dump(&self) -> String {
        self.fixture.dump(Client::First).await
    }

    /// Walks over these steps, then jumps between all the states seen; each must hold what it held.
    pub(in crate::world::system) async fn jump_about(&mut self, steps: &[&str]) {
        let mut states = vec![(self.state.clone(), self.dump().await)];
        for step in steps {
            self.step(step).await;
            states.push((self.state.clone(), self.dump().await));
        }
        for gap in 1..=states.len() {
            for from in 0..states.len() {
                let number = (from + gap) % states.len();
                let (state, content) = &states[number];
                self.restore(&state.clone()).await;
                assert_eq!(self.dump().await, *content, "state {number}");
                let stray = self.read().await.delta;
                assert!(stray.is_empty(), "a restore is no change: {stray:?}");
            }
        }
    }

    /// The process of the run is gone without a word; another run could start, and has not.
    pub(in crate::world::system) fn kill(&mut self) {
        let location = self.fixture.location();
        self.system = F::open(&self.fixture.config(), &location).unwrap();
        self.state = SystemState::default();
    }

    /// What `venomqa restore` does.
    pub(in crate::world::system) async fn recover(&self) -> Result<Option<String>, WorldError> {
        F::ENGINE.recover(&self.fixture.location(), false).await
    }

    /// The end of a run: the content before it is back, and nothing of venomqa is left.
    pub(in crate::world::system) async fn finish(mut self) {
        self.system.uninstall().await.unwrap();
        self.assert_no_trace().await;
    }

    /// The database is as it was before the run.
    pub(in crate::world::system) async fn assert_no_trace(&self) {
        assert_eq!(self.dump().await, self.before);
        assert_eq!(self.fixture.catalogue().await, self.catalogue);
        assert_eq!(self.fixture.files(), Vec::<String>::new());
        self.fixture.assert_sound().await;
        assert_eq!(self.recover().await.unwrap(), None);
    }
}

// The tests of one kind of database reach for what only its fixture has.
impl<F: Fixture> Deref for Walk<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.fixture
    }
}

impl<F: Fixture> DerefMut for Walk<F> {
    fn deref_mut(&mut self) -> &mut F {
        &mut self.fixture
    }
}

/// The rows of a reading, generated keys' counters left out: table, row before, row after.
pub(in crate::world::system) fn rows(reading: &Reading) -> Vec<String> {
    let shown = |row: &Option<Row>| match row {
        None => "-".to_owned(),
        Some(row) => row
            .iter()
            .map(Cell::to_string)
            .collect::<Vec<_>>()
            .join("|"),
    };
    let changes = reading.delta.rows().map(|change| {
        let (before, after) = (shown(&change.before), shown(&change.after));
        format!("{}: {before} -> {after}", change.table.name)
    });
    changes.collect()
}

/// A query of the spec, for a kind of database, with parameters of these names.
pub(in crate::world::system) fn query<F: Fixture>(text: &str, names: &[&str]) -> SqlQuery {
    SqlQuery::for_tests(F::ENGINE.dialect(), text, names)
}
