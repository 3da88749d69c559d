//! `venomqa schema`

use super::{ExitCode, Problem, Session};
use crate::spec;

pub(super) fn run(session: &Session<'_>) -> Result<ExitCode, Problem> {
    session.program(&format!("{:#}\n", spec::schema()))?;
    Ok(ExitCode::Success)
}
