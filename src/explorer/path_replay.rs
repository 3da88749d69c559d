//! Runs paths outside the walk: to find a shorter path to a violation, and to run a regression again.
//!
//! A replay never sends what is known already. It follows the transitions of the graph and the steps of earlier replays as
//! far as they go, restores the state at their end, and takes the rest of the path from there. Where a step arrives in a
//! known state, the replay goes on with what is known of that state. So all violations of a run share what is learned by
//! shrinking any of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::evidence::{self, Claim, Confirmed, Stop, Trial};
use crate::interrupt::Interrupt;
use crate::model::{
    ActionId, Context, Digest, Effect, Finding, Model, OracleId, PathStep, StepRecord,
};
use crate::oracle::Judge;
use crate::world::{Arrival, World, WorldError, WorldErrorKind};

use super::enabled;
use super::explored::Explored;
use super::graph::StateId;
use super::guard_state::{GuardStateId, GuardStates};
use super::process_state;
use super::step_records::RecordId;

/// Runs paths on a world whose graph has been explored, and remembers what it has seen.
#[derive(Debug)]
pub(super) struct PathReplay<'r, W: World, J> {
    model: &'r Model,
    world: &'r mut W,
    judge: &'r mut J,
    explored: &'r Explored<W::Checkpoint>,
    interrupt: &'r Interrupt,
    guard_states: GuardStates,
    places: Vec<Place<W::Checkpoint>>,
    by_fingerprint: FxHashMap<u128, PlaceId>,
    /// The place in which the world stands exactly, where that is known.
    standing: Option<PlaceId>,
    /// The initial state on a service that was started to confirm what was found, and has run nothing else since.
    fresh: Option<Arrival<W::Checkpoint>>,
}

/// Number of a place, in the order met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlaceId(usize);

/// A state, whether or not the walk has been there.
#[derive(Debug)]
struct Place<C> {
    /// Its number in the graph, if the walk has been there.
    state: Option<StateId>,
    guard_state: GuardStateId,
    checkpoint: C,
    /// Steps that replays took from here.
    steps: FxHashMap<ActionId, Step>,
    /// Whether a state oracle is broken here, for those that replays evaluated.
    broken: FxHashMap<OracleId, bool>,
}

#[derive(Debug)]
struct Step {
    to: PlaceId,
    record: Option<RecordId>,
}

/// What running a path showed.
#[derive(Clone, Debug)]
pub(super) enum Replayed {
    /// Its last step shows the finding that was looked for.
    Shows(Finding),
    /// The oracle has nothing to object to in its last step.
    ShowsNothing,
    /// Its last step does not show that finding, and does not show that it is gone either; why, as a clause.
    NotJudged(String),
    /// One of its steps is not enabled.
    NotEnabled {
        /// Its position in the path, from 0.
        position: usize,
        /// What keeps it from being enabled.
        why: String,
    },
}

/// What the trials for one finding may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// Requests that may be sent.
    pub(super) requests: u64,
    /// When it has to end.
    pub(super) deadline: Instant,
}

impl<'r, W: World, J: Judge<W>> PathReplay<'r, W, J> {
    /// No path has been run.
    pub(super) fn new(
        model: &'r Model,
        world: &'r mut W,
        judge: &'r mut J,
        explored: &'r Explored<W::Checkpoint>,
        interrupt: &'r Interrupt,
    ) -> Self {
        Self {
            model,
            world,
            judge,
            explored,
            interrupt,
            guard_states: GuardStates::new(model, explored.row_variables()),
            places: Vec::new(),
            by_fingerprint: FxHashMap::default(),
            standing: None,
            fresh: None,
        }
    }

