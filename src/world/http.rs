//! One request, one complete answer, or a failure in words.
//!
//! Requests go one after the other over one connection. No proxy, no redirect, no cookie store and no retry of the
//! client library takes part: a 302 is an answer, and every request is counted once.
//!
//! **Connections that idled.** A server may close an idle connection in the very moment a request is written to it; the
//! request then fails although the service is well. A connection is therefore not used again after one second of
//! silence (servers wait five seconds and more), and a failure that could still be that race is marked
//! [`FailureKind::MaybeIdle`]: the request may be sent once more if it is known to have done nothing.

use std::cell::OnceCell;
use std::error::Error;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
};

use self::unpack::{ACCEPTED, unpack};
use super::cookies::Cookies;
use super::principals::{Principal, Sessions};
use super::render::{Rendered, Target, Unsendable};
use super::{WorldError, WorldErrorKind};
use crate::expr::Lookup;
use crate::interrupt::{Ending, Interrupt};
use crate::model::{Body, RequestTemplate, Response};
use crate::world::config::Tls;
use rustls::CertificateError;

mod unpack;

/// How long a connection may be silent and still be used again.
const IDLE: Duration = Duration::from_secs(1);

/// Longest wait for a connection; a service on this machine or in this network answers sooner or not at all.
const CONNECT: Duration = Duration::from_secs(10);

/// The HTTP client of one service.
#[derive(Debug)]
pub(super) struct Client {
    target: Target,
    plain: reqwest::Client,
    /// Built when first needed: it loads the certificates that this machine trusts.
    secure: OnceCell<reqwest::Client>,
    tls: Tls,
    proxy: Option<reqwest::Proxy>,
    timeout: Duration,
    max_body: u64,
    /// When the last complete answer came.
    last_answer: Option<Instant>,
}

/// Why there is no complete answer.
#[derive(Debug)]
pub(super) struct Failure {
    /// What happened, in words that continue "`GET /orders`: ".
    pub(super) what: String,
    /// What is known about it.
    pub(super) kind: FailureKind,
}

/// What is known about a request without a complete answer. But for the first three it may still be at work in the
/// service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// It was never sent.
    Unsent,
    /// It was never sent, because the certificate of the service is not trusted.
    Distrusted,
    /// It was never sent, because the other side does not speak TLS.
    NoTls,
    /// The connection had been used before and was closed without an answer: perhaps it was closed for being idle.
    MaybeIdle,
    /// There was no complete answer in time.
    TimedOut,
    /// The answer is malformed, or broke off.
    Broken,
    /// It had to end; nothing is wrong with the service.
    Ended(Ending),
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
            plain: build(
                reqwest::Client::builder().tls_certs_only([]),
                config.proxy.as_ref(),
                config.timeout,
            )?,
            secure: OnceCell::new(),
            tls: config.tls.clone(),
            proxy: config.proxy.clone(),
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
    pub(super) fn reconnect(&mut self) -> Result<(), WorldError> {
        let builder = reqwest::Client::builder().tls_certs_only([]);
        self.plain = build(builder, self.proxy.as_ref(), self.timeout)?;
        self.secure = OnceCell::new();
        self.last_answer = None;
        Ok(())
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
        let mut wire = request.wire.try_clone().ok_or_else(|| Failure {
            what: "the request cannot be sent a second time".to_owned(),
            kind: FailureKind::Unsent,
        })?;
        *wire.timeout_mut() = Some(timeout);
        let max_body = self.max_body;
        let client = self.client_for(url).map_err(|error| Failure {
            what: error.message,
            kind: FailureKind::Unsent,
        })?;
        let exchange = async {
            let answer = client.execute(wire).await.map_err(|error| (error, true))?;
            let status = answer.status().as_u16();
            let headers: Vec<(String, String)> = answer
                .headers()
                .iter()
                .map(|(name, value)| {
                    (
                        name.as_str().to_owned(),
                        String::from_utf8_lossy(value.as_bytes()).into_owned(),
                    )
                })
                .collect();
            let body = read_body(answer, max_body)
                .await
                .map_err(|error| (error, false))?;
            Ok((status, headers, body))
        };
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
        let (status, headers, body) = outcome.map_err(|(error, before_answer)| {
            self.last_answer = None;
            failure(error, before_answer, reused, timeout)
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
        })
    }

    fn client_for(&self, url: &url::Url) -> Result<&reqwest::Client, WorldError> {
        if url.scheme() != "https" {
            return Ok(&self.plain);
        }
        if let Some(secure) = self.secure.get() {
            return Ok(secure);
        }
        let builder = reqwest::Client::builder()
            .tls_certs_merge(self.tls.ca.iter().cloned())
            .tls_danger_accept_invalid_certs(self.tls.insecure);
        let secure = build(builder, self.proxy.as_ref(), self.timeout)?;
        Ok(self.secure.get_or_init(|| secure))
    }
}

