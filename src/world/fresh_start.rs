//! The initial state as a new run would find it: for proving that what was found happens again.

use std::sync::Arc;

use super::checkpoint::{Checkpoint, Place};
use super::config::RestoreMode;
use super::live_world::LiveWorld;
use super::replay::Path;
use super::{Arrival, WorldError};
use crate::model::{Digest, RowDelta};

impl LiveWorld {
    /// Brings the world to where a new run would begin, with nothing left that a service remembers in its memory.
    ///
    /// Where venomqa starts the service: stops it, puts every database back to its content before `setup`, starts it and
    /// runs `setup` again, because sessions and tokens may have died with it. A service that somebody else has started
    /// keeps its memory, and `setup` has been sent to it once already: there the initial state is restored as always.
    /// `restore: replay` resets.
    pub(super) async fn begin_again(&mut self) -> Result<Arc<Place>, WorldError> {
        self.check_interrupt()?;
        let initial = self.initial()?;
        let may_restart = self.config.service.as_ref().is_some_and(|it| it.restart);
        match self.config.restore {
            RestoreMode::Replay => {
                self.replay(&Checkpoint(initial)).await?;
                self.now()
            }
            RestoreMode::Database if may_restart => self.start_over().await.map_err(|error| {
                let help = "the service was started again to see whether a violation happens again; where it cannot be, for example because it makes its tables anew each time, say `restart: false` under `service`";
                match &error.help {
                    _ if error.kind == super::WorldErrorKind::Interrupted => error,
                    Some(said) => {
                        let both = format!("{said}; {help}");
                        error.with_help(both)
                    }
                    None => error.with_help(help),
                }
            }),
            _ => {
                self.go_back(&Checkpoint(initial.clone())).await?;
                Ok(initial)
            }
        }
    }

    async fn start_over(&mut self) -> Result<Arc<Place>, WorldError> {
        let now = self.now()?;
        self.put_back_strays(&now).await?;
        self.stop_service().await;
        let mut content = now.content.clone();
        if let Some(found) = self.read(&now.content).await?.content {
            // What a service writes when it is told to stop.
            content = found;
        }
        let before_setup = self.before_setup.clone();
        self.databases.restore(&content, &before_setup).await?;
        self.restart_service().await?;
        self.databases.still_there().await?;
        let (context, cookies) = self.run_setup().await?;
        let content = match self.read(&before_setup).await?.content {
            Some(found) => found,
            None => before_setup,
        };
        let observed = self
            .databases
            .observe(&context, &RowDelta::default(), None)
            .await?;
        let place = Arc::new(Place::new(
            content,
            observed,
            Digest::default(),
            context,
            cookies,
            Path::default(),
        ));
        self.stand_at(place.clone());
        Ok(place)
    }
}

/// Arriving in an initial state.
pub(super) fn arrival(place: &Arc<Place>) -> Arrival<Checkpoint> {
    Arrival {
        context: place.context.clone(),
        identity: place.identity,
        checkpoint: Checkpoint(place.clone()),
        status: 0,
        wrote: false,
        record: None,
    }
}
