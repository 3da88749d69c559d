//! Every assertion, where it holds and where it does not.

use super::*;
use serde_json::json;

/// Judges a table of cases, one a line: the rows of a query, or a JSONPath and the body that it looks into; the assertion; the
/// objection, which is left out where the assertion holds, and `*` where its text is the matter of another case.
#[track_caller]
fn judge(table: &str) {
    for case in table.trim().lines().map(str::trim) {
        let mut parts = case.split(" | ").map(str::trim);
        let (subject, assertion) = (parts.next().unwrap(), parts.next().unwrap());
        let found = match subject.split_once(' ') {
            Some((path, body)) if path.starts_with('$') => of_probe(path, assertion, body),
            _ => of_rows(subject, assertion),
        };
        match parts.next() {
            Some("*") => assert!(found.is_some(), "{case}"),
            expected => assert_eq!(found.as_deref(), expected, "{case}"),
        }
    }
}

/// An assertion as a spec has it: `equals 1`.
fn parsed(text: &str) -> Assertion {
    let (name, rest) = text.split_once(' ').unwrap_or((text, "null"));
    let value = || serde_json::from_str(rest).unwrap();
    match name {
        "equals" => Assertion::Equals(value()),
        "not_equals" => Assertion::NotEquals(value()),
        "at_least" => Assertion::AtLeast(value()),
        "at_most" => Assertion::AtMost(value()),
        "contains" => Assertion::Contains(value()),
        "count" => {
            let count = rest.parse().unwrap();
            Assertion::Count(count..=count)
        }
        "matches" => Assertion::Matches(regex::Regex::new(rest).unwrap()),
        "equals_sql" => Assertion::EqualsSql(query(rest)),
        "empty" => Assertion::Empty,
        "not_empty" => Assertion::NotEmpty,
        _ => panic!("no assertion is called `{name}`"),
    }
}

fn world() -> Fake {
    Fake::default()
        .with_rows("REFERENCE", &["id"], json!([[1], [2]]))
        .with_rows("R ORDER BY 1", &["id"], json!([[1], [2]]))
        .with_rows("PAIRS", &["id", "paid"], json!([[1, 0], [2, 1]]))
}

/// The objection to these rows; `None` where the assertion holds.
fn of_rows(rows: &str, assertion: &str) -> Option<String> {
    let rows: Value = serde_json::from_str(rows).unwrap();
    let columns = ["one", "two"];
    let width = rows[0].as_array().map_or(1, Vec::len);
    let mut world = world().with_rows("Q", &columns[..width], rows);
    let model = model(vec![], vec![sql("Q", parsed(assertion))]);
    objection(begin(&mut oracles(&model), &mut world).unwrap())
}

/// The objection to the nodes that the path finds in this body of a probe.
fn of_probe(jsonpath: &str, assertion: &str, body: &str) -> Option<String> {
    let mut world = world().with_probe("/orders", answer(200, body));
    let model = model(vec![], vec![probe(jsonpath, parsed(assertion))]);
    objection(begin(&mut oracles(&model), &mut world).unwrap())
}

fn objection(judgement: Judgement) -> Option<String> {
    assert_eq!(judgement.findings.len(), judgement.broken.len());
    let mut findings = judgement.findings.into_iter();
    findings.next().map(|finding| finding.message)
}

#[test]
fn empty_holds_when_no_row_comes_back() {
    judge(
        "
        []         | empty
        [[1], [2]] | empty | `rule` expects no row, but the query returned 2 rows
        $[*] []    | empty
        $[*] [7]   | empty | `rule` expects no value, but there is `7`",
    );
}

#[test]
fn an_expectation_that_asks_for_nothing_asks_for_no_row() {
    let mut rule = sql("Q", Assertion::Empty);
    rule.expectation.assertions.clear();
    let mut world = Fake::default().with_rows("Q", &["id"], json!([[1]]));
    let judgement = begin(&mut oracles(&model(vec![], vec![rule])), &mut world).unwrap();
    assert_eq!(names(&judgement.findings), ["rule"]);
}

#[test]
fn not_empty_holds_when_something_was_found() {
    judge(
        "
        [[null]] | not_empty
        []       | not_empty | `rule` expects at least one row, but the query returned no row
        $[*] []  | not_empty | `rule` expects at least one value, but nothing was found",
    );
}

#[test]
fn count_counts_rows_and_nodes() {
    judge(
        "
        [[1], [1]]  | count 2
        []          | count 0
        [[1], [1]]  | count 1 | `rule` expects exactly 1 row, but the query returned 2 rows
        $[*] [5, 6] | count 3 | `rule` expects exactly 3 values, but there are 2 values, the first is `5`",
    );
}

#[test]
fn equals_compares_the_only_value_or_the_list() {
    judge(
        r#"
        [[1.0]]    | equals 1
        [[1], [2]] | equals [1, 2]
        [[1, "a"]] | equals [1, "a"]
        []         | equals []
        [[1], [1]] | equals 1    | `rule` expects `1`, but it is `[1,1]`
        [[1]]      | equals "1"  | `rule` expects `"1"`, but it is `1`
        []         | equals null | `rule` expects `null`, but the query returned no row
        $.a {"a": {"x": 2, "y": [1]}} | equals {"y": [1.0], "x": 2}
        $.a {}     | equals 2    | `rule` expects `2`, but nothing was found"#,
    );
}

#[test]
fn integers_beyond_the_precision_of_floats_are_told_apart() {
    judge(
        "
        [[9007199254740992]]     | equals 9007199254740993 | `rule` expects `9007199254740993`, but it is `9007199254740992`
        [[18446744073709551615]] | at_most 18446744073709551615
        [[18446744073709551615]] | at_most 18446744073709551614 | *",
    );
}

