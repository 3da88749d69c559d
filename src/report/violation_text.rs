//! A violation in plain text, for every format: its confirmation, the path with requests and rows, the evidence.

use serde_json::Value;

use super::RunReport;
use super::text::{self, Table, clip, count, printable};
use crate::diagnostic::Place;
use crate::event::{
    self, Body, ConfirmationResult, Exchange, Header, OracleKind, Regression, RegressionOutcome,
    Response, RowChange, RowText, ShrinkResult, Violation,
};
use crate::model::{self, Evidence};

/// How wide a table may get where nothing wraps it.
const TABLE_WIDTH: usize = 2000;

/// The place in the spec of the invariant that was broken, or of the action that a check is about.
pub(super) fn place(run: &RunReport, found: &Violation) -> Option<Place> {
    match found.oracle {
        OracleKind::Invariant => run
            .started
            .invariants
            .iter()
            .find(|invariant| invariant.name == found.name)
            .and_then(|invariant| invariant.place),
        OracleKind::Check => found
            .action
            .as_ref()
            .and_then(|action| action_place(run, action)),
    }
}

/// The place of an action in the spec.
pub(super) fn action_place(run: &RunReport, name: &str) -> Option<Place> {
    run.started
        .actions
        .iter()
        .find(|action| action.name == name)
        .and_then(|action| action.place)
}

/// The action whose step broke the oracle, as the spec declares it: without parameters.
pub(super) fn base_action<'r>(run: &'r RunReport, found: &'r Violation) -> Option<&'r str> {
    let name = found.action.as_deref()?;
    let declared = run.started.actions.iter().find(|known| known.name == name);
    Some(declared.map_or(name, |action| action.base_name.as_str()))
}

/// Whether the violation was confirmed, in words.
pub(super) fn confirmation(found: &Violation) -> String {
    let confirmation = &found.confirmation;
    let reason = confirmation.reason.as_deref().unwrap_or_default();
    let times = confirmation.times.unwrap_or_default();
    let of = confirmation.of.unwrap_or_default();
    match confirmation.result {
        ConfirmationResult::Confirmed => format!(
            "confirmed {times} of {of}: happened again each time it was run from the initial state"
        ),
        ConfirmationResult::Unconfirmed => {
            format!("unconfirmed, happened again {times} of {of} times: {reason}")
        }
        ConfirmationResult::NotTried => format!("not confirmed: {reason}"),
    }
}

/// How often the walk saw the violation, in words.
pub(super) fn seen(found: &Violation) -> String {
    match found.occurrences {
        _ if found.path.is_empty() => "seen in the initial state".to_owned(),
        0 => "found by an earlier run; the walk did not come across it".to_owned(),
        1 => format!("seen once, at step {}", found.first_step),
        times => format!(
            "seen {} times, first at step {}",
            text::thousands(times),
            found.first_step
        ),
    }
}

/// Other actions that showed it, in words.
pub(super) fn also_by(found: &Violation) -> Option<String> {
    let own = found
        .action
        .as_deref()
        .and_then(|name| name.split('(').next());
    let others: Vec<String> = (found.also_by.iter())
        .filter(|other| Some(&*other.action) != own)
        .map(|other| {
            let times = count(other.occurrences, "time");
            let steps = count(u64::from(other.steps), "step");
            format!("{} ({times}, from {steps} on)", other.action)
        })
        .collect();
    (!others.is_empty()).then(|| format!("also by: {}", others.join(", ")))
}

/// What follows from a violation, in words.
pub(super) fn consequences(run: &RunReport, found: &Violation) -> Option<String> {
    let all = run.summary.violations.iter();
    let follow: Vec<String> = all
        .filter(|other| other.consequence_of == Some(found.number))
        .map(|other| match &other.action {
            Some(action) => format!("{} {} after {action}", other.severity, other.name),
            None => format!("{} {}", other.severity, other.name),
        })
        .collect();
    (!follow.is_empty()).then(|| format!("leads to: {}", follow.join(", ")))
}

/// From which violation another follows, in words.
pub(super) fn follows_from(run: &RunReport, found: &Violation) -> Option<String> {
    let number = found.consequence_of?;
    let mut all = run.summary.violations.iter();
    let cause = all.find(|other| other.number == number)?;
    Some(format!(
        "follows from {}: never seen where that was not broken before",
        cause.name
    ))
}

