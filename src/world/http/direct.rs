//! Plain HTTP without a proxy, with quick acknowledgements.
//!
//! **Why not reqwest's own connections.** A service that writes the head and the body of an answer apart, and does not set
//! `TCP_NODELAY` (`http.server` and `wsgiref` of Python, many servers for tests), waits for the acknowledgement of the first
//! packet before it sends the second, and Linux delays that by 40 ms. `TCP_QUICKACK` ends the delay, but the kernel forgets it
//! soon, so it must be set again around each read (tcp(7)). reqwest hides its sockets; hyper lets us wrap them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

use super::IDLE;
use super::transport::Broken;

/// The client for plain HTTP.
#[derive(Debug)]
pub(super) struct Direct(legacy::Client<Connector, reqwest::Body>);

impl Direct {
    /// `connect` bounds the wait for a connection.
    pub(super) fn new(connect: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(connect));
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .retry_canceled_requests(false)
            .build(Connector(connector));
        Self(client)
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn answer(
        &self,
        request: reqwest::Request,
    ) -> Result<reqwest::Response, Broken> {
        let request = http::Request::try_from(request)
            .map_err(|error| Broken::before_answer(error.without_url(), true))?;
        let answer = self.0.request(request).await;
        let answer: http::Response<Incoming> = answer.map_err(|error| {
            let is_connect = error.is_connect();
            Broken::before_answer(error, is_connect)
        })?;
        Ok(answer.map(reqwest::Body::wrap).into())
    }
}

#[derive(Clone, Debug)]
struct Connector(HttpConnector);

impl Service<Uri> for Connector {
    type Response = Acknowledging;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.0.call(to);
        Box::pin(async { Ok(Acknowledging(connecting.await?)) })
    }
}

/// A connection that acknowledges at once what it receives.
struct Acknowledging(TokioIo<TcpStream>);

impl Acknowledging {
    #[cfg(target_os = "linux")]
    fn acknowledge(&self) {
        // Without it the connection is slower, and nothing else.
        let _ = rustix::net::sockopt::set_tcp_quickack(self.0.inner(), true);
    }

    #[cfg(not(target_os = "linux"))]
    fn acknowledge(&self) {}
}

impl Connection for Acknowledging {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}

impl Read for Acknowledging {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.acknowledge();
        let read = Pin::new(&mut self.0).poll_read(context, into);
        self.acknowledge();
        read
    }
}

impl Write for Acknowledging {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, parts)
    }
}
