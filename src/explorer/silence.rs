//! Requests that are not answered, each of which costs its whole time out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::model::{ActionId, Model};
use crate::world::{Warning, WarningCode, WorldError};

/// A request that waits longer than this for its answer is worth a word.
const LONG_WAIT: Duration = Duration::from_secs(1);

/// So often in a row an action waits in vain before it is not tried any more. One that is answered in some states begins anew.
const ENOUGH: u32 = 3;

/// How often actions waited in vain.
#[derive(Debug, Default)]
pub(super) struct Silence {
    in_vain: BTreeMap<ActionId, u32>,
    longest: Duration,
    /// Pairs of states and actions that were not tried because of that.
    skipped: BTreeMap<ActionId, u64>,
}

impl Silence {
    /// Takes note of whether an action that was sent then was answered.
    pub(super) fn note(&mut self, action: ActionId, sent: Instant, answered: bool) {
        let waited = sent.elapsed();
        if answered {
            self.in_vain.remove(&action);
        } else if waited >= LONG_WAIT {
            *self.in_vain.entry(action).or_default() += 1;
            self.longest = self.longest.max(waited);
        }
    }

    /// Whether an action has waited in vain often enough; then it is counted as skipped.
    pub(super) fn skips(&mut self, action: ActionId) -> bool {
        let is_enough = self.is_given_up(action);
        if is_enough {
            *self.skipped.entry(action).or_default() += 1;
        }
        is_enough
    }

    /// Whether an action has waited in vain often enough.
    pub(super) fn is_given_up(&self, action: ActionId) -> bool {
        let times = self.in_vain.get(&action);
        times.is_some_and(|times| *times >= ENOUGH)
    }

    /// The longest wait in vain.
    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    /// Says what was not tried.
    pub(super) fn warnings(&self, model: &Model) -> impl Iterator<Item = Warning> {
        self.skipped.iter().map(|(action, pairs)| {
            let name = &model.action(*action).name;
            let states = match pairs {
                1 => "1 more state".to_owned(),
                several => format!("{several} more states"),
            };
            let message = format!(
                "`{name}` waited for an answer in vain {ENOUGH} times in a row, and was not tried in {states}"
            );
            Warning::new(WarningCode::GivenUp, message).with_help(
                "cure what hangs, and run again; until then a shorter `http.timeout` makes such steps cheaper",
            )
        })
    }
}

/// A warning where the end of the run cut a request off that had been waiting for its answer for long.
pub(super) fn cut_off(action: &str, sent: Instant, error: &WorldError) -> Option<Warning> {
    let waited = sent.elapsed();
    if !error.is_ending() || waited < LONG_WAIT {
        return None;
    }
    let message = format!(
        "`{action}` had not been answered for {:.1} s when the run ended",
        waited.as_secs_f64()
    );
    let warning = Warning::new(WarningCode::UnansweredAtTheEnd, message);
    Some(warning.with_help(
        "give the run more time, or the request less (`http.timeout`): then a service that hangs is a finding",
    ))
}
