//! What the small languages promise, seen from outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Condition, JsonPath, JsonTemplate, Lookup, ParseError, Template};

#[derive(Debug)]
struct Values(BTreeMap<String, Value>);

impl Lookup for Values {
    fn lookup(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

fn values(json: Value) -> Arc<dyn Lookup> {
    Arc::new(Values(serde_json::from_value(json).unwrap()))
}

fn nothing() -> Arc<dyn Lookup> {
    values(json!({}))
}

fn template(source: &str) -> Template {
    Template::parse(source).unwrap()
}

fn render(source: &str, with: Value) -> String {
    template(source).render(&values(with)).unwrap()
}

fn evaluate(source: &str, with: Value) -> Value {
    template(source).evaluate(&values(with)).unwrap()
}

fn failure(source: &str, with: Value) -> String {
    template(source)
        .evaluate(&values(with))
        .unwrap_err()
        .message
}

fn refused(source: &str) -> ParseError {
    Template::parse(source).unwrap_err()
}

#[test]
fn text_without_holes_stays_as_it_is() {
    let plain = template("100 % of { everything }\n");
    assert!(plain.is_literal());
    assert_eq!(
        plain.render(&nothing()).unwrap(),
        "100 % of { everything }\n"
    );
    assert_eq!(
        Template::literal("{{ not a hole }}")
            .render(&nothing())
            .unwrap(),
        "{{ not a hole }}"
    );
}

#[test]
fn holes_are_filled_between_the_text() {
    let with = json!({"id": 7, "name": "a & <b>", "list": [1, {"k": null}]});
    assert_eq!(
        render("/orders/{{ id }}/refund", with.clone()),
        "/orders/7/refund"
    );
    assert_eq!(render("{{id}}{{ id + 1 }}-{{- id }}", with.clone()), "78-7");
    assert_eq!(render("{{ name }}!", with.clone()), "a & <b>!");
    assert_eq!(render("x={{ list }}", with.clone()), r#"x=[1,{"k":null}]"#);
    assert_eq!(render("({{ (id + 1) * 2 }})", with.clone()), "(16)");
    assert_eq!(render("{# unseen #}{{ id }}\n", with), "7\n");
}

#[test]
fn statements_render_as_the_language_has_it() {
    let source = "{% for i in items %}{{ i }}{% if not loop.last %},{% endif %}{% endfor %}\n";
    assert_eq!(
        render(source, json!({"items": [1, 2.5, null]})),
        "1,2.5,null\n"
    );
    assert_eq!(
        template(source).render(&nothing()).unwrap_err().message,
        format!("`{source}`: `items` is not defined")
    );
}

#[test]
fn a_lone_hole_keeps_the_type_of_its_value() {
    let all = json!({
        "i": -3, "u": u64::MAX, "f": 1.0, "b": true, "n": null, "s": "7",
        "a": [1, 2.0, "x"], "o": {"z": 1, "a": {"deep": [u64::MAX]}},
    });
    for name in ["i", "u", "f", "b", "n", "s", "a", "o"] {
        assert_eq!(
            evaluate(&format!("{{{{ {name} }}}}"), all.clone()),
            all[name],
            "{name}"
        );
        // Through the interpreter too.
        assert_eq!(
            evaluate(&format!("{{{{ [{name}][0] }}}}"), all.clone()),
            all[name],
            "{name}"
        );
    }
    assert_eq!(evaluate("{{ f * 2 }}", all.clone()), json!(2.0));
    assert_eq!(evaluate("{{ i + 1 }}", all.clone()), json!(-2));
    assert_eq!(evaluate("{{ i > 1 }}", all.clone()), json!(false));
    assert_eq!(
        evaluate("{{ {'k': i, 1: o} }}", all.clone()),
        json!({"k": -3, "1": all["o"]})
    );
    assert_eq!(evaluate("{{ o.a.deep[0] }}", all.clone()), json!(u64::MAX));
    assert_eq!(evaluate("{{ s }}0", all), json!("70"));
}

#[test]
fn a_missing_value_is_an_error_that_names_it() {
    assert_eq!(
        failure("{{ order_id }}", json!({})),
        "`{{ order_id }}`: `order_id` is not defined"
    );
    assert_eq!(
        failure("/{{ a }}/{{ b }}", json!({"a": 1})),
        "`/{{ a }}/{{ b }}`: `b` is not defined"
    );
    assert_eq!(
        failure("{{ a + b }}", json!({})),
        "`{{ a + b }}`: not defined: `a`, `b`"
    );
    assert_eq!(
        failure("{{ o.x }}", json!({"o": {}})),
        "`{{ o.x }}`: the result, or a part of it, is not defined"
    );
    assert_eq!(
        failure("{{ o.x.y }}", json!({"o": {}})),
        "`{{ o.x.y }}`: reads a part of a value that does not exist"
    );
    assert!(failure("{{ [a] }}", json!({})).contains("not defined"));
    assert_eq!(evaluate("{{ a | default(3) }}", json!({})), json!(3));
    assert_eq!(evaluate("{{ a is defined }}", json!({})), json!(false));
}

#[test]
fn endless_templates_run_out_of_fuel() {
    let message = failure(
        "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}",
        json!({}),
    );
    assert!(message.ends_with("takes too long to evaluate"), "{message}");
}

#[test]
fn a_syntax_error_has_its_place_within_the_text() {
    let error = refused("/orders/{{ order_id + }}/x");
    assert_eq!(
        &"/orders/{{ order_id + }}/x"[error.range.clone()],
        "}}",
        "{error:?}"
    );
    let error = refused("ö {{ id | uper }}");
    assert_eq!(error.message, "unknown filter `uper`");
    assert_eq!(
        &"ö {{ id | uper }}"[error.range.clone()],
        "uper",
        "{error:?}"
    );
    assert_eq!(
        refused("{{ x is devined }}").message,
        "unknown test `is devined`"
    );
    let error = refused("{{ uuidd() }}");
    assert_eq!(error.message, "unknown function `uuidd`");
    assert_eq!(error.help.as_deref(), Some("did you mean `uuid`?"));
    let error = refused("{{ id");
    assert!(error.range.end <= "{{ id".len(), "{error:?}");
    assert!(Template::parse("{% if a %}").is_err());
}

#[test]
fn reads_and_requires_are_told_apart() {
    let check = |source: &str, reads: &[&str], requires: &[&str]| {
        let template = template(source);
        assert_eq!(template.reads(), reads, "{source}");
        assert_eq!(template.requires(), requires, "{source}");
    };
    check("{{ b }}/{{ a.x }}/{{ b }}", &["b", "a"], &["b", "a"]);
    check("{{ a is defined }}", &["a"], &[]);
    check("{{ a | default(1) }}", &["a"], &[]);
    check("{{ a.b | default(1) }}", &["a"], &["a"]);
    check("{{ a | default(b) }}", &["a", "b"], &[]);
    check("{{ a | default(b + 1) }}", &["a", "b"], &["b"]);
    check("{{ a | upper }}", &["a"], &["a"]);
    check("{{ a if a is defined else b }}", &["a", "b"], &[]);
    check("{{ c if a else c + 1 }}", &["a", "c"], &["a", "c"]);
    check("{{ a and b }}", &["a", "b"], &["a"]);
    check("{{ a[:2] }}", &["a"], &["a"]);
    check("{{ [a, {'k': b}] }}", &["a", "b"], &["a", "b"]);
    check("{{ [a, b] | length }}", &["a", "b"], &[]);
    check("{{ range(n) | list }}", &["n"], &[]);
    check(
        "{% for x in xs %}{{ x }}{{ y }}{{ loop.index }}{% endfor %}",
        &["xs", "y"],
        &["xs"],
    );
    check(
        "{% if f %}{{ a }}{{ b }}{% else %}{{ b }}{% endif %}",
        &["f", "a", "b"],
        &["f", "b"],
    );
    check("{% set q = a %}{{ q }}", &["a"], &["a"]);
    check(
        "{% with q = a %}{{ q }}{% endwith %}{{ q }}",
        &["a", "q"],
        &["a", "q"],
    );
    check("plain", &[], &[]);
}

#[test]
fn what_is_required_is_exactly_what_rendering_fails_without() {
    let names = ["a", "b", "c"];
    let sources = [
        "{{ a }}{{ b | default(c) }}",
        "{{ a + b if c is defined else a }}",
        "{{ a < b < c }}",
        "{{ a is none }}",
        "{{ a in b }}",
        "{{ not a }}",
        "{{ -a }}",
        "{{ a ~ b }}",
        "{{ a == b }}",
        "{{ a | length }}",
        "{{ a | tojson }}",
        "{{ a | join(b) }}",
        "{{ a is even }}",
        "{% if a is defined and b %}{{ c }}{% endif %}",
        "{% for x in a if b %}{{ c }}{% else %}{{ c }}{% endfor %}",
        "{% filter upper %}{{ a }}{% endfilter %}",
        "{{ a[b] }}",
        "{{ a.b }}",
    ];
    // If it can be rendered without a name, with whatever the others are, the name must not be required.
    let candidates = [
        json!(1),
        json!("x"),
        json!([1, 2]),
        json!([]),
        json!({"b": 1, "x": 2}),
        json!(true),
        json!(false),
    ];
    for source in sources {
        let template = template(source);
        for missing in names {
            let others: Vec<&str> = names
                .iter()
                .copied()
                .filter(|name| *name != missing)
                .collect();
            let mut renders = false;
            for first in candidates.iter().map(Some).chain([None]) {
                for second in candidates.iter().map(Some).chain([None]) {
                    let mut with = BTreeMap::new();
                    for (name, value) in others.iter().zip([first, second]) {
                        if let Some(value) = value {
                            with.insert((*name).to_owned(), value.clone());
                        }
                    }
                    let with: Arc<dyn Lookup> = Arc::new(Values(with));
                    renders |= template.render(&with).is_ok();
                }
            }
            let required = template.requires().iter().any(|name| name == missing);
            assert_eq!(required, !renders, "`{missing}` in `{source}`");
        }
    }
}

#[test]
fn a_json_tree_is_filled_and_keeps_the_types() {
    let tree = JsonTemplate::parse(&json!({
        "amount": "{{ n }}", "note": "for {{ who }}", "{{ key }}": [1, {"id": "{{ ids[0] }}"}], "plain": {"a": [null]},
    }))
    .unwrap();
    let filled = tree
        .evaluate(&values(
            json!({"n": 2.5, "who": "you", "ids": [9], "key": 1}),
        ))
        .unwrap();
    assert_eq!(
        filled.to_string(),
        r#"{"amount":2.5,"note":"for you","1":[1,{"id":9}],"plain":{"a":[null]}}"#
    );
    let sources: Vec<&str> = tree
        .templates()
        .iter()
        .map(|template| template.source())
        .collect();
    assert_eq!(
        sources,
        ["{{ n }}", "for {{ who }}", "{{ key }}", "{{ ids[0] }}"]
    );
}

#[test]
fn all_errors_of_a_json_tree_come_at_once_with_their_paths() {
    let errors =
        JsonTemplate::parse(&json!({"a": ["{{ x", "ok"], "b": {"c": "{{ 1 + }}"}, "{{ d": 1}))
            .unwrap_err();
    let paths: Vec<String> = errors.iter().map(|(path, _)| path.join(".")).collect();
    assert_eq!(paths, ["a.0", "b.c", "{{ d"]);
}

#[test]
fn a_condition_is_true_or_false() {
    let holds = |source: &str, with: Value| Condition::parse(source).unwrap().holds(&values(with));
    assert_eq!(holds("amount > 10", json!({"amount": 11})), Ok(true));
    assert_eq!(holds("amount > 10", json!({"amount": 10})), Ok(false));
    let guarded = "order_id is defined and amount > 10";
    assert_eq!(holds(guarded, json!({})), Ok(false));
    assert_eq!(
        holds(guarded, json!({"order_id": 1, "amount": 11})),
        Ok(true)
    );
    assert_eq!(
        holds("amount > 10", json!({})).unwrap_err().message,
        "`amount > 10`: `amount` is not defined"
    );
    assert_eq!(
        holds("amount", json!({"amount": 3})).unwrap_err().message,
        "`amount`: a condition must yield true or false, not `3` (number)"
    );
    assert!(holds("missing", json!({})).is_err());
    let error = Condition::parse("amount >").unwrap_err();
    assert!(error.range.end <= "amount >".len(), "{error:?}");
    assert!(Condition::parse("").is_err());
    assert!(Condition::parse("a }} b").is_err());
}

#[test]
fn a_jsonpath_finds_nodes_in_order() {
    // The examples of RFC 9535, section 1.5.
    let store = json!({"store": {
        "book": [
            {"category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95},
            {"category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99},
            {"category": "fiction", "author": "Herman Melville", "title": "Moby Dick", "isbn": "0-553-21311-3", "price": 8.99},
            {"category": "fiction", "author": "J. R. R. Tolkien", "title": "The Lord of the Rings", "isbn": "0-395-19395-8", "price": 22.99},
        ],
        "bicycle": {"color": "red", "price": 399},
    }});
    let find = |source: &str| -> Vec<Value> {
        JsonPath::parse(source)
            .unwrap()
            .query(&store)
            .unwrap()
            .into_iter()
            .cloned()
            .collect()
    };
    let authors = [
        "Nigel Rees",
        "Evelyn Waugh",
        "Herman Melville",
        "J. R. R. Tolkien",
    ]
    .map(Value::from);
    assert_eq!(find("$.store.book[*].author"), authors);
    assert_eq!(find("$..author"), authors);
    assert_eq!(find("$.store.*").len(), 2);
    assert_eq!(find("$.store..price").len(), 5);
    assert_eq!(find("$..book[2].author"), [json!("Herman Melville")]);
    assert_eq!(find("$..book[2].publisher"), [] as [Value; 0]);
    assert_eq!(find("$..book[-1].title"), [json!("The Lord of the Rings")]);
    assert_eq!(find("$..book[0,1].title").len(), 2);
    assert_eq!(find("$..book[:2].title").len(), 2);
    assert_eq!(find("$..book[?@.isbn].title").len(), 2);
    assert_eq!(find("$..book[?@.price < 10].title").len(), 2);
    assert_eq!(
        find("$..book[?match(@.author, 'J.*')].price"),
        [json!(22.99)]
    );
    assert_eq!(find("$..book[?count(@.*) > 4].price").len(), 2);
    assert_eq!(
        JsonPath::parse("$").unwrap().query(&store).unwrap(),
        [&store]
    );
}

#[test]
fn a_jsonpath_knows_whether_it_is_singular() {
    for (source, singular) in [
        ("$", true),
        ("$.a.b", true),
        ("$['a'][0]", true),
        ("$.a[-1]", true),
        ("$.*", false),
        ("$..a", false),
        ("$[0,1]", false),
        ("$[0:1]", false),
        ("$[?@.a]", false),
    ] {
        assert_eq!(
            JsonPath::parse(source).unwrap().is_singular(),
            singular,
            "{source}"
        );
    }
}

#[test]
fn a_jsonpath_that_does_not_parse_has_its_place() {
    let error = JsonPath::parse("id").unwrap_err();
    assert_eq!(error.help.as_deref(), Some("a JSONPath begins with `$`"));
    let error = JsonPath::parse("$.first name").unwrap_err();
    assert_eq!((error.range, error.help.is_some()), (7..8, true));
    for source in [
        "$ .a [0]",
        "$['a b']",
        "$[\"it's a\"]",
        "$[?@.a == 'x y' && @.b > 1]",
    ] {
        assert!(JsonPath::parse(source).is_ok(), "{source}");
    }
    for source in ["$.a[", "$.items[?@.x ==]", "", "$ü€"] {
        let error = JsonPath::parse(source).unwrap_err();
        assert!(
            source.get(error.range.clone()).is_some(),
            "{source}: {error:?}"
        );
        assert!(
            error.message.starts_with("not a JSONPath: "),
            "{}",
            error.message
        );
    }
}

#[test]
fn the_crate_behind_jsonpath_departs_from_the_rfc_where_we_know_it_does() {
    // RFC 9535 wants the children of one node together: 1, 2, 3, 4. Noticed only where order is compared.
    let nested = json!({"a": 1, "d": 2, "x": {"a": 3, "d": 4}});
    let query = JsonPath::parse("$..['a','d']").unwrap();
    assert_eq!(
        query.query(&nested).unwrap(),
        [1, 3, 2, 4].map(Value::from).iter().collect::<Vec<_>>()
    );
    // Ill-typed calls are accepted; they find nothing instead of being refused.
    assert!(JsonPath::parse("$[?length(@.*) > 1]").is_ok());
}

#[test]
fn what_chains_without_end_is_refused_at_its_place_and_overflows_no_stack() {
    let many = |link: &str| link.repeat(20_000);
    for chain in [
        format!("1{}", many("+1")),
        format!("1{}", many("|abs")),
        format!("1{}", many(" is number")),
        format!("1{}", many(" if 1 else 1")),
        format!("{}a", many("not ")),
        format!("{}1", many("-")),
        format!("a{}", many(".b")),
        format!("a{}", many("[0]")),
        format!("a{}", many("()")),
        many("f("),
        many("[1, "),
        format!("f(a, [1{}])", many(" ~ 1")),
    ] {
        assert!(Condition::parse(&chain).is_err());
        let template = format!("/orders/{{{{ {chain} }}}}");
        let error = Template::parse(&template).unwrap_err();
        assert!(error.range.start >= 8 && error.range.end <= template.len());
    }
    let elifs = format!("{{% if 1 %}}{}{{% endif %}}", many("{% elif 1 %}"));
    assert!(Template::parse(&elifs).is_err());
    // What is only long is fine.
    for long in [
        many("{{ 1 }}"),
        format!("{{{{ [{}] }}}}", many("[1, 'a'], ")),
        format!("{{{{ 1{} }}}}", "+1".repeat(400)),
        format!("{{{{ {}1{} }}}}", "(".repeat(70), ")".repeat(70)),
    ] {
        assert!(Template::parse(&long).is_ok());
    }
}

#[test]
fn a_jsonpath_that_would_find_too_much_is_not_tried() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep, 1]);
    }
    let wide = json!({ "items": (0..20_000).map(|id| json!({ "id": id, "tags": ["a", "b"] })).collect::<Vec<_>>() });
    let tries = |path: &str, body: &Value| JsonPath::parse(path).unwrap().query(body).is_ok();
    for path in [
        "$..*..*..*..*",
        "$..[?@..[?@..[?@..*]]]",
        "$..*..*[0, 0, 0, 0][*, *, *, *][*, *, *, *][*, *, *, *][*, *, *, *]",
    ] {
        assert!(!tries(path, &deep), "{path}");
    }
    for path in [
        "$.items[?count($..id) > 1]",
        "$.items[?search(@.id, @.tags[0])]",
        "$.items[?search(@.id, '\\w{200}')]",
        "$.items[?@.id in $.items]",
    ] {
        let path = JsonPath::parse(path);
        assert!(path.is_err() || path.unwrap().query(&wide).is_err());
    }
    for path in [
        "$..id",
        "$..tags[?@ == 'a']",
        "$.items[?@.id > 1 && @.tags[0] == 'a'].id",
        "$.items[?count(@.tags[*]) > 1]",
        "$.items[0, 1, 2]..*",
    ] {
        assert!(tries(path, &wide), "{path}");
    }
    assert!(tries("$..*..*", &deep));
    // Calls within calls are parsed in a time that grows threefold with each.
    let calls = format!("$[?{}@.a", "length(".repeat(100));
    let error = JsonPath::parse(&calls).unwrap_err();
    assert!(error.message.contains("functions within functions"));
}

#[test]
fn a_letter_of_several_bytes_that_is_not_expected_is_shown_whole() {
    for text in ["l | ro\u{653}nd", "a \u{2003} b", "“a”"] {
        let condition = Condition::parse(text).unwrap_err().range;
        assert!(
            text.get(condition.clone()).is_some(),
            "{condition:?} {text}"
        );
        let text = format!("é {{{{ {text} }}}}");
        let template = Template::parse(&text).unwrap_err().range;
        assert!(text.get(template.clone()).is_some(), "{template:?} {text}");
    }
}

#[test]
fn a_jsonpath_becomes_a_filter_of_jq_where_jq_can_say_it() {
    for (path, expected) in [
        ("$", Some(".")),
        ("$.id", Some(".id")),
        ("$.order.id", Some(".order.id")),
        ("$.items[0].id", Some(".items[0].id")),
        ("$[-1]['a b']", Some(".[-1][\"a b\"]")),
        ("$['it\\'s']", Some(".[\"it's\"]")),
        ("$[*]", Some("first(.[]?)")),
        (
            "$.items[*].id",
            Some("first(.items[]? | objects | select(has(\"id\")).id)"),
        ),
        (
            "$..id",
            Some("first(.. | objects | select(has(\"id\")).id)"),
        ),
        ("$.a..[0]", Some("first(.a | ..[0]?)")),
        ("$.items[?@.id > 1]", None),
        ("$.items[1:2]", None),
        ("$['a', 'b']", None),
    ] {
        let filter = JsonPath::parse(path).unwrap().to_jq();
        assert_eq!(filter.as_deref(), expected, "{path}");
    }
}

#[test]
fn a_json_tree_is_bounded_as_a_whole() {
    let values = values(json!({ "v": "x".repeat(16 << 20) }));
    for holes in [3, 5] {
        let tree = JsonTemplate::parse(&json!({ "a": vec!["{{ v }}"; holes] })).unwrap();
        let filled = tree.evaluate(&values);
        assert_eq!(filled.is_ok(), holes == 3);
        if let Err(error) = filled {
            assert!(error.message.contains("longer than 64 MB"), "{error}");
        }
    }
}

#[test]
fn the_page_lists_every_filter_test_and_fake_and_there_are_no_others() {
    let page = include_str!("../../docs/spec.md");
    for name in super::analysis::FILTERS {
        let error = Template::parse(&format!("{{{{ x | {name} }}}}")).err();
        assert_eq!(error, None, "{name}");
        assert!(page.contains(&format!("`{name}`")), "filter {name}");
    }
    for name in super::analysis::TESTS {
        let error = Template::parse(&format!("{{{{ x is {name} }}}}")).err();
        assert_eq!(error, None, "{name}");
        assert!(page.contains(&format!("`{name}`")), "test {name}");
    }
    for name in super::draws::FAKES {
        assert!(page.contains(&format!("`fake.{name}()`")), "fake {name}");
    }
}
