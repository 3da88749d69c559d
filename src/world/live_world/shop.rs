//! The service of these tests: a shop whose rows are in memory, with a quirk or without.

use std::sync::Arc;

use serde_json::json;

use super::super::test_support::{
    RawServer, Store, action, answer, extraction, interrupt, model, world_config,
};
use super::*;
use crate::model::VariableId;

pub(super) const ADD: ActionId = ActionId(0);
pub(super) const LIST: ActionId = ActionId(1);
pub(super) const DROP: ActionId = ActionId(2);
pub(super) const LOGIN: ActionId = ActionId(3);

/// A service over a [`Store`]: adds, lists and drops items, and hands out a session.
pub(super) fn shop(store: &Store, quirk: Quirk) -> RawServer {
    let store = store.clone();
    let mut cache: Option<String> = None;
    let mut ticks = 0;
    let mut logins = 0;
    RawServer::start(move |head, _| {
        let mut words = head.split_whitespace();
        let (method, path) = (words.next()?, words.next()?);
        ticks += 1;
        match (method, path) {
            ("POST", "/items") => {
                let id = store.rows().last().map_or(1, |(id, _)| id + 1);
                store.put(id, Some(id * 10));
                Some(answer(201, "", json!({ "id": id }).to_string().as_bytes()))
            }
            ("GET", "/items") => {
                let mut body = json!(store.rows());
                if quirk == Quirk::Ticks {
                    body = json!({ "items": body, "tick": ticks });
                }
                let mut text = body.to_string();
                if quirk == Quirk::Caches {
                    text = cache.get_or_insert(text).clone();
                }
                Some(answer(200, "", text.as_bytes()))
            }
            ("DELETE", path) => {
                let id = path.rsplit('/').next()?.parse().ok()?;
                store.put(id, None);
                Some(answer(204, "", b""))
            }
            ("POST", "/login") => {
                logins += 1;
                let cookie = format!("set-cookie: session={logins}\r\n");
                Some(answer(200, &cookie, b"{\"token\":\"t\"}"))
            }
            ("GET", "/whoami") => {
                let cookie = head
                    .lines()
                    .find_map(|line| line.strip_prefix("cookie: "))
                    .unwrap_or("nobody");
                Some(answer(200, "", cookie.as_bytes()))
            }
            ("GET", "/writes") => {
                store.put(99, Some(1));
                Some(answer(200, "", b"[]"))
            }
            _ => Some(answer(404, "", b"")),
        }
    })
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Quirk {
    None,
    Ticks,
    Caches,
}

pub(super) fn shop_model() -> Arc<Model> {
    let mut add = action("add", "POST", "/items");
    add.accepted.extract = vec![extraction(0, "id", "$.id")];
    let mut drop = action("drop", "DELETE", "/items/{{ id }}");
    drop.accepted.clear = vec![VariableId(0)];
    model(
        vec![
            add,
            action("list", "GET", "/items"),
            drop,
            action("login", "POST", "/login"),
            action("whoami", "GET", "/whoami"),
            action("list_again", "GET", "/items"),
        ],
        &["id"],
    )
}

pub(super) fn config(server: &RawServer) -> WorldConfig {
    let mut config = world_config(&server.url());
    config.systems = vec![Store::config()];
    config
}

pub(super) async fn start(config: &WorldConfig, store: &Store, model: &Arc<Model>) -> LiveWorld {
    let opened = store.clone();
    LiveWorld::start_with(config, model.clone(), interrupt(), &move |_, _| {
        Ok(opened.open())
    })
    .await
    .unwrap()
}

pub(super) async fn begun(store: &Store, quirk: Quirk) -> (LiveWorld, Arrival<Checkpoint>) {
    let server = shop(store, quirk);
    let mut world = start(&config(&server), store, &shop_model()).await;
    let arrival = world.begin().await.unwrap();
    (world, arrival)
}
