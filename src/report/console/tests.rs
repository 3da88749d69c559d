use super::*;
use crate::event::{ActionTally, Failure, Stop, Warning};
use crate::report::Outcome;
use crate::report::fixture::{not_started, refunded_twice, run, seen};

fn verbose(run: &RunReport) -> String {
    anstream::adapter::strip_str(&page(run, 80, true)).to_string()
}

fn plain(run: &RunReport) -> String {
    anstream::adapter::strip_str(&page(run, 80, false)).to_string()
}

#[test]
fn a_report_in_a_file_has_no_escape_codes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.txt");
    let file = std::fs::File::create(&path).unwrap();
    let mut run = run();
    run.summary.violations.push(refunded_twice());
    let mut console = Console::to_file(Destination::file(&path, file));
    console.run(&run);
    console.finish(1).unwrap();
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written.contains("no_over_refund"), "{written}");
    assert!(!written.contains('\u{1b}'), "{written:?}");
}

#[test]
fn a_violation_is_told_as_a_story_that_ends_with_the_rows_that_prove_it() {
    let mut run = run();
    run.summary.violations.push(refunded_twice());
    insta::assert_snapshot!(plain(&run), @r#"
    ── violation 1 of 1 ────────────────────────────────────────────────────────────
     CRITICAL  no_over_refund
     an order was refunded for more than it cost
      1 │ create_order  POST /orders {"amount": 100} → 201
      2 │ refund_order(n=100)  POST /orders/1/refund {"amount": 100} → 200
      3 │ refund_order(n=100)  POST /orders/1/refund {"amount": 100} → 200
     expected no row, found 1 row
       id 1, total 100, refunded 200
     confirmed 3 of 3; shrunk from 9 steps; seen 4 times, first at step 37

    ── shop ────────────────────────────────────────────────────────────────────────

      states       12, the deepest 4 steps from the initial one
      transitions  40 in 40 steps; 3 left the state as it was
      coverage     100%, 2 of 2 actions
      ended        complete: every reachable state within these limits was visited
      time         808 ms: HTTP 74%, journal 5%, restore 10%, oracles 5%, shrink 0%,
                   confirm 1%, engine 5%
      strategy     dfs, seed 1
      repeat       venomqa explore specs/shop.yaml --strategy dfs --seed 1 --max-steps 500

      action               runs  new states  answers
      create_order           20           6  201 x 20
      refund_order(n=100)    20           5  200 x 12, 409 x 8

    1 violation (1 critical) in 40 steps
    "#);
}

#[test]
fn a_verbose_report_has_every_header_body_and_row() {
    let mut run = run();
    run.summary.violations.push(refunded_twice());
    let text = verbose(&run);
    for part in [
        "Authorization: [redacted]",
        "a very long note a very long note",
        "~ orders[1]  status \"open\" -> \"refunded\", refunded 0 -> 100",
        "shrunk from 9 to 3 steps in 14 requests",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_follows_and_what_is_known_has_no_place_among_the_violations() {
    let mut run = run();
    let mut consequence = refunded_twice();
    consequence.number = 2;
    consequence.name = "server-error".to_owned();
    consequence.consequence_of = Some(1);
    let mut known = refunded_twice();
    known.number = 3;
    known.known = true;
    run.summary.violations = vec![refunded_twice(), consequence, known];
    run.summary.known_not_seen = vec!["invariant/gone/rows".to_owned()];
    let text = plain(&run);
    for part in [
        "── violation 1 of 1 ─",
        "leads to: critical server-error after refund_order(n=100)",
        " known (baseline)\n  invariant/no_over_refund/rows\n",
        "  invariant/gone/rows\n",
        "1 violation (1 critical) in 40 steps, with 1 consequence; 1 known (baseline)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(text.matches("CRITICAL").count(), 1, "{text}");
}

#[test]
fn the_longest_violation_takes_twelve_lines() {
    let mut run = run();
    let mut found = refunded_twice();
    found.path = [&found.path[..]; 9].concat();
    found.message = "a message without end ".repeat(40);
    found.replay = Some("venomqa replay x.yaml".to_owned());
    found.also_by = vec![crate::event::AlsoBy {
        action: "cancel".to_owned(),
        occurrences: 2,
        steps: 3,
    }];
    run.summary.violations = vec![found];
    let text = plain(&run);
    let lines: Vec<&str> = text
        .lines()
        .take_while(|line| !line.contains("── shop"))
        .collect();
    assert_eq!(lines.len(), 12, "{text}");
    assert!(text.contains("… 26 more steps"), "{text}");
}

#[test]
fn what_was_expected_is_told_whole_on_a_second_line_within_twelve() {
    let mut run = run();
    let mut found = refunded_twice();
    found.path = [&found.path[..]; 9].concat();
    found.message = "a message without end ".repeat(40);
    found.replay = Some("venomqa replay x.yaml".to_owned());
    found.evidence = crate::model::Evidence::Values {
        expected: "`$.items[0].total` of `GET /customers/17/orders/42/lines?page=1`: at least 1, and no more than 9"
            .to_owned(),
        actual: "nothing".to_owned(),
    };
    run.summary.violations = vec![found];
    let text = plain(&run);
    for part in ["and no more than 9\n", "    found nothing\n"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let lines = text.lines().take_while(|line| !line.contains("── shop"));
    assert!(lines.count() <= 12, "{text}");
}

#[test]
fn actions_that_never_ran_keep_a_run_from_looking_clean() {
    let mut run = run();
    run.summary.actions[1] = ActionTally {
        never_ran: Some("needs `create_order`, which was refused every time".to_owned()),
        ..ActionTally::default()
    };
    run.summary.actions[0].advice = Some("it never changed a state".to_owned());
    run.summary.figures.coverage = 0.5;
    run.summary.stop = Stop::MaxSteps;
    run.summary.untried = 7;
    assert_eq!(run.outcome(), Outcome::Incomplete);
    insta::assert_snapshot!(plain(&run), @r#"
    ── shop ────────────────────────────────────────────────────────────────────────

      states       12, the deepest 4 steps from the initial one
      transitions  40 in 40 steps; 3 left the state as it was
      coverage     50%, 1 of 2 actions
      ended        `--max-steps`: all 500 steps were taken; 7 enabled (state,
                   action) pairs left to try
      time         808 ms: HTTP 74%, journal 5%, restore 10%, oracles 5%, shrink 0%,
                   confirm 1%, engine 5%
      strategy     dfs, seed 1
      repeat       venomqa explore specs/shop.yaml --strategy dfs --seed 1 --max-steps 500

      action               runs  new states  answers
      create_order           20           6  201 x 20
      refund_order(n=100)     0           0  never ran

     never ran
      refund_order(n=100)
          needs `create_order`, which was refused every time

     advice
      create_order
          it never changed a state

    no violation found in 40 steps, but 1 of 2 actions never ran
    "#);
}

#[test]
fn a_run_that_was_only_refused_does_not_look_clean() {
    let mut run = run();
    run.summary.actions = vec![
        seen(20, &[(401, 20)], 0),
        seen(20, &[(404, 12), (422, 8)], 0),
    ];
    assert_eq!(run.outcome(), Outcome::Incomplete);
    assert_eq!(
        run.headline(),
        "no violation found in 40 steps, but every request was refused"
    );
}

#[test]
fn a_run_without_a_step_has_failed() {
    let mut run = run();
    run.summary.figures.step = 0;
    run.summary.actions = vec![ActionTally::default(); 2];
    assert_eq!(run.outcome(), Outcome::Failed);
    assert!(
        run.headline().starts_with("nothing was tested"),
        "{}",
        run.headline()
    );
}

#[test]
fn a_failure_shows_its_details_its_path_and_what_to_do() {
    let mut run = run();
    run.summary.stop = Stop::Failed {
        error: Failure {
            kind: "service".to_owned(),
            message: "the service died with exit status 101".to_owned(),
            details: vec!["thread 'main' panicked\n\u{1b}[31mindex out of bounds".to_owned()],
            help: Some("look at the last request".to_owned()),
        },
        path: ["create_order", "refund_order(n=100)"]
            .map(str::to_owned)
            .into(),
    };
    run.cleanup = Some(Failure {
        kind: "system".to_owned(),
        message: "`shop.db` is locked".to_owned(),
        details: Vec::new(),
        help: None,
    });
    insta::assert_snapshot!(plain(&run).split_once("answers\n").unwrap().1, @r#"
      create_order           20           6  201 x 20
      refund_order(n=100)    20           5  200 x 12, 409 x 8

     error: the service died with exit status 101
          │ thread 'main' panicked
          │ \u{1b}[31mindex out of bounds
          help: look at the last request
          after
            1 │ create_order
            2 │ refund_order(n=100)

     error: `shop.db` is locked

    the run failed after 40 steps: no violation so far, which proves nothing
    and: `shop.db` is locked
    "#);
}

#[test]
fn an_untrusted_warning_makes_the_run_fail_although_it_went_on() {
    let mut run = run();
    run.summary.warnings.push(Warning {
        code: "hidden-state".to_owned(),
        message: "`GET /orders` answers differently after a restore".to_owned(),
        help: Some("declare `after_restore`".to_owned()),
        untrusted: true,
    });
    assert_eq!(run.outcome(), Outcome::Failed);
    insta::assert_snapshot!(plain(&run).split_once("answers\n").unwrap().1, @r#"
      create_order           20           6  201 x 20
      refund_order(n=100)    20           5  200 x 12, 409 x 8

     warning[hidden-state]
          `GET /orders` answers differently after a restore
          because of this the verdicts of the run cannot be relied on
          help: declare `after_restore`

    the run cannot be trusted after 40 steps: no violation so far, which proves nothing
    "#);
}

#[test]
fn no_line_is_wider_than_the_page_and_secrets_are_not_shown() {
    let mut run = run();
    run.started.repeat = "venomqa explore".to_owned();
    run.summary.violations.push(refunded_twice());
    for width in [60, 80, 100, 160] {
        let text = anstream::adapter::strip_str(&page(&run, width, false)).to_string();
        for line in text.lines() {
            assert!(super::super::text::width(line) <= width, "{width}: {line}");
        }
        assert!(!text.contains("s3cret"));
    }
}

/// A writer whose reader has gone away, or whose disk is full.
struct Broken(std::io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(self.0.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_broken_pipe_is_no_error_and_a_full_disk_is_one() {
    let finish = |kind| {
        let mut console = Console::new(Box::new(Broken(kind)), false, 100);
        console.run(&run());
        console.finish(0)
    };
    assert!(finish(std::io::ErrorKind::BrokenPipe).is_ok());
    let error = finish(std::io::ErrorKind::StorageFull).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the console report could not be written to standard output"),
        "{error}"
    );
}

#[test]
fn a_broken_initial_state_is_a_path_of_no_steps() {
    let mut run = run();
    let mut violation = refunded_twice();
    violation.path.clear();
    violation.action = None;
    violation.first_step = 0;
    run.summary.violations.push(violation);
    let text = plain(&run);
    assert!(
        text.contains("the initial state is broken already"),
        "{text}"
    );
    assert!(!text.contains("step 0"), "{text}");
}

#[test]
fn a_run_that_never_started_tells_nothing_but_why() {
    insta::assert_snapshot!(plain(&not_started()), @r#"
    ── shop ────────────────────────────────────────────────────────────────────────

     error: `./shop` does not exist
          help: build it first

    the run failed
    "#);
}

#[test]
fn actions_that_wait_for_the_same_thing_are_told_of_once() {
    let mut run = run();
    for seen in &mut run.summary.actions {
        *seen = ActionTally {
            never_ran: Some("`token` is never extracted".to_owned()),
            ..ActionTally::default()
        };
    }
    assert_eq!(plain(&run).matches("is never extracted").count(), 1);
}

#[test]
fn of_what_does_not_happen_each_time_nobody_says_what_it_needs() {
    let mut run = run();
    let mut violation = refunded_twice();
    violation.shrink.found_length = 3;
    let claim = "without any of them it does not happen";
    run.summary.violations = vec![violation.clone()];
    assert!(verbose(&run).contains(claim));
    violation.confirmation.result = crate::event::ConfirmationResult::Unconfirmed;
    run.summary.violations = vec![violation];
    assert!(!verbose(&run).contains(claim), "{}", verbose(&run));
}
