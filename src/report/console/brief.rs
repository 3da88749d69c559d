//! One violation in at most twelve lines: what is wrong, how to get there, what proves it, and the command that shows it again.

use super::super::RunReport;
use super::super::text::{self, clip, count, printable, thousands, wrap_words};
use super::super::violation_text;
use super::style::{BAD, BOLD, DIM, DOUBT, GOOD, HINT, Page, paint, severity};
use super::violation::short_body;
use crate::event::{ConfirmationResult, PathStep, Violation};
use crate::model::{self, Evidence};

/// Lines that a violation takes, the empty one at its end included.
const LINES: usize = 12;
/// Rows of the evidence.
const ROWS: usize = 2;
/// Lines of the evidence, where what was expected takes one.
const EVIDENCE: usize = 1 + ROWS;
/// Lines of what was expected.
const EXPECTED: usize = 2;
/// Lines of the message.
const MESSAGE: usize = 2;

pub(super) fn write(page: &mut Page, run: &RunReport, violation: &Violation, title: &str) {
    page.rule(title);
    let evidence = evidence(page, violation);
    // Where what was expected takes a line more, the message leaves it one.
    let message = (MESSAGE + EVIDENCE).saturating_sub(evidence.len());
    let above = head(page, violation, message.clamp(1, MESSAGE));
    let below = [
        evidence,
        vec![proof(page, violation)],
        neighbours(page, run, violation),
    ]
    .concat();
    let command = violation.replay.as_deref();
    let taken = 1 + above.len() + below.len() + usize::from(command.is_some()) + 1;
    let steps = path(page, &violation.path, LINES.saturating_sub(taken).max(1));
    for line in above.iter().chain(&steps).chain(&below) {
        page.line(line);
    }
    if let Some(command) = command {
        // Not wrapped: it is there to be copied.
        page.line(&format!(" {}", paint(HINT, &printable(command))));
    }
    page.gap();
}

/// Severity, name and message, which has room on so many lines.
fn head(page: &Page, violation: &Violation, room: usize) -> Vec<String> {
    let badge = format!(" {} ", violation.severity.name().to_uppercase());
    let name = format!(
        "{} {}",
        paint(severity(violation.severity), &badge),
        paint(BOLD, &printable(&violation.name))
    );
    let message = wrap_words(&printable(&violation.message), page.room(1));
    let mut lines = vec![name];
    for (position, line) in message.iter().take(room).enumerate() {
        let is_cut = position + 1 == room && message.len() > room;
        lines.push(format!(" {line}{}", if is_cut { " …" } else { "" }));
    }
    lines
}

/// The steps on so many lines, each with its request and the status of its answer; those in the middle are left out first.
fn path(page: &Page, path: &[PathStep], lines: usize) -> Vec<String> {
    let room = page.room(GUTTER);
    if path.is_empty() {
        return vec![" the initial state is broken already, before the first step".to_owned()];
    }
    if lines == 1 && path.len() > 1 {
        let names: Vec<String> = path.iter().map(|step| printable(&step.action)).collect();
        return vec![format!(" {}", clip(&names.join(" -> "), page.room(1)))];
    }
    let step = |number: usize| {
        let step = &path[number];
        let is_last = number + 1 == path.len();
        let mark = if is_last { BAD } else { BOLD };
        let told = clip(&printable(&step.action), room / 2);
        let seen = step.exchange.as_ref().map_or_else(String::new, |seen| {
            let answer = model::Response::status_in_words(seen.response.status);
            let mut request = format!(
                "{} {}",
                seen.request.method,
                printable(&seen.request.target)
            );
            let left = room.saturating_sub(text::width(&told) + answer.len() + 6);
            if let Some(body) = &seen.request.body {
                let room = left.saturating_sub(text::width(&request) + 1);
                request = format!("{request} {}", short_body(body, room));
            }
            format!("  {} → {answer}", clip(&request, left))
        });
        format!(
            "{} {DIM}│{DIM:#} {}{}",
            paint(mark, &format!("{:>3}", number + 1)),
            paint(mark, &told),
            paint(DIM, &seen)
        )
    };
    if path.len() <= lines {
        return (0..path.len()).map(step).collect();
    }
    // The first ones, a line for those left out, and the last one.
    let first = lines.saturating_sub(2);
    let left_out = count((path.len() - first - 1) as u64, "more step");
    let middle = format!("    {DIM}│ … {left_out}{DIM:#}");
    let mut shown: Vec<String> = (0..first).map(step).collect();
    shown.push(middle);
    shown.push(step(path.len() - 1));
    shown
}

