//! Going back: `restore: database`, and what every way back has in common.

use std::sync::Arc;
use std::time::Instant;

use super::checkpoint::{Checkpoint, Place};
use super::config::{Reset, RestoreMode, WorldConfig};
use super::cookies::Cookies;
use super::databases::same_content;
use super::live_world::LiveWorld;
use super::{Warning, WorldError, WorldErrorKind};
use crate::model::Context;

impl LiveWorld {
    /// Notices rows that changed while no request ran, and puts them back.
    pub(super) async fn put_back_strays(&mut self, place: &Arc<Place>) -> Result<(), WorldError> {
        let change = self.read(&place.content).await?;
        let Some(content) = change.content else {
            return Ok(());
        };
        for warning in Warning::background_writes(&change.rows) {
            self.warnings.say(warning);
        }
        let began = Instant::now();
        self.databases.restore(&content, &place.content).await?;
        self.spent.restore += began.elapsed();
        self.undo(place).await?;
        Ok(())
    }

    pub(super) async fn go_back(&mut self, to: &Checkpoint) -> Result<(), WorldError> {
        self.check_interrupt()?;
        let now = self.now()?;
        let replays = self.config.restore == RestoreMode::Replay;
        if Arc::ptr_eq(&now, &to.0) || (replays && now.path.same(&to.0.path)) {
            return Ok(());
        }
        match self.config.restore {
            RestoreMode::Database => self.restore_rows(&now, &to.0).await,
            RestoreMode::Replay => self.replay(to).await,
            RestoreMode::None => Err(WorldError::new(
                WorldErrorKind::Restore,
                "`restore: none` never goes back to an earlier state",
            )
            .with_help("choose `--strategy random`, or declare a system that can be restored")),
        }
    }

    async fn restore_rows(&mut self, now: &Arc<Place>, to: &Arc<Place>) -> Result<(), WorldError> {
        let same = now
            .content
            .iter()
            .zip(to.content.iter())
            .all(|(now, to)| same_content(now, to));
        if same {
            self.stand_at(to.clone());
            return Ok(());
        }
        // A restore writes the rows in which two known contents differ, so what is there has to be the known one.
        if !self.databases.restore_over_strays() {
            self.put_back_strays(now).await?;
        }
        let is_at_rest = self.databases.restore(&now.content, &to.content).await?;
        self.at_rest = is_at_rest.then(Instant::now);
        self.stand_at(to.clone());
        let live = to.context.clone();
        let sent = !self.config.after_restore.is_empty();
        self.send_after_restore(&live, &to.cookies).await?;
        self.prove_restore(to, sent).await
    }

    /// Sends the `after_restore` requests. Rows that they change are the caller's to put back.
    pub(super) async fn send_after_restore(
        &mut self,
        live: &Context,
        cookies: &Cookies,
    ) -> Result<(), WorldError> {
        if self.config.after_restore.is_empty() {
            return Ok(());
        }
        let requests = self.config.after_restore.clone();
        for (position, request) in requests.iter().enumerate() {
            let name = format!("`after_restore` request {}", position + 1);
            let mut cookies = cookies.clone();
            let bindings = self.model.bindings(live);
            let rendered = self.render(&name, request, bindings, &cookies)?;
            let answer = self.exchange(&name, &rendered, &mut cookies).await?;
            if !(200..300).contains(&answer.status) {
                return Err(super::setup::refused(&name, &rendered, &answer));
            }
        }
        self.settle().await;
        Ok(())
    }
}

/// Why a world with this configuration could not go back as it is meant to; `None` when it can.
pub(super) fn cannot_go_back(config: &WorldConfig) -> Option<WorldError> {
    let (message, help) = match config.restore {
        RestoreMode::Database if config.systems.is_empty() => (
            "`restore: database` has nothing to restore: no system is declared",
            "declare the service's database under `systems`, or use `restore: replay`",
        ),
        RestoreMode::Replay
            if config.service.is_none() && matches!(config.reset, None | Some(Reset::Restart)) =>
        {
            (
                "`restore: replay` has no way to reset the service",
                "let venomqa start the service (`service.command`), or give `reset` a request or a command",
            )
        }
        _ => return None,
    };
    Some(WorldError::new(WorldErrorKind::Restore, message).with_help(help))
}
