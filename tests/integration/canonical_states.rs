//! States that are equal but for generated ids, on both kinds of databases.

use serde_json::Value;

use crate::support::{AnyDatabase, KINDS, Sandbox};

const SCHEMA: &str = "
CREATE TABLE items ({key}, kind TEXT NOT NULL, changed_at TEXT);
CREATE TABLE parts ({key}, item_id INTEGER NOT NULL);
CREATE TABLE settings ({key}, chosen TEXT);";

const SERVICE: &[(&str, &str)] = &[
    (
        "POST /red",
        "INSERT INTO items (kind, changed_at) VALUES ('red', random())",
    ),
    (
        "POST /green",
        "INSERT INTO items (kind, changed_at) VALUES ('green', random())",
    ),
    (
        "POST /blue",
        "INSERT INTO items (kind, changed_at) VALUES ('blue', random())",
    ),
    (
        "POST /part",
        "INSERT INTO parts (item_id) SELECT max(id) FROM items HAVING max(id) > 0",
    ),
    (
        "POST /choose",
        "INSERT INTO settings (chosen) SELECT max(id) FROM items",
    ),
];

/// Explores everything that these actions can do once each.
fn run(kind: &str, actions: &[&str], system: &str, flags: &str) -> Value {
    let sandbox = Sandbox::with_spec("");
    let database = AnyDatabase::new(kind, &sandbox, SCHEMA);
    let actions: Vec<String> = (actions.iter())
        .map(|name| {
            format!("{{ name: {name}, max_calls: 1, request: {{ method: POST, path: /{name} }} }}")
        })
        .collect();
    let actions = actions.join(", ");
    let spec = format!(
        "venomqa: 1\nsystems:\n  db: {{ {}, volatile: [items.changed_at]{system} }}\nactions: [{actions}]\n",
        database.location()
    );
    sandbox.write("venomqa.yaml", &spec);
    let before = database.dump();
    let server = database.serve(SERVICE);
    let command = format!("explore --strategy bfs --max-steps 300 --report json {flags}");
    let finished = sandbox
        .venomqa(command.as_str())
        .at(&server.url())
        .run()
        .code(0);
    assert_eq!(database.dump(), before, "{kind}: {finished}");
    finished.only_run()
}

fn states(run: &Value) -> u64 {
    run["figures"]["states"].as_u64().unwrap()
}

#[test]
fn what_is_created_in_another_order_is_one_state_where_identity_is_canonical() {
    for kind in KINDS {
        let all = ["red", "green", "blue"];
        assert_eq!(
            states(&run(kind, &all, "", "--identity canonical")),
            8,
            "{kind}: the sets of three kinds"
        );
        let kept = run(kind, &all, ", keep_ids: [items]", "--identity canonical");
        assert_eq!(states(&kept), 16, "{kind}: the orders of three kinds");
    }
}

#[test]
fn a_part_tells_states_apart_by_the_kind_of_its_item() {
    for kind in KINDS {
        // {}, r, b, rb; each item may have the one part: r+, b+, r+b, rb+.
        let run = run(kind, &["red", "blue", "part"], "", "--identity canonical");
        assert_eq!(states(&run), 8, "{kind}: {run}");
    }
}

#[test]
fn a_table_whose_ids_stand_in_a_text_keeps_them() {
    for kind in KINDS {
        let run = run(kind, &["red", "blue", "choose"], "", "--identity canonical");
        let warnings = run["warnings"].to_string();
        assert!(
            warnings.contains("ids-kept") && warnings.contains("`settings.chosen`"),
            "{kind}: {warnings}"
        );
    }
}
