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
mod tests;
