//! The first difference between two runs of the same path, in words.

use crate::model::{Differences, Model, PathStep, Response};

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
            let names = Differences::between(before, now).in_words();
            (!names.is_empty()).then(|| format!("{step} differed in: {}", names.join(", ")))
        })
    })
}
