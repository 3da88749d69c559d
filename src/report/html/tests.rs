//! What stands in the page, without a browser: `tests/integration/html.rs` opens it in one.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::fixture::{self, refunded_twice};
use super::super::{Destination, Outcome};
use super::*;
use crate::event::{Body, Exchange, Failure, Header, Request, Response, RowChange, Step, Stop};
use crate::model::Evidence;

/// What a service or a database may send: ends of scripts, markup, characters that documents may not hold or that turn the
/// reading direction around, very long texts.
const HOSTILE: [&str; 9] = [
    "</script><script>alert(1)</script>",
    "</SCRIPT\n><img src=x onerror=alert(1)>",
    "<!--<script>",
    "-->]]>&lt;\"'`",
    "\u{0}\u{1}\u{1b}[31m",
    "\u{202e}gnp.exe\u{2066}",
    "line\u{2028}separator\u{2029}",
    "🦂 عربي \u{feff}\u{fffd}",
    "<!--DATA--><!--SCRIPT-->",
];

fn page_of(runs: &[RunReport]) -> String {
    fixture::written(Html::new, runs)
}

/// The text of a data block as a browser finds it: up to the first `</script`, whatever its case.
fn block_of(page: &str, id: &str) -> Value {
    let start = format!("<script type=\"application/json\" id=\"{id}\">");
    let (_, rest) = page.split_once(&start).unwrap();
    let end = rest.to_lowercase().find("</script").unwrap();
    serde_json::from_str(&rest[..end]).unwrap()
}

fn body(text: &str) -> Body {
    Body {
        length: text.len() as u64,
        cut: false,
        json: Some(json!({ "text": text, text: [text] })),
        text: None,
    }
}

fn exchange(text: &str) -> Exchange {
    let row: Map<String, Value> = [(text.to_owned(), json!(text))].into_iter().collect();
    Exchange {
        request: Request {
            method: "POST".to_owned(),
            target: format!("/{text}"),
            headers: vec![Header {
                name: "x-text".to_owned(),
                value: text.to_owned(),
            }],
            body: Some(body(text)),
        },
        response: Response {
            status: 200,
            headers: Vec::new(),
            body: Some(body(text)),
            duration: Duration::from_micros(1500),
            no_answer: None,
            retries: 0,
        },
        extracted: row.clone(),
        extract_failures: vec![text.to_owned()],
        rows: vec![RowChange {
            system: "db".to_owned(),
            table: text.to_owned(),
            key: vec![json!(text)],
            before: None,
            after: Some(row),
            ignored: Vec::new(),
        }],
    }
}

fn step(from: u32, action: u32, to: u32, exchange: Option<Exchange>) -> Step {
    Step {
        step: 1,
        from,
        action,
        to,
        new_state: to > from,
        fingerprint: format!("{to:032x}"),
        status: 200,
        judged: vec!["no_over_refund".to_owned()],
        broken: Vec::new(),
        exchange,
    }
}

fn with_steps(steps: impl IntoIterator<Item = Step>) -> RunReport {
    let mut run = fixture::run();
    for (number, mut step) in (1..).zip(steps) {
        step.step = number;
        run.steps.push(step);
    }
    run
}

#[test]
fn nothing_that_a_service_sends_becomes_markup() {
    let empty = page_of(&[with_steps([])]);
    for text in HOSTILE {
        let mut run = with_steps([step(0, 0, 1, Some(exchange(text)))]);
        run.started.spec.name = text.to_owned();
        run.started.repeat = text.to_owned();
        run.started.actions[0].name = text.to_owned();
        let mut violation = refunded_twice();
        violation.name = text.to_owned();
        violation.message = text.to_owned();
        violation.path[0].exchange = Some(exchange(text));
        violation.evidence = Evidence::Values {
            expected: text.to_owned(),
            actual: text.to_owned(),
        };
        run.summary.violations.push(violation);
        let page = page_of(&[run]);

        let tags = |page: &str| page.matches('<').count();
        assert_eq!(tags(&page), tags(&empty), "{text}: another tag");
        assert!(
            !page.contains(['\0', '\u{1b}', '\u{2028}', '\u{2029}']),
            "{text}"
        );
        let data = block_of(&page, "run-0");
        assert_eq!(data["spec"]["name"], json!(text));
        assert_eq!(data["violations"][0]["message"], json!(text));
        let pieces = block_of(&page, "exchanges-0")["pieces"].clone();
        assert!(
            pieces
                .as_array()
                .unwrap()
                .contains(&json!(format!("/{text}"))),
            "{text}"
        );
    }
}

