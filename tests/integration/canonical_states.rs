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
        "INSERT INTO items (kind, changed_at) VALUES ('red', CURRENT_TIMESTAMP)",
    ),
    (
        "POST /green",
        "INSERT INTO items (kind, changed_at) VALUES ('green', CURRENT_TIMESTAMP)",
    ),
    (
        "POST /blue",
        "INSERT INTO items (kind, changed_at) VALUES ('blue', CURRENT_TIMESTAMP)",
    ),
    (
        "POST /part",
        "INSERT INTO parts (item_id) SELECT id FROM items ORDER BY kind DESC LIMIT 1",
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
        "venomqa: 1\nsystems:\n  db: {{ {}{system} }}\nactions: [{actions}]\n",
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

/// Pins what differs each time.
const PINNED: &str = ", volatile: [items.changed_at]";

fn states(run: &Value) -> u64 {
    run["figures"]["states"].as_u64().unwrap()
}

#[test]
fn what_is_created_in_another_order_is_one_state_where_identity_is_canonical() {
    for kind in KINDS {
        let all = ["red", "green", "blue"];
        assert_eq!(
            states(&run(kind, &all, PINNED, "--identity canonical")),
            8,
            "{kind}: the sets of three kinds"
        );
        let kept = run(
            kind,
            &all,
            ", volatile: [items.changed_at], keep_ids: [items]",
            "--identity canonical",
        );
        assert_eq!(states(&kept), 16, "{kind}: the orders of three kinds");
    }
}

#[test]
fn a_part_tells_states_apart_by_the_kind_of_its_item() {
    for kind in KINDS {
        // {}, r, b, rb; each item may have the one part: r+, b+, r+b, rb+.
        let run = run(
            kind,
            &["red", "blue", "part"],
            PINNED,
            "--identity canonical",
        );
        assert_eq!(states(&run), 8, "{kind}: {run}");
    }
}

#[test]
fn a_table_whose_ids_stand_in_a_text_keeps_them() {
    for kind in KINDS {
        let run = run(
            kind,
            &["red", "blue", "choose"],
            PINNED,
            "--identity canonical",
        );
        let warnings = run["warnings"].to_string();
        assert!(
            warnings.contains("ids-kept") && warnings.contains("`settings.chosen`"),
            "{kind}: {warnings}"
        );
    }
}

#[test]
fn the_time_of_a_step_is_found_and_shown_as_a_line_to_paste() {
    for kind in KINDS {
        let all = ["red", "green", "blue"];
        let searched = run(kind, &all, "", "--identity canonical");
        assert_eq!(states(&searched), 8, "{kind}: {searched}");
        let warnings = searched["warnings"].to_string();
        assert!(
            warnings.contains("calibrated") && warnings.contains("`volatile: [items.changed_at]`"),
            "{kind}: {warnings}"
        );
        let pinned = run(kind, &all, PINNED, "--identity canonical");
        assert!(
            !pinned["warnings"].to_string().contains("calibrated"),
            "{kind}"
        );
    }
}

#[test]
fn two_states_are_explained_from_a_log() {
    let sandbox = Sandbox::with_spec("");
    let database = AnyDatabase::new("sqlite", &sandbox, SCHEMA);
    let spec = format!(
        "venomqa: 1\nsystems: {{ db: {{ {}, ignore_columns: [items.changed_at] }} }}\nactions: [{}]\n",
        database.location(),
        ["red", "blue"]
            .map(|name| format!(
                "{{ name: {name}, max_calls: 1, request: {{ method: POST, path: /{name} }} }}"
            ))
            .join(", ")
    );
    sandbox.write("venomqa.yaml", &spec);
    let server = database.serve(SERVICE);
    let explained = |identity: &str, a: u32, b: u32| {
        let command = format!("explore --strategy bfs --identity {identity} --report log=run.log");
        sandbox
            .venomqa(command.as_str())
            .at(&server.url())
            .run()
            .code(0);
        let command = format!("explain-states run.log {a} {b}");
        sandbox.venomqa(command.as_str()).run().code(0).stdout
    };
    // 0, red, blue, red -> blue, blue -> red.
    let different = explained("exact", 1, 2);
    assert!(
        different.contains("1: red") && different.contains("only in 2: items[1] id 1, kind blue"),
        "{different}"
    );
    let ids = explained("exact", 3, 4);
    assert!(ids.contains("nothing but ids differs"), "{ids}");
    let same = explained("canonical", 3, 3);
    assert!(
        same.contains("one state") && same.contains("and by blue -> red: the same but for ids"),
        "{same}"
    );
    let failed = sandbox
        .venomqa("explain-states run.log 1 99")
        .run()
        .code(2)
        .stderr;
    assert!(failed.contains("there is no state 99"), "{failed}");
}

/// A service whose requests depend on which row is the oldest, the newest or the first of a list.
const QUEUE: &[(&str, &str)] = &[
    (
        "POST /red",
        "INSERT INTO items (kind, changed_at) VALUES ('red', CURRENT_TIMESTAMP)",
    ),
    (
        "POST /blue",
        "INSERT INTO items (kind, changed_at) VALUES ('blue', CURRENT_TIMESTAMP)",
    ),
    (
        "POST /spoil_the_oldest",
        "UPDATE items SET kind = 'bad' WHERE id = (SELECT min(id) FROM items) AND kind = 'blue' AND (SELECT count(*) FROM items) > 1",
    ),
    (
        "POST /spoil_the_newest",
        "UPDATE items SET kind = 'bad' WHERE id = (SELECT max(id) FROM items) AND kind = 'red' AND (SELECT count(*) FROM items) > 1",
    ),
];

/// Red before blue comes first, so the state with blue before red is the one that is merged away.
#[test]
fn a_bug_that_depends_on_which_row_came_first_is_found_where_states_are_merged() {
    for kind in KINDS {
        for spoil in ["spoil_the_oldest", "spoil_the_newest"] {
            let sandbox = Sandbox::with_spec("");
            let database = AnyDatabase::new(kind, &sandbox, SCHEMA);
            let action = |name: &str| {
                format!(
                    "{{ name: {name}, max_calls: 1, request: {{ method: POST, path: /{name} }} }}"
                )
            };
            let actions = ["red", "blue", spoil].map(action).join(", ");
            let spec = format!(
                "venomqa: 1\nsystems:\n  db: {{ {}{PINNED} }}\nactions: [{actions}]\ninvariants: [{{ name: nothing_is_bad, sql: \"SELECT * FROM items WHERE kind = 'bad'\" }}]\n",
                database.location()
            );
            sandbox.write("venomqa.yaml", &spec);
            let server = database.serve(QUEUE);
            let command =
                "explore --strategy bfs --identity canonical --max-steps 300 --report json";
            let run = (sandbox.venomqa(command).at(&server.url()).run())
                .code(1)
                .only_run();
            let warnings = run["warnings"].to_string();
            assert!(
                warnings.contains("merge-taken-back") && warnings.contains("`keep_ids: [items]`"),
                "{kind}: {warnings}"
            );
            assert!(run["figures"]["merges_wrong"].as_u64() > Some(0), "{run}");
        }
    }
}