    pub(super) fn model(&self) -> &'r Model {
        self.model
    }

    pub(super) fn explored(&self) -> &'r Explored<W::Checkpoint> {
        self.explored
    }

    /// Why no path can be run at all, if so.
    pub(super) fn cannot_run(&self) -> Option<&'static str> {
        (!self.world.can_restore()).then_some("the service cannot be put back (`restore: none`)")
    }

    /// World and judge, to be used in other ways than by running paths here, and what has been explored in it.
    pub(super) fn leave(&mut self) -> (&mut W, &mut J, &'r Explored<W::Checkpoint>) {
        (self.standing, self.fresh) = (None, None);
        (&mut *self.world, &mut *self.judge, self.explored)
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupt.is_requested()
    }

    /// Whether the time of the run is over.
    pub(super) fn is_time_over(&self) -> bool {
        self.interrupt.is_time_over()
    }

    /// The time that the run may still take, where that is limited.
    pub(super) fn time_left(&self) -> Option<Duration> {
        self.interrupt.time_left()
    }

    /// Trials of paths that may end with a finding, at this cost.
    pub(super) fn trials<'t>(
        &'t mut self,
        wanted: &'t Finding,
        allowance: Allowance,
    ) -> Trials<'t, 'r, W, J> {
        Trials {
            sent_before: self.world.requests(),
            replay: self,
            wanted,
            allowance,
            shown: None,
        }
    }

    /// Runs a path several times from the initial state, each time in one piece; once at least, and no more than `until` then.
    pub(super) async fn confirm(
        &mut self,
        finding: &Finding,
        path: &[PathStep],
        until: Option<Instant>,
    ) -> Result<Confirmed, WorldError> {
        self.standing = None;
        let claim = Claim {
            finding,
            path,
            initial: self.explored.initial(),
        };
        let fresh = &mut self.fresh;
        evidence::confirm(self.model, self.world, self.judge, claim, fresh, until).await
    }

    /// Runs a path once from the initial state, in one piece. The finding as it showed, with the path; `None` where it did not.
    pub(super) async fn run_whole(
        &mut self,
        finding: &Finding,
        path: &[ActionId],
    ) -> Result<Option<(Finding, Vec<PathStep>)>, WorldError> {
        let path: Vec<PathStep> = (path.iter())
            .map(|action| PathStep {
                action: *action,
                record: None,
            })
            .collect();
        let model = self.model;
        let (world, judge, explored) = self.leave();
        let claim = Claim {
            finding,
            path: &path,
            initial: explored.initial(),
        };
        let initial = process_state::initial(explored);
        evidence::run_once(model, world, judge, claim, &initial).await
    }

    /// Restores the initial state.
    pub(super) async fn restore_initial(&mut self) -> Result<(), WorldError> {
        self.standing = None;
        let initial = self.explored.checkpoint(StateId::INITIAL);
        self.world.restore(initial).await
    }

    fn place(&self, id: PlaceId) -> &Place<W::Checkpoint> {
        &self.places[id.0]
    }

    fn context(&self, id: PlaceId) -> &Context {
        self.guard_states.context(self.place(id).guard_state)
    }

    fn initial(&mut self) -> PlaceId {
        self.place_of(StateId::INITIAL)
    }

    /// The place that is this state of the graph.
    fn place_of(&mut self, state: StateId) -> PlaceId {
        let graph = self.explored.graph();
        let fingerprint = graph.fingerprint(state).0;
        if let Some(id) = self.by_fingerprint.get(&fingerprint) {
            return *id;
        }
        let (context, facts) = (graph.context(state), graph.facts(state));
        let guard_state = self.guard_states.intern(self.model, context, facts);
        let checkpoint = self.explored.checkpoint(state).clone();
        self.add_place(fingerprint, Some(state), guard_state, checkpoint)
    }

    fn add_place(
        &mut self,
        fingerprint: u128,
        state: Option<StateId>,
        guard_state: GuardStateId,
        checkpoint: W::Checkpoint,
    ) -> PlaceId {
        let id = PlaceId(self.places.len());
        self.places.push(Place {
            state,
            guard_state,
            checkpoint,
            steps: FxHashMap::default(),
            broken: FxHashMap::default(),
        });
        self.by_fingerprint.insert(fingerprint, id);
        id
    }

    /// Where a step leads, if it has been taken.
    fn known_step(&mut self, from: PlaceId, action: ActionId) -> Option<PlaceId> {
        let place = self.place(from);
        if let Some(step) = place.steps.get(&action) {
            return Some(step.to);
        }
        let graph = self.explored.graph();
        let transition = graph.tried(place.state?, action)?;
        Some(self.place_of(graph.transition(transition).to))
    }

    /// The record of a step, if it has been taken and there is one.
    fn record_of(&self, from: PlaceId, action: ActionId) -> Option<Arc<StepRecord>> {
        let place = self.place(from);
        if let Some(step) = place.steps.get(&action) {
            return self.explored.record_of(step.record?);
        }
        let transition = self.explored.graph().tried(place.state?, action)?;
        self.explored.step_record(transition)
    }

    /// The steps of a path that has been run, with their records.
    fn steps(&mut self, path: &[ActionId]) -> Vec<PathStep> {
        let mut at = Some(self.initial());
        path.iter()
            .map(|action| {
                let record = at.and_then(|place| self.record_of(place, *action));
                at = at.and_then(|place| self.known_step(place, *action));
                PathStep {
                    action: *action,
                    record,
                }
            })
            .collect()
    }

    fn enables(&self, place: PlaceId, action: ActionId) -> bool {
        let guard_state = self.place(place).guard_state;
        self.guard_states.enables(guard_state, action)
    }

    /// Where the known steps of a path lead, its last step left out, and how many they are.
    fn follow_known(&mut self, path: &[ActionId]) -> (PlaceId, usize) {
        let before = &path[..path.len().saturating_sub(1)];
        let mut at = self.initial();
        let mut taken = 0;
        while let Some(action) = before.get(taken)
            && self.enables(at, *action)
            && let Some(to) = self.known_step(at, *action)
        {
            at = to;
            taken += 1;
        }
        (at, taken)
    }

    /// Takes a step, wherever the world stands.
    async fn act(
        &mut self,
        from: PlaceId,
        action: ActionId,
    ) -> Result<Arrival<W::Checkpoint>, WorldError> {
        let place = &self.places[from.0];
        if self.standing != Some(from) {
            self.world.restore(&place.checkpoint).await?;
        }
        self.standing = None;
        let context = self.guard_states.context(place.guard_state);
        self.world.act(action, context).await
    }

    /// Remembers where a step led. The world stands in that place exactly only where it is new.
    fn arrive(
        &mut self,
        from: PlaceId,
        action: ActionId,
        arrival: Arrival<W::Checkpoint>,
    ) -> PlaceId {
        let before = self.place(from).guard_state;
        let states = &mut self.guard_states;
        let (effect, context) = (arrival.effect, &arrival.context);
        let guard_state = states.after(self.model, before, action, effect, context);
        let fingerprint = states.fingerprint(guard_state, arrival.identity);
        let known = self.by_fingerprint.get(&fingerprint).copied();
        let to = match (known, self.explored.graph().with_fingerprint(fingerprint)) {
            (Some(place), _) => place,
            (None, Some(state)) => self.place_of(state),
            (None, None) => {
                let to = self.add_place(fingerprint, None, guard_state, arrival.checkpoint);
                self.standing = Some(to);
                to
            }
        };
        let record = arrival.record.and_then(|record| self.explored.keep(record));
        let step = Step { to, record };
        self.places[from.0].steps.insert(action, step);
        to
    }

    /// Takes a step and looks for a finding that is new there: a state oracle must have held before the step.
    async fn look_for(
        &mut self,
        wanted: &Finding,
        from: PlaceId,
        action: ActionId,
    ) -> Result<Replayed, WorldError> {
        let arrival = self.act(from, action).await?;
        let context = self.context(from).clone();
        let (world, judge) = (&mut *self.world, &mut *self.judge);
        let evaluation =
            evidence::evaluate(world, judge, wanted, Some(action), &context, &arrival).await?;
        self.arrive(from, action, arrival);
        if evaluation.same.is_some()
            && evaluation.of_state
            && self.is_broken(wanted.oracle, from).await?
        {
            let why = "it does not hold before the last step either".to_owned();
            return Ok(Replayed::NotJudged(why));
        }
        let doubt = evaluation.doubt();
        Ok(match (evaluation.same, doubt) {
            (Some(finding), _) => Replayed::Shows(finding),
            (None, Some(why)) => Replayed::NotJudged(why),
            (None, None) => Replayed::ShowsNothing,
        })
    }

    /// Whether a state oracle is broken in a place.
    async fn is_broken(&mut self, oracle: OracleId, at: PlaceId) -> Result<bool, WorldError> {
        let place = self.place(at);
        if let Some(state) = place.state {
            return Ok(self.explored.broken(state).contains(&oracle));
        }
        if let Some(broken) = place.broken.get(&oracle) {
            return Ok(*broken);
        }
        let state = Arrival {
            context: self.context(at).clone(),
            identity: Digest::default(),
            checkpoint: place.checkpoint.clone(),
            status: 0,
            effect: Effect::None,
            wrote: false,
            record: None,
        };
        let broken = evidence::is_broken(self.world, self.judge, oracle, &state).await?;
        self.standing = Some(at);
        self.places[at.0].broken.insert(oracle, broken);
        Ok(broken)
    }
}

