//! All systems of a world together: what changed in them, what they hold, and putting it back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::SystemConfig;
use super::observations::Observations;
use super::system::{Location, QueryRows, System, SystemState};
use super::warning::Warnings;
use super::{Warning, WarningCode, WorldError, WorldErrorKind, WorldTime};
use crate::identity::TableShape;
use crate::interrupt::Interrupt;
use crate::model::{Context, Digest, RowDelta, SqlQuery, Table};

/// How often rows that keep changing are put back before the run gives up.
const ATTEMPTS: u32 = 20;

/// Time between a look and a request in which no other look is needed.
const MOMENT: Duration = Duration::from_millis(1);

/// The systems, in the order of the spec.
#[derive(Default)]
pub(super) struct Databases {
    systems: Vec<Box<dyn System>>,
    /// Name and location of each.
    addresses: Vec<(String, String)>,
    observations: Observations,
    installed: usize,
    before_setup: Arc<[SystemState]>,
    warnings: Warnings,
    spent: WorldTime,
    /// When the systems were restored and seen to be at rest, with no request since.
    at_rest: Option<Instant>,
}

/// What changed since the world was last looked at.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// The rows, all systems together.
    pub(super) rows: RowDelta,
    /// The content now; `None` when it is what it was.
    pub(super) content: Option<Arc<[SystemState]>>,
}

/// Opens a system at a location.
pub(super) type Open<'a> = &'a dyn Fn(&SystemConfig, &str) -> Result<Box<dyn System>, WorldError>;

impl Databases {
    /// Opens every system, each at its location. Nothing is written yet.
    pub(super) fn open(
        configs: &[SystemConfig],
        locate: impl Fn(&Location) -> String,
        open: Open<'_>,
        interrupt: &Interrupt,
    ) -> Result<Self, WorldError> {
        let mut databases = Self {
            observations: Observations::new(configs),
            ..Self::default()
        };
        for config in configs {
            let location = locate(&config.location);
            let mut system = open(config, &location)?;
            system.end_with(interrupt);
            databases.systems.push(system);
            databases.addresses.push((config.name.clone(), location));
        }
        Ok(databases)
    }

    /// Name and location of each. A location may hold a password.
    pub(super) fn addresses(&self) -> &[(String, String)] {
        &self.addresses
    }

    /// Installs the journals. What a killed run had left behind is put back first; a warning says so.
    pub(super) async fn install(&mut self) -> Result<(), WorldError> {
        for system in &mut self.systems {
            // Counted before the attempt: a journal that is installed by half has to be removed as well.
            self.installed += 1;
            if let Some(text) = system.install().await? {
                self.warnings
                    .add(Warning::new(WarningCode::Recovered, text));
            }
        }
        Ok(())
    }

    /// The content before `setup`, relative to that when the journals were installed. To be handed to
    /// [`Databases::mark_initial`].
    pub(super) async fn look_before_setup(&mut self) -> Result<Vec<SystemState>, WorldError> {
        let mut content = Vec::with_capacity(self.systems.len());
        for system in &mut self.systems {
            content.push(first_state(system, &mut self.warnings).await?);
        }
        Ok(content)
    }

    /// Makes the content as it is now the initial state, and prepares the observation queries. Returns the content of the
    /// initial state.
    pub(super) async fn mark_initial(
        &mut self,
        before_setup: Vec<SystemState>,
    ) -> Result<Arc<[SystemState]>, WorldError> {
        let mut content = Vec::with_capacity(self.systems.len());
        let mut origin = Vec::with_capacity(self.systems.len());
        for (system, before) in self.systems.iter_mut().zip(before_setup) {
            // The inverse of what `setup` changed leads from the initial state to the content before `setup`.
            let reading = system.read(&before).await?;
            self.warnings.extend(reading.warnings);
            let way_back = reading.delta.inverse();
            origin.push(SystemState {
                delta: SystemState::default().delta.after(&way_back),
                image: before.image,
            });
            system.mark_initial().await?;
            content.push(first_state(system, &mut self.warnings).await?);
        }
        self.observations.prepare(&mut self.systems).await?;
        self.before_setup = origin.into();
        Ok(content.into())
    }

    /// What the schemas say of keys and references, once the initial state is marked.
    pub(super) async fn shapes(&mut self) -> Result<Vec<TableShape>, WorldError> {
        let mut shapes = Vec::new();
        for system in &mut self.systems {
            shapes.extend(system.shapes().await?);
        }
        Ok(shapes)
    }

    /// The content before `setup`, relative to the initial state.
    pub(super) fn before_setup(&self) -> Arc<[SystemState]> {
        self.before_setup.clone()
    }

