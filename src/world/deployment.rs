//! The service and its databases as they run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::checkpoint::State;
use super::config::{SetupStep, WorldConfig};
use super::cookies::Cookies;
use super::databases::{Databases, Open};
use super::http::{Failure, FailureKind};
use super::process::Process;
use super::render::Rendered;
use super::send::{Exchange, Sender};
use super::service::ending;
use super::system::SystemState;
use super::{Warning, WarningCode, WorldError, WorldErrorKind, WorldTime, setup};
use crate::interrupt::{Interrupt, Urgency};
use crate::model::{
    Bindings, Context, Digest, Model, NoAnswer, RequestTemplate, Response, RowDelta,
};
use crate::secret::Secrets;

/// A service, and the systems under it. Which state they are in is known to the [live world](super::LiveWorld) only.
pub(super) struct Deployment {
    // The order is that of dropping: the service ends first.
    process: Process,
    sender: Sender,
    databases: Databases,
    model: Arc<Model>,
    interrupt: Interrupt,
    setup: Arc<[SetupStep]>,
    secrets: Secrets,
    /// Time spent waiting for answers.
    http: Duration,
    is_lost: bool,
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
            sender: Sender::new(client, interrupt.clone(), config.settle),
            databases: Databases::default(),
            model,
            interrupt,
            setup: config.setup.clone().into(),
            secrets: config.secrets.clone(),
            http: Duration::ZERO,
            is_lost: false,
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
            ..self.databases.time()
        }
    }

    /// Whatever was done since `before`, which took so long, was the price of going back.
    pub(super) fn count_as_restore(&mut self, before: WorldTime, took: Duration) {
        self.http = before.http;
        self.databases.set_time(WorldTime {
            restore: before.restore + took,
            ..before
        });
    }
}

/// Sending.
impl Deployment {
    /// Fills and sends a request that has to be answered; for `known` see [`Deployment::send`].
    pub(super) async fn exchange(
        &mut self,
        name: &str,
        template: &RequestTemplate,
        bindings: Bindings,
        cookies: &mut Cookies,
        known: Option<&[SystemState]>,
    ) -> Result<Exchange, WorldError> {
        let rendered = self.sender.render(name, template, bindings, cookies)?;
        let response = self.send(name, &rendered, cookies, known).await?;
        Ok(Exchange {
            request: rendered.record,
            response,
        })
    }

    /// Fills and sends a request whose answer is judged. Where no complete answer comes, the response says why, and
    /// the service [is lost](Deployment::is_lost).
    pub(super) async fn attempt(
        &mut self,
        name: &str,
        template: &RequestTemplate,
        bindings: Bindings,
        cookies: &mut Cookies,
        known: Option<&[SystemState]>,
    ) -> Result<Exchange, WorldError> {
        let rendered = self.sender.render(name, template, bindings, cookies)?;
        let began = Instant::now();
        let response = match self.try_send(&rendered, cookies, known).await? {
            Ok(response) => response,
            Err(failure) => {
                let took = began.elapsed();
                let (mut no_answer, help) = self.explain(failure).await?;
                no_answer.details.extend(help);
                self.is_lost = true;
                Response::none(no_answer, took)
            }
        };
        Ok(Exchange {
            request: rendered.record,
            response,
        })
    }

    /// Sends a request that has to be answered.
    pub(super) async fn send(
        &mut self,
        name: &str,
        request: &Rendered,
        cookies: &mut Cookies,
        known: Option<&[SystemState]>,
    ) -> Result<Response, WorldError> {
        let failure = match self.try_send(request, cookies, known).await? {
            Ok(response) => return Ok(response),
            Err(failure) => failure,
        };
        let (NoAnswer { why, details }, help) = self.explain(failure).await?;
        let (method, target) = (&request.record.method, &request.record.target);
        let message = format!("{name}: `{method} {target}`: {why}");
        Err(WorldError {
            help,
            ..WorldError::new(WorldErrorKind::Service, message).with_details(details)
        })
    }

