//! Wrong specs, and how what is wrong with them is drawn.

use super::{drawn, read_with, sound};
use crate::diagnostic::render;

#[test]
fn an_unknown_key_says_what_was_probably_meant() {
    insta::assert_snapshot!(drawn(&sound("actions:\n  - name: a\n    request: { path: / }\n    max_call: 2")), @r"
    error[unknown-key]: unknown key `max_call`
     --> specs/venomqa.yaml:7:5
      |
    7 |     max_call: 2
      |     ^^^^^^^^ not known here
      |
      = help: did you mean `max_calls`?
    ");
}

#[test]
fn a_number_that_no_column_could_hold_is_not_rounded() {
    insta::assert_snapshot!(drawn(&sound("actions:\n  - name: a\n    request: { path: /, json: { id: 0xffffffffffffffffff } }")), @r"
    error[bad-value]: the number `0xffffffffffffffffff` has more than 64 bits
     --> specs/venomqa.yaml:6:37
      |
    6 |     request: { path: /, json: { id: 0xffffffffffffffffff } }
      |                                     ^^^^^^^^^^^^^^^^^^^^
      |
      = help: put it in quotes to make it text
    ");
}

#[test]
fn a_reference_to_the_environment_in_a_flow_mapping_is_told_to_get_quotes() {
    let text = drawn("venomqa: 1\nhttp: { base_url: http://127.0.0.1:${PORT} }\n");
    assert!(text.contains("not YAML"), "{text}");
    assert!(
        text.contains("a text with `${NAME}` needs quotes around it"),
        "{text}"
    );
}

/// A spec with this invariant in one line.
fn invariant(text: &str) -> String {
    sound(&format!(
        "systems: {{ db: {{ sqlite: x.db }} }}\nactions: [{{ name: a, request: {{ path: / }} }}]\ninvariants:\n  - {{ {text} }}"
    ))
}

#[test]
fn sql_that_a_comma_cuts_off_is_told_to_get_quotes() {
    insta::assert_snapshot!(drawn(&invariant("name: over, sql: SELECT id, total FROM orders WHERE refunded > total")), @r#"
    error[unknown-key]: the text of `sql` ends at a comma
     --> specs/venomqa.yaml:7:35
      |
    7 |   - { name: over, sql: SELECT id, total FROM orders WHERE refunded > total }
      |                        ---------  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ read as a key of its own
      |                        |
      |                        the text
      |
      = help: between `{ }` a text with a comma needs quotes: `sql: "SELECT id, total FROM orders WHERE refunded > total"`
    "#);
    for (written, quoted) in [
        (
            "name: i, sql: SELECT a, b, c FROM t",
            r#"sql: "SELECT a, b, c FROM t""#,
        ),
        (
            "sql: SELECT a, b FROM t, name: i",
            r#"sql: "SELECT a, b FROM t""#,
        ),
        (
            "name: i, sql: SELECT a, message, b FROM t",
            r#"sql: "SELECT a, message, b FROM t""#,
        ),
        (
            r#"name: i, sql: SELECT "a", b || 'c' FROM t"#,
            r#"sql: 'SELECT "a", b || ''c'' FROM t'"#,
        ),
        (
            "name: i, message: paid, but open, sql: SELECT 1",
            r#"message: "paid, but open""#,
        ),
        (
            "name: i, sql: SELECT id FROM t WHERE id IN (1, 2)",
            r#"sql: "SELECT id FROM t WHERE id IN (1, 2)""#,
        ),
    ] {
        let text = drawn(&invariant(written));
        let help = format!("between `{{ }}` a text with a comma needs quotes: `{quoted}`");
        assert!(text.contains(&help), "{written}: {text}");
        assert_eq!(text.matches("error[").count(), 1, "{written}: {text}");
    }
    let query = sound(
        "systems: { db: { sqlite: x.db, observation_queries: { open: SELECT a, b FROM t } } }\nactions: [{ name: a, request: { path: / } }]",
    );
    let text = drawn(&query);
    assert!(text.contains(r#"`open: "SELECT a, b FROM t"`"#), "{text}");
}

#[test]
fn brackets_in_sql_between_braces_are_told_to_get_quotes() {
    for sql in [
        "SELECT a[1] FROM t",
        "SELECT a, 'b' FROM t",
        "SELECT id FROM t WHERE tags = '{a,b}'",
    ] {
        let text = drawn(&invariant(&format!("name: i, sql: {sql}")));
        assert!(text.contains("needs quotes around it"), "{sql}: {text}");
    }
}

#[test]
fn an_unknown_key_between_braces_is_still_an_unknown_key() {
    let text = drawn(&invariant("name: i, sql: SELECT 1, severty: high"));
    assert!(text.contains("unknown key `severty`"), "{text}");
    assert!(!text.contains("quotes"), "{text}");
}

#[test]
fn a_placeholder_of_another_notation_in_a_path_is_warned_of() {
    let warned = |path: &str| {
        drawn(&sound(&format!(
            "actions:\n  - name: a\n    request: {{ path: / }}\n    extract: {{ order_id: $.id }}\n  - name: b\n    request: {{ path: \"{path}\" }}"
        )))
    };
    insta::assert_snapshot!(warned("/orders/{id}/lines/:order_id"), @r#"
    warning[bad-template]: `{id}` is no placeholder: it is sent as it is
     --> specs/venomqa.yaml:9:31
      |
    9 |     request: { path: "/orders/{id}/lines/:order_id" }
      |                               ^^^^
      |
      = help: write `{{ id }}`, and let an action extract it: `extract: { id: $.id }`

    warning[bad-template]: `:order_id` is no placeholder: it is sent as it is
     --> specs/venomqa.yaml:9:42
      |
    9 |     request: { path: "/orders/{id}/lines/:order_id" }
      |                                          ^^^^^^^^^
      |
      = help: write `{{ order_id }}`
    "#);
    for path in ["/orders/{oder_id}?x={y}", "/orders/{order_id}"] {
        let text = warned(path);
        assert!(text.contains("write `{{ order_id }}`"), "{text}");
        assert_eq!(text.matches("warning[bad-template]").count(), 1, "{text}");
    }
    for path in [
        "/orders/{{ order_id }}",
        "/mail:send",
        "/a/{b,c}",
        "/a?x={y}",
        "{{ order_id }}",
        "/{{ order_id }}/:1",
    ] {
        let text = warned(path);
        assert!(!text.contains("warning[bad-template]"), "{text}");
    }
}

#[test]
fn a_duplicate_key_shows_both_places() {
    insta::assert_snapshot!(drawn(&sound("actions:\n  - name: a\n    request: { path: / }\n    name: b")), @r"
    error[duplicate-key]: the key `name` is there twice
     --> specs/venomqa.yaml:7:5
      |
    5 |   - name: a
      |     ---- first here
    6 |     request: { path: / }
    7 |     name: b
      |     ^^^^ again here
      |
      = help: keep one of the two
    ");
}

#[test]
fn a_wrong_type_shows_expected_beside_actual() {
    insta::assert_snapshot!(drawn(&sound("actions:\n  - name: a\n    request: { path: / }\n    max_calls: three")), @r"
    error[wrong-type]: `actions[0].max_calls` must be a whole number from 0 to 65535, not the text `three`
     --> specs/venomqa.yaml:7:16
      |
    7 |     max_calls: three
      |                ^^^^^ expected a whole number from 0 to 65535
    ");
}

#[test]
fn an_unknown_action_says_what_was_probably_meant() {
    insta::assert_snapshot!(drawn(&sound("actions:\n  - name: create_order\n    request: { path: / }\n  - name: b\n    preconditions: [create_ordr]\n    request: { path: / }")), @r"
    error[unknown-action]: unknown action `create_ordr`
     --> specs/venomqa.yaml:8:21
      |
    8 |     preconditions: [create_ordr]
      |                     ^^^^^^^^^^^ no such action
      |
      = help: did you mean `create_order`?
    ");
}

#[test]
fn a_cycle_is_shown_whole() {
    insta::assert_snapshot!(drawn(&sound("actions:\n  - name: a\n    preconditions: [c]\n    request: { path: / }\n  - name: b\n    preconditions: [a]\n    request: { path: / }\n  - name: c\n    preconditions: [b]\n    request: { path: / }\n  - { name: d, preconditions: [a], request: { path: / } }")), @r"
    error[precondition-cycle]: these actions wait for each other: a -> c -> b -> a
      --> specs/venomqa.yaml:6:21
       |
     6 |     preconditions: [c]
       |                     ^ `a` waits for this
    ...
     9 |     preconditions: [a]
       |                     - `b` waits for this
    ...
    12 |     preconditions: [b]
       |                     - `c` waits for this
       |
       = help: none of them can ever run: remove one of these preconditions
    ");
}

#[test]
fn a_template_that_does_not_parse_is_underlined_where_it_breaks() {
    insta::assert_snapshot!(drawn(&sound("variables: { n: 1 }\nactions:\n  - name: a\n    request: { path: \"/\\u00e9/{{ n + }}\" }")), @r#"
    error[bad-template]: the template does not parse: unexpected end of variable block
     --> specs/venomqa.yaml:7:38
      |
    7 |     request: { path: "/\u00e9/{{ n + }}" }
      |                                      ^^
    "#);
}

#[test]
fn a_jsonpath_that_does_not_parse_is_underlined_where_it_breaks() {
    insta::assert_snapshot!(drawn(&sound("actions:\n  - name: a\n    request: { path: / }\n    extract: { id: '$.items[' }")), @r"
    error[bad-jsonpath]: the JSONPath does not parse: not a JSONPath: expected selector
     --> specs/venomqa.yaml:7:28
      |
    7 |     extract: { id: '$.items[' }
      |                            ^
    ");
}

#[test]
fn a_value_that_nothing_extracts_is_underlined_inside_its_template() {
    insta::assert_snapshot!(drawn(&sound("actions:\n  - name: a\n    request: { path: / }\n    extract: { order_id: $.id }\n  - name: b\n    request: { path: \"/orders/{{ oder_id }}\" }")), @r#"
    error[unknown-name]: `oder_id` is used but never extracted or defined
     --> specs/venomqa.yaml:9:34
      |
    9 |     request: { path: "/orders/{{ oder_id }}" }
      |                                  ^^^^^^^ nothing gives this a value
      |
      = help: did you mean `order_id`?
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one long snapshot")]
fn one_look_finds_everything() {
    insta::assert_snapshot!(drawn("venomqa: 2\nhttp: { base_url: localhost, timeout: 5 }\nactions:\n  - name: a\n    request: { path: orders, methud: GET }\n    expect: { status: 99 }\n  - request: { path: / }\n  - name: a\n    request: { path: '/{{ x }}' }\n    weight: 0\ninvariants:\n  - name: i\n    severity: awful\n    sql: SELECT 1\nchecks: { server-eror: off }\nexplore: { strategy: dsf, coverage_target: 80 }\n"), @r"
    error[wrong-version]: this program reads version 1 of the format, not 2
     --> specs/venomqa.yaml:1:10
      |
    1 | venomqa: 2
      |          ^ expected 1
      |
      = help: write `venomqa: 1`

    error[contradiction]: nothing says how to get the service back to an earlier state
     --> specs/venomqa.yaml:2:1
      |
    2 | http: { base_url: localhost, timeout: 5 }
      | ^^^^
      |
      = help: declare its database under `systems`, a `reset`, or a `service` to restart; or write `restore: none` and explore with `strategy: random`

    error[bad-value]: `localhost` is no base URL: relative URL without a base
     --> specs/venomqa.yaml:2:19
      |
    2 | http: { base_url: localhost, timeout: 5 }
      |                   ^^^^^^^^^ expected a URL such as `http://127.0.0.1:8080`

    error[wrong-type]: `http.timeout` must be a duration such as `250ms`, `30s` or `1m30s`, not the number `5`
     --> specs/venomqa.yaml:2:39
      |
    2 | http: { base_url: localhost, timeout: 5 }
      |                                       ^ expected a duration such as `250ms`, `30s` or `1m30s`
      |
      = help: add a unit: `ms`, `s`, `m` or `h`

    error[bad-value]: the path `orders` does not start with `/`
     --> specs/venomqa.yaml:5:22
      |
    5 |     request: { path: orders, methud: GET }
      |                      ^^^^^^ expected a `/` first
      |
      = help: write `/orders` for a path below `http.base_url`, or a whole URL

    error[unknown-key]: unknown key `methud`
     --> specs/venomqa.yaml:5:30
      |
    5 |     request: { path: orders, methud: GET }
      |                              ^^^^^^ not known here
      |
      = help: did you mean `method`?

    error[bad-value]: `actions[0].expect.status` must be a status from 100 to 599, or a class such as `2xx`, not the number `99`
     --> specs/venomqa.yaml:6:23
      |
    6 |     expect: { status: 99 }
      |                       ^^ expected a status from 100 to 599, or a class such as `2xx`

    error[missing-key]: `actions[1]` lacks the key `name`
     --> specs/venomqa.yaml:7:5
      |
    7 |   - request: { path: / }
      |     ^^^^^^^ `name` belongs here

    error[duplicate-name]: two actions have the name `a`
     --> specs/venomqa.yaml:8:11
      |
    4 |   - name: a
      |           - first here
    ...
    8 |   - name: a
      |           ^ again here
      |
      = help: rename one of the two

    error[unknown-name]: `x` is used but never extracted or defined
     --> specs/venomqa.yaml:9:27
      |
    9 |     request: { path: '/{{ x }}' }
      |                           ^ nothing gives this a value
      |
      = help: let an action extract it (`extract: { x: $.x }`), or define it under `variables`

    error[bad-value]: a weight must be more than 0, not `0`
      --> specs/venomqa.yaml:10:13
       |
    10 |     weight: 0
       |             ^ expected more than 0
       |
       = help: to switch an action off, write `max_calls: 0`

    error[bad-value]: `invariants[0].severity` must be `critical`, `high`, `medium` or `low`, not `awful`
      --> specs/venomqa.yaml:13:15
       |
    13 |     severity: awful
       |               ^^^^^ expected `critical`, `high`, `medium` or `low`

    error[unknown-system]: SQL without a system to run it on
      --> specs/venomqa.yaml:14:5
       |
    14 |     sql: SELECT 1
       |     ^^^ needs a database
       |
       = help: declare the database: `systems: { db: { sqlite: path/to/file.db } }`

    error[unknown-check]: unknown check `server-eror`
      --> specs/venomqa.yaml:15:11
       |
    15 | checks: { server-eror: off }
       |           ^^^^^^^^^^^ no such check
       |
       = help: did you mean `server-error`?

    error[unknown-strategy]: unknown strategy `dsf`
      --> specs/venomqa.yaml:16:22
       |
    16 | explore: { strategy: dsf, coverage_target: 80 }
       |                      ^^^ no such strategy
       |
       = help: did you mean `dfs`?

    error[bad-value]: a coverage target is a share from 0 to 1, not `80`
      --> specs/venomqa.yaml:16:44
       |
    16 | explore: { strategy: dsf, coverage_target: 80 }
       |                                            ^^ expected 0 to 1
       |
       = help: 80% is written `0.8`
    ");
}

#[test]
fn an_invariant_says_its_system_where_there_are_several() {
    let text = "venomqa: 1\nhttp: { base_url: http://h }\nsystems: { one: { sqlite: f.db }, two: { sqlite: g.db } }\nactions: [{ name: a, request: { path: / } }]\ninvariants:\n  - { name: i, sql: SELECT 1 }\n  - { name: i, system: two, sql: SELECT 1 }";
    insta::assert_snapshot!(drawn(text), @r"
    error[missing-key]: there are several systems, and this does not say which
     --> specs/venomqa.yaml:6:16
      |
    6 |   - { name: i, sql: SELECT 1 }
      |                ^^^ on which system?
      |
      = help: add `system:` with `one` or `two`

    error[duplicate-name]: two invariants have the name `i`
     --> specs/venomqa.yaml:7:13
      |
    6 |   - { name: i, sql: SELECT 1 }
      |             - first here
    7 |   - { name: i, system: two, sql: SELECT 1 }
      |             ^ again here
      |
      = help: rename one of the two
    ");
}

#[test]
fn an_action_that_can_never_run_says_why() {
    insta::assert_snapshot!(drawn(&sound("actions:
  - name: refund
    request: { path: '/orders/{{ order_id }}/refund' }
    extract: { order_id: $.id }
  - name: after_refund
    preconditions: [refund]
    request: { path: / }
    extract: { receipt: $.id }
  - name: print
    request: { path: '/{{ receipt }}' }
  - name: loop
    preconditions: [loop]
    request: { path: / }
")), @r"
    error[unreachable-action]: `refund` can never run
     --> specs/venomqa.yaml:5:11
      |
    5 |   - name: refund
      |           ^^^^^^ it needs `order_id`, which only it extracts itself
      |
      = help: let another action or `setup` extract `order_id` first

    error[unreachable-action]: `after_refund` can never run
     --> specs/venomqa.yaml:9:21
      |
    9 |     preconditions: [refund]
      |                     ^^^^^^ `refund` can never run

    error[unreachable-action]: `print` can never run
      --> specs/venomqa.yaml:12:11
       |
    12 |   - name: print
       |           ^^^^^ it needs `receipt`, which is extracted only by `after_refund`, and that can never run
       |
       = help: make one of those able to run

    error[precondition-cycle]: `loop` waits for itself
      --> specs/venomqa.yaml:15:21
       |
    15 |     preconditions: [loop]
       |                     ^^^^ `loop` waits for this
       |
       = help: none of them can ever run: remove one of these preconditions
    ");
    insta::assert_snapshot!(drawn(&sound("actions:
  - name: never
    request: { path: / }
    max_calls: 0
  - name: after
    preconditions: [never]
    request: { path: / }
")), @r"
    warning[unreachable-action]: `never` never runs: `max_calls` is 0
     --> specs/venomqa.yaml:7:16
      |
    7 |     max_calls: 0
      |                ^

    warning[unreachable-action]: `after` can never run
     --> specs/venomqa.yaml:9:21
      |
    9 |     preconditions: [never]
      |                     ^^^^^ `never` can never run
    ");
}

#[test]
fn a_variable_to_set_must_exist() {
    let text =
        sound("variables: { bugs: all }\nactions: [{ name: a, request: { path: '/{{ bugs }}' } }]");
    let loaded = read_with(&text, &[("bug", "none")]);
    insta::assert_snapshot!(render(&loaded.diagnostics, &loaded.sources, false), @r"
    error[bad-override]: the spec has no variable `bug` to set
     --> --set:1:1
      |
    1 | bug=none
      | ^^^^^^^^
      |
      = help: did you mean `bugs`?
    ");
}

#[test]
fn a_mistake_in_a_block_of_sql_is_underlined_on_its_line() {
    insta::assert_snapshot!(drawn("venomqa: 1
http: { base_url: http://h }
systems: { db: { sqlite: f.db } }
actions: [{ name: a, request: { path: / } }]
invariants:
  - name: i
    sql: |

      SELECT id
        FROM orders

      WHERE id = :order_id
"), @r"
    error[unknown-name]: `order_id` is used but never extracted or defined
      --> specs/venomqa.yaml:12:18
       |
    12 |       WHERE id = :order_id
       |                  ^^^^^^^^^ nothing gives this a value
       |
       = help: let an action extract it (`extract: { order_id: $.order_id }`), or define it under `variables`
    ");
}

#[test]
fn a_mistake_in_merged_yaml_is_shown_where_it_is_written() {
    insta::assert_snapshot!(drawn(&sound("x-post: &post { method: POST, path: '/{{ nope }}' }
actions:
  - name: a
    request: { <<: *post, text: x }
")), @r"
    error[unknown-name]: `nope` is used but never extracted or defined
     --> specs/venomqa.yaml:4:42
      |
    4 | x-post: &post { method: POST, path: '/{{ nope }}' }
      |                                          ^^^^ nothing gives this a value
      |
      = help: let an action extract it (`extract: { nope: $.nope }`), or define it under `variables`
    ");
}
