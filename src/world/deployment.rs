//! The service and its databases as they run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::checkpoint::State;
use super::config::{SetupStep, WorldConfig};
use super::databases::{Databases, Open};
use super::patience::Patience;
use super::principals::{Principal, Renewals, Sessions};
use super::process::Process;
use super::send::Sender;
use super::settle::Settle;
use super::system::SystemState;
use super::{Warning, WarningCode, WorldError, WorldTime, setup};
use crate::interrupt::{Interrupt, Urgency};
use crate::model::{ActionId, Context, Digest, Model, RowDelta};
use crate::secret::Secrets;

mod sending;

pub(super) use sending::Outgoing;

/// A service, and the systems under it. Which state they are in is known to the [live world](super::LiveWorld) only.
pub(super) struct Deployment {
    // The order is that of dropping: the service ends first.
    process: Process,
    sender: Sender,
    databases: Databases,
    model: Arc<Model>,
    interrupt: Interrupt,
    setup: Arc<[SetupStep]>,
    principals: Arc<[Principal]>,
    secrets: Secrets,
    settle: Settle,
    /// Time spent waiting for answers.
    http: Duration,
    /// Time spent starting the service again.
    starting: Duration,
    is_lost: bool,
    patience: Patience,
    renewals: Renewals,
}

impl Deployment {
    /// Starts or finds the service, then opens the systems and installs their journals. Where this fails, everything is
    /// left as it was.
    pub(super) async fn start(
        config: &WorldConfig,
        model: Arc<Model>,
        interrupt: Interrupt,
        open: Open<'_>,
    ) -> Result<Self, WorldError> {
        let values = Arc::new(model.bindings(&Context::empty(model.names.variables.len())));
        let (process, client) = Process::start(config, values, interrupt.clone()).await?;
        let mut deployment = Self {
            process,
            sender: Sender::new(client, interrupt.clone(), config.http.pace, config.seed),
            databases: Databases::default(),
            model,
            interrupt,
            setup: config.setup.clone().into(),
            principals: config.principals.clone(),
            secrets: config.secrets.clone(),
            settle: Settle::new(config),
            http: Duration::ZERO,
            starting: Duration::ZERO,
            is_lost: false,
            patience: Patience::new(config.http.retry_after),
            renewals: Renewals::default(),
        };
        if let Err(error) = deployment.open_systems(config, open).await {
            // What went wrong first is what the user needs to know; what cannot be cleaned up is added to it.
            return Err(match deployment.finish().await {
                Ok(_) => error,
                Err(more) => error.with_details([more.message]),
            });
        }
        Ok(deployment)
    }

    async fn open_systems(
        &mut self,
        config: &WorldConfig,
        open: Open<'_>,
    ) -> Result<(), WorldError> {
        let locate = |location: &_| self.process.location(location);
        self.databases = Databases::open(&config.systems, locate, open, &self.interrupt)?;
        self.databases.install().await
    }

    /// Puts every database back to its content before the run, removes the journals, stops the service and removes its
    /// temporary folder. Returns what is left to say. Goes on after an error; all of them are in the one that is returned.
    pub(super) async fn finish(mut self) -> Result<Vec<Warning>, WorldError> {
        // A request that was given up may still commit, and so may a job; nothing may be written once the databases are as
        // they were. Otherwise the service goes last, for a service may take its database down with it.
        if self.sender.has_unfinished()
            || self.databases.warnings().have(WarningCode::BackgroundWrite)
            || self.databases.warnings().have(WarningCode::LateWrite)
        {
            self.process.stop().await;
        }
        let mut errors = self.databases.uninstall().await;
        if !errors.is_empty() && (self.process.is_running() || self.interrupt.is_requested()) {
            // A lock that the service never gives up goes with it. And when the user is waiting, the first attempt is a short one.
            self.process.stop().await;
            errors = self.databases.uninstall().await;
        }
        self.process.stop().await;
        errors.extend(self.process.remove_workdir().err());
        self.databases.warnings().release();
        let warnings = self.databases.warnings().take();
        let Some(mut first) = errors.pop() else {
            return Ok(warnings);
        };
        for error in errors {
            first.details.push(error.message);
            first.details.extend(error.details);
        }
        first
            .details
            .extend(warnings.into_iter().map(|warning| warning.message));
        Err(first)
    }

    /// Where the service and the databases are, by name. Addresses of databases may hold passwords.
    pub(super) fn addresses(&self) -> Vec<(String, String)> {
        let service = ("service".to_owned(), self.sender.base_url().to_string());
        let systems = self.databases.addresses().iter().cloned();
        std::iter::once(service).chain(systems).collect()
    }

    /// The model whose actions run here.
    pub(super) fn model(&self) -> Arc<Model> {
        self.model.clone()
    }

    /// The requests of `setup`.
    pub(super) fn setup(&self) -> Arc<[SetupStep]> {
        self.setup.clone()
    }

    /// Who acts.
    pub(super) fn principals(&self) -> Arc<[Principal]> {
        self.principals.clone()
    }

