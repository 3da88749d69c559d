use super::super::fixture;
use super::*;

fn written(runs: &[RunReport]) -> String {
    fixture::written(Junit::new, runs)
}

/// Class, name and verdict of every case.
fn verdicts(xml: &str) -> Vec<(String, String, String)> {
    let document = roxmltree::Document::parse(xml).unwrap();
    document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
        .map(|case| {
            let verdict = case
                .first_element_child()
                .map_or("", |it| it.tag_name().name());
            let attribute = |name| case.attribute(name).unwrap().to_owned();
            (
                attribute("classname"),
                attribute("name"),
                verdict.to_owned(),
            )
        })
        .collect()
}

fn verdicts_of(wanted: &str) -> Vec<String> {
    let (_, run) = fixture::every_kind()
        .into_iter()
        .find(|(name, _)| *name == wanted)
        .unwrap();
    let cases = verdicts(&written(&[run]));
    cases.into_iter().map(|(_, _, verdict)| verdict).collect()
}

#[test]
fn a_violation_fails_its_invariant_and_what_held_passes() {
    let xml = written(&[fixture::found()]);
    let case = |class: &str, name: &str, verdict: &str| {
        (class.to_owned(), name.to_owned(), verdict.to_owned())
    };
    assert_eq!(
        verdicts(&xml),
        [
            case("shop", "run", ""),
            case("shop.invariants", "no_over_refund", "failure"),
            case("shop.invariants", "no_negative_total", ""),
            case("shop.actions", "create_order", ""),
            case("shop.actions", "refund_order(n=100)", ""),
        ]
    );
    let document = roxmltree::Document::parse(&xml).unwrap();
    let failure = document
        .descendants()
        .find(|node| node.has_tag_name("failure"))
        .unwrap();
    assert_eq!(failure.attribute("type"), Some("critical no_over_refund"));
    let text = failure.text().unwrap();
    for part in [
        "3. refund_order(n=100)",
        "POST /orders/1/refund",
        r#"{"amount": 100}"#,
        "-> 200",
        r"~ orders[1]  refunded 100 -> 200",
        "expected no row, found 1 row",
        "repeat: venomqa explore",
    ] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
}

#[test]
fn every_violation_has_a_case_of_its_own_also_that_of_the_initial_state() {
    let mut run = fixture::found();
    let check = |cause: &str, action: Option<&str>| {
        let mut found = fixture::refunded_twice();
        found.oracle = OracleKind::Check;
        found.name = cause.split('/').next().unwrap().to_owned();
        found.cause = format!("check/{cause}");
        found.action = action.map(str::to_owned);
        found
    };
    run.summary.violations.extend([
        check("server-error/500/refund_order", Some("refund_order(n=100)")),
        check("server-error/500/create_order", Some("create_order")),
        check("probe-wrote/rows", None),
    ]);
    run.summary.violations[3].path.clear();
    let cases = verdicts(&written(&[run]));
    let failed: Vec<_> = cases
        .iter()
        .filter(|(.., verdict)| verdict == "failure")
        .map(|(class, name, _)| format!("{class} {name}"))
        .collect();
    assert_eq!(
        failed,
        [
            "shop.invariants no_over_refund",
            "shop.checks server-error/500/refund_order",
            "shop.checks server-error/500/create_order",
            "shop.checks probe-wrote/rows",
        ]
    );
}

#[test]
fn what_is_known_or_could_not_be_confirmed_fails_nothing() {
    let mut run = fixture::found();
    run.summary.violations[0].known = true;
    let mut doubtful = fixture::refunded_twice();
    doubtful.confirmation = crate::event::Confirmation::tried(0, 3, Some("no".to_owned()));
    run.summary.violations.push(doubtful);
    let cases = verdicts(&written(&[run]));
    assert!(
        cases.iter().all(|(.., verdict)| verdict != "failure"),
        "{cases:?}"
    );
}

#[test]
fn every_kind_of_run_has_its_verdicts() {
    assert_eq!(verdicts_of("clean"), ["", "", ""]);
    assert_eq!(verdicts_of("incomplete"), ["skipped", "", "skipped"]);
    assert_eq!(verdicts_of("failed"), ["error", "skipped", "skipped"]);
    assert_eq!(verdicts_of("untrusted"), ["error", "skipped", "skipped"]);
    assert_eq!(verdicts_of("interrupted")[..2], ["error", "failure"]);
    assert_eq!(verdicts_of("killed")[..3], ["error", "failure", "skipped"]);
}

