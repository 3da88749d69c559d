//! Sending: requests are filled, sent one after the other, and counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use url::Url;

use super::cookies::Cookies;
use super::http::{Client, Failure, FailureKind};
use super::principals::Sessions;
use super::render::{Rendered, Target, Unsendable};
use super::{WorldError, WorldErrorKind};
use crate::expr::{Draws, Lookup};
use crate::interrupt::Interrupt;
use crate::model::{
    Bindings, Request, RequestTemplate, Response, RowDelta, StatusPattern, StepRecord,
};

/// Characters of an answer that an error shows.
const SHOWN_BODY: usize = 400;

/// Sends requests to the service.
#[derive(Debug)]
pub(super) struct Sender {
    client: Client,
    interrupt: Interrupt,
    /// Time between two requests at the least.
    pace: Duration,
    /// What values that are made up follow from.
    seed: u64,
    /// When the next request may be sent.
    next: Option<Instant>,
    requests: u64,
    /// Requests that were given an id.
    numbered: u64,
    unfinished: bool,
}

/// A request and its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    /// What was sent.
    pub(super) request: Request,
    /// What came back.
    pub(super) response: Response,
}

impl From<Exchange> for StepRecord {
    fn from(Exchange { request, response }: Exchange) -> Self {
        Self {
            request,
            response,
            extracted: Vec::new(),
            extract_failures: Vec::new(),
            rows: RowDelta::default(),
        }
    }
}

impl Sender {
    /// Sends over this client; `pace` is the time between two requests at the least, and values are made up from the `seed`.
    pub(super) fn new(client: Client, interrupt: Interrupt, pace: Duration, seed: u64) -> Self {
        Self {
            client,
            interrupt,
            pace,
            seed,
            next: None,
            requests: 0,
            numbered: 0,
            unfinished: false,
        }
    }

    /// Fills a request, and gives it an id. The error names it and the template.
    pub(super) fn render(
        &mut self,
        name: &str,
        template: &RequestTemplate,
        bindings: Bindings,
        sessions: &Sessions,
    ) -> Result<Rendered, WorldError> {
        let place = template.place.as_ref();
        let draws = place.map(|place| Arc::new(Draws::new(self.seed, place, bindings.turn)));
        let values: Arc<dyn Lookup> = Arc::new(Bindings { draws, ..bindings });
        let mut rendered = self
            .client
            .render(template, &values, sessions)
            .map_err(|unsendable| {
                let Unsendable { why, help, is_value } = unsendable;
                let kind = if is_value {
                    WorldErrorKind::Unsendable
                } else {
                    WorldErrorKind::Request
                };
                let help = help.unwrap_or_else(|| {
                    "a value may be missing on some paths: extract it earlier, give it a default in the template, or add a precondition".to_owned()
                });
                WorldError::new(kind, format!("{name}: {why}")).with_help(help)
            })?;
        self.numbered += 1;
        self.client
            .target()
            .name_request(&mut rendered, self.numbered);
        Ok(rendered)
    }

    /// Sends a request; `cookies` takes in those that the answer sets.
    pub(super) async fn send(
        &mut self,
        request: &Rendered,
        cookies: &mut Cookies,
    ) -> Result<Response, Failure> {
        self.requests += 1;
        self.send_again(request, cookies).await
    }

    /// Sends a request that came to nothing once more: it counts as one.
    pub(super) async fn send_again(
        &mut self,
        request: &Rendered,
        cookies: &mut Cookies,
    ) -> Result<Response, Failure> {
        self.client.send(request, cookies, &self.interrupt).await
    }

    /// A request has failed for good.
    pub(super) fn give_up(&mut self, failure: &Failure) {
        self.unfinished |= !matches!(
            failure.kind,
            FailureKind::Unsent | FailureKind::Distrusted | FailureKind::NoTls
        );
    }

    /// Whether a request was given up that may still be at work in the service.
    pub(super) fn has_unfinished(&self) -> bool {
        self.unfinished
    }

    /// Waits. An error where the run has to end meanwhile.
    pub(super) async fn wait(&self, time: Duration) -> Result<(), WorldError> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            ending = self.interrupt.ended() => Err(WorldError::ended(ending)),
        }
    }

    /// Waits until the next request may be sent.
    pub(super) async fn keep_pace(&mut self) -> Result<(), WorldError> {
        if self.pace.is_zero() {
            return Ok(());
        }
        let now = Instant::now();
        let due = self.next.unwrap_or(now).max(now);
        self.next = Some(due + self.pace);
        self.wait(due - now).await
    }

    /// Requests sent so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// What makes requests.
    pub(super) fn target(&self) -> &Target {
        self.client.target()
    }

    /// Where requests go.
    pub(super) fn base_url(&self) -> &Url {
        self.client.base_url()
    }

    /// What talks to the service, for a service that has been started again.
    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// The error for an answer that had to have one of these statuses, or where there are none, 2xx.
pub(super) fn refused(
    name: &str,
    request: &Request,
    answer: &Response,
    expected: &[StatusPattern],
) -> WorldError {
    let expected = if expected.is_empty() {
        "a 2xx answer".to_owned()
    } else {
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        expected.join(" or ")
    };
    WorldError::new(
        WorldErrorKind::Service,
        format!(
            "{name}: `{} {}`: expected {expected}, got {}",
            request.method, request.target, answer.status
        ),
    )
    .with_details([shown(answer)])
}

/// An answer as an error shows it.
pub(super) fn shown(answer: &Response) -> String {
    if answer.body.length == 0 {
        return "the answer has no body".to_owned();
    }
    let text = answer.body.text();
    let kept = text.chars().take(SHOWN_BODY);
    let printable = kept.map(|character| match character {
        control if control.is_control() => ' ',
        other => other,
    });
    format!("the answer: {}", printable.collect::<String>())
}
