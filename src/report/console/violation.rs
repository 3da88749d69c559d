//! One violation with everything: the message, the path with all that was sent, answered and written, the evidence.

use super::super::RunReport;
use super::super::text::{self, Table, clip, count, printable, wrap, wrap_words};
use super::super::violation_text;
use super::multipart;
use super::style::{
    ADDED, BAD, BOLD, CHANGED, DIM, DOUBT, GOOD, HINT, Page, REMOVED, paint, severity, status,
};
use crate::event::{
    self, Body, ConfirmationResult, Exchange, Header, PathStep, RowChange, RowText, Violation,
};
use crate::model::{self, Evidence};

/// Columns of a body; the reports keep no more of it than the log.
const BODY: usize = 20_000;
/// Columns of the left edge of a numbered step: number, rule, blank.
const GUTTER: usize = 6;

pub(super) fn write(page: &mut Page, run: &RunReport, violation: &Violation, title: &str) {
    page.rule(title);
    page.gap();
    let badge = format!(" {} ", violation.severity.name().to_uppercase());
    page.line(&format!(
        "{} {}",
        paint(severity(violation.severity), &badge),
        paint(BOLD, &printable(&violation.name))
    ));
    for line in wrap_words(&printable(&violation.message), page.room(1)) {
        page.line(&format!(" {line}"));
    }
    confirmation(page, run, violation);
    page.gap();
    if violation.path.is_empty() {
        page.line(" the initial state is broken already, before the first step");
    }
    let several_systems = event::several_systems(&violation.path);
    for (position, step) in violation.path.iter().enumerate() {
        let last = position + 1 == violation.path.len();
        path_step(page, step, position + 1, last, several_systems);
    }
    page.gap();
    evidence(page, &violation.evidence);
    page.gap();
}

fn confirmation(page: &mut Page, run: &RunReport, violation: &Violation) {
    let style = match violation.confirmation.result {
        ConfirmationResult::Confirmed => GOOD,
        ConfirmationResult::Unconfirmed | ConfirmationResult::NotTried => DOUBT,
    };
    for line in wrap_words(
        &printable(&violation_text::confirmation(violation)),
        page.room(1),
    ) {
        page.line(&format!(" {}", paint(style, &line)));
    }
    if !violation.path.is_empty() {
        for line in wrap_words(&printable(&violation_text::shrunk(violation)), page.room(1)) {
            page.line(&format!(" {}", paint(DIM, &line)));
        }
    }
    page.line(&format!(
        " {}",
        paint(DIM, &violation_text::seen(violation))
    ));
    let neighbours = [
        violation_text::also_by(violation),
        violation_text::consequences(run, violation),
        violation_text::follows_from(run, violation),
        violation_text::found_by(run, violation),
    ];
    for told in neighbours.into_iter().flatten() {
        for line in wrap_words(&printable(&told), page.room(1)) {
            page.line(&format!(" {}", paint(DIM, &line)));
        }
    }
    if let Some(command) = &violation.replay {
        // Not wrapped: it is there to be copied.
        page.line(&format!(" {}", paint(HINT, &printable(command))));
    }
}

fn path_step(page: &mut Page, step: &PathStep, number: usize, last: bool, several_systems: bool) {
    let mark = if last { BAD } else { BOLD };
    page.line(&format!(
        "{} {DIM}│{DIM:#} {}",
        paint(mark, &format!("{number:>3}")),
        paint(mark, &printable(&step.action))
    ));
    let Some(seen) = &step.exchange else {
        return;
    };
    exchange(page, seen);
    for change in &seen.rows {
        row_change(page, change, several_systems);
    }
    for failure in &seen.extract_failures {
        let room = page.room(GUTTER);
        gutter(page, &paint(BAD, &clip(&printable(failure), room)));
    }
}

fn gutter(page: &mut Page, line: &str) {
    page.line(&format!("    {DIM}│{DIM:#} {line}"));
}

/// Headers, each on a line.
fn headers(page: &mut Page, headers: &[Header]) {
    for header in headers {
        let line = format!("{}: {}", header.name, header.value);
        let line = clip(&printable(&line), page.room(GUTTER + 2));
        gutter(page, &format!("  {}", paint(DIM, &line)));
    }
}

