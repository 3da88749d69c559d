//! Paths beyond the walk, tried to find shorter ones.
//!
//! A trial never sends what is known already. It follows the transitions of the graph and those of earlier trials as far
//! as they go, restores the state at their end, and takes the rest of its steps from there. Where it arrives in a state
//! that somebody has been in, it goes on from what is known of that one. So all violations of a run share what is learned
//! by shrinking any of them.

use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;

use crate::evidence::{self, Stop, Trial};
use crate::interrupt::Interrupt;
use crate::model::{ActionId, Digest, Finding, Model, OracleId, PathStep, StepRecord};
use crate::oracle::Judge;
use crate::world::{Arrival, World, WorldError, WorldErrorKind};

use super::enabled;
use super::graph::{Graph, StateId};
use super::guard_state::{GuardStateId, GuardStates};

/// What trials have learned, beside the graph.
#[derive(Debug)]
pub(super) struct Memory<C> {
    guard_states: GuardStates,
    places: Vec<Place<C>>,
    by_fingerprint: FxHashMap<u128, PlaceId>,
}

/// Number of a place, in the order remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlaceId(usize);

/// A state as trials know it.
#[derive(Debug)]
struct Place<C> {
    /// Its number in the graph, if the walk has been there.
    known: Option<StateId>,
    /// What it looked like. Of a state of the graph only the context and the checkpoint are known, and needed.
    arrival: Arrival<C>,
    guard_state: GuardStateId,
    /// Steps that trials took from here.
    out: FxHashMap<ActionId, Edge>,
    /// What state oracles that were asked say here: whether they say no.
    broken: FxHashMap<OracleId, bool>,
}

#[derive(Debug)]
struct Edge {
    to: PlaceId,
    record: Option<Arc<StepRecord>>,
}

impl<C> Memory<C> {
    /// Nothing has been tried.
    pub(super) fn new(model: &Model) -> Self {
        Self {
            guard_states: GuardStates::new(model),
            places: Vec::new(),
            by_fingerprint: FxHashMap::default(),
        }
    }
}

/// What trying a path came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// Its last step shows what is wanted.
    Fails,
    /// It does not.
    Holds,
    /// The step at this position of the path is not enabled in the place where it should be taken.
    NotEnabled {
        /// From 0.
        position: usize,
        /// Where.
        at: PlaceId,
    },
}

/// What shrinking one violation may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// Requests.
    pub(super) requests: u64,
    /// Until when.
    pub(super) deadline: Instant,
}

/// Tries paths for one violation.
#[derive(Debug)]
pub(super) struct Trials<'t, W: World, J> {
    pub(super) model: &'t Model,
    pub(super) world: &'t mut W,
    pub(super) judge: &'t mut J,
    pub(super) graph: &'t Graph,
    /// By [`StateId`].
    pub(super) checkpoints: &'t [W::Checkpoint],
    /// By [`TransitionId`](super::graph::TransitionId).
    pub(super) records: &'t [Option<Arc<StepRecord>>],
    /// State oracles that say no, for the states of the graph where one does.
    pub(super) broken: &'t FxHashMap<StateId, Vec<OracleId>>,
    pub(super) interrupt: &'t Interrupt,
    pub(super) memory: &'t mut Memory<W::Checkpoint>,
    /// What a path must show.
    pub(super) wanted: &'t Finding,
    pub(super) allowance: Allowance,
    /// Requests that the world had sent when this began.
    pub(super) sent_before: u64,
    /// What the last path that failed showed.
    pub(super) shown: Option<Finding>,
    /// Where the world stands exactly, where that is a place that trials know.
    pub(super) standing: Option<PlaceId>,
}

