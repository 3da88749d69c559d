use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::config::{LateText, Reset, ServiceConfig, SetupStep};
use super::super::testing::{
    RawServer, Store, action, answer, extraction, interrupt, model, request, world_config,
};
use super::*;
use crate::model::{Action, SqlParameter, VariableId};

const ADD: ActionId = ActionId(0);
const LIST: ActionId = ActionId(1);
const DROP: ActionId = ActionId(2);
const LOGIN: ActionId = ActionId(3);

/// A service over a [`Store`]: adds, lists and drops items, and hands out a session.
fn shop(store: &Store, quirk: Quirk) -> RawServer {
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
                if quirk != Quirk::Caches {
                    cache = None;
                }
                Some(answer(201, "", json!({ "id": id }).to_string().as_bytes()))
            }
            ("GET", "/items") => {
                let mut body = json!(store.rows());
                if quirk == Quirk::Ticks {
                    body = json!({ "items": body, "tick": ticks });
                }
                let mut text = body.to_string();
                if quirk == Quirk::Caches || quirk == Quirk::CachesUntilWrite {
                    text = cache.get_or_insert(text).clone();
                }
                Some(answer(200, "", text.as_bytes()))
            }
            ("DELETE", path) => {
                let id = path.rsplit('/').next()?.parse().ok()?;
                store.put(id, None);
                cache = None;
                Some(answer(204, "", b""))
            }
            ("POST", "/login") => {
                logins += 1;
                let cookie = format!("set-cookie: session={logins}\r\n");
                Some(answer(200, &cookie, b"{\"token\":\"t\"}"))
            }
            ("POST", "/cache/clear") => {
                cache = None;
                Some(answer(204, "", b""))
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
enum Quirk {
    None,
    Ticks,
    Caches,
    CachesUntilWrite,
}

fn shop_model() -> Arc<Model> {
    let mut add = action("add", "POST", "/items");
    add.extract = vec![extraction(0, "id", "$.id")];
    let mut drop = action("drop", "DELETE", "/items/{{ id }}");
    drop.clear = vec![VariableId(0)];
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

fn config(server: &RawServer) -> WorldConfig {
    let mut config = world_config(&server.url());
    config.systems = vec![Store::config()];
    config
}

async fn start(config: &WorldConfig, store: &Store, model: &Arc<Model>) -> LiveWorld {
    let opened = store.clone();
    LiveWorld::start_with(config, model.clone(), interrupt(), &move |_, _| {
        Ok(opened.open())
    })
    .await
    .unwrap()
}

async fn begun(store: &Store, quirk: Quirk) -> (LiveWorld, Arrival<Checkpoint>) {
    let server = shop(store, quirk);
    let mut world = start(&config(&server), store, &shop_model()).await;
    let arrival = world.begin().await.unwrap();
    (world, arrival)
}

fn codes(warnings: &[Warning]) -> Vec<&str> {
    warnings.iter().map(|warning| warning.code).collect()
}

#[tokio::test]
async fn a_step_tells_what_it_changed_and_any_state_can_be_restored_from_any_other() {
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
async fn a_service_that_answers_from_a_cache_after_a_restore_is_found_out() {
    let store = Store::default();
    let (mut world, root) = begun(&store, Quirk::CachesUntilWrite).await;
    let warnings = back_and_forth(&mut world, &root).await;
    assert_eq!(codes(&warnings), ["state-outside-systems"]);
    assert!(warnings[0].untrusted);
    assert!(
        warnings[0]
            .message
            .starts_with("`list` answers with another body")
    );
    assert!(warnings[0].help.as_ref().unwrap().contains("after_restore"));
    assert_eq!(store.rows(), [(1, 10)], "asking changed nothing");
}

#[tokio::test]
async fn a_cache_that_is_emptied_after_each_restore_is_no_problem() {
    let store = Store::default();
    let server = shop(&store, Quirk::CachesUntilWrite);
    let mut config = config(&server);
    config.after_restore = vec![request("POST", "/cache/clear")];
    let mut world = start(&config, &store, &shop_model()).await;
    let root = world.begin().await.unwrap();
    assert_eq!(back_and_forth(&mut world, &root).await, []);
}

#[tokio::test]
async fn an_answer_with_a_counter_in_it_is_not_taken_for_a_cache() {
    let store = Store::default();
    let (mut world, root) = begun(&store, Quirk::Ticks).await;
    assert_eq!(back_and_forth(&mut world, &root).await, []);
}

#[tokio::test]
async fn a_cache_that_is_never_emptied_keeps_every_state_looking_alike_and_is_the_services_own_bug()
{
    let store = Store::default();
    let (mut world, root) = begun(&store, Quirk::Caches).await;
    assert_eq!(back_and_forth(&mut world, &root).await, []);
}

#[tokio::test]
async fn asking_again_stays_a_small_part_of_the_requests() {
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
async fn a_probe_leaves_no_trace_but_its_rows_are_told() {
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
            system: 0,
            text: "SELECT count(*), :id FROM items".to_owned(),
            parameters: vec![("id".to_owned(), SqlParameter::Variable(VariableId(0)))],
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
    let error = world.act(ADD, &root.context).await.unwrap_err();
    assert_eq!(
        error.message,
        "action `add`: `POST /items`: no HTTP answer: connection closed before message completed"
    );
    assert_eq!(store.rows().len(), 1, "it was not sent again");
    world.finish().await.unwrap();
    assert_eq!(store.rows(), []);
}

// With a real process: this test binary plays the service when it is started with a port.

const PORT: &str = "VENOMQA_TEST_SERVICE_PORT";

/// Items in memory; `POST /items` gives out an id, from the clock where `RANDOM_IDS` is set.
#[expect(clippy::exit, reason = "the service of the tests has to die in some")]
fn play_service(port: u16) -> ! {
    let mut items: Vec<u64> = Vec::new();
    let random = std::env::var_os("RANDOM_IDS").is_some();
    let flaky = std::env::var_os("FLAKY").is_some();
    let started = std::time::SystemTime::now();
    eprintln!("serving");
    RawServer::serve_on(port, move |head, _| {
        let mut words = head.split_whitespace();
        let (method, path) = (words.next()?, words.next()?);
        match (method, path) {
            ("POST", "/items") => {
                let id = if random {
                    let since = started
                        .duration_since(std::time::UNIX_EPOCH)
                        .unwrap_or_default();
                    since.as_nanos() as u64 / 1000 + items.len() as u64
                } else {
                    items.len() as u64 + 1
                };
                items.push(id);
                let second = std::env::var_os("WORKDIR").map(std::path::PathBuf::from);
                if flaky && second.is_some_and(|folder| mark(&folder)) {
                    return Some(answer(409, "", b"{}"));
                }
                Some(answer(201, "", json!({ "id": id }).to_string().as_bytes()))
            }
            ("GET", "/items") => Some(answer(200, "", json!(items).to_string().as_bytes())),
            ("GET", item) if item.starts_with("/items/") => {
                let known = items.iter().any(|id| item == format!("/items/{id}"));
                Some(answer(if known { 200 } else { 404 }, "", b"{}"))
            }
            ("POST", "/die") => {
                eprintln!("out of luck");
                std::process::exit(7)
            }
            _ => Some(answer(200, "", b"")),
        }
    })
}

/// Whether somebody has left the mark before; leaves it.
fn mark(folder: &std::path::Path) -> bool {
    let file = folder.join("mark");
    let known = file.exists();
    std::fs::write(file, "").unwrap();
    known
}

fn played(env: &[(&str, &str)]) -> WorldConfig {
    let late = |text: &str| LateText(text.to_owned());
    let mut variables = vec![
        (PORT.to_owned(), late("${port}")),
        ("WORKDIR".to_owned(), late("${workdir}")),
    ];
    variables.extend(
        env.iter()
            .map(|(name, value)| ((*name).to_owned(), late(value))),
    );
    WorldConfig {
        service: Some(ServiceConfig {
            command: [
                "${venomqa}",
                "--exact",
                "world::live::tests::a_service_is_started_found_ready_and_stopped",
                "--nocapture",
            ]
            .map(late)
            .to_vec(),
            env: variables,
            cwd: None,
            ready_path: "/health".to_owned(),
            ready_timeout: Duration::from_secs(30),
        }),
        restore: RestoreMode::Replay,
        ..world_config("http://127.0.0.1:${port}")
    }
}

fn played_model() -> Arc<Model> {
    let mut add = action("add", "POST", "/items");
    add.extract = vec![extraction(0, "id", "$.id")];
    model(
        vec![
            add,
            action("list", "GET", "/items"),
            action("show", "GET", "/items/{{ id }}"),
            action("die", "POST", "/die"),
        ],
        &["id"],
    )
}

async fn play(config: &WorldConfig) -> LiveWorld {
    LiveWorld::start(config, played_model(), interrupt())
        .await
        .unwrap()
}

async fn body(world: &mut LiveWorld, action: ActionId, context: &Context) -> Value {
    let arrival = world.act(action, context).await.unwrap();
    let record = arrival.record.unwrap();
    record.response.body.json().unwrap().as_ref().clone()
}

#[tokio::test]
async fn a_service_is_started_found_ready_and_stopped() {
    if let Ok(port) = std::env::var(PORT) {
        play_service(port.parse().unwrap());
    }
    let mut world = play(&played(&[])).await;
    let root = world.begin().await.unwrap();
    assert_eq!(body(&mut world, LIST, &root.context).await, json!([]));
    assert!(world.service_log().await.contains(&"serving".to_owned()));
    let url = world.client.base_url().clone();
    let workdir = world.late.text(&LateText("${workdir}".to_owned()));
    assert!(std::path::Path::new(&workdir).is_dir());
    world.finish().await.unwrap();
    assert!(!std::path::Path::new(&workdir).exists());
    let address = (url.host_str().unwrap(), url.port().unwrap());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_world_that_is_dropped_stops_its_service() {
    let world = play(&played(&[])).await;
    let url = world.client.base_url().clone();
    let address = (url.host_str().unwrap().to_owned(), url.port().unwrap());
    assert!(std::net::TcpStream::connect(&address).is_ok());
    drop(world);
    let gone = async {
        while std::net::TcpStream::connect(&address).is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_service_that_dies_during_a_step_is_told_with_its_status_and_log() {
    let mut world = play(&played(&[])).await;
    let root = world.begin().await.unwrap();
    let error = world.act(ActionId(3), &root.context).await.unwrap_err();
    assert_eq!(error.kind, WorldErrorKind::Service);
    assert!(
        error.message.starts_with("action `die`: `POST /die`: "),
        "{error}"
    );
    assert!(
        error.message.ends_with("; the service exited with code 7"),
        "{error}"
    );
    assert_eq!(error.details.last().unwrap(), "  out of luck");
    world.finish().await.unwrap();
}

#[tokio::test]
async fn a_path_is_replayed_after_a_restart_and_safe_methods_cost_nothing() {
    let mut world = play(&played(&[])).await;
    let root = world.begin().await.unwrap();
    let one = world.act(ADD, &root.context).await.unwrap();
    let two = world.act(ADD, &one.context).await.unwrap();
    world.restore(&one.checkpoint).await.unwrap();
    assert_eq!(body(&mut world, LIST, &one.context).await, json!([1]));
    let requests = world.requests();
    world.restore(&one.checkpoint).await.unwrap();
    assert_eq!(world.requests(), requests, "a GET moved nothing");
    world.restore(&two.checkpoint).await.unwrap();
    assert_eq!(body(&mut world, LIST, &two.context).await, json!([1, 2]));
    world.restore(&root.checkpoint).await.unwrap();
    assert_eq!(body(&mut world, LIST, &root.context).await, json!([]));
    assert_eq!(world.take_warnings(), []);
    world.finish().await.unwrap();
}

#[tokio::test]
async fn ids_that_are_new_each_time_are_followed_and_told_once() {
    let mut world = play(&played(&[("RANDOM_IDS", "1")])).await;
    let root = world.begin().await.unwrap();
    let one = world.act(ADD, &root.context).await.unwrap();
    for _ in 0..2 {
        world.act(ADD, &one.context).await.unwrap();
        world.restore(&one.checkpoint).await.unwrap();
        let show = world.act(ActionId(2), &one.context).await.unwrap();
        assert_eq!(show.status, 200, "the request names the id of this replay");
        assert_eq!(show.context, one.context, "the state keeps its own");
    }
    let warnings = world.take_warnings();
    assert_eq!(codes(&warnings), ["replay-differs"]);
    assert!(warnings[0].message.contains("`id`") && !warnings[0].untrusted);
    world.finish().await.unwrap();
}

#[tokio::test]
async fn a_replay_that_goes_another_way_says_where() {
    let mut world = play(&played(&[("FLAKY", "1")])).await;
    let root = world.begin().await.unwrap();
    let one = world.act(ADD, &root.context).await.unwrap();
    world.act(ADD, &one.context).await.unwrap();
    let error = world.restore(&one.checkpoint).await.unwrap_err();
    assert_eq!(error.kind, WorldErrorKind::Restore);
    assert_eq!(
        error.message,
        "replaying a path went another way at step 1 of 1, `add`: it was answered with 201 when it first ran, and with 409 now"
    );
    assert_eq!(error.details, ["the path: add"]);
    world.finish().await.unwrap();
}

#[tokio::test]
async fn a_reset_command_that_fails_shows_what_it_wrote() {
    let mut config = played(&[]);
    config.reset = Some(Reset::Command(
        ["sh", "-c", "echo no permission >&2; exit 2"]
            .map(|part| LateText(part.to_owned()))
            .to_vec(),
    ));
    let mut world = play(&config).await;
    let root = world.begin().await.unwrap();
    world.act(ADD, &root.context).await.unwrap();
    let error = world.restore(&root.checkpoint).await.unwrap_err();
    assert_eq!(
        error.message,
        "the `reset` command `sh -c echo no permission >&2; exit 2` exited with code 2"
    );
    assert_eq!(error.details.last().unwrap(), "  no permission");
    world.finish().await.unwrap();
}

#[tokio::test]
async fn without_a_way_back_the_world_says_so_before_it_starts() {
    let mut config = world_config("http://127.0.0.1:1");
    config.restore = RestoreMode::Replay;
    let error = LiveWorld::start(&config, played_model(), interrupt())
        .await
        .err()
        .unwrap();
    assert!(error.message.contains("no way to reset"), "{error}");

    let mut config = played(&[]);
    config.restore = RestoreMode::None;
    let mut world = play(&config).await;
    assert!(!world.can_restore());
    let root = world.begin().await.unwrap();
    world.act(ADD, &root.context).await.unwrap();
    let error = world.restore(&root.checkpoint).await.unwrap_err();
    assert!(error.message.contains("`restore: none`"), "{error}");
    world.finish().await.unwrap();
}

fn shell(script: &str, base_url: &str, ready: Duration) -> WorldConfig {
    let mut config = played(&[]);
    let service = config.service.as_mut().unwrap();
    service.command = ["sh", "-c", script]
        .map(|part| LateText(part.to_owned()))
        .to_vec();
    service.ready_timeout = ready;
    config.http.base_url = LateText(base_url.to_owned());
    config
}

async fn start_error(config: &WorldConfig) -> WorldError {
    LiveWorld::start(config, played_model(), interrupt())
        .await
        .err()
        .unwrap()
}

#[tokio::test]
async fn a_service_that_ends_or_never_gets_ready_shows_its_log() {
    let own = "http://127.0.0.1:${port}";
    let minute = Duration::from_secs(60);
    let error = start_error(&shell("echo no database; exit 4", own, minute)).await;
    assert!(
        error
            .message
            .starts_with("the service exited with code 4 before it was ready: `sh -c"),
        "{error}"
    );
    assert_eq!(error.details.last().unwrap(), "  no database");

    let short = Duration::from_millis(300);
    let error = start_error(&shell("echo waiting; sleep 1000", own, short)).await;
    assert!(
        error
            .message
            .starts_with("the service was not ready within 300ms: `GET /health`: cannot connect"),
        "{error}"
    );
    assert_eq!(error.details.last().unwrap(), "  waiting");

    // Somebody else there would be taken for the service.
    let other = RawServer::start(|_, _| Some(answer(200, "", b"")));
    let error = start_error(&shell("sleep 1000", &other.url(), minute)).await;
    assert!(
        error.message.contains("already, before the service"),
        "{error}"
    );
}

#[tokio::test]
async fn another_port_is_tried_when_somebody_took_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("tried");
    let mut config = played(&[]);
    let service = config.service.as_mut().unwrap();
    let mut command = vec![
        LateText("sh".to_owned()),
        LateText("-c".to_owned()),
        LateText(format!(
            "[ -e {0} ] && exec \"$@\"; touch {0}; echo 'bind: Address already in use' >&2; exit 1",
            mark.display()
        )),
        LateText("sh".to_owned()),
    ];
    command.append(&mut service.command);
    service.command = command;
    let mut world = play(&config).await;
    assert!(mark.exists());
    world.begin().await.unwrap();
    world.finish().await.unwrap();
}

#[test]
fn a_very_long_path_is_dropped_without_a_deep_stack() {
    let mut path = Path::default();
    for _ in 0..300_000 {
        let identity = crate::model::Digest::default();
        path = path.then(ADD, 200, identity, Context::empty(0));
    }
    drop(path);
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
