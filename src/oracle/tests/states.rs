//! State oracles: when they are evaluated, and when their findings are new.

use super::*;
use crate::model::{InvariantId, SqlParameter, VariableId};
use serde_json::json;

const RULE: OracleId = OracleId::Invariant(InvariantId(0));
const ROWS: &str = "SELECT id FROM orders";

fn changed(table: &Arc<Table>) -> Arrival<()> {
    arrival(Some(StepRecord {
        rows: RowDelta::new(vec![inserted(table)]),
        ..answer(201, "")
    }))
}

fn one_rule() -> (Arc<Model>, Oracles) {
    let model = model(
        vec![Action::named("act")],
        vec![sql(ROWS, Assertion::Empty)],
    );
    let oracles = oracles(&model);
    (model, oracles)
}

#[test]
fn a_query_is_skipped_where_no_table_it_reads_was_touched() {
    let (orders, carts) = (table(1, "orders"), table(2, "carts"));
    let (_, mut oracles) = one_rule();
    let mut world = Fake::default()
        .with_rows(ROWS, &["id"], json!([]))
        .reading(ROWS, &[&orders]);

    begin(&mut oracles, &mut world).unwrap();
    assert_eq!(
        world.calls(),
        [format!("tables of {ROWS}"), ROWS.to_owned()]
    );

    let judgement = step(&mut oracles, &mut world, &changed(&carts), &[]);
    assert!(world.calls().is_empty());
    assert!(judgement.broken.is_empty());

    let inherited = step(&mut oracles, &mut world, &changed(&carts), &[RULE]);
    assert!(world.calls().is_empty());
    assert_eq!(
        (inherited.broken, inherited.findings.len()),
        (vec![RULE], 0)
    );

    step(&mut oracles, &mut world, &changed(&orders), &[]);
    assert_eq!(world.calls(), [ROWS], "the tables are looked up once");
    // The same table may come back as another value, for example after a reconnect.
    step(&mut oracles, &mut world, &changed(&table(1, "orders")), &[]);
    assert_eq!(world.calls(), [ROWS]);
}

#[test]
fn a_query_runs_where_its_tables_or_the_steps_rows_are_unknown() {
    let orders = table(1, "orders");
    let (_, mut oracles) = one_rule();
    let mut world = Fake::default().with_rows(ROWS, &["id"], json!([]));
    for _ in 0..2 {
        step(&mut oracles, &mut world, &changed(&orders), &[]);
    }
    assert_eq!(
        world.calls(),
        [
            format!("tables of {ROWS}"),
            ROWS.to_owned(),
            ROWS.to_owned()
        ]
    );

    let (_, mut oracles) = one_rule();
    let mut world = world.reading(ROWS, &[&table(9, "other")]);
    step(&mut oracles, &mut world, &arrival(None), &[]);
    assert_eq!(world.calls().last().unwrap(), ROWS);
}

#[test]
fn a_query_runs_where_a_bound_context_value_changed() {
    let orders = table(1, "orders");
    let mut rule = sql(ROWS, Assertion::Empty);
    if let Subject::Sql(query) = &mut rule.subject {
        query
            .parameters
            .push(("order_id".to_owned(), SqlParameter::Variable(VariableId(0))));
    }
    let model = model(vec![Action::named("act")], vec![rule]);
    let mut oracles = oracles(&model);
    let mut world = Fake::default()
        .with_rows(ROWS, &["id"], json!([]))
        .reading(ROWS, &[&orders]);
    let mut arrival = arrival(Some(answer(200, "")));
    step(&mut oracles, &mut world, &arrival, &[]);
    assert_eq!(world.calls(), [format!("tables of {ROWS}")]);
    arrival.context = arrival.context.with(VariableId(0), Some(json!(7)));
    step(&mut oracles, &mut world, &arrival, &[]);
    assert_eq!(world.calls(), [ROWS]);
}

#[test]
fn the_tables_of_a_query_to_compare_with_count_too() {
    let (orders, refunds) = (table(1, "orders"), table(2, "refunds"));
    let rule = sql(ROWS, Assertion::EqualsSql(query("R")));
    let model = model(vec![Action::named("act")], vec![rule]);
    let mut oracles = oracles(&model);
    let mut world = Fake::default()
        .with_rows(ROWS, &["id"], json!([]))
        .with_rows("R", &["id"], json!([]))
        .reading(ROWS, &[&orders])
        .reading("R", &[&refunds]);
    step(&mut oracles, &mut world, &changed(&refunds), &[]);
    let calls = world.calls();
    assert_eq!(calls[2..], [ROWS, "R"]);
}

