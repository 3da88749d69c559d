//! Is a restored state really the state it is said to be?
//!
//! *Rows.* The first return to a state, and then one restore in sixteen, is compared with what the systems must hold.
//! *Answers.* A read-only action that ran in a state must answer the same after the state has been restored. If it does
//! not, the service keeps something outside the declared systems, most often a cache. These requests are no steps; each
//! action is sent again twice at first, then after at most one restore in 64. Most telling is an action that has answered
//! otherwise since, in another state: a cache would give that answer. Such a one is sent again four times at first.
//!
//! An answer that differs does not prove a cache: it may hold a clock, a counter, or a random value. So the action is sent
//! again at once, and once more after a second; what varies by then is no matter of restores. A clock of minutes still looks
//! like a cache. But it never goes back: an answer that was another one in between and is there again proves that the
//! service answers by something else than its rows. Short of that the action is a *suspect*, of which the explorer finds
//! out more; where it cannot start the service again, that the answer stays has to do. Lists in another order are no state: rows that were written back lie elsewhere.

use std::collections::HashMap;
use std::time::Duration;

use super::answer::{Answer, Likeness};
use super::checkpoint::Checkpoint;
use super::deployment::{Deployment, Outgoing};
use super::{Warning, WarningCode, WorldError};
use crate::model::ActionId;

/// One restore in so many is compared with the rows that must be there.
const VERIFY_EVERY: u64 = 16;

/// How often each action is sent again before that gets rare.
const EAGER: u32 = 2;

/// How often an action that has answered otherwise since is sent again before that gets rare.
const EAGER_WHERE_TELLING: u32 = 4;

/// One restore in so many sends an action again, later on.
const SEND_EVERY: u64 = 64;

/// How often a suspect is sent again before that gets rare.
const EAGER_WITH_SUSPECTS: u32 = 12;

/// Answers that must be the same, one after the other, before the service is said to keep state.
const LOOKS: u32 = 3;

/// What `EAGER` may cost: no more than this share of the requests, once a run is under way.
const SHARE: u64 = 32;

/// Long enough for a clock in an answer to move on.
const CLOCK: Duration = Duration::from_millis(1100);

/// Which restores are checked, and what the checks have shown so far.
#[derive(Debug, Default)]
pub(super) struct RestoreCheck {
    restores: u64,
    chances: u64,
    sent: u64,
    actions: HashMap<ActionId, Checked>,
    suspects: Vec<ActionId>,
}

#[derive(Debug, Default)]
struct Checked {
    sent: u32,
    /// What it answered last, in whatever state.
    last: Option<Answer>,
    /// Its answers hold a clock or a counter, or it has been reported: sending it again teaches nothing.
    settled: bool,
    is_suspect: bool,
}

impl Checked {
    fn is_eager(&self, remembered: &Answer) -> bool {
        let limit = if self.is_suspect {
            EAGER_WITH_SUSPECTS
        } else if self.is_telling(remembered) {
            EAGER_WHERE_TELLING
        } else {
            EAGER
        };
        self.sent < limit
    }

    /// Whether a service that remembers what it answered last would betray itself.
    fn is_telling(&self, remembered: &Answer) -> bool {
        let last = self.last.as_ref();
        last.is_some_and(|last| !last.is_like(remembered))
    }
}

impl RestoreCheck {
    /// Checks a state that has just been restored. `sent`: requests were sent since, and may have changed rows.
    ///
    /// What a job wrote since is put back where something is about to be compared; otherwise the look before the next
    /// request finds it.
    pub(super) async fn check(
        &mut self,
        deployment: &mut Deployment,
        restored: &Checkpoint,
        sent: bool,
    ) -> Result<(), WorldError> {
        let wants_rows = self.wants_rows(restored);
        let remembered = self.wants_answer(&restored.answers(), deployment.sender().requests());
        let databases = deployment.databases();
        if sent || ((wants_rows || remembered.is_some()) && !databases.are_at_rest()) {
            databases.undo(restored.content()).await?;
        }
        if wants_rows {
            databases.verify(restored.content()).await?;
        }
        match remembered {
            Some(remembered) => self.compare(deployment, restored, remembered).await,
            None => Ok(()),
        }
    }

    /// Takes note of what a read-only action answered in a step.
    pub(super) fn note(&mut self, answer: Answer) {
        self.actions.entry(answer.action()).or_default().last = Some(answer);
    }

    /// Actions that answered otherwise after a restore, since the last call, each once in a run.
    pub(super) fn take_suspects(&mut self) -> Vec<ActionId> {
        std::mem::take(&mut self.suspects)
    }

    /// Whether the rows of this restore are to be compared.
    fn wants_rows(&mut self, restored: &Checkpoint) -> bool {
        self.restores += 1;
        restored.first_return() || self.restores.is_multiple_of(VERIFY_EVERY)
    }

