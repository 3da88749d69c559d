//! `venomqa validate`, and what `explore` says about specs that it does not run.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::{Sandbox, Server};

#[test]
fn all_mistakes_are_told_at_once_each_with_its_place() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "bad.yaml",
        r#"venomqa: 1
name: bad
http: { base_url: "http://127.0.0.1:9" }
systems: { db: { sqlite: bad.db } }
actions:
  - name: create_order
    request: { method: POST, path: /orders, jsno: { total: 100 } }
    extract: { order_id: $.id }
    max_calls: three
  - name: refund
    preconditions: [creat_order]
    request: { method: POST, path: "/orders/{{ ordr_id }}/refunds" }
  - name: refund
    request: { path: "/orders/{{ order_id" }
    expect: { status: 201 }
    expect: { status: 200 }
invariants:
  - name: total
    jsonpath: $..[?@.total <
    expect: { at_least: 0 }
"#,
    );
    let finished = sandbox.venomqa("validate bad.yaml").run().code(2);
    assert_eq!(finished.stdout, "");
    insta::assert_snapshot!(finished.stderr, @r#"
    error[unknown-key]: unknown key `jsno`
     --> bad.yaml:7:45
      |
    7 |     request: { method: POST, path: /orders, jsno: { total: 100 } }
      |                                             ^^^^ not known here
      |
      = help: did you mean `json`?

    error[wrong-type]: `actions[0].max_calls` must be a whole number from 0 to 65535, not the text `three`
     --> bad.yaml:9:16
      |
    9 |     max_calls: three
      |                ^^^^^ expected a whole number from 0 to 65535

    error[unknown-action]: unknown action `creat_order`
      --> bad.yaml:11:21
       |
    11 |     preconditions: [creat_order]
       |                     ^^^^^^^^^^^ no such action
       |
       = help: did you mean `create_order`?

    error[unknown-name]: `ordr_id` is used but never extracted or defined
      --> bad.yaml:12:48
       |
    12 |     request: { method: POST, path: "/orders/{{ ordr_id }}/refunds" }
       |                                                ^^^^^^^ nothing gives this a value
       |
       = help: did you mean `order_id`?

    error[duplicate-name]: two actions have the name `refund`
      --> bad.yaml:13:11
       |
    10 |   - name: refund
       |           ------ first here
    ...
    13 |   - name: refund
       |           ^^^^^^ again here
       |
       = help: rename one of the two

    error[bad-template]: the template does not parse: unexpected end of input, expected end of variable block
      --> bad.yaml:14:34
       |
    14 |     request: { path: "/orders/{{ order_id" }
       |                                  ^^^^^^^^

    error[duplicate-key]: the key `expect` is there twice
      --> bad.yaml:16:5
       |
    15 |     expect: { status: 201 }
       |     ------ first here
    16 |     expect: { status: 200 }
       |     ^^^^^^ again here
       |
       = help: keep one of the two

    error[bad-jsonpath]: the JSONPath does not parse: not a JSONPath: expected comparable
      --> bad.yaml:19:28
       |
    19 |     jsonpath: $..[?@.total <
       |                            ^

    error: 8 errors in the spec; nothing was started
    "#);
}

#[test]
fn what_only_a_look_at_the_whole_shows_is_found_as_well() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "whole.yaml",
        r#"venomqa: 1
http: { base_url: "http://127.0.0.1:9" }
systems: { db: { sqlite: whole.db } }
variables: { amount: 5 }
actions:
  - name: hen
    preconditions: [egg]
    request: { path: /hen }
  - name: egg
    preconditions: [hen]
    request: { path: /egg }
  - name: own_tail
    request: { path: "/tail/{{ tail }}" }
    extract: { tail: $.tail }
  - name: feed
    preconditions: ["amount >"]
    request: { path: /feed }
invariants:
  - name: eggs
    sql: SELECT id FROM eggs WHERE id = :egg_id
explore: { strategy: deep }
"#,
    );
    let finished = sandbox.venomqa("validate whole.yaml").run().code(2);
    insta::assert_snapshot!(finished.stderr, @r#"
    error[precondition-cycle]: these actions wait for each other: hen -> egg -> hen
      --> whole.yaml:7:21
       |
     7 |     preconditions: [egg]
       |                     ^^^ `hen` waits for this
    ...
    10 |     preconditions: [hen]
       |                     --- `egg` waits for this
       |
       = help: none of them can ever run: remove one of these preconditions

    error[unreachable-action]: `own_tail` can never run
      --> whole.yaml:12:11
       |
    12 |   - name: own_tail
       |           ^^^^^^^^ it needs `tail`, which only it extracts itself
       |
       = help: let another action or `setup` extract `tail` first

    error[bad-condition]: the condition does not parse: unexpected end of input, expected expression
      --> whole.yaml:16:29
       |
    16 |     preconditions: ["amount >"]
       |                             ^

    error[unknown-name]: `egg_id` is used but never extracted or defined
      --> whole.yaml:20:41
       |
    20 |     sql: SELECT id FROM eggs WHERE id = :egg_id
       |                                         ^^^^^^^ nothing gives this a value
       |
       = help: let an action extract it (`extract: { egg_id: $.egg_id }`), or define it under `variables`

    error[unknown-strategy]: unknown strategy `deep`
      --> whole.yaml:21:22
       |
    21 | explore: { strategy: deep }
       |                      ^^^^ no such strategy
       |
       = help: there is `dfs`, `bfs`, `coverage`, `random`, `mcts` or `weighted`

    error: 5 errors in the spec; nothing was started
    "#);
}