#[test]
fn the_page_may_run_its_own_script_and_nothing_else() {
    let page = page_of(&[fixture::run()]);
    let script = page.rsplit_once("<script>").unwrap().1;
    let script = script.split_once("</script>").unwrap().0;
    let hash = BASE64_STANDARD.encode(Sha256::digest(script));
    assert!(
        page.contains(&format!("script-src 'sha256-{hash}';")),
        "{hash}"
    );
    assert!(page.contains("content=\"default-src 'none';"));
    let style = page.split_once("<style>").unwrap().1;
    let style = style.split_once("</style>").unwrap().0;
    let hash = BASE64_STANDARD.encode(Sha256::digest(style));
    assert!(
        page.contains(&format!("style-src 'sha256-{hash}';")),
        "{hash}"
    );
    for address in ["http://", "https://", "//cdn", "@import", "url("] {
        assert!(
            !script.contains(address) && !style.contains(address),
            "{address}"
        );
    }
    assert!(
        !script.contains("innerHTML") && !page.contains(" style="),
        "the policy would refuse it"
    );
}

#[test]
fn a_page_without_runs_and_runs_without_steps_are_whole() {
    assert!(page_of(&[]).ends_with("</html>\n"));
    for run in [fixture::run(), fixture::not_started()] {
        let data = block_of(&page_of(std::slice::from_ref(&run)), "run-0");
        assert_eq!(data["headline"], json!(run.headline()));
        assert_eq!(data["walk"]["from"], json!([]));
    }
}

#[test]
fn a_failed_run_and_one_that_was_cut_off_say_so() {
    let mut cut = RunReport::begun(fixture::run().started);
    cut.steps.push(step(0, 0, 1, None));
    cut.summary.figures.step = 1;
    let mut failed = fixture::run();
    failed.summary.stop = Stop::Failed {
        error: Failure {
            kind: "service".to_owned(),
            message: "the service ended <b>at once</b>".to_owned(),
            details: vec!["no licence".to_owned()],
            help: Some("see its log".to_owned()),
        },
        path: vec!["create_order".to_owned()],
    };
    let page = page_of(&[cut, failed]);
    for id in ["run-0", "run-1"] {
        assert_eq!(
            block_of(&page, id)["outcome"],
            json!(Outcome::Failed.name())
        );
    }
    assert_eq!(
        block_of(&page, "run-1")["stop"]["error"]["details"],
        json!(["no licence"])
    );
    assert!(
        page.contains("<li><bdi>shop: the run failed after 1 step"),
        "for readers without scripts"
    );
}

#[test]
fn the_same_runs_give_the_same_bytes() {
    let run = || with_steps((0..50).map(|at| step(at, at % 2, at + 1, Some(exchange("x")))));
    assert_eq!(page_of(&[run()]), page_of(&[run()]));
}

#[test]
fn a_violation_knows_the_steps_of_the_walk_that_it_follows() {
    // The path is create, refund, refund; the walk took the first two of them, and other ways.
    let mut run = with_steps([
        step(0, 1, 0, None),
        step(0, 0, 1, None),
        step(1, 0, 2, None),
        step(1, 1, 3, None),
    ]);
    run.initial = Some("start".to_owned());
    for step in &mut run.steps {
        if step.to == 0 {
            step.fingerprint = "start".to_owned();
        }
    }
    run.summary.violations.push(refunded_twice());
    let data = block_of(&page_of(&[run]), "run-0");
    assert_eq!(data["walk"]["fingerprints"][0], json!("start"));
    assert_eq!(data["walked"], json!([[1, 3, null]]));
    assert_eq!(data["walk"]["to"], json!([0, 1, 2, 3]));
    assert_eq!(
        data["walk"]["fingerprints"][3],
        json!(format!("{:032x}", 3))
    );
}