    /// Which answer is to be compared after this restore, if any: the newest of its action. `requests` is how many the run has
    /// sent.
    fn wants_answer(&mut self, answers: &[Answer], requests: u64) -> Option<Answer> {
        let checked = |answer: &Answer| self.actions.get(&answer.action());
        let least = answers
            .iter()
            .rev()
            .filter(|answer| checked(answer).is_none_or(|checked| !checked.settled))
            .min_by_key(|answer| {
                checked(answer).map_or((false, 0), |checked| {
                    (!checked.is_telling(answer), checked.sent)
                })
            })
            .copied()?;
        self.chances += 1;
        let eager = checked(&least).is_none_or(|checked| checked.is_eager(&least))
            && self.sent < 8 + requests / SHARE;
        if !eager && !self.chances.is_multiple_of(SEND_EVERY) {
            return None;
        }
        self.sent += 1;
        self.actions.entry(least.action()).or_default().sent += 1;
        Some(least)
    }

    /// Whether a read-only action answers as it did before; warns where it surely does not.
    async fn compare(
        &mut self,
        deployment: &mut Deployment,
        restored: &Checkpoint,
        remembered: Answer,
    ) -> Result<(), WorldError> {
        let action = remembered.action();
        let first = send_again(deployment, restored, action).await?;
        // A login that is lost is noticed by the explorer.
        if first.status() == 401 || deployment.is_lost() {
            return Ok(());
        }
        match first.likeness(&remembered) {
            Likeness::Same => return Ok(()),
            Likeness::Reordered => {
                let warning = reordered(&deployment.model().action(action).name);
                deployment.warn(warning);
                return Ok(());
            }
            Likeness::Different => {}
        }
        let checked = self.actions.entry(action).or_default();
        let Some(is_steady) = stays(deployment, restored, &first).await? else {
            return Ok(());
        };
        if !is_steady {
            checked.settled = true;
            return Ok(());
        }
        let is_back = (restored.answers().iter())
            .any(|answer| answer.action() == action && answer.is_like(&first));
        // Where the service cannot be started again, nothing more will be found out.
        if is_back || !deployment.process().may_restart() {
            checked.settled = true;
            let status = (first.status(), remembered.status());
            let warning = keeps_state(&deployment.model().action(action).name, status);
            deployment.warn(warning);
        } else {
            restored.remember_change(first);
            if !checked.is_suspect {
                checked.is_suspect = true;
                self.suspects.push(action);
            }
        }
        Ok(())
    }
}

/// Whether an action goes on answering like this; `None` where that cannot be found out.
async fn stays(
    deployment: &mut Deployment,
    restored: &Checkpoint,
    first: &Answer,
) -> Result<Option<bool>, WorldError> {
    for look in 1..=LOOKS {
        if look == LOOKS && !deployment.wait(CLOCK).await {
            return Ok(None);
        }
        let again = send_again(deployment, restored, first.action()).await?;
        if deployment.is_lost() {
            return Ok(None);
        }
        if !again.is_like(first) {
            return Ok(Some(false));
        }
    }
    Ok(Some(true))
}

/// The warning that the service keeps state; `status` is what an action answers now, and what it did before.
fn keeps_state(action: &str, (now, before): (u16, u16)) -> Warning {
    let how = if now == before {
        "with another body".to_owned()
    } else {
        format!("with {now} instead of {before}")
    };
    let message = format!(
        "`{action}` answers {how} after its state has been restored: this service keeps state in its process, or elsewhere outside the declared systems"
    );
    Warning::new(WarningCode::StateOutsideSystems, message)
        .with_help("a cache: empty it with a request under `after_restore`, switch it off, or write `restore: full`, which starts the service again for each restore; another system: declare it")
        .untrusted()
}

/// The warning that only the order of an answer is another one.
fn reordered(action: &str) -> Warning {
    let message = format!(
        "`{action}` sends a list in another order after its state has been restored; the service promises none, so that is no fault"
    );
    Warning::new(WarningCode::OrderDiffers, message).with_help(
        "where the order matters, let the service sort (`ORDER BY`); an `extract` from such a list takes now one member, now another",
    )
}

/// What a read-only action answers in the state the world stands in. Rows and cookies are left as they were.
async fn send_again(
    deployment: &mut Deployment,
    restored: &Checkpoint,
    action: ActionId,
) -> Result<Answer, WorldError> {
    let model = deployment.model();
    let declared = model.action(action);
    let name = format!("action `{}`, sent again after a restore", declared.name);
    let bindings = model.action_bindings(action, restored.context());
    let mut sessions = restored.sessions().clone();
    let outgoing = Outgoing {
        name: &name,
        template: &declared.request,
        bindings,
        known: None,
        listed: &declared.expect.status,
        is_forbidden: declared.forbidden.is_some(),
    };
    let exchange = deployment.attempt(outgoing, &mut sessions).await?;
    if deployment.is_lost() {
        return Ok(Answer::new(action, &exchange.response));
    }
    deployment.settle(Some(action), restored.context()).await?;
    deployment.databases().undo(restored.content()).await?;
    Ok(Answer::new(action, &exchange.response))
}