/// Columns of the left edge of a numbered step: number, rule, blank.
const GUTTER: usize = 6;

/// What was expected and what was found.
fn evidence(page: &Page, violation: &Violation) -> Vec<String> {
    let room = page.room(12);
    match &violation.evidence {
        Evidence::Rows {
            columns,
            rows,
            total,
            expected,
        } => {
            let found = count(*total as u64, "row");
            let expected = printable(expected);
            let mut lines = if text::width(&expected) + text::width(&found) + 8 <= room {
                vec![format!(
                    " {} {expected}, {} {found}",
                    paint(BOLD, "expected"),
                    paint(BOLD, "found")
                )]
            } else {
                labelled(page, "expected", &format!("{expected}, found {found}"))
            };
            for (position, row) in rows.iter().take(ROWS).enumerate() {
                let cells = columns.iter().zip(row);
                let cells: Vec<String> = cells
                    .map(|(name, cell)| {
                        format!("{} {}", printable(name), violation_text::plain(cell))
                    })
                    .collect();
                let more = match total.saturating_sub(ROWS) {
                    more if more > 0 && position + 1 == ROWS => {
                        format!(" … and {} more", thousands(more as u64))
                    }
                    _ => String::new(),
                };
                lines.push(format!("   {}{more}", clip(&cells.join(", "), room)));
            }
            lines
        }
        Evidence::Values { expected, actual } => {
            // The last line of several is the end of the service's log.
            let mut found = actual.lines();
            let (first, last) = (found.next().unwrap_or_default(), found.next_back());
            let expected = expected.lines().next().unwrap_or_default();
            let mut lines = labelled(page, "expected", &printable(expected));
            let found = [("found", Some(first)), ("", last)];
            lines.extend(found.into_iter().filter_map(|(label, text)| {
                let text = clip(&printable(text?), room);
                Some(format!(" {} {text}", paint(BOLD, &format!("{label:>8}"))))
            }));
            lines
        }
    }
}

/// A text behind its label, on so many lines as it may take.
fn labelled(page: &Page, label: &str, told: &str) -> Vec<String> {
    let room = page.room(12);
    let all = wrap_words(told, room);
    let is_cut = all.len() > EXPECTED;
    let line = |(position, line): (usize, &String)| {
        let label = if position == 0 { label } else { "" };
        let more = if is_cut && position + 1 == EXPECTED {
            " …"
        } else {
            ""
        };
        let label = paint(BOLD, &format!("{label:>8}"));
        format!(" {label} {}{more}", clip(line, room))
    };
    all.iter().take(EXPECTED).enumerate().map(line).collect()
}

/// Whether it happened again, how short the path is, and how often it was seen, on one line.
fn proof(page: &Page, violation: &Violation) -> String {
    let confirmation = &violation.confirmation;
    let style = match confirmation.result {
        ConfirmationResult::Confirmed => GOOD,
        ConfirmationResult::Unconfirmed | ConfirmationResult::NotTried => DOUBT,
    };
    let confirmed = match confirmation.result {
        ConfirmationResult::Confirmed => {
            let (times, of) = (confirmation.times, confirmation.of);
            format!("confirmed {} of {}", times.unwrap_or(0), of.unwrap_or(0))
        }
        _ => violation_text::confirmation(violation),
    };
    let found = u64::from(violation.shrink.found_length);
    let seen = violation_text::seen(violation);
    let seen = if found > violation.path.len() as u64 {
        format!("shrunk from {}; {seen}", count(found, "step"))
    } else {
        seen
    };
    let room = page.room(3);
    let confirmed = clip(
        &printable(&confirmed),
        room.saturating_sub(text::width(&seen)).max(room / 2),
    );
    let seen = clip(&seen, room.saturating_sub(text::width(&confirmed)));
    format!(" {}; {}", paint(style, &confirmed), paint(DIM, &seen))
}

/// Other actions that show it, what follows from it, and which runs of several found it.
fn neighbours(page: &Page, run: &RunReport, violation: &Violation) -> Vec<String> {
    let also = violation_text::also_by(violation);
    let consequences = violation_text::consequences(run, violation);
    let found_by = violation_text::found_by(run, violation);
    let told: Vec<String> = [also, consequences, found_by]
        .into_iter()
        .flatten()
        .collect();
    if told.is_empty() {
        return Vec::new();
    }
    let line = clip(&printable(&told.join("; ")), page.room(1));
    vec![format!(" {}", paint(DIM, &line))]
}
