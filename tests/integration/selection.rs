//! `--only` and `--skip`: some of the actions of a spec.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::Value;

use crate::support::{Sandbox, Server, one, texts};

const SPEC: &str = "
venomqa: 1
name: shop
restore: none
actions:
  - { name: create, request: { method: POST, path: /orders }, expect: { status: 201 }, extract: { order: $.id } }
  - { name: refund, request: { method: POST, path: \"/orders/{{ order }}/refund\" } }
  - { name: refund_all, request: { method: POST, path: /refunds }, preconditions: [create] }
  - { name: list, request: { path: /orders } }
";

fn shop() -> Server {
    let created = async || {
        (
            StatusCode::CREATED,
            axum::Json(serde_json::json!({ "id": 1 })),
        )
    };
    Server::start(
        Router::new()
            .route("/", get(async || "ready"))
            .route("/orders", get(async || "[]").post(created))
            .route("/orders/1/refund", post(async || "done"))
            .route("/refunds", post(async || "done")),
    )
}

fn names(run: &Value, are: impl Fn(&Value) -> bool) -> Vec<String> {
    let actions = run["actions"].as_array().unwrap().iter();
    let chosen = actions.filter(|action| are(action));
    chosen
        .map(|action| action["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn only_and_skip_choose_the_actions_that_run_and_count() {
    let (sandbox, server) = (Sandbox::with_spec(SPEC), shop());
    let flags = "explore --strategy random --max-steps 30 --report json --report console=run.txt";
    for (choice, off) in [
        (&["--skip", "refund*"][..], &["refund", "refund_all"][..]),
        (
            &["--only", "create", "--only", "list"][..],
            &["refund", "refund_all"][..],
        ),
        (
            &[
                "--only",
                "*ref*",
                "--only",
                "create",
                "--skip",
                "refund_all",
            ][..],
            &["refund_all", "list"][..],
        ),
    ] {
        let run = sandbox
            .venomqa(flags)
            .args(choice.to_vec())
            .at(&server.url())
            .run()
            .code(0)
            .only_run();
        assert_eq!(names(&run, |it| it["switched_off"] == true), off, "{run:#}");
        assert_eq!(names(&run, |it| it["runs"] == 0), off, "{run:#}");
        assert_eq!(run["figures"]["coverage"], 1.0);
        assert_eq!(run["figures"]["actions"], 4 - off.len());
        let repeat = run["repeat"].as_str().unwrap();
        assert!(repeat.contains(choice[0]), "{repeat}");
        let console = sandbox.read("run.txt");
        let line = format!("switched off {}", off.len());
        let squeezed = console.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed.contains(&line), "{console}");
    }
}

#[test]
fn what_a_choice_makes_impossible_is_explained() {
    let (sandbox, server) = (Sandbox::with_spec(SPEC), shop());
    let run = sandbox
        .venomqa("explore --strategy random --max-steps 30 --report json --skip create")
        .at(&server.url())
        .run()
        .only_run();
    let why = |name| {
        one(&run["actions"], "name", name)["never_ran"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        why("refund"),
        "`order` was not defined: `create` yields it, and `--skip` switches that off"
    );
    assert_eq!(
        why("refund_all"),
        "`create` must be accepted before it, and `--skip` switches that off"
    );
}

#[test]
fn a_name_that_no_action_has_is_a_mistake_with_a_suggestion() {
    let sandbox = Sandbox::with_spec(&format!("{SPEC}http: {{ base_url: http://127.0.0.1:9 }}\n"));
    sandbox
        .venomqa("explore --only refnd")
        .run()
        .code(2)
        .complains(&[
            "`--only refnd`: there is no such action",
            "did you mean `refund`?",
        ]);
    sandbox
        .venomqa("explore --skip pay*")
        .run()
        .code(2)
        .complains(&["the actions are: create, refund, refund_all, list"]);
    sandbox
        .venomqa("explore --skip *")
        .run()
        .code(2)
        .complains(&["leave no action that may run"]);
}

#[test]
fn of_several_specs_those_are_explored_that_have_something_left() {
    let (sandbox, server) = (Sandbox::with_spec(SPEC), shop());
    let other = SPEC
        .replace("name: shop", "name: other")
        .replace("list", "index");
    sandbox.write("other.yaml", &other);
    let finished = sandbox
        .venomqa("explore venomqa.yaml other.yaml --strategy random --max-steps 5 --only index --report json")
        .at(&server.url())
        .run()
        .code(0);
    assert!(
        finished.stderr.contains("not explored: venomqa.yaml"),
        "{finished}"
    );
    assert_eq!(
        texts(&finished.json()["runs"], "outcome"),
        ["clean"],
        "{finished}"
    );
}
