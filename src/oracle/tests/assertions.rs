//! Every assertion, where it holds and where it does not.

#![expect(
    clippy::needless_pass_by_value,
    reason = "helpers take the values that a test makes for them"
)]

use super::*;
use serde_json::json;

/// The objection to these rows; `None` when the assertion holds.
fn of_rows(assertion: Assertion, columns: &[&str], rows: Value) -> Option<String> {
    let mut world = Fake::default()
        .with_rows("Q", columns, rows)
        .with_rows("REFERENCE", &["id"], json!([[1], [2]]))
        .with_rows("PAIRS", &["id", "paid"], json!([[1, 0], [2, 1]]));
    let judgement = begin(
        &mut oracles(&model(vec![], vec![sql("Q", assertion)])),
        &mut world,
    );
    objection(judgement.unwrap())
}

/// The objection to the nodes that the path finds in this body of a probe.
fn of_probe(jsonpath: &str, assertion: Assertion, body: Value) -> Option<String> {
    let mut world = Fake::default()
        .with_probe("/orders", answer(200, &body.to_string()))
        .with_rows("REFERENCE", &["id"], json!([[1], [2]]))
        .with_rows("PAIRS", &["id", "paid"], json!([[1, 0], [2, 1]]));
    let model = model(vec![], vec![probe(jsonpath, assertion)]);
    objection(begin(&mut oracles(&model), &mut world).unwrap())
}

fn objection(judgement: Judgement) -> Option<String> {
    assert_eq!(judgement.findings.len(), judgement.broken.len());
    judgement
        .findings
        .into_iter()
        .next()
        .map(|finding| finding.message)
}

fn one(value: Value) -> Value {
    json!([[value]])
}

#[track_caller]
fn holds(verdict: Option<String>) {
    assert_eq!(verdict, None);
}

#[track_caller]
fn fails(verdict: Option<String>, message: &str) {
    assert_eq!(verdict.as_deref(), Some(message));
}

#[test]
fn empty_holds_when_no_row_comes_back() {
    holds(of_rows(Assertion::Empty, &["id"], json!([])));
    fails(
        of_rows(Assertion::Empty, &["id"], json!([[1], [2]])),
        "`rule` expects no row, but the query returned 2 rows",
    );
    holds(of_probe("$[*]", Assertion::Empty, json!([])));
    fails(
        of_probe("$[*]", Assertion::Empty, json!([7])),
        "`rule` expects no value, but there is `7`",
    );
}

#[test]
fn an_expectation_that_asks_for_nothing_asks_for_no_row() {
    let mut rule = sql("Q", Assertion::Empty);
    rule.expectation.assertions.clear();
    let mut world = Fake::default().with_rows("Q", &["id"], one(json!(1)));
    let judgement = begin(&mut oracles(&model(vec![], vec![rule])), &mut world).unwrap();
    assert_eq!(names(&judgement.findings), ["rule"]);
}

#[test]
fn not_empty_holds_when_something_was_found() {
    holds(of_rows(Assertion::NotEmpty, &["id"], one(json!(null))));
    fails(
        of_rows(Assertion::NotEmpty, &["id"], json!([])),
        "`rule` expects at least one row, but the query returned no row",
    );
    fails(
        of_probe("$[*]", Assertion::NotEmpty, json!([])),
        "`rule` expects at least one value, but nothing was found",
    );
}

#[test]
fn count_counts_rows_and_nodes() {
    holds(of_rows(Assertion::Count(2), &["id"], json!([[1], [1]])));
    holds(of_rows(Assertion::Count(0), &["id"], json!([])));
    fails(
        of_rows(Assertion::Count(1), &["id"], json!([[1], [1]])),
        "`rule` expects exactly 1 row, but the query returned 2 rows",
    );
    fails(
        of_probe("$[*]", Assertion::Count(3), json!([5, 6])),
        "`rule` expects exactly 3 values, but there are 2 values, the first is `5`",
    );
}