    /// Sends a request. A failure that may come from a connection that idled for too long is tried once more, if the
    /// method is safe, or if the systems still hold what is `known`, so that nothing happens twice.
    ///
    /// Here secrets are learned from everything that is sent and received: from the request before it is sent, for an error
    /// shows it too.
    async fn try_send(
        &mut self,
        request: &Rendered,
        cookies: &mut Cookies,
        known: Option<&[SystemState]>,
    ) -> Result<Result<Response, Failure>, WorldError> {
        let began = Instant::now();
        self.secrets.learn_request(&request.record);
        self.databases.disturb();
        let mut outcome = self.sender.send(request, cookies).await;
        if matches!(&outcome, Err(failure) if failure.kind == FailureKind::MaybeIdle)
            && self.did_nothing(request, known).await?
        {
            let again = self.sender.send_again(request, cookies).await;
            // Where there is nobody to connect to any more, the first failure says what happened.
            if !matches!(&again, Err(failure) if failure.kind == FailureKind::Unsent) {
                outcome = again;
            }
        }
        self.http += began.elapsed();
        if let Ok(response) = &outcome {
            self.secrets.learn_response(response);
        }
        Ok(outcome)
    }

    /// Whether a request without an answer did nothing; what it did is put back.
    async fn did_nothing(
        &mut self,
        request: &Rendered,
        known: Option<&[SystemState]>,
    ) -> Result<bool, WorldError> {
        if request.wire.method().is_safe() {
            return Ok(true);
        }
        match known {
            Some(known) if !known.is_empty() => {
                let Some(found) = self.databases.read(known).await?.content else {
                    return Ok(true);
                };
                // What has been read is not found a second time.
                self.databases.put_back(&found, known).await?;
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Why there is no answer, and what to do next. An error where the user interrupted the request.
    async fn explain(
        &mut self,
        failure: Failure,
    ) -> Result<(NoAnswer, Option<String>), WorldError> {
        self.sender.give_up(&failure);
        if let FailureKind::Ended(ending) = failure.kind {
            return Err(WorldError::ended(ending));
        }
        let mut why = failure.what;
        // Before the service is looked at, which takes a while: what it holds may go meanwhile.
        let mut details = if failure.kind == FailureKind::TimedOut {
            self.databases.lock_holders().await
        } else {
            Vec::new()
        };
        let mut help = (!details.is_empty()).then(|| {
            "a transaction that is open holds locks, which this request may be waiting for; find the path on which a handler \
             neither commits nor rolls back"
                .to_owned()
        });
        if let Some(status) = self.process.death().await {
            why = format!("{why}; the service {}", ending(status));
        } else if self.process.is_running() {
            help.get_or_insert_with(|| {
                "the service is still running; its log may say more".to_owned()
            });
        }
        details.extend(self.process.log_details().await);
        Ok((NoAnswer { why, details }, help))
    }

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
        self.process.bring_back(self.sender.client()).await?;
        self.is_lost = false;
        self.databases.still_there().await?;
        self.databases.undo(content).await
    }

    /// Stops the service and starts it again where it was.
    pub(super) async fn restart(&mut self) -> Result<(), WorldError> {
        self.databases.disturb();
        self.process.restart(self.sender.client()).await?;
        self.is_lost = false;
        Ok(())
    }
}

/// States.
impl Deployment {
    /// Runs `setup`, and takes what is there then as the initial state.
    pub(super) async fn begin(&mut self) -> Result<State, WorldError> {
        let before_setup = self.databases.look_before_setup().await?;
        let (context, cookies) = setup::run(self).await?;
        let content = self.databases.mark_initial(before_setup).await?;
        self.look(content, Digest::default(), context, cookies)
            .await
    }

    /// The state that this content and these make up, with the results of every observation query.
    pub(super) async fn look(
        &mut self,
        content: Arc<[SystemState]>,
        unsafe_requests: Digest,
        context: Context,
        cookies: Cookies,
    ) -> Result<State, WorldError> {
        let rows = RowDelta::default();
        let observed = self.databases.observe(&context, &rows, None).await?;
        Ok(State::new(
            content,
            observed,
            unsafe_requests,
            context,
            cookies,
        ))
    }
}
