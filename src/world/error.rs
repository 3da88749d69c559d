//! Why a run cannot go on.

use std::error::Error;
use std::sync::Arc;

use crate::interrupt::Ending;
use crate::model::SqlQuery;
use crate::secret::Secrets;

/// Why a run cannot go on. All of these end it with exit code 3.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct WorldError {
    /// Which part failed.
    pub kind: WorldErrorKind,
    /// What happened, with the names of things.
    pub message: String,
    /// Lines that help to understand it: the tail of the service's log, the rows that differ.
    pub details: Vec<String>,
    /// What to do next.
    pub help: Option<String>,
    /// The error of a library or of the operating system that it comes from. The message says what it says.
    pub source: Option<Arc<dyn Error + Send + Sync>>,
}

/// Which part of the world failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorldErrorKind {
    /// The service does not start, has died, or gives no complete HTTP answer.
    Service,
    /// A database cannot be opened, read or written, or changes its schema during the run.
    System,
    /// A restore was not exact.
    Restore,
    /// A request cannot be built from its templates.
    Request,
    /// A request cannot be sent, because a value in it cannot stand in a URL.
    Unsendable,
    /// Somebody's login is not good any more, and cannot be done again; a warning says so.
    LoginLost,
    /// The user asked to stop while something was under way.
    Interrupted,
    /// The time of the run was over while something was under way.
    TimeOver,
}

impl WorldErrorKind {
    /// The word used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::System => "system",
            Self::Restore => "restore",
            Self::Request => "request",
            Self::Unsendable => "unsendable",
            Self::LoginLost => "login-lost",
            Self::Interrupted => "interrupted",
            Self::TimeOver => "time-over",
        }
    }
}

impl WorldError {
    /// An error with a message only.
    pub fn new(kind: WorldErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            details: Vec::new(),
            help: None,
            source: None,
        }
    }

    /// The error of whatever was under way when the user asked to stop.
    pub(super) fn interrupted() -> Self {
        Self::ended(Ending::Requested)
    }

    /// The error of whatever was under way when it had to end.
    pub(super) fn ended(ending: Ending) -> Self {
        match ending {
            Ending::Requested => Self::new(WorldErrorKind::Interrupted, "interrupted"),
            Ending::TimeOver => Self::new(WorldErrorKind::TimeOver, ending.to_string()),
        }
    }

    /// Whether nothing failed: what was under way had to end.
    pub fn is_ending(&self) -> bool {
        matches!(
            self.kind,
            WorldErrorKind::Interrupted | WorldErrorKind::TimeOver
        )
    }

    /// The same error, saying whose query it was: a query that fails must never look like one that found nothing.
    #[must_use]
    pub fn of_query(self, owner: &str, query: &SqlQuery) -> Self {
        if self.is_ending() {
            return self;
        }
        let help = self.help.clone().unwrap_or_else(|| {
            let may_write = self.message.contains("may only read");
            if may_write {
                "write a `SELECT`: what it finds is compared, nothing is changed by it"
            } else {
                "try the query in the database's own shell, on a copy of the service's tables"
            }
            .to_owned()
        });
        let origin = query.origin.as_ref();
        let place = origin.map_or_else(String::new, |origin| format!(" at {}", origin.place(0)));
        let text: Vec<&str> = query.text.split_whitespace().collect();
        Self {
            message: format!("the SQL of {owner} failed: {}", self.message),
            ..self
        }
        .with_details([format!("SQL{place}: {}", text.join(" "))])
        .with_help(help)
    }

    /// Says what to do next.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to do after that which the error advises already.
    #[must_use]
    pub(super) fn with_more_help(mut self, help: &str) -> Self {
        self.help = Some(match self.help.take() {
            Some(first) => format!("{first}; {help}"),
            None => help.to_owned(),
        });
        self
    }

    /// Adds lines that help to understand it.
    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }

    /// Keeps the error that it comes from.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The same error without what must not be shown.
    pub(crate) fn without(mut self, secrets: &Secrets) -> Self {
        let texts = [&mut self.message]
            .into_iter()
            .chain(&mut self.details)
            .chain(&mut self.help);
        for text in texts {
            *text = secrets.hide(text).into_owned();
        }
        // It would show what the texts hide.
        self.source = None;
        self
    }
}
