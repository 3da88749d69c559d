//! Refusals on the walk that may come of a login that was lost.

use crate::model::{ActionId, Context};
use crate::oracle::Judge;
use crate::world::{Arrival, World};

use super::super::lost_login::{self, Found};
use super::super::strategy::Move;
use super::{Stop, Walk};

impl<W: World, J: Judge<W>> Walk<'_, W, J> {
    /// The answer to a step, once it is certain that a refusal is not that of a lost login: the step is taken again, and the walk ends
    /// where the login is lost for good.
    pub(super) async fn see_through_refusal(
        &mut self,
        step: Move,
        context: &Context,
        arrival: Arrival<W::Checkpoint>,
    ) -> Result<Arrival<W::Checkpoint>, Stop> {
        let Move { from, action } = step;
        let status = arrival.status;
        if !self.login.is_suspicious(self.model, from, action, status) {
            return Ok(arrival);
        }
        if self.explored.graph().can_restore() {
            self.look_into_refusal(action).await?;
            // Also where the state explains it: going back may have logged in anew.
            return self.take_again(step, context).await;
        }
        if self.was_accepted(step) {
            let name = &self.model.action(action).name;
            self.emitter.warn(lost_login::warning(name, status, 0));
            return Err(Stop::LoginLost);
        }
        Ok(arrival)
    }

    /// Whether an action was accepted from the same state before.
    fn was_accepted(&self, Move { from, action }: Move) -> bool {
        let graph = self.explored.graph();
        let expect = &self.model.action(action).expect;
        graph.outgoing(from).any(|id| {
            let before = graph.transition(id);
            before.action == action && expect.accepts(before.status)
        })
    }

    /// Takes a step once more.
    async fn take_again(
        &mut self,
        step: Move,
        context: &Context,
    ) -> Result<Arrival<W::Checkpoint>, Stop> {
        let restored = self
            .world
            .restore(self.explored.checkpoint(step.from))
            .await;
        restored.map_err(|error| self.failed_at(step, &error))?;
        let arrival = self.world.act(step.action, context).await;
        arrival.map_err(|error| self.failed_at(step, &error))
    }

    /// Looks whether an action that is refused is still accepted where it was; ends the walk where it is not.
    pub(super) async fn look_into_refusal(&mut self, action: ActionId) -> Result<(), Stop> {
        let look = self
            .login
            .look(self.model, self.world, &self.explored, action);
        let lost = look.await;
        match lost.map_err(|error| Stop::of_error(&error, Vec::new()))? {
            Found::Lost(warning) => {
                self.emitter.warn(*warning);
                Err(Stop::LoginLost)
            }
            Found::Otherwise(warning) => {
                self.emitter.warn(*warning);
                Ok(())
            }
            Found::Renewed | Found::Rightful => Ok(()),
        }
    }

    /// Looks, once the walk is over, into the refusals that have not been looked into.
    pub(super) async fn look_into_refusals(&mut self) -> Result<(), Stop> {
        // What cannot be trusted anyway is not worth more requests.
        let is_untrusted = self.emitter.has_warned(|warning| warning.untrusted);
        if is_untrusted || !self.explored.graph().can_restore() {
            return Ok(());
        }
        for action in self.login.refused() {
            self.look_into_refusal(action).await?;
        }
        Ok(())
    }
}
