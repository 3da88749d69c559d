//! `venomqa validate`: everything that is wrong with specs, and nothing started.

use super::args::Validate;
use super::{ExitCode, Problem, Session, specs};

pub(super) fn run(session: &Session<'_>, validate: &Validate) -> Result<ExitCode, Problem> {
    let paths = specs::find(&validate.specs.specs)?;
    let loaded = match specs::load(session, &paths, &validate.values) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    for spec in &loaded {
        let count = |number: usize, noun: &str| {
            format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
        };
        session.result(&format!(
            "{}: valid, {} and {}\n",
            spec.path.display(),
            count(spec.model.actions.len(), "action"),
            count(spec.model.invariants.len(), "invariant"),
        ))?;
    }
    Ok(ExitCode::Success)
}
