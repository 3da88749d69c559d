//! Specs as people write them, right and wrong; whole diagnostics compared.

use std::path::Path;

use super::{Environment, Loaded, Vocabulary, parse};
use crate::diagnostic::render;

mod documentation;
mod hostile;
mod lowering;
mod mistakes;
mod places;
mod schema;
mod tables;

/// The environment variables of these tests.
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
    strategies_without_restore: &["random", "zigzag"],
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

/// A valid spec around some sections.
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

/// The names that a run knows.
const REAL: Vocabulary<'static> = Vocabulary {
    strategies: crate::explorer::strategy::NAMES,
    strategies_without_restore: &["random", "weighted"],
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
