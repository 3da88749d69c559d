//! Specs as people write them, right and wrong; whole diagnostics compared.

use std::path::Path;

use super::{Environment, Loaded, Vocabulary, parse};
use crate::diagnostic::render;

mod mistakes;

/// What the environment is in these tests.
fn variable(name: &str) -> Option<String> {
    match name {
        "HOST" => Some("localhost".to_owned()),
        "STEPS" => Some("70".to_owned()),
        "EVIL" => Some("x\nactions: []".to_owned()),
        _ => None,
    }
}

/// A name that is not the real one of a strategy proves that none is hard-coded.
const VOCABULARY: Vocabulary<'static> = Vocabulary {
    strategies: &["dfs", "bfs", "random", "zigzag"],
    checks: &["server-error", "safe-method-wrote"],
};

fn read_with(text: &str, overrides: &[(&str, &str)]) -> Loaded {
    let overrides: Vec<(String, String)> = overrides
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    parse(
        Path::new("specs/venomqa.yaml"),
        text,
        &Environment {
            variable: &variable,
            overrides: &overrides,
            base_url: None,
            vocabulary: VOCABULARY,
        },
    )
}

fn read(text: &str) -> Loaded {
    read_with(text, &[])
}

/// The diagnostics of a text, drawn.
fn drawn(text: &str) -> String {
    let loaded = read(text);
    assert_eq!(
        loaded.spec.is_none(),
        loaded
            .diagnostics
            .iter()
            .any(crate::diagnostic::Diagnostic::is_error)
    );
    render(&loaded.diagnostics, &loaded.sources, false)
}

/// The code, line and message of each diagnostic of a text.
fn listed(text: &str) -> Vec<String> {
    let loaded = read(text);
    loaded
        .diagnostics
        .iter()
        .map(|diagnostic| {
            let place = diagnostic
                .labels
                .iter()
                .find(|label| label.primary)
                .and_then(|label| {
                    loaded
                        .sources
                        .line_and_column(label.source, label.range.start)
                });
            let place =
                place.map_or_else(String::new, |(line, column)| format!("{line}:{column} "));
            format!("{place}{}: {}", diagnostic.code, diagnostic.message)
        })
        .collect()
}

/// A sound spec around some sections.
fn sound(sections: &str) -> String {
    format!("venomqa: 1\nhttp: {{ base_url: http://localhost:1 }}\nrestore: none\n{sections}\n")
}

/// The example of the design, whole.
const ORDERS: &str = r#"
venomqa: 1
name: orders
variables:
  amount: 100
service:
  command: ["./target/release/shop", "--port", "${port}", "--db", "${workdir}/shop.db"]
  env: { RUST_LOG: warn }
  ready: { path: /health, timeout: 30s }
http:
  base_url: http://127.0.0.1:${port}
  timeout: 10s
  headers: { Authorization: "Bearer {{ token }}" }
systems:
  db:
    sqlite: ${workdir}/shop.db
    observe_tables: [orders, refunds]
    ignore_columns: ["*.created_at", orders.etag]
    observation_queries:
      open_orders: SELECT count(*) FROM orders WHERE status = 'open'
state_from_context: [order_id]
setup:
  - request: { method: POST, path: /login, json: { user: qa } }
    extract: { token: $.token }
actions:
  - name: create_order
    request: { method: POST, path: /orders, json: { amount: "{{ amount }}" } }
    expect: { status: 201 }
    extract: { order_id: $.id }
    max_calls: 2
  - name: refund_order
    preconditions: [create_order, "order_id is defined and amount > 10"]
    request: { method: POST, path: "/orders/{{ order_id }}/refund", json: { amount: "{{ n }}" } }
    parameters: { n: [50, 100], how: [cash] }
    expect: { status: [200, 409] }
    weight: 3
    max_calls: 1
  - name: forget_order
    preconditions: [create_order]
    request: { method: delete, path: "/orders/{{ order_id }}" }
    clear: [order_id]
invariants:
  - name: no_over_refund
    severity: critical
    message: an order was refunded for more than it cost
    sql: SELECT id, total, refunded FROM orders WHERE refunded > total
  - name: one_open_order
    sql: SELECT count(*) FROM orders WHERE id <> :order_id AND total > :amount
    expect: { at_most: 2 }
  - name: list_agrees_with_database
    request: { method: GET, path: /orders }
    jsonpath: $[*].id
    expect: { equals_sql: SELECT id FROM orders ORDER BY id }
  - name: no_negative_total
    jsonpath: $..[?@.total < 0]
    expect: empty
