//! The initial state as a new run would find it: for proving that what was found happens again.

use std::sync::Arc;

use super::WorldError;
use super::checkpoint::Checkpoint;
use super::deployment::Deployment;
use super::path::Path;
use super::setup;
use super::system::SystemState;
use crate::model::Digest;

/// Starts the service again as [`start_before_setup`] does and runs `setup` again, because sessions and tokens may have died with it.
pub(super) async fn fresh_start(
    deployment: &mut Deployment,
    now: &Arc<[SystemState]>,
) -> Result<Checkpoint, WorldError> {
    let before_setup = start_before_setup(deployment, now).await?;
    let (context, sessions) = setup::run(deployment).await?;
    let content = deployment.databases().content(&before_setup).await?;
    let state = deployment
        .look(content, Digest::default(), context, sessions)
        .await?;
    Ok(Checkpoint::new(state, Path::default()))
}

/// Stops the service, puts every database back to its content before `setup`, which is returned, and starts the service. `now` is the
/// content as far as is known.
pub(super) async fn start_before_setup(
    deployment: &mut Deployment,
    now: &Arc<[SystemState]>,
) -> Result<Arc<[SystemState]>, WorldError> {
    let databases = deployment.databases();
    databases.put_back_strays(now).await?;
    let before_setup = databases.before_setup();
    deployment.process().stop().await;
    // What a service writes when it is told to stop is put back with the rest.
    let content = deployment.databases().content(now).await?;
    let databases = deployment.databases();
    databases.restore(&content, &before_setup).await?;
    deployment.restart().await?;
    deployment.databases().still_there().await?;
    Ok(before_setup)
}
