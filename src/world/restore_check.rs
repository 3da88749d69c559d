//! Is a restored state really the state it is said to be?
//!
//! *Rows.* The first return to a state, and then one restore in sixteen, is compared with what the systems must hold.
//! *Answers.* A read-only action that ran in a state must answer the same after the state has been restored. If it does
//! not, the service keeps something outside the declared systems, most often a cache. These requests are no steps; each
//! action is sent again twice at first, then after at most one restore in 64.
//!
//! An answer that differs does not prove a cache: it may hold a clock or a counter. So the action is sent again at once,
//! and once more after a second. Only an answer that stays the same, and is not the remembered one, is reported.

use std::collections::HashMap;
use std::time::Duration;

use super::checkpoint::{Answer, Checkpoint};
use super::deployment::{Deployment, Outgoing};
use super::{Warning, WarningCode, WorldError};
use crate::model::ActionId;

/// One restore in so many is compared with the rows that must be there.
const VERIFY_EVERY: u64 = 16;

/// How often each action is sent again before that gets rare.
const EAGER: u32 = 2;

/// One restore in so many sends an action again, later on.
const SEND_EVERY: u64 = 64;

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
}

#[derive(Debug, Default)]
struct Checked {
    sent: u32,
    /// Its answers hold a clock or a counter, or it has been reported: sending it again teaches nothing.
    settled: bool,
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

    /// Whether the rows of this restore are to be compared.
    fn wants_rows(&mut self, restored: &Checkpoint) -> bool {
        self.restores += 1;
        restored.first_return() || self.restores.is_multiple_of(VERIFY_EVERY)
    }

    /// Which answer is to be compared after this restore, if any. `requests` is how many the run has sent.
    fn wants_answer(&mut self, answers: &[Answer], requests: u64) -> Option<Answer> {
        let checked = |answer: &Answer| self.actions.get(&answer.action());
        let least = answers
            .iter()
            .filter(|answer| checked(answer).is_none_or(|checked| !checked.settled))
            .min_by_key(|answer| checked(answer).map_or(0, |checked| checked.sent))
            .copied()?;
        self.chances += 1;
        let eager = checked(&least).map_or(0, |checked| checked.sent) < EAGER
            && self.sent < 8 + requests / SHARE;
        if !eager && !self.chances.is_multiple_of(SEND_EVERY) {
            return None;
        }
        self.sent += 1;
        self.actions.entry(least.action()).or_default().sent += 1;
        Some(least)
    }

    /// Whether a read-only action answers as it did before; warns where it does not.
    async fn compare(
        &mut self,
        deployment: &mut Deployment,
        restored: &Checkpoint,
        remembered: Answer,
    ) -> Result<(), WorldError> {
        let action = remembered.action();
        let first = send_again(deployment, restored, action).await?;
        // A login that is lost is noticed by the explorer.
        if first == remembered || first.status() == 401 || deployment.is_lost() {
            return Ok(());
        }
        let mut again = send_again(deployment, restored, action).await?;
        if again == first {
            if !deployment.wait(CLOCK).await {
                return Ok(());
            }
            again = send_again(deployment, restored, action).await?;
        }
        self.actions.entry(action).or_default().settled = true;
        if again != first || deployment.is_lost() {
            return Ok(());
        }
        let status = if first.status() == remembered.status() {
            "with another body".to_owned()
        } else {
            format!("with {} instead of {}", first.status(), remembered.status())
        };
        let message = format!(
            "`{}` answers {status} after its state has been restored: this service keeps state in its process, or elsewhere outside the declared systems",
            deployment.model().action(action).name
        );
        let help = "a cache: empty it with a request under `after_restore`, switch it off, or write `restore: full`, which starts the service again for each restore; another system: declare it";
        deployment.warn(
            Warning::new(WarningCode::StateOutsideSystems, message)
                .with_help(help)
                .untrusted(),
        );
        Ok(())
    }
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
    let mut cookies = restored.cookies().clone();
    let outgoing = Outgoing {
        name: &name,
        template: &declared.request,
        bindings,
        known: None,
        listed: &declared.expect.status,
    };
    let exchange = deployment.attempt(outgoing, &mut cookies).await?;
    if deployment.is_lost() {
        return Ok(Answer::new(action, &exchange.response));
    }
    deployment.sender().settle().await?;
    deployment.databases().undo(restored.content()).await?;
    Ok(Answer::new(action, &exchange.response))
}
