//! The differences between two runs of the same steps, in words.

use std::collections::BTreeSet;

use crate::model::{Model, PathStep, Response, RowChange, StepRecord};

/// The first step whose record differs between the runs, as a clause of a sentence. `None` where no record differs.
pub(crate) fn first_difference(
    model: &Model,
    before: &[PathStep],
    now: &[PathStep],
) -> Option<String> {
    let steps = || {
        before
            .iter()
            .zip(now)
            .enumerate()
            .filter_map(|(index, (before, now))| {
                let name = &model.action(now.action).name;
                let step = format!("step {} (`{name}`)", index + 1);
                Some((step, before.record.as_deref()?, now.record.as_deref()?))
            })
    };
    let status = steps().find_map(|(step, before, now)| {
        let (was, is) = (before.response.status, now.response.status);
        (was != is).then(|| {
            let [was, is] = [was, is].map(Response::status_in_words);
            format!("{step} was answered {is} instead of {was}")
        })
    });
    status.or_else(|| {
        steps().find_map(|(step, before, now)| {
            let names = differences(before, now);
            (!names.is_empty()).then(|| {
                let names: Vec<String> = names.into_iter().collect();
                format!("{step} differed in: {}", names.join(", "))
            })
        })
    })
}

/// Columns, extracted variables and statuses in which two runs of one action differ.
pub(crate) fn differences(before: &StepRecord, now: &StepRecord) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if before.response.status != now.response.status {
        names.insert(format!(
            "status ({} and {})",
            before.response.status, now.response.status
        ));
    }
    for (name, value) in &before.extracted {
        if now
            .extracted
            .iter()
            .any(|(other, again)| other == name && again != value)
        {
            names.insert(format!("extracted `{name}`"));
        }
    }
    let first: Vec<_> = before.rows.rows().collect();
    let second: Vec<_> = now.rows.rows().collect();
    let touched =
        |rows: &[&RowChange]| -> Vec<u32> { rows.iter().map(|change| change.table.id.0).collect() };
    if touched(&first) == touched(&second) {
        // The same rows in the same order, as far as tables go: name the columns.
        for (a, b) in first.iter().zip(&second) {
            if let (Some(x), Some(y)) = (&a.after, &b.after) {
                let columns = a.table.columns.iter().zip(x.iter().zip(y.iter()));
                for (index, (column, (x, y))) in columns.enumerate() {
                    let ignored = a.table.ignored_columns.get(index).copied();
                    if x != y && ignored != Some(true) && a.table.observed {
                        names.insert(format!("{}.{column}", a.table.name));
                    }
                }
            }
        }
    } else {
        for change in first.iter().chain(&second) {
            names.insert(format!("rows of {}", change.table.name));
        }
    }
    names
}
