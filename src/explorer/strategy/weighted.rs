//! `weighted`: any untried action; the greater its weight, the likelier.

use crate::model::Model;
use crate::random::Random;
use crate::world::{Warning, WarningCode};

use super::{Graph, Move, Strategy, random_walk};

/// A random walk in which the chance of an action is in proportion to its `weight`.
///
/// Promises: actions with a great weight are tried early and deep. Costs: one look at the actions of one state per step.
#[derive(Debug)]
pub(super) struct Weighted {
    weights: Vec<f64>,
}

impl Weighted {
    pub(super) fn new(model: &Model) -> Self {
        Self {
            weights: model.actions.iter().map(|action| action.weight).collect(),
        }
    }
}

impl Strategy for Weighted {
    fn remark(&self) -> Option<Warning> {
        let mut pairs = self.weights.windows(2);
        let are_equal = pairs.all(|pair| (pair[0] - pair[1]).abs() < f64::EPSILON);
        are_equal.then(|| {
            let message = "all actions have the same weight, so `weighted` walks as `random` does";
            Warning::new(WarningCode::EqualWeights, message)
                .with_help("give actions a `weight`, or take another strategy: `--strategy auto`")
        })
    }

    fn next(&mut self, graph: &Graph, random: &mut Random) -> Option<Move> {
        random_walk::step(graph, random, |random, actions| {
            let weighted: Vec<_> = actions
                .map(|action| (action, self.weights[action.0 as usize]))
                .collect();
            random.weighted(weighted.into_iter())
        })
    }
}