#[test]
fn what_is_sound_but_odd_is_a_warning_and_no_mistake() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "odd.yaml",
        r#"venomqa: 1
http: { base_url: "http://127.0.0.1:9" }
systems: { db: { sqlite: odd.db } }
variables: { unused: 1 }
actions:
  - name: look
    request: { path: /look }
"#,
    );
    let finished = sandbox.venomqa("validate odd.yaml").run().code(0);
    insta::assert_snapshot!(finished.stderr, @r#"
    warning[unused-variable]: nothing reads the variable `unused`
     --> odd.yaml:4:14
      |
    4 | variables: { unused: 1 }
      |              ^^^^^^
      |
      = help: remove it, or use it in a template, a condition or SQL
    "#);
}

#[test]
fn a_text_that_is_no_yaml_is_shown_where_it_breaks() {
    let sandbox = Sandbox::new();
    sandbox.write("broken.yaml", "venomqa: 1\nactions: [\n  - name: a\n");
    let finished = sandbox.venomqa("validate broken.yaml").run().code(2);
    insta::assert_snapshot!(finished.stderr, @r#"
    error[syntax-error]: not YAML: "-" is only valid inside a block
     --> broken.yaml:3:3
      |
    3 |   - name: a
      |   ^

    error: 1 error in the spec; nothing was started
    "#);
}

#[test]
fn empty_and_missing_specs_are_mistakes_for_both_commands() {
    let sandbox = Sandbox::new();
    sandbox.write("empty.yaml", "");
    sandbox.write("comment.yaml", "# nothing but a comment\n");
    for command in ["validate", "explore"] {
        for empty in ["empty.yaml", "comment.yaml"] {
            sandbox
                .venomqa([command, empty])
                .run()
                .code(2)
                .complains(&["the spec is empty", "venomqa init"]);
        }
        sandbox
            .venomqa([command, "missing.yaml"])
            .run()
            .code(2)
            .complains(&["there is no file `missing.yaml`"]);
    }
}

#[test]
fn mistakes_of_several_specs_are_reported_together() {
    let sandbox = Sandbox::with_shop();
    sandbox.write("specs/a.yaml", "venomqa: 1\nacton: []\n");
    sandbox.write("specs/b.yaml", "venomqa: 2\n");
    let finished = sandbox.venomqa("explore").run().code(2).complains(&[
        "unknown key `acton`",
        "specs/a.yaml:2:1",
        "specs/b.yaml:1:",
        "nothing was started",
    ]);
    assert!(!finished.stderr.contains("step "), "{finished}");
}

#[test]
fn a_sound_spec_is_said_to_be_sound() {
    let sandbox = Sandbox::with_shop();
    sandbox
        .venomqa("validate")
        .run()
        .code(0)
        .says(&["specs/shop.yaml: valid, 17 actions and 7 invariants"]);
}

#[test]
fn a_variable_of_the_environment_that_is_not_set_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "venomqa.yaml",
        "venomqa: 1\nhttp: { base_url: \"${API_URL}\" }\nrestore: none\nactions: [{ name: a, request: { path: / } }]\n",
    );
    sandbox
        .venomqa("validate")
        .run()
        .code(2)
        .complains(&["API_URL", "venomqa.yaml:2:"]);
    sandbox
        .venomqa("validate")
        .env("API_URL", "http://127.0.0.1:9")
        .run()
        .code(0);
}

#[test]
fn five_thousand_actions_are_checked_and_explored() {
    let mut spec =
        "venomqa: 1\nrestore: none\nexplore: { strategy: random }\nactions:\n".to_owned();
    for number in 0..5_000 {
        writeln!(
            spec,
            "  - name: action_{number}\n    request: {{ path: \"/things/{number}\" }}\n    extract: {{ value_{number}: {{ jsonpath: $.id, optional: true }} }}"
        )
        .unwrap();
    }
    let sandbox = Sandbox::with_spec(&spec);
    sandbox
        .venomqa("validate --base-url http://127.0.0.1:9")
        .run()
        .code(0)
        .says(&["valid, 5000 actions"]);
    let server = Server::start(axum::Router::new().fallback(async || "{}"));
    sandbox
        .venomqa("explore --max-steps 50")
        .at(&server.url())
        .run()
        .code(0)
        .says(&["of 5,000 actions never ran"]);
}

#[test]
fn the_schema_in_the_tree_is_that_of_the_program() {
    let sandbox = Sandbox::new();
    let printed = sandbox.venomqa("schema").run().code(0);
    let committed = include_str!("../../venomqa.schema.json");
    assert!(
        printed.stdout == committed,
        "write it again: venomqa schema > venomqa.schema.json"
    );
    let schema: Value = serde_json::from_str(committed).unwrap();
    assert_eq!(schema["additionalProperties"], false);
}
