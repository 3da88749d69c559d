//! A replay for people: each step with its exchange and rows, each difference from the file, then the verdict.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Effects, Style};
use serde_json::Value;

use super::text::{clip, count, printable};
use crate::model::{Reproduction, Response, SeenRow, SeenStep};
use crate::secret::REDACTED;

const BOLD: Style = Style::new().effects(Effects::BOLD);
const DIM: Style = Style::new().effects(Effects::DIMMED);
const BAD: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
const GOOD: Style = AnsiColor::Green.on_default().effects(Effects::BOLD);
const DOUBT: Style = AnsiColor::Yellow.on_default();

/// What is replayed.
pub fn title(reproduction: &Reproduction) -> String {
    format!(
        "\n{BAD}{}{BAD:#}  {BOLD}{}{BOLD:#}\n{}\n\n",
        reproduction.severity.name().to_uppercase(),
        printable(reproduction.oracle.name()),
        printable(&reproduction.message),
    )
}

/// One step: request, answer and changed rows. Lines are cut at `width` columns.
pub fn step(
    number: usize,
    seen: &SeenStep,
    answer: Option<&str>,
    recorded: &SeenStep,
    width: usize,
) -> String {
    let room = width.saturating_sub(8).max(20);
    let mut page = String::new();
    let mut line = |style: Style, text: &str| {
        let text = clip(&printable(text), room);
        // Writing to a string cannot fail.
        let _ = writeln!(page, "    {DIM}│{DIM:#} {style}{text}{style:#}");
    };
    let request = match &seen.body {
        Some(body) => format!("{} {body}", seen.request),
        None => seen.request.clone(),
    };
    line(Style::new(), &request);
    let answer = answer.map(|body| format!(" {body}")).unwrap_or_default();
    let status = Response::status_in_words(seen.status);
    line(Style::new(), &format!("→ {status}{answer}"));
    for (name, value) in &seen.extracted {
        line(DIM, &format!("{name} = {value}"));
    }
    for row in &seen.rows {
        line(Style::new(), &format!("{}  {}", row.row, row.change));
    }
    for difference in differences(seen, recorded) {
        line(DOUBT, &format!("other than in the file: {difference}"));
    }
    format!(
        "{BOLD}{number:>3}{BOLD:#} {DIM}│{DIM:#} {BOLD}{}{BOLD:#}\n{page}",
        printable(&seen.action)
    )
}

/// The differences between a step and the file, in words. A step that the file does not describe has none.
pub fn differences(seen: &SeenStep, recorded: &SeenStep) -> Vec<String> {
    if recorded.request.is_empty() && recorded.status == 0 {
        return Vec::new();
    }
    let mut differences = Vec::new();
    if seen.status != recorded.status {
        differences.push(format!(
            "the status is {}, it was {}",
            Response::status_in_words(seen.status),
            Response::status_in_words(recorded.status)
        ));
    }
    let has = |rows: &[SeenRow], row: &SeenRow| {
        rows.iter()
            .any(|other| other.row == row.row && may_be_same(&other.change, &row.change))
    };
    for row in seen.rows.iter().filter(|row| !has(&recorded.rows, row)) {
        differences.push(
            match recorded.rows.iter().find(|other| other.row == row.row) {
                Some(other) => format!("{} was `{}`", row.row, other.change),
                None => format!("{} was not changed", row.row),
            },
        );
    }
    let gone = |row: &&SeenRow| !seen.rows.iter().any(|other| other.row == row.row);
    for row in recorded.rows.iter().filter(gone) {
        differences.push(format!("{} was changed: {}", row.row, row.change));
    }
    differences
}

/// Whether two texts may be the same: a hidden secret matches any text. A run and a replay know different secrets.
fn may_be_same(one: &str, other: &str) -> bool {
    fits(one, other) || fits(other, one)
}

/// Whether a text matches another in which secrets are hidden.
fn fits(hidden: &str, text: &str) -> bool {
    let mut parts = hidden.split(REDACTED);
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(before) = last.replace(part) {
            match rest.find(before) {
                Some(at) => rest = &rest[at + before.len()..],
                None => return false,
            }
        }
    }
    match last {
        Some(end) => rest.ends_with(end),
        None => rest.is_empty(),
    }
}

