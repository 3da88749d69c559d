//! Requests that changed nothing: whether they did something after all, in the memory of the service.
//!
//! A step that changes no row leads back to the state from which it was taken, so a walk goes on from there as if nothing had
//! happened. A flag, a lock or a counter in the process of the service would decide from then on what others do, and which of them is
//! seen is a matter of the order. So, at the end of a walk, such a request is sent a few times, and what others did before is compared
//! with what they do then.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::model::{ActionId, Digest, Response};
use crate::oracle::Judge;
use crate::world::{WarningCode, World, WorldError};

use super::super::clock::Clock;
use super::super::graph::StateId;
use super::super::process_state;
use super::{Stop, Walk};

/// How often a quiet request is sent: locks close after a few wrong passwords.
const TIMES: u32 = 5;

/// Other actions of one kind that are compared, for each quiet one.
const OTHERS: usize = 4;

/// Requests that this may cost, besides one for every fourth step of the walk.
const REQUESTS: u64 = 60;

/// Bounds of the time that this may take; between them it is a fifth of that of the walk.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(3);

/// What came of an action: its status, and the identity of the state to which it led. `None` where the answer says nothing.
type Outcome = Option<(u16, Digest)>;

impl<W: World, J: Judge<W>> Walk<'_, W, J> {
    /// Warns of an action that changes no row and decides all the same what another one does.
    pub(super) async fn look_behind_quiet_steps(&mut self, clock: &Clock) -> Result<(), Stop> {
        // What cannot be trusted anyway is not worth more requests.
        let is_untrusted = self.emitter.has_warned(|warning| warning.untrusted);
        if is_untrusted || !self.explored.graph().can_restore() {
            return Ok(());
        }
        let until = Instant::now() + (clock.elapsed() / 5).clamp(LEAST, MOST);
        let most = self.world.requests() + REQUESTS + self.steps / 4;
        let quiet = self.quiet_steps();
        // What decides over quiet ones, such as a lock, is seen only until it has closed; what they decide, such as a flag, at any time.
        for are_quiet in [true, false] {
            for (action, from) in &quiet {
                for (other, status) in self.others(*from, *action, are_quiet) {
                    let is_over = self.world.requests() >= most
                        || Instant::now() >= until
                        || self.options.interrupt.is_requested()
                        || self.is_time_to_prove(self.violations.worst().is_some(), clock);
                    if is_over {
                        return Ok(());
                    }
                    let what = self.decides(*from, *action, (other, status)).await;
                    if let Some(what) = what.map_err(|error| Stop::of_error(&error, Vec::new()))? {
                        self.emitter.warn(process_state::warning(&what));
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Actions that may write and were answered without any change, each where most others have run as well.
    fn quiet_steps(&self) -> Vec<(ActionId, StateId)> {
        let graph = self.explored.graph();
        let mut quiet: BTreeMap<u32, (usize, StateId)> = BTreeMap::new();
        for from in (0..graph.state_count() as u32).map(StateId) {
            let tried = graph.outgoing(from).count();
            for id in graph.outgoing(from) {
                let step = graph.transition(id);
                let is_quiet = step.from == step.to
                    && (200..500).contains(&step.status)
                    && !matches!(step.status, 420 | 429)
                    && !self.model.action(step.action).request.is_safe();
                let best = quiet.entry(step.action.0).or_insert((0, from));
                if is_quiet && tried > best.0 {
                    *best = (tried, from);
                }
            }
        }
        let found = quiet.into_iter().filter(|(_, (tried, _))| *tried > 0);
        found
            .map(|(action, (_, from))| (ActionId(action), from))
            .collect()
    }

    /// Others that have run in this state, with how they were answered; of `quiet` ones those that changed nothing.
    fn others(&self, from: StateId, action: ActionId, quiet: bool) -> Vec<(ActionId, u16)> {
        let graph = self.explored.graph();
        let steps = graph.outgoing(from).map(|id| graph.transition(id));
        let others = steps.filter(|step| {
            step.action != action
                && step.status != Response::NO_ANSWER
                && (step.from == step.to) == quiet
        });
        let mut others: Vec<_> = others.map(|step| (step.action, step.status)).collect();
        others.sort_unstable();
        others.truncate(OTHERS);
        others
    }

    /// How it shows, in words, that what `other` does depends on whether `quiet` was sent, if it does, twice over; or on something else
    /// than the state in which it was answered with `status` before.
    async fn decides(
        &mut self,
        from: StateId,
        quiet: ActionId,
        (other, status): (ActionId, u16),
    ) -> Result<Option<String>, WorldError> {
        let Some(before) = self.outcome(from, other).await? else {
            return Ok(None);
        };
        if before.0 != status {
            let is_so = self
                .outcome(from, other)
                .await?
                .is_some_and(|it| it.0 == before.0);
            let name = &self.model.action(other).name;
            return Ok(is_so.then(|| {
                format!(
                    "from the same state `{name}` was answered with {status} at first, and is answered with {} now",
                    before.0
                )
            }));
        }
        self.send_often(from, quiet).await?;
        let after = self.outcome_here(from, other).await?;
        let Some(after) = after.filter(|after| *after != before) else {
            return Ok(None);
        };
        // What is another one each time, such as an id, says nothing.
        let again = if self.world.leaves_process() {
            self.outcome(from, other).await?
        } else {
            self.send_often(from, quiet).await?;
            self.outcome_here(from, other).await?
        };
        // Rows that come by themselves may come with any request.
        let come_alone = [WarningCode::BackgroundWrite, WarningCode::LateWrite];
        let are_rows_known = !(self.emitter).has_warned(|it| come_alone.contains(&it.code));
        if again != Some(after) || before.0 == after.0 && !are_rows_known {
            return Ok(None);
        }
        let name = |id| &self.model.action(id).name;
        let how = if before.0 == after.0 {
            "changes other rows".to_owned()
        } else {
            format!("is answered with {} instead of {}", after.0, before.0)
        };
        Ok(Some(format!(
            "from the same state `{}` {how} after `{}`, which changed no row",
            name(other),
            name(quiet)
        )))
    }

    async fn send_often(&mut self, from: StateId, quiet: ActionId) -> Result<(), WorldError> {
        let context = self.explored.graph().context(from).clone();
        self.world.restore(self.explored.checkpoint(from)).await?;
        for _ in 0..TIMES {
            self.world.act(quiet, &context).await?;
        }
        Ok(())
    }

    async fn outcome(&mut self, from: StateId, action: ActionId) -> Result<Outcome, WorldError> {
        self.world.restore(self.explored.checkpoint(from)).await?;
        self.outcome_here(from, action).await
    }

    async fn outcome_here(
        &mut self,
        from: StateId,
        action: ActionId,
    ) -> Result<Outcome, WorldError> {
        let context = self.explored.graph().context(from).clone();
        let arrival = self.world.act(action, &context).await?;
        let is_rate_limit = (arrival.record.as_ref()).is_some_and(|it| it.response.is_rate_limit);
        let says_nothing = is_rate_limit || arrival.status == Response::NO_ANSWER;
        Ok((!says_nothing).then_some((arrival.status, arrival.identity)))
    }
}
