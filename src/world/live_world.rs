//! The world that is really there: a service reached over HTTP, with its databases.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::checkpoint::{Checkpoint, Place};
use super::config::{RestoreMode, SystemConfig, WorldConfig};
use super::databases::{Change, Databases};
use super::extract::Extracted;
use super::http::Client;
use super::launch::{self, RunNames};
use super::replay::{LiveValues, Path};
use super::restore::cannot_go_back;
use super::restore_check::{Answer, RestoreCheck};
use super::send::interrupted;
use super::service::Service;
use super::system::{QueryRows, System, SystemState};
use super::{Arrival, Observe, Warning, World, WorldError, WorldErrorKind, WorldTime};
use crate::expr::Lookup;
use crate::interrupt::{Interrupt, Urgency};
use crate::model::{
    ActionId, Context, Digest, Model, RequestTemplate, RowDelta, SqlQuery, StepRecord, Table,
};
use crate::secret::Secrets;

/// Time between a look and a request in which no other look is needed.
const MOMENT: Duration = Duration::from_millis(1);

/// A service and the systems under it.
///
/// [`LiveWorld::start`] makes them ready, [`World::begin`] runs `setup`; [`LiveWorld::finish`] must be called at the end,
/// whatever happened in between: it puts the databases back. A world that is merely dropped stops its service, and
/// leaves the databases to the recovery of the next run.
pub struct LiveWorld {
    // The order is that of dropping: the service ends before its folder goes.
    pub(super) service: Option<Service>,
    pub(super) names: RunNames,
    pub(super) config: WorldConfig,
    pub(super) model: Arc<Model>,
    pub(super) interrupt: Interrupt,
    pub(super) client: Client,
    pub(super) databases: Databases,
    pub(super) guard: RestoreCheck,
    pub(super) live: LiveValues,
    pub(super) warnings: Warnings,
    pub(super) spent: WorldTime,
    /// Requests sent so far.
    pub(super) requests: u64,
    /// When the systems were restored and seen to be at rest, with no request since.
    pub(super) at_rest: Option<Instant>,
    /// A request was given up and may still be at work in the service.
    pub(super) unfinished: bool,
    /// The content before `setup`.
    pub(super) before_setup: Arc<[SystemState]>,
    initial: Option<Arc<Place>>,
    now: Option<Arc<Place>>,
}

/// What there is to say, each text once.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    said: HashSet<(&'static str, String)>,
    fresh: Vec<Warning>,
}

impl Warnings {
    /// Says it, unless it has been said.
    pub(super) fn say(&mut self, warning: Warning) {
        if self.said.insert((warning.code, warning.message.clone())) {
            self.fresh.push(warning);
        }
    }

    /// Whether a warning with this code has been said.
    fn have_told_of(&self, code: &str) -> bool {
        self.said.iter().any(|(said, _)| *said == code)
    }
}

/// Opens a system at a location.
pub(super) type Open<'a> = &'a dyn Fn(&SystemConfig, &str) -> Result<Box<dyn System>, WorldError>;

impl LiveWorld {
    /// Starts or finds the service, then opens the systems (a database that the service creates is there by now) and
    /// installs their journals: the content at this moment is what the end of the run goes back to. Where this fails,
    /// everything is left as it was.
    pub async fn start(
        config: &WorldConfig,
        model: Arc<Model>,
        interrupt: Interrupt,
    ) -> Result<Self, WorldError> {
        Self::start_with(config, model, interrupt, &super::system::open).await
    }