checks: { safe-method-wrote: high, server-error: off }
explore: { strategy: dfs, max_steps: 500, max_depth: 20, coverage_target: 1.0, time_limit: 5m, seed: 1, progress_every: 50, fail_fast: high }
"#;

mod lowering {
    use std::time::Duration;

    use super::*;
    use crate::model::{
        Assertion, Model, Precondition, Severity, SqlParameter, Subject, VariableId,
    };
    use crate::spec::Spec;
    use crate::world::config::{EngineConfig, LateText, Reset, RestoreMode};

    fn spec(text: &str) -> Spec {
        let loaded = read(text);
        let problems = render(&loaded.diagnostics, &loaded.sources, false);
        loaded.spec.unwrap_or_else(|| panic!("{problems}"))
    }

    fn names(model: &Model) -> Vec<&str> {
        model
            .actions
            .iter()
            .map(|action| action.name.as_str())
            .collect()
    }

    #[test]
    fn the_example_of_the_design_becomes_a_model_without_a_word() {
        let loaded = read(ORDERS);
        assert_eq!(render(&loaded.diagnostics, &loaded.sources, false), "");
        let spec = loaded.spec.unwrap();
        assert_eq!(spec.model.name, "orders");
        assert_eq!(
            names(&spec.model),
            [
                "create_order",
                "refund_order(n=50, how=cash)",
                "refund_order(n=100, how=cash)",
                "forget_order"
            ]
        );
        let variables: Vec<&str> = spec
            .model
            .names
            .variables
            .iter()
            .map(String::as_str)
            .collect();
        assert_eq!(variables, ["token", "order_id"]);
        assert_eq!(spec.model.identity_variables, [false, true]);
        assert_eq!(spec.checks["server-error"], None);
        assert_eq!(spec.checks["safe-method-wrote"], Some(Severity::High));
        assert_eq!(spec.explore.time_limit, Some(Duration::from_secs(300)));
        assert_eq!(spec.explore.fail_fast, Some(Severity::High));
    }

    #[test]
    fn guards_become_facts_that_count_no_further_than_needed() {
        let model = spec(ORDERS).model;
        let rules: Vec<(&str, u16)> = model
            .facts
            .iter()
            .map(|rule| (rule.action.as_str(), rule.cap))
            .collect();
        assert_eq!(
            rules,
            [
                ("create_order", 1),
                ("create_order", 2),
                ("refund_order(n=50, how=cash)", 1),
                ("refund_order(n=100, how=cash)", 1)
            ]
        );
        let create = &model.actions[0];
        assert_eq!(
            create.counts.iter().map(|fact| fact.0).collect::<Vec<_>>(),
            [0, 1]
        );
        let (fact, limit) = create.max_calls.unwrap();
        assert_eq!((fact.0, limit), (1, 2));
        let refund = &model.actions[1];
        assert!(matches!(
            refund.preconditions.as_slice(),
            [Precondition::HasRun(fact), Precondition::Holds(_)] if fact.0 == 0
        ));
        assert_eq!(refund.requires, [VariableId(1)]);
        assert_eq!(refund.weight, 3.0);
        assert_eq!(model.actions[3].request.method, "DELETE");
        assert_eq!(model.actions[3].clear, [VariableId(1)]);
    }

    #[test]
    fn the_world_has_its_defaults_and_keeps_late_names_open() {
        let world = spec(ORDERS).world;
        assert_eq!(world.base_dir, Path::new("specs"));
        let service = world.service.unwrap();
        assert_eq!(
            service.command[4],
            LateText("${workdir}/shop.db".to_owned())
        );
        assert_eq!(service.ready_path, "/health");
        assert_eq!(
            world.http.base_url,
            LateText("http://127.0.0.1:${port}".to_owned())
        );
        assert_eq!(world.http.max_body, 16_000_000);
        assert_eq!(world.restore, RestoreMode::Database);
        assert!(world.reset.is_none());
        let EngineConfig::Sqlite(file) = &world.systems[0].engine;
        assert_eq!(file.0, "${workdir}/shop.db");
        assert_eq!(world.settle, Duration::ZERO);
    }

