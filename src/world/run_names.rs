//! The names that are known when the run starts: `${port}`, `${workdir}` and `${venomqa}`.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::config::{Reset, RunText, ServiceConfig, WorldConfig};
use super::service::Launch;
use super::system::Location;
use super::{WorldError, WorldErrorKind};

/// What `${port}`, `${workdir}` and `${venomqa}` stand for in this run.
#[derive(Debug)]
pub(super) struct RunNames {
    base_dir: PathBuf,
    wants_port: bool,
    port: Option<u16>,
    workdir: Option<TempDir>,
    executable: PathBuf,
}

impl RunNames {
    /// Creates the temporary folder if the configuration mentions it. The port is chosen later:
    /// [`RunNames::choose_port`].
    pub(super) fn new(config: &WorldConfig) -> Result<Self, WorldError> {
        let base_dir = if config.base_dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &config.base_dir
        };
        let mentions = |name: &str| texts(config).any(|text| text.0.contains(name));
        Ok(Self {
            base_dir: base_dir
                .canonicalize()
                .map_err(|error| cannot(&format!("open `{}`", base_dir.display()), error))?,
            wants_port: mentions("${port}"),
            port: None,
            workdir: mentions("${workdir}")
                .then(|| TempDir::with_prefix("venomqa-"))
                .transpose()
                .map_err(|error| cannot("create a temporary folder", error))?,
            executable: std::env::current_exe()
                .map_err(|error| cannot("find venomqa's own executable", error))?,
        })
    }

    /// Makes `${port}` a port that is free now. Says whether the configuration mentions it, so that another choice would make
    /// a difference.
    pub(super) fn choose_port(&mut self) -> Result<bool, WorldError> {
        if self.wants_port {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .and_then(|listener| listener.local_addr())
                .map_err(|error| cannot("find a free port", error))?;
            self.port = Some(free.port());
        }
        Ok(self.wants_port)
    }

    /// Whether somebody else has taken the port.
    pub(super) fn port_is_taken(&self) -> bool {
        self.port
            .is_some_and(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err())
    }

    /// The text with every name filled in.
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

    /// Where a database is.
    pub(super) fn location(&self, location: &Location) -> String {
        location.resolve(&self.base_dir, &|name| self.value(name))
    }

    /// How the service is started.
    pub(super) fn service(&self, service: &ServiceConfig) -> Launch {
        let env = service.env.iter();
        Launch {
            env: env
                .map(|(name, value)| (name.clone(), self.text(value)))
                .collect(),
            cwd: service.cwd.as_ref().map_or_else(
                || self.base_dir.clone(),
                |cwd| self.base_dir.join(self.text(cwd)),
            ),
            ..self.command(&service.command)
        }
    }

    /// How a command is started, in the folder of the spec.
    pub(super) fn command(&self, command: &[RunText]) -> Launch {
        Launch {
            command: command.iter().map(|part| self.text(part)).collect(),
            env: Vec::new(),
            cwd: self.base_dir.clone(),
        }
    }

    /// Removes the temporary folder.
    pub(super) fn remove_workdir(&mut self) -> Result<(), WorldError> {
        let Some(workdir) = self.workdir.take() else {
            return Ok(());
        };
        let what = format!("remove the temporary folder `{}`", workdir.path().display());
        workdir.close().map_err(|error| cannot(&what, error))
    }
}

fn cannot(what: &str, error: std::io::Error) -> WorldError {
    WorldError::new(WorldErrorKind::Service, format!("cannot {what}: {error}")).with_source(error)
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
        Some(Reset::Command(command)) => command.as_slice(),
        _ => &[],
    };
    service
        .chain(systems)
        .chain(reset)
        .chain([&config.http.base_url])
        .chain(&config.http.origins)
}
