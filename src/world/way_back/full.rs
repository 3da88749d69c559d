//! `restore: full`: the rows that differ are written back, and the service is started again, for services that keep state in
//! their process.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::checkpoint::Checkpoint;
use super::super::config::WorldConfig;
use super::super::deployment::Deployment;
use super::super::fresh_start::fresh_start;
use super::super::path::Path;
use super::super::system::SystemState;
use super::super::{WorldError, WorldErrorKind};
use super::{AfterRestore, Position, Step, WayBack};

/// Writes rows back while the service is down.
pub(super) struct Full {
    after_restore: AfterRestore,
}

impl Full {
    /// An error where there is no service to start again.
    pub(super) fn new(config: &WorldConfig) -> Result<Self, WorldError> {
        if config.service.is_none() {
            return Err(WorldError::new(
                WorldErrorKind::Restore,
                "`restore: full` has no service to start again",
            )
            .with_help("let venomqa start the service (`service.command`)"));
        }
        Ok(Self {
            after_restore: AfterRestore::new(config),
        })
    }
}

#[async_trait(?Send)]
impl WayBack for Full {
    fn replays_nothing(&self) -> bool {
        true
    }

    /// Each step leads to another place, even where nothing is seen to change: the process may have changed.
    fn remember(&mut self, _before: &Checkpoint, step: &Step<'_>) -> Path {
        let (status, after) = (step.response.status, step.after);
        Path::default().then(
            step.action,
            status,
            after.identity(),
            after.context().clone(),
        )
    }

    async fn go_back(
        &mut self,
        deployment: &mut Deployment,
        position: &mut Position,
        to: &Checkpoint,
    ) -> Result<(), WorldError> {
        let now = position.now.content();
        deployment.databases().put_back_strays(now).await?;
        deployment.process().stop().await;
        // What a service writes when it stops and when it starts is put back with the rest.
        let found = deployment.databases().content(now).await?;
        let databases = deployment.databases();
        databases.restore(&found, to.content()).await?;
        deployment.restart().await?;
        deployment.databases().still_there().await?;
        let mut there = to.clone();
        self.after_restore
            .send(deployment, to.context(), &mut there)
            .await?;
        let databases = deployment.databases();
        databases.undo(there.content()).await?;
        databases.verify(there.content()).await?;
        position.now = there;
        Ok(())
    }

    async fn come_back(
        &mut self,
        deployment: &mut Deployment,
        position: &mut Position,
        found: &Arc<[SystemState]>,
        to: &Checkpoint,
    ) -> Result<(), WorldError> {
        deployment.databases().put_back(found, to.content()).await?;
        position.now = to.clone();
        self.bring_back(deployment, position).await
    }

    async fn renew(
        &mut self,
        deployment: &mut Deployment,
        position: &mut Position,
    ) -> Result<(), WorldError> {
        position.now = fresh_start(deployment, position.now.content()).await?;
        Ok(())
    }
}
