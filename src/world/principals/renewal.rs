//! A login that is not good any more is done again.
//!
//! Whether it is, the explorer finds out: a step that was accepted is refused from the same state. What a login writes (a row
//! of a table of sessions) belongs to no step. So the login is done again in a state, and its rows are set aside in the identity
//! of that state and of all that follow from it ([`State::logged_in_again`]); the checkpoint of the state leads to the new one
//! from then on. A session that left rows is good where these rows are: in an older state there are none of them, so whoever is
//! refused there is logged in there as well. One that left no rows is good everywhere.
//!
//! Once a login was lost, a logout on the path to an older state is not told from that any more.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Principal, Session, Sessions, log_in};
use crate::model::{PrincipalId, StatusPattern};
use crate::world::checkpoint::{Checkpoint, State};
use crate::world::cookies::Cookies;
use crate::world::deployment::Deployment;
use crate::world::patience::is_listed;
use crate::world::system::SystemState;
use crate::world::{Warning, WarningCode, WorldError, WorldErrorKind};

/// The logins that were done again.
#[derive(Debug, Default)]
pub(in crate::world) struct Renewals {
    /// How many.
    count: u32,
    /// How often each principal was logged in, whatever for.
    logins: FxHashMap<PrincipalId, u32>,
    /// The number of the last one of each principal.
    last: FxHashMap<PrincipalId, u32>,
    /// The sessions that are good in every state.
    everywhere: FxHashMap<PrincipalId, Session>,
    /// How often a request of an invariant was denied, by its path.
    denied: FxHashMap<String, u64>,
    /// The cookies that `setup` got when it was sent again, and the number of that.
    shared: Option<(u32, Cookies)>,
}

impl Renewals {
    /// How many there were.
    pub(in crate::world) fn count(&self) -> u64 {
        self.count.into()
    }

    /// Counts a login. Returns how many of this principal there were before: a value that is made up for a login is another one each
    /// time, for a service may take a nonce only once.
    pub(super) fn next_login(&mut self, id: PrincipalId) -> u32 {
        let logins = self.logins.entry(id).or_default();
        *logins += 1;
        *logins - 1
    }

    /// These sessions, with those that are good everywhere in place of older ones. `None` where they are these already.
    pub(in crate::world) fn newest(&self, sessions: &Sessions) -> Option<Sessions> {
        let mut newest: Option<Sessions> = None;
        if let Some((number, cookies)) = &self.shared
            && sessions.number < *number
        {
            newest = Some(Sessions {
                shared: sessions.shared.overlaid(cookies),
                number: *number,
                ..sessions.clone()
            });
        }
        for (id, session) in &self.everywhere {
            let known = sessions
                .of(*id)
                .filter(|known| known.number < session.number);
            if let Some(known) = known {
                let renewed = session.in_place_of(known);
                newest
                    .get_or_insert_with(|| sessions.clone())
                    .set(*id, renewed);
            }
        }
        newest
    }

    /// These sessions come from logins that were done just now, in a service that was started again perhaps.
    pub(in crate::world) fn count_as_newest(&self, sessions: &mut Sessions) {
        let all = sessions.principals.iter();
        let newest = all.map(|session| Session {
            number: self.count,
            ..session.clone()
        });
        sessions.principals = newest.collect();
        sessions.number = self.count;
    }

    /// A denial of this request came of a login that was lost.
    pub(in crate::world) fn forget_denials(&mut self, path: &str) {
        self.denied.remove(path);
    }

    /// `setup` was sent again, with the logins of all, and left no row that was not there before.
    pub(in crate::world) fn all_renewed(&mut self, sessions: &Sessions) {
        self.count += 1;
        let number = self.count;
        self.shared = Some((number, sessions.shared.clone()));
        for (id, session) in sessions.principals.iter().enumerate() {
            let session = Session {
                number,
                ..session.clone()
            };
            self.everywhere.insert(PrincipalId(id as u32), session);
        }
    }

    /// Whether a denial of this request is looked into: the first ones, then fewer and fewer.
    pub(in crate::world) fn is_due(&mut self, path: &str) -> bool {
        let times = self.denied.entry(path.to_owned()).or_default();
        *times += 1;
        *times <= 8 || times.is_power_of_two()
    }

