//! `rejected-but-wrote`: a request was refused and changed rows all the same.

use crate::model::{Action, StepRecord};

use super::{Check, Evaluate, Objection, wrote};

pub(super) const CHECK: Check = Check {
    name: "rejected-but-wrote",
    severity: None,
    yields_to: &["access-control"],
    evaluate: Evaluate::Rows(judge),
};

fn judge(action: &Action, record: &StepRecord) -> Option<Objection> {
    let status = record.response.status;
    if status < 400 && !record.response.has_errors {
        return None;
    }
    wrote(record, |rows| {
        format!(
            "`{}` was refused with {status}, but it changed {rows}",
            action.name
        )
    })
}
