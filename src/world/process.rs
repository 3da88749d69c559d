//! The service as this run has it: started and waited for, or found; stopped and started again.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::config::{RunText, ServiceConfig, WorldConfig};
use super::cookies::Cookies;
use super::http::{Client, FailureKind};
use super::principals::Sessions;
use super::run_names::RunNames;
use super::service::{LOG_LINES, Service, ending};
use super::system::Location;
use super::{WorldError, WorldErrorKind};
use crate::expr::Lookup;
use crate::interrupt::{Ending, Interrupt, Urgency};
use crate::model::RequestTemplate;

/// How often another port is tried when somebody took the one that was free a moment ago.
const PORTS: u32 = 3;

/// First and longest pause between two ready probes.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// How long a service that gave no answer may take to be found dead.
const DEATH: Duration = Duration::from_millis(500);

/// How long a service that somebody else has started may take until it answers again.
const READY_AGAIN: Duration = Duration::from_secs(30);

/// Longest run of a command.
const COMMAND: Duration = Duration::from_secs(60);

/// The service, where venomqa starts it, and the names of this run.
pub(super) struct Process {
    // The order is that of dropping: the service ends before its folder goes.
    service: Option<Service>,
    names: RunNames,
    config: Option<ServiceConfig>,
    probe: Probe,
}

impl Process {
    /// Starts the service and waits until it is ready; without a command, finds the one that is there. `values` is what the
    /// headers of a ready probe are filled with.
    pub(super) async fn start(
        config: &WorldConfig,
        values: Arc<dyn Lookup>,
        interrupt: Interrupt,
    ) -> Result<(Self, Client), WorldError> {
        let mut process = Self {
            service: None,
            names: RunNames::new(config)?,
            config: config.service.clone(),
            probe: Probe { values, interrupt },
        };
        let client = match &config.service {
            Some(service) => process.start_service(config, service).await?,
            None => process.find_service(config).await?,
        };
        Ok((process, client))
    }

    async fn find_service(&self, config: &WorldConfig) -> Result<Client, WorldError> {
        let mut client = self.client(config)?;
        match self
            .probe
            .status(&mut client, "", config.http.timeout)
            .await
        {
            Ok(_) => Ok(client),
            Err(_) if self.probe.interrupt.is_requested() => Err(WorldError::interrupted()),
            Err(_) if self.probe.interrupt.is_time_over() => {
                Err(WorldError::ended(Ending::TimeOver))
            }
            Err(Unanswered { why, kind }) => {
                let (what, help) = match kind {
                    FailureKind::Distrusted => (
                        format!("`{}` cannot be reached: {why}", client.base_url()),
                        "name the file of its certificate, or of who has issued it, in PEM: `http: { ca_file: ca.pem }`; or trust anybody: `http: { insecure: true }`",
                    ),
                    FailureKind::NoTls => (
                        format!("`{}` cannot be reached: {why}", client.base_url()),
                        "say `http://` in the address, where the service speaks plain HTTP at this port",
                    ),
                    FailureKind::Broken => (
                        format!(
                            "what answers at `{}` is no HTTP server: {why}",
                            client.base_url()
                        ),
                        "say `https://` in the address, where the service speaks TLS at this port; or look which program uses the port",
                    ),
                    _ => (
                        format!("nothing answers at `{}`: {why}", client.base_url()),
                        "start the service first, give its address with `--base-url`, or let venomqa start it (`service.command`)",
                    ),
                };
                Err(WorldError::new(WorldErrorKind::Service, what).with_help(help))
            }
        }
    }

    async fn start_service(
        &mut self,
        config: &WorldConfig,
        service: &ServiceConfig,
    ) -> Result<Client, WorldError> {
        let mut left = PORTS;
        loop {
            left -= 1;
            let may_try_again = self.names.choose_port()? && left > 0;
            let mut client = self.client(config)?;
            if let Some(error) = somebody_else(&client).await {
                if may_try_again {
                    continue;
                }
                return Err(error);
            }
            let launch = self.names.service(service);
            let mut process = Service::spawn_guarded(&launch)?;
            match self
                .probe
                .wait(
                    &service.ready_path,
                    service.ready_timeout,
                    Some(&mut process),
                    &mut client,
                )
                .await
            {
                Ok(()) => {
                    self.service = Some(process);
                    return Ok(client);
                }
                Err(NotReady::Exited(_)) if may_try_again && self.lost_port(&mut process).await => {
                }
                Err(NotReady::Exited(status)) => {
                    return Err(WorldError::new(
                        WorldErrorKind::Service,
                        format!(
                            "the service {} before it was ready: `{}`",
                            ending(status),
                            launch.shown()
                        ),
                    )
                    .with_details(process.log_details().await));
                }
                Err(NotReady::Timeout(why)) => {
                    let error = WorldError::new(
                        WorldErrorKind::Service,
                        format!(
                            "the service was not ready within {:?}: `GET {}`: {why}",
                            service.ready_timeout, service.ready_path
                        ),
                    )
                    .with_details(process.log_details().await)
                    .with_help(
                        "`service.ready` says which path must answer (with a status below 500), and how long that may take",
                    );
                    process.stop().await;
                    return Err(error);
                }
                Err(NotReady::Ended(ending)) => {
                    process.stop().await;
                    return Err(WorldError::ended(ending));
                }
            }
        }
    }

