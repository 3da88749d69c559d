//! A violation that an earlier run found.

use super::Model;
use super::action::ActionId;
use super::reproduction::{OracleName, Reproduction, SeenStep};
use super::violation::{Evidence, Finding, OracleId};

/// A violation that an earlier run found.
#[derive(Clone, Debug)]
pub struct Regression {
    /// The file that keeps its reproduction; reports call it by that.
    pub file: String,
    /// The oracle that reported it.
    pub oracle: OracleName,
    /// The action whose step broke it, with its parameters; `None` where the initial state was broken.
    pub action: Option<String>,
    /// The finding and the path to it; or, in words, why this model cannot run that path.
    pub path: Result<(Finding, Vec<ActionId>), String>,
    /// What was seen on that path.
    pub seen: Vec<SeenStep>,
}

impl Regression {
    /// The regression that a reproduction in `file` describes, in the numbers of this model. `oracle` is the oracle that the
    /// reproduction names; `None` where it no longer exists.
    pub fn new(
        file: String,
        reproduction: &Reproduction,
        model: &Model,
        oracle: Option<OracleId>,
    ) -> Self {
        Self {
            file,
            oracle: reproduction.oracle.clone(),
            action: reproduction.path.last().map(|step| step.action.clone()),
            path: resolve(reproduction, model, oracle),
            seen: reproduction.path.clone(),
        }
    }
}

fn resolve(
    reproduction: &Reproduction,
    model: &Model,
    oracle: Option<OracleId>,
) -> Result<(Finding, Vec<ActionId>), String> {
    let oracle = oracle.ok_or_else(|| match &reproduction.oracle {
        OracleName::Invariant(name) => format!("there is no invariant `{name}` any more"),
        OracleName::Check(name) => format!("the check `{name}` is off"),
    })?;
    let path = reproduction
        .path
        .iter()
        .map(|step| {
            model
                .action_ids()
                .find(|id| model.action(*id).name == step.action)
                .ok_or_else(|| format!("there is no action `{}` any more", step.action))
        })
        .collect::<Result<_, _>>()?;
    let finding = Finding {
        oracle,
        name: reproduction.oracle.name().into(),
        severity: reproduction.severity,
        kind: reproduction.kind.clone(),
        offends: Vec::new(),
        message: reproduction.message.clone(),
        evidence: Evidence::Values {
            expected: reproduction.expected.clone(),
            actual: reproduction.found.to_string(),
        },
    };
    Ok((finding, path))
}
