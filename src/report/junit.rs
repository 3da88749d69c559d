//! `JUnit` XML in the dialect that CI servers read.
//!
//! One test suite for each run. Its cases have names that stay the same from run to run, so that a server can tell a new
//! failure from an old one: the run itself, every invariant that held, every violation by its cause, and every action, which passes
//! where it ran.
//! Written by hand, because five elements and no time zone do not need a crate.

use std::fmt::Write as _;

use super::text::printable;
use super::{
    Cause, Destination, Form, Outcome, Report, ReportError, RunReport, Standing, violation_text,
};
use crate::event::{OracleKind, RegressionOutcome, Violation};

/// Columns of a body; more than the log keeps of one.
const COLUMNS: usize = 20_000;

/// Collects runs and writes them as one document.
pub struct Junit {
    destination: Destination,
    suites: String,
    totals: Totals,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    seconds: f64,
}

impl Junit {
    /// A report that is written to this destination once all runs are over.
    pub fn new(destination: Destination) -> Self {
        Self {
            destination: destination.of(Form::Xml),
            suites: String::new(),
            totals: Totals::default(),
        }
    }
}

impl Report for Junit {
    fn run(&mut self, run: &RunReport) {
        let cases = cases(run);
        let time = run.summary.time;
        let mut totals = Totals {
            tests: cases.len(),
            seconds: (time.total + time.shrink + time.confirm).as_secs_f64(),
            ..Totals::default()
        };
        for case in &cases {
            match case.verdict {
                Verdict::Passed => {}
                Verdict::Skipped(_) => totals.skipped += 1,
                Verdict::Failed(_) => totals.failures += 1,
                Verdict::Error(_) => totals.errors += 1,
            }
        }
        suite(&mut self.suites, run, &cases, totals);
        self.totals.tests += totals.tests;
        self.totals.failures += totals.failures;
        self.totals.errors += totals.errors;
        self.totals.seconds += totals.seconds;
    }

    fn finish(&mut self, _exit_code: u8) -> Result<(), ReportError> {
        let totals = self.totals;
        let document = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"venomqa\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\">\n{}</testsuites>\n",
            totals.tests,
            totals.failures,
            totals.errors,
            totals.seconds,
            std::mem::take(&mut self.suites)
        );
        self.destination.write("junit", &document)
    }
}

struct Case {
    /// `invariants`, `checks`, `actions`, `reproductions`, or nothing for the run itself.
    class: &'static str,
    name: String,
    verdict: Verdict,
}

enum Verdict {
    Passed,
    /// The reason.
    Skipped(String),
    /// An oracle found a violation.
    Failed(Fault),
    /// The run itself failed.
    Error(Fault),
}

struct Fault {
    kind: String,
    /// One sentence.
    message: String,
    /// Everything.
    text: String,
}

fn cases(run: &RunReport) -> Vec<Case> {
    let mut cases = vec![Case {
        class: "",
        name: "run".to_owned(),
        verdict: of_run(run),
    }];
    let violations = &run.summary.violations;
    cases.extend(violations.iter().map(|found| of_violation(run, found)));
    for invariant in &run.started.invariants {
        let is_broken = violations
            .iter()
            .any(|found| found.oracle == OracleKind::Invariant && found.name == invariant.name);
        if !is_broken {
            cases.push(Case {
                class: "invariants",
                name: invariant.name.clone(),
                verdict: run
                    .unjudged(&invariant.name)
                    .map_or_else(|| proves_nothing(run), Verdict::Skipped),
            });
        }
    }
    for (action, seen) in run.actions() {
        let verdict = if action.switched_off {
            Verdict::Skipped("switched off (`max_calls: 0`, `--only` or `--skip`)".to_owned())
        } else if seen.runs == 0 {
            Verdict::Skipped(format!("never ran: {}", violation_text::never_ran(seen)))
        } else if seen.always_refused {
            Verdict::Skipped(format!(
                "refused every time: {}",
                violation_text::answers(seen)
            ))
        } else {
            proves_nothing(run)
        };
        cases.push(Case {
            class: "actions",
            name: action.name.clone(),
            verdict,
        });
    }
    for regression in &run.summary.corpus {
        let verdict = match regression.outcome {
            RegressionOutcome::StillFailing => Verdict::Failed(Fault {
                kind: format!("still failing {}", regression.name),
                message: format!("`{}` still fails", regression.name),
                text: "see the case of the invariant or of the check".to_owned(),
            }),
            RegressionOutcome::Fixed => Verdict::Passed,
            RegressionOutcome::NotJudged => Verdict::Skipped(format!(
                "it could not be judged: {}",
                regression.reason.as_deref().unwrap_or_default()
            )),
            RegressionOutcome::NotTried => {
                Verdict::Skipped(regression.reason.clone().unwrap_or_default())
            }
        };
        cases.push(Case {
            class: "reproductions",
            name: regression.file.clone(),
            verdict,
        });
    }
    cases
}

/// The verdict where no violation was found: in a run that failed this proves nothing.
fn proves_nothing(run: &RunReport) -> Verdict {
    match run.outcome() {
        Outcome::Failed => Verdict::Skipped(format!(
            "no violation seen, which proves nothing: {}",
            run.headline()
        )),
        _ => Verdict::Passed,
    }
}