    fn client(&self, config: &WorldConfig) -> Result<Client, WorldError> {
        let origins = config.http.origins.iter().map(|text| self.names.text(text));
        Client::new(
            &self.names.text(&config.http.base_url),
            &origins.collect::<Vec<_>>(),
            &config.http,
            &config.principals,
        )
    }

    /// Whether the service ended because somebody else took the port.
    async fn lost_port(&self, process: &mut Service) -> bool {
        self.names.port_is_taken()
            || process
                .log_tail(LOG_LINES)
                .await
                .iter()
                .any(|line| line.to_lowercase().contains("address already in use"))
    }

    /// Stops the service and starts it again where it was.
    pub(super) async fn restart(&mut self, client: &mut Client) -> Result<(), WorldError> {
        self.stop().await;
        let Some(config) = &self.config else {
            return Err(WorldError::new(
                WorldErrorKind::Restore,
                "venomqa did not start the service and cannot restart it",
            ));
        };
        client.reconnect();
        let mut process = Service::spawn_guarded(&self.names.service(config))?;
        let what = match self
            .probe
            .wait(
                &config.ready_path,
                config.ready_timeout,
                Some(&mut process),
                client,
            )
            .await
        {
            Ok(()) => {
                self.service = Some(process);
                return Ok(());
            }
            Err(NotReady::Ended(ending)) => return Err(WorldError::ended(ending)),
            Err(NotReady::Exited(status)) => ending(status),
            Err(NotReady::Timeout(why)) => {
                format!("was not ready within {:?}: {why}", config.ready_timeout)
            }
        };
        Err(WorldError::new(
            WorldErrorKind::Service,
            format!("after a restart the service {what}"),
        )
        .with_details(process.log_details().await))
    }

    /// Stops the service where it may be started again.
    pub(super) async fn stop_to_restart(&mut self) {
        if self.may_restart() {
            self.stop().await;
        }
    }

    /// Whether it is ours to stop and start again.
    pub(super) fn may_restart(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config.restart)
    }

    /// Makes a service that gave no answer ready again: starts it, or waits for it where it is not ours to start.
    pub(super) async fn bring_back(&mut self, client: &mut Client) -> Result<(), WorldError> {
        if self.may_restart() {
            return self.restart(client).await;
        }
        client.reconnect();
        let (path, limit) = (self.config.as_ref()).map_or(("", READY_AGAIN), |config| {
            (config.ready_path.as_str(), config.ready_timeout)
        });
        let ready = self
            .probe
            .wait(path, limit, self.service.as_mut(), client)
            .await;
        let what = match ready {
            Ok(()) => return Ok(()),
            Err(NotReady::Ended(ending)) => return Err(WorldError::ended(ending)),
            Err(NotReady::Exited(status)) => ending(status),
            Err(NotReady::Timeout(why)) => format!("was not ready within {limit:?}: {why}"),
        };
        let error = WorldError::new(
            WorldErrorKind::Service,
            format!("after a request without an answer the service {what}"),
        )
        .with_details(self.log_details().await);
        Err(error.with_help(if self.config.is_some() {
            "`service.restart: true` lets venomqa start it again"
        } else {
            "start it again under a supervisor, or let venomqa start it (`service.command`)"
        }))
    }

    /// Whether the service runs as far as is known: venomqa has started it, and has not stopped it since.
    pub(super) fn is_running(&self) -> bool {
        self.service.is_some()
    }

    /// Stops the service, where venomqa has started it.
    pub(super) async fn stop(&mut self) {
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
    }

    /// Removes the temporary folder; to be called when nothing uses it any more.
    pub(super) fn remove_workdir(&mut self) -> Result<(), WorldError> {
        self.names.remove_workdir()
    }

    /// How the service ended, if it ends within a moment.
    pub(super) async fn death(&mut self) -> Option<ExitStatus> {
        self.service.as_mut()?.exits_within(DEATH).await
    }

    /// The last lines that the service wrote; empty where venomqa did not start it.
    pub(super) async fn log_tail(&mut self) -> Vec<String> {
        match &mut self.service {
            Some(service) => service.log_tail(LOG_LINES).await,
            None => Vec::new(),
        }
    }

    /// The last lines that the service wrote under a heading, for [`WorldError::details`]; empty where venomqa did not
    /// start it.
    pub(super) async fn log_details(&mut self) -> Vec<String> {
        match &mut self.service {
            Some(service) => service.log_details().await,
            None => Vec::new(),
        }
    }

    /// Where a database is.
    pub(super) fn location(&self, location: &Location) -> String {
        self.names.location(location)
    }

    /// Runs a command to its end, which has to be a success. The error calls it `name`.
    pub(super) async fn run(&self, name: &str, command: &[RunText]) -> Result<(), WorldError> {
        let launch = self.names.command(command);
        let mut process = Service::spawn(&launch)?;
        let status = tokio::select! {
            status = process.exits_within(COMMAND) => status,
            ending = self.probe.interrupt.ended() => {
                process.stop().await;
                return Err(WorldError::ended(ending));
            }
        };
        if status.is_some_and(|status| status.success()) {
            return Ok(());
        }
        let what = status.map_or_else(|| format!("was still running after {COMMAND:?}"), ending);
        let details = process.log_details().await;
        process.stop().await;
        Err(WorldError::new(
            WorldErrorKind::Restore,
            format!("{name} `{}` {what}", launch.shown()),
        )
        .with_details(details))
    }
}

