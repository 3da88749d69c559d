//! One violation: the message, the path and the evidence.

use super::super::RunReport;
use super::super::text::{self, Table, clip, count, printable, wrap, wrap_words};
use super::super::violation_text;
use super::style::{
    ADDED, BAD, BOLD, CHANGED, DIM, DOUBT, GOOD, HINT, Page, REMOVED, paint, severity, status,
};
use crate::event::{
    self, Body, ConfirmationResult, Exchange, PathStep, RowChange, RowText, Violation,
};
use crate::model::{self, Evidence};

/// Changed rows shown for one step; the JSON report has all.
const SHOWN_CHANGES: usize = 8;
/// Lines that one inserted or deleted row may take.
const SHOWN_ROW_LINES: usize = 3;
/// Columns of the left edge of a numbered step: number, rule, blank.
const GUTTER: usize = 6;

pub(super) fn write(page: &mut Page, run: &RunReport, violation: &Violation, number: usize) {
    let total = run.summary.violations.len();
    // Unconfirmed violations stand behind the others and have a title of their own.
    let kind = match violation.confirmation.result {
        ConfirmationResult::Unconfirmed => "unconfirmed violation",
        ConfirmationResult::Confirmed | ConfirmationResult::NotTried => "violation",
    };
    page.rule(&format!("{kind} {number} of {total}"));
    page.gap();
    let badge = format!(" {} ", violation.severity.name().to_uppercase());
    page.line(&format!(
        "{} {}",
        paint(severity(violation.severity), &badge),
        paint(BOLD, &violation.name)
    ));
    for line in wrap_words(&printable(&violation.message), page.room(1)) {
        page.line(&format!(" {line}"));
    }
    confirmation(page, violation);
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

fn confirmation(page: &mut Page, violation: &Violation) {
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
    let changes = &seen.rows;
    for change in changes.iter().take(SHOWN_CHANGES) {
        row_change(page, change, several_systems);
    }
    if changes.len() > SHOWN_CHANGES {
        let more = count((changes.len() - SHOWN_CHANGES) as u64, "more row");
        gutter(
            page,
            &paint(DIM, &format!("… and {more}, see `--report json=PATH`")),
        );
    }
    for failure in &seen.extract_failures {
        let room = page.room(GUTTER);
        gutter(page, &paint(BAD, &clip(&printable(failure), room)));
    }
}

fn gutter(page: &mut Page, line: &str) {
    page.line(&format!("    {DIM}│{DIM:#} {line}"));
}

/// The request on one line, the answer on the next.
fn exchange(page: &mut Page, seen: &Exchange) {
    let room = page.room(GUTTER);
    let request = &seen.request;
    let head = clip(
        &format!("{} {}", request.method, printable(&request.target)),
        room,
    );
    let body = request
        .body
        .as_ref()
        .map(|body| short_body(body, room.saturating_sub(text::width(&head) + 1)))
        .unwrap_or_default();
    gutter(page, &with_body(&head, &body));

    let response = &seen.response;
    let code = model::Response::status_in_words(response.status);
    let body = response
        .body
        .as_ref()
        .map(|body| short_body(body, room.saturating_sub(code.len() + 3)))
        .unwrap_or_default();
    let code = paint(status(response.status), &code);
    let why = response.no_answer.as_ref();
    let body = why.map_or(body, |none| {
        clip(&printable(&none.why), room.saturating_sub(12))
    });
    gutter(page, &with_body(&format!("{DIM}→{DIM:#} {code}"), &body));
}

fn with_body(head: &str, body: &str) -> String {
    if body.is_empty() {
        head.to_owned()
    } else {
        format!("{head} {}", paint(DIM, body))
    }
}

/// A body in at most so many columns; empty where that is too narrow for a useful text.
fn short_body(body: &Body, columns: usize) -> String {
    if columns < 8 {
        return String::new();
    }
    if let Some(value) = &body.json {
        return text::json(value, columns);
    }
    // More than a terminal holds need not be made printable.
    let plain = body.text.as_deref().unwrap_or_default();
    let start: String = plain.chars().take(columns * 2).collect();
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
    let mut lines = wrap(&parts, page.room(GUTTER + indent));
    if lines.len() > SHOWN_ROW_LINES {
        lines.truncate(SHOWN_ROW_LINES);
        if let Some(line) = lines.last_mut() {
            line.push_str(" …");
        }
    }
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