/// A body on as many lines as it takes.
fn whole_body(page: &mut Page, body: Option<&Body>) {
    let Some(body) = body else { return };
    let shown = short_body(body, BODY);
    let room = page.room(GUTTER + 2);
    for line in violation_text::folded(&shown, room) {
        gutter(page, &format!("  {}", paint(DIM, &line)));
    }
}

/// The request, and the answer.
fn exchange(page: &mut Page, seen: &Exchange) {
    let room = page.room(GUTTER);
    let request = &seen.request;
    let head = clip(
        &format!("{} {}", request.method, printable(&request.target)),
        room,
    );
    gutter(page, &head);
    headers(page, &request.headers);
    whole_body(page, request.body.as_ref());

    let response = &seen.response;
    let code = model::Response::status_in_words(response.status);
    let why = response
        .no_answer
        .as_ref()
        .map_or_else(String::new, |none| {
            format!(" {}", clip(&printable(&none.why), room.saturating_sub(12)))
        });
    let code = paint(status(response.status), &code);
    let why = format!("{}{why}", violation_text::tries(response));
    gutter(page, &format!("{DIM}→{DIM:#} {code}{}", paint(DIM, &why)));
    headers(page, &response.headers);
    whole_body(page, response.body.as_ref());
}

/// A body in at most so many columns; empty where that is too narrow for a useful text.
pub(super) fn short_body(body: &Body, columns: usize) -> String {
    if columns < 8 {
        return String::new();
    }
    if let Some(value) = &body.json {
        return text::json(value, columns);
    }
    // More than a terminal holds need not be made printable.
    let plain = body.text.as_deref().unwrap_or_default();
    let start = multipart::parts(plain)
        .unwrap_or_else(|| plain.chars().take(columns * 2).collect::<String>());
    let mut shown = clip(&printable(&start), columns);
    if body.cut {
        let note = format!(" ({})", count(body.length, "byte"));
        shown = format!(
            "{}{note}",
            clip(&shown, columns.saturating_sub(text::width(&note)))
        );
    }
    shown
}

fn row_change(page: &mut Page, change: &RowChange, several_systems: bool) {
    let Some(RowText { sign, name, parts }) = violation_text::change(change, several_systems)
    else {
        return;
    };
    let name = clip(&name, page.room(GUTTER) / 2);
    let style = match sign {
        '+' => ADDED,
        '-' => REMOVED,
        _ => CHANGED,
    };
    let indent = text::width(&name) + 4;
    let lines = wrap(&parts, page.room(GUTTER + indent));
    for (position, line) in lines.iter().enumerate() {
        if position == 0 {
            gutter(
                page,
                &format!("{}  {line}", paint(style, &format!("{sign} {name}"))),
            );
        } else {
            gutter(page, &format!("{}{line}", " ".repeat(indent)));
        }
    }
}

fn evidence(page: &mut Page, evidence: &Evidence) {
    match evidence {
        Evidence::Rows {
            columns,
            rows,
            total,
            expected,
        } => {
            let found = count(*total as u64, "row");
            let shown = if rows.len() < *total {
                format!(", the first {} are", rows.len())
            } else {
                String::new()
            };
            let colon = if rows.is_empty() { "" } else { ":" };
            page.line(&format!(
                " {} {}, {} {found}{shown}{colon}",
                paint(BOLD, "expected"),
                clip(&printable(expected), page.room(30)),
                paint(BOLD, "found"),
            ));
            if rows.is_empty() {
                return;
            }
            page.gap();
            let mut table = Table::new(columns.iter().map(|column| printable(column)));
            for row in rows {
                table.push(row.iter().map(violation_text::plain).collect());
            }
            let (heading, lines) = table.lines(page.room(3));
            page.line(&format!("   {}", paint(DIM, &heading)));
            for line in lines {
                page.line(&format!("   {line}"));
            }
        }
        Evidence::Values { expected, actual } => {
            let room = page.room(11);
            for (label, text) in [("expected", expected), ("found", actual)] {
                // The lines are ours; what stands in them may be somebody else's.
                let lines = text
                    .lines()
                    .flat_map(|line| wrap_words(&printable(line), room));
                for (position, line) in lines.enumerate() {
                    let label = if position == 0 { label } else { "" };
                    page.line(&format!(
                        " {} {}",
                        paint(BOLD, &format!("{label:>8}")),
                        clip(&line, room)
                    ));
                }
            }
        }
    }
}