    /// What must not be shown.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The process of the service.
    pub(super) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What fills requests, and counts them.
    pub(super) fn sender(&self) -> &Sender {
        &self.sender
    }

    /// The systems under the service.
    pub(super) fn databases(&mut self) -> &mut Databases {
        &mut self.databases
    }

    /// What the user should know although the run goes on; each text once.
    pub(super) fn warn(&mut self, warning: Warning) {
        self.databases.warnings().add(warning);
    }

    /// What there is to say of answers that were waited for, once the run is over.
    pub(super) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// How often somebody was logged in again.
    pub(super) fn logins(&self) -> u64 {
        self.renewals.count()
    }

    /// What is known of logins that were done again.
    pub(super) fn renewals(&mut self) -> &mut Renewals {
        &mut self.renewals
    }

    /// An error where what is under way has to end.
    pub(super) fn check_interrupt(&self) -> Result<(), WorldError> {
        match self.interrupt.ending() {
            Some(ending) => Err(WorldError::ended(ending)),
            None => Ok(()),
        }
    }

    /// Waits; says whether the time is over, and not the user's patience.
    pub(super) async fn wait(&self, time: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(time) => true,
            () = self.interrupt.reached(Urgency::Soon) => false,
        }
    }

    /// Time spent so far.
    pub(super) fn time(&self) -> WorldTime {
        WorldTime {
            http: self.http,
            settle: self.settle.spent(),
            start: self.starting,
            ..self.databases.time()
        }
    }

    /// Whatever was done since `before`, which took so long, was the price of going back; but settling and starting the
    /// service are counted apart.
    pub(super) fn count_as_restore(&mut self, before: WorldTime, took: Duration) {
        let since = self.time().since(before);
        let took = took.saturating_sub(since.settle + since.start);
        self.http = before.http;
        self.databases.set_time(WorldTime {
            restore: before.restore + took,
            ..before
        });
    }
}

/// After an answer, and after the walk.
impl Deployment {
    /// Waits until the service has written what it writes after it has answered, as the spec says and as was seen of this action;
    /// `context` is that after the answer. An error where the run has to end meanwhile.
    pub(super) async fn settle(
        &mut self,
        action: Option<ActionId>,
        context: &Context,
    ) -> Result<(), WorldError> {
        let (databases, interrupt) = (&mut self.databases, &self.interrupt);
        let settled = self.settle.wait(databases, interrupt, action, context);
        settled.await
    }

    /// What is waited for after answers.
    pub(super) fn settling(&mut self) -> &mut Settle {
        &mut self.settle
    }

    /// The time that is left of the run, where it is limited.
    pub(super) fn time_left(&self) -> Option<Duration> {
        self.interrupt.time_left()
    }

    /// What did not settle in time.
    pub(super) fn unsettled(&self) -> impl Iterator<Item = Warning> + '_ {
        self.settle.warnings()
    }

    /// Checks, once the walk is over, what is too expensive to check after every step.
    pub(super) async fn conclude(&mut self) -> Result<(), WorldError> {
        self.databases.warnings().release();
        self.databases.conclude().await
    }
}

/// A service that gives no answer.
impl Deployment {
    /// Whether a request was not answered, and nothing was done about it since: nobody knows what the service is doing.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Brings a service that [is lost](Deployment::is_lost) back, with the systems at this content, which is the one that they had
    /// as far as is known: a service of our own is started again, another one is waited for.
    pub(super) async fn bring_back(
        &mut self,
        content: &Arc<[SystemState]>,
    ) -> Result<(), WorldError> {
        // What is still at work in it ends with the service, and so does what it may write yet.
        self.process.stop_to_restart().await;
        self.databases.undo(content).await?;
        self.databases.disturb();
        let began = Instant::now();
        self.process.bring_back(self.sender.client()).await?;
        self.starting += began.elapsed();
        self.is_lost = false;
        self.databases.still_there().await?;
        self.databases.undo(content).await
    }

    /// Stops the service and starts it again where it was.
    pub(super) async fn restart(&mut self) -> Result<(), WorldError> {
        self.databases.disturb();
        let began = Instant::now();
        self.process.restart(self.sender.client()).await?;
        self.starting += began.elapsed();
        self.is_lost = false;
        Ok(())
    }
}

/// States.
impl Deployment {
    /// Runs `setup`, and takes what is there then as the initial state.
    pub(super) async fn begin(&mut self) -> Result<State, WorldError> {
        let before_setup = self.databases.look_before_setup().await?;
        let (context, sessions) = setup::run(self).await?;
        let content = self.databases.mark_initial(before_setup).await?;
        self.look(content, Digest::default(), context, sessions)
            .await
    }

    /// The state that this content and these make up, with the results of every observation query.
    pub(super) async fn look(
        &mut self,
        content: Arc<[SystemState]>,
        unsafe_requests: Digest,
        context: Context,
        sessions: Sessions,
    ) -> Result<State, WorldError> {
        let rows = RowDelta::default();
        let observed = self.databases.observe(&context, &rows, None).await?;
        Ok(State::new(
            content,
            observed,
            unsafe_requests,
            context,
            sessions,
        ))
    }
}