/// Tries paths that may end with one finding.
pub(super) struct Trials<'t, 'r, W: World, J> {
    replay: &'t mut PathReplay<'r, W, J>,
    wanted: &'t Finding,
    allowance: Allowance,
    /// Requests that the world had sent when the trials began.
    sent_before: u64,
    /// What the last path that showed the finding showed.
    shown: Option<Finding>,
}

impl<W: World, J: Judge<W>> Trials<'_, '_, W, J> {
    /// The requests that the trials have sent.
    pub(super) fn requests(&self) -> u64 {
        self.replay
            .world
            .requests()
            .saturating_sub(self.sent_before)
    }

    /// The finding as the last path showed it that showed it.
    pub(super) fn take_shown(&mut self) -> Option<Finding> {
        self.shown.take()
    }

    /// The steps of a path that has been run, with their records.
    pub(super) fn steps(&mut self, path: &[ActionId]) -> Vec<PathStep> {
        self.replay.steps(path)
    }

    /// Runs a path. Known steps are not sent again, but for the last one.
    pub(super) async fn run(&mut self, path: &[ActionId]) -> Result<Replayed, Stop> {
        let Some(last) = path.len().checked_sub(1) else {
            return Ok(Replayed::ShowsNothing);
        };
        let (mut at, taken) = self.replay.follow_known(path);
        for (position, action) in path.iter().copied().enumerate().skip(taken) {
            if !self.replay.enables(at, action) {
                let guard_state = self.replay.place(at).guard_state;
                let here = std::iter::once(self.replay.guard_states.parts(guard_state));
                let why = enabled::why_not(self.replay.model, action, here).unwrap_or_default();
                return Ok(Replayed::NotEnabled { position, why });
            }
            if position == last {
                break;
            }
            at = if let Some(to) = self.replay.known_step(at, action) {
                to
            } else {
                self.may_go_on()?;
                let arrival = self.replay.act(at, action).await?;
                self.replay.arrive(at, action, arrival)
            };
        }
        self.may_go_on()?;
        Ok(self.replay.look_for(self.wanted, at, path[last]).await?)
    }

