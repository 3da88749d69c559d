//! The connections over which requests go.
//!
//! What is sent to a service without TLS and without a proxy goes over a client of our own ([`Direct`]), which acknowledges at
//! once what it receives; everything else goes over reqwest's.

use std::cell::{Cell, OnceCell};
use std::error::Error;
use std::sync::Once;
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue, USER_AGENT};

use super::direct::Direct;
use super::failure::in_words;
use super::unpack::ACCEPTED;
use super::{Body, IDLE};
use crate::world::config::{HttpConfig, Tls};
use crate::world::{WorldError, WorldErrorKind};

/// Longest wait for a connection; a service on this machine or in this network answers sooner or not at all.
const CONNECT: Duration = Duration::from_secs(10);

/// The clients of one service.
#[derive(Debug)]
pub(super) struct Transport {
    direct: Direct,
    /// Built when first needed.
    proxied: OnceCell<reqwest::Client>,
    /// Built when first needed: it loads the certificates that this machine trusts.
    secure: OnceCell<reqwest::Client>,
    tls: Tls,
    proxy: Option<reqwest::Proxy>,
    connect: Duration,
}

/// A complete answer, as it came.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

/// What kept an answer from being complete.
pub(super) struct Broken {
    pub(super) error: Box<dyn Error + Send + Sync>,
    /// Whether not even the head of the answer came.
    pub(super) before_answer: bool,
    /// Whether there was no connection.
    pub(super) is_connect: bool,
    /// Whether the time was over.
    pub(super) is_timeout: bool,
}

impl Broken {
    pub(super) fn before_answer(
        error: impl Error + Send + Sync + 'static,
        is_connect: bool,
    ) -> Self {
        Self {
            error: error.into(),
            before_answer: true,
            is_connect,
            is_timeout: false,
        }
    }
}

impl Transport {
    pub(super) fn new(config: &HttpConfig) -> Self {
        let connect = CONNECT.min(config.timeout);
        Self {
            direct: Direct::new(connect),
            proxied: OnceCell::new(),
            secure: OnceCell::new(),
            tls: config.tls.clone(),
            proxy: config.proxy.clone(),
            connect,
        }
    }

    /// Closes every connection.
    pub(super) fn reconnect(&mut self) {
        self.direct = Direct::new(self.connect);
        self.proxied = OnceCell::new();
        self.secure = OnceCell::new();
    }

    /// Sends a request and reads the answer to its end, of the body the first `max_body` bytes.
    pub(super) async fn exchange(
        &self,
        mut request: reqwest::Request,
        timeout: Duration,
        max_body: u64,
    ) -> Result<Answered, Broken> {
        complete(request.headers_mut());
        let is_answered = Cell::new(false);
        let exchange = async {
            let answer = self.answer(request).await?;
            is_answered.set(true);
            let status = answer.status().as_u16();
            let headers = answer.headers().iter().map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            });
            let headers = headers.collect();
            let body = read_body(answer, max_body).await;
            let body = body.map_err(|error| Broken {
                error: error.without_url().into(),
                before_answer: false,
                is_connect: false,
                is_timeout: false,
            })?;
            Ok(Answered {
                status,
                headers,
                body,
            })
        };
        match tokio::time::timeout(timeout, exchange).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(Broken {
                error: elapsed.into(),
                before_answer: !is_answered.get(),
                is_connect: false,
                is_timeout: true,
            }),
        }
    }

    async fn answer(&self, request: reqwest::Request) -> Result<reqwest::Response, Broken> {
        let client = if request.url().scheme() == "https" {
            self.client(&self.secure, |builder| {
                builder
                    .tls_certs_merge(self.tls.ca.iter().cloned())
                    .tls_danger_accept_invalid_certs(self.tls.insecure)
            })
        } else if self.proxy.is_some() {
            self.client(&self.proxied, |builder| builder.tls_certs_only([]))
        } else {
            return self.direct.answer(request).await;
        };
        let client = client.map_err(|error| Broken::before_answer(error, true))?;
        let answer = client.execute(request).await;
        answer.map_err(|error| {
            let is_connect = error.is_connect();
            Broken::before_answer(error.without_url(), is_connect)
        })
    }

    fn client<'c>(
        &self,
        cell: &'c OnceCell<reqwest::Client>,
        with: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<&'c reqwest::Client, WorldError> {
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        install_provider();
        // What the environment names as a proxy is for other programs.
        let mut builder = with(reqwest::Client::builder()).no_proxy();
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        let client = builder
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .tcp_nodelay(true)
            .connect_timeout(self.connect)
            .build();
        let client = client.map_err(|error| {
            let message = format!("cannot set up the HTTP client: {}", in_words(&error));
            WorldError::new(WorldErrorKind::Service, message).with_source(error)
        })?;
        Ok(cell.get_or_init(|| client))
    }
}

/// Says once which code encrypts.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that somebody in this process has installed one before, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Adds the headers that every request has, where it says nothing else.
fn complete(headers: &mut HeaderMap) {
    const AGENT: &str = concat!("venomqa/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [
        (ACCEPT, "*/*"),
        (ACCEPT_ENCODING, ACCEPTED),
        (USER_AGENT, AGENT),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
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
