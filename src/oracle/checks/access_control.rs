//! `access-control`: somebody did what the spec does not allow them.

use crate::model::{Action, Evidence, Severity, StepRecord};

use super::{Check, Evaluate, Objection, wrote};

pub(super) const CHECK: Check = Check {
    name: "access-control",
    severity: Some(Severity::Critical),
    yields_to: &["server-error"],
    evaluate: Evaluate::Step(judge),
};

fn judge(action: &Action, record: &StepRecord) -> Option<Objection> {
    let allowed = &action.forbidden.as_ref()?.allowed;
    let who = match allowed.as_slice() {
        [] => "nobody is".to_owned(),
        [one] => format!("only `{one}` is"),
        several => format!(
            "only {} are",
            several
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    let status = record.response.status;
    // A redirect leads to a login page, or means that it was done, and who knows what a server error has done: the rows tell.
    if (200..300).contains(&status) && !record.response.has_errors {
        return Some(Objection {
            kind: "accepted".to_owned(),
            message: format!(
                "`{}` was answered with {status}, but {who} allowed to do that",
                action.name
            ),
            evidence: Evidence::Values {
                expected: "a refusal (4xx, or a redirect)".to_owned(),
                actual: record.response.excerpt(),
            },
        });
    }
    let objection = wrote(record, |rows| {
        format!(
            "`{}` was refused with {status}, but it changed {rows}, and {who} allowed to do that",
            action.name
        )
    })?;
    Some(Objection {
        kind: "wrote".to_owned(),
        ..objection
    })
}
