//! `unexpected-body`: an assertion of the action's `expect` on the body does not hold. Judged in
//! [`response`](super::super::response), because an assertion may compare with a query.

use crate::model::Severity;

use super::{Check, Evaluate};

pub(super) const CHECK: Check = Check {
    name: "unexpected-body",
    severity: Some(Severity::High),
    yields_to: &["server-error", "unexpected-status"],
    evaluate: Evaluate::Body,
};
