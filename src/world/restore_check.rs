//! Trust guards: is a restored state really the state it is said to be?
//!
//! *Rows.* The first return to a state, and then one restore in sixteen, is compared with what the systems must hold.
//! *Answers.* A read-only action that ran in a state must answer the same after the state has been restored. If it does
//! not, the service keeps something outside the declared systems, most often a cache. These requests are no steps; each
//! action is asked twice at first, then at most one restore in 64 asks.
//!
//! An answer that differs is not yet a cache: it may hold a clock or a counter. So the action is asked again at once,
//! and once more after a second. Only an answer that stays the same, and is not the remembered one, is reported.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::checkpoint::Place;
use super::live_world::LiveWorld;
use super::{Warning, WorldError};
use crate::interrupt::Urgency;
use crate::model::{ActionId, Response};

/// One restore in so many is compared with the rows that must be there.
const VERIFY_EVERY: u64 = 16;

/// How often each action is asked before asking gets rare.
const EAGER: u32 = 2;

/// One restore in so many asks, later on.
const ASK_EVERY: u64 = 64;

/// What `EAGER` may cost: no more than this share of the requests, once a run is under way.
const SHARE: u64 = 32;

/// Long enough for a clock in an answer to move on.
const CLOCK: Duration = Duration::from_millis(1100);

/// What a read-only action answered in some state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The action.
    pub(super) action: ActionId,
    status: u16,
    body: [u8; 16],
}

impl Answer {
    /// Status and body of an answer, as a fingerprint.
    pub(super) fn new(action: ActionId, response: &Response) -> Self {
        let mut body = [0; 16];
        body.copy_from_slice(&blake3::hash(&response.body.bytes).as_bytes()[..16]);
        Self {
            action,
            status: response.status,
            body,
        }
    }
}

/// Which restores are looked at.
#[derive(Debug, Default)]
pub(super) struct RestoreCheck {
    restores: u64,
    chances: u64,
    asked: u64,
    actions: HashMap<ActionId, Known>,
}

#[derive(Debug, Default)]
struct Known {
    asked: u32,
    /// Its answers hold a clock or a counter, or it has been reported: asking again teaches nothing.
    settled: bool,
}

impl RestoreCheck {
    /// Whether the rows of this restore are to be compared.
    fn wants_rows(&mut self, place: &Place) -> bool {
        self.restores += 1;
        place.first_return() || self.restores.is_multiple_of(VERIFY_EVERY)
    }

    /// Which answer is to be asked for again after this restore, if any. `requests` is how many the run has sent.
    fn wants_answer(&mut self, answers: &[Answer], requests: u64) -> Option<Answer> {
        let known = |action| self.actions.get(&action);
        let least = answers
            .iter()
            .filter(|answer| known(answer.action).is_none_or(|known| !known.settled))
            .min_by_key(|answer| known(answer.action).map_or(0, |known| known.asked))
            .copied()?;
        self.chances += 1;
        let eager = known(least.action).map_or(0, |known| known.asked) < EAGER
            && self.asked < 8 + requests / SHARE;
        if !eager && !self.chances.is_multiple_of(ASK_EVERY) {
            return None;
        }
        self.asked += 1;
        self.actions.entry(least.action).or_default().asked += 1;
        Some(least)
    }

    fn settle(&mut self, action: ActionId) {
        self.actions.entry(action).or_default().settled = true;
    }
}

impl LiveWorld {
    /// Looks at a state that has just been restored. `sent`: requests were sent since, and may have changed rows.
    ///
    /// What a job wrote since is put back where something is about to be compared; otherwise the look before the next
    /// request finds it.
    pub(super) async fn prove_restore(
        &mut self,
        place: &Arc<Place>,
        sent: bool,
    ) -> Result<(), WorldError> {
        let wants_rows = self.guard.wants_rows(place);
        let remembered = {
            let answers = place.answers();
            self.guard.wants_answer(&answers, self.requests)
        };
        if sent || ((wants_rows || remembered.is_some()) && !self.is_at_rest()) {
            self.undo(place).await?;
        }
        if wants_rows {
            self.databases.verify(&place.content).await?;
        }
        let Some(remembered) = remembered else {
            return Ok(());
        };
        let action = remembered.action;
        let first = self.ask_again(place, action).await?;
        if first == remembered {
            return Ok(());
        }
        let mut again = self.ask_again(place, action).await?;
        if again == first {
            tokio::select! {
                () = tokio::time::sleep(CLOCK) => {}
                () = self.interrupt.reached(Urgency::Soon) => return Ok(()),
            }
            again = self.ask_again(place, action).await?;
        }
        self.guard.settle(action);
        if again != first {
            return Ok(());
        }
        let model = self.model.clone();
        let name = &model.action(action).name;
        let status = if first.status == remembered.status {
            "with another body".to_owned()
        } else {
            format!("with {} instead of {}", first.status, remembered.status)
        };
        self.warnings.say(Warning {
            code: "state-outside-systems",
            message: format!(
                "`{name}` answers {status} after its state has been restored: the service keeps state outside the declared systems, perhaps in a cache"
            ),
            help: Some(
                "declare the system that holds it, switch the cache off, or name a request that empties it under `after_restore`"
                    .to_owned(),
            ),
            untrusted: true,
        });
        Ok(())
    }

    /// What a read-only action answers in the state the world stands in. Rows and cookies are left as they were.
    async fn ask_again(
        &mut self,
        place: &Arc<Place>,
        action: ActionId,
    ) -> Result<Answer, WorldError> {
        let model = self.model.clone();
        let name = format!(
            "action `{}`, asked again after a restore",
            model.action(action).name
        );
        let bindings = model.action_bindings(action, &place.context);
        let mut cookies = place.cookies.clone();
        let rendered = self.render(&name, &model.action(action).request, bindings, &cookies)?;
        let response = self.exchange(&name, &rendered, &mut cookies).await?;
        self.settle().await;
        self.undo(place).await?;
        Ok(Answer::new(action, &response))
    }
}