    #[test]
    fn sql_parameters_are_bound_to_values_and_constants() {
        let model = spec(ORDERS).model;
        let Subject::Sql(query) = &model.invariants[1].subject else {
            panic!("an SQL invariant");
        };
        assert!(matches!(
            query.parameters.as_slice(),
            [(id, SqlParameter::Variable(VariableId(1))), (amount, SqlParameter::Constant(value))]
                if id == "order_id" && amount == "amount" && value == 100
        ));
        assert!(matches!(
            model.invariants[0].expectation.assertions.as_slice(),
            [Assertion::Empty]
        ));
        assert_eq!(model.invariants[1].severity, Severity::Medium);
    }

    #[test]
    fn without_a_system_a_service_is_restarted() {
        let spec = spec(
            "venomqa: 1\nservice: { command: [./api] }\nactions: [{ name: a, request: { path: / } }]",
        );
        assert_eq!(spec.world.restore, RestoreMode::Replay);
        assert!(matches!(spec.world.reset, Some(Reset::Restart)));
        assert_eq!(spec.world.http.base_url.0, "http://127.0.0.1:${port}");
        assert_eq!(spec.model.name, "venomqa");
    }

    #[test]
    fn a_constant_stands_in_for_a_value_that_is_extracted_later() {
        let spec = spec(&sound(
            "variables: { page: 1 }\nactions: [{ name: next, request: { path: '/{{ page }}' }, extract: { page: $.next } }]",
        ));
        assert_eq!(spec.model.actions[0].requires, []);
    }

    #[test]
    fn the_service_gets_constants_when_the_spec_is_loaded() {
        let text = "venomqa: 1\nvariables: { bugs: all }\nservice:\n  command: [./shop, '--bugs={{ bugs }}', 8080]\n  env: { BUGS: '{{ bugs }}', N: 3 }\nactions: [{ name: a, request: { path: / } }]";
        let service = spec(text).world.service.unwrap();
        let command: Vec<&str> = service.command.iter().map(|word| word.0.as_str()).collect();
        assert_eq!(command, ["./shop", "--bugs=all", "8080"]);
        assert_eq!(
            service.env[0],
            ("BUGS".to_owned(), LateText("all".to_owned()))
        );

        let loaded = read_with(text, &[("bugs", "none")]);
        let service = loaded.spec.unwrap().world.service.unwrap();
        assert_eq!(service.command[1].0, "--bugs=none");
    }

    #[test]
    fn the_environment_fills_values_and_cannot_bring_in_yaml() {
        let spec = spec(&sound(
            "name: ${EVIL}
variables:
  at: ${HOST}
  n: ${STEPS}
  quoted: '${STEPS}'
actions: [{ name: a, request: { path: '/{{ at }}/{{ n }}/{{ quoted }}' } }]
explore:
  seed: ${SEED:-7}",
        ));
        assert_eq!(spec.model.name, "x\nactions: []");
        let constants = &spec.model.names.constants;
        assert_eq!(constants["at"], "localhost");
        assert_eq!(constants["n"], 70);
        assert_eq!(constants["quoted"], "70");
        assert_eq!(spec.explore.seed, Some(7));
    }

    #[test]
    fn merge_keys_and_anchors_are_expanded_in_every_depth() {
        let spec = spec(&sound(
            "x-base: &base { method: POST }\nx-more: &more { <<: *base, path: /a }\nactions:\n  - name: a\n    request: { <<: *more, headers: { X: 1 } }\n  - name: b\n    request: *more",
        ));
        for action in &spec.model.actions {
            assert_eq!(action.request.method, "POST");
            assert_eq!(action.request.path.source(), "/a");
        }
    }

    #[test]
    fn every_assertion_can_be_written() {
        let spec = spec(&sound(
            "variables: { limit: 5 }\nactions: [{ name: a, request: { path: / }, expect: { status: 2xx, body: [{ jsonpath: $.x, equals: null, count: 1 }] } }]\ninvariants:\n  - { name: i, jsonpath: $, expect: { equals: '{{ limit }}', not_equals: [1], at_least: 1, at_most: b, not_empty: true, contains: x, matches: '^a+$', count: 2 } }",
        ));
        let assertions = &spec.model.invariants[0].expectation.assertions;
        assert_eq!(assertions.len(), 8);
        assert!(matches!(&assertions[0], Assertion::Equals(value) if *value == 5));
        let body = &spec.model.actions[0].expect.body[0].1.assertions;
        assert!(matches!(
            body.as_slice(),
            [
                Assertion::Equals(serde_json::Value::Null),
                Assertion::Count(1)
            ]
        ));
    }
}