/// An error if somebody answers where the service is yet to be started: it would be taken for the service.
async fn somebody_else(client: &Client) -> Option<WorldError> {
    let url = client.base_url();
    let address = (url.host_str()?.to_owned(), url.port_or_known_default()?);
    let connected = timeout(Duration::from_millis(500), TcpStream::connect(address)).await;
    matches!(connected, Ok(Ok(_))).then(|| {
        WorldError::new(
            WorldErrorKind::Service,
            format!("something listens at `{url}` already, before the service was started"),
        )
        .with_help("stop it, or use `${port}` in `http.base_url` and `service.command`; what a killed run left running, `venomqa restore` ends")
    })
}

/// Asks whether the service is there.
struct Probe {
    values: Arc<dyn Lookup>,
    interrupt: Interrupt,
}

enum NotReady {
    Exited(ExitStatus),
    Timeout(String),
    Ended(Ending),
}

/// Why there is no answer to a request without an action.
struct Unanswered {
    why: String,
    kind: FailureKind,
}

impl Probe {
    /// Waits until the service is ready: until this path answers.
    async fn wait(
        &self,
        path: &str,
        limit: Duration,
        mut process: Option<&mut Service>,
        client: &mut Client,
    ) -> Result<(), NotReady> {
        let deadline = Instant::now() + limit;
        let mut pause = PAUSES.0;
        let mut last: Option<String> = None;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // A request that has no time left says less than the one before it.
            if left.is_zero()
                && let Some(why) = last.take()
            {
                return Err(NotReady::Timeout(why));
            }
            let outcome = self.status(client, path, left).await;
            if let Some(status) = process.as_mut().and_then(|process| process.exited()) {
                return Err(NotReady::Exited(status));
            }
            let why = match outcome {
                Ok(status) if status < 500 => return Ok(()),
                Ok(status) => format!("answered with {status}"),
                Err(Unanswered { why, .. }) => why,
            };
            if self.interrupt.is_requested() {
                return Err(NotReady::Ended(Ending::Requested));
            }
            if self.interrupt.is_time_over() {
                return Err(NotReady::Ended(Ending::TimeOver));
            }
            if Instant::now() + pause >= deadline {
                return Err(NotReady::Timeout(why));
            }
            last = Some(why);
            tokio::select! {
                () = sleep(pause) => {}
                () = self.interrupt.reached(Urgency::Soon) => {}
            }
            pause = (pause * 3 / 2).min(PAUSES.1);
        }
    }

    /// The status of a `GET` without an action; or why there is none.
    async fn status(
        &self,
        client: &mut Client,
        path: &str,
        limit: Duration,
    ) -> Result<u16, Unanswered> {
        let unanswered = |why| Unanswered {
            why,
            kind: FailureKind::Unsent,
        };
        let request = RequestTemplate::get(path);
        let mut cookies = Cookies::default();
        let rendered = client
            .render(&request, &self.values, &Sessions::default())
            .map_err(|unsendable| unanswered(unsendable.why))?;
        tokio::select! {
            answer = client.send_within(&rendered, &mut cookies, &self.interrupt, limit) => answer
                .map(|answer| answer.status)
                .map_err(|failure| Unanswered {
                    kind: failure.kind,
                    why: failure.what,
                }),
            () = self.interrupt.reached(Urgency::Soon) => Err(unanswered("interrupted".to_owned())),
        }
    }
}
