//! Before the walk: what earlier runs have found is tried first. It takes no step of the walk and changes nothing in it.

use std::time::{Duration, Instant};

use crate::evidence::Stop;
use crate::model::{ActionId, Finding, RegressionOutcome, RegressionStatus};
use crate::oracle::Judge;
use crate::world::{World, WorldError};

use super::event::Event;
use super::graph::Graph;
use super::path_replay::{Allowance, Memory, Trials, Tried};
use super::walk::Walk;

/// Time that one of them may take.
const TIME: Duration = Duration::from_secs(60);

impl<W: World, J: Judge<W>> Walk<'_, W, J> {
    /// Tries every regression. Afterwards the world stands in the initial state again.
    pub(super) async fn try_regressions(&mut self, graph: &Graph) -> Result<(), WorldError> {
        let options = self.options;
        if options.regressions.is_empty() {
            return Ok(());
        }
        let mut memory = Memory::new(self.model);
        for regression in &options.regressions {
            let status = match &regression.path {
                Err(why) => RegressionStatus::NotTried(why.clone()),
                Ok((finding, path)) if path.is_empty() => {
                    // The initial state has been judged already.
                    match self.violations.said_by(finding.oracle) {
                        Some(_) => RegressionStatus::StillFailing,
                        None => RegressionStatus::Fixed,
                    }
                }
                Ok(_) if !self.world.can_restore() => RegressionStatus::NotTried(
                    "the service cannot be put back (`restore: none`)".to_owned(),
                ),
                Ok((finding, path)) => self.try_one(graph, &mut memory, finding, path).await?,
            };
            let outcome = RegressionOutcome {
                file: regression.file.clone(),
                oracle: regression.oracle.clone(),
                action: regression.action.clone(),
                status,
            };
            (self.observer)(Event::Regression(&outcome));
            self.regressions.push(outcome);
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
    ) -> Result<RegressionStatus, WorldError> {
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
            Err(Stop::Budget(why)) => return Ok(RegressionStatus::NotTried(why)),
            Err(Stop::Error(error)) => return Err(error),
        };
        Ok(match (tried, trials.shown.take()) {
            (Tried::Fails, Some(shown)) => {
                let steps = trials.steps(path);
                if let Some(index) = self.violations.add_regression(self.model, steps, shown) {
                    let violation = self.violations.violation(index, graph);
                    (self.observer)(Event::Violation {
                        violation: &violation,
                    });
                }
                RegressionStatus::StillFailing
            }
            (Tried::Fails | Tried::Holds, _) => RegressionStatus::Fixed,
            (Tried::NotEnabled { position, at }, _) => {
                let action = path[position];
                let name = &self.model.action(action).name;
                let why = trials.why_not(at, action);
                RegressionStatus::NotTried(format!(
                    "step {} (`{name}`) is not possible: {why}",
                    position + 1
                ))
            }
        })
    }
}