    /// [`LiveWorld::start`] with another way to open systems.
    pub(super) async fn start_with(
        config: &WorldConfig,
        model: Arc<Model>,
        interrupt: Interrupt,
        open: Open<'_>,
    ) -> Result<Self, WorldError> {
        if let Some(error) = cannot_go_back(config) {
            return Err(error);
        }
        let mut names = RunNames::new(config)?;
        let empty = Context::empty(model.names.variables.len());
        let values: Arc<dyn Lookup> = Arc::new(model.bindings(&empty));
        let (service, client) = match &config.service {
            Some(service) => {
                let (process, client) =
                    launch::start(config, service, &mut names, &values, &interrupt).await?;
                (Some(process), client)
            }
            None => (
                None,
                launch::find(config, &names, &values, &interrupt).await?,
            ),
        };
        let mut world = Self {
            service,
            names,
            config: config.clone(),
            model,
            interrupt,
            client,
            databases: Databases::new(Vec::new()),
            guard: RestoreCheck::default(),
            live: LiveValues::default(),
            warnings: Warnings::default(),
            spent: WorldTime::default(),
            requests: 0,
            at_rest: None,
            unfinished: false,
            before_setup: Arc::new([]),
            initial: None,
            now: None,
        };
        if let Err(error) = world.open_systems(open).await {
            // What went wrong first is what the user needs to know; what cannot be cleaned up is added to it.
            return Err(match world.finish().await {
                Ok(()) => error,
                Err(more) => error.with_details([more.message]),
            });
        }
        Ok(world)
    }

    async fn open_systems(&mut self, open: Open<'_>) -> Result<(), WorldError> {
        let mut systems = Vec::with_capacity(self.config.systems.len());
        for system in &self.config.systems {
            systems.push(open(system, &self.names.location(&system.location))?);
        }
        self.databases = Databases::new(systems);
        for text in self.databases.install().await? {
            self.warnings.say(Warning {
                code: "recovered",
                message: text,
                help: None,
                untrusted: false,
            });
        }
        Ok(())
    }

    /// Puts every database back to its content before the run, removes the journals, stops the service and removes its
    /// temporary folder. Goes on after an error; all of them are in the one that is returned.
    pub async fn finish(mut self) -> Result<(), WorldError> {
        // A request that was given up may still commit, and so may a job; nothing may be written once the databases are as
        // they were. Otherwise the service goes last, for a service may take its database down with it.
        if self.unfinished || self.warnings.have_told_of("background-write") {
            self.stop_service().await;
        }
        let mut errors = self.databases.uninstall().await;
        if !errors.is_empty() && self.service.is_some() {
            // A lock that the service never gives up goes with it.
            self.stop_service().await;
            errors = self.databases.uninstall().await;
        }
        self.stop_service().await;
        errors.extend(self.names.remove_workdir().err());
        let Some(mut first) = errors.pop() else {
            return Ok(());
        };
        for error in errors {
            first.details.push(error.message);
            first.details.extend(error.details);
        }
        Err(first)
    }

    /// Where the service and the databases are, by name, for people who want to look into them. Addresses of databases
    /// may hold passwords.
    pub fn addresses(&self) -> Vec<(String, String)> {
        let service = ("service".to_owned(), self.client.base_url().to_string());
        let systems = self
            .config
            .systems
            .iter()
            .map(|system| (system.name.clone(), self.names.location(&system.location)));
        std::iter::once(service).chain(systems).collect()
    }

    /// The last lines that the service wrote; empty where venomqa did not start it.
    pub async fn service_log(&mut self) -> Vec<String> {
        match &mut self.service {
            Some(service) => service.log_tail(20).await,
            None => Vec::new(),
        }
    }

    pub(super) async fn stop_service(&mut self) {
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
    }

    /// Stops the service and starts it again where it was.
    pub(super) async fn restart_service(&mut self) -> Result<(), WorldError> {
        let Some(config) = self.config.service.clone() else {
            return Err(WorldError::new(
                WorldErrorKind::Restore,
                "venomqa did not start the service and cannot restart it",
            ));
        };
        self.at_rest = None;
        self.stop_service().await;
        let empty = Context::empty(self.model.names.variables.len());
        let values: Arc<dyn Lookup> = Arc::new(self.model.bindings(&empty));
        self.service = Some(
            launch::restart(
                &config,
                &self.names,
                &mut self.client,
                &values,
                &self.interrupt,
            )
            .await?,
        );
        Ok(())
    }

