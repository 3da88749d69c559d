//! Before the walk: what earlier runs have found is tried first. It takes no step of the walk and changes nothing in it.

use std::time::{Duration, Instant};

use crate::evidence::Stop;
use crate::model::{Accuser, ActionId, Evidence, Finding, Model, OracleId, Reproduction};
use crate::oracle::Judge;
use crate::world::{World, WorldError};

use super::engine::Run;
use super::event::Event;
use super::graph::Graph;
use super::trial::{Allowance, Memory, Trials, Tried};

/// A violation that an earlier run has found.
#[derive(Clone, Debug)]
pub struct Known {
    /// What it is called in reports: its file.
    pub file: String,
    /// Who said no.
    pub oracle: Accuser,
    /// The action whose step broke it, with its parameters; `None` where the initial state was broken.
    pub action: Option<String>,
    /// What was found, and the path to it; or, in words, why that cannot be tried with this model.
    pub path: Result<(Finding, Vec<ActionId>), String>,
}

impl Known {
    /// What a reproduction says, in the numbers of this model. `oracle` is the one that it names, if there still is one.
    pub fn new(file: String, told: &Reproduction, model: &Model, oracle: Option<OracleId>) -> Self {
        Self {
            file,
            oracle: told.oracle.clone(),
            action: told.path.last().map(|step| step.action.clone()),
            path: resolved(told, model, oracle),
        }
    }
}

fn resolved(
    told: &Reproduction,
    model: &Model,
    oracle: Option<OracleId>,
) -> Result<(Finding, Vec<ActionId>), String> {
    let oracle = oracle.ok_or_else(|| match &told.oracle {
        Accuser::Invariant(name) => format!("there is no invariant `{name}` any more"),
        Accuser::Check(name) => format!("the check `{name}` is off"),
    })?;
    let path = told
        .path
        .iter()
        .map(|step| {
            model
                .action_ids()
                .find(|id| model.action(*id).name == step.action)
                .ok_or_else(|| format!("there is no action `{}` any more", step.action))
        })
        .collect::<Result<_, _>>()?;
    let wanted = Finding {
        oracle,
        name: told.oracle.name().into(),
        severity: told.severity,
        kind: told.kind.clone(),
        message: told.message.clone(),
        evidence: Evidence::Values {
            expected: told.expected.clone(),
            actual: told.found.to_string(),
        },
    };
    Ok((wanted, path))
}

/// What trying a known violation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownOutcome {
    /// As in [`Known`].
    pub file: String,
    /// As in [`Known`].
    pub oracle: Accuser,
    /// As in [`Known`].
    pub action: Option<String>,
    /// Whether it still happens.
    pub now: Now,
}

/// Whether a known violation still happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Now {
    /// It does, and is a violation of this run.
    StillFailing,
    /// It does not.
    Fixed,
    /// It could not be tried; the text says why.
    NotTried(String),
}

/// Time that one of them may take.
const TIME: Duration = Duration::from_secs(60);

impl<W: World, J: Judge<W>> Run<'_, W, J> {
    /// Tries everything that is known. Afterwards the world stands in the initial state again.
    pub(super) async fn try_known(&mut self, graph: &Graph) -> Result<(), WorldError> {
        let options = self.options;
        if options.known.is_empty() {
            return Ok(());
        }
        let mut memory = Memory::new(self.model);
        for known in &options.known {
            let now = match &known.path {
                Err(why) => Now::NotTried(why.clone()),
                Ok((finding, path)) if path.is_empty() => {
                    // The initial state has been judged already.
                    match self.violations.said_by(finding.oracle) {
                        Some(_) => Now::StillFailing,
                        None => Now::Fixed,
                    }
                }
                Ok(_) if !self.world.can_restore() => {
                    Now::NotTried("the service cannot be put back (`restore: none`)".to_owned())
                }
                Ok((finding, path)) => self.try_one(graph, &mut memory, finding, path).await?,
            };
            let outcome = KnownOutcome {
                file: known.file.clone(),
                oracle: known.oracle.clone(),
                action: known.action.clone(),
                now,
            };
            (self.observer)(Event::Known(&outcome));
            self.known.push(outcome);
        }
        if self.world.can_restore() {
            self.restore(super::graph::StateId::INITIAL).await?;
        }
        Ok(())
    }

    async fn try_one(
        &mut self,
        graph: &Graph,
        memory: &mut Memory<W::Checkpoint>,
        finding: &Finding,
        path: &[ActionId],
    ) -> Result<Now, WorldError> {
        let sent_before = self.world.requests();
        let mut trials = Trials {
            model: self.model,
            world: &mut *self.world,
            judge: &mut *self.judge,
            graph,
            checkpoints: &self.checkpoints,
            records: &self.records,
            broken: &self.broken,
            interrupt: &self.options.interrupt,
            memory,
            wanted: finding,
            allowance: Allowance {
                requests: u64::MAX,
                deadline: Instant::now() + TIME,
            },
            sent_before,
            shown: None,
            standing: None,
        };
        let tried = match trials.run(path).await {
            Ok(tried) => tried,
            Err(Stop::Budget(why)) => return Ok(Now::NotTried(why)),
            Err(Stop::Error(error)) => return Err(error),
        };
        Ok(match (tried, trials.shown.take()) {
            (Tried::Fails, Some(shown)) => {
                let steps = trials.steps(path);
                if let Some(index) = self.violations.add_known(self.model, steps, shown) {
                    let violation = self.violations.violation(index, graph);
                    (self.observer)(Event::Violation {
                        violation: &violation,
                    });
                }
                Now::StillFailing
            }
            (Tried::Fails | Tried::Holds, _) => Now::Fixed,
            (Tried::NotEnabled { position, at }, _) => {
                let action = path[position];
                let name = &self.model.action(action).name;
                let why = trials.why_not(at, action);
                Now::NotTried(format!(
                    "step {} (`{name}`) is not possible: {why}",
                    position + 1
                ))
            }
        })
    }
}
