//! The summary of a run: figures, actions, actions that never ran with the reason, warnings, time. The headline stands last,
//! next to the prompt.

use std::time::Duration;

use indexmap::IndexMap;

use super::super::text::{
    self, Table, clip, count, percent, printable, thousands, wrap, wrap_words,
};
use super::super::violation_text;
use super::super::{Cause, Outcome, RunReport, Standing};
use super::style::{BAD, BOLD, DIM, DOUBT, GOOD, HINT, Page, paint};
use crate::event::{Failure, RegressionOutcome, Stop, Time};

/// Rows of the action table and of the lists; the JSON report has all.
const SHOWN: usize = 40;
/// Width of the labels on the left.
const LABEL: usize = 13;

pub(super) fn write(page: &mut Page, run: &RunReport) {
    page.rule(&printable(&run.started.spec.name));
    page.gap();
    // A run that did not start has no figures, only a reason.
    if run.summary.figures.states > 0 {
        figures(page, run);
        actions(page, run);
        never_ran(page, run);
    }
    refused(page, run);
    corpus(page, run);
    baseline(page, run);
    advice(page, run);
    warnings(page, run);
    failure(page, run);
    headline(page, run);
}

fn labelled(page: &mut Page, label: &str, text: &str) {
    let room = page.room(LABEL + 2);
    for (position, line) in wrap_words(text, room).iter().enumerate() {
        let label = if position == 0 { label } else { "" };
        page.line(&format!(
            "  {}{line}",
            paint(DIM, &format!("{label:<LABEL$}"))
        ));
    }
}

fn figures(page: &mut Page, run: &RunReport) {
    let summary = &run.summary;
    let progress = &summary.figures;
    let ran = run.able() - run.never_ran().count();
    labelled(
        page,
        "states",
        &format!(
            "{}, the deepest {} from the initial one",
            thousands(progress.states),
            count(u64::from(summary.deepest), "step")
        ),
    );
    labelled(
        page,
        "transitions",
        &format!(
            "{} in {}; {} left the state as it was",
            thousands(summary.transitions),
            count(progress.step, "step"),
            thousands(summary.unchanged_steps)
        ),
    );
    let merges = &summary.merges;
    if merges.steps + merges.audited > 0 {
        let mut text = format!(
            "{} led to a state that is equal but for ids and what differs each time; {} looked into",
            count(merges.steps, "step"),
            thousands(merges.audited)
        );
        if merges.wrong > 0 {
            text += ", ";
            text += &thousands(merges.wrong);
            text += " of them wrong and taken back";
        }
        labelled(page, "merged", &text);
    }
    labelled(
        page,
        "coverage",
        &format!(
            "{}%, {} of {}",
            percent(progress.coverage),
            thousands(ran as u64),
            count(run.able() as u64, "action")
        ),
    );
    let off: Vec<String> = (run.started.actions.iter())
        .filter(|action| action.switched_off)
        .map(|action| printable(&action.name))
        .collect();
    if !off.is_empty() {
        let shown = off[..off.len().min(SHOWN)].join(", ");
        let more = if off.len() > SHOWN { ", …" } else { "" };
        let count = count(off.len() as u64, "action");
        labelled(page, "switched off", &format!("{count}: {shown}{more}"));
    }
    let ended = match run.summary.stop {
        // The message follows below, with all that belongs to it.
        Stop::Failed { .. } => "by the error below".to_owned(),
        _ => printable(&run.stop_sentence()),
    };
    labelled(page, "ended", &ended);
    if let Some(why) = &summary.process_unknown {
        let text = format!("not known whether the service keeps state in its process: {why}");
        labelled(page, "process", &printable(&text));
    }
    labelled(page, "time", &time(&summary.time));
    labelled(page, "strategy", &printable(&run.strategy()));
    // Not wrapped: it is there to be copied.
    page.line(&format!(
        "  {}{}",
        paint(DIM, &format!("{:<LABEL$}", "repeat")),
        paint(HINT, &printable(&run.started.repeat))
    ));
    page.gap();
}