/// The runs of a merged one that found it, in words.
pub(super) fn found_by(run: &RunReport, found: &Violation) -> Option<String> {
    let parts = &run.started.merged;
    let name = |number: &u32| {
        let part = parts.get((*number as usize).checked_sub(1)?)?;
        Some(format!("{} seed {}", part.strategy, part.seed))
    };
    let runs: Vec<String> = found.runs.iter().filter_map(name).collect();
    let of = parts.len();
    (!runs.is_empty()).then(|| format!("found by {} of {of} runs: {}", runs.len(), runs.join(", ")))
}

/// A text in pieces of so many columns.
pub(super) fn folded(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut taken = 0;
    for letter in text.chars() {
        let wide = text::width(letter.encode_utf8(&mut [0; 4]));
        if taken + wide > columns {
            lines.push(String::new());
            taken = 0;
        }
        taken += wide;
        if let Some(line) = lines.last_mut() {
            line.push(letter);
        }
    }
    lines
}

/// What shrinking did, in words.
pub(super) fn shrunk(violation: &Violation) -> String {
    let shrink = &violation.shrink;
    let length = violation.path.len() as u64;
    let requests = count(shrink.requests, "request");
    let done = if u64::from(shrink.found_length) > length {
        let found = text::thousands(u64::from(shrink.found_length));
        format!(
            "shrunk from {found} to {} in {requests}",
            count(length, "step")
        )
    } else {
        format!("as short as it was found, {}", count(length, "step"))
    };
    let reason = shrink.reason.as_deref().unwrap_or_default();
    match shrink.result {
        ShrinkResult::NotTried => format!("not shrunk: {reason}"),
        // Of what does not happen each time nobody can say what it needs.
        ShrinkResult::Minimal
            if u64::from(shrink.found_length) > length
                || violation.confirmation.result != ConfirmationResult::Confirmed =>
        {
            done
        }
        ShrinkResult::Minimal => format!("{done}: without any of them it does not happen"),
        ShrinkResult::Unfinished => format!("{done}, perhaps not the shortest: {reason}"),
        ShrinkResult::TakenBack => {
            format!("not shrunk: a shorter path did not happen again: {reason}")
        }
    }
}

/// A changed row in words, on lines without control characters.
pub(super) fn change(change: &RowChange, several_systems: bool) -> Option<RowText> {
    let RowText { sign, name, parts } = change.in_words(several_systems, cell)?;
    let mut parts: Vec<String> = parts.iter().map(|part| printable(part)).collect();
    if parts.is_empty() {
        parts.push("only columns of `ignore_columns`".to_owned());
    }
    Some(RowText {
        sign,
        name: printable(&name),
        parts,
    })
}

/// A cell as a value: text in quotes, so that `"1"` is not `1` and `"NULL"` is not `NULL`.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        other => text::json(other, 40),
    }
}

/// A value in a table, where quotes would only be noise.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(string) => printable(string),
        other => text::json(other, 60),
    }
}

/// The violation from its first request to its evidence, in lines without control characters. Bodies and headers are cut to
/// so many columns.
pub(super) fn whole(run: &RunReport, found: &Violation, columns: usize) -> Vec<String> {
    let mut lines = vec![printable(&confirmation(found))];
    if found.path.is_empty() {
        lines.push("the initial state is broken already, before the first step".to_owned());
    } else {
        lines.push(printable(&shrunk(found)));
    }
    lines.push(seen(found));
    let neighbours = [
        also_by(found),
        consequences(run, found),
        follows_from(run, found),
        found_by(run, found),
    ];
    lines.extend(neighbours.iter().flatten().map(|told| printable(told)));
    lines.extend(
        found
            .replay
            .iter()
            .map(|command| format!("run it again: {}", printable(command))),
    );
    let several_systems = event::several_systems(&found.path);
    for (position, step) in found.path.iter().enumerate() {
        lines.push(String::new());
        lines.push(format!("{}. {}", position + 1, printable(&step.action)));
        if let Some(exchange) = &step.exchange {
            path_step(&mut lines, exchange, several_systems, columns);
        }
    }
    lines.push(String::new());
    lines.extend(evidence(&found.evidence));
    lines
}

