//! `restore: replay`: back to a state of a service that has no database to write to.
//!
//! The service is reset (a request, a command, or a restart), `setup` runs again, then every step of the path. Each
//! step must be answered with the status it was answered with before; anything else means that the reset does not reset
//! all, or that the service is not deterministic, and no verdict could be relied on.
//!
//! Databases that are declared are put back with the service, to their content before `setup`. So rows are seen and judged as
//! ever, beside what the service keeps in its memory.
//!
//! **Ids may differ.** A service that makes up random ids gives out new ones each time. The values that the path
//! extracts while it is replayed are what later requests are filled with (the [live values](LiveValues)), while the state
//! keeps the values of the first time: they name the same things.
//!
//! **Safe methods do not move the world.** A `GET` that bound nothing leaves the world where it was, so going back costs
//! nothing after it. Without a database nothing proves that; the method promises it.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::checkpoint::{Checkpoint, State};
use super::super::config::{Reset, WorldConfig};
use super::super::deployment::{Deployment, Outgoing};
use super::super::extract::Extracted;
use super::super::fresh_start::start_before_setup;
use super::super::live_values::LiveValues;
use super::super::path::{Path, PathStep};
use super::super::system::SystemState;
use super::super::turns::Turns;
use super::super::{Warning, WarningCode, WorldError, WorldErrorKind, setup};
use super::{AfterRestore, Position, Step, WayBack, send_accepted};
use crate::model::{Context, Digest, Model, VariableId};

/// Resets the service and walks the path again.
pub(super) struct Replay {
    reset: Reset,
    after_restore: AfterRestore,
    live: LiveValues,
}

impl Replay {
    /// An error where there is no way to reset the service.
    pub(super) fn new(config: &WorldConfig) -> Result<Self, WorldError> {
        let reset = config.reset.clone().unwrap_or(Reset::Restart);
        if matches!(reset, Reset::Restart) && config.service.is_none() {
            return Err(WorldError::new(
                WorldErrorKind::Restore,
                "`restore: replay` has no way to reset the service",
            )
            .with_help(
                "let venomqa start the service (`service.command`), or give `reset` a request or a command",
            ));
        }
        Ok(Self {
            reset,
            after_restore: AfterRestore::new(config),
            live: LiveValues::default(),
        })
    }

    /// Resets the service, and puts the databases back to their content before `setup`, which is returned. `now` is their content
    /// as far as is known.
    async fn reset(
        &self,
        deployment: &mut Deployment,
        initial: &Checkpoint,
        now: &Arc<[SystemState]>,
    ) -> Result<Arc<[SystemState]>, WorldError> {
        if matches!(self.reset, Reset::Restart) {
            return start_before_setup(deployment, now).await;
        }
        self.ask_for_reset(deployment, initial).await?;
        let databases = deployment.databases();
        let before_setup = databases.before_setup();
        if !databases.are_none() {
            let found = databases.content(now).await?;
            databases.put_back(&found, &before_setup).await?;
        }
        Ok(before_setup)
    }

    async fn ask_for_reset(
        &self,
        deployment: &mut Deployment,
        initial: &Checkpoint,
    ) -> Result<(), WorldError> {
        match &self.reset {
            Reset::Request(request) => {
                let live = self.live.context(initial.context());
                let name = "the `reset` request";
                send_accepted(deployment, name, request, &live, initial.sessions()).await?;
                deployment.settle(None, &live).await?;
                Ok(())
            }
            Reset::Command(command) => {
                let process = deployment.process();
                process.run("the `reset` command", command).await
            }
            Reset::Restart => deployment.restart().await,
        }
    }
}

#[async_trait(?Send)]
impl WayBack for Replay {
    fn live_values(&self, remembered: &Context) -> Context {
        self.live.context(remembered)
    }

    /// The path, and the values that the service knows.
    fn remember(&mut self, before: &Checkpoint, step: &Step<'_>) -> Path {
        let context = step.after.context();
        self.live.set(context, step.extracted.applied_to(step.live));
        if step.stays && step.is_safe {
            return before.path().clone();
        }
        before.path().then(
            step.action,
            step.response.status,
            step.after.identity(),
            context.clone(),
        )
    }

    async fn go_back(
        &mut self,
        deployment: &mut Deployment,
        position: &mut Position,
        to: &Checkpoint,
    ) -> Result<(), WorldError> {
        if position.now.path().same(to.path()) {
            return Ok(());
        }
        self.walk(deployment, position, to).await
    }

    async fn bring_back(
        &mut self,
        deployment: &mut Deployment,
        position: &mut Position,
    ) -> Result<(), WorldError> {
        if !matches!(self.reset, Reset::Restart) {
            deployment.bring_back(position.now.content()).await?;
        }
        let now = position.now.clone();
        self.walk(deployment, position, &now).await
    }

