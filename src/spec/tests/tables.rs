//! Wrong values, key by key: where it is said, and what.

use super::{listed, sound};

/// A spec with one action that has these keys besides its name and request.
fn with_action(keys: &str) -> String {
    sound(&format!(
        "actions:\n  - name: a\n    request: {{ path: / }}\n    extract: {{ id: $.id }}\n    {keys}"
    ))
}

#[test]
fn preconditions_that_name_nothing_or_do_not_parse_are_found() {
    let text = with_action(
        "preconditions: [\"id is defined\", \"id >\", \"ix > 1\", \"a(n=1)\", \"nonsense\", \"a and id\", \"x-y-z\"]",
    );
    insta::assert_snapshot!(listed(&text).join("\n"), @r"
    8:42 bad-condition: the condition does not parse: unexpected end of input, expected expression
    8:47 unknown-name: `ix` is used but never extracted or defined
    8:56 unknown-action: unknown action `a(n=1)`
    8:66 unknown-action: unknown action `nonsense`
    8:79 unknown-name: `a` is used but never extracted or defined
    8:91 unknown-name: `x` is used but never extracted or defined
    8:93 unknown-name: `y` is used but never extracted or defined
    8:95 unknown-name: `z` is used but never extracted or defined
    ");
}

/// Each text after the other, with what is said about it.
fn table<'t>(texts: impl IntoIterator<Item = &'t str>, wrap: impl Fn(&str) -> String) -> String {
    let mut table = String::new();
    for text in texts {
        table.push_str(&text.replace('\0', "\\0"));
        for line in listed(&wrap(text)) {
            table.push_str("\n    ");
            table.push_str(&line);
        }
        table.push('\n');
    }
    table
}