/// One step without the name of its action: request, answer and rows, indented.
pub(super) fn path_step(
    lines: &mut Vec<String>,
    seen: &Exchange,
    several_systems: bool,
    columns: usize,
) {
    let request = &seen.request;
    lines.push(format!(
        "   {} {}",
        printable(&request.method),
        clip(&printable(&request.target), columns)
    ));
    head_and_body(lines, &request.headers, request.body.as_ref(), columns);
    let answer = model::Response::status_in_words(seen.response.status);
    let why = seen.response.no_answer.as_ref();
    let why = why.map_or_else(String::new, |none| format!(": {}", printable(&none.why)));
    let tries = tries(&seen.response);
    lines.push(format!("   -> {answer}{tries}{why}"));
    let response = &seen.response;
    head_and_body(lines, &response.headers, response.body.as_ref(), columns);
    for row in &seen.rows {
        if let Some(RowText { sign, name, parts }) = change(row, several_systems) {
            lines.push(format!("   {sign} {name}  {}", parts.join(", ")));
        }
    }
    for failure in &seen.extract_failures {
        lines.push(format!("   ! {}", printable(failure)));
    }
}

/// How often a request was sent until its answer came, where that was more than once.
pub(super) fn tries(response: &Response) -> String {
    match response.retries {
        0 => String::new(),
        retries => format!(" after {} tries", u64::from(retries) + 1),
    }
}

fn head_and_body(lines: &mut Vec<String>, headers: &[Header], body: Option<&Body>, columns: usize) {
    for header in headers.iter().filter(|header| !header.is_boilerplate()) {
        let line = format!("{}: {}", header.name, header.value);
        lines.push(format!("      {}", clip(&printable(&line), columns)));
    }
    let Some(body) = body else { return };
    let shown = match (&body.json, &body.text) {
        (Some(value), _) => text::json(value, columns),
        (None, plain) => clip(&printable(plain.as_deref().unwrap_or_default()), columns),
    };
    let cut = if body.cut {
        format!(" ({})", count(body.length, "byte"))
    } else {
        String::new()
    };
    lines.push(format!("      {shown}{cut}"));
}

/// The evidence in lines.
pub(super) fn evidence(evidence: &Evidence) -> Vec<String> {
    match evidence {
        Evidence::Rows {
            columns,
            rows,
            total,
            expected,
        } => {
            let first = if rows.len() < *total {
                format!(", the first {} are", rows.len())
            } else {
                String::new()
            };
            let colon = if rows.is_empty() { "" } else { ":" };
            let found = count(*total as u64, "row");
            let mut lines = vec![format!(
                "expected {}, found {found}{first}{colon}",
                printable(expected)
            )];
            if !rows.is_empty() {
                let mut table = Table::new(columns.iter().map(|column| printable(column)));
                for row in rows {
                    table.push(row.iter().map(plain).collect());
                }
                let (heading, rows) = table.lines(TABLE_WIDTH);
                lines.extend(
                    [heading]
                        .into_iter()
                        .chain(rows)
                        .map(|row| format!("   {row}")),
                );
            }
            lines
        }
        Evidence::Values { expected, actual } => vec![
            format!("expected {}", printable(expected)),
            format!("   found {}", printable(actual)),
        ],
    }
}

/// The answers that an action got: `200 x 12, 409 x 8`.
pub(super) fn answers(seen: &crate::event::ActionTally) -> String {
    let answers: Vec<String> = seen
        .statuses
        .iter()
        .map(|(status, runs)| {
            let answer = model::Response::status_in_words(*status);
            format!("{answer} x {}", text::thousands(*runs))
        })
        .collect();
    answers.join(", ")
}

/// The outcome of a reproduction, in words.
pub(super) fn outcome(regression: &Regression) -> &'static str {
    match regression.outcome {
        RegressionOutcome::StillFailing => "still failing",
        RegressionOutcome::Fixed => "fixed",
        RegressionOutcome::NotJudged => "not judged",
        RegressionOutcome::NotTried => "not tried",
    }
}

/// Why an action never ran.
pub(super) fn never_ran(seen: &crate::event::ActionTally) -> &str {
    seen.never_ran.as_deref().unwrap_or("the run ended before")
}
