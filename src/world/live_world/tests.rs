use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;

use super::super::config::{IdentityMode, SetupStep, SystemConfig};
use super::super::test_support::{
    RawServer, Store, answer, extraction, interrupt, request, world_config,
};
use super::shop::{ADD, DROP, LIST, LOGIN, Quirk, begun, config, shop, shop_model, start};
use super::*;
use crate::expr::Dialect;
use crate::model::{Action, SqlParameter, VariableId};

fn codes(warnings: &[Warning]) -> Vec<&str> {
    warnings.iter().map(|warning| warning.code.name()).collect()
}

#[tokio::test]
async fn a_step_records_what_it_changed_and_any_state_can_be_restored_from_any_other() {
    let store = Store::default();
    store.put(1, Some(10));
    let (mut world, root) = begun(&store, Quirk::None).await;
    assert_eq!(root.status, 0);
    assert!(root.record.is_none());

    let one = world.act(ADD, &root.context).await.unwrap();
    assert_eq!((one.status, one.wrote), (201, true));
    assert_eq!(one.context.get(VariableId(0)), Some(&json!(2)));
    let record = one.record.clone().unwrap();
    assert_eq!(record.request.target, "/items");
    assert_eq!(record.rows.changes().len(), 1);
    assert_eq!(record.extracted, [("id".to_owned(), json!(2))]);
    let two = world.act(ADD, &one.context).await.unwrap();
    assert_ne!(one.identity, two.identity);

    world.restore(&root.checkpoint).await.unwrap();
    assert_eq!(store.rows(), [(1, 10)]);
    world.restore(&two.checkpoint).await.unwrap();
    assert_eq!(store.rows(), [(1, 10), (2, 20), (3, 30)]);
    let gone = world.act(DROP, &two.context).await.unwrap();
    assert_eq!(gone.identity, one.identity, "the rows are those of `one`");
    assert_eq!(gone.context.get(VariableId(0)), None);
    world.restore(&one.checkpoint).await.unwrap();
    assert_eq!(store.rows(), [(1, 10), (2, 20)]);
    assert!(world.take_warnings().is_empty());
    assert!(world.time().restore > Duration::ZERO && world.time().http > Duration::ZERO);
}

#[tokio::test]
async fn rows_of_tables_of_which_no_schema_tells_identify_states_where_ids_mean_nothing() {
    let store = Store::default();
    let (mut world, root) = begun(&store, Quirk::None).await;
    world.identity.set_mode(IdentityMode::Canonical);
    let one = world.act(ADD, &root.context).await.unwrap();
    let two = world.act(ADD, &one.context).await.unwrap();
    assert!(one.identity != root.identity && one.identity != two.identity);
    let gone = world.act(DROP, &two.context).await.unwrap();
    assert_eq!(gone.identity, one.identity, "the rows are those of `one`");
}

#[tokio::test]
async fn going_where_the_world_stands_already_costs_nothing() {
    let store = Store::default();
    let (mut world, root) = begun(&store, Quirk::None).await;
    let seen = world.act(LIST, &root.context).await.unwrap();
    assert!(!seen.wrote && seen.identity == root.identity);
    let requests = world.requests();
    world.restore(&root.checkpoint).await.unwrap();
    world.restore(&seen.checkpoint).await.unwrap();
    assert_eq!((store.restores(), world.requests()), (0, requests));
}

#[tokio::test]
async fn a_restore_goes_back_to_the_session_of_that_state() {
    let store = Store::default();
    let (mut world, root) = begun(&store, Quirk::None).await;
    let whoami = ActionId(4);
    let first = world.act(LOGIN, &root.context).await.unwrap();
    let second = world.act(LOGIN, &first.context).await.unwrap();
    assert_eq!(first.identity, second.identity, "a session id is no state");
    for (place, expected) in [
        (&root, "nobody"),
        (&first, "session=1"),
        (&second, "session=2"),
    ] {
        world.restore(&place.checkpoint).await.unwrap();
        let seen = world.act(whoami, &place.context).await.unwrap();
        assert_eq!(seen.record.unwrap().response.body.text(), expected);
    }
}

