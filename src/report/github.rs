//! Workflow commands for GitHub Actions: every violation becomes an annotation on the line of the spec.

use super::text::printable;
use super::{Destination, Form, Outcome, Report, ReportError, RunReport, Standing, violation_text};
use crate::diagnostic::Place;
use crate::event::{Failure, RegressionOutcome, Stop};
use crate::visible;

/// Columns of a body. Annotations are short.
const COLUMNS: usize = 200;

/// Writes the annotations of each run as soon as it is over.
pub struct Github {
    destination: Destination,
    failed: Option<ReportError>,
}

impl Github {
    /// A report that is written to this destination.
    pub fn new(destination: Destination) -> Self {
        Self {
            destination: destination.of(Form::Safe),
            failed: None,
        }
    }
}

impl Report for Github {
    fn run(&mut self, run: &RunReport) {
        if self.failed.is_none() {
            let commands: Vec<String> = commands(run).iter().map(Command::text).collect();
            self.failed = self.destination.write("github", &commands.concat()).err();
        }
    }

    fn finish(&mut self, _exit_code: u8) -> Result<(), ReportError> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

/// One annotation.
struct Command<'r> {
    /// `error`, `warning` or `notice`.
    level: &'static str,
    file: &'r str,
    place: Option<Place>,
    title: String,
    message: String,
}

impl Command<'_> {
    fn text(&self) -> String {
        let place = self.place.map_or_else(String::new, |place| {
            format!(",line={},col={}", place.line, place.column)
        });
        format!(
            "::{} file={}{place},title={}::{}\n",
            self.level,
            property(&printable(self.file)),
            property(&self.title),
            data(&self.message)
        )
    }
}

fn commands(run: &RunReport) -> Vec<Command<'_>> {
    let name = printable(&run.started.spec.name);
    let command = |level, place, title: String, message: String| Command {
        level,
        file: &run.started.spec.path,
        place,
        title,
        message,
    };
    let mut all = Vec::new();
    for found in &run.summary.violations {
        let after = found.action.as_ref().map_or_else(String::new, |action| {
            format!(" after {}", printable(action))
        });
        let mut lines = vec![printable(&found.message)];
        lines.extend(violation_text::whole(run, found, COLUMNS));
        let level = match Standing::of(found) {
            Standing::Counts | Standing::Consequence => "error",
            Standing::Unconfirmed => "warning",
            Standing::Known => "notice",
        };
        all.push(command(
            level,
            violation_text::place(run, found),
            format!("{} {}{after}", found.severity, printable(&found.name)),
            lines.join("\n"),
        ));
    }
    for warning in &run.summary.warnings {
        let level = if warning.untrusted {
            "error"
        } else {
            "warning"
        };
        let help = warning.help.as_deref();
        all.push(command(
            level,
            None,
            format!("{name}: {}", warning.code),
            with_help(&warning.message, &[], help),
        ));
    }
    if let Stop::Failed { error, .. } = &run.summary.stop {
        all.push(command(
            "error",
            None,
            format!("{name}: failed"),
            failure(error),
        ));
    }
    if let Some(error) = &run.cleanup {
        all.push(command(
            "error",
            None,
            format!("{name}: not put back"),
            failure(error),
        ));
    }
    for (action, seen) in run.never_ran() {
        all.push(command(
            "warning",
            action.place,
            format!("{} never ran", printable(&action.name)),
            printable(violation_text::never_ran(seen)),
        ));
    }
    // Those that still fail are among the violations.
    for regression in &run.summary.corpus {
        if regression.outcome != RegressionOutcome::StillFailing {
            all.push(command(
                "notice",
                None,
                format!("found before, {}", violation_text::outcome(regression)),
                with_help(&regression.file, regression.reason.as_slice(), None),
            ));
        }
    }
    let level = match run.outcome() {
        // The violations themselves are errors already.
        Outcome::Clean | Outcome::Violations => "notice",
        Outcome::Incomplete | Outcome::Interrupted => "warning",
        Outcome::Failed => "error",
    };
    all.push(command(
        level,
        None,
        format!("venomqa: {name}"),
        printable(&run.headline()),
    ));
    all
}

fn failure(error: &Failure) -> String {
    with_help(&error.message, &error.details, error.help.as_deref())
}

fn with_help(message: &str, details: &[String], help: Option<&str>) -> String {
    let mut lines = vec![printable(message)];
    lines.extend(details.iter().map(|line| printable(line)));
    lines.extend(help.map(|help| format!("help: {}", printable(help))));
    lines.join("\n")
}

/// Escapes the message of a workflow command.
fn data(text: &str) -> String {
    // A runner also obeys `##[...]` within a line.
    visible::lines(text, false)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes the value of a property, which would end at a comma or a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn lines(run: &RunReport) -> Vec<String> {
        fixture::written(Github::new, std::slice::from_ref(run))
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn a_violation_is_an_error_on_the_line_of_the_invariant() {
        let lines = lines(&fixture::found());
        assert!(
            lines[0].starts_with(
                "::error file=specs/shop.yaml,line=30,col=5,title=critical no_over_refund after refund_order(n=100)::an order was refunded for more than it cost%0Aconfirmed 3 of 3: "
            ),
            "{}",
            lines[0]
        );
        assert_eq!(
            lines[1],
            "::notice file=specs/shop.yaml,title=venomqa%3A shop::1 violation (1 critical) in 40 steps"
        );
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn every_line_is_one_command_whatever_is_in_it() {
        for (name, run) in fixture::every_kind() {
            let lines = lines(&run);
            assert!(!lines.is_empty(), "{name}");
            for line in lines {
                let (head, message) = line[2..].split_once("::").unwrap();
                let (level, properties) = head.split_once(' ').unwrap();
                assert!(["error", "warning", "notice"].contains(&level), "{line}");
                for property in properties.split(',') {
                    let (name, value) = property.split_once('=').unwrap();
                    assert!(["file", "line", "col", "title"].contains(&name), "{line}");
                    assert!(!value.contains([':', '\u{1b}']), "{line}");
                }
                assert!(!message.is_empty(), "{line}");
                assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
            }
        }
    }

    #[test]
    fn a_run_that_failed_is_an_error_and_a_clean_one_only_a_notice() {
        let levels = |wanted: &str| -> Vec<String> {
            let (_, run) = fixture::every_kind()
                .into_iter()
                .find(|(name, _)| *name == wanted)
                .unwrap();
            lines(&run)
                .iter()
                .map(|line| line[2..].split(' ').next().unwrap().to_owned())
                .collect()
        };
        assert_eq!(levels("clean"), ["notice"]);
        assert_eq!(levels("incomplete"), ["warning", "warning"]);
        assert_eq!(levels("untrusted"), ["error", "error"]);
        assert_eq!(levels("failed").last().unwrap(), "error");
        assert_eq!(levels("killed").last().unwrap(), "error");
    }
}