#[test]
fn zero_and_one_are_booleans_in_a_database_but_not_in_json() {
    judge(
        r#"
        [[1]] | equals true
        [[0]] | equals false
        [[2]] | equals true | *
        $.paid {"paid": 1} | equals true | *
        $[*] [[1, false], [2, true]] | equals_sql PAIRS"#,
    );
}

#[test]
fn not_equals_is_the_contrary() {
    judge(
        r#"
        [[2]] | not_equals 1
        [[1]] | not_equals 1 | `rule` expects anything but `1`, but it is `1`
        $.state {} | not_equals "gone""#,
    );
}

#[test]
fn bounds_are_kept_by_every_value() {
    judge(
        r#"
        [[1], [1.5], [9]] | at_least 1
        [[1], [9]]        | at_most 9.0
        []                | at_most 9
        [[1], [0]]        | at_least 1 | `rule` expects at least `1`, but row 2, `0`, is less
        [[2.5]]           | at_most 2  | `rule` expects at most `2`, but `2.5` is more
        [["2026-02-01"]]  | at_least "2026-01-01"
        $.n {}            | at_most 2  | `rule` expects at most `2`, but nothing was found"#,
    );
}

#[test]
fn values_that_cannot_be_compared_are_a_violation_that_says_so() {
    judge(
        r#"
        [["many"]] | at_most 2 | `rule` expects at most `2`, but `"many"` is text and cannot be compared with a number
        [[null]] | at_least 0 | `rule` expects at least `0`, but `null` cannot be compared with a number; where it is legal, use `coalesce` in the query
        $.n {"n": null} | at_least 0 | `rule` expects at least `0`, but `null` cannot be compared with a number; where it is legal, leave it out with a filter of the JSONPath: `[?@.name != null].name`
        $[*] ["b", [1]] | at_least "a" | `rule` expects at least `"a"`, but value 2, `[1]`, is a list and cannot be compared with text"#,
    );
}

#[test]
fn contains_looks_among_the_values_and_into_the_only_one() {
    judge(
        r#"
        [[1], [2]]  | contains 2
        [["order"]] | contains "der"
        $.tags {"tags": ["old", "new"]} | contains "new"
        [[1], [2]]  | contains 3   | `rule` expects something that contains `3`, but it is `[1,2]`
        [["order"], ["x"]] | contains "der" | `rule` expects something that contains `"der"`, but it is `["order","x"]`
        [[12]]      | contains "1" | `rule` expects something that contains `"1"`, but it is `12`"#,
    );
}

#[test]
fn matches_asks_every_value_for_text_that_matches() {
    judge(
        r#"
        [["a"], ["bc"]] | matches ^[a-z]+$
        [["a"], ["B"]]  | matches ^[a-z]+$ | `rule` expects text that matches `^[a-z]+$`, but row 2, `"B"`, does not match
        [[3]]           | matches ^[a-z]+$ | `rule` expects text that matches `^[a-z]+$`, but `3` is a number, not text"#,
    );
}

#[test]
fn equals_sql_compares_with_the_rows_of_a_query_in_order_where_it_has_one() {
    judge(
        r#"
        $[*].id [{"id": 1}, {"id": 2.0}] | equals_sql REFERENCE
        $.ids {"ids": [1, 2]} | equals_sql REFERENCE
        [[1], [2]] | equals_sql REFERENCE
        $[*].id [{"id": 2.0}, {"id": 1}] | equals_sql REFERENCE
        [[2], [1]] | equals_sql REFERENCE
        $.ids {"ids": [2, 1]} | equals_sql R ORDER BY 1 | `rule` expects what `R ORDER BY 1` returns, `[1,2]`, but it is `[2,1]`; the same values in another order: item 1 is `2`, not `1`
        $.ids {"ids": [1, 3]} | equals_sql R ORDER BY 1 | `rule` expects what `R ORDER BY 1` returns, `[1,2]`, but it is `[1,3]`; item 2 is `3`, not `2`
        $.ids {"ids": [1, 2]} | equals_sql R ORDER BY 1
        $.ids {"ids": ["1", "2.00"]} | equals_sql R ORDER BY 1
        $.ids {"ids": ["1", "02"]} | equals_sql R ORDER BY 1 | *
        $.ids {"ids": [3, 1]} | equals_sql REFERENCE | `rule` expects what `REFERENCE` returns in any order, `[1,2]`, but it is `[3,1]`; `3` has no row of its own, `2` is missing
        $.ids {"ids": [1, 1]} | equals_sql REFERENCE | `rule` expects what `REFERENCE` returns in any order, `[1,2]`, but it is `[1,1]`; `1` has no row of its own, `2` is missing
        $.ids {"ids": [1]} | equals_sql REFERENCE | `rule` expects what `REFERENCE` returns in any order, `[1,2]`, but it is `[1]`, 1 item instead of 2
        [[2, true], [1, 0]] | equals_sql PAIRS
        [[1, 0], [2, 1]] | equals_sql PAIRS
        [[1, 1], [2, 1]] | equals_sql PAIRS | *"#,
    );
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
    for (rows, expected) in [
        (json!([[0], [3]]), None),
        (
            json!([[4], [-1]]),
            Some("`rule` expects at least `0`, but row 2, `-1`, is less"),
        ),
        (
            json!([[4]]),
            Some("`rule` expects at most `3`, but `4` is more"),
        ),
    ] {
        let mut world = Fake::default().with_rows("Q", &["n"], rows);
        let judgement = begin(&mut oracles(&model), &mut world).unwrap();
        assert_eq!(objection(judgement).as_deref(), expected);
    }
}
