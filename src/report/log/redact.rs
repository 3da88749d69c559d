//! Takes secrets out of entries. Every field that holds a text of the user, the service or the database is named here.

use serde_json::{Map, Value};

use super::entry::{Entry, Failure, Finished, Regression, Started, Stop, Violation, Warning};
use super::exchange::{Body, Exchange};
use crate::model::Evidence;
use crate::secret::Secrets;

/// Takes every secret out of an entry.
pub(super) fn entry(secrets: &Secrets, entry: &mut Entry) {
    match entry {
        Entry::Started(started) => begun(secrets, started),
        Entry::Step(step) => {
            texts(secrets, &mut step.judged);
            texts(secrets, &mut step.broken);
            if let Some(seen) = &mut step.exchange {
                exchange(secrets, seen);
            }
        }
        Entry::Violation(found) => violation(secrets, found),
        // Digests and numbers.
        Entry::Initial(_) | Entry::Progress(_) => {}
        Entry::Warning(said) => warning(secrets, said),
        Entry::Finished(summary) => finished(secrets, summary),
        Entry::Closed(closed) => {
            if let Some(error) = &mut closed.cleanup {
                failure(secrets, error);
            }
        }
    }
}

fn known(secrets: &Secrets, known: &mut Regression) {
    text(secrets, &mut known.file);
    text(secrets, &mut known.name);
    optional(secrets, &mut known.action);
    optional(secrets, &mut known.reason);
}

fn text(secrets: &Secrets, text: &mut String) {
    if let std::borrow::Cow::Owned(shown) = secrets.hide(text) {
        *text = shown;
    }
}

fn optional(secrets: &Secrets, optional: &mut Option<String>) {
    if let Some(shown) = optional {
        text(secrets, shown);
    }
}

fn texts(secrets: &Secrets, texts: &mut [String]) {
    for shown in texts {
        text(secrets, shown);
    }
}

fn fields(secrets: &Secrets, fields: &mut Map<String, Value>) {
    let mut value = Value::Object(std::mem::take(fields));
    secrets.hide_in(&mut value);
    if let Value::Object(shown) = value {
        *fields = shown;
    }
}

fn begun(secrets: &Secrets, started: &mut Started) {
    text(secrets, &mut started.spec.name);
    text(secrets, &mut started.spec.path);
    text(secrets, &mut started.repeat);
    for action in &mut started.actions {
        text(secrets, &mut action.name);
        text(secrets, &mut action.base_name);
        text(secrets, &mut action.path);
    }
    for invariant in &mut started.invariants {
        text(secrets, &mut invariant.name);
    }
}

fn exchange(secrets: &Secrets, seen: &mut Exchange) {
    text(secrets, &mut seen.request.target);
    let headers = seen
        .request
        .headers
        .iter_mut()
        .chain(&mut seen.response.headers);
    for header in headers {
        header.value = secrets
            .hide_header(&header.name, &header.value)
            .into_owned();
    }
    for body in [&mut seen.request.body, &mut seen.response.body]
        .into_iter()
        .flatten()
    {
        let Body {
            json, text: plain, ..
        } = body;
        if let Some(json) = json {
            secrets.hide_in(json);
        }
        optional(secrets, plain);
    }
    fields(secrets, &mut seen.extracted);
    texts(secrets, &mut seen.extract_failures);
    for change in &mut seen.rows {
        for cell in &mut change.key {
            secrets.hide_in(cell);
        }
        for row in [&mut change.before, &mut change.after]
            .into_iter()
            .flatten()
        {
            fields(secrets, row);
        }
    }
}

fn warning(secrets: &Secrets, warning: &mut Warning) {
    text(secrets, &mut warning.message);
    optional(secrets, &mut warning.help);
}

fn failure(secrets: &Secrets, error: &mut Failure) {
    text(secrets, &mut error.message);
    texts(secrets, &mut error.details);
    optional(secrets, &mut error.help);
}

fn finished(secrets: &Secrets, summary: &mut Finished) {
    for tried in &mut summary.corpus {
        known(secrets, tried);
    }
    if let Stop::Failed { error, path } = &mut summary.stop {
        failure(secrets, error);
        texts(secrets, path);
    }
    for seen in &mut summary.actions {
        optional(secrets, &mut seen.never_ran);
        optional(secrets, &mut seen.advice);
    }
    for found in &mut summary.violations {
        violation(secrets, found);
    }
    for said in &mut summary.warnings {
        warning(secrets, said);
    }
}

fn violation(secrets: &Secrets, found: &mut Violation) {
    text(secrets, &mut found.name);
    text(secrets, &mut found.message);
    optional(secrets, &mut found.action);
    text(secrets, &mut found.kind);
    optional(secrets, &mut found.shrink.reason);
    optional(secrets, &mut found.confirmation.reason);
    match &mut found.evidence {
        Evidence::Rows {
            columns,
            rows,
            expected,
            ..
        } => {
            for row in rows {
                for (column, cell) in columns.iter().zip(row) {
                    if secrets.has_name(column) && !cell.is_null() {
                        *cell = crate::secret::REDACTED.into();
                    } else {
                        secrets.hide_in(cell);
                    }
                }
            }
            texts(secrets, columns);
            text(secrets, expected);
        }
        Evidence::Values { expected, actual } => {
            text(secrets, expected);
            text(secrets, actual);
        }
    }
    for step in &mut found.path {
        text(secrets, &mut step.action);
        if let Some(seen) = &mut step.exchange {
            exchange(secrets, seen);
        }
    }
}
