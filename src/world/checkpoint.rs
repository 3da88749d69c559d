//! What a live world remembers of a state, so that it can come back to it.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer::Answer;
use super::path::Path;
use super::principals::Sessions;
use super::system::SystemState;
use super::turns::Turns;
use crate::identity::Canonical;
use crate::model::{ActionId, Context, Digest, RequestTemplate};

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
    /// The same state with a newer login, which stands for it.
    renewed: Mutex<Option<Checkpoint>>,
    /// The state in canonical form, once somebody has asked for it, and the age in which it was asked for.
    canonical: Mutex<Option<(u32, Canonical)>>,
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
            renewed: Mutex::default(),
            canonical: Mutex::default(),
        }))
    }

    /// Whether both are one and the same, not merely alike.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// From now on this, which is the same state with a newer login, stands for it.
    pub(super) fn renewed_as(&self, state: State) -> Self {
        let renewed = Self::new(state, self.path().clone());
        // What the login wrote is no part of it.
        renewed.kept_form().clone_from(&self.kept_form());
        *self.renewed() = Some(renewed.clone());
        renewed
    }

    /// What stands for this state now.
    pub(super) fn newest(&self) -> Self {
        let mut newest = self.clone();
        loop {
            let Some(next) = newest.renewed().clone() else {
                break;
            };
            newest = next;
        }
        newest
    }

    fn renewed(&self) -> MutexGuard<'_, Option<Self>> {
        self.0
            .renewed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The state in canonical form, if that is known in this age: what columns are may have been found out since.
    pub(super) fn canonical(&self, age: u32) -> Option<Canonical> {
        let kept = self.kept_form();
        let (of, canonical) = kept.as_ref()?;
        (*of == age).then(|| canonical.clone())
    }

    /// The state in canonical form is this, in this age.
    pub(super) fn set_canonical(&self, age: u32, canonical: Canonical) {
        *self.kept_form() = Some((age, canonical));
    }

    fn kept_form(&self) -> MutexGuard<'_, Option<(u32, Canonical)>> {
        let kept = self.0.canonical.lock();
        kept.unwrap_or_else(PoisonError::into_inner)
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
    sessions: Sessions,
    identity: Digest,
    /// What logins wrote that were done again, by system: no part of the identity.
    aside: Arc<[Digest]>,
    turns: Turns,
}

impl State {
    /// `content` is that of each system, `observed` a digest of each observation query's result; for `unsafe_requests` see
    /// [`State::unsafe_requests_after`].
    pub(super) fn new(
        content: Arc<[SystemState]>,
        observed: Arc<[Digest]>,
        unsafe_requests: Digest,
        context: Context,
        sessions: Sessions,
    ) -> Self {
        Self {
            identity: identity(
                &content,
                &[],
                &observed,
                sessions.identity(),
                unsafe_requests,
            ),
            aside: Arc::default(),
            turns: Turns::default(),
            content,
            observed,
            unsafe_requests,
            context,
            sessions,
        }
    }

    /// The same state, which this action led to from another one.
    pub(super) fn behind(self, before: &Self, action: ActionId, request: &RequestTemplate) -> Self {
        let turns = before.turns.after(action, request);
        self.beside(before).at_turns(turns)
    }

    /// The same state, after requests that made up so many values.
    fn at_turns(self, turns: Turns) -> Self {
        Self { turns, ..self }
    }

    /// How often requests that make values up had an effect on the way here.
    pub(super) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// The same state, where logins that were done again on the way have written as much as before this other one.
    fn beside(self, before: &Self) -> Self {
        if before.aside.is_empty() {
            return self;
        }
        self.without(before.aside.clone())
    }

    /// The state `now` after a login that left this content.
    pub(super) fn logged_in_again(
        now: &Self,
        content: Arc<[SystemState]>,
        sessions: Sessions,
    ) -> Self {
        let digests = now.content.iter().zip(&*content).enumerate();
        let aside = digests.map(|(position, (before, after))| {
            let so_far = now.aside.get(position).map_or(0, |digest| digest.0);
            let login = after.delta.digest().0.wrapping_sub(before.delta.digest().0);
            Digest(so_far.wrapping_add(login))
        });
        let aside: Arc<[Digest]> = aside.collect();
        let state = Self::new(
            content,
            now.observed.clone(),
            now.unsafe_requests,
            now.context.clone(),
            sessions,
        );
        state.without(aside).at_turns(now.turns.clone())
    }

    fn without(mut self, aside: Arc<[Digest]>) -> Self {
        let cookies = self.sessions.identity();
        let (content, observed) = (&self.content, &self.observed);
        self.identity = identity(content, &aside, observed, cookies, self.unsafe_requests);
        self.aside = aside;
        self
    }

    /// Whether nothing tells it from another state, but perhaps rows.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.context == other.context
            && self.identity == other.identity
            && self.sessions.same(&other.sessions)
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

    /// Who is logged in here.
    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// What the identity of the state takes from the world.
    pub(super) fn identity(&self) -> Digest {
        self.identity
    }

    /// What identifies the state where this stands for its rows.
    pub(super) fn identity_with(&self, rows: Digest) -> Digest {
        let cookies = self.sessions.identity();
        combined([rows], &self.observed, cookies, self.unsafe_requests)
    }

    /// The same state as another walk found it: with the content and the sessions that the service has given out now, and the
    /// context that the state remembers.
    pub(super) fn refound(&self, found: &Self) -> Self {
        Self::new(
            found.content.clone(),
            found.observed.clone(),
            found.unsafe_requests,
            self.context.clone(),
            found.sessions.clone(),
        )
        .at_turns(self.turns.clone())
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
///
/// What logins wrote that were done again is taken `aside`.
fn identity(
    content: &[SystemState],
    aside: &[Digest],
    observed: &[Digest],
    cookies: Option<Digest>,
    unsafe_requests: Digest,
) -> Digest {
    let digests = content.iter().enumerate().map(|(position, state)| {
        let aside = aside.get(position).map_or(0, |digest| digest.0);
        Digest(state.delta.digest().0.wrapping_sub(aside))
    });
    combined(digests, observed, cookies, unsafe_requests)
}

fn combined(
    rows: impl IntoIterator<Item = Digest>,
    observed: &[Digest],
    cookies: Option<Digest>,
    unsafe_requests: Digest,
) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for digest in rows {
        hasher.update(&digest.0.to_le_bytes());
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
