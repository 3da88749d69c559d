//! `mcts`: where steps were rewarded before.

use crate::random::Random;

use super::{Graph, Move, Recorded, StateId, Strategy};

/// Monte Carlo tree search over the tree of discoveries. A descent from the initial state weighs what was rewarded before
/// against what was tried little (UCB1, Auer et al. 2002); each state lets more of its actions be tried the more often
/// it is passed (progressive widening, Coulom 2007). A step that finds a new state is followed by a short walk from
/// there, which costs no restore.
///
/// Rewards: a new state, an action answered with a status it never had, a violation. Only what is new is rewarded, so
/// a region without anything new loses its appeal.
///
/// Promises: spends steps where new things were found, and still visits everything in the end. Costs: one descent per step,
/// at most `max_depth` states long.
#[derive(Debug, Default)]
pub(super) struct Mcts {
    nodes: Vec<Node>,
    walk_left: u32,
}

/// A state in the tree of discoveries.
#[derive(Debug)]
struct Node {
    parent: Option<StateId>,
    children: Vec<StateId>,
    visits: f64,
    reward: f64,
    /// Open states in this subtree, itself included.
    open: u32,
    is_open: bool,
    tried: f64,
}

const NEW_STATE: f64 = 0.2;
const NEW_STATUS: f64 = 0.5;
const VIOLATION: f64 = 1.0;
/// The weight of curiosity about what was tried little, against what was rewarded before.
const CURIOSITY: f64 = 0.7;
/// A state that was passed `n` times may have `WIDTH * n^WIDENING` of its actions tried before its children are
/// preferred.
const WIDTH: f64 = 1.5;
const WIDENING: f64 = 0.6;
/// Steps of the walk after a new state.
const WALK: u32 = 6;

impl Mcts {
    fn node(&self, state: StateId) -> &Node {
        &self.nodes[state.0 as usize]
    }

    fn node_mut(&mut self, state: StateId) -> &mut Node {
        &mut self.nodes[state.0 as usize]
    }

    fn add(&mut self, graph: &Graph, state: StateId, parent: Option<StateId>) {
        debug_assert_eq!(self.nodes.len(), state.0 as usize, "states come in order");
        self.nodes.push(Node {
            parent,
            children: Vec::new(),
            visits: 0.0,
            reward: 0.0,
            open: 0,
            is_open: false,
            tried: 0.0,
        });
        if let Some(parent) = parent {
            self.node_mut(parent).children.push(state);
        }
        self.refresh(graph, state);
    }

    /// Keeps the count of open states along the way up.
    fn refresh(&mut self, graph: &Graph, state: StateId) {
        let is_open = graph.is_open(state);
        if std::mem::replace(&mut self.node_mut(state).is_open, is_open) == is_open {
            return;
        }
        let mut at = Some(state);
        while let Some(state) = at {
            let node = self.node_mut(state);
            node.open = if is_open {
                node.open + 1
            } else {
                node.open - 1
            };
            at = node.parent;
        }
    }

    /// What is put off may close a state of which nobody was told.
    fn select_open(&mut self, graph: &Graph) -> Option<StateId> {
        loop {
            let state = self.select()?;
            if graph.is_open(state) {
                return Some(state);
            }
            self.refresh(graph, state);
        }
    }

    fn select(&self) -> Option<StateId> {
        let mut at = StateId::INITIAL;
        if self.node(at).open == 0 {
            return None;
        }
        loop {
            let node = self.node(at);
            let may_widen = node.tried <= WIDTH * (node.visits + 1.0).powf(WIDENING);
            if node.is_open && may_widen {
                return Some(at);
            }
            let score = |child: &StateId| {
                let child = self.node(*child);
                let visits = child.visits.max(1.0);
                child.reward / visits + CURIOSITY * ((node.visits + 1.0).ln() / visits).sqrt()
            };
            let best = node
                .children
                .iter()
                .filter(|child| self.node(**child).open > 0)
                // The first of equals, so that ties do not depend on anything but the order of discovery.
                .map(|child| (score(child), *child))
                .reduce(|best, other| if other.0 > best.0 { other } else { best });
            match best {
                Some((_, child)) => at = child,
                None => return Some(at),
            }
        }
    }
}

impl Strategy for Mcts {
    fn next(&mut self, graph: &Graph, random: &mut Random) -> Option<Move> {
        if self.nodes.is_empty() {
            self.add(graph, StateId::INITIAL, None);
        }
        let here = graph.current();
        let from = if self.walk_left > 0 && graph.is_open(here) {
            here
        } else {
            self.walk_left = 0;
            self.select_open(graph)?
        };
        let least = graph.untried(from).map(|action| graph.runs(action)).min()?;
        // Actions that ran much more often than the rarest one here are left for later; chance decides among the rest.
        let rare: Vec<_> = graph
            .untried(from)
            .filter(|action| graph.runs(*action) <= least * 2 + 2)
            .collect();
        let action = rare[random.below(rare.len())];
        Some(Move { from, action })
    }

    fn learn(&mut self, graph: &Graph, recorded: &Recorded, _random: &mut Random) {
        let transition = graph.transition(recorded.transition).clone();
        if recorded.new_state {
            self.add(graph, transition.to, Some(transition.from));
            self.walk_left = if self.walk_left == 0 {
                WALK
            } else {
                self.walk_left - 1
            };
        } else {
            self.walk_left = 0;
        }
        self.refresh(graph, transition.from);
        for state in &recorded.reopened {
            self.refresh(graph, *state);
        }
        let reward = f64::from(u8::from(recorded.new_state)) * NEW_STATE
            + f64::from(u8::from(recorded.new_status)) * NEW_STATUS
            + f64::from(u8::from(recorded.findings > 0)) * VIOLATION;
        self.node_mut(transition.from).tried += 1.0;
        let mut at = Some(transition.from);
        while let Some(state) = at {
            let node = self.node_mut(state);
            node.visits += 1.0;
            node.reward += reward;
            at = node.parent;
        }
    }
}
