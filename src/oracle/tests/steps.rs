//! Response oracles: the checks on answers, `expect` of actions, invariants on answers.

use super::*;
use crate::model::{ExpectedResponse, StatusPattern};
use serde_json::json;

/// An action that expects this of its answer.
fn expects(status: &[u16], body: Vec<(&str, Assertion)>) -> Action {
    let mut action = Action::named("pay");
    action.expect = ExpectedResponse {
        status: status.iter().copied().map(StatusPattern::Code).collect(),
        body: body
            .into_iter()
            .map(|(source, assertion)| (Some(path(source)), expecting(assertion)))
            .collect(),
        ..ExpectedResponse::default()
    };
    action
}

/// What is found when the action gets this answer.
fn findings(
    action: Action,
    record: StepRecord,
    checks: &[(&str, Option<Severity>)],
) -> Vec<Finding> {
    let settings = checks
        .iter()
        .map(|(name, severity)| ((*name).to_owned(), *severity))
        .collect();
    let mut oracles = Oracles::new(model(vec![action], vec![]), &settings);
    let mut world = Fake::default().with_rows("Q", &["id"], json!([[7]]));
    step(&mut oracles, &mut world, &arrival(Some(record)), &[]).findings
}

fn found(action: Action, record: StepRecord) -> Vec<String> {
    findings(action, record, &[])
        .into_iter()
        .map(|finding| format!("{}: {}", finding.name, finding.message))
        .collect()
}

#[test]
fn a_500_is_one_finding_whatever_the_action_expects() {
    let server_error = "server-error: `pay` was answered with 500";
    assert_eq!(found(expects(&[], vec![]), answer(500, "")), [server_error]);
    let body = vec![("$.id", Assertion::NotEmpty)];
    assert_eq!(
        found(expects(&[201], body), answer(500, "oops")),
        [server_error]
    );
    let finding = &findings(expects(&[201], vec![]), answer(500, "oops"), &[])[0];
    assert_eq!(finding.severity, Severity::Critical);
    assert_eq!(actual(finding), "500: oops");
}

#[test]
fn a_5xx_that_is_listed_is_legal() {
    assert!(found(expects(&[201, 503], vec![]), answer(503, "")).is_empty());
    let mut action = expects(&[], vec![]);
    action.expect.status = vec![StatusPattern::Class(5)];
    assert!(found(action.clone(), answer(500, "")).is_empty());
    assert_eq!(
        found(action, answer(200, "")),
        ["unexpected-status: `pay` was answered with 200 instead of 5xx"]
    );
}