/// The whole, and the shares.
fn time(time: &Time) -> String {
    let whole = time.total;
    // Shares of less would be shares of nothing.
    if whole < Duration::from_millis(1) {
        return "under 1 ms".to_owned();
    }
    let rare = [("settle", time.settle), ("start", time.start)];
    let rare = rare.into_iter().filter(|(_, spent)| !spent.is_zero());
    let parts = [
        ("HTTP", time.http),
        ("journal", time.journal),
        ("restore", time.restore),
        ("oracles", time.oracles),
        ("shrink", time.shrink),
        ("confirm", time.confirm),
        ("engine", time.engine),
    ]
    .into_iter()
    .chain(rare)
    .collect::<Vec<_>>();
    let shares: Vec<f64> = parts.iter().map(|(_, spent)| spent.as_secs_f64()).collect();
    let percentages = text::percentages(&shares);
    let shares: Vec<String> = parts
        .iter()
        .zip(percentages)
        .map(|((name, _), percentage)| format!("{name} {percentage}%"))
        .collect();
    format!("{}: {}", text::duration(whole), shares.join(", "))
}

fn actions(page: &mut Page, run: &RunReport) {
    let mut table = Table::new(["action", "runs", "new states", "answers"]);
    for (action, seen) in run.actions().take(SHOWN) {
        table.push(vec![
            printable(&action.name),
            thousands(seen.runs),
            thousands(seen.new_states),
            if action.switched_off {
                "switched off".to_owned()
            } else if seen.runs == 0 {
                "never ran".to_owned()
            } else {
                violation_text::answers(seen)
            },
        ]);
    }
    if table.is_empty() {
        return;
    }
    let (heading, lines) = table.lines(page.room(2));
    page.line(&format!("  {}", paint(DIM, &heading)));
    for line in lines {
        page.line(&format!("  {line}"));
    }
    more(page, run.started.actions.len());
    page.gap();
}

/// Says how many entries of a list are not shown.
fn more(page: &mut Page, total: usize) {
    if total > SHOWN {
        page.line(&format!(
            "  {}",
            paint(
                DIM,
                &format!(
                    "… and {} more, see `--report json=PATH`",
                    thousands((total - SHOWN) as u64)
                )
            )
        ));
    }
}

fn entry(page: &mut Page, name: &str, text: &str) {
    let room = page.room(6);
    page.line(&format!("  {}", paint(BOLD, &clip(&printable(name), room))));
    for line in wrap_words(&printable(text), room) {
        page.line(&format!("      {line}"));
    }
}

fn never_ran(page: &mut Page, run: &RunReport) {
    // Many actions may wait for the same one: each reason is shown once.
    let mut reasons: IndexMap<&str, Vec<String>> = IndexMap::new();
    for (action, seen) in run.never_ran() {
        reasons
            .entry(violation_text::never_ran(seen))
            .or_default()
            .push(printable(&action.name));
    }
    if reasons.is_empty() {
        return;
    }
    page.line(&format!(" {}", paint(DOUBT, "never ran")));
    for (reason, names) in reasons.iter().take(SHOWN) {
        let room = page.room(6);
        for line in wrap(&names[..names.len().min(SHOWN)], room) {
            page.line(&format!("  {}", paint(BOLD, &line)));
        }
        more(page, names.len());
        for line in wrap_words(&printable(reason), room) {
            page.line(&format!("      {line}"));
        }
    }
    more(page, reasons.len());
    page.gap();
}

fn refused(page: &mut Page, run: &RunReport) {
    let names: Vec<String> = run
        .always_refused()
        .map(|(action, _)| printable(&action.name))
        .collect();
    if names.is_empty() {
        return;
    }
    page.line(&format!(
        " {} {}",
        paint(DOUBT, "refused every time"),
        paint(
            DIM,
            "(no answer was accepted, and the spec lists none of their statuses)"
        )
    ));
    let room = page.room(2);
    for line in wrap(&names[..names.len().min(SHOWN)], room) {
        page.line(&format!("  {line}"));
    }
    more(page, names.len());
    page.gap();
}

/// The outcomes of the reproductions that were tried before the walk.
fn corpus(page: &mut Page, run: &RunReport) {
    let corpus = &run.summary.corpus;
    if corpus.is_empty() {
        return;
    }
    page.line(&format!(
        " {} {}",
        paint(HINT, "found before"),
        paint(
            DIM,
            "(tried first; a file that is no longer wanted can be deleted)"
        )
    ));
    for regression in corpus.iter().take(SHOWN) {
        let style = match regression.outcome {
            RegressionOutcome::StillFailing => BAD,
            RegressionOutcome::Fixed => GOOD,
            RegressionOutcome::NotJudged | RegressionOutcome::NotTried => DOUBT,
        };
        let word = violation_text::outcome(regression);
        page.line(&format!(
            "  {} {}",
            paint(style, &format!("{word:<LABEL$}")),
            printable(&regression.file)
        ));
        if let Some(reason) = &regression.reason {
            for line in wrap_words(&printable(reason), page.room(LABEL + 3)) {
                page.line(&format!("  {:LABEL$} {line}", ""));
            }
        }
    }
    more(page, corpus.len());
    page.gap();
}

