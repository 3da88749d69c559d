//! Notices that the service no longer knows the login of the run, most often because it has run out.
//!
//! A refusal with 401 or 403 proves nothing by itself: somebody may have logged out on the path, or a role may be gone from
//! the rows. So it is compared with the same state only: a step of the same action that was accepted is taken again, from
//! the state where it was accepted. Where that is refused now as well, it is not the state that has changed.

use crate::model::{ActionId, Model};
use crate::world::{Warning, WarningCode, World, WorldError};

use super::determinism;
use super::explored::Explored;
use super::graph::StateId;

/// Refusals that were looked into and found rightful, after which only long series of them are.
const EAGER: u32 = 8;

/// How often an accepted step is taken again before its refusal is believed.
const LOOKS: u32 = 5;

/// What is known of the acceptances and refusals of every action.
#[derive(Debug, Default)]
pub(super) struct LostLogin {
    /// By [`ActionId`].
    actions: Vec<Seen>,
}

/// What a refusal was.
#[derive(Debug)]
pub(super) enum Found {
    /// The state explains it.
    Rightful,
    /// The login was lost, and was done again.
    Renewed,
    /// The spec lists this refusal, and the login is good elsewhere: something but the state decides here.
    Otherwise(Box<Warning>),
    /// The login is lost.
    Lost(Box<Warning>),
}

#[derive(Clone, Debug, Default)]
struct Seen {
    /// Where it was accepted last.
    accepted_from: Option<StateId>,
    /// Answers of 401 and 403 since then.
    refused: u64,
    /// How often refusals were found rightful.
    rightful: u32,
}

impl LostLogin {
    /// Nothing was seen yet.
    pub(super) fn new(model: &Model) -> Self {
        Self {
            actions: vec![Seen::default(); model.actions.len()],
        }
    }

    /// Takes note of an answer to a step from `from`. Says whether it has to be looked into before it is judged.
    pub(super) fn is_suspicious(
        &mut self,
        model: &Model,
        from: StateId,
        action: ActionId,
        status: u16,
    ) -> bool {
        let seen = &mut self.actions[action.0 as usize];
        if model.action(action).expect.accepts(status) {
            seen.accepted_from = Some(from);
            seen.refused = 0;
            return false;
        }
        if !is_denial(status) || seen.accepted_from.is_none() {
            return false;
        }
        seen.refused += 1;
        seen.refused.is_multiple_of(64)
            || seen.rightful < EAGER && determinism::is_due(seen.refused)
    }

    /// Takes an accepted step of this action again, from the same state, and says whether it still is.
    pub(super) async fn look<W: World>(
        &mut self,
        model: &Model,
        world: &mut W,
        explored: &Explored<W::Checkpoint>,
        action: ActionId,
    ) -> Result<Found, WorldError> {
        let Some(from) = self.actions[action.0 as usize].accepted_from else {
            return Ok(Found::Rightful);
        };
        let context = explored.graph().context(from);
        let mut status = 0;
        let mut is_renewed = false;
        let logins = world.logins();
        // A service that refuses at random is another matter.
        for _ in 0..LOOKS {
            world.restore(explored.checkpoint(from)).await?;
            status = world.act(action, context).await?.status;
            if !is_denial(status) {
                // Also where this state had an older login.
                if world.logins() > logins {
                    return Ok(Found::Renewed);
                }
                self.actions[action.0 as usize].rightful += 1;
                return Ok(Found::Rightful);
            }
            if !is_renewed {
                world.restore(explored.checkpoint(from)).await?;
                is_renewed = world.renew_login(action, status).await?;
            }
        }
        let lists = |action: ActionId| {
            let listed = &model.action(action).expect.status;
            listed.iter().any(|pattern| pattern.matches(status))
        };
        if lists(action)
            && self
                .is_good_elsewhere(model, world, explored, action, &lists)
                .await?
        {
            self.actions[action.0 as usize].rightful += 1;
            return Ok(Found::Otherwise(Box::new(otherwise(
                &model.action(action).name,
                status,
            ))));
        }
        let refused = self.actions.iter().map(|seen| seen.refused).sum();
        let warning = warning(&model.action(action).name, status, refused);
        Ok(Found::Lost(Box::new(warning)))
    }

