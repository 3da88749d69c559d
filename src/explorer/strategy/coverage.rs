//! `coverage`: the least covered pair of actions.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::model::{ActionId, Model};
use crate::random::Random;

use super::{Graph, Move, Recorded, StateId, Strategy};

/// Evens out how often each *pair* of consecutive actions has run: a bug of sequences shows when an action meets the
/// traces of one particular other action. Every step takes the pair that ran least often so far, and runs its second action
/// in a state to which the first one led.
///
/// Promises: actions that never ran come first, then pairs that never ran; rare actions and rare orders get as many
/// steps as common ones. Costs: a logarithm of the number of pairs per step; each (state, action) pair is looked at once.
#[derive(Debug)]
pub(super) struct Coverage {
    actions: usize,
    started: bool,
    /// States by the action that first led to them; those of the initial state under the last index.
    arrived_by: Vec<Vec<StateId>>,
    pairs: FxHashMap<Pair, Progress>,
    /// Pairs for which an untried step may exist, the least covered first.
    queue: BTreeSet<(Rank, Order, Pair)>,
    /// What decides between pairs that are covered alike, by action.
    order: Vec<u64>,
}

/// (the action that led to a state, an action to take there)
type Pair = (u32, u32);

/// What decides between pairs that are covered alike.
type Order = (u64, u64);

/// How often the pair ran, then how often its second action ran at all when the pair was queued.
type Rank = (u32, u32);

#[derive(Debug, Default)]
struct Progress {
    runs: u32,
    /// How many of the states in `arrived_by` have been looked at from the front.
    seen: usize,
    queued: Option<Rank>,
}

impl Coverage {
    pub(super) fn new(model: &Model) -> Self {
        Self {
            actions: model.actions.len(),
            started: false,
            arrived_by: vec![Vec::new(); model.actions.len() + 1],
            pairs: FxHashMap::default(),
            queue: BTreeSet::new(),
            order: Vec::new(),
        }
    }

    fn arrive(&mut self, graph: &Graph, state: StateId, by: u32) {
        self.arrived_by[by as usize].push(state);
        for action in graph.untried(state) {
            self.enqueue(graph, (by, action.0));
        }
    }

    fn enqueue(&mut self, graph: &Graph, pair: Pair) {
        let progress = self.pairs.entry(pair).or_default();
        let action_runs = graph.runs(ActionId(pair.1)) as u32;
        let rank = (progress.runs, action_runs);
        if progress.queued.is_none() {
            progress.queued = Some(rank);
            let order = (self.order[pair.0 as usize], self.order[pair.1 as usize]);
            self.queue.insert((rank, order, pair));
        }
    }

    /// A state in which this pair can still be completed.
    fn candidate(&mut self, graph: &Graph, pair: Pair) -> Option<StateId> {
        let progress = self.pairs.get_mut(&pair)?;
        let states = &self.arrived_by[pair.0 as usize];
        while let Some(state) = states.get(progress.seen).copied() {
            if graph.is_open(state) && graph.is_untried(state, ActionId(pair.1)) {
                return Some(state);
            }
            progress.seen += 1;
        }
        None
    }
}

impl Strategy for Coverage {
    fn next(&mut self, graph: &Graph, random: &mut Random) -> Option<Move> {
        if !self.started {
            self.started = true;
            self.order = (0..=self.actions as u32)
                .map(|it| random.rank(it))
                .collect();
            self.arrive(graph, StateId::INITIAL, self.actions as u32);
        }
        while let Some((_, _, pair)) = self.queue.first().copied() {
            if let Some(from) = self.candidate(graph, pair) {
                return Some(Move {
                    from,
                    action: ActionId(pair.1),
                });
            }
            self.queue.pop_first();
            if let Some(progress) = self.pairs.get_mut(&pair) {
                progress.queued = None;
            }
        }
        None
    }

    fn learn(&mut self, graph: &Graph, recorded: &Recorded) {
        // The recorded step took the first pair of the queue, which is queued again with its new count.
        if let Some((_, _, pair)) = self.queue.pop_first() {
            let progress = self.pairs.entry(pair).or_default();
            progress.runs += 1;
            progress.queued = None;
            self.enqueue(graph, pair);
        }
        let transition = graph.transition(recorded.transition);
        if recorded.new_state {
            self.arrive(graph, transition.to, transition.action.0);
        }
        for state in &recorded.reopened {
            let by = graph
                .parent(*state)
                .map_or(self.actions as u32, |id| graph.transition(id).action.0);
            self.arrive(graph, *state, by);
        }
    }
}
