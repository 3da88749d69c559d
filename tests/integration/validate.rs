//! `venomqa validate`, and what `explore` says about specs that it does not run.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::{Sandbox, Server};

#[test]
fn all_mistakes_are_reported_at_once_each_with_its_place() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "bad.yaml",
        r#"venomqa: 1
http: { base_url: "http://127.0.0.1:9" }
systems: { db: { sqlite: bad.db } }
actions:
  - name: refund
    request: { method: POST, path: /refunds, jsno: { total: 100 } }
  - name: refund
    request: { path: /refunds }
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
     --> bad.yaml:6:46
      |
    6 |     request: { method: POST, path: /refunds, jsno: { total: 100 } }
      |                                              ^^^^ not known here
      |
      = help: did you mean `json`?

    error[duplicate-name]: two actions have the name `refund`
     --> bad.yaml:7:11
      |
    5 |   - name: refund
      |           ------ first here
    6 |     request: { method: POST, path: /refunds, jsno: { total: 100 } }
    7 |   - name: refund
      |           ^^^^^^ again here
      |
      = help: rename one of the two

    error[bad-jsonpath]: the JSONPath does not parse: not a JSONPath: expected comparable
      --> bad.yaml:11:28
       |
    11 |     jsonpath: $..[?@.total <
       |                            ^

    error: 3 errors in the spec; nothing was started
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
