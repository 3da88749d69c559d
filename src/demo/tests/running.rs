//! A shop that runs on a database of its own, with the content that `specs/shop.yaml` sets up.

use reqwest::Method;
use serde_json::Value;
use tokio::sync::oneshot;

use super::engine::{Engine, Home};
use crate::demo::Server;
use crate::demo::bugs::Bugs;
use crate::demo::shop::Shop;

pub(super) fn spec() -> Value {
    let spec = include_str!("../../../specs/shop.yaml");
    serde_yaml::from_str(spec).expect("the shop's spec is YAML")
}

/// A shop and a client of it.
pub(super) struct RunningShop {
    base_url: String,
    client: reqwest::Client,
    /// The shop's database.
    pub(super) home: Home,
    /// The shop ends when it is dropped.
    _stop: oneshot::Sender<()>,
}

impl RunningShop {
    pub(super) async fn start(engine: Engine, bugs: Bugs) -> Self {
        // Another test may have been first; the provider is the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let home = Home::new(engine).await;
        let shop = Shop::open(home.database(), bugs).await.unwrap();
        let server = Server::bind(0, shop).await.unwrap();
        let base_url = format!("http://{}", server.address);
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(server.run(async move { drop(stopped.await) }));
        let shop = Self {
            base_url,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            home,
            _stop: stop,
        };
        for request in [
            r#"POST /customers {"name": "Ada"}"#,
            r#"POST /products {"name": "mug", "price": 100, "stock": 1}"#,
            r#"POST /coupons {"code": "WELCOME", "percent": 10, "max_uses": 2}"#,
        ] {
            assert_eq!(shop.ask(request).await.0, 201, "{request}");
        }
        shop
    }

    /// Sends a request that is written as `METHOD /path`, with a JSON body behind it or without, and returns its status and
    /// its body.
    pub(super) async fn ask(&self, request: &str) -> (u16, String) {
        let mut parts = request.splitn(3, ' ');
        let method = parts.next().unwrap().parse().unwrap();
        self.send(method, parts.next().unwrap(), parts.next()).await
    }

    /// Sends a request, and returns its status and its body.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
    ) -> (u16, String) {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base_url));
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_owned());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap())
    }

    /// Names of the SQL invariants of the spec that do not hold now.
    pub(super) async fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for invariant in spec()["invariants"].as_array().unwrap() {
            if let Some(sql) = invariant["sql"].as_str()
                && !self.home.rows(sql).await.is_empty()
            {
                broken.push(invariant["name"].as_str().unwrap().to_owned());
            }
        }
        broken
    }
}
