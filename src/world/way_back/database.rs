//! `restore: database`: the rows that differ are written back; the service goes on running.

use async_trait::async_trait;

use super::super::answer::Answer;
use super::super::checkpoint::Checkpoint;
use super::super::config::WorldConfig;
use super::super::databases::same_content;
use super::super::deployment::Deployment;
use super::super::fresh_start::fresh_start;
use super::super::path::Path;
use super::super::restore_check::RestoreCheck;
use super::super::{WorldError, WorldErrorKind};
use super::{AfterRestore, Position, Step, WayBack};
use crate::model::ActionId;

/// Writes rows back.
pub(super) struct Database {
    after_restore: AfterRestore,
    check: RestoreCheck,
    may_restart: bool,
}

impl Database {
    /// An error where there is no system to restore.
    pub(super) fn new(config: &WorldConfig) -> Result<Self, WorldError> {
        if config.systems.is_empty() {
            return Err(WorldError::new(
                WorldErrorKind::Restore,
                "`restore: database` has nothing to restore: no system is declared",
            )
            .with_help(
                "declare the service's database under `systems`, or use `restore: replay`",
            ));
        }
        Ok(Self {
            after_restore: AfterRestore::new(config),
            check: RestoreCheck::default(),
            may_restart: config.service.as_ref().is_some_and(|it| it.restart),
        })
    }
}

#[async_trait(?Send)]
impl WayBack for Database {
    fn replays_nothing(&self) -> bool {
        true
    }

    fn leaves_process(&self) -> bool {
        true
    }

    fn starts_anew(&self) -> bool {
        self.may_restart
    }

    /// What a read-only action answers, for the check of a restore.
    fn remember(&mut self, before: &Checkpoint, step: &Step<'_>) -> Path {
        // A failure of the service may be chance.
        let is_failure = step.response.status >= 500;
        if step.is_safe && !step.wrote && !is_failure && step.context == before.context() {
            let answer = Answer::new(step.action, step.response);
            before.remember(answer);
            self.check.note(answer);
        }
        Path::default()
    }

    async fn go_back(
        &mut self,
        deployment: &mut Deployment,
        position: &mut Position,
        to: &Checkpoint,
    ) -> Result<(), WorldError> {
        let stays = same_content(position.now.content(), to.content());
        if !stays {
            let databases = deployment.databases();
            let now = position.now.content();
            databases.restore(now, to.content()).await?;
        }
        position.now = to.clone();
        if stays {
            return Ok(());
        }
        let sent = self
            .after_restore
            .send(deployment, to.context(), &mut position.now)
            .await?;
        self.check.check(deployment, &position.now, sent).await
    }

    fn take_suspects(&mut self) -> Vec<ActionId> {
        self.check.take_suspects()
    }

    /// Where venomqa starts the service, it starts it anew. A service that somebody else has started keeps its memory, and
    /// `setup` has been sent to it once already: there the initial state is restored as always.
    async fn renew(
        &mut self,
        deployment: &mut Deployment,
        position: &mut Position,
    ) -> Result<(), WorldError> {
        if !self.may_restart {
            let initial = position.initial.clone();
            return self.go_back(deployment, position, &initial).await;
        }
        let fresh = fresh_start(deployment, position.now.content()).await;
        position.now = fresh.map_err(|error| match error.kind {
            WorldErrorKind::Interrupted | WorldErrorKind::TimeOver => error,
            _ => error.with_more_help(
                "the service was started again to see whether a violation happens again; where it cannot be, for example because it makes its tables anew each time, say `restart: false` under `service`",
            ),
        })?;
        Ok(())
    }
}
