//! One request as the live world sends it, with errors that name it; and putting back what it should not have changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::checkpoint::Place;
use super::cookies::Cookies;
use super::http::{Failure, FailureKind};
use super::live_world::LiveWorld;
use super::render::Rendered;
use super::service::ending;
use super::system::SystemState;
use super::{WorldError, WorldErrorKind};
use crate::expr::Lookup;
use crate::model::{Bindings, RequestTemplate, Response};

/// How long a service that gave no answer may take to be found dead.
const DEATH: Duration = Duration::from_millis(500);

/// How often rows that keep changing are put back before the run gives up.
const ATTEMPTS: u32 = 20;

impl LiveWorld {
    /// Fills a request. The error names it and the template.
    pub(super) fn render(
        &self,
        name: &str,
        template: &RequestTemplate,
        bindings: Bindings,
        cookies: &Cookies,
    ) -> Result<Rendered, WorldError> {
        let values: Arc<dyn Lookup> = Arc::new(bindings);
        self.client
            .render(template, &values, cookies)
            .map_err(|why| {
                WorldError::new(WorldErrorKind::Request, format!("{name}: {why}")).with_help(
                    "a value may be missing on some paths: extract it earlier, give it a default in the template, or add a precondition",
                )
            })
    }

    /// Sends a request that is known to change nothing, or that cannot be known to have changed nothing.
    pub(super) async fn exchange(
        &mut self,
        name: &str,
        request: &Rendered,
        cookies: &mut Cookies,
    ) -> Result<Response, WorldError> {
        self.exchange_from(name, request, cookies, None).await
    }

    /// Sends a request. A failure that may come from a connection that idled for too long is tried once more, if the
    /// method is safe, or if the systems still hold what is `known`, so that nothing happens twice.
    pub(super) async fn exchange_from(
        &mut self,
        name: &str,
        request: &Rendered,
        cookies: &mut Cookies,
        known: Option<&[SystemState]>,
    ) -> Result<Response, WorldError> {
        let began = Instant::now();
        self.requests += 1;
        self.at_rest = None;
        let mut outcome = self.client.send(request, cookies, &self.interrupt).await;
        if matches!(&outcome, Err(failure) if failure.kind == FailureKind::MaybeIdle) {
            let harmless = request.wire.method().is_safe()
                || match known {
                    Some(known) if !known.is_empty() => {
                        self.databases.read(known).await?.content.is_none()
                    }
                    _ => false,
                };
            if harmless {
                outcome = self.client.send(request, cookies, &self.interrupt).await;
            }
        }
        self.spent.http += began.elapsed();
        match outcome {
            Ok(response) => Ok(response),
            Err(failure) => Err(self.explain(name, request, failure).await),
        }
    }

    async fn explain(&mut self, name: &str, request: &Rendered, failure: Failure) -> WorldError {
        self.unfinished |= failure.kind != FailureKind::Unsent;
        if failure.kind == FailureKind::Interrupted {
            return interrupted();
        }
        let mut message = format!(
            "{name}: `{} {}`: {}",
            request.record.method, request.record.target, failure.what
        );
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
        if let Some(service) = &mut self.service {
            if let Some(status) = service.exits_within(DEATH).await {
                message = format!("{message}; the service {}", ending(status));
            } else {
                help.get_or_insert_with(|| {
                    "the service is still running; its log may say more".to_owned()
                });
            }
            details.extend(service.log_details().await);
        }
        WorldError {
            kind: WorldErrorKind::Service,
            message,
            details,
            help,
        }
    }

    /// Waits for what the service writes after it has answered.
    pub(super) async fn settle(&self) {
        if !self.config.settle.is_zero() {
            tokio::time::sleep(self.config.settle).await;
        }
    }

    /// Puts the systems back to this place after a request that should not have changed them. Says whether it had.
    pub(super) async fn undo(&mut self, place: &Arc<Place>) -> Result<bool, WorldError> {
        for attempt in 0..ATTEMPTS {
            let began = Instant::now();
            let change = self.databases.read(&place.content).await?;
            self.spent.journal += began.elapsed();
            for warning in change.warnings {
                self.warnings.say(warning);
            }
            let Some(content) = change.content else {
                return Ok(attempt > 0);
            };
            let began = Instant::now();
            self.databases.restore(&content, &place.content).await?;
            self.spent.restore += began.elapsed();
        }
        Err(WorldError::new(
            WorldErrorKind::Restore,
            format!(
                "the rows keep changing: put back {ATTEMPTS} times, and changed again each time"
            ),
        )
        .with_help(
            "stop the background jobs of the service, or name their tables under `ignore_tables`",
        ))
    }
}

/// The error of whatever was under way when the user asked to stop.
pub(super) fn interrupted() -> WorldError {
    WorldError::new(WorldErrorKind::Interrupted, "interrupted")
}
