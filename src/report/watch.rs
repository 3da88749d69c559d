//! A run that goes on, and the reports about it. Secrets are taken out here, once for all formats.

use super::{LogReplay, Reports, RunReport};
use crate::event::{
    ActionTally, Closed, ConfirmationResult, Detail, Event, Failure, Finished, Started, Stop,
    Warning,
};
use crate::explorer::Observer;
use crate::secret::Secrets;
use crate::world::{self, WorldError};

/// A run that goes on, and the reports about it.
pub struct Watch<'r> {
    log: LogReplay<'r>,
    detail: Detail,
    secrets: Secrets,
    /// Whether what the run has confirmed is accepted from now on.
    accepts: bool,
}

impl Observer for Watch<'_> {
    fn detail(&self) -> Detail {
        self.detail
    }

    fn event(&mut self, mut event: Event) {
        if let Event::Finished(finished) = &mut event
            && self.accepts
        {
            for found in &mut finished.violations {
                found.known |= found.confirmation.result == ConfirmationResult::Confirmed;
            }
        }
        let event = self.without_secrets(event);
        self.log.entry(event);
    }
}

impl<'r> Watch<'r> {
    /// See [`Reports::watch`].
    pub(super) fn begin(reports: &'r mut Reports, started: Started, secrets: Secrets) -> Self {
        let mut watch = Self {
            detail: reports.detail(),
            log: reports.log_replay(),
            secrets,
            accepts: false,
        };
        watch.event(Event::Started(Box::new(started)));
        watch
    }

    /// The baseline will accept what the run confirms, so it counts for nothing.
    pub fn accept_confirmed(&mut self) {
        self.accepts = true;
    }

    /// How the run ended, without secrets, as reports show it.
    pub fn finished(&self) -> Option<&Finished> {
        let builder = self.log.builder.as_ref()?;
        Some(builder.finished())
    }

    /// Everything has been put back, with what there is to say of that, or could not be: the run is over. `replay` has for each violation of
    /// [`Watch::finished`] the command that runs it again.
    pub fn close(
        mut self,
        put_back: Result<&[world::Warning], &WorldError>,
        replay: Vec<Option<String>>,
    ) -> Option<RunReport> {
        let closed = self.without_secrets(Event::Closed(Closed {
            cleanup: put_back.err().map(Failure::from),
            warnings: put_back.map_or_else(
                |_| Vec::new(),
                |told| told.iter().cloned().map(Warning::from).collect(),
            ),
            replay,
        }));
        self.log.entry(closed)
    }

    /// The event without secrets. Where the summary of a run cannot be shown without secrets, the run has failed.
    fn without_secrets(&self, event: Event) -> Event {
        const MESSAGE: &str = "a word of the log's format is a secret, and cannot be hidden";
        if matches!(event, Event::Progress(_)) {
            // Figures hold no text.
            return event;
        }
        self.secrets.hidden(&event).unwrap_or_else(|_| match event {
            Event::Finished(finished) => Event::Finished(Box::new(Finished {
                stop: Stop::Failed {
                    error: Failure {
                        kind: "report".to_owned(),
                        message: MESSAGE.to_owned(),
                        details: Vec::new(),
                        help: Some("give the secret another value".to_owned()),
                    },
                    path: Vec::new(),
                },
                actions: vec![ActionTally::default(); finished.actions.len()],
                violations: Vec::new(),
                corpus: Vec::new(),
                warnings: Vec::new(),
                ..*finished
            })),
            _ => Event::Warning(Warning {
                code: "secret-word".to_owned(),
                message: format!("an event is left out: {MESSAGE}"),
                help: Some("give the secret another value".to_owned()),
                untrusted: true,
            }),
        })
    }
}
