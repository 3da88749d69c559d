//! Notices that the service no longer knows the login of the run, most often because it has run out.
//!
//! A refusal proves nothing by itself, whatever its status (401 and 403 say most, but 400 and 404 are in use as well): somebody may have logged out on the path, or a role may be gone from
//! the rows. So it is compared with the same state only: a step of the same action that was accepted is taken again, from
//! the state where it was accepted. Where that is refused now as well, it is not the state that has changed.

use crate::model::{ActionId, Model};
use crate::world::{Warning, WarningCode, World, WorldError};

use super::determinism;
use super::explored::Explored;
use super::graph::StateId;

/// Refusals that were looked into and found rightful, after which only long series of them are.
const EAGER: u32 = 8;

/// A series of so many refusals that do not speak of a login is looked into.
const SERIES: u64 = 16;

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
    /// Refusals since then.
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
        if !is_refusal(status) || seen.accepted_from.is_none() {
            return false;
        }
        seen.refused += 1;
        let is_due = if is_denial(status) {
            determinism::is_due(seen.refused)
        } else {
            seen.refused == SERIES
        };
        seen.refused.is_multiple_of(64) || seen.rightful < EAGER && is_due
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
            if !is_refusal(status) || model.action(action).expect.accepts(status) {
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
        // Other refusals have other reasons: what others were refused as well, where they had been accepted, is no matter of this action.
        if !is_denial(status) {
            let all = |_: ActionId| false;
            let others = self.elsewhere(model, world, explored, action, &all).await?;
            if others != Some(false) {
                self.actions[action.0 as usize].rightful += 1;
                return Ok(Found::Rightful);
            }
        }
        let lists = |action: ActionId| {
            let listed = &model.action(action).expect.status;
            listed.iter().any(|pattern| pattern.matches(status))
        };
        if lists(action)
            && self
                .elsewhere(model, world, explored, action, &lists)
                .await?
                == Some(true)
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

    /// Whether other actions of the same principal are still accepted where they were, but for those whose spec lists the refusal; `None`
    /// where there is no other.
    async fn elsewhere<W: World>(
        &self,
        model: &Model,
        world: &mut W,
        explored: &Explored<W::Checkpoint>,
        action: ActionId,
        lists: &dyn Fn(ActionId) -> bool,
    ) -> Result<Option<bool>, WorldError> {
        let principal = |id: ActionId| model.action(id).request.principal;
        let others = self.actions.iter().enumerate().filter_map(|(id, seen)| {
            let other = ActionId(id as u32);
            let is_like = other != action && principal(other) == principal(action);
            seen.accepted_from
                .filter(|_| is_like && !lists(other))
                .map(|from| (other, from))
        });
        let mut is_good = None;
        for (other, from) in others.take(LOOKS as usize) {
            world.restore(explored.checkpoint(from)).await?;
            let context = explored.graph().context(from);
            let status = world.act(other, context).await?.status;
            let is_accepted = model.action(other).expect.accepts(status);
            if is_refusal(status) && !is_accepted {
                return Ok(Some(false));
            }
            is_good = Some(is_accepted || is_good == Some(true));
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
    // 419 is Laravel's, 440 that of IIS, 498 that of ArcGIS.
    matches!(status, 401 | 403 | 419 | 440 | 498 | 302 | 303 | 307)
}

/// Whether this status refuses, for whatever reason but a rate limit.
fn is_refusal(status: u16) -> bool {
    (300..500).contains(&status) && !matches!(status, 420 | 429)
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
            format!("; {more} steps were refused since their actions were last accepted")
        }
    };
    let what = if matches!(status, 401 | 419 | 440 | 498) {
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
        assert!(suspicious(403));
        assert!(suspicious(401));
        assert!(!suspicious(401));
        assert!(!suspicious(409));
        assert!(!suspicious(200));
        assert!(login.refused().is_empty());
    }

    #[test]
    fn other_refusals_are_suspicious_in_a_series_and_rate_limits_never() {
        let (model, pay) = (model(), ActionId(0));
        let mut login = LostLogin::new(&model);
        login.is_suspicious(&model, StateId::INITIAL, pay, 200);
        let mut series = |status| {
            let mut all = (1..=SERIES + 1)
                .map(|_| login.is_suspicious(&model, StateId::INITIAL, pay, status));
            all.position(|suspicious| suspicious)
        };
        assert_eq!(series(429), None);
        assert_eq!(series(400), Some(SERIES as usize - 1));
        assert_eq!(login.refused(), [pay]);
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