    /// Where the world stands.
    pub(super) fn now(&self) -> Result<Arc<Place>, WorldError> {
        self.now.clone().ok_or_else(not_begun)
    }

    /// Where the world began.
    pub(super) fn initial(&self) -> Result<Arc<Place>, WorldError> {
        self.initial.clone().ok_or_else(not_begun)
    }

    /// The world stands here now.
    pub(super) fn stand_at(&mut self, place: Arc<Place>) {
        self.now = Some(place);
    }

    pub(super) fn check_interrupt(&self) -> Result<(), WorldError> {
        if self.interrupt.urgency() >= Urgency::Now {
            return Err(interrupted());
        }
        Ok(())
    }

    /// Whether the systems were at rest a moment ago. What is written in so short a while is as likely to be written while the
    /// next request is under way, where nobody can tell it from what the service does.
    pub(super) fn is_at_rest(&self) -> bool {
        self.at_rest.is_some_and(|since| since.elapsed() < MOMENT)
    }

    /// What changed since the content was this one.
    pub(super) async fn read(&mut self, known: &[SystemState]) -> Result<Change, WorldError> {
        if self.databases.is_empty() {
            return Ok(Change::default());
        }
        let began = Instant::now();
        let mut change = self.databases.read(known).await?;
        self.spent.journal += began.elapsed();
        for warning in change.warnings.drain(..) {
            self.warnings.say(warning);
        }
        Ok(change)
    }
}

impl World for LiveWorld {
    type Checkpoint = Checkpoint;

    fn secrets(&self) -> Option<&Secrets> {
        Some(&self.config.secrets)
    }

    async fn begin(&mut self) -> Result<Arrival<Checkpoint>, WorldError> {
        let installed = self.databases.look_before_setup().await?;
        let (context, cookies) = self.run_setup().await?;
        let marked = self
            .databases
            .mark_initial(&self.config.systems, installed)
            .await?;
        let (content, before_setup, warnings) = marked;
        self.before_setup = before_setup;
        for warning in warnings {
            self.warnings.say(warning);
        }
        let rows = RowDelta::default();
        let observed = self.databases.observe(&context, &rows, None).await?;
        let place = Arc::new(Place::new(
            content,
            observed,
            Digest::default(),
            context,
            cookies,
            Path::default(),
        ));
        self.initial = Some(place.clone());
        self.stand_at(place.clone());
        Ok(super::fresh_start::arrival(&place))
    }

    async fn act(
        &mut self,
        action: ActionId,
        context: &Context,
    ) -> Result<Arrival<Checkpoint>, WorldError> {
        self.check_interrupt()?;
        let now = self.now()?;
        if !self.is_at_rest() {
            self.put_back_strays(&now).await?;
        }
        let model = self.model.clone();
        let declared = model.action(action);
        let name = format!("action `{}`", declared.name);
        let live = self.live.context(context);
        let mut cookies = now.cookies.clone();
        let bindings = model.action_bindings(action, &live);
        let rendered = self.render(&name, &declared.request, bindings, &cookies)?;
        let response = self
            .exchange_from(&name, &rendered, &mut cookies, Some(&now.content))
            .await?;
        self.settle().await;
        let change = self.read(&now.content).await?;
        let extracted = Extracted::by_action(declared, &response);
        let next = extracted.applied_to(context);

        let began = Instant::now();
        let before = Some((&now.context, &*now.observed));
        let observed = self.databases.observe(&next, &change.rows, before).await?;
        self.spent.journal += began.elapsed();
        let is_safe = declared.request.is_safe();
        if is_safe && change.content.is_none() && *context == now.context {
            now.remember(Answer::new(action, &response));
        }
        let replays = self.config.restore == RestoreMode::Replay;
        let mut next_place = Place::new(
            change.content.as_ref().unwrap_or(&now.content).clone(),
            observed,
            self.trail_after(&now, action, response.status),
            next.clone(),
            cookies,
            Path::default(),
        );
        let identity = next_place.identity;
        let stays = change.content.is_none()
            && next == now.context
            && identity == now.identity
            && next_place.cookies.same(&now.cookies)
            && (is_safe || !replays);
        let place = if stays {
            now
        } else {
            if replays {
                next_place.path = now
                    .path
                    .then(action, response.status, identity, next.clone());
            }
            Arc::new(next_place)
        };
        if replays {
            let live = extracted.applied_to(&live);
            self.live.set(&next, live);
        }
        self.stand_at(place.clone());
        let wrote = change.rows.rows().next().is_some();
        Ok(Arrival {
            context: next,
            identity,
            checkpoint: Checkpoint(place),
            status: response.status,
            wrote,
            record: Some(Arc::new(StepRecord {
                request: rendered.record,
                response,
                extracted: extracted.found,
                extract_failures: extracted.failures,
                rows: change.rows,
            })),
        })
    }

