//! `restore: none`: never back, for strategies that only go forward.

use async_trait::async_trait;

use super::super::checkpoint::Checkpoint;
use super::super::deployment::Deployment;
use super::super::path::Path;
use super::super::{WorldError, WorldErrorKind};
use super::{Position, Step, WayBack};

/// No way back.
pub(super) struct None;

#[async_trait(?Send)]
impl WayBack for None {
    fn can_restore(&self) -> bool {
        false
    }

    fn remember(&mut self, _before: &Checkpoint, _step: &Step<'_>) -> Path {
        Path::default()
    }

    async fn bring_back(
        &mut self,
        _deployment: &mut Deployment,
        _position: &mut Position,
    ) -> Result<(), WorldError> {
        Err(WorldError::new(
            WorldErrorKind::Restore,
            "after a request without an answer nobody knows in which state the service is, and `restore: none` cannot put it back",
        )
        .with_help("declare a system that can be restored, or use `restore: replay`"))
    }

    async fn go_back(
        &mut self,
        _deployment: &mut Deployment,
        _position: &mut Position,
        _to: &Checkpoint,
    ) -> Result<(), WorldError> {
        Err(WorldError::new(
            WorldErrorKind::Restore,
            "`restore: none` never goes back to an earlier state",
        )
        .with_help("choose `--strategy random`, or declare a system that can be restored"))
    }
}