    async fn come_back(
        &mut self,
        deployment: &mut Deployment,
        position: &mut Position,
        found: &Arc<[SystemState]>,
        to: &Checkpoint,
    ) -> Result<(), WorldError> {
        let now = position.now.content();
        deployment.databases().put_back(found, now).await?;
        self.walk(deployment, position, to).await
    }

    async fn renew(
        &mut self,
        deployment: &mut Deployment,
        position: &mut Position,
    ) -> Result<(), WorldError> {
        let initial = position.initial.clone();
        self.walk(deployment, position, &initial).await
    }
}

impl Replay {
    async fn walk(
        &mut self,
        deployment: &mut Deployment,
        position: &mut Position,
        to: &Checkpoint,
    ) -> Result<(), WorldError> {
        let initial = &position.initial;
        let now = position.now.content().clone();
        let before_setup = self.reset(deployment, initial, &now).await?;
        let (mut live, mut sessions) = setup::run(deployment).await?;
        compare(deployment, "setup", initial.context(), &live);
        let content = deployment.databases().content(&before_setup).await?;
        let mut there = deployment
            .look(content, Digest::default(), live.clone(), sessions.clone())
            .await?;
        let steps = to.path().steps();
        let model = deployment.model();
        let mut turns = Turns::default();
        for (number, step) in steps.iter().enumerate() {
            deployment.check_interrupt()?;
            let action = model.action(step.action);
            let name = format!("action `{}`, replayed", action.name);
            let bindings = turns.bindings(&model, step.action, &live);
            turns = turns.after(step.action, &action.request);
            let outgoing = Outgoing {
                name: &name,
                template: &action.request,
                bindings,
                known: None,
                listed: &action.expect.status,
                is_forbidden: action.forbidden.is_some(),
            };
            let answer = deployment.exchange(outgoing, &mut sessions).await?.response;
            let extracted = Extracted::by_action(&model, action, &answer);
            deployment.secrets().learn_extracted(&extracted.found);
            live = extracted.applied_to(&live);
            deployment.settle(Some(step.action), &live).await?;
            let content = deployment.databases().content(there.content()).await?;
            let is_idle = action.request.is_safe() || action.refuses(&answer);
            let unsafe_requests = there.unsafe_requests_after(step.action, is_idle, answer.status);
            there = deployment
                .look(content, unsafe_requests, live.clone(), sessions.clone())
                .await?;
            if let Some(differs) = difference(step, answer.status, &there) {
                return Err(went_another_way(&model, &steps, number, &differs));
            }
            compare(
                deployment,
                &format!("`{}`", action.name),
                &step.context,
                &live,
            );
        }
        // The context is the remembered one, for it is what comparisons go by; the content is what is there now.
        position.now = Checkpoint::new(to.refound(&there), to.path().clone());
        self.after_restore
            .send(deployment, &live, &mut position.now)
            .await?;
        self.live.set(to.context(), live);
        Ok(())
    }
}

/// How a step that was replayed differs from when it first ran.
fn difference(step: &PathStep, status: u16, after: &State) -> Option<String> {
    if status != step.status {
        return Some(format!(
            "it was answered with {} when it first ran, and with {status} now",
            step.status
        ));
    }
    let same = after.identity() == step.identity;
    (!same).then(|| "it left other rows than when it first ran".to_owned())
}

fn went_another_way(
    model: &Model,
    steps: &[Arc<PathStep>],
    number: usize,
    differs: &str,
) -> WorldError {
    let names: Vec<&str> = steps
        .iter()
        .map(|step| model.action(step.action).name.as_str())
        .collect();
    WorldError::new(
        WorldErrorKind::Restore,
        format!(
            "replaying a path went another way at step {} of {}, `{}`: {differs}",
            number + 1,
            names.len(),
            names[number]
        ),
    )
    .with_details([format!("the path: {}", names.join(" -> "))])
    .with_help(
        "either `reset` does not put everything back, or the service does not do the same thing twice; try `reset: restart`, or `ignore_columns` for values that are different each time",
    )
}

/// Says once for each variable that its value is another one than the first time.
fn compare(deployment: &mut Deployment, source: &str, remembered: &Context, live: &Context) {
    let names = deployment.model().names.clone();
    for (position, name) in names.variables.iter().enumerate() {
        let variable = VariableId(position as u32);
        if remembered.get(variable) != live.get(variable) {
            let message = format!("{source} yields another `{name}` each time that it is replayed");
            deployment.warn(Warning::new(WarningCode::ReplayDiffers, message).with_help(
                "the new value is used from then on; ids that follow from the requests make runs reproducible",
            ));
        }
    }
}
