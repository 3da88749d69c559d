//! `setup` sent again, for what it logs in with when that is not good any more.
//!
//! That is sound only where `setup` leaves the rows that it has left before: then the states of the walk are what they were, and
//! only the values that it extracts, and its cookies, are new ones.

use super::WorldError;
use super::databases::same_content;
use super::deployment::Deployment;
use super::live_values::LiveValues;
use super::setup;
use super::way_back::Position;

/// Sends `setup` again from the content before it, and goes back to where the world stands. Returns what it extracts now; `None`
/// where it leaves other rows than before, and all is as it was.
pub(super) async fn setup_again(
    deployment: &mut Deployment,
    position: &mut Position,
) -> Result<Option<LiveValues>, WorldError> {
    if deployment.setup().is_empty() {
        return Ok(None);
    }
    let before_setup = deployment.databases().before_setup();
    let now = position.now.content().clone();
    deployment.databases().restore(&now, &before_setup).await?;
    let done = setup::run(deployment).await;
    let databases = deployment.databases();
    let content = databases.content(&before_setup).await?;
    databases.restore(&content, &now).await?;
    let (context, sessions) = match done {
        Ok(done) => done,
        Err(error) if error.is_ending() => return Err(error),
        // What it does now is not what it did.
        Err(_) => return Ok(None),
    };
    if !same_content(&content, position.initial.content()) {
        return Ok(None);
    }
    deployment.renewals().all_renewed(&sessions);
    position.use_newest(deployment);
    let mut values = LiveValues::default();
    values.set(position.initial.context(), context);
    Ok(Some(values))
}
