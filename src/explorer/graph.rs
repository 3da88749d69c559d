//! What is known of the graph: states, transitions, and what is still to be tried.
//!
//! Everything is indexed by dense numbers. The cost of a look-up that a strategy makes in each step does not grow with the
//! number of steps.

mod anew;
mod frontier;
mod postponement;
mod repetition;
mod situations;
mod tally;

use hashbrown::HashTable;
use serde::Serialize;

use crate::model::{
    Action, ActionId, Context, Digest, Effect, Facts, Model, Situation, VariableId,
};

use frontier::{Frontier, bits};
use repetition::Repetition;
use situations::Situations;

pub use tally::Tally;

use super::guard_state::{GuardStateId, GuardStates};

/// The states and transitions found so far.
#[derive(Debug)]
pub struct Graph {
    states: Vec<State>,
    frontier: Frontier,
    situations: Situations,
    /// `None` where nothing is postponed.
    repetition: Option<Repetition>,
    by_fingerprint: HashTable<StateId>,
    transitions: Vec<Transition>,
    guard_states: GuardStates,
    tallies: Vec<Tally>,
    deepest: u32,
    actions_run: usize,
    /// By action: whether it counts for coverage.
    counts: Vec<bool>,
    current: StateId,
    can_restore: bool,
}

/// Number of a state, in the order found; the initial state is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StateId(pub u32);

impl StateId {
    /// Where every path begins.
    pub const INITIAL: Self = Self(0);

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// Number of a transition, in the order recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TransitionId(pub u32);

const NONE: u32 = u32::MAX;

/// 32 bytes; together with its untried bits, its place in the tables and the list of open states some 56 bytes for up
/// to 64 actions.
#[derive(Clone, Debug)]
struct State {
    fingerprint: u128,
    guards: GuardStateId,
    depth: u32,
    /// The transition by which the shortest known path arrives.
    parent: u32,
    /// The transition recorded last from here; the others hang behind it.
    last_out: u32,
}

/// One tried (state, action) pair.
#[derive(Clone, Debug)]
pub struct Transition {
    /// Where it began.
    pub from: StateId,
    /// What was done.
    pub action: ActionId,
    /// Where it led.
    pub to: StateId,
    /// Status of the answer.
    pub status: u16,
    next_out: u32,
}

/// What a step taught, once it is recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The transition as recorded.
    pub transition: TransitionId,
    /// Whether the step led to a new state.
    pub new_state: bool,
    /// Whether this action had never been answered with this status.
    pub new_status: bool,
    /// Findings about this step.
    pub findings: usize,
    /// States in which there is more to try than before: a shorter path to them was found, or what was put off is put off no longer.
    pub reopened: Vec<StateId>,
}

/// What identifies a state: the world's part, and the guard state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    fingerprint: u128,
    guard_state: GuardStateId,
}

impl Graph {
    /// A graph in which only the initial state is known.
    pub(super) fn new(
        model: &Model,
        max_depth: u32,
        can_restore: bool,
        (context, row_variables): (&Context, &[VariableId]),
        identity: Digest,
    ) -> Self {
        let mut graph = Self {
            states: Vec::new(),
            frontier: Frontier::new(model.actions.len(), max_depth),
            situations: Situations::new(model),
            repetition: None,
            by_fingerprint: HashTable::new(),
            transitions: Vec::new(),
            guard_states: GuardStates::new(model, row_variables),
            tallies: vec![Tally::default(); model.actions.len()],
            deepest: 0,
            actions_run: 0,
            counts: (model.actions.iter())
                .map(Action::counts_for_coverage)
                .collect(),
            current: StateId::INITIAL,
            can_restore,
        };
        let facts = Facts::none(model.facts.len());
        let guard_state = graph.guard_states.intern(model, context, &facts);
        let fingerprint = graph.guard_states.fingerprint(guard_state, identity);
        graph.add_state(
            Identity {
                fingerprint,
                guard_state,
            },
            0,
            NONE,
        );
        graph
    }

    /// The state in which the world stood after the last step.
    pub fn current(&self) -> StateId {
        self.current
    }

    /// Whether a move may begin anywhere; otherwise only at [`Graph::current`].
    pub fn can_restore(&self) -> bool {
        self.can_restore
    }

    /// How many states are known.
    pub fn state_count(&self) -> usize {
        self.states.len()
    }

    /// How many (state, action) pairs were tried.
    pub fn transition_count(&self) -> usize {
        self.transitions.len()
    }

    /// How many enabled (state, action) pairs are untried, those beyond the depth limit included.
    pub fn untried_count(&self) -> u64 {
        self.frontier.untried_count()
    }

    /// How many of them are put off, because they would most likely repeat what is known. No strategy sees them.
    pub fn postponed_count(&self) -> u64 {
        self.frontier.postponed_count()
    }

    /// No path may be longer than this.
    pub fn max_depth(&self) -> u32 {
        self.frontier.max_depth()
    }

    /// What an action meets in a state; `None` where the world cannot say.
    pub fn situation(&self, state: StateId, action: ActionId) -> Option<Situation> {
        self.situations.of(state, action)
    }

