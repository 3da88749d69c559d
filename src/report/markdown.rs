//! Markdown for the summary of a CI job, in the dialect of GitHub and GitLab.

use std::fmt::Write as _;

use super::text::{count, percent, printable, thousands};
use super::{Destination, Outcome, Report, ReportError, RunReport, Standing, violation_text};
use crate::event::{Failure, Violation};

/// Columns of a body. A job summary may hold 1 MiB.
const COLUMNS: usize = 500;
/// Violations that are shown whole; the table lists all.
const SHOWN: usize = 50;

/// Writes each run as soon as it is over.
pub struct Markdown {
    destination: Destination,
    failed: Option<ReportError>,
}

impl Markdown {
    /// A report that is written to this destination.
    pub fn new(destination: Destination) -> Self {
        Self {
            destination,
            failed: None,
        }
    }
}

impl Report for Markdown {
    fn run(&mut self, run: &RunReport) {
        if self.failed.is_none() {
            self.failed = self.destination.write("markdown", &page(run)).err();
        }
    }

    fn finish(&mut self, _exit_code: u8) -> Result<(), ReportError> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

fn page(run: &RunReport) -> String {
    let started = &run.started;
    let summary = &run.summary;
    let mark = match run.outcome() {
        Outcome::Clean => "✅",
        Outcome::Incomplete | Outcome::Interrupted => "⚠️",
        Outcome::Violations | Outcome::Failed => "❌",
    };
    let mut page = format!(
        "## venomqa: {}\n\n{mark} **{}**\n\n",
        inline(&started.spec.name),
        inline(&run.headline())
    );
    failures(&mut page, run);
    violations(&mut page, run);
    actions(&mut page, run);
    for regression in &summary.corpus {
        let reason = regression
            .reason
            .as_ref()
            .map_or_else(String::new, |reason| format!(": {}", inline(reason)));
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "- found before, **{}**: {}{reason}",
            violation_text::outcome(regression),
            inline(&regression.file)
        );
    }
    if !summary.corpus.is_empty() {
        page.push('\n');
    }
    for warning in &summary.warnings {
        let untrusted = if warning.untrusted {
            " Because of this the verdicts of the run cannot be relied on."
        } else {
            ""
        };
        let help = warning
            .help
            .as_ref()
            .map_or_else(String::new, |help| format!(" _Help:_ {}", inline(help)));
        let _ = writeln!(
            page,
            "- **{}**: {}{untrusted}{help}",
            inline(&warning.code),
            inline(&warning.message)
        );
    }
    if !summary.warnings.is_empty() {
        page.push('\n');
    }
    let figures = &summary.figures;
    let _ = writeln!(
        page,
        "{} in {}, {}, coverage {}%. {}: {}. Ended: {}.\n",
        count(figures.states, "state"),
        count(figures.step, "step"),
        count(summary.transitions, "transition"),
        percent(figures.coverage),
        inline(&started.spec.path),
        inline(&run.strategy()),
        inline(&run.stop_sentence())
    );
    page.push_str(&fenced(
        "sh",
        std::slice::from_ref(&printable(&started.repeat)),
    ));
    page.push('\n');
    page
}

fn failures(page: &mut String, run: &RunReport) {
    for error in run.errors() {
        let Failure {
            message,
            details,
            help,
            ..
        } = error;
        let _ = writeln!(page, "> **error:** {}\n", inline(message));
        if !details.is_empty() {
            let details: Vec<String> = details.iter().map(|line| printable(line)).collect();
            page.push_str(&fenced("text", &details));
            page.push('\n');
        }
        if let Some(help) = help {
            let _ = writeln!(page, "_Help:_ {}\n", inline(help));
        }
    }
}

fn violations(page: &mut String, run: &RunReport) {
    let all = &run.summary.violations;
    if all.is_empty() {
        return;
    }
    page.push_str(
        "| # | severity | violation | after | steps | seen | |\n|--:|---|---|---|--:|--:|---|\n",
    );
    for (position, found) in all.iter().enumerate() {
        let confirmation = &found.confirmation;
        let confirmed = match (confirmation.times, confirmation.of) {
            (Some(times), Some(of)) => format!("happened again {times} of {of}"),
            _ => "not confirmed".to_owned(),
        };
        let standing = match Standing::of(found) {
            Standing::Counts => None,
            Standing::Unconfirmed => Some("**unconfirmed**".to_owned()),
            Standing::Known => Some("known (baseline)".to_owned()),
            Standing::Consequence => violation_text::follows_from(run, found).map(|it| inline(&it)),
        };
        let standing = standing.map_or_else(String::new, |it| format!("{it}; "));
        let _ = writeln!(
            page,
            "| {} | {} | **{}**: {} | {} | {} | {} | {standing}{confirmed} |",
            position + 1,
            found.severity,
            inline(&found.name),
            inline(&found.message),
            inline(found.action.as_deref().unwrap_or("the initial state")),
            found.path.len(),
            thousands(found.occurrences),
        );
    }
    page.push('\n');
    for (position, found) in all.iter().enumerate().take(SHOWN) {
        page.push_str(&violation(run, found, position + 1));
    }
    if all.len() > SHOWN {
        let _ = writeln!(
            page,
            "… and {}, see the JSON report\n",
            count((all.len() - SHOWN) as u64, "more violation")
        );
    }
}