    /// Whether the login of these sessions was found lost since.
    fn have_newer(&self, sessions: &Sessions, id: PrincipalId) -> bool {
        let number = sessions.of(id).map_or(0, |session| session.number);
        self.last.get(&id).is_some_and(|last| number < *last)
    }
}

impl Session {
    /// This session after what was done in an earlier one: with the cookies that were set on the path.
    fn in_place_of(&self, earlier: &Self) -> Self {
        Self {
            cookies: earlier.cookies.overlaid(&self.cookies),
            ..self.clone()
        }
    }
}

/// A request that was refused.
#[derive(Clone, Copy)]
pub(in crate::world) struct Refused<'r> {
    pub(in crate::world) name: &'r str,
    pub(in crate::world) principal: Option<PrincipalId>,
    pub(in crate::world) status: u16,
    /// The statuses that the spec lists for its answer.
    pub(in crate::world) listed: &'r [StatusPattern],
}

impl Refused<'_> {
    /// Who has to be logged in again for such a refusal, if that helps at all.
    pub(in crate::world) fn denied(&self, principals: &[Principal]) -> Option<PrincipalId> {
        let principal = principals.get(self.principal?.0 as usize)?;
        let is_denied = !principal.login.is_empty()
            && principal.renew_on.iter().any(|it| it.matches(self.status))
            && !is_listed(self.status, self.listed);
        self.principal.filter(|_| is_denied)
    }

    /// Logs in again where it is known that the login of this state was lost. Returns the state with the new session. `left` is the
    /// content that the refusal left behind, where it is another one.
    pub(in crate::world) async fn renewed_if_older(
        &self,
        deployment: &mut Deployment,
        now: &Checkpoint,
        left: Option<&Arc<[SystemState]>>,
    ) -> Result<Option<Checkpoint>, WorldError> {
        let denied = self.denied(&deployment.principals());
        let Some(id) = denied.filter(|id| deployment.renewals().have_newer(now.sessions(), *id))
        else {
            return Ok(None);
        };
        if let Some(left) = left {
            deployment.databases().put_back(left, now.content()).await?;
        }
        self.renewed(deployment, now, id).await.map(Some)
    }

    /// Logs in again. Returns the state with the new session.
    pub(in crate::world) async fn renewed(
        &self,
        deployment: &mut Deployment,
        now: &Checkpoint,
        id: PrincipalId,
    ) -> Result<Checkpoint, WorldError> {
        let mut sessions = now.sessions().clone();
        if let Err(error) = log_in(deployment, &mut sessions, id).await {
            if error.is_ending() {
                return Err(error);
            }
            deployment.databases().undo(now.content()).await?;
            return Err(self.lost(deployment, id, &error));
        }
        deployment.settle(None, now.context()).await?;
        let content = deployment.databases().read(now.content()).await?.content;
        let renewals = deployment.renewals();
        renewals.count += 1;
        let number = renewals.count;
        renewals.last.insert(id, number);
        if let (Some(fresh), Some(earlier)) = (sessions.of(id), now.sessions().of(id)) {
            let fresh = Session {
                number,
                ..fresh.clone()
            };
            if content.is_none() {
                renewals.everywhere.insert(id, fresh.clone());
            }
            sessions.set(id, fresh.in_place_of(earlier));
        }
        let content = content.unwrap_or_else(|| now.content().clone());
        Ok(now.renewed_as(State::logged_in_again(now, content, sessions)))
    }

    fn lost(&self, deployment: &mut Deployment, id: PrincipalId, error: &WorldError) -> WorldError {
        let principals = deployment.principals();
        let principal = principals
            .get(id.0 as usize)
            .map_or("", |it| it.name.as_str());
        let message = format!(
            "{} is refused with {}, and `{principal}` cannot be logged in again: {}",
            self.name, self.status, error.message
        );
        let message = deployment.secrets().hide(&message).into_owned();
        let warning = Warning::new(WarningCode::LoginLost, message.clone())
            .with_help("look at the answer to the login: the service may allow only so many, or not let somebody in twice")
            .untrusted();
        deployment.warn(warning);
        WorldError::new(WorldErrorKind::LoginLost, message)
    }
}
