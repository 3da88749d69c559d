//! How often each invariant was judged: one that never was, or not everywhere, is no pass.

use std::collections::HashSet;

use crate::event::InvariantTally;
use crate::model::{ActionId, InvariantId, Model, OracleId};
use crate::oracle::Judgement;
use crate::world::{Warning, WarningCode};

/// What is known of the invariants of a model, in its order.
#[derive(Debug)]
pub(super) struct InvariantTallies {
    tallies: Vec<InvariantTally>,
    /// Of what was warned.
    said: HashSet<(InvariantId, Option<ActionId>)>,
}

impl InvariantTallies {
    pub(super) fn new(model: &Model) -> Self {
        Self {
            tallies: vec![InvariantTally::default(); model.invariants.len()],
            said: HashSet::new(),
        }
    }

    /// Counts what came of one judgement: after an action, or in the initial state. Warnings say what could not be judged, once for
    /// each invariant and action.
    pub(super) fn add(
        &mut self,
        model: &Model,
        action: Option<ActionId>,
        judgement: &Judgement,
    ) -> Vec<Warning> {
        for oracle in &judgement.evaluated {
            if let OracleId::Invariant(id) = oracle
                && !judgement.vacuous.contains(id)
            {
                self.tallies[id.0 as usize].judged += 1;
            }
        }
        let mut warnings = Vec::new();
        for (id, why) in &judgement.unjudged {
            self.tallies[id.0 as usize].unjudged += 1;
            if self.said.insert((*id, action)) {
                let name = &model.invariants[id.0 as usize].name;
                let after = action.map_or_else(
                    || "in the initial state".to_owned(),
                    |action| format!("after `{}`", model.action(action).name),
                );
                let message = format!("`{name}` could not be judged {after}: {why}");
                warnings.push(Warning::new(WarningCode::NotJudged, message).with_help(
                    "a service that says `Content-Type: application/json` must send one JSON text; for larger bodies raise `http.max_body`",
                ));
            }
        }
        warnings
    }

    /// The counts, in the order of the model.
    pub(super) fn tallies(&self) -> &[InvariantTally] {
        &self.tallies
    }
}
