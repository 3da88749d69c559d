//! A chooser of `auto`: the least tried neighbourhood.

use rustc_hash::FxHashMap;

use crate::model::ActionId;
use crate::random::Random;

use super::classes::{ClassId, Classes, GroupId};
use super::{Graph, Move, Recorded, StateId, Strategy};

/// Takes an action where what is near the rows that its request names looks as it did least often so far. A class of pairs that led
/// to new states is tried again sooner than one that changed nothing.
///
/// Chooses nothing in a world that cannot tell what requests meet. Alone it would starve actions, for there is always a
/// neighbourhood that nobody tried. Costs: a logarithm of the number of classes per step.
#[derive(Debug)]
pub(super) struct Neighbourhoods {
    classes: Classes,
    /// By the set of variables that requests name, and the neighbourhood of the rows; the first class of each group.
    groups: FxHashMap<(u32, u64), (GroupId, ClassId)>,
    /// For each set of variables the actions whose requests name it.
    naming: Vec<Vec<ActionId>>,
    /// By action: its place among those that name the same set.
    place: Vec<u32>,
    started: bool,
}

/// What a run that led to a new state, to a known one, or nowhere, adds to the score of its class.
const NEW_STATE: u32 = 1;
const KNOWN_STATE: u32 = 2;
const UNCHANGED: u32 = 5;

impl Neighbourhoods {
    /// For a model with so many actions.
    pub(super) fn new(actions: usize) -> Self {
        Self {
            classes: Classes::default(),
            groups: FxHashMap::default(),
            naming: Vec::new(),
            place: vec![0; actions],
            started: false,
        }
    }

    fn start(&mut self, graph: &Graph) {
        for action in (0..self.place.len() as u32).map(ActionId) {
            let set = graph.named_by(action) as usize;
            if self.naming.len() <= set {
                self.naming.resize(set + 1, Vec::new());
            }
            self.place[action.0 as usize] = self.naming[set].len() as u32;
            self.naming[set].push(action);
        }
    }

    /// The group of a state for one action, and the first of its classes.
    fn group(
        &mut self,
        graph: &Graph,
        state: StateId,
        action: ActionId,
    ) -> Option<(GroupId, ClassId)> {
        let neighbourhood = graph.situation(state, action)?.neighbourhood;
        let set = graph.named_by(action);
        let (classes, naming) = (&mut self.classes, &self.naming[set as usize]);
        let group = self.groups.entry((set, neighbourhood));
        Some(*group.or_insert_with(|| classes.add_group(naming.iter().copied())))
    }

    fn arrive(&mut self, graph: &Graph, state: StateId, random: &mut Random) {
        let mut of_set: Vec<Option<ClassId>> = vec![None; self.naming.len()];
        for action in graph.untried(state) {
            let set = graph.named_by(action) as usize;
            let first = of_set[set].or_else(|| {
                let (group, first) = self.group(graph, state, action)?;
                self.classes.add_state(group, state);
                of_set[set] = Some(first);
                Some(first)
            });
            let Some(first) = first else { return };
            let class = first.plus(self.place[action.0 as usize]);
            self.classes.queue(graph, class, random);
        }
    }
}

impl Strategy for Neighbourhoods {
    fn next(&mut self, graph: &Graph, random: &mut Random) -> Option<Move> {
        if !self.started {
            self.started = true;
            self.start(graph);
            self.arrive(graph, StateId::INITIAL, random);
        }
        self.classes.least(graph, random)
    }

    fn learn(&mut self, graph: &Graph, recorded: &Recorded, random: &mut Random) {
        if !self.started {
            return;
        }
        let transition = graph.transition(recorded.transition).clone();
        if let Some((_, first)) = self.group(graph, transition.from, transition.action) {
            let score = if recorded.new_state {
                NEW_STATE
            } else if transition.from == transition.to {
                UNCHANGED
            } else {
                KNOWN_STATE
            };
            let place = self.place[transition.action.0 as usize];
            self.classes.add_score(first.plus(place), score);
        }
        if recorded.new_state {
            self.arrive(graph, transition.to, random);
        }
        for state in &recorded.reopened {
            self.arrive(graph, *state, random);
        }
    }
}