#[test]
fn values_of_an_action_are_checked() {
    let table = table(
        [
            "weight: -1",
            "weight: .nan",
            "max_calls: 70000",
            "max_calls: -1",
            "max_calls:",
            "expect: { status: [] }",
            "expect: { status: [200, 999, 6xx] }",
            "expect: { body: [{ jsonpath: $.x }] }",
            "expect: { headers: { 'X Y': a, X: {} } }",
            "expect: { body: [{ jsonpath: $.x, matches: '(' }] }",
            "expect: { body: [{ jsonpath: $.x, equals: '{{ id }}' }] }",
            "expect: { body: [{ jsonpath: $.x, empty: true, not_empty: true, at_least: [1] }] }",
            "clear: [id, ix]",
            "parameters: { n: [] }",
            "parameters: { n: [1, 2, 1] }",
            "parameters: { 'n m': [1] }",
            "parameters: { n: 5 }",
        ],
        with_action,
    );
    insta::assert_snapshot!(table, @r"
    weight: -1
        8:13 bad-value: a weight must be more than 0, not `-1`
    weight: .nan
        8:13 bad-value: `.nan` is no JSON number
    max_calls: 70000
        8:16 bad-value: `actions[0].max_calls` must be a whole number from 0 to 65535, not the number `70000`
    max_calls: -1
        8:16 bad-value: `actions[0].max_calls` must be a whole number from 0 to 65535, not the number `-1`
    max_calls:
        8:5 wrong-type: `actions[0].max_calls` must be a whole number from 0 to 65535, not nothing
    expect: { status: [] }
        8:23 bad-value: no status is legal here
    expect: { status: [200, 999, 6xx] }
        8:29 bad-value: `actions[0].expect.status[1]` must be a status from 100 to 599, or a class such as `2xx`, not the number `999`
        8:34 bad-value: `actions[0].expect.status[2]` must be a status from 100 to 599, or a class such as `2xx`, not the text `6xx`
    expect: { body: [{ jsonpath: $.x }] }
        8:22 missing-key: `actions[0].expect.body[0]` asks for nothing
    expect: { headers: { 'X Y': a, X: {} } }
        8:26 bad-value: `X Y` is no header name
        8:36 missing-key: `actions[0].expect.headers.X` asks for nothing
    expect: { body: [{ jsonpath: $.x, matches: '(' }] }
        8:48 bad-regex: the regular expression does not parse: unclosed group
    expect: { body: [{ jsonpath: $.x, equals: '{{ id }}' }] }
        8:51 unknown-name: `id` has no value yet when the spec is loaded
    expect: { body: [{ jsonpath: $.x, empty: true, not_empty: true, at_least: [1] }] }
        8:52 contradiction: `empty` and `not_empty` exclude each other
        8:79 wrong-type: `actions[0].expect.body[0].at_least` must be a number or text, which alone have an order
    clear: [id, ix]
        8:17 unknown-name: `ix` is never extracted
    parameters: { n: [] }
        8:22 bad-value: the parameter `n` has no values
    parameters: { n: [1, 2, 1] }
        8:29 duplicate-name: the value `1` is listed twice
    parameters: { 'n m': [1] }
        8:19 bad-name: `n m` cannot be read by a template
    parameters: { n: 5 }
        8:22 wrong-type: `actions[0].parameters.n` must be a list, not the number `5`
    ");
}

#[test]
fn requests_are_checked() {
    let table = table(
        [
            "{ path: /, method: 'GET it' }",
            "{ path: orders }",
            "{ path: '' }",
            "{ path: /, json: 1, text: a }",
            "{ path: /, headers: { 'X Y': 1 } }",
            "{ path: /, headers: { X: 1.10 } }",
            "{ path: /, query: { q: [[1]] } }",
            "{ path: /, json: { a: [ '{{ x }}', '{{' ] } }",
            "{ path: /, json: { 5: a, b: .inf } }",
            "{ path: '/${port}' }",
            "{ path: '/${NOPE}' }",
            "{ path: '/${ }' }",
            "/orders",
            "{ method: GET }",
        ],
        |request| sound(&format!("actions:\n  - name: a\n    request: {request}")),
    );
    insta::assert_snapshot!(table, @r"
    { path: /, method: 'GET it' }
        6:33 bad-value: `GET it` is no HTTP method
    { path: orders }
        6:22 bad-value: the path `orders` does not start with `/`
    { path: '' }
        6:22 bad-value: the path `` does not start with `/`
    { path: /, json: 1, text: a }
        6:34 contradiction: a request has one body, not `json` and `text`
    { path: /, headers: { 'X Y': 1 } }
        6:36 bad-value: `X Y` is no header name
    { path: /, headers: { X: 1.10 } }
        6:39 wrong-type: `actions[0].request.headers.X` must be text, a whole number or a boolean (anything else in quotes), not the number `1.1`
    { path: /, query: { q: [[1]] } }
        6:38 wrong-type: `actions[0].request.query.q[0]` must be text, a whole number or a boolean (anything else in quotes), not a list
    { path: /, json: { a: [ '{{ x }}', '{{' ] } }
        6:42 unknown-name: `x` is used but never extracted or defined
        6:50 bad-template: the template does not parse: unexpected end of input, expected expression
    { path: /, json: { 5: a, b: .inf } }
        6:42 bad-value: `.inf` is no JSON number
    { path: '/${port}' }
        6:24 environment: `${port}` is known only when the run starts and cannot be used here
    { path: '/${NOPE}' }
        6:24 environment: the environment variable `NOPE` is not set
    { path: '/${ }' }
        6:24 environment: `${` starts a reference to the environment, and no name follows
    /orders
        6:14 wrong-type: `actions[0].request` must be a mapping, not the text `/orders`
    { method: GET }
        6:5 missing-key: `actions[0].request` lacks the key `path`
    ");
}

#[test]
fn extractions_are_checked() {
    let table = table(
        [
            "id",
            "{ header: Location, optional: true }",
            "{ header: 'no header' }",
            "{ jsonpath: $.id, header: Location }",
            "{ optional: true }",
            "{ jsonpath: $., option: true }",
            "5",
        ],
        |extract| {
            sound(&format!(
                "actions:\n  - name: a\n    request: {{ path: / }}\n    extract: {{ x: {extract} }}"
            ))
        },
    );
    insta::assert_snapshot!(table, @r"
    id
        7:19 bad-jsonpath: the JSONPath does not parse: not a JSONPath: expected jp query
    { header: Location, optional: true }
    { header: 'no header' }
        7:21 bad-value: `no header` is no header name
    { jsonpath: $.id, header: Location }
        7:16 contradiction: a value comes from `jsonpath` or from `header`, not from both
    { optional: true }
        7:16 missing-key: `actions[0].extract.x` lacks `jsonpath`, `header`, `cookie` or `body`
    { jsonpath: $., option: true }
        7:32 bad-jsonpath: the JSONPath does not parse: not a JSONPath: expected wildcard selector or ALPHA
        7:35 unknown-key: unknown key `option`
    5
        7:19 wrong-type: `actions[0].extract.x` must be a JSONPath, or a mapping with `jsonpath`, `header`, `cookie` or `body`, `regex`, `all`, `optional`, not the number `5`
    ");
    insta::assert_snapshot!(
        listed(&sound("actions: [{ name: a, request: { path: / }, extract: { 'order-id': $.id } }]")).join("\n"),
        @r"
    4:55 bad-name: `order-id` cannot be read by a template or a condition
    "
    );
}

#[test]
fn names_are_checked() {
    let table = table(
        [
            "create order",
            "refund(n=1)",
            "''",
            "true",
            "5",
            "1st",
            "order/create:now.v1-x",
            "größe",
        ],
        |name| {
            sound(&format!(
                "actions: [{{ name: {name}, request: {{ path: / }} }}]"
            ))
        },
    );
    insta::assert_snapshot!(table, @r"
    create order
        4:19 bad-name: `create order` cannot be the name of an action, because it could not be a precondition
    refund(n=1)
        4:19 bad-name: `refund(n=1)` cannot be the name of an action, because it could not be a precondition
    ''
        4:19 bad-name: `` cannot be the name of an action, because it could not be a precondition
    true
        4:19 wrong-type: `actions[0].name` must be text, not `true`
    5
        4:19 wrong-type: `actions[0].name` must be text, not the number `5`
    1st
        4:19 bad-name: `1st` cannot be the name of an action, because it could not be a precondition
    order/create:now.v1-x
    größe
    ");
}

#[test]
fn invariants_are_checked() {
    let table = table(
        [
            "{ name: i }",
            "{ name: '', jsonpath: $, expect: empty }",
            "{ name: i, jsonpath: $.x }",
            "{ name: i, jsonpath: $.x, expect: emty }",
            "{ name: i, jsonpath: $.x, expect: { at_mots: 1 } }",
            "{ name: i, jsonpath: $.x, expect: {} }",
            "{ name: i, request: { path: / } }",
            "{ name: i, sql: '' }",
            "{ name: i, sql: 'SELECT :nope, ?, @a' }",
            "{ name: i, sql: 'SELECT {{ id }}' }",
            "{ name: i, sql: 'SELECT \"{{id}} {{ no }}\", \"{{1},{2}} {{ no }}\", \"{{ no }}\" -- {{ id }}' }",
            "{ name: i, sql: SELECT 1, jsonpath: $ }",
            "{ name: i, sql: SELECT 1, system: bd }",
            "{ name: i, sql: 5, severity: hihg }",
            "{ name: i, jsonpath: $, expect: { equals_sql: 'SELECT :y' } }",
        ],
        |invariant| {
            format!(
                "venomqa: 1\nhttp: {{ base_url: http://h }}\nsystems: {{ db: {{ sqlite: f.db }} }}\nactions: [{{ name: a, request: {{ path: / }}, extract: {{ id: $.id }} }}]\ninvariants:\n  - {invariant}\n"
            )
        },
    );
    insta::assert_snapshot!(table, @r#"
    { name: i }
        6:13 missing-key: the invariant `i` looks at nothing
    { name: '', jsonpath: $, expect: empty }
        6:13 bad-name: an invariant needs a name
    { name: i, jsonpath: $.x }
        6:13 missing-key: the invariant `i` lacks `expect`
    { name: i, jsonpath: $.x, expect: emty }
        6:39 bad-value: `invariants[0].expect` must be `empty`, `not_empty`, or a mapping of assertions such as `equals` or `at_most`, not the text `emty`
    { name: i, jsonpath: $.x, expect: { at_mots: 1 } }
        6:41 unknown-key: unknown key `at_mots`
    { name: i, jsonpath: $.x, expect: {} }
        6:31 missing-key: `invariants[0].expect` asks for nothing
    { name: i, request: { path: / } }
        6:13 missing-key: the invariant `i` lacks `expect`
    { name: i, sql: '' }
        6:16 bad-sql: `invariants[0].sql` is an empty query
    { name: i, sql: 'SELECT :nope, ?, @a' }
        6:29 unknown-name: `nope` is used but never extracted or defined
        6:36 bad-sql: `?` would be bound to nothing
        6:39 bad-sql: `@a` would be bound to nothing
    { name: i, sql: 'SELECT {{ id }}' }
        6:29 bad-sql: SQL takes no templates: values are bound, never spliced
    { name: i, sql: 'SELECT "{{id}} {{ no }}", "{{1},{2}} {{ no }}", "{{ no }}" -- {{ id }}' }
        6:30 bad-sql: SQL takes no templates: values are bound, never spliced
        6:37 bad-sql: SQL takes no templates: `{{ no }}` is part of the quoted text
        6:59 bad-sql: SQL takes no templates: `{{ no }}` is part of the quoted text
        6:71 bad-sql: SQL takes no templates: `{{ no }}` is part of the quoted text
    { name: i, sql: SELECT 1, jsonpath: $ }
        6:31 contradiction: an invariant looks at `sql` or at `jsonpath`, not at both
    { name: i, sql: SELECT 1, system: bd }
        6:39 unknown-system: unknown system `bd`
    { name: i, sql: 5, severity: hihg }
        6:21 wrong-type: `invariants[0].sql` must be text, not the number `5`
        6:34 bad-value: `invariants[0].severity` must be `critical`, `high`, `medium` or `low`, not `hihg`
    { name: i, jsonpath: $, expect: { equals_sql: 'SELECT :y' } }
        6:59 unknown-name: `y` is used but never extracted or defined
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn sections_around_the_actions_are_checked() {
    let table = table(
        [
            "service: { command: [] }",
            "service: { command: ./api --port 1 }",
            "service: { command: ['${prot}'] }",
            "service: { command: [a, '{{ id }}'], ready: { path: x, timeout: 0s } }",
            "service: { command: [a] }\nhttp: { base_url: ftp://x, max_body: 16 bananas }",
            "http: { base_url: 'http://localhost:${port}' }",
            "http: {}",
            "systems: { db: { url: mysql://u@h/d } }",
            "systems: { db: {} }",
            "systems: { db: { sqlite: a, postgres: b } }",
            "systems: { db: { sqlite: a, ignore_columns: [created_at], observe_tables: orders } }",
            "systems: { db: { sqlite: a, observation_queries: { q: 'SELECT :z' } } }",
            "systems: { db: { sqlite: a } }\nreset: { restart: true }",
            "restore: database",
            "restore: full",
            "restore: replay",
            "restore: sometimes",
            "restore: none\nexplore: { strategy: bfs }",
            "restore: none\nexplore: { strategy: random }",
            "reset: { command: [x], restart: true }\nservice: { command: [a] }",
            "reset: {}",
            "settle: 20",
            "settle: soon",
            "setup:\n  - { request: { path: '/{{ b }}' } }\n  - { request: { path: / }, extract: { b: $ } }",
            "after_restore: [{ request: { path: '/{{ id }}' } }]",
            "state_from_context: [id, di]",
            "state_from_context: id",
            "checks: { server-error: loud }",
            "explore: { max_steps: 0, max_depth: 0, progress_every: 0, coverage_target: 1.5, fail_fast: maybe, time_limit: 5 }",
            "variables: [a]",
            "variables: { unused: 1 }",
        ],
        |section| {
            let mut text = format!(
                "venomqa: 1\nactions: [{{ name: a, request: {{ path: / }}, extract: {{ id: $.id }} }}]\n{section}\n"
            );
            for (key, default) in [
                ("http:", "http: { base_url: http://h }"),
                ("restore:", "restore: none"),
            ] {
                if ![key, "service:", "systems:"]
                    .iter()
                    .any(|there| section.contains(there))
                {
                    text.push_str(default);
                    text.push('\n');
                }
            }
            text
        },
    );
    insta::assert_snapshot!(table, @r"
    service: { command: [] }
        3:12 bad-value: `service.command` names no program
    service: { command: ./api --port 1 }
        1:1 missing-key: the spec does not say where the service is
        3:21 wrong-type: `service.command` must be a list, not the text `./api --port 1`
    service: { command: ['${prot}'] }
        3:23 environment: the environment variable `prot` is not set
    service: { command: [a, '{{ id }}'], ready: { path: x, timeout: 0s } }
        3:29 unknown-name: `id` has no value yet when the spec is loaded
        3:53 bad-value: the path `x` does not start with `/`
        3:65 bad-value: `service.ready.timeout` leaves no time at all
    service: { command: [a] }
    http: { base_url: ftp://x, max_body: 16 bananas }
        4:19 bad-value: `ftp://x` is no base URL: the scheme `ftp` is not `http` or `https`
        4:38 bad-value: `http.max_body` must be a size such as `16MB` or `512KiB`, or a number of bytes, not the text `16 bananas`
    http: { base_url: 'http://localhost:${port}' }
        3:19 contradiction: `${port}` is the port of the `service` to start, and the spec has none
    http: {}
        3:1 missing-key: the spec does not say where the service is
    systems: { db: { url: mysql://u@h/d } }
        1:1 missing-key: the spec does not say where the service is
        3:23 bad-value: no kind of database has this URL scheme
    systems: { db: {} }
        1:1 missing-key: the spec does not say where the service is
        3:12 missing-key: the system `db` does not say what it is
    systems: { db: { sqlite: a, postgres: b } }
        1:1 missing-key: the spec does not say where the service is
        3:29 contradiction: the system `db` is `sqlite` or `postgres`, not both
    systems: { db: { sqlite: a, ignore_columns: [created_at], observe_tables: orders } }
        1:1 missing-key: the spec does not say where the service is
        3:46 bad-value: `created_at` names no column
        3:75 wrong-type: `systems.db.observe_tables` must be a list, not the text `orders`
    systems: { db: { sqlite: a, observation_queries: { q: 'SELECT :z' } } }
        1:1 missing-key: the spec does not say where the service is
        3:63 unknown-name: `z` is used but never extracted or defined
    systems: { db: { sqlite: a } }
    reset: { restart: true }
        1:1 missing-key: the spec does not say where the service is
        4:1 contradiction: `reset` is not used: the systems are restored instead
        4:10 contradiction: there is no `service` to restart
    restore: database
        3:10 contradiction: `restore: database` needs a system to restore
    restore: full
        3:10 contradiction: `restore: full` has no service to start again
    restore: replay
        3:10 contradiction: nothing says how to get the service back to an earlier state
    restore: sometimes
        3:10 bad-value: `restore` must be `database`, `full`, `replay` or `none`, not `sometimes`
    restore: none
    explore: { strategy: bfs }
        4:22 contradiction: the strategy `bfs` goes back to earlier states, and `restore: none` never does
    restore: none
    explore: { strategy: random }
    reset: { command: [x], restart: true }
    service: { command: [a] }
        3:1 contradiction: `reset` is one of `request`, `command` and `restart: true`
    reset: {}
        3:1 contradiction: `reset` is one of `request`, `command` and `restart: true`
    settle: 20
        3:9 wrong-type: `settle` must be a duration such as `250ms`, `30s` or `1m30s`, not the number `20`
    settle: soon
        3:9 bad-value: `settle` must be a duration such as `250ms`, `30s` or `1m30s`, not the text `soon`
    setup:
      - { request: { path: '/{{ b }}' } }
      - { request: { path: / }, extract: { b: $ } }
        4:29 unknown-name: `b` has no value yet at this point
    after_restore: [{ request: { path: '/{{ id }}' } }]
        3:41 unknown-name: `id` has no value yet at this point
        4:1 contradiction: nothing says how to get the service back to an earlier state
    state_from_context: [id, di]
        3:26 unknown-name: `di` is never extracted
    state_from_context: id
        3:21 wrong-type: `state_from_context` must be a list, not the text `id`
    checks: { server-error: loud }
        3:25 bad-value: `checks.server-error` must be `critical`, `high`, `medium`, `low` or `off`, not `loud`
    explore: { max_steps: 0, max_depth: 0, progress_every: 0, coverage_target: 1.5, fail_fast: maybe, time_limit: 5 }
        3:23 bad-value: `explore.max_steps` must be at least 1
        3:37 bad-value: `explore.max_depth` must be at least 1
        3:56 bad-value: `explore.progress_every` must be at least 1
        3:76 bad-value: a coverage target is a share from 0 to 1, not `1.5`
        3:92 bad-value: `explore.fail_fast` must be `true`, `false`, `critical`, `high`, `medium` or `low`, not the text `maybe`
        3:111 wrong-type: `explore.time_limit` must be a duration such as `250ms`, `30s` or `1m30s`, not the number `5`
    variables: [a]
        3:12 wrong-type: `variables` must be a mapping, not a list
    variables: { unused: 1 }
        3:14 unused-variable: nothing reads the variable `unused`
    ");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn a_file_that_is_no_spec_is_told_from_a_wrong_one() {
    let table = table(
        [
            "",
            "# only a comment\n",
            "---\n",
            "null",
            "just text",
            "[a, b]",
            "{}",
            "venomqa: '1'",
            "venomqa: 1\nactions: []",
            "venomqa: 1\nactions:",
            "venomqa: 1\nactions: { name: a }",
            "a: [1, 2",
            "a: b: c",
            "\tvenomqa: 1",
            "venomqa:\n \tx: 1",
            "venomqa:\n\t- x",
            "a: 0xffffffffffffffffff",
            "a: !!int five",
            "~: a\n5: b\n: c",
            "a: &a { a: 1 }\nb: { <<: [*a, [*a]] }",
            "a: *nowhere",
            "a: &x [*x]",
            "&x a: 1\nb: *x",
            "a: !ruby/object {}",
            "a: 1\n---\nb: 2",
            "? [a]\n: b",
            "<<: 5",
            "a: {{ b }}",
            "a: [${B}]",
            "a: \u{0}",
        ],
        str::to_owned,
    );
    insta::assert_snapshot!(table, @r"
        1:1 empty-spec: the spec is empty
    # only a comment

        1:1 empty-spec: the spec is empty
    ---

        1:4 empty-spec: the spec is empty
    null
        1:1 empty-spec: the spec is empty
    just text
        1:1 wrong-type: the spec must be a mapping, not the text `just text`
    [a, b]
        1:1 wrong-type: the spec must be a mapping, not a list
    {}
        1:1 missing-key: the spec lacks the key `venomqa`
        1:1 missing-key: the spec lacks the key `actions`
        1:1 missing-key: the spec does not say where the service is
    venomqa: '1'
        1:1 missing-key: the spec lacks the key `actions`
        1:1 missing-key: the spec does not say where the service is
        1:10 wrong-type: `venomqa` must be a whole number, 0 or more, not the text `1`
    venomqa: 1
    actions: []
        1:1 missing-key: the spec does not say where the service is
        2:10 bad-value: `actions` is empty: there is nothing to explore
    venomqa: 1
    actions:
        1:1 missing-key: the spec does not say where the service is
        2:1 wrong-type: `actions` must be a list, not nothing
    venomqa: 1
    actions: { name: a }
        1:1 missing-key: the spec does not say where the service is
        2:10 wrong-type: `actions` must be a list, not a mapping
    a: [1, 2
        1:4 syntax-error: not YAML: unclosed bracket '['
    a: b: c
        1:5 syntax-error: not YAML: mapping values are not allowed in this context
    	venomqa: 1
        1:2 syntax-error: a tab in the indentation
    venomqa:
     	x: 1
        2:3 syntax-error: a tab in the indentation
    venomqa:
    	- x
        2:2 syntax-error: not YAML: tabs disallowed within this context (block indentation)
    a: 0xffffffffffffffffff
        1:1 missing-key: the spec lacks the key `venomqa`
        1:1 missing-key: the spec lacks the key `actions`
        1:1 missing-key: the spec does not say where the service is
        1:4 bad-value: the number `0xffffffffffffffffff` has more than 64 bits
    a: !!int five
        1:1 missing-key: the spec lacks the key `venomqa`
        1:1 missing-key: the spec lacks the key `actions`
        1:1 missing-key: the spec does not say where the service is
        1:10 bad-value: `five` is no `!!int`
    ~: a
    5: b
    : c
        1:1 wrong-type: the key `~` is not text
        2:1 unknown-key: unknown key `5`
        2:1 missing-key: the spec lacks the key `venomqa`
        2:1 missing-key: the spec lacks the key `actions`
        2:1 missing-key: the spec does not say where the service is
        3:1 wrong-type: the key `~` is not text
    a: &a { a: 1 }
    b: { <<: [*a, [*a]] }
        2:10 wrong-type: `<<` has nothing that can be merged
    a: *nowhere
        1:4 syntax-error: not YAML: while parsing node, found unknown anchor
    a: &x [*x]
        1:8 syntax-error: an alias for something that contains it
    &x a: 1
    b: *x
        2:4 syntax-error: an alias for a key
    a: !ruby/object {}
        1:17 syntax-error: the tag `!ruby/object` means nothing here
    a: 1
    ---
    b: 2
        2:1 syntax-error: a second document in one file
    ? [a]
    : b
        1:3 syntax-error: a key that is a list or a mapping
    <<: 5
        1:5 wrong-type: `<<` has nothing that can be merged
    a: {{ b }}
        1:5 syntax-error: a key that is a list or a mapping
    a: [${B}]
        1:6 syntax-error: not YAML: while parsing a flow sequence, expected ',' or ']'
    a: \0
        1:4 syntax-error: not YAML: unexpected character: `\u{0}'
    ");
}
