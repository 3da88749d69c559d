//! Steps of a walk that are worth taking again, and what is seen of them.

use crate::model::{ActionId, Digest, Model, Response};
use crate::world::Arrival;

use super::graph::{Graph, StateId, TransitionId};

/// Steps that are taken again.
const SAMPLES: usize = 24;

/// Steps of an action that are taken again where it was accepted, and where it was not.
const EACH: usize = 2;

/// Requests that taking all of them again may cost.
const REQUESTS: usize = 120;

/// Longest path of a sample.
const LONGEST: u32 = 25;

/// Of so many steps of the walk, the newest, the samples are taken.
const NEWEST: usize = 20_000;

/// A path, and the statuses with which its steps were answered.
#[derive(Debug)]
pub(super) struct Sample {
    /// The actions.
    pub(super) path: Vec<ActionId>,
    /// A status for each.
    pub(super) statuses: Vec<u16>,
    /// Whether the service as it runs answers it so once more.
    pub(super) is_steady: bool,
}

/// What was seen of a step, but for what is likely to be another thing each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) status: u16,
    /// Of the answer to a safe method. Other answers often say when they were made.
    body: Option<Digest>,
    /// The tables of which rows changed.
    wrote: Vec<String>,
}

/// An action that answered otherwise after its state had been restored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspect {
    /// The action.
    pub(super) action: ActionId,
    /// The state that had been restored.
    pub(super) at: StateId,
    /// The step that was taken before that, if any.
    pub(super) after: Option<TransitionId>,
}

impl Suspect {
    /// How to see what it answers.
    pub(super) fn path(&self, graph: &Graph) -> Vec<ActionId> {
        let mut path = graph.actions_to(self.at);
        path.push(self.action);
        path
    }

    /// What came in between.
    pub(super) fn path_between(&self, graph: &Graph) -> Vec<ActionId> {
        let Some(after) = self.after else {
            return Vec::new();
        };
        let last = graph.transition(after);
        let mut path = graph.actions_to(last.from);
        path.extend([last.action, self.action]);
        path
    }
}

impl Seen {
    /// What was seen of the step of this action that led to `arrival`; without its rows where these may be somebody else's.
    pub(super) fn of<C>(
        model: &Model,
        action: ActionId,
        arrival: &Arrival<C>,
        with_rows: bool,
    ) -> Self {
        let record = arrival.record.as_deref();
        let is_read = model.action(action).request.is_safe() && arrival.status < 500;
        let body = record.filter(|_| is_read).map(|record| {
            let body = &record.response.body;
            body.digest_in_any_order()
        });
        let rows = record
            .filter(|_| with_rows)
            .into_iter()
            .flat_map(|record| record.rows.rows());
        let mut wrote: Vec<String> = rows.map(|change| change.table.name.clone()).collect();
        wrote.dedup();
        Self {
            status: arrival.status,
            body,
            wrote,
        }
    }

    /// What differs from `other`, as a clause about the action; `None` where only the body does.
    pub(super) fn in_words(&self, other: &Self) -> Option<String> {
        let tables = |names: &[String]| -> String {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(", ")
        };
        if self.status != other.status {
            Some(format!(
                "is answered {}",
                Response::status_in_words(self.status)
            ))
        } else if self.wrote == other.wrote {
            None
        } else if self.wrote.is_empty() {
            Some("changes no row".to_owned())
        } else {
            Some(format!("changes rows of {}", tables(&self.wrote)))
        }
    }
}

/// Steps of the walk. The newest come first, for what the walk did first is what a service that keeps state in its process is
/// likely to remember. Of each action there are such that were accepted and such that were not, and the second one of
/// either comes from another state, at the end of a path that changed something.
pub(super) fn choose(graph: &Graph) -> Vec<Sample> {
    let mut chosen: Vec<(ActionId, bool, StateId)> = Vec::new();
    let mut samples = Vec::new();
    let mut requests = 0;
    for each in 1..=EACH {
        let newest = (0..graph.transition_count() as u32).rev().take(NEWEST);
        for id in newest.map(TransitionId) {
            if samples.len() == SAMPLES {
                return samples;
            }
            let last = graph.transition(id);
            let (action, from) = (last.action, last.from);
            let is_good = (200..300).contains(&last.status);
            let of_kind = || chosen.iter().filter(|it| (it.0, it.1) == (action, is_good));
            if graph.depth(from) >= LONGEST
                || of_kind().count() >= each
                || of_kind().any(|it| it.2 == from)
                || each > 1 && from == StateId::INITIAL
            {
                continue;
            }
            let mut path = graph.path_to(from);
            path.push(id);
            let steps = || path.iter().map(|id| graph.transition(*id));
            // A request without an answer costs a restart.
            let is_answered = steps().all(|step| step.status != Response::NO_ANSWER);
            if is_answered && requests + path.len() <= REQUESTS {
                requests += path.len();
                chosen.push((action, is_good, from));
                samples.push(Sample {
                    path: steps().map(|step| step.action).collect(),
                    statuses: steps().map(|step| step.status).collect(),
                    is_steady: false,
                });
            }
        }
    }
    samples
}
