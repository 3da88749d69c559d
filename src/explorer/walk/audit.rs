//! Looks into merges: from two states that are taken for one the same actions must come to the same.

use crate::identity::LeftOut;
use crate::model::{ActionId, Context, Effect, Facts, OracleId, Response};
use crate::oracle::{Judge, Judged};
use crate::random::Random;
use crate::world::{World, WorldError};

use super::super::graph::{Recorded, StateId};
use super::super::guard_state::{GuardStateId, GuardStates};
use super::super::merges::Look;
use super::Walk;

/// Actions that are tried one by one from both states.
const SINGLES: usize = 40;

/// Longest sequence of actions that is tried from both.
const LONGEST: usize = 5;

/// One of two states that are taken for one.
struct Side<'s, C> {
    checkpoint: &'s C,
    context: &'s Context,
    facts: &'s Facts,
}

/// What a step from one of them came to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    effect: Effect,
    /// What identifies the state there.
    fingerprint: u128,
    /// Oracles that found something, or do not hold there.
    objects: Vec<OracleId>,
}

impl<W: World, J: Judge<W>> Walk<'_, W, J> {
    /// Looks into the merge by which a step, now recorded, led to a known state. Moves the world.
    pub(super) async fn look_into_merge(
        &mut self,
        recorded: &Recorded,
        (checkpoint, context): (&W::Checkpoint, &Context),
        facts: &Facts,
    ) -> Result<(), WorldError> {
        let graph = self.explored.graph();
        let known = graph.transition(recorded.transition).to;
        if recorded.new_state || !graph.can_restore() {
            return Ok(());
        }
        let there = self.explored.checkpoint(known).clone();
        let Some(left_out) = self.world.left_out(&there, checkpoint) else {
            return Ok(());
        };
        let action = graph.transition(recorded.transition).action;
        let step = (recorded.transition, action);
        let Some(look) = self.merges.note(step, left_out.clone(), self.steps) else {
            return Ok(());
        };
        let before = self.world.requests();
        let arrived = Side {
            checkpoint,
            context,
            facts,
        };
        if self.compare(known, &arrived, look, &left_out).await? {
            let requests = self.world.requests() - before;
            self.merges.looked_into(action, &left_out, requests);
        }
        self.explored.suspect(known, self.world.take_suspects());
        Ok(())
    }

    /// Runs the same actions from both. Says whether that tells anything.
    async fn compare(
        &mut self,
        known: StateId,
        arrived: &Side<'_, W::Checkpoint>,
        look: Look,
        left_out: &LeftOut,
    ) -> Result<bool, WorldError> {
        let (context, facts, checkpoint) = {
            let graph = self.explored.graph();
            let (context, facts) = (graph.context(known), graph.facts(known));
            (
                context.clone(),
                facts.clone(),
                self.explored.checkpoint(known).clone(),
            )
        };
        let known = Side {
            checkpoint: &checkpoint,
            context: &context,
            facts: &facts,
        };
        let tails = match look {
            Look::Close => LONGEST,
            Look::Sample => 2,
        };
        let mut paths = match look {
            Look::Close => self.singles(&known),
            Look::Sample => Vec::new(),
        };
        paths.resize_with(paths.len() + tails, Vec::new);
        for path in paths {
            let Some((path, here)) = self.outcomes(&known, path).await? else {
                continue;
            };
            if path.is_empty() {
                continue;
            }
            let Some((_, there)) = self.outcomes(arrived, path.clone()).await? else {
                continue;
            };
            // What was seen for the first time has changed what is the same: the next merge is looked into.
            if self.learn_identities() {
                return Ok(false);
            }
            let same = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
            if same < here.len() || same < there.len() {
                let why = self.in_words(&path, same, (&here, &there));
                self.merges.count_mismatch();
                self.world.count_again(left_out, &why);
                break;
            }
        }
        Ok(true)
    }

    /// Each action alone that is enabled.
    fn singles(&mut self, side: &Side<'_, W::Checkpoint>) -> Vec<Vec<ActionId>> {
        let mut guard_states = GuardStates::new(self.model, self.explored.row_variables());
        let guards = guard_states.intern(self.model, side.context, side.facts);
        let mut actions = self.enabled(&guard_states, guards);
        shuffle(&mut actions, &mut self.audit_choices);
        actions.truncate(SINGLES);
        actions.into_iter().map(|action| vec![action]).collect()
    }

    /// Restores one side and walks a path from there, or where none is given one at random. Returns the path and what each step came
    /// to; `None` where nothing can be said, because an answer did not come.
    async fn outcomes(
        &mut self,
        side: &Side<'_, W::Checkpoint>,
        path: Vec<ActionId>,
    ) -> Result<Option<(Vec<ActionId>, Vec<Outcome>)>, WorldError> {
        self.world.restore(side.checkpoint).await?;
        let mut guard_states = GuardStates::new(self.model, self.explored.row_variables());
        let mut guards = guard_states.intern(self.model, side.context, side.facts);
        let (mut taken, mut outcomes) = (Vec::new(), Vec::new());
        let steps = if path.is_empty() { LONGEST } else { path.len() };
        for at in 0..steps {
            let chosen = path.get(at).copied();
            let Some(action) = chosen.or_else(|| self.any(&guard_states, guards)) else {
                break;
            };
            // It is enabled on the other side.
            if !guard_states.enables(guards, action) {
                break;
            }
            let context = guard_states.context(guards).clone();
            let arrival = self.world.act(action, &context).await?;
            let record = arrival.record.as_deref();
            if arrival.status == Response::NO_ANSWER
                || record.is_some_and(|record| record.response.is_rate_limit)
            {
                return Ok(None);
            }
            let judged = Judged {
                action: Some(action),
                context_before: &context,
                arrival: &arrival,
                new_state: true,
                broken_before: &[],
                only: None,
            };
            let judgement = self.judge.judge(self.world, judged).await?;
            guards =
                guard_states.after(self.model, guards, action, arrival.effect, &arrival.context);
            let world = self.world.identity(&arrival.checkpoint);
            let mut objects: Vec<OracleId> = (judgement.findings.iter())
                .map(|finding| finding.oracle)
                .collect();
            objects.extend(judgement.broken);
            taken.push(action);
            outcomes.push(Outcome {
                status: arrival.status,
                effect: arrival.effect,
                fingerprint: guard_states.fingerprint(guards, world.unwrap_or(arrival.identity)),
                objects,
            });
        }
        Ok(Some((taken, outcomes)))
    }

    /// An action that is enabled here, chosen by chance.
    fn any(&mut self, guard_states: &GuardStates, guards: GuardStateId) -> Option<ActionId> {
        let enabled = self.enabled(guard_states, guards);
        (!enabled.is_empty()).then(|| enabled[self.audit_choices.below(enabled.len())])
    }

    /// The actions that are enabled here.
    fn enabled(&self, guard_states: &GuardStates, guards: GuardStateId) -> Vec<ActionId> {
        let enabled = |action: &ActionId| {
            guard_states.enables(guards, *action) && !self.silence.is_given_up(*action)
        };
        self.model.action_ids().filter(enabled).collect()
    }

    /// How two sides behave differently, as a clause.
    fn in_words(
        &self,
        path: &[ActionId],
        same: usize,
        (here, there): (&[Outcome], &[Outcome]),
    ) -> String {
        let names: Vec<&str> = (path.iter().take(same + 1))
            .map(|action| &*self.model.action(*action).name)
            .collect();
        let path = names.join(" -> ");
        match (here.get(same), there.get(same)) {
            (Some(a), Some(b)) if a.status != b.status => format!(
                "from two such states `{path}` was answered {} and {}",
                Response::status_in_words(a.status),
                Response::status_in_words(b.status)
            ),
            (Some(a), Some(b)) if a.objects != b.objects => {
                format!("from two such states `{path}` broke other rules")
            }
            (Some(_), Some(_)) => {
                format!("from two such states `{path}` led to different states")
            }
            _ => format!("from one of two such states `{path}` was possible, from the other not"),
        }
    }

    /// Takes note of what the world has learned of identities. Says whether it has learned anything.
    pub(super) fn learn_identities(&mut self) -> bool {
        let Some(again) = self.explored.identify_anew(self.world) else {
            return false;
        };
        let merges = self.merges.take(&again);
        let reopened = self.explored.forget(&merges);
        self.reopened.extend(reopened);
        true
    }
}

fn shuffle(actions: &mut [ActionId], random: &mut Random) {
    for at in (1..actions.len()).rev() {
        actions.swap(at, random.below(at + 1));
    }
}