fn violation(run: &RunReport, found: &Violation, number: usize) -> String {
    // In the block of HTML that a summary is, Markdown is not read.
    let title = html(&printable(&format!("{} {}", found.severity, found.name)));
    let place = violation_text::place(run, found).map_or_else(String::new, |place| {
        format!(
            "{}:{}:{}\n\n",
            inline(&run.started.spec.path),
            place.line,
            place.column
        )
    });
    format!(
        "<details><summary>{number}. {title}</summary>\n\n{}\n\n{place}{}\n{}\n</details>\n\n",
        inline(&found.message),
        fenced("text", &violation_text::whole(run, found, COLUMNS)),
        fenced(
            "sh",
            &[printable(
                found.replay.as_ref().unwrap_or(&run.started.repeat)
            )]
        ),
    )
}

fn actions(page: &mut String, run: &RunReport) {
    let never = run.never_ran().count();
    let total = run.able();
    if run.started.actions.is_empty() {
        return;
    }
    // What did not run must not be folded away.
    let open = if never > 0 { " open" } else { "" };
    let _ = writeln!(
        page,
        "<details{open}><summary>{} of {} ran</summary>\n\n| action | runs | new states | answers |\n|---|--:|--:|---|",
        total - never,
        count(total as u64, "action")
    );
    for (action, seen) in run.actions() {
        let answers = if action.switched_off {
            "switched off".to_owned()
        } else if seen.runs == 0 {
            format!("**never ran**: {}", inline(violation_text::never_ran(seen)))
        } else if seen.always_refused {
            format!("{} (**refused every time**)", violation_text::answers(seen))
        } else {
            violation_text::answers(seen)
        };
        let _ = writeln!(
            page,
            "| {} | {} | {} | {answers} |",
            inline(&action.name),
            thousands(seen.runs),
            thousands(seen.new_states)
        );
    }
    page.push_str("\n</details>\n\n");
}

/// Text on one line in which nothing is Markdown or HTML, also within a table.
fn inline(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '\\' | '#' | '~' | '!' | '$' => {
                shown.push('\\');
                shown.push(character);
            }
            _ => shown.push(character),
        }
    }
    shown
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A code block of these lines. Its fence is longer than any run of backticks in them.
fn fenced(language: &str, lines: &[String]) -> String {
    let mut longest = 2;
    for line in lines {
        let mut run = 0;
        for character in line.chars() {
            run = if character == '`' { run + 1 } else { 0 };
            longest = longest.max(run);
        }
    }
    let fence = "`".repeat(longest + 1);
    format!("{fence}{language}\n{}\n{fence}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn written(run: &RunReport) -> String {
        fixture::written(Markdown::new, std::slice::from_ref(run))
    }

    #[test]
    fn a_violation_stands_in_the_table_and_folded_with_its_proof() {
        let text = written(&fixture::found());
        for part in [
            "## venomqa: shop\n\n❌ **1 violation \\(1 critical\\) in 40 steps**",
            "| 1 | critical | **no\\_over\\_refund**: an order was refunded for more than it cost | refund\\_order\\(n=100\\) | 3 | 4 | happened again 3 of 3 |",
            "<details><summary>1. critical no_over_refund</summary>",
            "specs/shop.yaml:30:5",
            "~ orders[1]  refunded 100 -> 200",
            "```sh\nvenomqa explore specs/shop.yaml",
            "| create\\_order | 20 | 6 | 201 x 20 |",
        ] {
            assert!(text.contains(part), "`{part}` is not in\n{text}");
        }
    }

    #[test]
    fn each_kind_of_run_has_its_mark() {
        for (name, run) in fixture::every_kind() {
            let mark = match name {
                "clean" => "✅",
                "incomplete" | "interrupted" => "⚠️",
                _ => "❌",
            };
            let text = written(&run);
            assert!(
                text.lines().nth(2).unwrap().starts_with(mark),
                "{name}\n{text}"
            );
        }
    }

    #[test]
    fn what_never_ran_is_not_folded_away() {
        let (_, incomplete) = fixture::every_kind().swap_remove(2);
        let text = written(&incomplete);
        assert!(
            text.contains("<details open><summary>1 of 2 actions ran"),
            "{text}"
        );
        assert!(
            text.contains("**never ran**: \\`create\\_order\\` has not run"),
            "{text}"
        );
    }

    #[test]
    fn no_content_breaks_out_of_its_place() {
        let (_, hostile) = fixture::every_kind().pop().unwrap();
        let text = written(&hostile);
        let mut fence: Option<&str> = None;
        let (mut opened, mut closed) = (0, 0);
        for line in text.lines() {
            match fence {
                Some(marks) if line == marks => fence = None,
                Some(_) => continue,
                None if line.starts_with("```") => {
                    fence = Some(line.trim_end_matches(char::is_alphabetic));
                }
                None => {}
            }
            assert!(!line.contains("<script"), "{line}");
            opened += line.matches("<details").count();
            closed += line.matches("</details>").count();
            if line.starts_with("| ") {
                let bars = line.replace("\\|", "").matches('|').count();
                assert!(bars == 5 || bars == 8, "{line}");
            }
        }
        assert_eq!(fence, None, "{text}");
        assert_eq!(opened, closed, "{text}");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
    }
}
