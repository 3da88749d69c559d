//! The service, how to talk to it, its databases, and how to get back.

use std::collections::HashSet;
use std::time::Duration;

use super::Lowering;
use super::principal::good_statuses;
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::model::{RequestTemplate, SqlQuery};
use crate::random::Random;
use crate::secret::{Secrets, without_password};
use crate::spec::document::{
    Document, Http, IdentityWord, Reset as WrittenReset, RestoreWord, SafetyCopyWord, Service,
    Settle as WrittenSettle, System,
};
use crate::spec::names::Scope;
use crate::world::config::{
    HttpConfig, IdentityMode, Pattern, Reset, RestoreMode, RunText, SafetyCopy, ServiceConfig,
    Settle, SetupStep, SystemConfig, Tls, WorldConfig,
};
use crate::world::system::{ENGINES, Location, LocationKind};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a system may take to settle.
const DEFAULT_SETTLE: Duration = Duration::from_secs(2);
const DEFAULT_READY_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_MAX_BODY: u64 = 16_000_000;
/// The default base URL of a service that venomqa starts.
const DEFAULT_BASE_URL: &str = "http://127.0.0.1:${port}";

impl Lowering<'_> {
    pub(super) fn world(&mut self, document: &Document) -> WorldConfig {
        let service = document
            .service
            .as_ref()
            .map(|service| self.service(service));
        let http = self.http(&document.http, document.service.is_some());
        let mut systems: Vec<SystemConfig> = document
            .systems
            .iter()
            .enumerate()
            .map(|(position, (name, system))| self.system_config(position, name, system))
            .collect();
        // Of several, a table may be in any.
        if let [only] = systems.as_mut_slice() {
            only.ensured_tables = self.ensured_tables(document);
        }
        let principals = self.principals(document).into();
        let (setup, extracted) = self.setup(document);
        let after_restore = self.after_restore(document, &extracted);
        let reset = document
            .reset
            .as_ref()
            .and_then(|reset| self.reset(reset, document, &extracted));
        let restore = self.restore(document, &systems);
        WorldConfig {
            secrets: Secrets::default(),
            base_dir: self.base_dir.to_owned(),
            reset: reset.or_else(|| {
                (restore == RestoreMode::Replay && service.is_some()).then_some(Reset::Restart)
            }),
            service,
            http,
            systems,
            restore,
            after_restore,
            setup,
            principals,
            settle: document.settle.map(|settle| settle.0),
            identity: match document.explore.identity {
                Some(IdentityWord::Canonical) => IdentityMode::Canonical,
                Some(IdentityWord::Exact) | None => IdentityMode::Exact,
            },
            seed: document.explore.seed.unwrap_or(Random::DEFAULT_SEED),
        }
    }

    fn service(&mut self, service: &Service) -> ServiceConfig {
        let at = Path::root().key("service");
        let command = self.command(&at.key("command"), &service.command);
        let env_at = at.key("env");
        let env = service
            .env
            .iter()
            .map(|(name, value)| {
                let text = self.compiler.constant_text(&env_at.key(name), &value.0);
                (name.clone(), RunText(text))
            })
            .collect();
        let ready = service.ready.as_ref();
        let ready_path = ready
            .and_then(|ready| ready.path.clone())
            .unwrap_or_else(|| "/".to_owned());
        if !ready_path.starts_with('/') {
            self.at_value(
                &at.key("ready").key("path"),
                "expected a `/` first",
                Diagnostic::error(
                    Code::BadValue,
                    format!("the path `{ready_path}` does not start with `/`"),
                ),
            );
        }
        let ready_timeout = ready
            .and_then(|ready| ready.timeout)
            .map_or(DEFAULT_READY_TIMEOUT, |timeout| timeout.0);
        self.not_zero(&at.key("ready").key("timeout"), ready_timeout);
        ServiceConfig {
            command,
            env,
            cwd: service.cwd.clone().map(RunText),
            ready_path,
            ready_timeout,
            restart: service.restart.unwrap_or(true),
        }
    }

    fn command(
        &mut self,
        at: &Path,
        command: &[crate::spec::document::ScalarText],
    ) -> Vec<RunText> {
        if command.is_empty() && !self.compiler.problems.is_broken(at) {
            self.at_key(
                at,
                "",
                Diagnostic::error(Code::BadValue, format!("`{at}` names no program"))
                    .help("write the program and its arguments: `[\"./server\", \"--port\", \"${port}\"]`"),
            );
        }
        command
            .iter()
            .enumerate()
            .map(|(index, word)| RunText(self.compiler.constant_text(&at.index(index), &word.0)))
            .collect()
    }

    pub(super) fn not_zero(&mut self, at: &Path, duration: Duration) {
        if duration.is_zero() {
            self.at_value(
                at,
                "expected more than 0",
                Diagnostic::error(Code::BadValue, format!("`{at}` leaves no time at all")),
            );
        }
    }

    fn http(&mut self, http: &Http, has_service: bool) -> HttpConfig {
        let at = Path::root().key("http");
        let base_url = match (self.base_url, &http.base_url) {
            (Some(url), _) => url.to_owned(),
            (None, Some(url)) => {
                self.base_url(&at.key("base_url"), url, has_service);
                url.clone()
            }
            (None, None) => {
                if !has_service && !self.compiler.problems.is_broken(&at) {
                    self.at_key(
                        &at,
                        "",
                        Diagnostic::error(Code::MissingKey, "the spec does not say where the service is")
                            .help("add `http: { base_url: http://127.0.0.1:8080 }`, or a `service` to start"),
                    );
                }
                DEFAULT_BASE_URL.to_owned()
            }
        };
        let timeout = http.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.0);
        self.not_zero(&at.key("timeout"), timeout);
        HttpConfig {
            base_url: RunText(base_url),
            timeout,
            origins: self.origins(&at.key("origins"), &http.origins),
            headers: self.headers(&at.key("headers"), &http.headers, Scope::Path(&[])),
            max_body: http.max_body.map_or(DEFAULT_MAX_BODY, |size| size.0),
            follow_redirects: http.follow_redirects,
            retry_after: http.retry_after.unwrap_or(true),
            pace: http.rate_limit.map_or(Duration::ZERO, |rate| rate.0),
            proxy: http
                .proxy
                .0
                .as_ref()
                .and_then(|url| self.proxy(&at.key("proxy"), url)),
            request_id: http.request_id.as_ref().map(|name| {
                self.header_name(&at.key("request_id"), name);
                name.clone()
            }),
            tls: Tls {
                ca: http
                    .ca_file
                    .as_ref()
                    .map_or_else(Vec::new, |file| self.certificates(&at.key("ca_file"), file)),
                insecure: http.insecure,
            },
        }
    }

    fn proxy(&mut self, at: &Path, url: &str) -> Option<reqwest::Proxy> {
        let url = self.compiler.constant_text(at, url);
        let why = match url::Url::parse(&url) {
            Ok(parsed) if !["http", "https"].contains(&parsed.scheme()) => {
                format!("the scheme `{}` is not `http` or `https`", parsed.scheme())
            }
            Ok(_) => match reqwest::Proxy::all(&url) {
                Ok(proxy) => return Some(proxy),
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        let message = format!("`{}` is no proxy: {why}", without_password(&url));
        self.at_value(
            at,
            "expected a URL such as `http://127.0.0.1:8888`",
            Diagnostic::error(Code::BadValue, message),
        );
        None
    }

    fn certificates(&mut self, at: &Path, file: &str) -> Vec<reqwest::Certificate> {
        let Some(pem) = self.file(at, file) else {
            return Vec::new();
        };
        let found = reqwest::Certificate::from_pem_bundle(&pem.bytes);
        let why = match found {
            Ok(found) if !found.is_empty() => return found,
            Ok(_) => String::new(),
            Err(error) => format!(": {error}"),
        };
        let message = format!("`{file}` holds no certificate in PEM{why}");
        self.at_value(at, "", Diagnostic::error(Code::BadValue, message));
        Vec::new()
    }

    fn origins(&mut self, at: &Path, origins: &[String]) -> Vec<RunText> {
        for (index, origin) in origins.iter().enumerate() {
            if let Some(reason) = wrong_url(origin) {
                self.at_value(
                    &at.index(index),
                    "expected scheme, host and port, such as `http://127.0.0.1:9000`",
                    Diagnostic::error(
                        Code::BadValue,
                        format!("`{}` is no origin: {reason}", without_password(origin)),
                    ),
                );
            }
        }
        origins.iter().cloned().map(RunText).collect()
    }

    fn base_url(&mut self, at: &Path, url: &str, has_service: bool) {
        if url.contains("${port}") && !has_service {
            self.at_value(
                at,
                "",
                Diagnostic::error(
                    Code::Contradiction,
                    "`${port}` is the port of the `service` to start, and the spec has none",
                )
                .help("write the port on which the service answers, or declare the `service`"),
            );
        }
        if let Some(reason) = wrong_url(url) {
            self.at_value(
                at,
                "expected a URL such as `http://127.0.0.1:8080`",
                Diagnostic::error(
                    Code::BadValue,
                    format!("`{}` is no base URL: {reason}", without_password(url)),
                ),
            );
        }
    }

    /// What a system is, and where: exactly one of the keys of the engines and `url`.
    fn location(&mut self, at: &Path, name: &str, system: &System) -> Location {
        let nowhere = Location::new(ENGINES[0], "");
        let mut declared = system.locations.iter();
        let Some((key, text)) = declared.next() else {
            if !self.compiler.problems.is_broken(at) {
                let [file, url] = [LocationKind::File, LocationKind::Url].map(|kind| {
                    let of_kind = ENGINES
                        .iter()
                        .filter(|engine| engine.location_kind() == kind);
                    of_kind
                        .map(|engine| {
                            format!("`{name}: {{ {}: {} }}`", engine.key(), engine.example())
                        })
                        .collect::<Vec<_>>()
                        .join(" or ")
                });
                self.at_key(
                    at,
                    "",
                    Diagnostic::error(
                        Code::MissingKey,
                        format!("the system `{name}` does not say what it is"),
                    )
                    .help(format!("add the file, {file}, or the URL, {url}")),
                );
            }
            return nowhere;
        };
        if let Some((other, _)) = declared.next() {
            self.at_key(
                &at.key(other),
                "",
                Diagnostic::error(
                    Code::Contradiction,
                    format!("the system `{name}` is `{key}` or `{other}`, not both"),
                ),
            );
        }
        let text = self.compiler.constant_text(&at.key(key), text);
        if let Some(engine) = ENGINES.into_iter().find(|engine| engine.key() == *key) {
            return Location::new(engine, text);
        }
        Location::of_url(&text).unwrap_or_else(|| {
            self.at_value(
                &at.key(key),
                "expected `sqlite:path/to/file.db` or `postgres://user@host:port/name`",
                Diagnostic::error(Code::BadValue, "no kind of database has this URL scheme"),
            );
            nowhere
        })
    }

    fn system_config(&mut self, position: usize, name: &str, system: &System) -> SystemConfig {
        let at = Path::root().key("systems").key(name);
        let location = self.location(&at, name, system);
        self.compiler.dialects.push(location.engine.dialect());
        let queries_at = at.key("observation_queries");
        let observation_queries = system
            .settings
            .observation_queries
            .iter()
            .map(|(name, text)| -> (String, SqlQuery) {
                let query = self.compiler.sql(&queries_at.key(name), text, position);
                (name.clone(), query)
            })
            .collect();
        let settle = (system.settings.settle.as_ref())
            .map(|settle| self.settle(&at.key("settle"), settle, position));
        let volatile = system.settings.volatile.as_deref();
        for (key, patterns) in [
            ("ignore_columns", system.settings.ignore_columns.as_slice()),
            ("volatile", volatile.unwrap_or_default()),
        ] {
            for (index, pattern) in patterns.iter().enumerate() {
                if !pattern.contains('.') {
                    self.at_value(
                        &at.key(key).index(index),
                        "expected `table.column`",
                        Diagnostic::error(Code::BadValue, format!("`{pattern}` names no column"))
                            .help(format!(
                                "write `*.{pattern}` for that column of every table"
                            )),
                    );
                }
            }
        }
        SystemConfig {
            name: name.to_owned(),
            location,
            observe_tables: (system.settings.observe_tables.as_ref())
                .map(|written| self.patterns(&at.key("observe_tables"), written)),
            ignore_columns: self
                .patterns(&at.key("ignore_columns"), &system.settings.ignore_columns),
            keep_ids: self.patterns(&at.key("keep_ids"), &system.settings.keep_ids),
            volatile: volatile.map(|written| self.patterns(&at.key("volatile"), written)),
            ignore_tables: self.patterns(&at.key("ignore_tables"), &system.settings.ignore_tables),
            ensured_tables: Vec::new(),
            observation_queries,
            settle,
            query_timeout: (system.settings.query_timeout)
                .map_or(SystemConfig::QUERY_TIMEOUT, |timeout| timeout.0),
            allow_remote: system.settings.allow_remote,
            safety_copy: match system.settings.safety_copy {
                SafetyCopyWord::Auto => SafetyCopy::Auto,
                SafetyCopyWord::Always => SafetyCopy::Always,
                SafetyCopyWord::Never => SafetyCopy::Never,
            },
        }
    }

    fn settle(&mut self, at: &Path, written: &WrittenSettle, system: usize) -> Settle {
        let until = self.compiler.sql(&at.key("until"), &written.until, system);
        let at_most = written.at_most.map_or(DEFAULT_SETTLE, |time| time.0);
        self.not_zero(&at.key("at_most"), at_most);
        Settle { until, at_most }
    }

    fn patterns(&self, at: &Path, written: &[String]) -> Vec<Pattern> {
        let written = written.iter().enumerate();
        written
            .map(|(index, text)| Pattern {
                text: text.clone(),
                place: Some(self.compiler.place(&at.index(index), text)),
            })
            .collect()
    }

    /// The steps, and everything they extract.
    fn setup(&mut self, document: &Document) -> (Vec<SetupStep>, HashSet<String>) {
        let section = Path::root().key("setup");
        let mut so_far = HashSet::new();
        let mut steps = Vec::new();
        for written in &document.setup {
            let at = section.index(written.position);
            let mut request =
                self.request(&at.key("request"), &written.request, Scope::Setup(&so_far));
            request.principal = self.actor(&at.key("as"), written.actor.as_ref(), document);
            request.retry = self.retry(&at.key("retry"), written.retry.as_ref());
            steps.push(SetupStep {
                status: good_statuses(&request, written.expect.as_ref()),
                request,
                extract: self.extractions(&at.key("extract"), &written.extract),
            });
            so_far.extend(written.extract.keys().cloned());
        }
        (steps, so_far)
    }

    fn after_restore(
        &mut self,
        document: &Document,
        extracted: &HashSet<String>,
    ) -> Vec<RequestTemplate> {
        let section = Path::root().key("after_restore");
        document
            .after_restore
            .iter()
            .map(|entry| {
                let at = section.index(entry.position);
                let scope = Scope::Setup(extracted);
                let mut request = self.request(&at.key("request"), &entry.request, scope);
                request.principal = self.actor(&at.key("as"), entry.actor.as_ref(), document);
                request
            })
            .collect()
    }

    fn reset(
        &mut self,
        reset: &WrittenReset,
        document: &Document,
        extracted: &HashSet<String>,
    ) -> Option<Reset> {
        let at = Path::root().key("reset");
        let ways = [
            reset.request.is_some(),
            reset.command.is_some(),
            reset.restart == Some(true),
        ];
        if ways.iter().filter(|way| **way).count() != 1 && !self.compiler.problems.is_broken(&at) {
            self.at_key(
                &at,
                "",
                Diagnostic::error(
                    Code::Contradiction,
                    "`reset` is one of `request`, `command` and `restart: true`",
                )
                .help("keep exactly one"),
            );
        }
        if reset.restart == Some(true) && document.service.is_none() {
            self.at_key(
                &at.key("restart"),
                "",
                Diagnostic::error(Code::Contradiction, "there is no `service` to restart")
                    .help("declare the `service`, or reset it with a `request` or a `command`"),
            );
        }
        let request = reset
            .request
            .as_ref()
            .map(|request| self.request(&at.key("request"), request, Scope::Setup(extracted)));
        let command = reset
            .command
            .as_ref()
            .map(|command| self.command(&at.key("command"), command));
        match (request, command) {
            (Some(request), _) => Some(Reset::Request(Box::new(request))),
            (None, Some(command)) => Some(Reset::Command(command)),
            (None, None) => (reset.restart == Some(true)).then_some(Reset::Restart),
        }
    }

    fn restore(&mut self, document: &Document, systems: &[SystemConfig]) -> RestoreMode {
        let at = Path::root().key("restore");
        let can_replay = document.service.is_some() || document.reset.is_some();
        let understood = !["systems", "service", "reset", "restore"]
            .iter()
            .any(|key| self.compiler.problems.is_broken(&Path::root().key(key)));
        match document.restore {
            Some(RestoreWord::Database) => {
                if systems.is_empty() && understood {
                    self.at_value(
                        &at,
                        "there is no system",
                        Diagnostic::error(
                            Code::Contradiction,
                            "`restore: database` needs a system to restore",
                        )
                        .help("declare the database under `systems`, or write `restore: replay`"),
                    );
                }
                RestoreMode::Database
            }
            Some(RestoreWord::Full) => {
                if document.service.is_none() && understood {
                    let diagnostic = Diagnostic::error(
                        Code::Contradiction,
                        "`restore: full` has no service to start again",
                    );
                    let help = "let venomqa start it: `service: { command: [...] }`";
                    self.at_value(&at, "there is no `service`", diagnostic.help(help));
                }
                RestoreMode::Full
            }
            Some(RestoreWord::Replay) => {
                if !can_replay && understood {
                    self.at_value(&at, "nothing says how to start over", no_way_back());
                }
                RestoreMode::Replay
            }
            Some(RestoreWord::None) => RestoreMode::None,
            None if !systems.is_empty() => {
                if document.reset.is_some() {
                    self.at_key(
                        &Path::root().key("reset"),
                        "",
                        Diagnostic::warning(
                            Code::Contradiction,
                            "`reset` is not used: the systems are restored instead",
                        )
                        .help("write `restore: replay` to use it"),
                    );
                }
                RestoreMode::Database
            }
            None if can_replay => RestoreMode::Replay,
            None => {
                let never_goes_back = self.vocabulary.strategies_without_restore;
                let strategy = document.explore.strategy.as_deref();
                let goes_back = strategy.is_none_or(|name| !never_goes_back.contains(&name));
                // Where the service is has been reported as missing already.
                let is_known = document.http.base_url.is_some() || self.base_url.is_some();
                if goes_back && understood && is_known {
                    self.at_key(&Path::root().key("http"), "", no_way_back());
                }
                RestoreMode::None
            }
        }
    }
}

fn no_way_back() -> Diagnostic {
    Diagnostic::error(
        Code::Contradiction,
        "nothing says how to get the service back to an earlier state",
    )
    .help(
        "declare its database under `systems`, a `reset`, or a `service` to restart; \
         or write `restore: none` and explore with `strategy: random`",
    )
}

/// Why a text cannot be a base URL.
pub(in crate::spec) fn wrong_url(text: &str) -> Option<String> {
    let resolved = RunText(text.to_owned()).resolve(&|name| match name {
        "port" => Some("1".to_owned()),
        "workdir" | "venomqa" => Some("x".to_owned()),
        _ => None,
    });
    match url::Url::parse(&resolved) {
        Ok(url) if !["http", "https"].contains(&url.scheme()) => Some(format!(
            "the scheme `{}` is not `http` or `https`",
            url.scheme()
        )),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Some("it has a user name or a password; send them in `http.headers`".to_owned())
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            Some("it has a query or a fragment".to_owned())
        }
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}
