//! Walks `specs/shop.yaml` over a real shop, one request after the other: what the explorer does, without going back.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;
use serde_json::Value;
use tokio::sync::oneshot;

use super::engine::{Engine, Home};
use crate::demo::Server;
use crate::demo::bugs::Bugs;
use crate::demo::shop::Shop;
use crate::expr::{Condition, JsonPath, JsonTemplate, Lookup, Template};

/// The spec that the binary ships with.
pub(super) const SPEC: &str = include_str!("../../../specs/shop.yaml");

pub(super) fn spec() -> Value {
    serde_yaml::from_str(SPEC).expect("the shop's spec is YAML")
}

/// One shop, one path through it.
pub(super) struct Walker {
    spec: Value,
    base_url: String,
    client: reqwest::Client,
    context: BTreeMap<String, Value>,
    calls: BTreeMap<String, u64>,
    /// The shop's database.
    pub(super) home: Home,
    /// The shop ends when it is dropped.
    _stop: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Values(BTreeMap<String, Value>);

impl Lookup for Values {
    fn lookup(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

impl Walker {
    /// Starts a shop on a database of its own and runs the spec's setup.
    pub(super) async fn start(engine: Engine, bugs: Bugs) -> Self {
        // Another test may have been first; the provider is the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let home = Home::new(engine).await;
        let shop = Shop::open(home.database(), bugs).await.unwrap();
        let server = Server::bind(0, shop).await.unwrap();
        let base_url = format!("http://{}", server.address);
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(server.run(async move { drop(stopped.await) }));

        let spec = spec();
        let context = spec["variables"].as_object().unwrap().clone();
        let mut walker = Self {
            base_url,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            context: context.into_iter().collect(),
            calls: BTreeMap::new(),
            home,
            _stop: stop,
            spec,
        };
        for step in walker.spec["setup"].as_array().unwrap().clone() {
            let status = walker.perform(&step).await;
            assert_eq!(status, 201, "setup: {step}");
        }
        walker
    }

    /// Every action that the spec allows here, with its parameter: `checkout(card=valid)`.
    pub(super) fn enabled(&self) -> Vec<String> {
        let mut enabled = Vec::new();
        for action in self.spec["actions"].as_array().unwrap() {
            for (name, values) in self.instances(action) {
                if self.is_enabled(action, &values) {
                    enabled.push(name);
                }
            }
        }
        enabled
    }

    /// Runs an action that is enabled, checks the answer against the spec, and returns its status.
    pub(super) async fn run(&mut self, wanted: &str) -> u16 {
        let (action, values) = self.find(wanted);
        assert!(
            self.is_enabled(&action, &values),
            "`{wanted}` is not enabled after {:?}",
            self.calls
        );
        let before = std::mem::replace(&mut self.context, values);
        let status = self.perform(&action).await;
        if let Some(parameters) = action["parameters"].as_object() {
            self.context
                .retain(|name, _| !parameters.contains_key(name) || before.contains_key(name));
        }
        let base_name = action["name"].as_str().unwrap();
        *self.calls.entry(base_name.to_owned()).or_default() += 1;
        status
    }

    /// Names of the SQL invariants that do not hold now.
    pub(super) async fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for invariant in self.spec["invariants"].as_array().unwrap() {
            if let Some(sql) = invariant["sql"].as_str()
                && !self.home.rows(sql).await.is_empty()
            {
                broken.push(invariant["name"].as_str().unwrap().to_owned());
            }
        }
        broken
    }

    /// What has been extracted so far.
    pub(super) fn context(&self) -> &BTreeMap<String, Value> {
        &self.context
    }

    /// Sends a request that is not in the spec, and returns its status and its body.
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

    fn find(&self, wanted: &str) -> (Value, BTreeMap<String, Value>) {
        for action in self.spec["actions"].as_array().unwrap() {
            for (name, values) in self.instances(action) {
                if name == wanted {
                    return (action.clone(), values);
                }
            }
        }
        panic!("the spec has no action `{wanted}`");
    }

    /// The names and contexts of an action, one for each parameter value.
    fn instances(&self, action: &Value) -> Vec<(String, BTreeMap<String, Value>)> {
        let name = action["name"].as_str().unwrap();
        let Some(parameters) = action["parameters"].as_object() else {
            return vec![(name.to_owned(), self.context.clone())];
        };
        let (parameter, values) = parameters.iter().next().unwrap();
        let instance = |value: &Value| {
            let mut context = self.context.clone();
            context.insert(parameter.clone(), value.clone());
            let shown = value.as_str().unwrap();
            (format!("{name}({parameter}={shown})"), context)
        };
        values.as_array().unwrap().iter().map(instance).collect()
    }

    fn is_enabled(&self, action: &Value, values: &BTreeMap<String, Value>) -> bool {
        let calls = |name: &str| self.calls.get(name).copied().unwrap_or(0);
        let request = &action["request"];
        let path = Template::parse(request["path"].as_str().unwrap()).unwrap();
        let json = JsonTemplate::parse(&request["json"]).unwrap();
        let mut templates = json.templates();
        templates.push(&path);
        let defined = |name: &String| values.contains_key(name);
        if !templates
            .iter()
            .all(|template| template.requires().iter().all(defined))
        {
            return false;
        }
        if action["max_calls"]
            .as_u64()
            .is_some_and(|limit| calls(action["name"].as_str().unwrap()) >= limit)
        {
            return false;
        }
        let preconditions = action["preconditions"].as_array().into_iter().flatten();
        preconditions
            .map(|text| text.as_str().unwrap())
            .all(|text| {
                if text.contains(' ') {
                    let lookup: Arc<dyn Lookup> = Arc::new(Values(values.clone()));
                    Condition::parse(text).unwrap().holds(&lookup).unwrap()
                } else {
                    calls(text) > 0
                }
            })
    }

    /// Sends a request of the spec and remembers what it says to remember.
    async fn perform(&mut self, step: &Value) -> u16 {
        let lookup: Arc<dyn Lookup> = Arc::new(Values(self.context.clone()));
        let request = &step["request"];
        let method: Method = request["method"].as_str().unwrap().parse().unwrap();
        let path = Template::parse(request["path"].as_str().unwrap()).unwrap();
        let url = format!("{}{}", self.base_url, path.render(&lookup).unwrap());
        let mut sent = self.client.request(method, url);
        if !request["json"].is_null() {
            let json = JsonTemplate::parse(&request["json"]).unwrap();
            sent = sent.json(&json.evaluate(&lookup).unwrap());
        }
        let answer = sent.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();

        let legal = match &step["expect"]["status"] {
            Value::Null => status < 500,
            Value::Array(legal) => legal.contains(&status.into()),
            legal => *legal == status,
        };
        assert!(legal, "{status} is no legal answer to {step}: {text}");
        if (200..300).contains(&status) {
            for (name, query) in step["extract"].as_object().into_iter().flatten() {
                let body: Value = serde_json::from_str(&text).unwrap();
                let query = JsonPath::parse(query.as_str().unwrap()).unwrap();
                self.context
                    .insert(name.clone(), query.query(&body).unwrap()[0].clone());
            }
            for name in step["clear"].as_array().into_iter().flatten() {
                self.context.remove(name.as_str().unwrap());
            }
        }
        status
    }
}
