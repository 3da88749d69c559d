//! All systems of a world together: what changed, what is observed, and the way back.

use std::sync::Arc;

use serde_json::Value;

use super::config::SystemConfig;
use super::system::{QueryRows, System, SystemState};
use super::{Warning, WorldError, WorldErrorKind};
use crate::model::{Context, Digest, RowDelta, SqlParameter, SqlQuery, Table};

/// The systems, in the order of the spec.
pub(super) struct Databases {
    systems: Vec<Box<dyn System>>,
    observations: Vec<Observation>,
    installed: usize,
}

struct Observation {
    /// How errors name it.
    owner: String,
    query: SqlQuery,
    tables: Option<Vec<Arc<Table>>>,
}

/// What changed since the world was last looked at.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// The rows, all systems together.
    pub(super) rows: RowDelta,
    /// The content now; `None` when it is what it was.
    pub(super) content: Option<Arc<[SystemState]>>,
    /// What the systems had to say.
    pub(super) warnings: Vec<Warning>,
}

/// What [`Databases::look_before_setup`] saw.
#[derive(Debug, Default)]
pub(super) struct BeforeSetup {
    content: Vec<SystemState>,
    warnings: Vec<Warning>,
}

impl Databases {
    /// Nothing to watch yet.
    pub(super) fn new(systems: Vec<Box<dyn System>>) -> Self {
        Self {
            systems,
            observations: Vec::new(),
            installed: 0,
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.systems.is_empty()
    }

    /// Installs the journals. What a killed run had left behind is put back first; the texts tell of it.
    pub(super) async fn install(&mut self) -> Result<Vec<String>, WorldError> {
        let mut said = Vec::new();
        for system in &mut self.systems {
            // Counted before the attempt: a journal that is installed by half has to be removed as well.
            self.installed += 1;
            said.extend(system.install().await?);
        }
        Ok(said)
    }

    /// The content before `setup`, relative to that when the journals were installed. To be handed to
    /// [`Databases::mark_initial`].
    pub(super) async fn look_before_setup(&mut self) -> Result<BeforeSetup, WorldError> {
        let mut before = BeforeSetup::default();
        for system in &mut self.systems {
            let mut state = SystemState::default();
            let reading = system.read(&state).await?;
            before.warnings.extend(reading.warnings);
            state.delta = state.delta.after(&reading.delta);
            state.image = reading.image;
            before.content.push(state);
        }
        Ok(before)
    }

    /// Makes the content as it is now the initial state, and prepares the observation queries. Returns the content of the
    /// initial state, that before `setup`, and what the systems had to say.
    pub(super) async fn mark_initial(
        &mut self,
        configs: &[SystemConfig],
        before_setup: BeforeSetup,
    ) -> Result<(Arc<[SystemState]>, Arc<[SystemState]>, Vec<Warning>), WorldError> {
        let mut content = Vec::with_capacity(self.systems.len());
        let mut origin = Vec::with_capacity(self.systems.len());
        let mut warnings = before_setup.warnings;
        for (system, before) in self.systems.iter_mut().zip(before_setup.content) {
            // What setup did, before it is forgotten; undone it is the way from the initial state to that before setup.
            let reading = system.read(&before).await?;
            warnings.extend(reading.warnings);
            let way_back = reading.delta.inverse();
            origin.push(SystemState {
                delta: SystemState::default().delta.after(&way_back),
                image: before.image,
            });
            system.mark_initial().await?;
            let mut state = SystemState::default();
            let reading = system.read(&state).await?;
            warnings.extend(reading.warnings);
            state.delta = state.delta.after(&reading.delta);
            state.image = reading.image;
            content.push(state);
        }
        self.observations.clear();
        for (name, query) in configs
            .iter()
            .flat_map(|config| &config.observation_queries)
        {
            let owner = format!("observation query `{name}`");
            let tables = self
                .prepare(query)
                .await
                .map_err(|error| error.of_query(&owner, query))?;
            self.observations.push(Observation {
                owner,
                query: query.clone(),
                tables,
            });
        }
        Ok((content.into(), origin.into(), warnings))
    }

    /// What changed relative to `known`, the content when it was last looked at.
    pub(super) async fn read(&mut self, known: &[SystemState]) -> Result<Change, WorldError> {
        let mut change = Change::default();
        let mut content: Option<Vec<SystemState>> = None;
        for (position, system) in self.systems.iter_mut().enumerate() {
            let reading = system.read(&known[position]).await?;
            change.warnings.extend(reading.warnings);
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
        Ok(change)
    }

    /// Puts every system whose content differs back. Says whether each of the systems then looked, and nobody else had
    /// written anything since the last reading.
    pub(super) async fn restore(
        &mut self,
        from: &[SystemState],
        to: &[SystemState],
    ) -> Result<bool, WorldError> {
        let mut is_quiet = true;
        for (position, system) in self.systems.iter_mut().enumerate() {
            let (from, to) = (&from[position], &to[position]);
            is_quiet &= !same_content(from, to) && system.restore(from, to).await?;
        }
        Ok(is_quiet)
    }

    /// See [`System::restores_over_strays`].
    pub(super) fn restore_over_strays(&self) -> bool {
        let mut systems = self.systems.iter();
        systems.all(|system| system.restores_over_strays())
    }

    /// To be called when the service has been started again: an error where it no longer works on what is watched.
    pub(super) async fn still_there(&mut self) -> Result<(), WorldError> {
        for system in &mut self.systems {
            system.still_there().await?;
        }
        Ok(())
    }

    /// A last look at every system when the walk is over.
    pub(super) async fn conclude(&mut self) -> Result<(), WorldError> {
        for system in &mut self.systems {
            system.conclude().await?;
        }
        Ok(())
    }

    /// Compares every system with what it must hold.
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

    /// A digest of each observation query's result. A query whose tables and parameters did not change since `before`
    /// is not run.
    pub(super) async fn observe(
        &mut self,
        context: &Context,
        rows: &RowDelta,
        before: Option<(&Context, &[Digest])>,
    ) -> Result<Arc<[Digest]>, WorldError> {
        let mut observed = Vec::with_capacity(self.observations.len());
        for (position, observation) in self.observations.iter().enumerate() {
            let query = &observation.query;
            let parameters = parameters(query, context);
            if let Some((context_before, digests)) = before
                && parameters == self::parameters(query, context_before)
                && observation
                    .tables
                    .as_ref()
                    .is_some_and(|tables| !touches(rows, tables))
            {
                observed.push(digests[position]);
                continue;
            }
            let mut hasher = blake3::Hasher::new();
            if let Some(parameters) = parameters {
                let system = &mut self.systems[query.system];
                let found = system
                    .query(query, &parameters)
                    .await
                    .map_err(|error| error.of_query(&observation.owner, query))?;
                for row in &found.rows {
                    for value in row {
                        let text = value.to_string();
                        hasher
                            .update(&(text.len() as u64).to_le_bytes())
                            .update(text.as_bytes());
                    }
                    hasher.update(&[0xff]);
                }
            }
            observed.push(Digest::from_hash(&hasher.finalize()));
        }
        Ok(observed.into())
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
        let Some(parameters) = parameters(query, context) else {
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
            if let Err(mut error) = system.uninstall().await {
                let later =
                    "once that is cured, `venomqa restore` puts the content before the run back";
                error.help = Some(match error.help.take() {
                    Some(now) => format!("{now}; {later}"),
                    None => later.to_owned(),
                });
                errors.push(error);
            }
        }
        // What could not be put back can be tried again; systems that were put back take no notice.
        if errors.is_empty() {
            self.installed = 0;
        }
        errors
    }
}

/// What the identity of a state takes from the world: observed rows, observation queries, which cookies are set, and where no
/// rows can be seen the [trail](super::replay::trail). A copy of a whole database
/// is no part of it, since two copies with the same rows may differ in their pages.
pub(super) fn identity(
    content: &[SystemState],
    observed: &[Digest],
    cookies: Option<Digest>,
    trail: Digest,
) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for state in content {
        hasher.update(&state.delta.digest().0.to_le_bytes());
    }
    for digest in observed {
        hasher.update(&digest.0.to_le_bytes());
    }
    if let Some(cookies) = cookies {
        hasher.update(&cookies.0.to_le_bytes());
    }
    hasher.update(&trail.0.to_le_bytes());
    Digest::from_hash(&hasher.finalize())
}

/// Whether two contents are the same, row for row.
pub(super) fn same_content(a: &SystemState, b: &SystemState) -> bool {
    a.delta.same_content(&b.delta) && a.image == b.image
}

fn touches(rows: &RowDelta, tables: &[Arc<Table>]) -> bool {
    rows.changes().iter().any(|change| {
        tables
            .iter()
            .any(|table| table.id == change.table.id && table.system == change.table.system)
    })
}

fn parameters(query: &SqlQuery, context: &Context) -> Option<Vec<Value>> {
    query
        .parameters
        .iter()
        .map(|(_, parameter)| match parameter {
            SqlParameter::Variable(variable) => context.get(*variable).cloned(),
            SqlParameter::Constant(value) => Some(value.clone()),
        })
        .collect()
}