    /// What changed relative to `known`, the content when it was last looked at.
    pub(super) async fn read(&mut self, known: &[SystemState]) -> Result<Change, WorldError> {
        if self.systems.is_empty() {
            return Ok(Change::default());
        }
        let began = Instant::now();
        let mut change = Change::default();
        let mut content: Option<Vec<SystemState>> = None;
        for (position, system) in self.systems.iter_mut().enumerate() {
            let reading = system.read(&known[position]).await?;
            self.warnings.extend(reading.warnings);
            let image = reading
                .image
                .filter(|image| known[position].image.as_ref() != Some(image));
            if reading.delta.is_empty() && image.is_none() {
                continue;
            }
            let content = content.get_or_insert_with(|| known.to_vec());
            content[position].delta = known[position].delta.after(&reading.delta);
            if image.is_some() {
                content[position].image = image;
            }
            change.rows = if change.rows.is_empty() {
                reading.delta
            } else {
                let both = change.rows.changes().iter().chain(reading.delta.changes());
                RowDelta::new(both.cloned().collect())
            };
        }
        change.content = content.map(Into::into);
        self.spent.journal += began.elapsed();
        Ok(change)
    }

    /// The content now, which was `known` when it was last looked at.
    pub(super) async fn content(
        &mut self,
        known: &Arc<[SystemState]>,
    ) -> Result<Arc<[SystemState]>, WorldError> {
        let found = self.read(known).await?.content;
        Ok(found.unwrap_or_else(|| known.clone()))
    }

    /// The rows in which two contents differ.
    pub(super) fn rows_between(from: &[SystemState], to: &[SystemState]) -> RowDelta {
        let systems = from.iter().zip(to);
        let ways = systems.map(|(from, to)| from.delta.way_to(&to.delta));
        let changes = ways.flat_map(|way| way.changes().to_vec());
        RowDelta::new(changes.collect())
    }

    /// Goes from one content, which is the one there is as far as is known, to another. Rows that changed since it was
    /// read are reported and put back.
    pub(super) async fn restore(
        &mut self,
        from: &[SystemState],
        to: &[SystemState],
    ) -> Result<(), WorldError> {
        // A restore writes the rows in which two known contents differ, so what is there has to be the known one.
        if !self.systems.iter().all(|it| it.restores_over_strays()) {
            self.put_back_strays(from).await?;
        }
        let is_at_rest = self.write(from, to).await?;
        self.at_rest = is_at_rest.then(Instant::now);
        Ok(())
    }

    /// Notices rows that changed while no request ran, and puts them back. Returns the tables.
    pub(super) async fn put_back_strays(
        &mut self,
        known: &[SystemState],
    ) -> Result<Vec<Arc<Table>>, WorldError> {
        let change = self.read(known).await?;
        let Some(found) = change.content else {
            return Ok(Vec::new());
        };
        self.warnings
            .extend(Warning::background_writes(&change.rows));
        self.put_back(&found, known).await?;
        let rows = change.rows.rows();
        let mut tables: Vec<_> = rows.map(|change| change.table.clone()).collect();
        tables.dedup();
        Ok(tables)
    }

    /// Whether there are none.
    pub(super) fn are_none(&self) -> bool {
        self.systems.is_empty()
    }

    /// Puts back what has just been found in place of what is known, and whatever changes meanwhile.
    pub(super) async fn put_back(
        &mut self,
        found: &[SystemState],
        known: &[SystemState],
    ) -> Result<(), WorldError> {
        self.write(found, known).await?;
        self.undo(known).await
    }