#[tokio::test]
async fn rows_that_change_between_requests_are_reported_once_and_put_back() {
    let store = Store::default();
    let (mut world, root) = begun(&store, Quirk::None).await;
    let one = world.act(ADD, &root.context).await.unwrap();
    for _ in 0..3 {
        store.put(50, Some(5));
        let seen = world.act(LIST, &one.context).await.unwrap();
        assert_eq!(seen.identity, one.identity);
        assert_eq!(store.rows(), [(1, 10)]);
    }
    store.put(51, Some(5));
    world.restore(&root.checkpoint).await.unwrap();
    assert_eq!(store.rows(), []);
    let warnings = world.take_warnings();
    assert_eq!(codes(&warnings), ["background-write"]);
    assert!(warnings[0].message.contains("`items`") && !warnings[0].untrusted);
    assert!(warnings[0].help.as_ref().unwrap().contains("ignore_tables"));
}

/// Lists in two states, going back and forth between them.
async fn back_and_forth(world: &mut LiveWorld, root: &Arrival<Checkpoint>) -> Vec<Warning> {
    world.act(LIST, &root.context).await.unwrap();
    let one = world.act(ADD, &root.context).await.unwrap();
    world.act(LIST, &one.context).await.unwrap();
    for _ in 0..3 {
        world.restore(&root.checkpoint).await.unwrap();
        world.restore(&one.checkpoint).await.unwrap();
    }
    world.take_warnings()
}

#[tokio::test]
async fn rows_that_an_after_restore_request_writes_are_put_back_again() {
    let store = Store::default();
    let server = shop(&store, Quirk::None);
    let mut config = config(&server);
    config.after_restore = vec![request("POST", "/items")];
    let mut world = start(&config, &store, &shop_model()).await;
    let root = world.begin().await.unwrap();
    world.act(ADD, &root.context).await.unwrap();
    world.restore(&root.checkpoint).await.unwrap();
    assert_eq!(store.rows(), []);
    assert_eq!(world.take_warnings(), []);

    config.after_restore = vec![request("POST", "/nowhere")];
    let mut world = start(&config, &store, &shop_model()).await;
    let root = world.begin().await.unwrap();
    world.act(ADD, &root.context).await.unwrap();
    let error = world.restore(&root.checkpoint).await.unwrap_err();
    assert_eq!(
        error.message,
        "`after_restore` request 1: `POST /nowhere`: expected a 2xx answer, got 404"
    );
}

#[tokio::test]
async fn an_answer_with_a_counter_in_it_is_not_taken_for_a_cache() {
    let store = Store::default();
    let (mut world, root) = begun(&store, Quirk::Ticks).await;
    assert_eq!(back_and_forth(&mut world, &root).await, []);
}

#[tokio::test]
async fn a_cache_that_is_never_emptied_is_a_bug_of_the_service() {
    let store = Store::default();
    let (mut world, root) = begun(&store, Quirk::Caches).await;
    assert_eq!(back_and_forth(&mut world, &root).await, []);
}

#[tokio::test]
async fn sending_actions_again_stays_a_small_part_of_the_requests() {
    let store = Store::default();
    let (mut world, root) = begun(&store, Quirk::None).await;
    world.act(LIST, &root.context).await.unwrap();
    for _ in 0..400 {
        let one = world.act(ADD, &root.context).await.unwrap();
        world.act(LIST, &one.context).await.unwrap();
        world.restore(&root.checkpoint).await.unwrap();
    }
    let steps = 801;
    let more = world.requests() - steps;
    assert!(
        (2..=24).contains(&more),
        "{more} requests beside {steps} steps"
    );
}

#[tokio::test]
async fn a_restore_that_is_not_exact_ends_the_run() {
    let store = Store::default();
    let (mut world, root) = begun(&store, Quirk::None).await;
    world.act(ADD, &root.context).await.unwrap();
    store.get_sloppy();
    let error = world.restore(&root.checkpoint).await.unwrap_err();
    assert_eq!(error.kind, WorldErrorKind::Restore);
    assert!(error.message.contains("`items`"));
}