    /// Whether another action of the same principal is still accepted where it was, one whose spec does not list the refusal.
    async fn is_good_elsewhere<W: World>(
        &self,
        model: &Model,
        world: &mut W,
        explored: &Explored<W::Checkpoint>,
        action: ActionId,
        lists: &dyn Fn(ActionId) -> bool,
    ) -> Result<bool, WorldError> {
        let principal = |id: ActionId| model.action(id).request.principal;
        let others = self.actions.iter().enumerate().filter_map(|(id, seen)| {
            let other = ActionId(id as u32);
            let is_like = other != action && principal(other) == principal(action);
            seen.accepted_from
                .filter(|_| is_like && !lists(other))
                .map(|from| (other, from))
        });
        let mut is_good = false;
        for (other, from) in others.take(LOOKS as usize) {
            world.restore(explored.checkpoint(from)).await?;
            let context = explored.graph().context(from);
            let status = world.act(other, context).await?.status;
            if is_denial(status) {
                return Ok(false);
            }
            is_good |= model.action(other).expect.accepts(status);
        }
        Ok(is_good)
    }

    /// The actions that were accepted once and refused since.
    pub(super) fn refused(&self) -> Vec<ActionId> {
        let refused = self.actions.iter().enumerate();
        refused
            .filter(|(_, seen)| seen.refused > 0)
            .map(|(id, _)| ActionId(id as u32))
            .collect()
    }
}

/// Whether this status denies whoever asks, perhaps with a redirect to a login page.
pub(super) fn is_denial(status: u16) -> bool {
    matches!(status, 401 | 403 | 302 | 303 | 307)
}

/// The warning of a refusal that the spec lists, from a state in which the action was accepted before.
fn otherwise(action: &str, status: u16) -> Warning {
    let message = format!(
        "`{action}` is refused with {status}, which its `expect.status` lists, in a state in which it had been accepted; other actions are still accepted where they were, so no login is lost: time decides, or something that the process remembers"
    );
    Warning::new(WarningCode::NonDeterministic, message).with_help(
        "where it is a limit on how often something may be done, switch that off under test; what a process remembers is forgotten with `restore: full`",
    )
}

/// The warning that ends a walk; `refused` is how many steps were refused since they were last accepted.
pub(super) fn warning(action: &str, status: u16, refused: u64) -> Warning {
    let more = match refused {
        0 | 1 => String::new(),
        more => {
            format!("; {more} steps were refused with 401 or 403 since they were last accepted")
        }
    };
    let what = if status == 401 {
        "the login of this run is lost"
    } else {
        "the login of this run is lost, or this service keeps state in its process"
    };
    let message = format!(
        "`{action}` is refused with {status} in a state in which it had been accepted: {what}{more}"
    );
    Warning::new(WarningCode::LoginLost, message)
        .with_help(
            "let the logins of the service under test live longer than a run, or end the run before they run out, for example with `--time-limit 1m`; sessions that a service keeps in its memory are gone when it is started again, and a logout that it keeps there outlasts a restore: for that there is `restore: full`",
        )
        .untrusted()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Action;

    fn model() -> Model {
        Model {
            actions: vec![Action::named("pay")],
            ..Model::default()
        }
    }

    #[test]
    fn an_action_that_was_never_accepted_is_not_suspicious() {
        let (model, pay) = (model(), ActionId(0));
        let mut login = LostLogin::new(&model);
        assert!(!login.is_suspicious(&model, StateId::INITIAL, pay, 401));
        assert!(login.refused().is_empty());
    }

    #[test]
    fn the_first_refusal_after_an_acceptance_is_suspicious_and_another_acceptance_clears_it() {
        let (model, pay) = (model(), ActionId(0));
        let mut login = LostLogin::new(&model);
        let mut suspicious = |status| login.is_suspicious(&model, StateId::INITIAL, pay, status);
        assert!(!suspicious(200));
        assert!(!suspicious(409));
        assert!(suspicious(403));
        assert!(suspicious(401));
        assert!(!suspicious(401));
        assert!(!suspicious(200));
        assert!(login.refused().is_empty());
    }

    #[test]
    fn after_many_rightful_refusals_only_a_long_series_is_suspicious() {
        let (model, pay) = (model(), ActionId(0));
        let mut login = LostLogin::new(&model);
        login.actions[0].rightful = EAGER;
        login.is_suspicious(&model, StateId::INITIAL, pay, 200);
        let mut series = (1..=64).map(|_| login.is_suspicious(&model, StateId::INITIAL, pay, 403));
        assert!(series.by_ref().take(63).all(|suspicious| !suspicious));
        assert_eq!(series.next(), Some(true));
    }
}
