//! A service inside the test's own process.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::JoinHandle;

use axum::Router;
use axum::http::Method;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, get, on};
use tokio::sync::oneshot;

/// Where something can be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port(pub(crate) SocketAddr);

impl Port {
    pub(crate) fn url(self) -> String {
        format!("http://{}", self.0)
    }
}

/// A router that is served, on a thread of its own. Dropped, it stops as a process does that is killed: no request is
/// finished, no connection is closed properly.
pub(crate) struct Server {
    port: Port,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(router: Router) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = Port(listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime().block_on(async {
                tokio::select! {
                    () = serve(listener, router) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            port,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn port(&self) -> Port {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        self.port.url()
    }

    /// Stops it.
    pub(crate) fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have stopped by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A service of which each route (`POST /items`) hands its statements to `execute` and answers what comes back.
pub(super) fn statements<A, F>(
    routes: &[(&str, &'static str)],
    execute: impl Fn(&'static str) -> F + Clone + Send + Sync + 'static,
) -> Server
where
    A: IntoResponse,
    F: Future<Output = A> + Send,
{
    let mut router = Router::new().route("/", get(async || "ready"));
    for (route, sql) in routes {
        let sql = *sql;
        let (method, path) = route.split_once(' ').unwrap();
        let method = MethodFilter::try_from(Method::from_bytes(method.as_bytes()).unwrap());
        let execute = execute.clone();
        router = router.route(path, on(method.unwrap(), async move || execute(sql).await));
    }
    Server::start(router)
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

pub(super) async fn serve(listener: TcpListener, router: Router) {
    use axum::serve::ListenerExt as _;

    listener.set_nonblocking(true).unwrap();
    // Answers are small: without this each would wait for the other side's delayed acknowledgement.
    let listener = tokio::net::TcpListener::from_std(listener)
        .unwrap()
        .tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await.unwrap();
}