impl<W: World, J: Judge<W>> Trials<'_, W, J> {
    /// The requests that were sent for this.
    pub(super) fn requests(&self) -> u64 {
        self.world.requests().saturating_sub(self.sent_before)
    }

    /// The steps of a path that has been tried, with what was seen.
    pub(super) fn steps(&mut self, path: &[ActionId]) -> Vec<PathStep> {
        let mut at = Some(self.initial());
        path.iter()
            .map(|action| {
                let (record, to) = match at {
                    Some(place) => (self.record(place, *action), self.known_step(place, *action)),
                    None => (None, None),
                };
                at = to;
                PathStep {
                    action: *action,
                    record,
                }
            })
            .collect()
    }

    fn place(&self, id: PlaceId) -> &Place<W::Checkpoint> {
        &self.memory.places[id.0]
    }

    fn initial(&mut self) -> PlaceId {
        self.place_of(StateId::INITIAL)
    }

    /// The place that is this state of the graph.
    fn place_of(&mut self, state: StateId) -> PlaceId {
        let fingerprint = self.graph.fingerprint(state).0;
        if let Some(id) = self.memory.by_fingerprint.get(&fingerprint) {
            return *id;
        }
        let (context, facts) = (self.graph.context(state), self.graph.facts(state));
        let guard_state = self.memory.guard_states.intern(self.model, context, facts);
        let arrival = Arrival {
            context: context.clone(),
            identity: Digest::default(),
            checkpoint: self.checkpoints[state.0 as usize].clone(),
            status: 0,
            wrote: false,
            record: None,
        };
        self.remember(fingerprint, Some(state), arrival, guard_state)
    }

    fn remember(
        &mut self,
        fingerprint: u128,
        known: Option<StateId>,
        arrival: Arrival<W::Checkpoint>,
        guard_state: GuardStateId,
    ) -> PlaceId {
        let id = PlaceId(self.memory.places.len());
        self.memory.places.push(Place {
            known,
            arrival,
            guard_state,
            out: FxHashMap::default(),
            broken: FxHashMap::default(),
        });
        self.memory.by_fingerprint.insert(fingerprint, id);
        id
    }

    /// Where a step leads, if it has been taken.
    fn known_step(&mut self, from: PlaceId, action: ActionId) -> Option<PlaceId> {
        let place = self.place(from);
        if let Some(edge) = place.out.get(&action) {
            return Some(edge.to);
        }
        let transition = self.graph.tried(place.known?, action)?;
        Some(self.place_of(self.graph.transition(transition).to))
    }

    fn record(&self, from: PlaceId, action: ActionId) -> Option<Arc<StepRecord>> {
        let place = self.place(from);
        if let Some(edge) = place.out.get(&action) {
            return edge.record.clone();
        }
        let transition = self.graph.tried(place.known?, action)?;
        self.records.get(transition.0 as usize)?.clone()
    }

    fn allows(&self, place: PlaceId, action: ActionId) -> bool {
        let guard_state = self.place(place).guard_state;
        self.memory.guard_states.allows(guard_state, action)
    }

    /// Takes a step, wherever the world stands.
    async fn act(
        &mut self,
        from: PlaceId,
        action: ActionId,
    ) -> Result<Arrival<W::Checkpoint>, Stop> {
        if self.interrupt.is_requested() {
            return Err(WorldError::new(WorldErrorKind::Interrupted, "interrupted").into());
        }
        if self.requests() >= self.allowance.requests {
            let limit = self.allowance.requests;
            return Err(Stop::Budget(format!("it ended after {limit} requests")));
        }
        if Instant::now() >= self.allowance.deadline {
            return Err(Stop::Budget("its time was over".to_owned()));
        }
        let place = &self.memory.places[from.0].arrival;
        if self.standing != Some(from) {
            self.world.restore(&place.checkpoint).await?;
        }
        self.standing = None;
        Ok(self.world.act(action, &place.context).await?)
    }

    /// Remembers where a step led. The world stands there exactly only where nobody had been.
    fn arrive(
        &mut self,
        from: PlaceId,
        action: ActionId,
        arrival: Arrival<W::Checkpoint>,
    ) -> PlaceId {
        let before = self.place(from).guard_state;
        let guard_states = &mut self.memory.guard_states;
        let guard_state = guard_states.after(self.model, before, action, &arrival.context);
        let fingerprint = guard_states.fingerprint(guard_state, arrival.identity);
        let record = arrival.record.clone().map(StepRecord::compact);
        let known = self.memory.by_fingerprint.get(&fingerprint).copied();
        let to = match (known, self.graph.with_fingerprint(fingerprint)) {
            (Some(place), _) => place,
            (None, Some(state)) => self.place_of(state),
            (None, None) => {
                let arrival = Arrival {
                    record: None,
                    ..arrival
                };
                let to = self.remember(fingerprint, None, arrival, guard_state);
                self.standing = Some(to);
                to
            }
        };
        let edge = Edge { to, record };
        self.memory.places[from.0].out.insert(action, edge);
        to
    }

    /// Where known steps of a path lead, the last one left out, and how many they are.
    fn as_far_as_known(&mut self, path: &[ActionId]) -> (PlaceId, usize) {
        let before = &path[..path.len().saturating_sub(1)];
        let mut at = self.initial();
        let mut taken = 0;
        while let Some(action) = before.get(taken)
            && self.allows(at, *action)
            && let Some(to) = self.known_step(at, *action)
        {
            at = to;
            taken += 1;
        }
        (at, taken)
    }

    /// Tries a path. What is known is not sent again, but for the last step.
    pub(super) async fn run(&mut self, path: &[ActionId]) -> Result<Tried, Stop> {
        let Some(last) = path.len().checked_sub(1) else {
            return Ok(Tried::Holds);
        };
        let (mut at, taken) = self.as_far_as_known(path);
        for (position, action) in path.iter().copied().enumerate().take(last).skip(taken) {
            if !self.allows(at, action) {
                return Ok(Tried::NotEnabled { position, at });
            }
            at = if let Some(to) = self.known_step(at, action) {
                to
            } else {
                let arrival = self.act(at, action).await?;
                self.arrive(at, action, arrival)
            };
        }
        if !self.allows(at, path[last]) {
            return Ok(Tried::NotEnabled { position: last, at });
        }
        Ok(if self.shows(at, path[last]).await? {
            Tried::Fails
        } else {
            Tried::Holds
        })
    }

    /// What keeps an action away in a place, in words.
    pub(super) fn why_not(&self, at: PlaceId, action: ActionId) -> String {
        let place = self.place(at);
        let facts = self.memory.guard_states.facts(place.guard_state);
        let here = std::iter::once((&place.arrival.context, facts));
        enabled::explain(self.model, action, here).unwrap_or_default()
    }

    /// Whether the last step of a path, taken from here, shows what is wanted.
    async fn shows(&mut self, from: PlaceId, action: ActionId) -> Result<bool, Stop> {
        let arrival = self.act(from, action).await?;
        let context = self.place(from).arrival.context.clone();
        let said = evidence::ask(
            self.world,
            self.judge,
            self.wanted,
            Some(action),
            &context,
            &arrival,
        )
        .await?;
        self.arrive(from, action, arrival);
        let Some(finding) = said.same else {
            return Ok(false);
        };
        if said.of_state && self.is_broken(from).await? {
            return Ok(false);
        }
        self.shown = Some(finding);
        Ok(true)
    }

    /// Whether the oracle says no here already.
    async fn is_broken(&mut self, place: PlaceId) -> Result<bool, Stop> {
        let oracle = self.wanted.oracle;
        let known = self.place(place);
        if let Some(state) = known.known {
            let broken = self.broken.get(&state);
            return Ok(broken.is_some_and(|broken| broken.contains(&oracle)));
        }
        if let Some(broken) = known.broken.get(&oracle) {
            return Ok(*broken);
        }
        let state = &self.memory.places[place.0].arrival;
        let broken = evidence::is_broken(self.world, self.judge, oracle, state).await?;
        self.standing = Some(place);
        self.memory.places[place.0].broken.insert(oracle, broken);
        Ok(broken)
    }
}

impl<W: World, J: Judge<W>> Trial for Trials<'_, W, J> {
    async fn fails(&mut self, path: &[ActionId]) -> Result<bool, Stop> {
        let (at, taken) = self.as_far_as_known(path);
        let place = self.place(at);
        let facts = self.memory.guard_states.facts(place.guard_state);
        if enabled::is_hopeless(self.model, &place.arrival.context, facts, &path[taken..]) {
            return Ok(false);
        }
        Ok(self.run(path).await? == Tried::Fails)
    }

    fn shortcuts(&mut self, path: &[ActionId]) -> Vec<Vec<ActionId>> {
        let mut at = self.initial();
        let mut shortcuts = Vec::new();
        for (taken, action) in path.iter().enumerate() {
            if let Some(state) = self.place(at).known
                && (self.graph.depth(state) as usize) < taken
            {
                let known = self.graph.path_to(state).into_iter();
                let actions = known.map(|id| self.graph.transition(id).action);
                shortcuts.push(actions.chain(path[taken..].iter().copied()).collect());
            }
            let Some(to) = self.known_step(at, *action) else {
                break;
            };
            at = to;
        }
        // What replaces most comes first.
        shortcuts.reverse();
        shortcuts
    }
}