#[test]
fn a_violation_is_reported_where_it_begins_and_not_again() {
    let orders = table(1, "orders");
    let (_, mut oracles) = one_rule();
    let mut world = Fake::default().with_rows(ROWS, &["id"], json!([[7]]));
    let first = step(&mut oracles, &mut world, &changed(&orders), &[]);
    assert_eq!(
        (names(&first.findings), &first.broken),
        (vec!["rule"], &vec![RULE])
    );
    let second = step(&mut oracles, &mut world, &changed(&orders), &first.broken);
    assert_eq!(
        (names(&second.findings), &second.broken),
        (vec![], &vec![RULE])
    );
    world = world.with_rows(ROWS, &["id"], json!([]));
    let healed = step(&mut oracles, &mut world, &changed(&orders), &second.broken);
    assert_eq!((names(&healed.findings), healed.broken), (vec![], vec![]));
}

#[test]
fn the_initial_state_is_judged_and_known_states_are_not() {
    let (_, mut oracles) = one_rule();
    let mut world = Fake::default().with_rows(ROWS, &["id"], json!([[7]]));
    let initial = begin(&mut oracles, &mut world).unwrap();
    assert_eq!(names(&initial.findings), ["rule"]);
    world.calls();

    let known = step_to_known(&mut oracles, &mut world, &table(1, "orders"));
    assert!(known.findings.is_empty() && known.broken.is_empty());
    assert!(world.calls().is_empty());
}

/// How a step to a known state is judged.
fn step_to_known(oracles: &mut Oracles, world: &mut Fake, table: &Arc<Table>) -> Judgement {
    let arrival = changed(table);
    now(oracles.judge(
        world,
        Judged {
            action: Some(ActionId(0)),
            context_before: &Context::empty(1),
            arrival: &arrival,
            new_state: false,
            broken_before: &[],
            only: None,
        },
    ))
    .unwrap()
}

#[test]
fn a_known_state_is_judged_again_where_the_step_wrote_unseen_rows() {
    let orders = || Arc::into_inner(table(1, "orders")).unwrap();
    let unobserved = Arc::new(Table {
        observed: false,
        ..orders()
    });
    let with_ignored_column = Arc::new(Table {
        ignored_columns: vec![true],
        ..orders()
    });
    for table in [unobserved, with_ignored_column] {
        let (_, mut oracles) = one_rule();
        let mut world = Fake::default()
            .with_rows(ROWS, &["id"], json!([]))
            .reading(ROWS, &[&table]);
        begin(&mut oracles, &mut world).unwrap();
        let healthy = step_to_known(&mut oracles, &mut world, &table);
        assert_eq!(
            (names(&healthy.findings), &healthy.evaluated),
            (vec![], &vec![RULE])
        );
        world = world.with_rows(ROWS, &["id"], json!([[7]]));
        let broken = step_to_known(&mut oracles, &mut world, &table);
        assert_eq!(names(&broken.findings), ["rule"]);
    }
}

#[test]
fn the_evidence_is_the_rows_and_the_message_is_the_users() {
    let mut rule = sql(ROWS, Assertion::Empty);
    rule.message = Some("nobody may order".to_owned());
    let rows: Vec<Value> = (0..30).map(|id| json!([id])).collect();
    let mut world = Fake::default().with_rows(ROWS, &["id"], rows.into());
    let judgement = begin(&mut oracles(&model(vec![], vec![rule])), &mut world).unwrap();
    let finding = &judgement.findings[0];
    assert_eq!(finding.message, "nobody may order");
    assert_eq!(finding.severity, Severity::High);
    let Evidence::Rows {
        columns,
        rows,
        total,
        expected,
    } = &finding.evidence
    else {
        panic!("{:?}", finding.evidence);
    };
    assert_eq!(
        (columns.as_slice(), rows.len(), *total),
        (["id".to_owned()].as_slice(), 20, 30)
    );
    assert_eq!(
        (rows[1].as_slice(), expected.as_str()),
        ([json!(1)].as_slice(), "no row")
    );
}

#[test]
fn a_query_without_its_values_does_not_apply() {
    let (_, mut oracles) = one_rule();
    let mut world = Fake::default();
    world.rows.insert(ROWS.to_owned(), Ok(None));
    let judgement = begin(&mut oracles, &mut world).unwrap();
    assert!(judgement.findings.is_empty() && judgement.broken.is_empty());
}

#[test]
fn a_query_that_fails_ends_the_run_and_names_the_invariant() {
    let (_, mut oracles) = one_rule();
    let mut world = Fake::default();
    world
        .rows
        .insert(ROWS.to_owned(), Err("no such table: orders".to_owned()));
    let error = begin(&mut oracles, &mut world).unwrap_err();
    assert_eq!(error.kind, WorldErrorKind::System);
    assert_eq!(
        error.message,
        "the SQL of invariant `rule` failed: no such table: orders"
    );
    assert_eq!(error.details, [format!("SQL: {ROWS}")]);
    assert!(error.help.is_some());
}

