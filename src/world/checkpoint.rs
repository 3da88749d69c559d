//! Where a live world can stand, and come back to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::cookies::Cookies;
use super::databases::identity;
use super::replay::Path;
use super::restore_check::Answer;
use super::system::SystemState;
use crate::model::{Context, Digest};

/// The way back to a state of a [`LiveWorld`](super::LiveWorld). Cheap to clone; the rows in it are shared with the
/// checkpoint of the state it came from, but for those that one step changed.
#[derive(Clone, Debug)]
pub struct Checkpoint(pub(super) Arc<Place>);

/// What a checkpoint remembers.
#[derive(Debug)]
pub(super) struct Place {
    /// The content of each system.
    pub(super) content: Arc<[SystemState]>,
    /// A digest of each observation query's result.
    pub(super) observed: Arc<[Digest]>,
    /// Where no rows can be seen: the steps that may have changed something.
    pub(super) trail: Digest,
    /// What the identity of the state takes from these.
    pub(super) identity: Digest,
    /// The context here.
    pub(super) context: Context,
    /// The cookies here.
    pub(super) cookies: Cookies,
    /// How to get here from the initial state; kept for `restore: replay` only.
    pub(super) path: Path,
    proof: Proof,
}

/// What has been seen in a state that helps to trust a restore to it.
#[derive(Debug, Default)]
struct Proof {
    verified: AtomicBool,
    answers: Mutex<Vec<Answer>>,
}

/// Answers remembered per state.
const ANSWERS: usize = 6;

impl Place {
    /// A place nobody has come back to yet.
    pub(super) fn new(
        content: Arc<[SystemState]>,
        observed: Arc<[Digest]>,
        trail: Digest,
        context: Context,
        cookies: Cookies,
        path: Path,
    ) -> Self {
        Self {
            identity: identity(&content, &observed, cookies.identity(), trail),
            content,
            observed,
            trail,
            context,
            cookies,
            path,
            proof: Proof::default(),
        }
    }

    /// Whether this is the first time that somebody asks.
    pub(super) fn first_return(&self) -> bool {
        !self.proof.verified.swap(true, Ordering::Relaxed)
    }

    /// Remembers what a read-only action answered here. The first few actions are enough.
    pub(super) fn remember(&self, answer: Answer) {
        let mut answers = self.answers();
        if answers.len() < ANSWERS && answers.iter().all(|known| known.action != answer.action) {
            answers.push(answer);
        }
    }

    /// What read-only actions answered here.
    pub(super) fn answers(&self) -> std::sync::MutexGuard<'_, Vec<Answer>> {
        self.proof
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