/// The names that a run knows.
const REAL: Vocabulary<'static> = Vocabulary {
    strategies: crate::explorer::strategy::NAMES,
    checks: crate::oracle::checks::NAMES,
};

#[test]
fn every_spec_that_ships_loads_without_a_word() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let loaded = super::load(
            &path,
            &Environment {
                variable: &|_| None,
                overrides: &[],
                base_url: None,
                vocabulary: REAL,
            },
        );
        assert_eq!(render(&loaded.diagnostics, &loaded.sources, false), "");
        seen += 1;
    }
    assert!(seen > 0);
}

mod hostile {
    use super::*;
    use crate::spec::load;

    fn load_bytes(name: &str, bytes: &[u8]) -> Loaded {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        load_path(&path)
    }

    fn load_path(path: &Path) -> Loaded {
        load(
            path,
            &Environment {
                variable: &variable,
                overrides: &[],
                base_url: None,
                vocabulary: VOCABULARY,
            },
        )
    }

    #[test]
    fn a_missing_file_and_a_directory_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = load_path(&folder.path().join("venomqa.yaml"));
        assert!(
            missing.diagnostics[0]
                .message
                .starts_with("there is no file `")
        );
        let directory = load_path(folder.path());
        assert!(
            directory.diagnostics[0]
                .message
                .ends_with("is a directory, not a spec")
        );
        assert!(missing.spec.is_none() && directory.spec.is_none());
        let text = render(&missing.diagnostics, &missing.sources, false);
        assert!(text.contains("venomqa init"), "{text}");
    }

    #[test]
    fn a_byte_that_is_not_utf_8_is_pointed_at() {
        let loaded = load_bytes("a.yaml", b"venomqa: 1\nname: caf\xe9\n");
        assert_eq!(loaded.diagnostics.len(), 1);
        let label = &loaded.diagnostics[0].labels[0];
        assert_eq!(
            loaded
                .sources
                .line_and_column(label.source, label.range.start),
            Some((2, 10))
        );
        assert!(render(&loaded.diagnostics, &loaded.sources, false).contains("not UTF-8"));
    }

    #[test]
    fn a_byte_order_mark_and_windows_line_ends_are_no_problem() {
        let text = format!("\u{feff}{}", ORDERS.trim_start().replace('\n', "\r\n"));
        let loaded = load_bytes("a.yaml", text.as_bytes());
        assert_eq!(render(&loaded.diagnostics, &loaded.sources, false), "");
        assert!(loaded.spec.is_some());
    }

    #[test]
    fn deep_nesting_is_refused_and_overflows_nothing() {
        for text in [
            "[".repeat(200_000),
            format!("a: {}", "{a: ".repeat(100_000)),
            format!("{}x", "- ".repeat(100_000)),
            (0..2000)
                .map(|depth| format!("{}a:\n", " ".repeat(depth)))
                .collect(),
        ] {
            let loaded = read(&text);
            assert!(loaded.spec.is_none());
            assert!(!render(&loaded.diagnostics, &loaded.sources, false).is_empty());
        }
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..30 {
            let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let loaded = read(&text);
        assert!(loaded.spec.is_none());
        assert_eq!(loaded.diagnostics.len(), 1, "{:?}", loaded.diagnostics);
    }

    #[test]
    fn parameters_that_explode_are_refused() {
        let list = (0..100)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(", ");
        let found = listed(&sound(&format!(
            "actions: [{{ name: a, request: {{ path: / }}, parameters: {{ a: [{list}], b: [{list}], c: [{list}] }} }}]"
        )));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].ends_with("these parameters make more than 10000 actions"),
            "{found:?}"
        );
    }

    #[test]
    fn five_thousand_actions_are_read_and_each_mistake_in_them_is_found() {
        let mut text = sound("actions:");
        for number in 0..5000 {
            let before = if number == 0 {
                String::new()
            } else {
                format!("a{}", number - 1)
            };
            text.push_str(&format!(
                "  - name: a{number}\n    preconditions: [{before}]\n    request: {{ method: POST, path: \"/x/{{{{ id }}}}\", json: {{ n: \"{{{{ id }}}}\" }} }}\n    extract: {{ v{number}: $.id }}\n"
            ));
        }
        text.push_str("setup: [{ request: { path: / }, extract: { id: $.id } }]\n");
        let loaded = read(&text);
        assert_eq!(loaded.spec.unwrap().model.actions.len(), 5000);
        let wrong = text.replace("method: POST", "methud: POST");
        assert_eq!(read(&wrong).diagnostics.len(), 5000);
        let unknown = text.replace("n: \"{{ id }}\"", "n: \"{{ di }}\"");
        assert_eq!(read(&unknown).diagnostics.len(), 5000);
    }
}