#[test]
fn a_probe_is_sent_unless_nothing_can_have_changed() {
    let model = model(
        vec![Action::named("act")],
        vec![probe("$[*]", Assertion::Empty)],
    );
    let mut oracles = oracles(&model);
    let mut world = Fake::default().with_probe("/orders", answer(200, "[1]"));

    let quiet = arrival(Some(answer(200, "")));
    let inherited = step(&mut oracles, &mut world, &quiet, &[RULE]);
    assert_eq!((world.calls().len(), inherited.broken), (0, vec![RULE]));

    let wrote = changed(&table(1, "orders"));
    let judgement = step(&mut oracles, &mut world, &wrote, &[]);
    assert_eq!(world.calls(), ["GET /orders"]);
    assert_eq!(names(&judgement.findings), ["rule"]);
    assert_eq!(actual(&judgement.findings[0]), "`1`");

    let mut bound = quiet.clone();
    bound.context = bound.context.with(VariableId(0), Some(json!(1)));
    step(&mut oracles, &mut world, &bound, &[]);
    assert_eq!(world.calls(), ["GET /orders"], "the context changed");

    let mut cookie = answer(200, "");
    cookie
        .response
        .headers
        .push(("Set-Cookie".to_owned(), "session=1".to_owned()));
    step(&mut oracles, &mut world, &arrival(Some(cookie)), &[]);
    assert_eq!(world.calls(), ["GET /orders"], "a cookie was set");
}

#[test]
fn a_probe_is_sent_after_an_unsafe_method_without_changed_rows() {
    let mut post = Action::named("post");
    post.request.method = "POST".to_owned();
    let mut oracles = oracles(&model(vec![post], vec![probe("$[*]", Assertion::Empty)]));
    let mut world = Fake::default().with_probe("/orders", answer(200, "[]"));
    step(
        &mut oracles,
        &mut world,
        &arrival(Some(answer(200, ""))),
        &[],
    );
    assert_eq!(
        world.calls(),
        ["GET /orders"],
        "a service without a database shows no rows"
    );
}

#[test]
fn a_probe_that_is_refused_or_no_json_is_a_violation() {
    let rule = || probe("$[?@.total < 0]", Assertion::Empty);
    for (record, expected) in [
        (
            answer(404, r#"{"error":"gone"}"#),
            r#"the answer was 404: {"error":"gone"}"#,
        ),
        (answer(500, ""), "the answer was 500 without a body"),
        (
            answer(200, "<html>\n <b>"),
            "the body is not JSON: 200: <html> <b>",
        ),
    ] {
        let mut world = Fake::default().with_probe("/orders", record);
        let judgement = begin(&mut oracles(&model(vec![], vec![rule()])), &mut world).unwrap();
        assert_eq!(actual(&judgement.findings[0]), expected);
    }
}

#[test]
fn a_probe_that_cannot_be_sent_yet_does_not_apply() {
    let mut world = Fake::default();
    world.probes.insert("/orders".to_owned(), None);
    let rule = probe("$", Assertion::NotEmpty);
    let judgement = begin(&mut oracles(&model(vec![], vec![rule])), &mut world).unwrap();
    assert!(judgement.findings.is_empty() && judgement.broken.is_empty());
}

#[test]
fn a_probe_that_writes_is_found_once() {
    let audit = table(3, "audit");
    let record = StepRecord {
        rows: RowDelta::new(vec![inserted(&audit)]),
        ..answer(200, "[]")
    };
    let mut oracles = oracles(&model(
        vec![Action::named("act")],
        vec![probe("$[*]", Assertion::Empty)],
    ));
    let mut world = Fake::default().with_probe("/orders", record);
    let first = begin(&mut oracles, &mut world).unwrap();
    assert_eq!(names(&first.findings), ["probe-wrote"]);
    assert_eq!(
        actual(&first.findings[0]),
        "`GET /orders` changed 1 row of `audit`"
    );
    assert_eq!(first.broken, [first.findings[0].oracle]);

    let again = step(&mut oracles, &mut world, &changed(&audit), &first.broken);
    assert_eq!(
        (names(&again.findings), &again.broken),
        (vec![], &first.broken)
    );
    let quiet = step(
        &mut oracles,
        &mut world,
        &arrival(Some(answer(200, ""))),
        &first.broken,
    );
    assert_eq!(
        quiet.broken, first.broken,
        "a probe that was not sent again is as it was"
    );
}

#[test]
fn broken_oracles_are_listed_in_order() {
    let invariants = vec![
        probe("$[*]", Assertion::Empty),
        sql(ROWS, Assertion::Empty),
        probe("$[*]", Assertion::NotEmpty),
        sql(ROWS, Assertion::Empty),
    ];
    let mut oracles = oracles(&model(vec![Action::named("act")], invariants));
    let record = StepRecord {
        rows: RowDelta::new(vec![inserted(&table(3, "audit"))]),
        ..answer(200, "[1]")
    };
    let mut world =
        Fake::default()
            .with_probe("/orders", record)
            .with_rows(ROWS, &["id"], json!([[1]]));
    let judgement = begin(&mut oracles, &mut world).unwrap();
    assert_eq!(judgement.broken.len(), 4);
    assert!(judgement.broken.is_sorted());
}
