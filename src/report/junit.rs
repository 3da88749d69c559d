//! `JUnit` XML in the dialect that CI servers read.
//!
//! One test suite for each run. Its cases have names that stay the same from run to run, so that a server can tell a new
//! failure from an old one: the run itself, every invariant, every action. An action's case fails when a check broke there.
//! Written by hand, because five elements and no time zone do not need a crate.

use std::fmt::Write as _;

use super::text::{count, printable};
use super::{Cause, Destination, Form, Outcome, Report, ReportError, RunReport, violation_text};
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

struct Case<'r> {
    /// `invariants`, `actions`, or nothing for the run itself.
    class: &'static str,
    name: &'r str,
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

fn cases(run: &RunReport) -> Vec<Case<'_>> {
    let mut cases = vec![Case {
        class: "",
        name: "run",
        verdict: of_run(run),
    }];
    let violations = &run.summary.violations;
    for invariant in &run.started.invariants {
        let broken = violations
            .iter()
            .filter(|found| found.oracle == OracleKind::Invariant && found.name == invariant.name);
        cases.push(Case {
            class: "invariants",
            name: &invariant.name,
            verdict: failed(run, broken)
                .or_else(|| run.unjudged(&invariant.name).map(Verdict::Skipped))
                .unwrap_or_else(|| proves_nothing(run)),
        });
    }
    for (action, seen) in run.actions() {
        let broken = violations.iter().filter(|found| {
            found.oracle == OracleKind::Check && found.action.as_ref() == Some(&action.name)
        });
        let verdict = failed(run, broken).unwrap_or_else(|| {
            if action.switched_off {
                Verdict::Skipped("switched off: `max_calls: 0`".to_owned())
            } else if seen.runs == 0 {
                Verdict::Skipped(format!("never ran: {}", violation_text::never_ran(seen)))
            } else if seen.always_refused {
                Verdict::Skipped(format!(
                    "refused every time: {}",
                    violation_text::answers(seen)
                ))
            } else {
                proves_nothing(run)
            }
        });
        cases.push(Case {
            class: "actions",
            name: &action.name,
            verdict,
        });
    }
    for regression in &run.summary.corpus {
        let verdict = match regression.outcome {
            RegressionOutcome::StillFailing => Verdict::Failed(Fault {
                kind: format!("still failing {}", regression.name),
                message: format!("`{}` still fails", regression.name),
                text: "see the case of the invariant or of the action".to_owned(),
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
            name: &regression.file,
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

/// The verdict over these violations: the first in a sentence, and the whole text of all.
fn failed<'v>(run: &RunReport, broken: impl Iterator<Item = &'v Violation>) -> Option<Verdict> {
    let broken: Vec<&Violation> = broken.collect();
    let first = broken.first()?;
    let mut lines = Vec::new();
    for found in &broken {
        let after = found
            .action
            .as_ref()
            .map_or_else(String::new, |action| format!(" after {action}"));
        lines.push(printable(&format!(
            "{} {}{after}: {}",
            found.severity, found.name, found.message
        )));
        lines.extend(violation_text::whole(found, COLUMNS));
        lines.push(String::new());
    }
    lines.push(printable(&format!("repeat: {}", run.started.repeat)));
    let more = match broken.len() {
        1 => String::new(),
        all => format!(" (and {})", count(all as u64 - 1, "more violation")),
    };
    Some(Verdict::Failed(Fault {
        kind: format!("{} {}", first.severity, first.name),
        message: format!("{}{more}", first.message),
        text: lines.join("\n"),
    }))
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

fn suite(xml: &mut String, run: &RunReport, cases: &[Case<'_>], totals: Totals) {
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

fn testcase(xml: &mut String, suite: &str, case: &Case<'_>) {
    let class = match case.class {
        "" => suite.to_owned(),
        class => format!("{suite}.{class}"),
    };
    let _ = write!(
        xml,
        "    <testcase name={} classname={}",
        quoted(case.name),
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
    fn a_check_fails_the_action_that_it_is_about() {
        let mut run = fixture::found();
        run.summary.violations[0].oracle = OracleKind::Check;
        run.summary.violations[0].name = "server-error".to_owned();
        let xml = written(&[run]);
        let cases = verdicts(&xml);
        assert_eq!(cases[1].2, "");
        assert_eq!(cases[4].1, "refund_order(n=100)");
        assert_eq!(cases[4].2, "failure");
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
