//! `probe-wrote`: the request of an invariant, which should only look, changed rows. Noticed where probes are sent.

use crate::model::Severity;

use super::{Ask, Check};

pub(super) const CHECK: Check = Check {
    name: "probe-wrote",
    severity: Some(Severity::Medium),
    unless: &[],
    ask: Ask::Probe,
};
