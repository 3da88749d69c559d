//! `safe-method-wrote`: a request that promises to change nothing changed rows.

use crate::model::{Action, StepRecord};

use super::{Check, Evaluate, Objection, wrote};

pub(super) const CHECK: Check = Check {
    name: "safe-method-wrote",
    severity: None,
    yields_to: &["access-control"],
    evaluate: Evaluate::Rows(judge),
};

fn judge(action: &Action, record: &StepRecord) -> Option<Objection> {
    if !action.request.is_safe() {
        return None;
    }
    wrote(record, |rows| {
        format!(
            "`{}` is a {}, which must not change anything, but it changed {rows}",
            action.name, action.request.method
        )
    })
}