mod places {
    use proptest::prelude::*;
    use serde_json::Value;

    use crate::diagnostic::{Path as DocumentPath, SourceId, SourceMap};

    fn keys() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z]{1,4}",
            "[a-zß ]{1,5}",
            "\\PC{0,6}",
            Just("<".to_owned())
        ]
    }

    /// The two parsers disagree about these: line breaks in YAML 1.1, letters in 1.2. Nobody writes them in a spec, and a
    /// place that is not found falls back to what surrounds it.
    fn is_disputed(text: &str) -> bool {
        text.contains(['\u{85}', '\u{2028}', '\u{2029}'])
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            "([a-z {}:#'\"\n]|\\\\){0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((keys(), inner), 0..5)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    fn check(map: &SourceMap, text: &str, value: &Value, path: &DocumentPath) {
        let range = map
            .value(path)
            .unwrap_or_else(|| panic!("`{path}` is not in the index of:\n{text}"));
        assert!(text.get(range).is_some(), "`{path}`:\n{text}");
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    check(map, text, item, &path.index(index));
                }
            }
            Value::Object(object) => {
                for (key, item) in object {
                    let path = path.key(key);
                    assert!(map.key(&path).is_some(), "`{path}` has no key");
                    check(map, text, item, &path);
                }
            }
            Value::String(content) => {
                // A part of a text lies within the text.
                let whole = map.value(path).unwrap();
                let inner = map.inside(path, content, &(0..content.len()));
                assert!(
                    whole.start <= inner.start && inner.end <= whole.end,
                    "`{path}`:\n{text}"
                );
            }
            _ => {}
        }
    }

    proptest! {
        // Enough to find what goes wrong at all, cheap enough for every run; PROPTEST_CASES asks for more.
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        #[test]
        fn every_path_of_a_document_is_in_its_index(document in documents()) {
            let text = serde_yaml::to_string(&document).unwrap();
            prop_assume!(!is_disputed(&text));
            let (map, problems) = SourceMap::build(SourceId(0), &text);
            prop_assert_eq!(problems, vec![]);
            check(&map, &text, &document, &DocumentPath::root());
        }

        #[test]
        fn no_text_makes_the_loader_panic(text in "([a-z:\\-\\[\\]{}&*!|>'\"$ \n#,?]|<<|\\PC){0,80}") {
            let loaded = super::read(&text);
            prop_assert!(loaded.spec.is_none());
            prop_assert!(!super::render(&loaded.diagnostics, &loaded.sources, false).is_empty());
        }
    }
}

mod schema {
    use std::path::PathBuf;

    fn file() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("venomqa.schema.json")
    }

    /// `VENOMQA_BLESS=1 cargo test schema` writes the file.
    #[test]
    fn the_schema_in_the_tree_is_that_of_the_types() {
        let text = format!(
            "{}\n",
            serde_json::to_string_pretty(&crate::spec::schema()).unwrap()
        );
        if std::env::var_os("VENOMQA_BLESS").is_some() {
            std::fs::write(file(), &text).unwrap();
        }
        let committed = std::fs::read_to_string(file()).unwrap_or_default();
        assert!(
            committed == text,
            "venomqa.schema.json is out of date: run `venomqa schema > venomqa.schema.json`"
        );
    }

    #[test]
    fn no_key_may_be_null_and_none_may_be_unknown() {
        let text = crate::spec::schema().to_string();
        assert!(!text.contains("\"null\""), "{text}");
        assert!(text.contains("\"additionalProperties\":false"));
        assert_eq!(
            crate::spec::schema()["required"],
            serde_json::json!(["venomqa", "actions"])
        );
    }
}
