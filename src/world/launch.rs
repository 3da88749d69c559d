//! From the configuration to a service that answers: names of the run, a free port, the ready probe.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::config::{RunText, ServiceConfig, WorldConfig};
use super::cookies::Cookies;
use super::http::Client;
use super::service::{Launch, Service, ending};
use super::system::Location;
use super::{WorldError, WorldErrorKind};
use crate::expr::{Lookup, Template};
use crate::interrupt::{Interrupt, Urgency};
use crate::model::RequestTemplate;

/// How often another port is tried when somebody took the one that was free a moment ago.
const PORTS: u32 = 3;

/// First and longest pause between two ready probes.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// What `${port}`, `${workdir}` and `${venomqa}` stand for in this run.
#[derive(Debug)]
pub(super) struct RunNames {
    base_dir: PathBuf,
    port: Option<u16>,
    workdir: Option<TempDir>,
    executable: PathBuf,
}

impl RunNames {
    /// Creates the temporary folder if the configuration mentions it.
    pub(super) fn new(config: &WorldConfig) -> Result<Self, WorldError> {
        let broken = |what: &str, error: &std::io::Error| {
            WorldError::new(WorldErrorKind::Service, format!("cannot {what}: {error}"))
        };
        let mentioned = texts(config).any(|text| text.0.contains("${workdir}"));
        let workdir = mentioned
            .then(|| TempDir::with_prefix("venomqa-"))
            .transpose()
            .map_err(|error| broken("create a temporary folder", &error))?;
        let base_dir = if config.base_dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &config.base_dir
        };
        Ok(Self {
            base_dir: base_dir
                .canonicalize()
                .map_err(|error| broken(&format!("open `{}`", base_dir.display()), &error))?,
            port: None,
            workdir,
            executable: std::env::current_exe()
                .map_err(|error| broken("find venomqa's own executable", &error))?,
        })
    }

    /// The text with every name of the run filled in.
    pub(super) fn text(&self, text: &RunText) -> String {
        text.resolve(&|name| self.value(name))
    }

    fn value(&self, name: &str) -> Option<String> {
        match name {
            "port" => self.port.map(|port| port.to_string()),
            "workdir" => Some(self.workdir.as_ref()?.path().display().to_string()),
            "venomqa" => Some(self.executable.display().to_string()),
            _ => None,
        }
    }

    /// The folder that relative paths start from, absolute.
    pub(super) fn base_dir(&self) -> &Path {
        &self.base_dir
    }

    /// Where a database is.
    pub(super) fn location(&self, location: &Location) -> String {
        location.resolve(&self.base_dir, &|name| self.value(name))
    }

    /// Removes the temporary folder.
    pub(super) fn remove_workdir(&mut self) -> Result<(), WorldError> {
        let Some(workdir) = self.workdir.take() else {
            return Ok(());
        };
        let path = workdir.path().display().to_string();
        workdir.close().map_err(|error| {
            WorldError::new(
                WorldErrorKind::Service,
                format!("cannot remove the temporary folder `{path}`: {error}"),
            )
        })
    }

    fn launch(&self, service: &ServiceConfig) -> Launch {
        Launch {
            command: service.command.iter().map(|part| self.text(part)).collect(),
            env: service
                .env
                .iter()
                .map(|(name, value)| (name.clone(), self.text(value)))
                .collect(),
            cwd: service.cwd.as_ref().map_or_else(
                || self.base_dir.clone(),
                |cwd| self.base_dir.join(self.text(cwd)),
            ),
        }
    }
}

fn texts(config: &WorldConfig) -> impl Iterator<Item = &RunText> {
    let service = config.service.iter().flat_map(|service| {
        service
            .command
            .iter()
            .chain(service.env.iter().map(|(_, value)| value))
            .chain(&service.cwd)
    });
    let systems = config.systems.iter().map(|system| &system.location.text);
    let reset = match &config.reset {
        Some(super::config::Reset::Command(command)) => command.as_slice(),
        _ => &[],
    };
    service
        .chain(systems)
        .chain(reset)
        .chain([&config.http.base_url])
}

/// Finds the service that is there already. It must answer, with whatever status.
pub(super) async fn find(
    config: &WorldConfig,
    names: &RunNames,
    values: &Arc<dyn Lookup>,
    interrupt: &Interrupt,
) -> Result<Client, WorldError> {
    let mut client = Client::new(&names.text(&config.http.base_url), &config.http)?;
    let limit = config.http.timeout;
    match probe(&mut client, "", values, interrupt, limit).await {
        Ok(_) => Ok(client),
        Err(_) if interrupt.is_requested() => Err(super::send::interrupted()),
        Err(why) => Err(WorldError::new(
            WorldErrorKind::Service,
            format!("nothing answers at `{}`: {why}", client.base_url()),
        )
        .with_help(
            "start the service first, give its address with `--base-url`, or let venomqa start it (`service.command`)",
        )),
    }
}

