//! The built-in shop: a small, ordinary HTTP service over a SQLite file or a PostgreSQL database, for trying venomqa out and for
//! testing it.
//!
//! It sells products to customers: directly or through a cart with a coupon, then payment, shipment, delivery, loyalty
//! points, returns and refunds. It runs in its own process (`venomqa demo serve`) and knows nothing of the rest of this
//! crate. Two rules hold throughout:
//!
//! - All of its state is in the database. Each request is one transaction; a refused request leaves nothing behind.
//! - What is wrong with it is wrong on purpose: every defect is listed in [`Bug`] and can be switched off.
//!
//! Code map: `store` (the two databases and the tables), `shop` (the transactions of requests), `errors` and `input` (refusals, bodies and
//! ids), then one file for each resource with its routes.

mod bugs;
mod carts;
mod coupons;
mod customers;
mod errors;
mod input;
mod orders;
mod payments;
mod products;
mod returns;
mod shipments;
mod shop;
mod store;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;

pub use bugs::{Bug, Bugs};
use errors::Refusal;
use shop::Shop;
pub use store::Database;

/// How the shop is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port on 127.0.0.1; 0 takes a free one, which is then printed.
    pub port: u16,
    /// Its database.
    pub db: Database,
    /// Whether the planted bugs are in: all of them, or none.
    pub bugs: bool,
}

/// Serves the shop until SIGTERM or ctrl-c. Prints `listening on http://127.0.0.1:PORT` to stderr once it is ready.
///
/// An error where the database cannot be opened or the port cannot be bound.
pub async fn serve(options: Options) -> anyhow::Result<()> {
    let bugs = if options.bugs { Bugs::ALL } else { Bugs::NONE };
    let shop = Shop::open(&options.db, bugs)
        .await
        .with_context(|| format!("cannot open the database `{}`", options.db))?;
    let server = Server::bind(options.port, shop)
        .await
        .with_context(|| format!("cannot listen on port {} of 127.0.0.1", options.port))?;
    // The shop is a service of its own, and this line is how its starter learns the port.
    anstream::eprintln!("listening on http://{}", server.address);
    server.run(stop_signal()?).await?;
    Ok(())
}

/// A shop with a port.
struct Server {
    address: SocketAddr,
    listener: TcpListener,
    shop: Shop,
}

impl Server {
    async fn bind(port: u16, shop: Shop) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            shop,
        })
    }

    /// Answers requests until `stop` is done, then finishes those under way.
    async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
        // Answers are small: without this each would wait for the client's delayed acknowledgement. A socket that
        // refuses the option still works, only slower.
        let listener = self
            .listener
            .tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, router(self.shop))
            .with_graceful_shutdown(stop)
            .await
    }
}

fn router(shop: Shop) -> Router {
    Router::new()
        .route("/health", get(async || "ok"))
        .merge(customers::routes())
        .merge(products::routes())
        .merge(coupons::routes())
        .merge(carts::routes())
        .merge(orders::routes())
        .merge(payments::routes())
        .merge(shipments::routes())
        .merge(returns::routes())
        .fallback(async || Refusal::not_found("no_such_route", "there is nothing at this path"))
        .method_not_allowed_fallback(async || Refusal::method_not_allowed())
        .with_state(Arc::new(shop))
}

/// Completes once the process receives a signal to stop.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Completes once the process receives a signal to stop.
#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        // Without a handler the system's own takes over, which stops the process just as well.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