/// The objection of the oracle.
pub fn evidence(expected: &str, found: &Value) -> String {
    let found = match found {
        Value::String(text) => printable(text),
        Value::Array(rows) => rows
            .iter()
            .map(|row| printable(&row.to_string()))
            .collect::<Vec<_>>()
            .join("\n          "),
        other => printable(&other.to_string()),
    };
    format!("\n expected {}\n    found {found}\n", printable(expected))
}

/// What a replay showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The oracle said no as it did before.
    Reproduced,
    /// The oracle had nothing to object to.
    NotReproduced,
    /// The oracle could not say whether it still happens; why, as a clause.
    NotJudged(String),
}

/// The verdict: the last line.
pub fn verdict(reproduction: &Reproduction, verdict: &Verdict) -> String {
    let name = printable(reproduction.oracle.name());
    let at = match reproduction.path.len() as u64 {
        0 => "in the initial state".to_owned(),
        steps => format!("after {}", count(steps, "step")),
    };
    match verdict {
        Verdict::Reproduced => {
            format!("\n{BAD}reproduced{BAD:#}: `{name}` does not hold {at}\n")
        }
        Verdict::NotReproduced => {
            format!("\n{GOOD}not reproduced{GOOD:#}: `{name}` had nothing to object to {at}\n")
        }
        Verdict::NotJudged(why) => format!(
            "\n{DOUBT}could not be judged{DOUBT:#}: whether `{name}` still fails {at}: {}\n",
            printable(why)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(row: &str, change: &str) -> SeenRow {
        SeenRow {
            row: row.to_owned(),
            change: change.to_owned(),
        }
    }

    fn seen(status: u16, rows: &[SeenRow]) -> SeenStep {
        SeenStep {
            action: "refund".to_owned(),
            request: "POST /refunds".to_owned(),
            status,
            rows: rows.to_vec(),
            ..SeenStep::default()
        }
    }

    #[test]
    fn a_step_that_goes_another_way_says_how() {
        let recorded = seen(
            201,
            &[
                row("orders[1]", "refunded 0 -> 60"),
                row("refunds[1]", "inserted (id 1)"),
            ],
        );
        let now = seen(
            409,
            &[
                row("orders[1]", "refunded 0 -> 50"),
                row("log[1]", "inserted (id 1)"),
            ],
        );
        assert_eq!(
            differences(&now, &recorded),
            [
                "the status is 409, it was 201",
                "orders[1] was `refunded 0 -> 60`",
                "log[1] was not changed",
                "refunds[1] was changed: inserted (id 1)",
            ]
        );
        assert!(differences(&recorded, &recorded).is_empty());
    }

    #[test]
    fn what_is_hidden_on_one_side_only_is_no_difference() {
        for (one, other, same) in [
            ("by [redacted]", "by Bearer [redacted]", true),
            ("note a [redacted] b", "note a s3cret b", true),
            ("a [redacted] b [redacted]", "a x b y", true),
            ("a [redacted] b", "a x c", false),
            ("a [redacted]", "b x", false),
        ] {
            let recorded = seen(200, &[row("notes[1]", one)]);
            let now = seen(200, &[row("notes[1]", other)]);
            assert_eq!(differences(&now, &recorded).is_empty(), same, "{one}");
        }
    }

    #[test]
    fn a_file_that_says_nothing_about_a_step_is_not_contradicted() {
        assert!(differences(&seen(409, &[]), &SeenStep::default()).is_empty());
    }

    #[test]
    fn what_a_service_says_does_not_reach_the_terminal_as_commands() {
        let mut step_seen = seen(200, &[]);
        step_seen.body = Some("\u{1b}[2J".to_owned());
        let shown =
            anstream::adapter::strip_str(&step(1, &step_seen, Some("\u{9b}"), &step_seen, 80))
                .to_string();
        assert!(!shown.contains(['\u{1b}', '\u{9b}']), "{shown}");
        assert!(shown.contains(r"\u{1b}[2J"), "{shown}");
    }
}
