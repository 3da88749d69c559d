//! Sound specs, and what becomes of them.

use std::time::Duration;

use super::*;
use crate::model::{
    Assertion, Model, Precondition, Severity, SqlParameter, SqlQuery, Subject, VariableId,
};
use crate::spec::Spec;
use crate::world::config::{Reset, RestoreMode, RunText};
use crate::world::system::Location;
use crate::world::system::postgres::Postgres;
use crate::world::system::sqlite::Sqlite;

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
        [Precondition::Accepted(fact), Precondition::Holds(_)] if fact.0 == 0
    ));
    assert_eq!(refund.requires, [VariableId(1)]);
    assert!((refund.weight - 3.0).abs() < f64::EPSILON);
    assert_eq!(model.actions[3].request.method, "DELETE");
    assert_eq!(model.actions[3].accepted.clear, [VariableId(1)]);
}

#[test]
fn a_system_is_what_its_key_or_the_scheme_of_its_url_says() {
    let location = |system: &str| {
        let text = format!(
            "venomqa: 1
name: t
variables: {{ db: '' }}
http: {{ base_url: http://127.0.0.1:1 }}
systems: {{ db: {{ {system} }} }}
actions: [{{ name: a, request: {{ path: / }} }}]
"
        );
        spec(&text).world.systems.remove(0).location
    };
    let (sqlite, postgres) = (
        |path: &str| Location::new(&Sqlite, path),
        |url: &str| Location::new(&Postgres, url),
    );
    for (system, expected) in [
        ("sqlite: shop.db", sqlite("shop.db")),
        (
            "postgres: 'postgres://qa@localhost/shop'",
            postgres("postgres://qa@localhost/shop"),
        ),
        ("url: 'sqlite:shop.db'", sqlite("shop.db")),
        (
            "url: 'postgresql://qa@localhost/shop'",
            postgres("postgresql://qa@localhost/shop"),
        ),
        (
            "url: \"{{ db or 'sqlite:${workdir}/shop.db' }}\"",
            sqlite("${workdir}/shop.db"),
        ),
    ] {
        assert_eq!(location(system), expected, "{system}");
    }
}

#[test]
fn the_world_has_its_defaults_and_keeps_late_names_open() {
    let world = spec(ORDERS).world;
    assert_eq!(world.base_dir, Path::new("specs"));
    let service = world.service.unwrap();
    assert_eq!(service.command[4], RunText("${workdir}/shop.db".to_owned()));
    assert_eq!(service.ready_path, "/health");
    assert_eq!(
        world.http.base_url,
        RunText("http://127.0.0.1:${port}".to_owned())
    );
    assert_eq!(world.http.max_body, 16_000_000);
    assert_eq!(world.restore, RestoreMode::Database);
    assert!(world.reset.is_none());
    assert_eq!(
        world.systems[0].location,
        Location::new(&Sqlite, "${workdir}/shop.db")
    );
    assert_eq!(world.settle, None);
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
fn a_strategy_that_never_goes_back_needs_no_way_back() {
    let found = |strategy: &str| {
        listed(&format!(
            "venomqa: 1\nhttp: {{ base_url: http://h }}\nactions: [{{ name: a, request: {{ path: / }} }}]\nexplore: {{ strategy: {strategy} }}"
        ))
    };
    assert_eq!(found("zigzag"), [""; 0]);
    let found = found("bfs");
    assert!(
        found[0].contains("nothing says how to get the service back"),
        "{found:?}"
    );
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
        ("BUGS".to_owned(), RunText("all".to_owned()))
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
            Assertion::Count(range)
        ] if *range == (1..=1)
    ));
}

#[test]
fn sql_is_read_in_the_dialect_of_its_system() {
    let spec = spec(
        r#"
venomqa: 1
http: { base_url: http://h }
variables: { n: 2 }
systems:
  lite:
    sqlite: f.db
    observation_queries: { a: "SELECT [:x] FROM t WHERE id = :n" }
  pg:
    url: postgres://qa@h/shop
    observation_queries: { a: "SELECT a[:x], a[:n] FROM t WHERE data ? :n;" }
actions: [{ name: a, request: { path: / } }]
invariants:
  - name: i
    system: pg
    sql: SELECT a[1:n] FROM t WHERE data @? '$.a' OR $$ :x $$ = :n
    expect: { equals_sql: "SELECT '{{1},{2}}'::int[], @amount" }
"#,
    );
    let [lite, pg] = &spec.world.systems[..] else {
        panic!("two systems");
    };
    let bound = |query: &SqlQuery| -> Vec<(usize, usize)> {
        assert!(query.parameters.iter().all(|(name, _)| name == "n"));
        let places = query.places.iter();
        places
            .map(|(place, parameter)| (place.start, *parameter))
            .collect()
    };
    assert_eq!(bound(&lite.observation_queries[0].1), [(30, 0)]);
    let query = &pg.observation_queries[0].1;
    assert_eq!(bound(query), [(16, 0), (40, 0)]);
    assert!(query.text.ends_with("data ? :n"));
    let queries: Vec<_> = spec.model.invariants[0].queries().map(bound).collect();
    assert_eq!(queries, [vec![(55, 0)], vec![]]);
}