    /// Puts the systems back to this content after a request that should not have changed them.
    pub(super) async fn undo(&mut self, known: &[SystemState]) -> Result<(), WorldError> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.read(known).await?.content else {
                return Ok(());
            };
            self.write(&found, known).await?;
        }
        Err(WorldError::new(
            WorldErrorKind::Restore,
            format!(
                "the rows keep changing: put back {ATTEMPTS} times, and changed again each time"
            ),
        )
        .with_help(
            "stop the background jobs of the service, or name their tables under `ignore_tables`",
        ))
    }

    /// Writes the rows that differ, in every system whose content differs. Says whether each of the systems then looked,
    /// and nobody else had written anything since the last reading.
    async fn write(
        &mut self,
        from: &[SystemState],
        to: &[SystemState],
    ) -> Result<bool, WorldError> {
        let began = Instant::now();
        let mut is_quiet = true;
        for (position, system) in self.systems.iter_mut().enumerate() {
            let (from, to) = (&from[position], &to[position]);
            is_quiet &= !same_state(from, to) && system.restore(from, to).await?;
        }
        self.spent.restore += began.elapsed();
        Ok(is_quiet)
    }

    /// A request goes out: what was seen to be at rest need be so no longer.
    pub(super) fn disturb(&mut self) {
        self.at_rest = None;
    }

    /// Whether the systems were at rest a moment ago. What is written in so short a while is as likely to be written while the
    /// next request is under way, where nobody can tell it from what the service does.
    pub(super) fn are_at_rest(&self) -> bool {
        self.at_rest.is_some_and(|since| since.elapsed() < MOMENT)
    }

    /// What the user should know although the run goes on.
    pub(super) fn warnings(&mut self) -> &mut Warnings {
        &mut self.warnings
    }

    /// Time spent so far, but for that of sending.
    pub(super) fn time(&self) -> WorldTime {
        self.spent
    }

    /// Sets the time spent so far, where something is counted as something else.
    pub(super) fn set_time(&mut self, spent: WorldTime) {
        self.spent = spent;
    }

    /// Called when the service has been restarted: an error where it no longer works on the databases that are watched.
    pub(super) async fn still_there(&mut self) -> Result<(), WorldError> {
        for system in &mut self.systems {
            system.still_there().await?;
        }
        Ok(())
    }

    /// Checks, once the walk is over, what is too expensive to check after every step.
    pub(super) async fn conclude(&mut self) -> Result<(), WorldError> {
        for system in &mut self.systems {
            system.conclude().await?;
        }
        Ok(())
    }

    /// Compares every system with the content that it must hold.
    pub(super) async fn verify(&mut self, content: &[SystemState]) -> Result<(), WorldError> {
        for (system, state) in self.systems.iter_mut().zip(content) {
            system.verify(state).await?;
        }
        Ok(())
    }

    /// The transactions that hold locks right now, each in words that name the system.
    pub(super) async fn lock_holders(&mut self) -> Vec<String> {
        let mut holders = Vec::new();
        for system in &mut self.systems {
            let found = system.lock_holders().await;
            let name = system.name();
            holders.extend(found.iter().map(|holder| format!("in `{name}`: {holder}")));
        }
        holders
    }

    /// See [`Observations::observe`].
    pub(super) async fn observe(
        &mut self,
        context: &Context,
        rows: &RowDelta,
        before: Option<(&Context, &[Digest])>,
    ) -> Result<Arc<[Digest]>, WorldError> {
        let began = Instant::now();
        let observed = self
            .observations
            .observe(&mut self.systems, context, rows, before)
            .await;
        self.spent.journal += began.elapsed();
        observed
    }

    /// Which tables a query reads; `None` when that cannot be known.
    pub(super) async fn prepare(
        &mut self,
        query: &SqlQuery,
    ) -> Result<Option<Vec<Arc<Table>>>, WorldError> {
        self.system(query)?.prepare(query).await
    }

    /// Runs a query; `None` when a value that it needs is not defined in the context.
    pub(super) async fn query(
        &mut self,
        query: &SqlQuery,
        context: &Context,
    ) -> Result<Option<QueryRows>, WorldError> {
        let Some(parameters) = query.parameter_values(context) else {
            return Ok(None);
        };
        self.system(query)?
            .query(query, &parameters)
            .await
            .map(Some)
    }

    fn system(&mut self, query: &SqlQuery) -> Result<&mut Box<dyn System>, WorldError> {
        self.systems.get_mut(query.system).ok_or_else(|| {
            WorldError::new(
                WorldErrorKind::System,
                format!("there is no system to run `{}` on", query.text),
            )
        })
    }

    /// Puts the content before the run back and removes the journals, in every system even if one fails.
    pub(super) async fn uninstall(&mut self) -> Vec<WorldError> {
        let mut errors = Vec::new();
        for system in self.systems.iter_mut().take(self.installed) {
            match system.uninstall().await {
                Ok(warnings) => self.warnings.extend(warnings),
                // What is lost is not cured by that.
                Err(error) if error.kind == WorldErrorKind::Restore => errors.push(error),
                Err(error) => errors.push(error.with_more_help(
                    "once that is cured, `venomqa restore` puts the content before the run back",
                )),
            }
        }
        // Where one failed, all may be tried again: those that have succeeded do nothing the second time.
        if errors.is_empty() {
            self.installed = 0;
        }
        errors
    }
}

/// The content of a system that is read for the first time since its journal began.
async fn first_state(
    system: &mut Box<dyn System>,
    warnings: &mut Warnings,
) -> Result<SystemState, WorldError> {
    let state = SystemState::default();
    let reading = system.read(&state).await?;
    warnings.extend(reading.warnings);
    Ok(SystemState {
        delta: state.delta.after(&reading.delta),
        image: reading.image,
    })
}

/// Whether two contents are the same, row for row.
pub(super) fn same_content(a: &[SystemState], b: &[SystemState]) -> bool {
    a.iter().zip(b).all(|(a, b)| same_state(a, b))
}

fn same_state(a: &SystemState, b: &SystemState) -> bool {
    a.delta.same_content(&b.delta) && a.image == b.image
}