#[test]
fn what_repeats_is_written_once() {
    let one = data::encode(&with_steps([step(0, 0, 1, Some(exchange("same")))]), BUDGET).unwrap();
    let steps = (0..100).map(|at| step(at, 0, at + 1, Some(exchange("same"))));
    let many = data::encode(&with_steps(steps), BUDGET).unwrap();
    let added = many.exchanges.len() - one.exchanges.len();
    assert!(added < 99 * 60, "{added} bytes for 99 equal exchanges");
}

#[test]
fn beyond_the_budget_other_steps_lose_their_bodies_first_and_violations_paths_keep_theirs() {
    let long = |at: u32| exchange(&format!("{at}{}", "é".repeat(2000)));
    // A chain of 300 states; the violation's path is its beginning.
    let mut run =
        with_steps((0..300).map(|at| step(at, u32::from(at > 0), at + 1, Some(long(at)))));
    run.summary.violations.push(refunded_twice());
    let whole = data::encode(&run, usize::MAX).unwrap();
    let budget = whole.exchanges.len() / 4;
    let small = data::encode(&run, budget).unwrap();
    assert!(
        small.exchanges.len() < budget + budget / 4,
        "{} of {budget}",
        small.exchanges.len()
    );

    let summary: Value = serde_json::from_str(&small.summary).unwrap();
    let omitted = |name: &str| summary["omitted"][name].as_u64().unwrap();
    assert!(
        omitted("cut") > 0 && omitted("bodies") > 0 && omitted("exchanges") > 0,
        "{}",
        summary["omitted"]
    );
    let data: Value = serde_json::from_str(&small.exchanges).unwrap();
    let steps = data["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 300);
    let left_out = steps.iter().filter(|step| step.is_null()).count() as u64;
    assert_eq!(left_out, omitted("exchanges"));
    let body_of = |at: usize| &data["pieces"][steps[at][6].as_u64().unwrap() as usize];
    for on_path in 0..3 {
        assert!(body_of(on_path)["cut"] == json!(false), "step {on_path}");
    }
    assert!(body_of(3)["cut"] == json!(true));
    assert!(body_of(3)["text"].as_str().unwrap().len() <= 1000);

    let nothing: Value = serde_json::from_str(&whole.summary).unwrap();
    assert_eq!(
        nothing["omitted"],
        json!({ "steps": 0, "cut": 0, "bodies": 0, "exchanges": 0 })
    );
}

#[test]
fn a_page_stays_small_however_many_large_runs_it_holds() {
    let run = with_steps((0..100).map(|at| {
        step(
            at,
            0,
            at + 1,
            Some(exchange(&format!("{at}{}", "x".repeat(16_000)))),
        )
    }));
    let mut html = Html::new(Destination::stdout(Box::new(io::sink())));
    html.budget = 1_000_000;
    for _ in 0..8 {
        html.run(&run);
    }
    let sizes: Vec<usize> = html.runs.iter().map(|run| run.exchanges.len()).collect();
    assert!(sizes.iter().sum::<usize>() < 1_300_000, "{sizes:?}");
    assert!(sizes[0] > 400_000, "{sizes:?}");
}

#[test]
fn every_element_that_the_scripts_look_for_is_in_the_page() {
    let page = page_of(&[]);
    let scripts = SCRIPTS.concat();
    let wanted: HashSet<&str> = scripts
        .split("byId(\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(id, _)| id)
        .collect();
    assert!(wanted.len() > 5, "{wanted:?}");
    for id in wanted {
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
}