#[test]
fn the_counts_are_those_of_the_cases() {
    let runs: Vec<RunReport> = fixture::every_kind()
        .into_iter()
        .map(|(_, run)| run)
        .collect();
    let xml = written(&runs);
    let document = roxmltree::Document::parse(&xml).unwrap();
    let number = |node: roxmltree::Node<'_, '_>, name: &str| -> usize {
        node.attribute(name).unwrap().parse().unwrap()
    };
    let tags = |node: roxmltree::Node<'_, '_>, name: &str| {
        node.descendants()
            .filter(|child| child.has_tag_name(name))
            .count()
    };
    let root = document.root_element();
    let suites: Vec<_> = root
        .children()
        .filter(roxmltree::Node::is_element)
        .collect();
    assert_eq!(suites.len(), runs.len());
    for (node, skipped) in suites
        .iter()
        .map(|suite| (*suite, true))
        .chain([(root, false)])
    {
        assert_eq!(number(node, "tests"), tags(node, "testcase"));
        assert_eq!(number(node, "failures"), tags(node, "failure"));
        assert_eq!(number(node, "errors"), tags(node, "error"));
        if skipped {
            assert_eq!(number(node, "skipped"), tags(node, "skipped"));
        }
    }
}

#[test]
fn no_content_breaks_out_of_its_place() {
    let (_, hostile) = fixture::every_kind().pop().unwrap();
    let xml = written(&[hostile]);
    let document = roxmltree::Document::parse(&xml).unwrap();
    assert!(
        !document
            .descendants()
            .any(|node| node.has_tag_name("script"))
    );
    let failure = document
        .descendants()
        .find(|node| node.has_tag_name("failure"))
        .unwrap();
    assert!(
        failure
            .text()
            .unwrap()
            .contains("<script>alert('x')</script> ]]> &")
    );
    assert!(!xml.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{fffe}'));
}

/// What Jenkins' schema for these files allows: the elements in an element, in their order, and its attributes with those that must be
/// there in front of the bar.
const SCHEMA: [(&str, &[&str], &str); 8] = [
    (
        "testsuites",
        &["testsuite"],
        "| name time tests failures disabled errors",
    ),
    (
        "testsuite",
        &["properties", "testcase", "system-out", "system-err"],
        "name tests | failures errors time disabled skipped timestamp hostname id package group file log url version",
    ),
    ("properties", &["property"], "|"),
    ("property", &[], "name value |"),
    (
        "testcase",
        &["skipped", "error", "failure", "system-out", "system-err"],
        "name classname | assertions time status class file line",
    ),
    ("skipped", &[], "| type message"),
    ("error", &[], "| type message"),
    ("failure", &[], "| type message"),
];

#[test]
fn every_kind_of_run_is_written_as_the_usual_schema_has_it() {
    for (_, run) in fixture::every_kind() {
        let xml = written(&[run]);
        let document = roxmltree::Document::parse(&xml).unwrap();
        assert!(document.root_element().has_tag_name("testsuites"));
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            let name = node.tag_name().name();
            let rule = SCHEMA.iter().find(|(element, ..)| *element == name);
            let (_, inside, attributes) = rule.unwrap_or_else(|| panic!("<{name}>"));
            let (required, optional) = attributes.split_once('|').unwrap();
            let mut required = required.split_whitespace();
            assert!(required.all(|it| node.has_attribute(it)), "<{name}>");
            for attribute in node.attributes() {
                let mut allowed = attributes.split_whitespace();
                let is_allowed = allowed.any(|it| it == attribute.name());
                assert!(is_allowed, "{} in <{name}>: {optional}", attribute.name());
            }
            let children = node.children().filter(roxmltree::Node::is_element);
            let places: Vec<_> = children
                .map(|child| {
                    let child = child.tag_name().name();
                    let place = inside.iter().position(|it| *it == child);
                    place.unwrap_or_else(|| panic!("<{child}> in <{name}>"))
                })
                .collect();
            assert!(places.is_sorted(), "<{name}>: {places:?}");
        }
    }
}