    /// The number of the set of variables that the request of an action names: equal for actions that are in the same situation in
    /// every state.
    pub fn named_by(&self, action: ActionId) -> u32 {
        self.situations.set_of(action)
    }

    /// Length of the shortest known path to a state.
    pub fn depth(&self, state: StateId) -> u32 {
        self.states[state.index()].depth
    }

    /// Greatest depth at which a state was found.
    pub fn deepest(&self) -> u32 {
        self.deepest
    }

    /// Whether a state has untried actions and is not too deep to try them.
    pub fn is_open(&self, state: StateId) -> bool {
        self.frontier.is_open(state)
    }

    /// How many of the actions that count for coverage ran at least once.
    pub fn actions_run(&self) -> usize {
        self.actions_run
    }

    /// All open states, in an order that depends on nothing but the steps taken.
    pub fn open(&self) -> &[StateId] {
        self.frontier.open()
    }

    /// Whether the action is enabled in the state, has not been tried there and is not put off.
    pub fn is_untried(&self, state: StateId, action: ActionId) -> bool {
        self.frontier.is_untried(state, action)
    }

    /// The enabled actions that have not been tried in a state and are not put off, in the order of the spec.
    pub fn untried(&self, state: StateId) -> impl Iterator<Item = ActionId> + Clone + '_ {
        self.frontier.untried(state)
    }

    /// The actions enabled in a state, in the order of the spec.
    pub fn enabled(&self, state: StateId) -> impl Iterator<Item = ActionId> + Clone + '_ {
        bits(self.guard_states.enabled(self.states[state.index()].guards))
    }

    /// What is known of an action.
    pub fn tally(&self, action: ActionId) -> &Tally {
        &self.tallies[action.0 as usize]
    }

    /// Steps that ran an action.
    pub fn runs(&self, action: ActionId) -> u64 {
        self.tally(action).runs
    }

    /// A recorded transition.
    pub fn transition(&self, id: TransitionId) -> &Transition {
        &self.transitions[id.0 as usize]
    }

    /// The transition by which the shortest known path arrives at a state; `None` for the initial state.
    pub fn parent(&self, state: StateId) -> Option<TransitionId> {
        let parent = self.states[state.index()].parent;
        (parent != NONE).then_some(TransitionId(parent))
    }

    /// What identifies a state: the same on every run over the same spec and data.
    pub fn fingerprint(&self, state: StateId) -> Digest {
        Digest(self.states[state.index()].fingerprint)
    }

    /// The shortest known path to a state.
    pub fn path_to(&self, state: StateId) -> Vec<TransitionId> {
        let mut path = Vec::with_capacity(self.depth(state) as usize);
        let mut at = state;
        while let Some(transition) = self.parent(at) {
            path.push(transition);
            at = self.transition(transition).from;
        }
        path.reverse();
        path
    }

    /// The actions of the shortest known path to a state.
    pub(super) fn actions_to(&self, state: StateId) -> Vec<ActionId> {
        let path = self.path_to(state).into_iter();
        path.map(|id| self.transition(id).action).collect()
    }

    /// The transitions recorded from a state, the newest first.
    pub fn outgoing(&self, state: StateId) -> impl Iterator<Item = TransitionId> + '_ {
        let mut next = self.states[state.index()].last_out;
        std::iter::from_fn(move || {
            (next != NONE).then(|| {
                let id = TransitionId(next);
                next = self.transitions[next as usize].next_out;
                id
            })
        })
    }

    /// The context of a state.
    pub fn context(&self, state: StateId) -> &Context {
        self.guard_states.context(self.states[state.index()].guards)
    }

    /// The facts of a state.
    pub(super) fn facts(&self, state: StateId) -> &Facts {
        self.guard_states.facts(self.states[state.index()].guards)
    }

    /// The context and the facts of every guard state met, in that order.
    pub(super) fn guard_states(&self) -> impl Iterator<Item = (&Context, &Facts)> {
        self.guard_states.iter()
    }

    /// Preconditions that could not be evaluated, in the order met.
    pub(super) fn condition_errors(&self) -> &[(ActionId, String)] {
        self.guard_states.condition_errors()
    }

    /// The sets of variables that requests name, of which [`Graph::situate`] is to be told.
    pub(super) fn named(&self) -> Vec<&[VariableId]> {
        self.situations.named()
    }

    /// What the state at the end of a step is identified by.
    pub(super) fn identify(
        &mut self,
        model: &Model,
        from: StateId,
        action: ActionId,
        effect: Effect,
        context: &Context,
        world: Digest,
    ) -> Identity {
        let before = self.states[from.index()].guards;
        let states = &mut self.guard_states;
        let guard_state = states.after(model, before, action, effect, context);
        Identity {
            fingerprint: self.guard_states.fingerprint(guard_state, world),
            guard_state,
        }
    }

    /// The known state to which a step led, if it is known. Unlike [`Graph::identify`] it learns nothing.
    pub(super) fn lookup(
        &self,
        model: &Model,
        from: StateId,
        action: ActionId,
        effect: Effect,
        context: &Context,
        world: Digest,
    ) -> Option<StateId> {
        let before = self.states[from.index()].guards;
        let states = &self.guard_states;
        let fingerprint = states.fingerprint_after(model, before, action, effect, (context, world));
        self.with_fingerprint(fingerprint)
    }

    /// The known state with this identity.
    pub(super) fn find(&self, identity: Identity) -> Option<StateId> {
        self.with_fingerprint(identity.fingerprint)
    }

    /// The known state with this fingerprint.
    pub(super) fn with_fingerprint(&self, fingerprint: u128) -> Option<StateId> {
        self.by_fingerprint
            .find(table_hash(fingerprint), |id| {
                self.states[id.index()].fingerprint == fingerprint
            })
            .copied()
    }

    /// Records a step. A pair that was tried before (only without restore) is counted, but no second transition.
    pub(super) fn record(
        &mut self,
        from: StateId,
        action: ActionId,
        identity: Identity,
        (status, effect): (u16, Effect),
        findings: usize,
    ) -> Recorded {
        let known = self.find(identity);
        let depth = self.depth(from).saturating_add(1);
        let repeated = !self.is_untried(from, action);
        let next_id = self.transitions.len() as u32;
        let to = known.unwrap_or_else(|| self.add_state(identity, depth, next_id));

        let same = repeated
            .then(|| self.tried(from, action))
            .flatten()
            .filter(|tried| self.transition(*tried).to == to);
        let transition = same.unwrap_or_else(|| {
            let out = &mut self.states[from.index()].last_out;
            let next_out = std::mem::replace(out, next_id);
            self.transitions.push(Transition {
                from,
                action,
                to,
                status,
                next_out,
            });
            TransitionId(next_id)
        });
        if !repeated {
            self.mark_tried(from, action);
        }
        self.current = to;
        let mut reopened = Vec::new();
        if known.is_some() && depth < self.depth(to) {
            self.shorten(transition, &mut reopened);
        }
        self.learn_repetition((from, action), from != to, &mut reopened);
        Recorded {
            transition,
            new_state: known.is_none(),
            new_status: self.count(action, (status, effect), known.is_none(), from == to),
            findings,
            reopened,
        }
    }

    /// Counts a run in the figures of its action. Says whether the status is new for it.
    fn count(
        &mut self,
        action: ActionId,
        answer: (u16, Effect),
        new_state: bool,
        unchanged: bool,
    ) -> bool {
        let tally = &mut self.tallies[action.0 as usize];
        let is_first = tally.runs == 0 && self.counts[action.0 as usize];
        self.actions_run += usize::from(is_first);
        tally.add(answer, new_state, unchanged)
    }

    /// The recorded transition of a (state, action) pair.
    pub(super) fn tried(&self, from: StateId, action: ActionId) -> Option<TransitionId> {
        self.outgoing(from)
            .find(|id| self.transition(*id).action == action)
    }

    fn add_state(&mut self, identity: Identity, depth: u32, parent: u32) -> StateId {
        let id = StateId(self.states.len() as u32);
        self.states.push(State {
            fingerprint: identity.fingerprint,
            guards: identity.guard_state,
            depth,
            parent,
            last_out: NONE,
        });
        let enabled = self.guard_states.enabled(identity.guard_state);
        self.frontier.add_state(id, depth, enabled);
        self.note_fingerprint(id);
        self.deepest = self.deepest.max(depth);
        id
    }

    /// The state is found by its fingerprint from now on.
    fn note_fingerprint(&mut self, id: StateId) {
        let states = &self.states;
        let hash = |id: &StateId| table_hash(states[id.index()].fingerprint);
        self.by_fingerprint.insert_unique(hash(&id), id, hash);
    }

    /// An enabled action that was not tried in a state is not to be chosen there any more.
    pub(super) fn mark_tried(&mut self, state: StateId, action: ActionId) {
        self.frontier.mark_tried(state, self.depth(state), action);
    }

    /// A shorter path to a known state was found: it and what lies behind it move up. Each state moves up at most
    /// `max_depth` times while that matters, so this stays linear in the number of transitions.
    fn shorten(&mut self, by: TransitionId, reopened: &mut Vec<StateId>) {
        let mut waiting = std::collections::VecDeque::from([by]);
        while let Some(by) = waiting.pop_front() {
            let Transition { from, to, .. } = *self.transition(by);
            let depth = self.depth(from).saturating_add(1);
            if depth >= self.depth(to) {
                continue;
            }
            let was_open = self.is_open(to);
            let state = &mut self.states[to.index()];
            state.depth = depth;
            state.parent = by.0;
            self.frontier.refresh(to, depth);
            if !was_open && self.is_open(to) {
                reopened.push(to);
            }
            self.queue_postponed(to);
            waiting.extend(self.outgoing(to));
        }
    }
}

/// The fingerprint is a uniform hash already.
fn table_hash(fingerprint: u128) -> u64 {
    fingerprint as u64
}