    async fn restore(&mut self, to: &Checkpoint) -> Result<(), WorldError> {
        let began = Instant::now();
        let before = self.spent;
        let outcome = self.go_back(to).await;
        // Whatever it took is the price of going back.
        self.spent = WorldTime {
            restore: before.restore + began.elapsed(),
            ..before
        };
        outcome
    }

    async fn renew(&mut self) -> Result<Arrival<Checkpoint>, WorldError> {
        let began = Instant::now();
        let before = self.spent;
        let outcome = self.begin_again().await;
        self.spent = WorldTime {
            restore: before.restore + began.elapsed(),
            ..before
        };
        outcome.map(|place| super::fresh_start::arrival(&place))
    }

    fn requests(&self) -> u64 {
        self.requests
    }

    async fn conclude(&mut self) -> Result<(), WorldError> {
        self.databases.conclude().await
    }

    fn can_restore(&self) -> bool {
        self.config.restore != RestoreMode::None
    }

    fn time(&self) -> WorldTime {
        self.spent
    }

    fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings.fresh)
    }
}

impl Observe for LiveWorld {
    async fn tables_read(
        &mut self,
        query: &SqlQuery,
    ) -> Result<Option<Vec<Arc<Table>>>, WorldError> {
        self.databases.prepare(query).await
    }

    async fn query(
        &mut self,
        query: &SqlQuery,
        context: &Context,
    ) -> Result<Option<QueryRows>, WorldError> {
        let live = self.live.context(context);
        self.databases.query(query, &live).await
    }

    async fn probe(
        &mut self,
        request: &RequestTemplate,
        context: &Context,
    ) -> Result<Option<StepRecord>, WorldError> {
        self.check_interrupt()?;
        let now = self.now()?;
        let bindings = self.model.bindings(&self.live.context(context));
        let defined = request
            .templates()
            .iter()
            .flat_map(|template| template.requires())
            .all(|name| bindings.lookup(name).is_some());
        if !defined {
            return Ok(None);
        }
        // Its cookies are thrown away: a probe leaves everything as it was.
        let mut cookies = now.cookies.clone();
        let rendered = self.render("the request of an invariant", request, bindings, &cookies)?;
        let response = self
            .exchange("the request of an invariant", &rendered, &mut cookies)
            .await?;
        self.settle().await;
        let change = self.read(&now.content).await?;
        if let Some(content) = &change.content {
            let began = Instant::now();
            self.databases.restore(content, &now.content).await?;
            self.spent.restore += began.elapsed();
            self.undo(&now).await?;
        }
        Ok(Some(StepRecord {
            request: rendered.record,
            response,
            extracted: Vec::new(),
            extract_failures: Vec::new(),
            rows: change.rows,
        }))
    }
}

fn not_begun() -> WorldError {
    WorldError::new(
        WorldErrorKind::Service,
        "the world was used before `begin` or after it had failed",
    )
}

#[cfg(test)]
mod process_tests;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod tests;
