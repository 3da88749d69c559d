//! What the walk has explored: the graph, and what the engine keeps for each state and transition of it.

use std::cell::RefCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::identity::LeftOut;
use crate::model::{ActionId, Context, Digest, Model, OracleId, StepRecord, VariableId};
use crate::random::Random;
use crate::world::{Arrival, Warning, World};

use super::graph::{Graph, Identity, Recorded, StateId, TransitionId};
use super::samples::Suspect;
use super::step_records::{RecordId, StepRecords};

/// The graph, with the checkpoint of each state and the record of each transition.
#[derive(Debug)]
pub(super) struct Explored<C> {
    graph: Graph,
    /// See [`World::row_variables`].
    row_variables: Vec<VariableId>,
    /// The digest of the world in its initial state.
    initial: Digest,
    /// By [`StateId`].
    checkpoints: Vec<C>,
    /// Also those of steps that were taken outside the walk.
    records: RefCell<StepRecords>,
    /// By [`TransitionId`]; empty in worlds that record nothing.
    record_ids: Vec<Option<RecordId>>,
    /// The state oracles that do not hold, for the few states with such an oracle.
    broken: FxHashMap<StateId, Vec<OracleId>>,
    suspects: Vec<Suspect>,
}

impl<C: Clone> Explored<C> {
    /// Only the initial state is known.
    pub(super) fn new(
        model: &Model,
        max_depth: u32,
        can_restore: bool,
        initial: &Arrival<C>,
        row_variables: Vec<VariableId>,
    ) -> Self {
        Self {
            graph: Graph::new(
                model,
                max_depth,
                can_restore,
                (&initial.context, &row_variables),
                initial.identity,
            ),
            row_variables,
            initial: initial.identity,
            checkpoints: vec![initial.checkpoint.clone()],
            records: RefCell::default(),
            record_ids: Vec::new(),
            broken: FxHashMap::default(),
            suspects: Vec::new(),
        }
    }

    /// What is known before the world has begun: an initial state without a checkpoint.
    pub(super) fn nothing(model: &Model) -> Self {
        let context = Context::empty(model.identity_variables.len());
        Self {
            graph: Graph::new(model, 0, false, (&context, &[]), Digest::default()),
            row_variables: Vec::new(),
            initial: Digest::default(),
            checkpoints: Vec::new(),
            records: RefCell::default(),
            record_ids: Vec::new(),
            broken: FxHashMap::default(),
            suspects: Vec::new(),
        }
    }

    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The variables that name rows, and are told apart by the world.
    pub(super) fn row_variables(&self) -> &[VariableId] {
        &self.row_variables
    }

    /// The digest of the world in its initial state.
    pub(super) fn initial(&self) -> Digest {
        self.initial
    }

    pub(super) fn checkpoint(&self, state: StateId) -> &C {
        &self.checkpoints[state.0 as usize]
    }

    /// The record of a transition; `None` in worlds that record nothing.
    pub(super) fn step_record(&self, transition: TransitionId) -> Option<Arc<StepRecord>> {
        let id = *self.record_ids.get(transition.0 as usize)?;
        self.record_of(id?)
    }

    /// The last answer to an action, in short.
    pub(super) fn last_answer(&self, action: ActionId) -> Option<String> {
        let mut transitions = (0..self.graph.transition_count() as u32)
            .rev()
            .map(TransitionId);
        let last = transitions.find(|id| self.graph.transition(*id).action == action)?;
        Some(self.step_record(last)?.response.excerpt())
    }

    /// A record that was kept.
    pub(super) fn record_of(&self, id: RecordId) -> Option<Arc<StepRecord>> {
        self.records.borrow_mut().get(id).map(Arc::new)
    }

    /// Keeps the record of a step.
    pub(super) fn keep(&self, record: Arc<StepRecord>) -> Option<RecordId> {
        self.records.borrow_mut().keep(&record.compact())
    }

    /// What the user should know of the records, since the last call.
    pub(super) fn take_warnings(&self) -> Vec<Warning> {
        self.records.borrow_mut().take_warnings()
    }

