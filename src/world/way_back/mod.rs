//! Ways back: how a world returns to a state in which it has been. `restore:` in the spec chooses one.
//!
//! A new way is one new file here, a variant of `RestoreMode` with its word in the spec, and one line in [`chosen`].

mod database;
mod full;
mod none;
mod replay;

use std::sync::Arc;

use async_trait::async_trait;

use super::WorldError;
use super::checkpoint::{Checkpoint, State};
use super::config::{RestoreMode, WorldConfig};
use super::deployment::{Deployment, Outgoing};
use super::extract::Extracted;
use super::path::Path;
use super::principals::{Refused, Sessions};
use super::send::{Exchange, refused};
use super::system::SystemState;
use crate::model::{ActionId, Context, RequestTemplate, Response};

/// The way back that the configuration asks for. An error where it could not go back as it is meant to.
pub(super) fn chosen(config: &WorldConfig) -> Result<Box<dyn WayBack>, WorldError> {
    Ok(match config.restore {
        RestoreMode::Database => Box::new(database::Database::new(config)?),
        RestoreMode::Full => Box::new(full::Full::new(config)?),
        RestoreMode::Replay => Box::new(replay::Replay::new(config)?),
        RestoreMode::None => Box::new(none::None),
    })
}

/// A way back to states in which the world has been.
#[async_trait(?Send)]
pub(super) trait WayBack {
    /// Whether it goes back at all.
    fn can_restore(&self) -> bool {
        true
    }

    /// Whether [`WayBack::renew`] starts the service again, and [`WayBack::go_back`] does not.
    fn starts_anew(&self) -> bool {
        false
    }

    /// Whether going back leaves the process of the service as it is.
    fn leaves_process(&self) -> bool {
        false
    }

    /// See [`World::take_suspects`](super::World::take_suspects).
    fn take_suspects(&mut self) -> Vec<ActionId> {
        Vec::new()
    }

    /// Whether rows are put back, and no request is sent again for that.
    fn replays_nothing(&self) -> bool {
        false
    }

    /// The values that a request has to be filled with where a state remembers these.
    fn live_values(&self, remembered: &Context) -> Context {
        remembered.clone()
    }

    /// Remembers of a step what going back to the state after it will need. Returns the path to that state: empty where no
    /// path is walked again.
    fn remember(&mut self, before: &Checkpoint, step: &Step<'_>) -> Path;

    /// Puts the service and its systems back to a state. [`Position::now`] is another one as soon as they are there.
    async fn go_back(
        &mut self,
        deployment: &mut Deployment,
        position: &mut Position,
        to: &Checkpoint,
    ) -> Result<(), WorldError>;

    /// Brings a service that gave no answer back to the state in which it was before the request.
    async fn bring_back(
        &mut self,
        deployment: &mut Deployment,
        position: &mut Position,
    ) -> Result<(), WorldError> {
        deployment.bring_back(position.now.content()).await
    }

    /// Goes to a state after requests that were no steps, and left `found` behind. Unlike [`WayBack::go_back`] it never believes
    /// to be there already.
    async fn come_back(
        &mut self,
        deployment: &mut Deployment,
        position: &mut Position,
        found: &Arc<[SystemState]>,
        to: &Checkpoint,
    ) -> Result<(), WorldError> {
        deployment.databases().put_back(found, to.content()).await?;
        position.now = to.clone();
        Ok(())
    }

    /// Brings the service and its systems to the initial state as a new run would find it: with nothing left that a
    /// service remembers in its memory, as far as that can be helped.
    async fn renew(
        &mut self,
        deployment: &mut Deployment,
        position: &mut Position,
    ) -> Result<(), WorldError> {
        let initial = position.initial.clone();
        if position.now.is(&initial) {
            return Ok(());
        }
        self.go_back(deployment, position, &initial).await
    }
}

/// Where the world began, and where it stands.
pub(super) struct Position {
    /// The initial state.
    pub(super) initial: Checkpoint,
    /// The state that the service and its systems are in.
    pub(super) now: Checkpoint,
}

impl Position {
    /// Where somebody has a newer session that is good everywhere, it takes the place of the one of this state.
    pub(super) fn use_newest(&mut self, deployment: &mut Deployment) {
        let Some(sessions) = deployment.renewals().newest(self.now.sessions()) else {
            return;
        };
        let content = self.now.content().clone();
        let state = State::logged_in_again(&self.now, content, sessions);
        self.now = self.now.renewed_as(state);
    }
}

/// A step that has just been taken.
pub(super) struct Step<'s> {
    /// What ran.
    pub(super) action: ActionId,
    /// Whether its method promises to change nothing.
    pub(super) is_safe: bool,
    /// Whether rows changed.
    pub(super) wrote: bool,
    /// The context that the engine ran it with.
    pub(super) context: &'s Context,
    /// The values that its request was filled with.
    pub(super) live: &'s Context,
    /// The answer.
    pub(super) response: &'s Response,
    /// What was extracted from it.
    pub(super) extracted: &'s Extracted,
    /// The state after it.
    pub(super) after: &'s State,
    /// Whether that is the state before it, as far as can be seen.
    pub(super) stays: bool,
}