#[tokio::test]
async fn setup_runs_before_the_initial_state_and_a_refusal_shows_the_answer() {
    let store = Store::default();
    let server = shop(&store, Quirk::None);
    let mut config = config(&server);
    config.setup = vec![SetupStep {
        request: request("POST", "/items"),
        status: Vec::new(),
        extract: vec![extraction(0, "id", "$.id")],
    }];
    let mut world = start(&config, &store, &shop_model()).await;
    let root = world.begin().await.unwrap();
    assert_eq!(root.context.get(VariableId(0)), Some(&json!(1)));
    world.act(DROP, &root.context).await.unwrap();
    world.restore(&root.checkpoint).await.unwrap();
    assert_eq!(store.rows(), [(1, 10)]);
    world.finish().await.unwrap();
    assert_eq!(store.rows(), [], "the end goes back to before setup");
    assert!(!store.has_journal());

    config.setup[0].extract = vec![extraction(0, "id", "$.uuid")];
    let mut world = start(&config, &store, &shop_model()).await;
    let error = world.begin().await.unwrap_err();
    assert_eq!(
        error.message,
        "setup request 1: `POST /items`: cannot extract `id`: `$.uuid` finds nothing in the body"
    );
    assert_eq!(error.details, ["the answer: {\"id\":1}"]);

    config.setup[0].request = request("POST", "/nowhere");
    let mut world = start(&config, &store, &shop_model()).await;
    let error = world.begin().await.unwrap_err();
    assert_eq!(
        error.message,
        "setup request 1: `POST /nowhere`: expected a 2xx answer, got 404"
    );
}

#[tokio::test]
async fn a_probe_leaves_no_trace_but_its_rows_are_recorded() {
    let store = Store::default();
    let (mut world, root) = begun(&store, Quirk::None).await;
    let one = world.act(ADD, &root.context).await.unwrap();
    let probe = |path| request("GET", path);
    let record = world.probe(&probe("/writes"), &one.context).await.unwrap();
    assert_eq!(record.unwrap().rows.changes().len(), 1);
    assert_eq!(store.rows(), [(1, 10)]);
    let record = world.probe(&probe("/items/{{ id }}"), &root.context).await;
    assert!(
        record.unwrap().is_none(),
        "no `id` is known in this context"
    );
    let next = world.act(LIST, &one.context).await.unwrap();
    assert_eq!(next.identity, one.identity);
    assert_eq!(world.take_warnings(), []);
}