    /// The state oracles that do not hold in a state, ascending.
    pub(super) fn broken(&self, state: StateId) -> &[OracleId] {
        self.broken.get(&state).map_or(&[], Vec::as_slice)
    }

    pub(super) fn set_broken(&mut self, state: StateId, broken: Vec<OracleId>) {
        if !broken.is_empty() {
            self.broken.insert(state, broken);
        }
    }

    /// Actions that answered otherwise after a restore of a state.
    pub(super) fn suspects(&self) -> &[Suspect] {
        &self.suspects
    }

    /// Takes note of actions that answered otherwise when a state had just been restored.
    pub(super) fn suspect(&mut self, at: StateId, actions: Vec<ActionId>) {
        let newest = (self.graph.transition_count() as u32).checked_sub(1);
        let after = newest.map(TransitionId);
        let suspects = actions
            .into_iter()
            .map(|action| Suspect { action, at, after });
        self.suspects.extend(suspects);
    }

    /// The identity of the state to which a step from `from` led.
    pub(super) fn identify(
        &mut self,
        model: &Model,
        from: StateId,
        action: ActionId,
        arrival: &Arrival<C>,
    ) -> Identity {
        let (effect, context) = (arrival.effect, &arrival.context);
        self.graph
            .identify(model, from, action, effect, context, arrival.identity)
    }

    /// Puts repetitions off from now on.
    pub(super) fn postpone_repetitions(&mut self, model: &Model) {
        self.graph.postpone_repetitions(model);
    }

    /// Puts off from now on what like rows let expect, too.
    pub(super) fn bet_on_likeness(&mut self) {
        self.graph.bet_on_likeness();
    }

    /// Takes up a pair that was put off, chosen by chance.
    pub(super) fn take_up(&mut self, random: &mut Random) -> Option<(StateId, ActionId)> {
        self.graph.take_up(random)
    }

    /// Asks the world what requests meet in the newest state.
    pub(super) fn situate(&mut self, world: &mut impl World<Checkpoint = C>) {
        let newest = StateId(self.graph.state_count() as u32 - 1);
        let named = self.graph.named();
        let context = self.graph.context(newest);
        let situations = world.situations(self.checkpoint(newest), context, &named);
        if let Some(situations) = situations {
            self.graph.situate(&situations);
        }
    }

    /// Asks the world what identifies each state, where that has changed. Returns what counts again, after having been left out.
    pub(super) fn identify_anew(
        &mut self,
        world: &mut impl World<Checkpoint = C>,
    ) -> Option<LeftOut> {
        let mut again = world.take_counted_again()?;
        loop {
            let checkpoints = self.checkpoints.iter();
            let identities: Vec<Digest> = checkpoints
                .filter_map(|checkpoint| world.identity(checkpoint))
                .collect();
            // To look at all states may teach something, too.
            if let Some(more) = world.take_counted_again() {
                again.add(more);
                continue;
            }
            if let Some(initial) = identities.first() {
                self.initial = *initial;
            }
            self.graph.identify_anew(&identities);
            return Some(again);
        }
    }

    /// See [`Graph::forget`].
    pub(super) fn forget(&mut self, transitions: &[TransitionId]) -> Vec<StateId> {
        self.graph.forget(transitions)
    }

    /// Leaves an action untried in a state for good.
    pub(super) fn skip(&mut self, state: StateId, action: ActionId) {
        self.graph.mark_tried(state, action);
    }

    /// Records a step with this many findings.
    pub(super) fn record(
        &mut self,
        from: StateId,
        action: ActionId,
        identity: Identity,
        arrival: Arrival<C>,
        findings: usize,
    ) -> Recorded {
        let answer = (arrival.status, arrival.effect);
        let recorded = (self.graph).record(from, action, identity, answer, findings);
        if recorded.new_state {
            self.checkpoints.push(arrival.checkpoint);
        }
        if let Some(record) = arrival.record {
            let id = self.keep(record);
            self.record_ids.resize(self.graph.transition_count(), None);
            self.record_ids[recorded.transition.0 as usize] = id;
        }
        recorded
    }
}
