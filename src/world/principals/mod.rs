//! Who acts: the sessions of the principals of the spec, and of requests that nobody in particular sends.
//!
//! A [`Session`] is what a login has left: values of its answers, and cookies. The sessions belong to the state of the world
//! and are remembered with its checkpoint: on one path somebody may have logged out who has not on another.

mod login;
mod renewal;

use std::sync::Arc;

use super::config::SetupStep;
use super::cookies::Cookies;
use crate::expr::{Draws, Lookup, Template};
use crate::model::{Bindings, Context, Digest, Names, PrincipalId, StatusPattern};

pub(super) use login::{log_in, log_in_all};
pub(super) use renewal::{Refused, Renewals};

/// One entry of `principals:`
#[derive(Clone, Debug)]
pub struct Principal {
    /// Its name in the spec.
    pub name: String,
    /// What its templates read: constants, and what its login extracts.
    pub names: Arc<Names>,
    /// The requests that log it in; none for one that needs no login.
    pub login: Vec<SetupStep>,
    /// Headers of each of its requests.
    pub headers: Vec<(String, Template)>,
    /// Query parameters of each of its requests.
    pub query: Vec<(String, Template)>,
    /// Statuses that say that its login is not good any more.
    pub renew_on: Vec<StatusPattern>,
}

impl Principal {
    /// What its templates see in a session.
    pub(super) fn bindings(&self, session: &Session) -> Bindings {
        Bindings {
            names: self.names.clone(),
            context: session.values.clone(),
            parameters: Arc::default(),
            chosen: None,
            draws: None,
            turn: 0,
        }
    }

    /// A session in which nobody has logged in.
    fn nobody(&self) -> Session {
        Session {
            values: Context::empty(self.names.variables.len()),
            cookies: Cookies::default(),
            number: 0,
        }
    }

    /// The headers and the query parameters that its requests carry. One whose template reads a value that is not there yet is
    /// left out: the request that fetches a token is sent without it. Values are made up by the `draws` of the request.
    pub(super) fn credentials(
        &self,
        session: &Session,
        draws: Option<&Arc<Draws>>,
    ) -> Result<Credentials, String> {
        let values: Arc<dyn Lookup> = Arc::new(Bindings {
            draws: draws.cloned(),
            ..self.bindings(session)
        });
        let fill = |what: &str, all: &[(String, Template)]| {
            let is_open = |template: &Template| {
                let mut needed = template.requires().iter();
                needed.any(|name| values.lookup(name).is_none())
            };
            let known = all.iter().filter(|(_, template)| !is_open(template));
            known
                .map(|(name, template)| {
                    let text = template.render(&values).map_err(|error| {
                        format!(
                            "cannot fill the {what} `{name}` of `{}`: {error}",
                            self.name
                        )
                    })?;
                    Ok((name.clone(), text))
                })
                .collect::<Result<Vec<_>, String>>()
        };
        Ok(Credentials {
            headers: fill("header", &self.headers)?,
            query: fill("query parameter", &self.query)?,
        })
    }
}

/// What the requests of a principal carry.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    pub(super) headers: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
}

impl Credentials {
    /// The values by which somebody is known.
    pub(super) fn secrets(self) -> Vec<String> {
        secrets_of(self.headers.into_iter().chain(self.query).collect())
    }
}

/// Headers that say nothing about who sends them.
const OPEN: [&str; 8] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "content-type",
    "host",
    "origin",
    "referer",
    "user-agent",
];

/// The values by which somebody is known, of these headers and parameters.
pub(crate) fn secrets_of(all: Vec<(String, String)>) -> Vec<String> {
    let is_open = |name: &str| OPEN.contains(&name.to_ascii_lowercase().as_str());
    let telling = all.into_iter().filter(|(name, _)| !is_open(name));
    telling.map(|(_, text)| text).collect()
}

/// What a login has left.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// What its answers gave.
    values: Context,
    /// The cookies of this principal alone.
    cookies: Cookies,
    /// Which login it is from: 0 for that of the beginning, then one more each time somebody is logged in again.
    number: u32,
}

/// All sessions at one moment. A clone costs nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    /// The cookies of requests that name no principal.
    shared: Cookies,
    /// Like [`Session::number`].
    number: u32,
    /// By [`PrincipalId`].
    principals: Arc<[Session]>,
}

impl Sessions {
    /// Nobody has logged in.
    pub(super) fn nobody(principals: &[Principal]) -> Self {
        Self {
            shared: Cookies::default(),
            number: 0,
            principals: principals.iter().map(Principal::nobody).collect(),
        }
    }

    /// The session of a principal. `None` where there is no such principal.
    pub(super) fn of(&self, principal: PrincipalId) -> Option<&Session> {
        self.principals.get(principal.0 as usize)
    }

    /// The cookies that requests of a principal carry, or those that name none.
    pub(super) fn cookies(&self, principal: Option<PrincipalId>) -> &Cookies {
        principal
            .and_then(|id| self.of(id))
            .map_or(&self.shared, |session| &session.cookies)
    }

    /// The same, with these cookies in their place.
    pub(super) fn set_cookies(&mut self, principal: Option<PrincipalId>, cookies: Cookies) {
        match principal.and_then(|id| self.of(id)) {
            _ if self.cookies(principal).same(&cookies) => {}
            None => self.shared = cookies,
            Some(session) => {
                let session = Session {
                    cookies,
                    ..session.clone()
                };
                self.set(principal.unwrap_or_default(), session);
            }
        }
    }

    /// Sets the session of a principal.
    fn set(&mut self, PrincipalId(id): PrincipalId, session: Session) {
        let mut all = self.principals.to_vec();
        all[id as usize] = session;
        self.principals = all.into();
    }

    /// Whether the sessions of a principal are from the same login in both.
    pub(super) fn is_from_login_of(&self, other: &Self, principal: PrincipalId) -> bool {
        let number = |sessions: &Self| sessions.of(principal).map(|session| session.number);
        number(self) == number(other)
    }

    /// What the identity of a state takes from them: which cookies there are. `None` where there is none.
    pub(super) fn identity(&self) -> Option<Digest> {
        let mut hasher = blake3::Hasher::new();
        let mut has_any = false;
        for (position, session) in self.principals.iter().enumerate() {
            if let Some(Digest(digest)) = session.cookies.identity() {
                has_any = true;
                hasher.update(&position.to_le_bytes());
                hasher.update(&digest.to_le_bytes());
            }
        }
        let shared = self.shared.identity();
        if !has_any {
            return shared;
        }
        if let Some(Digest(digest)) = shared {
            hasher.update(&digest.to_le_bytes());
        }
        Some(Digest::from_hash(&hasher.finalize()))
    }

    /// Whether both are one and the same: nothing was set in between.
    pub(super) fn same(&self, other: &Self) -> bool {
        let mut pairs = self.principals.iter().zip(&*other.principals);
        self.shared.same(&other.shared)
            && (Arc::ptr_eq(&self.principals, &other.principals)
                || pairs.all(|(a, b)| a.values == b.values && a.cookies.same(&b.cookies)))
    }
}