#[tokio::test]
async fn observation_queries_are_part_of_the_identity() {
    let store = Store::default();
    let server = shop(&store, Quirk::None);
    let mut config = config(&server);
    config.systems[0].observation_queries = vec![(
        "items".to_owned(),
        SqlQuery {
            parameters: vec![("id".to_owned(), SqlParameter::Variable(VariableId(0)))],
            ..SqlQuery::for_tests(Dialect::Sqlite, "SELECT count(*), :id FROM items", &["id"])
        },
    )];
    let mut world = start(&config, &store, &shop_model()).await;
    let root = world.begin().await.unwrap();
    let seen = world.act(LIST, &root.context).await.unwrap();
    assert_eq!(seen.identity, root.identity);
    let one = world.act(ADD, &root.context).await.unwrap();
    let none = world.act(DROP, &one.context).await.unwrap();
    assert_eq!(none.identity, root.identity);
    // The same rows, but the query sees another value in the context.
    let other = root.context.with(VariableId(0), Some(json!(7)));
    let seen = world.act(LIST, &other).await.unwrap();
    assert_ne!(seen.identity, root.identity);
    let query = config.systems[0].observation_queries[0].1.clone();
    assert!(world.query(&query, &root.context).await.unwrap().is_none());
    let rows = world.query(&query, &other).await.unwrap().unwrap().rows;
    assert_eq!(rows, [[json!(0), json!([7])]]);
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_found_before_a_database_is_touched() {
    let config = world_config("http://127.0.0.1:1");
    let config = WorldConfig {
        systems: vec![Store::config()],
        ..config
    };
    let error = LiveWorld::start_with(&config, shop_model(), interrupt(), &|_, _| {
        panic!("no database may be opened")
    })
    .await
    .err()
    .unwrap();
    assert_eq!(error.kind, WorldErrorKind::Service);
    assert!(
        error
            .message
            .starts_with("nothing answers at `http://127.0.0.1:1/`: cannot connect: "),
        "{error}"
    );
    assert!(error.help.unwrap().contains("--base-url"));
}

#[tokio::test]
async fn a_system_that_does_not_open_leaves_the_others_as_they_were() {
    let store = Store::default();
    store.put(1, Some(10));
    let server = shop(&store, Quirk::None);
    let mut config = config(&server);
    config.systems.push(SystemConfig {
        name: "second".to_owned(),
        ..Store::config()
    });
    let opened = store.clone();
    let outcome = LiveWorld::start_with(&config, shop_model(), interrupt(), &move |system, _| {
        if system.name == "second" {
            return Err(WorldError::new(WorldErrorKind::System, "it is locked"));
        }
        Ok(opened.open())
    })
    .await;
    assert_eq!(outcome.err().unwrap().message, "it is locked");
    assert!(!store.has_journal());
    assert_eq!(store.rows(), [(1, 10)]);
}

#[tokio::test]
async fn the_end_puts_back_every_system_even_if_one_refuses() {
    let (first, second) = (Store::default(), Store::default());
    let server = shop(&second, Quirk::None);
    let mut config = config(&server);
    config.systems.push(SystemConfig {
        name: "second".to_owned(),
        ..Store::config()
    });
    let opened = (first.clone(), second.clone());
    let mut world = LiveWorld::start_with(&config, shop_model(), interrupt(), &move |system, _| {
        Ok(if system.name == "second" {
            opened.1.open()
        } else {
            opened.0.open()
        })
    })
    .await
    .unwrap();
    let root = world.begin().await.unwrap();
    world.act(ADD, &root.context).await.unwrap();
    first.refuse(usize::MAX);
    let error = world.finish().await.unwrap_err();
    assert_eq!(error.message, "it is locked");
    assert!(first.has_journal() && !second.has_journal());
    assert_eq!(second.rows(), []);
}

#[tokio::test]
async fn a_request_that_cannot_be_filled_names_action_and_template() {
    let store = Store::default();
    let (mut world, root) = begun(&store, Quirk::None).await;
    let error = world.act(DROP, &root.context).await.unwrap_err();
    assert_eq!(error.kind, WorldErrorKind::Request);
    assert!(
        error
            .message
            .starts_with("action `drop`: cannot fill `path: /items/{{ id }}`: "),
        "{error}"
    );
}

#[tokio::test]
async fn a_user_in_a_hurry_stops_the_next_step() {
    let store = Store::default();
    let server = shop(&store, Quirk::None);
    let opened = store.clone();
    let interrupt = interrupt();
    let mut world = LiveWorld::start_with(
        &config(&server),
        shop_model(),
        interrupt.clone(),
        &move |_, _| Ok(opened.open()),
    )
    .await
    .unwrap();
    let root = world.begin().await.unwrap();
    interrupt.request();
    world.act(ADD, &root.context).await.unwrap();
    interrupt.request();
    let error = world.act(ADD, &root.context).await.unwrap_err();
    assert_eq!(error.kind, WorldErrorKind::Interrupted);
    world.finish().await.unwrap();
    assert_eq!(store.rows(), []);
}

/// A service that drops the connection on every second request, after `writes` or before.
fn dropping(store: &Store, writes: bool) -> RawServer {
    let store = store.clone();
    let calls = Mutex::new(0);
    RawServer::start(move |head, _| {
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        let fails = *calls == 2;
        if head.starts_with("POST") && (writes || !fails) {
            store.put(*calls, Some(1));
        }
        (!fails).then(|| answer(201, "", b"{\"id\":1}"))
    })
}

#[tokio::test]
async fn a_dropped_connection_is_tried_again_only_where_nothing_can_have_happened_twice() {
    let store = Store::default();
    let mut world = start(&config(&dropping(&store, false)), &store, &shop_model()).await;
    let root = world.begin().await.unwrap();
    assert_eq!(world.act(ADD, &root.context).await.unwrap().status, 201);
    assert_eq!(store.rows().len(), 1);
    world.finish().await.unwrap();

    let mut world = start(&config(&dropping(&store, true)), &store, &shop_model()).await;
    let root = world.begin().await.unwrap();
    let arrival = world.act(ADD, &root.context).await.unwrap();
    let response = &arrival.record.unwrap().response;
    assert_eq!(
        response.no_answer.as_ref().unwrap().why,
        "no HTTP answer: connection closed before message completed"
    );
    // Sent again it would have been answered.
    assert_eq!(store.rows(), [], "what it wrote is put back");
    world.finish().await.unwrap();
    assert_eq!(store.rows(), []);
}

#[test]
fn the_actions_of_these_tests_stand_where_their_numbers_say() {
    let name =
        |id: ActionId, model: &Arc<Model>| -> String { Action::clone(model.action(id)).name };
    let shop = shop_model();
    assert_eq!(
        [ADD, LIST, DROP, LOGIN].map(|id| name(id, &shop)),
        ["add", "list", "drop", "login"]
    );
}
