//! `auto`: three choosers take turns.

use crate::model::Model;
use crate::random::Random;

use super::coverage::Coverage;
use super::dfs::Dfs;
use super::neighbourhoods::Neighbourhoods;
use super::{Graph, Move, Recorded, Strategy, random_walk};

/// Takes turns, step by step, over one graph: the neighbourhood that was tried least, the pair of actions that ran least, and dives from
/// shallow states. Each finds what the others miss: neighbourhoods starve common actions, pairs do not see which rows they meet,
/// dives spend their steps in whatever part of an API has most actions. Where states cannot be restored it walks at random.
///
/// Promises: no kind of bug is left to chance alone. Restores before nearly every step. Costs: those of the three together.
#[derive(Debug)]
pub(super) struct Auto {
    neighbourhoods: Neighbourhoods,
    pairs: Coverage,
    dives: Dfs,
    turn: usize,
}

impl Auto {
    pub(super) fn new(model: &Model) -> Self {
        Self {
            neighbourhoods: Neighbourhoods::new(model.actions.len()),
            pairs: Coverage::new(model),
            dives: Dfs::new(),
            turn: 0,
        }
    }

    fn choosers(&mut self) -> [&mut dyn Strategy; 3] {
        [&mut self.neighbourhoods, &mut self.pairs, &mut self.dives]
    }
}

impl Strategy for Auto {
    fn bets_on_likeness(&self) -> bool {
        true
    }

    fn next(&mut self, graph: &Graph, random: &mut Random) -> Option<Move> {
        if !graph.can_restore() {
            return random_walk::uniform(graph, random);
        }
        let turn = self.turn;
        let mut choosers = self.choosers();
        let all = choosers.len();
        let next = (0..all).find_map(|later| {
            let whose = (turn + later) % all;
            Some((whose, choosers[whose].next(graph, random)?))
        });
        let (whose, step) = next?;
        self.turn = whose + 1;
        Some(step)
    }

    fn learn(&mut self, graph: &Graph, recorded: &Recorded, random: &mut Random) {
        for chooser in self.choosers() {
            chooser.learn(graph, recorded, random);
        }
    }
}