/// What the baseline knows, and what of it was not seen.
fn baseline(page: &mut Page, run: &RunReport) {
    let known: Vec<&str> = (run.standing(Standing::Known))
        .map(|found| found.cause.as_str())
        .collect();
    let not_seen: Vec<&str> = run
        .summary
        .known_not_seen
        .iter()
        .map(String::as_str)
        .collect();
    for (word, style, causes) in [("known", HINT, known), ("not seen", DOUBT, not_seen)] {
        if causes.is_empty() {
            continue;
        }
        let note = match word {
            "known" => "(baseline)",
            _ => "(of the baseline: cured, or this run did not come across it)",
        };
        page.line(&format!(" {} {}", paint(style, word), paint(DIM, note)));
        for cause in causes.iter().take(SHOWN) {
            page.line(&format!("  {}", clip(&printable(cause), page.room(2))));
        }
        more(page, causes.len());
        page.gap();
    }
}

fn advice(page: &mut Page, run: &RunReport) {
    let advice: Vec<(&str, &str)> = run
        .actions()
        .filter_map(|(action, seen)| Some((action.name.as_str(), seen.advice.as_deref()?)))
        .collect();
    if advice.is_empty() {
        return;
    }
    page.line(&format!(" {}", paint(HINT, "advice")));
    for (name, text) in advice.iter().take(SHOWN) {
        entry(page, name, text);
    }
    more(page, advice.len());
    page.gap();
}

fn warnings(page: &mut Page, run: &RunReport) {
    for warning in &run.summary.warnings {
        let style = if warning.untrusted { BAD } else { DOUBT };
        let head = format!("warning[{}]", warning.code);
        page.line(&format!(" {}", paint(style, &head)));
        for line in wrap_words(&printable(&warning.message), page.room(6)) {
            page.line(&format!("      {line}"));
        }
        if warning.untrusted {
            page.line("      because of this the verdicts of the run cannot be relied on");
        }
        help(page, warning.help.as_deref());
        page.gap();
    }
}

fn help(page: &mut Page, help: Option<&str>) {
    let Some(text) = help else { return };
    for (position, line) in wrap_words(&printable(text), page.room(12))
        .iter()
        .enumerate()
    {
        let label = if position == 0 { "help:" } else { "     " };
        page.line(&format!("      {} {line}", paint(HINT, label)));
    }
}

fn failure(page: &mut Page, run: &RunReport) {
    for error in run.errors() {
        failed(page, error);
        if let Stop::Failed { error: last, path } = &run.summary.stop
            && last == error
            && !path.is_empty()
        {
            page.line("      after");
            for (position, action) in path.iter().enumerate() {
                page.line(&format!(
                    "      {:>3} {DIM}│{DIM:#} {}",
                    position + 1,
                    printable(action)
                ));
            }
        }
        page.gap();
    }
}

fn failed(page: &mut Page, error: &Failure) {
    let mut lines = wrap_words(&printable(&error.message), page.room(8)).into_iter();
    page.line(&format!(
        " {} {}",
        paint(BAD, "error:"),
        lines.next().unwrap_or_default()
    ));
    for line in lines {
        page.line(&format!("        {line}"));
    }
    for detail in &error.details {
        for line in detail.lines() {
            page.line(&format!("      {DIM}│{DIM:#} {}", printable(line)));
        }
    }
    help(page, error.help.as_deref());
}

fn headline(page: &mut Page, run: &RunReport) {
    let style = match run.outcome() {
        Outcome::Clean => GOOD,
        Outcome::Incomplete | Outcome::Interrupted => DOUBT,
        Outcome::Violations | Outcome::Failed => BAD,
    };
    page.line(&paint(style, &printable(&run.headline())));
    // The headline names the first cause; the others must not get lost behind it.
    for cause in run.causes().iter().skip(1) {
        let text = match cause {
            Cause::Stopped(text) | Cause::Cleanup(text) | Cause::Untrusted(text) => text.as_str(),
            Cause::NoStep => "no step was taken",
        };
        page.line(&format!("and: {}", printable(text)));
    }
}
