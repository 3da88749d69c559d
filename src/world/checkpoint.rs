//! What a live world remembers of a state, so that it can come back to it.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer::Answer;
use super::cookies::Cookies;
use super::path::Path;
use super::system::SystemState;
use crate::model::{ActionId, Context, Digest};

/// The way back to a state of a [`LiveWorld`](super::LiveWorld): plain data. Cheap to clone; the rows in it are shared
/// with the checkpoint of the state it came from, but for those that one step changed.
#[derive(Clone, Debug)]
pub struct Checkpoint(Arc<Remembered>);

#[derive(Debug)]
struct Remembered {
    state: State,
    /// How to get here from the initial state; empty where the way back walks no path again.
    path: Path,
    /// Whether a restore to this state has been compared with what the systems must hold.
    verified: AtomicBool,
    /// What read-only actions answered here.
    answers: Mutex<Vec<Answer>>,
}

/// Answers remembered per state.
const ANSWERS: usize = 6;

impl Checkpoint {
    /// A checkpoint that nobody has come back to yet.
    pub(super) fn new(state: State, path: Path) -> Self {
        Self(Arc::new(Remembered {
            state,
            path,
            verified: AtomicBool::default(),
            answers: Mutex::default(),
        }))
    }

    /// Whether both are one and the same, not merely alike.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How to get here from the initial state.
    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Whether this is the first call, which is made when the state is restored for the first time.
    pub(super) fn first_return(&self) -> bool {
        !self.0.verified.swap(true, Ordering::Relaxed)
    }

    /// Remembers what a read-only action answered here. The first few actions are enough.
    pub(super) fn remember(&self, answer: Answer) {
        let mut answers = self.answers();
        if answers.len() < ANSWERS
            && answers
                .iter()
                .all(|known| known.action() != answer.action())
        {
            answers.push(answer);
        }
    }

    /// Remembers another answer of an action than those that it gave here before.
    pub(super) fn remember_change(&self, answer: Answer) {
        self.answers().push(answer);
    }

    /// What read-only actions answered here; the newest of an action last.
    pub(super) fn answers(&self) -> MutexGuard<'_, Vec<Answer>> {
        let answers = self.0.answers.lock();
        answers.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Checkpoint {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0.state
    }
}

/// What makes up a state of a live world.
#[derive(Debug)]
pub struct State {
    content: Arc<[SystemState]>,
    observed: Arc<[Digest]>,
    unsafe_requests: Digest,
    context: Context,
    cookies: Cookies,
    identity: Digest,
}

impl State {
    /// `content` is that of each system, `observed` a digest of each observation query's result; for `unsafe_requests` see
    /// [`State::unsafe_requests_after`].
    pub(super) fn new(
        content: Arc<[SystemState]>,
        observed: Arc<[Digest]>,
        unsafe_requests: Digest,
        context: Context,
        cookies: Cookies,
    ) -> Self {
        Self {
            identity: identity(&content, &observed, cookies.identity(), unsafe_requests),
            content,
            observed,
            unsafe_requests,
            context,
            cookies,
        }
    }

    /// The content of each system.
    pub(super) fn content(&self) -> &Arc<[SystemState]> {
        &self.content
    }

    /// A digest of each observation query's result.
    pub(super) fn observed(&self) -> &[Digest] {
        &self.observed
    }

    /// The context here.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// The cookies here.
    pub(super) fn cookies(&self) -> &Cookies {
        &self.cookies
    }

    /// What the identity of the state takes from the world.
    pub(super) fn identity(&self) -> Digest {
        self.identity
    }

    /// The same state as another walk found it: with the content and the cookies that the service has given out now, and the
    /// context that the state remembers.
    pub(super) fn refound(&self, found: &Self) -> Self {
        Self::new(
            found.content.clone(),
            found.observed.clone(),
            found.unsafe_requests,
            self.context.clone(),
            found.cookies.clone(),
        )
    }

    /// A digest of the requests so far that may have changed something, after one more.
    ///
    /// Where no rows can be seen, two paths cannot be told apart by what they left behind, so all but the plainest
    /// repetition counts as different. Were the identity left to the context alone, `refund` would lead back to where it
    /// began, and `refund -> refund` would never be tried. What `is_idle` (a refusal, a safe method)
    /// leaves the digest as it is; where rows can be seen there is none.
    pub(super) fn unsafe_requests_after(
        &self,
        action: ActionId,
        is_idle: bool,
        status: u16,
    ) -> Digest {
        if !self.content.is_empty() || is_idle {
            return self.unsafe_requests;
        }
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&self.unsafe_requests.0.to_le_bytes())
            .update(&action.0.to_le_bytes())
            .update(&status.to_le_bytes());
        Digest::from_hash(&hasher.finalize())
    }
}

/// What the identity of a state takes from the world: observed rows, observation queries, which cookies are set, and where no
/// rows can be seen the unsafe requests. A copy of a whole database is no part of it, since two copies with the same rows
/// may differ in their pages.
fn identity(
    content: &[SystemState],
    observed: &[Digest],
    cookies: Option<Digest>,
    unsafe_requests: Digest,
) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for state in content {
        hasher.update(&state.delta.digest().0.to_le_bytes());
    }
    for digest in observed {
        hasher.update(&digest.0.to_le_bytes());
    }
    if let Some(cookies) = cookies {
        hasher.update(&cookies.0.to_le_bytes());
    }
    hasher.update(&unsafe_requests.0.to_le_bytes());
    Digest::from_hash(&hasher.finalize())
}