fn build(
    builder: reqwest::ClientBuilder,
    proxy: Option<&reqwest::Proxy>,
    timeout: Duration,
) -> Result<reqwest::Client, WorldError> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error means that somebody in this process has installed one before, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    // What the environment names as a proxy is for other programs.
    let mut builder = builder.no_proxy();
    if let Some(proxy) = proxy {
        builder = builder.proxy(proxy.clone());
    }
    builder
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .default_headers(HeaderMap::from_iter([(
            ACCEPT_ENCODING,
            HeaderValue::from_static(ACCEPTED),
        )]))
        .user_agent(concat!("venomqa/", env!("CARGO_PKG_VERSION")))
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(1)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT.min(timeout))
        .build()
        .map_err(|error| {
            WorldError::new(
                WorldErrorKind::Service,
                format!("cannot set up the HTTP client: {}", in_words(&error)),
            )
            .with_source(error)
        })
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

/// Reads the body to its end; keeps the first `max` bytes and counts the rest.
async fn read_body(mut answer: reqwest::Response, max: u64) -> Result<Body, reqwest::Error> {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    // Nearly all bodies come in one piece, which is then copied once and never grown.
    let Some(first) = answer.chunk().await? else {
        return Ok(Body::default());
    };
    let mut length = first.len() as u64;
    let Some(second) = answer.chunk().await? else {
        return Ok(Body::cut_at(&first[..first.len().min(max)], length));
    };
    let mut kept = Vec::with_capacity((first.len() + second.len()).min(max) * 2);
    kept.extend_from_slice(&first[..first.len().min(max)]);
    let mut next = Some(second);
    while let Some(chunk) = next {
        length += chunk.len() as u64;
        let room = max - kept.len();
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        next = answer.chunk().await?;
    }
    Ok(Body::cut_at(kept, length))
}

fn failure(error: reqwest::Error, before_answer: bool, reused: bool, timeout: Duration) -> Failure {
    let error = error.without_url();
    let words = in_words(&error);
    let (what, kind) = if let Some(why) = distrusted(&error) {
        (
            format!("the certificate of the service is not trusted: {why}"),
            FailureKind::Distrusted,
        )
    } else if let Some(rustls::Error::InvalidMessage(_)) = rustls_error(&error) {
        let what = "it does not speak TLS at this port".to_owned();
        (what, FailureKind::NoTls)
    } else if error.is_connect() {
        (format!("cannot connect: {words}"), FailureKind::Unsent)
    } else if error.is_timeout() {
        let part = if before_answer {
            "no answer"
        } else {
            "the answer began, but was not complete"
        };
        (format!("{part} within {timeout:?}"), FailureKind::TimedOut)
    } else if before_answer {
        let kind = if is_closed(&error) && reused {
            FailureKind::MaybeIdle
        } else {
            FailureKind::Broken
        };
        (format!("no HTTP answer: {words}"), kind)
    } else {
        let what = format!("the answer broke off or is malformed: {words}");
        (what, FailureKind::Broken)
    };
    Failure { what, kind }
}

/// Why the certificate of the other side is refused, if that is what happened.
fn distrusted(error: &reqwest::Error) -> Option<String> {
    let rustls::Error::InvalidCertificate(why) = rustls_error(error)? else {
        return None;
    };
    Some(match why {
        CertificateError::UnknownIssuer => {
            "nobody whom this machine trusts has issued it".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        CertificateError::Other(why) if why.to_string().contains("CaUsedAsEndEntity") => {
            "it is the certificate of an issuer (`CA:TRUE`), which no server may show as its own; make it anew with `-addext basicConstraints=critical,CA:FALSE`".to_owned()
        }
        CertificateError::Other(why) => why.to_string(),
        other => other.to_string(),
    })
}

/// What went wrong with TLS. An error of the system hides what it was made of from [`Error::source`].
fn rustls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let cause = match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map(|cause| cause as &(dyn Error + 'static)),
        None => error.source(),
    };
    rustls_error(cause?)
}

/// Whether the other side closed the connection, as opposed to sending something that is no HTTP.
fn is_closed(error: &reqwest::Error) -> bool {
    chain(error).any(|cause| {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return matches!(
                io.kind(),
                std::io::ErrorKind::ConnectionReset
                    | std::io::ErrorKind::ConnectionAborted
                    | std::io::ErrorKind::BrokenPipe
                    | std::io::ErrorKind::UnexpectedEof
            );
        }
        // hyper's error is not ours to downcast to; its text is stable.
        cause.to_string() == "connection closed before message completed"
    })
}

/// The causes of an error that say something, the outermost first.
fn in_words(error: &reqwest::Error) -> String {
    const SAY_NOTHING: [&str; 6] = [
        "error sending request",
        "client error (SendRequest)",
        "client error (Connect)",
        "tcp connect error",
        "request or response body error",
        "error decoding response body",
    ];
    let mut words: Vec<String> = Vec::new();
    for cause in chain(error) {
        let text = cause.to_string();
        if SAY_NOTHING.contains(&text.as_str()) {
            continue;
        }
        // Some errors print their cause themselves.
        if words.last().is_some_and(|last| last.contains(&text)) {
            continue;
        }
        words.push(text);
    }
    if words.is_empty() {
        return error.to_string();
    }
    words.join(": ")
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests;
