//! With a real process: this test binary plays the service when it is started with a port.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::config::{Reset, RestoreMode, RunText, ServiceConfig};
use super::super::test_support::{
    RawServer, Store, action, answer, extraction, interrupt, model, world_config,
};
use super::*;

const ADD: ActionId = ActionId(0);
const LIST: ActionId = ActionId(1);
const SHOW: ActionId = ActionId(2);
const DIE: ActionId = ActionId(3);

const PORT: &str = "VENOMQA_TEST_SERVICE_PORT";

/// Items in memory; `POST /items` gives out an id, from the clock where `RANDOM_IDS` is set.
#[expect(clippy::exit, reason = "the service of the tests has to die in some")]
fn play_service(port: u16) -> ! {
    let mut items: Vec<u64> = Vec::new();
    let random = std::env::var_os("RANDOM_IDS").is_some();
    let flaky = std::env::var_os("FLAKY").is_some();
    let started = std::time::SystemTime::now();
    eprintln!("serving");
    if let Some(folder) = std::env::var_os("WORKDIR") {
        eprintln!("in {}", folder.display());
    }
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
    let late = |text: &str| RunText(text.to_owned());
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
                "world::live_world::process_tests::a_service_is_started_found_ready_and_stopped",
                "--nocapture",
            ]
            .map(late)
            .to_vec(),
            env: variables,
            cwd: None,
            ready_path: "/health".to_owned(),
            ready_timeout: Duration::from_secs(30),
            restart: true,
        }),
        restore: RestoreMode::Replay,
        ..world_config("http://127.0.0.1:${port}")
    }
}

fn played_model() -> Arc<Model> {
    let mut add = action("add", "POST", "/items");
    add.accepted.extract = vec![extraction(0, "id", "$.id")];
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
    let log = world.service_log().await;
    assert!(log.contains(&"serving".to_owned()));
    let workdir = log
        .iter()
        .find_map(|line| line.strip_prefix("in "))
        .unwrap();
    assert!(std::path::Path::new(workdir).is_dir());
    let address = address(&world);
    world.finish().await.unwrap();
    assert!(!std::path::Path::new(workdir).exists());
    assert!(std::net::TcpStream::connect(address).is_err());
}

fn address(world: &LiveWorld) -> (String, u16) {
    let url = url::Url::parse(&world.addresses()[0].1).unwrap();
    (url.host_str().unwrap().to_owned(), url.port().unwrap())
}

/// A world with a real service and rows in memory.
async fn played_with(store: &Store) -> (LiveWorld, Arrival<Checkpoint>) {
    let config = WorldConfig {
        systems: vec![Store::config()],
        restore: RestoreMode::Database,
        ..played(&[])
    };
    let opened = store.clone();
    let mut world = LiveWorld::start_with(&config, played_model(), interrupt(), &move |_, _| {
        Ok(opened.open())
    })
    .await
    .unwrap();
    store.look_for(address(&world));
    let root = world.begin().await.unwrap();
    (world, root)
}

#[tokio::test]
async fn a_database_that_the_service_keeps_locked_is_put_back_once_the_service_is_gone() {
    let store = Store::default();
    let (world, _) = played_with(&store).await;
    store.refuse(1);
    world.finish().await.unwrap();
    assert!(!store.has_journal() && !store.service_was_up());
}

#[tokio::test]
async fn a_service_that_writes_by_itself_is_stopped_before_the_database_is_put_back() {
    for writes in [false, true] {
        let store = Store::default();
        let (mut world, root) = played_with(&store).await;
        if writes {
            store.put(1, Some(1));
        }
        world.act(LIST, &root.context).await.unwrap();
        world.finish().await.unwrap();
        assert_eq!(store.service_was_up(), !writes);
        assert_eq!(store.rows(), []);
    }
}

#[tokio::test]
async fn a_world_that_is_dropped_stops_its_service() {
    let world = play(&played(&[])).await;
    let address = address(&world);
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
async fn a_service_that_dies_during_a_step_is_reported_with_its_status_and_log_and_brought_back() {
    let mut world = play(&played(&[])).await;
    let root = world.begin().await.unwrap();
    let one = world.act(ADD, &root.context).await.unwrap();
    let dead = world.act(DIE, &one.context).await.unwrap();
    assert_eq!((dead.status, dead.effect), (0, Effect::None));
    assert_eq!(dead.identity, one.identity);
    let no_answer = dead.record.unwrap().response.no_answer.clone().unwrap();
    assert!(
        no_answer.why.ends_with("; the service exited with code 7"),
        "{no_answer:?}"
    );
    assert_eq!(no_answer.details.last().unwrap(), "  out of luck");
    assert_eq!(body(&mut world, LIST, &one.context).await, json!([1]));
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
async fn without_rows_to_see_every_accepted_step_leads_to_a_state_of_its_own() {
    let mut world = play(&played(&[])).await;
    let root = world.begin().await.unwrap();
    let one = world.act(ADD, &root.context).await.unwrap();
    let seen = world.act(LIST, &one.context).await.unwrap();
    assert_eq!(seen.identity, one.identity, "a safe method changes nothing");
    let unknown = one
        .context
        .with(crate::model::VariableId(0), Some(json!(77)));
    let refused = world.act(SHOW, &unknown).await.unwrap();
    assert_eq!((refused.status, refused.identity), (404, one.identity));
    let two = world.act(ADD, &one.context).await.unwrap();
    assert_ne!(one.identity, two.identity, "`add -> add` must be tried");
    world.restore(&root.checkpoint).await.unwrap();
    let again = world.act(ADD, &root.context).await.unwrap();
    assert_eq!(again.identity, one.identity);
    world.finish().await.unwrap();
}

#[tokio::test]
async fn ids_that_are_new_each_time_are_followed_and_reported_once() {
    let mut world = play(&played(&[("RANDOM_IDS", "1")])).await;
    let root = world.begin().await.unwrap();
    let one = world.act(ADD, &root.context).await.unwrap();
    for _ in 0..2 {
        world.act(ADD, &one.context).await.unwrap();
        world.restore(&one.checkpoint).await.unwrap();
        let show = world.act(SHOW, &one.context).await.unwrap();
        assert_eq!(show.status, 200, "the request names the id of this replay");
        assert_eq!(show.context, one.context, "the state keeps its own");
    }
    let warnings = world.take_warnings();
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].code.name(), "replay-differs");
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
            .map(|part| RunText(part.to_owned()))
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
        .map(|part| RunText(part.to_owned()))
        .to_vec();
    service.ready_timeout = ready;
    config.http.base_url = RunText(base_url.to_owned());
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

    let short = Duration::from_secs(2);
    let error = start_error(&shell("echo waiting; sleep 1000", own, short)).await;
    assert!(
        error
            .message
            .starts_with("the service was not ready within 2s: `GET /health`: cannot connect"),
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
        RunText("sh".to_owned()),
        RunText("-c".to_owned()),
        RunText(format!(
            "[ -e {0} ] && exec \"$@\"; touch {0}; echo 'bind: Address already in use' >&2; exit 1",
            mark.display()
        )),
        RunText("sh".to_owned()),
    ];
    command.append(&mut service.command);
    service.command = command;
    let mut world = play(&config).await;
    assert!(mark.exists());
    world.begin().await.unwrap();
    world.finish().await.unwrap();
}
