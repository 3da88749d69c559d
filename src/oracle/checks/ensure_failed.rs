//! `ensure-failed`: a post-condition of an accepted call does not hold. Judged in [`ensure`](super::super::ensure), because it may
//! need the database.

use crate::model::Severity;

use super::{Check, Evaluate};

pub(super) const CHECK: Check = Check {
    name: "ensure-failed",
    severity: Some(Severity::High),
    yields_to: &["server-error", "access-control", "unexpected-status"],
    evaluate: Evaluate::Ensure,
};