/// The case of a violation: one for each cause, with a name that stays the same from run to run.
fn of_violation(run: &RunReport, found: &Violation) -> Case {
    let class = match found.oracle {
        OracleKind::Invariant => "invariants",
        OracleKind::Check => "checks",
    };
    let all = run.summary.violations.iter();
    let mut same = all.filter(|other| other.oracle == found.oracle && other.name == found.name);
    let is_only = same.next().is_some() && same.next().is_none();
    // `server-error/500/refund_order`
    let cause = found.cause.split_once('/').map_or("", |(_, cause)| cause);
    let name = match found.oracle {
        OracleKind::Invariant if is_only => found.name.clone(),
        _ if cause.is_empty() => format!("{}/{}", found.name, found.kind),
        _ => cause.to_owned(),
    };
    Case {
        class,
        name,
        verdict: verdict(run, found),
    }
}

/// The verdict on a violation: its message, and its whole text.
fn verdict(run: &RunReport, found: &Violation) -> Verdict {
    match Standing::of(found) {
        Standing::Known => return Verdict::Skipped("known (baseline)".to_owned()),
        Standing::Unconfirmed => {
            let confirmation = violation_text::confirmation(found);
            return Verdict::Skipped(format!("{}: {confirmation}", found.message));
        }
        Standing::Counts | Standing::Consequence => {}
    }
    let after = found
        .action
        .as_ref()
        .map_or_else(String::new, |action| format!(" after {action}"));
    let mut lines = vec![printable(&format!(
        "{} {}{after}: {}",
        found.severity, found.name, found.message
    ))];
    lines.extend(violation_text::whole(run, found, COLUMNS));
    lines.push(String::new());
    lines.push(printable(&format!("repeat: {}", run.started.repeat)));
    Verdict::Failed(Fault {
        kind: format!("{} {}", found.severity, found.name),
        message: found.message.clone(),
        text: lines.join("\n"),
    })
}

fn of_run(run: &RunReport) -> Verdict {
    let kind = match run.outcome() {
        Outcome::Clean | Outcome::Violations => return Verdict::Passed,
        Outcome::Incomplete => return Verdict::Skipped(run.headline()),
        Outcome::Failed => "failed",
        Outcome::Interrupted => "interrupted",
    };
    let mut lines = Vec::new();
    for cause in run.causes() {
        lines.push(match cause {
            Cause::Stopped(text) | Cause::Cleanup(text) | Cause::Untrusted(text) => text,
            Cause::NoStep => "no step was taken".to_owned(),
        });
    }
    for error in run.errors() {
        lines.extend(error.details.iter().cloned());
        lines.extend(error.help.iter().map(|help| format!("help: {help}")));
    }
    lines.push(format!("ended: {}", run.stop_sentence()));
    lines.push(format!("repeat: {}", run.started.repeat));
    let lines: Vec<String> = lines.iter().map(|line| printable(line)).collect();
    Verdict::Error(Fault {
        kind: kind.to_owned(),
        message: run.headline(),
        text: lines.join("\n"),
    })
}

fn suite(xml: &mut String, run: &RunReport, cases: &[Case], totals: Totals) {
    let started = &run.started;
    let figures = &run.summary.figures;
    // Writing to a string cannot fail.
    let _ = writeln!(
        xml,
        "  <testsuite name={} tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\" timestamp={} file={}>",
        quoted(&started.spec.name),
        totals.tests,
        totals.failures,
        totals.errors,
        totals.skipped,
        totals.seconds,
        quoted(&started.started_at),
        quoted(&started.spec.path)
    );
    let properties = [
        ("headline", run.headline()),
        ("ended", run.stop_sentence()),
        ("strategy", run.strategy()),
        ("steps", figures.step.to_string()),
        ("states", figures.states.to_string()),
        ("coverage", figures.coverage.to_string()),
        ("repeat", started.repeat.clone()),
    ];
    xml.push_str("    <properties>\n");
    for (name, value) in properties {
        let _ = writeln!(
            xml,
            "      <property name=\"{name}\" value={}/>",
            quoted(&value)
        );
    }
    xml.push_str("    </properties>\n");
    for case in cases {
        testcase(xml, &started.spec.name, case);
    }
    xml.push_str("  </testsuite>\n");
}

fn testcase(xml: &mut String, suite: &str, case: &Case) {
    let class = match case.class {
        "" => suite.to_owned(),
        class => format!("{suite}.{class}"),
    };
    let _ = write!(
        xml,
        "    <testcase name={} classname={}",
        quoted(&case.name),
        quoted(&class)
    );
    let content = match &case.verdict {
        Verdict::Passed => {
            xml.push_str("/>\n");
            return;
        }
        Verdict::Skipped(reason) => format!("<skipped message={}/>", quoted(reason)),
        Verdict::Failed(fault) => fault.element("failure"),
        Verdict::Error(fault) => fault.element("error"),
    };
    let _ = writeln!(xml, ">\n      {content}\n    </testcase>");
}

impl Fault {
    fn element(&self, name: &str) -> String {
        format!(
            "<{name} type={} message={}>{}</{name}>",
            quoted(&self.kind),
            quoted(&self.message),
            escaped(&self.text)
        )
    }
}

/// The value of an attribute, on one line: a reader would make blanks of line ends anyway.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(&printable(text)))
}

/// Text without markup. Characters that XML does not allow even escaped are written as Rust escapes them.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '&' => xml.push_str("&amp;"),
            '"' => xml.push_str("&quot;"),
            '\n' => xml.push('\n'),
            _ if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                xml.extend(character.escape_unicode());
            }
            _ => xml.push(character),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
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
}