    /// Refuses to send a request once the trials have cost enough, or the user wants to stop.
    fn may_go_on(&self) -> Result<(), Stop> {
        if self.replay.is_interrupted() {
            return Err(WorldError::new(WorldErrorKind::Interrupted, "interrupted").into());
        }
        let limit = self.allowance.requests;
        if self.requests() >= limit {
            return Err(Stop::Budget(format!("it ended after {limit} requests")));
        }
        if Instant::now() >= self.allowance.deadline || self.replay.is_time_over() {
            return Err(Stop::Budget("its time was over".to_owned()));
        }
        Ok(())
    }
}

impl<W: World, J: Judge<W>> Trial for Trials<'_, '_, W, J> {
    async fn fails(&mut self, path: &[ActionId]) -> Result<bool, Stop> {
        let (at, taken) = self.replay.follow_known(path);
        let guard_state = self.replay.place(at).guard_state;
        let (context, facts) = self.replay.guard_states.parts(guard_state);
        if enabled::is_hopeless(self.replay.model, context, facts, &path[taken..]) {
            return Ok(false);
        }
        let Replayed::Shows(finding) = self.run(path).await? else {
            return Ok(false);
        };
        self.shown = Some(finding);
        Ok(true)
    }

    fn shortcuts(&mut self, path: &[ActionId]) -> Vec<Vec<ActionId>> {
        let graph = self.replay.explored.graph();
        let mut at = self.replay.initial();
        let mut shortcuts = Vec::new();
        for (taken, action) in path.iter().enumerate() {
            if let Some(state) = self.replay.place(at).state
                && (graph.depth(state) as usize) < taken
            {
                let mut shortcut = graph.actions_to(state);
                shortcut.extend(&path[taken..]);
                shortcuts.push(shortcut);
            }
            let Some(to) = self.replay.known_step(at, *action) else {
                break;
            };
            at = to;
        }
        // The shortcut that replaces most comes first.
        shortcuts.reverse();
        shortcuts
    }
}
