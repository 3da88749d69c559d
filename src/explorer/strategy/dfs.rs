//! `dfs`: dives, each from a shallow state.

use crate::random::Random;

use super::{Graph, Move, Recorded, StateId, Strategy};

/// Depth first, with restarts: goes on from the state to which the last step led, with the untried action that ran least often so
/// far. At `max_depth`, after that many steps, or where nothing is left, the next dive begins at an open state, the shallower the
/// likelier. (Going back to the newest open state instead would comb the depth limit and hardly ever see a shallow state again.)
///
/// Promises: long sequences, few restores, no starved action. Does not promise short paths. Costs: one look at the actions of one
/// state per step.
#[derive(Debug)]
pub(super) struct Dfs {
    /// Where the dive is.
    at: StateId,
    /// Steps of this dive.
    steps: u32,
}

/// So many states are drawn for the beginning of a dive, until one is accepted.
const DRAWS: u32 = 40;

impl Dfs {
    pub(super) fn new() -> Self {
        Self {
            at: StateId::INITIAL,
            steps: 0,
        }
    }

    /// An open state, accepted with probability 1 / (1 + depth).
    fn begin(graph: &Graph, random: &mut Random) -> Option<StateId> {
        let open = graph.open();
        let mut drawn = None;
        for _ in 0..DRAWS.min(open.len() as u32 * DRAWS) {
            let state = open[random.below(open.len())];
            drawn = Some(state);
            if random.below(1 + graph.depth(state) as usize) == 0 {
                break;
            }
        }
        drawn
    }
}

impl Strategy for Dfs {
    fn next(&mut self, graph: &Graph, random: &mut Random) -> Option<Move> {
        if self.steps >= graph.max_depth() || !graph.is_open(self.at) {
            self.at = Self::begin(graph, random)?;
            self.steps = 0;
        }
        self.steps += 1;
        let action = least_run(graph, self.at, random)?;
        Some(Move {
            from: self.at,
            action,
        })
    }

    fn learn(&mut self, graph: &Graph, recorded: &Recorded, _random: &mut Random) {
        let transition = graph.transition(recorded.transition);
        if transition.from == self.at {
            self.at = transition.to;
        }
    }
}

/// Of the untried actions of a state the one that ran least often so far; equals by chance.
fn least_run(graph: &Graph, state: StateId, random: &mut Random) -> Option<crate::model::ActionId> {
    let mut least = None;
    let mut equals = 0;
    for action in graph.untried(state) {
        let runs = graph.runs(action);
        match least {
            Some((_, fewest)) if runs > fewest => continue,
            Some((_, fewest)) if runs == fewest => equals += 1,
            _ => equals = 1,
        }
        if equals == 1 || random.below(equals) == 0 {
            least = Some((action, runs));
        }
    }
    least.map(|(action, _)| action)
}