/// `after_restore:` the requests that are sent after every restore, for services that cache.
#[derive(Debug)]
struct AfterRestore(Vec<RequestTemplate>);

impl AfterRestore {
    fn new(config: &WorldConfig) -> Self {
        Self(config.after_restore.clone())
    }

    /// Sends the requests from the state that was restored. Where the login of whoever sends one is no good any more, it is done
    /// again; `now` is the state with the new session then. Rows that the requests change are the caller's to put back. Says whether
    /// there are any.
    async fn send(
        &self,
        deployment: &mut Deployment,
        live: &Context,
        now: &mut Checkpoint,
    ) -> Result<bool, WorldError> {
        for (position, request) in self.0.iter().enumerate() {
            let name = format!("`after_restore` request {}", position + 1);
            let sent = send_once(deployment, &name, request, live, now.sessions()).await?;
            let refused = Refused {
                name: &name,
                principal: request.principal,
                status: sent.response.status,
                listed: &[],
            };
            let Some(id) = refused.denied(&deployment.principals()) else {
                accepted(&name, &sent)?;
                continue;
            };
            // What the login writes is told from what the requests before it wrote.
            deployment.databases().undo(now.content()).await?;
            *now = Box::pin(refused.renewed(deployment, now, id)).await?;
            send_accepted(deployment, &name, request, live, now.sessions()).await?;
        }
        if !self.0.is_empty() {
            deployment.settle(None, live).await?;
        }
        Ok(!self.0.is_empty())
    }
}

/// Sends a request that must be answered with 2xx. The cookies that the answer sets are dropped.
async fn send_accepted(
    deployment: &mut Deployment,
    name: &str,
    request: &RequestTemplate,
    live: &Context,
    sessions: &Sessions,
) -> Result<(), WorldError> {
    let sent = send_once(deployment, name, request, live, sessions).await?;
    accepted(name, &sent)
}

/// An error where a request was not answered with 2xx.
fn accepted(name: &str, sent: &Exchange) -> Result<(), WorldError> {
    if sent.response.is_success() {
        return Ok(());
    }
    Err(refused(name, &sent.request, &sent.response, &[]))
}

async fn send_once(
    deployment: &mut Deployment,
    name: &str,
    request: &RequestTemplate,
    live: &Context,
    sessions: &Sessions,
) -> Result<Exchange, WorldError> {
    let bindings = deployment.model().bindings(live);
    let mut sessions = sessions.clone();
    let outgoing = Outgoing {
        name,
        template: request,
        bindings,
        known: None,
        listed: &[],
        is_forbidden: false,
    };
    deployment.exchange(outgoing, &mut sessions).await
}