#[test]
fn equals_compares_the_only_value_or_the_list() {
    holds(of_rows(
        Assertion::Equals(json!(1)),
        &["n"],
        one(json!(1.0)),
    ));
    holds(of_rows(
        Assertion::Equals(json!([1, 2])),
        &["n"],
        json!([[1], [2]]),
    ));
    holds(of_rows(
        Assertion::Equals(json!([1, "a"])),
        &["n", "s"],
        json!([[1, "a"]]),
    ));
    holds(of_rows(Assertion::Equals(json!([])), &["n"], json!([])));
    fails(
        of_rows(Assertion::Equals(json!(1)), &["n"], json!([[1], [1]])),
        "`rule` expects `1`, but it is `[1,1]`",
    );
    fails(
        of_rows(Assertion::Equals(json!("1")), &["n"], one(json!(1))),
        "`rule` expects `\"1\"`, but it is `1`",
    );
    fails(
        of_rows(Assertion::Equals(json!(null)), &["n"], json!([])),
        "`rule` expects `null`, but the query returned no row",
    );
    holds(of_probe(
        "$.a",
        Assertion::Equals(json!({"y": [1.0], "x": 2})),
        json!({"a": {"x": 2, "y": [1]}}),
    ));
    fails(
        of_probe("$.a", Assertion::Equals(json!(2)), json!({})),
        "`rule` expects `2`, but nothing was found",
    );
}

#[test]
fn integers_beyond_the_precision_of_floats_are_told_apart() {
    let big = 9_007_199_254_740_993_i64;
    fails(
        of_rows(Assertion::Equals(json!(big)), &["n"], one(json!(big - 1))),
        "`rule` expects `9007199254740993`, but it is `9007199254740992`",
    );
    holds(of_rows(
        Assertion::AtMost(json!(u64::MAX)),
        &["n"],
        one(json!(u64::MAX)),
    ));
    assert!(
        of_rows(
            Assertion::AtMost(json!(u64::MAX - 1)),
            &["n"],
            one(json!(u64::MAX))
        )
        .is_some()
    );
}

#[test]
fn zero_and_one_are_booleans_in_a_database_but_not_in_json() {
    holds(of_rows(
        Assertion::Equals(json!(true)),
        &["paid"],
        one(json!(1)),
    ));
    holds(of_rows(
        Assertion::Equals(json!(false)),
        &["paid"],
        one(json!(0)),
    ));
    assert!(of_rows(Assertion::Equals(json!(true)), &["paid"], one(json!(2))).is_some());
    assert!(of_probe("$.paid", Assertion::Equals(json!(true)), json!({"paid": 1})).is_some());
    let pairs = Assertion::EqualsSql(query("PAIRS"));
    holds(of_probe("$[*]", pairs, json!([[1, false], [2, true]])));
}

#[test]
fn not_equals_is_the_contrary() {
    holds(of_rows(
        Assertion::NotEquals(json!(1)),
        &["n"],
        one(json!(2)),
    ));
    fails(
        of_rows(Assertion::NotEquals(json!(1)), &["n"], one(json!(1))),
        "`rule` expects anything but `1`, but it is `1`",
    );
    holds(of_probe(
        "$.state",
        Assertion::NotEquals(json!("gone")),
        json!({}),
    ));
}

#[test]
fn bounds_are_kept_by_every_value() {
    holds(of_rows(
        Assertion::AtLeast(json!(1)),
        &["n"],
        json!([[1], [1.5], [9]]),
    ));
    holds(of_rows(
        Assertion::AtMost(json!(9.0)),
        &["n"],
        json!([[1], [9]]),
    ));
    holds(of_rows(Assertion::AtMost(json!(9)), &["n"], json!([])));
    fails(
        of_rows(Assertion::AtLeast(json!(1)), &["n"], json!([[1], [0]])),
        "`rule` expects at least `1`, but row 2, `0`, is less",
    );
    fails(
        of_rows(Assertion::AtMost(json!(2)), &["n"], one(json!(2.5))),
        "`rule` expects at most `2`, but `2.5` is more",
    );
    holds(of_rows(
        Assertion::AtLeast(json!("2026-01-01")),
        &["d"],
        one(json!("2026-02-01")),
    ));
    fails(
        of_probe("$.n", Assertion::AtMost(json!(2)), json!({})),
        "`rule` expects at most `2`, but nothing was found",
    );
}

#[test]
fn values_that_cannot_be_compared_are_a_violation_that_says_so() {
    fails(
        of_rows(Assertion::AtMost(json!(2)), &["n"], one(json!("many"))),
        "`rule` expects at most `2`, but `\"many\"` is text and cannot be compared with a number",
    );
    fails(
        of_rows(Assertion::AtLeast(json!(0)), &["n"], one(json!(null))),
        "`rule` expects at least `0`, but `null` cannot be compared with a number; where it is legal, use `coalesce` or leave it out",
    );
    fails(
        of_probe("$[*]", Assertion::AtLeast(json!("a")), json!(["b", [1]])),
        "`rule` expects at least `\"a\"`, but value 2, `[1]`, is a list and cannot be compared with text",
    );
}

