//! `probe-wrote`: the request of an invariant, which should only look, changed rows. Noticed where probes are sent.

use crate::model::Severity;

use super::{Check, Evaluate};

pub(super) const CHECK: Check = Check {
    name: "probe-wrote",
    severity: Some(Severity::Medium),
    yields_to: &[],
    evaluate: Evaluate::Probe,
};