/// Starts the service and waits until it is ready.
pub(super) async fn start(
    config: &WorldConfig,
    service: &ServiceConfig,
    names: &mut RunNames,
    values: &Arc<dyn Lookup>,
    interrupt: &Interrupt,
) -> Result<(Service, Client), WorldError> {
    let any_port = texts(config).any(|text| text.0.contains("${port}"));
    let mut left = PORTS;
    loop {
        left -= 1;
        if any_port {
            names.port = Some(free_port()?);
        }
        let mut client = Client::new(&names.text(&config.http.base_url), &config.http)?;
        if let Some(error) = somebody_else(&client).await {
            if any_port && left > 0 {
                continue;
            }
            return Err(error);
        }
        let mut process = Service::spawn(&names.launch(service))?;
        match wait_until_ready(service, &mut process, &mut client, values, interrupt).await {
            Ok(()) => return Ok((process, client)),
            Err(NotReady::Exited(status)) => {
                let lost = any_port && lost_port(&mut process, names.port).await;
                if lost && left > 0 {
                    continue;
                }
                return Err(WorldError::new(
                    WorldErrorKind::Service,
                    format!(
                        "the service {} before it was ready: `{}`",
                        ending(status),
                        names.launch(service).shown()
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
            Err(NotReady::Interrupted) => {
                process.stop().await;
                return Err(super::send::interrupted());
            }
        }
    }
}

/// Starts the service again, where it was.
pub(super) async fn restart(
    service: &ServiceConfig,
    names: &RunNames,
    client: &mut Client,
    values: &Arc<dyn Lookup>,
    interrupt: &Interrupt,
) -> Result<Service, WorldError> {
    client.reconnect()?;
    let mut process = Service::spawn(&names.launch(service))?;
    let what = match wait_until_ready(service, &mut process, client, values, interrupt).await {
        Ok(()) => return Ok(process),
        Err(NotReady::Interrupted) => return Err(super::send::interrupted()),
        Err(NotReady::Exited(status)) => ending(status),
        Err(NotReady::Timeout(why)) => {
            format!("was not ready within {:?}: {why}", service.ready_timeout)
        }
    };
    Err(WorldError::new(
        WorldErrorKind::Service,
        format!("after a restart the service {what}"),
    )
    .with_details(process.log_details().await))
}

enum NotReady {
    Exited(ExitStatus),
    Timeout(String),
    Interrupted,
}

async fn wait_until_ready(
    service: &ServiceConfig,
    process: &mut Service,
    client: &mut Client,
    values: &Arc<dyn Lookup>,
    interrupt: &Interrupt,
) -> Result<(), NotReady> {
    let deadline = Instant::now() + service.ready_timeout;
    let mut pause = PAUSES.0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let outcome = probe(client, &service.ready_path, values, interrupt, left).await;
        if let Some(status) = process.exited() {
            return Err(NotReady::Exited(status));
        }
        let why = match outcome {
            Ok(status) if status < 500 => return Ok(()),
            Ok(status) => format!("answered with {status}"),
            Err(why) => why,
        };
        if interrupt.is_requested() {
            return Err(NotReady::Interrupted);
        }
        if Instant::now() + pause >= deadline {
            return Err(NotReady::Timeout(why));
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = interrupt.reached(Urgency::Soon) => {}
        }
        pause = (pause * 3 / 2).min(PAUSES.1);
    }
}

/// The status of a `GET` without an action; or why there is none.
async fn probe(
    client: &mut Client,
    path: &str,
    values: &Arc<dyn Lookup>,
    interrupt: &Interrupt,
    limit: Duration,
) -> Result<u16, String> {
    let request = RequestTemplate {
        path: Template::literal(path),
        ..RequestTemplate::get("")
    };
    let rendered = client.render(&request, values, &Cookies::default())?;
    let mut cookies = Cookies::default();
    tokio::select! {
        answer = client.send_within(&rendered, &mut cookies, interrupt, limit) => answer
            .map(|answer| answer.status)
            .map_err(|failure| failure.what),
        () = interrupt.reached(Urgency::Soon) => Err("interrupted".to_owned()),
    }
}

fn free_port() -> Result<u16, WorldError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address: SocketAddr| address.port())
        .map_err(|error| {
            WorldError::new(
                WorldErrorKind::Service,
                format!("cannot find a free port: {error}"),
            )
        })
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
        .with_help("stop it, or use `${port}` in `http.base_url` and `service.command`")
    })
}

/// Whether the service ended because somebody else took the port.
async fn lost_port(process: &mut Service, port: Option<u16>) -> bool {
    let taken = port.is_some_and(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err());
    taken
        || process
            .log_tail(20)
            .await
            .iter()
            .any(|line| line.to_lowercase().contains("address already in use"))
}