#[test]
fn contains_looks_among_the_values_and_into_the_only_one() {
    holds(of_rows(
        Assertion::Contains(json!(2)),
        &["n"],
        json!([[1], [2]]),
    ));
    holds(of_rows(
        Assertion::Contains(json!("der")),
        &["s"],
        one(json!("order")),
    ));
    holds(of_probe(
        "$.tags",
        Assertion::Contains(json!("new")),
        json!({"tags": ["old", "new"]}),
    ));
    fails(
        of_rows(Assertion::Contains(json!(3)), &["n"], json!([[1], [2]])),
        "`rule` expects something that contains `3`, but it is `[1,2]`",
    );
    fails(
        of_rows(
            Assertion::Contains(json!("der")),
            &["s"],
            json!([["order"], ["x"]]),
        ),
        "`rule` expects something that contains `\"der\"`, but it is `[\"order\",\"x\"]`",
    );
    fails(
        of_rows(Assertion::Contains(json!("1")), &["n"], one(json!(12))),
        "`rule` expects something that contains `\"1\"`, but it is `12`",
    );
}

#[test]
fn matches_asks_every_value_for_text_that_matches() {
    let pattern = || Assertion::Matches(regex::Regex::new("^[a-z]+$").unwrap());
    holds(of_rows(pattern(), &["s"], json!([["a"], ["bc"]])));
    fails(
        of_rows(pattern(), &["s"], json!([["a"], ["B"]])),
        "`rule` expects text that matches `^[a-z]+$`, but row 2, `\"B\"`, does not match",
    );
    fails(
        of_rows(pattern(), &["s"], one(json!(3))),
        "`rule` expects text that matches `^[a-z]+$`, but `3` is a number, not text",
    );
}

#[test]
fn equals_sql_compares_with_the_rows_of_a_query_in_order() {
    let ids = || Assertion::EqualsSql(query("REFERENCE"));
    holds(of_probe("$[*].id", ids(), json!([{"id": 1}, {"id": 2.0}])));
    holds(of_probe("$.ids", ids(), json!({"ids": [1, 2]})));
    holds(of_rows(ids(), &["id"], json!([[1], [2]])));
    fails(
        of_probe("$[*].id", ids(), json!([{"id": 2}, {"id": 1}])),
        "`rule` expects what `REFERENCE` returns, `[1,2]`, but it is `[2,1]`; item 1 is `2`, not `1`",
    );
    fails(
        of_probe("$.ids", ids(), json!({"ids": [1]})),
        "`rule` expects what `REFERENCE` returns, `[1,2]`, but it is `[1]`, 1 item instead of 2",
    );
    let pairs = || Assertion::EqualsSql(query("PAIRS"));
    holds(of_rows(pairs(), &["id", "paid"], json!([[1, 0], [2, 1]])));
    assert!(of_rows(pairs(), &["id", "paid"], json!([[1, 1], [2, 1]])).is_some());
}

#[test]
fn equals_sql_holds_where_the_query_cannot_run() {
    let mut world = Fake::default().with_probe("/orders", answer(200, "[1]"));
    world.rows.insert("Q".to_owned(), Ok(None));
    let rule = probe("$[*]", Assertion::EqualsSql(query("Q")));
    let judgement = begin(&mut oracles(&model(vec![], vec![rule])), &mut world).unwrap();
    assert!(judgement.broken.is_empty());
}

#[test]
fn the_first_assertion_that_does_not_hold_is_reported() {
    let mut rule = sql("Q", Assertion::NotEmpty);
    rule.expectation
        .assertions
        .extend([Assertion::AtLeast(json!(0)), Assertion::AtMost(json!(3))]);
    let model = model(vec![], vec![rule]);
    let verdict = |rows| {
        let mut world = Fake::default().with_rows("Q", &["n"], rows);
        objection(begin(&mut oracles(&model), &mut world).unwrap())
    };
    holds(verdict(json!([[0], [3]])));
    fails(
        verdict(json!([[4], [-1]])),
        "`rule` expects at least `0`, but row 2, `-1`, is less",
    );
    fails(
        verdict(json!([[4]])),
        "`rule` expects at most `3`, but `4` is more",
    );
}