#[test]
fn a_status_that_is_not_listed_is_unexpected() {
    assert!(found(expects(&[200, 409], vec![]), answer(409, "")).is_empty());
    assert!(found(expects(&[], vec![]), answer(404, "")).is_empty());
    assert_eq!(
        found(expects(&[200, 409], vec![]), answer(404, r#"{"error":1}"#)),
        ["unexpected-status: `pay` was answered with 404 instead of 200 or 409"]
    );
}

#[test]
fn checks_can_be_turned_off_or_take_another_severity() {
    let off: &[(&str, Option<Severity>)] = &[("server-error", None)];
    assert!(findings(expects(&[], vec![]), answer(500, ""), off).is_empty());
    let listed = findings(expects(&[201], vec![]), answer(500, ""), off);
    assert_eq!(names(&listed), ["unexpected-status"]);
    let low: &[(&str, Option<Severity>)] = &[("server-error", Some(Severity::Low))];
    let finding = &findings(expects(&[], vec![]), answer(500, ""), low)[0];
    assert_eq!(finding.severity, Severity::Low);
}

/// The answer of a step that inserted a row.
fn wrote(status: u16, observed: bool) -> StepRecord {
    let mut orders = Arc::into_inner(table(0, "orders")).unwrap();
    orders.observed = observed;
    StepRecord {
        rows: RowDelta::new(vec![inserted(&Arc::new(orders))]),
        ..answer(status, "")
    }
}

#[test]
fn a_safe_method_that_wrote_is_a_finding_where_the_check_is_on() {
    let on: &[(&str, Option<Severity>)] = &[("safe-method-wrote", Some(Severity::High))];
    let ask = |action, record| findings(action, record, on);
    let found = ask(Action::named("list"), wrote(200, true));
    assert_eq!(names(&found), ["safe-method-wrote"]);
    assert_eq!(
        found[0].message,
        "`list` is a GET, which must not change anything, but it changed 1 row"
    );
    assert_eq!(found[0].severity, Severity::High);
    assert!(ask(Action::named("list"), answer(200, "")).is_empty());
    assert!(ask(Action::named("list"), wrote(200, false)).is_empty());
    let mut post = Action::named("pay");
    post.request.method = "POST".to_owned();
    assert!(ask(post, wrote(200, true)).is_empty());
    assert!(findings(Action::named("list"), wrote(200, true), &[]).is_empty());
}

#[test]
fn a_refusal_that_wrote_is_a_finding_where_the_check_is_on() {
    let on: &[(&str, Option<Severity>)] = &[("rejected-but-wrote", Some(Severity::Medium))];
    let ask = |record| findings(Action::named("pay"), record, on);
    let found = ask(wrote(409, true));
    assert_eq!(
        found[0].message,
        "`pay` was refused with 409, but it changed 1 row"
    );
    assert_eq!(actual(&found[0]), "orders[1]");
    assert!(ask(wrote(201, true)).is_empty());
    assert!(ask(answer(409, "")).is_empty());
    assert!(ask(wrote(409, false)).is_empty());
    assert!(findings(Action::named("pay"), wrote(409, true), &[]).is_empty());
}

#[test]
fn the_body_of_a_legal_answer_must_be_as_expected() {
    let action = || {
        expects(
            &[201],
            vec![
                ("$.id", Assertion::Equals(json!(7))),
                ("$.lines[*].n", Assertion::AtLeast(json!(1))),
            ],
        )
    };
    assert!(found(action(), answer(201, r#"{"id":7,"lines":[]}"#)).is_empty());
    assert_eq!(
        found(action(), answer(201, r#"{"lines":[{"n":0}]}"#)),
        [
            "unexpected-body: `$.id` in the answer to `pay`: expected `7`, but nothing was found (and 1 more)"
        ]
    );
    assert_eq!(
        found(action(), answer(201, "")),
        ["unexpected-body: the answer to `pay` is not JSON"]
    );
    assert_eq!(
        names(&findings(action(), answer(400, "{}"), &[])),
        ["unexpected-status"]
    );
}

#[test]
fn an_extraction_that_found_nothing_is_a_violation() {
    let record = StepRecord {
        extract_failures: vec!["`$.id` found nothing for `order_id`".to_owned()],
        ..answer(201, r#"{"order":7}"#)
    };
    let all = findings(expects(&[201], vec![]), record, &[]);
    assert_eq!(names(&all), ["extract-failed"]);
    assert_eq!(
        all[0].message,
        "the answer to `pay` lacks what should be extracted from it: `$.id` found nothing for `order_id`"
    );
    assert_eq!(actual(&all[0]), r#"201: {"order":7}"#);
}

#[test]
fn an_invariant_on_answers_judges_every_step_with_a_json_body() {
    let rule = |jsonpath: &str, assertion| {
        let jsonpath = path(jsonpath);
        invariant(Subject::Response { jsonpath }, assertion)
    };
    let mut oracles = oracles(&model(
        vec![Action::named("act")],
        vec![
            rule("$..[?@.total < 0]", Assertion::Empty),
            rule("$.currency", Assertion::Equals(json!("EUR"))),
        ],
    ));
    let mut world = Fake::default();
    let mut judge = |body: &str, new_state: bool| {
        let arrival = arrival(Some(answer(200, body)));
        now(oracles.judge(
            &mut world,
            Judged {
                action: Some(ActionId(0)),
                context_before: &Context::empty(1),
                arrival: &arrival,
                new_state,
                broken_before: &[],
                only: None,
            },
        ))
        .unwrap()
    };
    for new_state in [false, true] {
        let judgement = judge(r#"{"orders":[{"total":-5}]}"#, new_state);
        assert_eq!(judgement.findings.len(), 1);
        assert_eq!(
            judgement.findings[0].message,
            r#"`rule` expects no value, but there is `{"total":-5}`"#
        );
        assert!(judgement.broken.is_empty(), "an answer is no state");
    }
    assert!(judge(r#"{"currency":"EUR"}"#, true).findings.is_empty());
    assert!(judge("plain text", true).findings.is_empty());
    assert!(judge("", true).findings.is_empty());
    let other = judge(r#"{"currency":"USD"}"#, false);
    assert_eq!(actual(&other.findings[0]), r#"`"USD"`"#);
}
