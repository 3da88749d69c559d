//! One request, one complete answer, or a failure in words.
//!
//! Requests go one after the other over one connection. No proxy, no redirect, no cookie store and no retry of the
//! client library takes part: a 302 is an answer, and every request is counted once.
//!
//! **Connections that idled.** A server may close an idle connection in the very moment a request is written to it; the
//! request then fails although the service is well. A connection is therefore not used again after one second of
//! silence (servers wait five seconds and more), and a failure that could still be that race is marked
//! [`FailureKind::MaybeIdle`]: the request may be sent once more if it is known to have done nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, SET_COOKIE};

use self::transport::{Answered, Transport};
use self::unpack::unpack;
use super::cookies::Cookies;
use super::principals::{Principal, Sessions};
use super::render::{Rendered, Target, Unsendable};
use super::{WorldError, WorldErrorKind};
use crate::expr::Lookup;
use crate::interrupt::Interrupt;
use crate::model::{Body, RequestTemplate, Response};

mod direct;
mod failure;
mod transport;
mod unpack;

pub(super) use failure::{Failure, FailureKind};

/// How long a connection may be silent and still be used again.
const IDLE: Duration = Duration::from_secs(1);

/// The HTTP client of one service.
#[derive(Debug)]
pub(super) struct Client {
    target: Target,
    transport: Transport,
    timeout: Duration,
    max_body: u64,
    /// When the last complete answer came.
    last_answer: Option<Instant>,
}

impl Client {
    /// A client for the service at `base_url`; answers may lead to these `origins` as well, and requests may be sent as these
    /// `principals`.
    pub(super) fn new(
        base_url: &str,
        origins: &[String],
        config: &super::config::HttpConfig,
        principals: &Arc<[Principal]>,
    ) -> Result<Self, WorldError> {
        let target = Target::new(base_url, &config.headers)
            .and_then(|target| target.with_origins(origins))
            .map_err(|message| WorldError::new(WorldErrorKind::Request, message))?
            .following(config.follow_redirects)
            .naming_requests(config.request_id.as_deref())
            .map_err(|message| WorldError::new(WorldErrorKind::Request, message))?
            .acting_as(principals.clone())
            .map_err(|message| WorldError::new(WorldErrorKind::Request, message))?;
        Ok(Self {
            target,
            transport: Transport::new(config),
            timeout: config.timeout,
            max_body: config.max_body,
            last_answer: None,
        })
    }

    /// What makes requests.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Where requests go.
    pub(super) fn base_url(&self) -> &url::Url {
        self.target.url()
    }

    /// Closes every connection, because the service is another process now.
    pub(super) fn reconnect(&mut self) {
        self.transport.reconnect();
        self.last_answer = None;
    }

    /// Fills a request. An error says which template could not be filled, and why.
    pub(super) fn render(
        &self,
        template: &RequestTemplate,
        values: &Arc<dyn Lookup>,
        sessions: &Sessions,
    ) -> Result<Rendered, Unsendable> {
        self.target.render(template, values, sessions)
    }

    /// Sends a request and reads the whole answer; `cookies` takes in those that it sets.
    pub(super) async fn send(
        &mut self,
        request: &Rendered,
        cookies: &mut Cookies,
        interrupt: &Interrupt,
    ) -> Result<Response, Failure> {
        self.send_within(request, cookies, interrupt, self.timeout)
            .await
    }

    /// [`Client::send`] with a timeout of its own.
    pub(super) async fn send_within(
        &mut self,
        request: &Rendered,
        cookies: &mut Cookies,
        interrupt: &Interrupt,
        timeout: Duration,
    ) -> Result<Response, Failure> {
        let began = Instant::now();
        let reused = self
            .last_answer
            .is_some_and(|last| began.duration_since(last) < IDLE);
        let url = request.wire.url();
        let wire = (request.wire.try_clone()).ok_or_else(|| {
            Failure::unsent("the request cannot be sent a second time".to_owned())
        })?;
        let max_body = self.max_body;
        let exchange = self.transport.exchange(wire, timeout, max_body);
        let outcome = tokio::select! {
            biased;
            outcome = exchange => outcome,
            ending = interrupt.ended() => {
                return Err(Failure {
                    what: format!("given up, because {ending}"),
                    kind: FailureKind::Ended(ending),
                });
            }
        };
        let Answered {
            status,
            headers,
            body,
        } = outcome.map_err(|broken| {
            self.last_answer = None;
            Failure::of(&broken, reused, timeout)
        })?;
        self.last_answer = Some(Instant::now());
        let body = unpacked(body, &headers, max_body)?;
        // A cookie knows no port, so one of another server on this host would be sent to the service.
        if url.origin() == self.target.url().origin() {
            let set_cookie = headers
                .iter()
                .filter(|(name, _)| *name == SET_COOKIE.as_str())
                .map(|(_, value)| value.as_str());
            cookies.store(set_cookie, url);
        }
        Ok(Response {
            status,
            headers,
            body,
            duration: began.elapsed(),
            no_answer: None,
            is_rate_limit: false,
            has_errors: false,
            is_unready: false,
            retries: 0,
            target: request.record.target.clone(),
        })
    }
}

/// The body without its encodings, of the type that its headers name.
fn unpacked(body: Body, headers: &[(String, String)], max: u64) -> Result<Body, Failure> {
    let values = |wanted: HeaderName| -> Vec<&str> {
        let named = headers.iter().filter(|(name, _)| *name == wanted.as_str());
        named.map(|(_, value)| value.as_str()).collect()
    };
    let encodings = values(CONTENT_ENCODING).join(",");
    // A part of a packed body cannot be unpacked to anything that could be judged.
    let body = if encodings.is_empty() || body.is_cut() {
        body
    } else {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let unpacked = unpack(&encodings, &body.bytes, max).map_err(|why| Failure {
            what: format!("the answer broke off or is malformed: {why}"),
            kind: FailureKind::Broken,
        })?;
        match unpacked {
            Some(unpacked) => Body::cut_at(unpacked.kept, unpacked.length),
            None => body,
        }
    };
    Ok(body.of_type(values(CONTENT_TYPE).first().copied()))
}

#[cfg(test)]
mod tests;
